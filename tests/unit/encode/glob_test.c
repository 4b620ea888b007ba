/* SPDX-License-Identifier: Apache-2.0
 *
 * glob_test.c -- patterns against a slow matcher that follows the definition.
 */
#include "glob.h"
#include "samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void by_hand(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool matches;
    } cases[] = {{"", "", true},
                 {"", "a", false},
                 {"*", "", true},
                 {"*", "any", true},
                 {"a*", "abc", true},
                 {"a*", "b", false},
                 {"*_log", "x_log", true},
                 {"*_log", "x_log_", false},
                 {"a?c", "abc", true},
                 {"a?c", "ac", false},
                 {"?", "\xc3\xbc", true},
                 {"??", "\xc3\xbc", false},
                 {"a*b*c", "aXbYbZc", true},
                 {"**", "x", true},
                 {"orders", "Orders", false},
                 {"[a]", "a", false},
                 {"[a]", "[a]", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (glob_match(cases[i].pattern, cases[i].text, strlen(cases[i].text)) != cases[i].matches)
            fail_msg("%s %s", cases[i].pattern, cases[i].text);
    }
}

static bool slow(const char *pattern, const char *text, size_t len)
{
    if (*pattern == 0)
        return len == 0;
    if (*pattern == '*')
        return slow(pattern + 1, text, len) || (len != 0 && slow(pattern, text + 1, len - 1));
    return len != 0 && (*pattern == '?' || *pattern == *text) &&
           slow(pattern + 1, text + 1, len - 1);
}

static void same_as_the_definition(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (int i = 0; i < 100000; i++) {
        char pattern[9] = {0}, text[9] = {0};
        for (uint64_t j = sample_below(&seed, 8); j > 0; j--)
            pattern[j - 1] = "aab?*"[sample_below(&seed, 5)];
        for (uint64_t j = sample_below(&seed, 8); j > 0; j--)
            text[j - 1] = "aab"[sample_below(&seed, 3)];
        assert_int_equal(glob_match(pattern, text, strlen(text)),
                         slow(pattern, text, strlen(text)));
    }
}

static void hostile_patterns_take_no_time(void **state)
{
    (void)state;
    char pattern[256], text[4096];
    for (size_t i = 0; i < sizeof pattern - 2; i++)
        pattern[i] = i % 2 ? 'a' : '*';
    pattern[sizeof pattern - 2] = 'b';
    pattern[sizeof pattern - 1] = 0;
    memset(text, 'a', sizeof text);
    assert_false(glob_match(pattern, text, sizeof text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(same_as_the_definition),
        cmocka_unit_test(hostile_patterns_take_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
