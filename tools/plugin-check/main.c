/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c -- leat-plugin-check: loads a plugin as the daemon would and proves that it keeps the
 * contract.
 *
 * The parent: arguments, one child a trial, the report.  It never loads the plugin.
 */
#include "exit_code.h"
#include "print_options.h"
#include "trials.h"
#include "trust.h"

#include <dirent.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

struct settings settings = {.timeout_ms = 10000};

static const char usage[] =
    "usage: leat-plugin-check [--config FILE] [--timeout SECONDS] [--trial NAME] [--first]\n"
    "                         [--json] PLUGIN.so\n"
    "Loads a plugin as leat would and proves that it keeps the contract of leat/plugin.h.\n"
    "  --config FILE      the plugin's options, as they stand below its sink or source in "
    "leat.yaml;\n"
    "                     ${LEAT_CHECK_DIR} in it is a folder made anew for each trial\n"
    "  --timeout SECONDS  how long its server may take to answer (10)\n"
    "  --trial NAME       only this trial (and descriptor)\n"
    "  --first            ends behind the first trial that finds something\n"
    "  --json             for programs\n"
    "  --help             prints this\n"
    "Ends with 0 when it keeps every clause, 1 when it breaks one, 78 when it cannot be tried.\n";

struct tally {
    unsigned findings, trials, skipped;
    bool impossible; /* the first trial could not even begin */
};

static bool read_arguments(int argc, char **argv, bool *help)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"timeout", required_argument, NULL, 't'},
        {"trial", required_argument, NULL, 'o'},
        {"json", no_argument, NULL, 'j'},
        {"first", no_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    for (int c; (c = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
        char *end = NULL;
        switch (c) {
        case 'c':
            settings.config = optarg;
            break;
        case 't':
            settings.timeout_ms = (int64_t)(strtod(optarg, &end) * 1000);
            if (*end || settings.timeout_ms < 500 || settings.timeout_ms > 600000) {
                (void)fprintf(stderr, "leat-plugin-check: --timeout %s: write 0.5 to 600 seconds\n",
                              optarg);
                return false;
            }
            break;
        case 'o':
            settings.only = optarg;
            break;
        case 'f':
            settings.first = true;
            break;
        case 'j':
            settings.json = true;
            break;
        case 'h':
            *help = true;
            return true;
        default:
            return false;
        }
    }
    if (optind < argc)
        settings.library = argv[optind++];
    return settings.library && optind == argc;
}

/* ---- folders --------------------------------------------------------------------------------- */

static void empty_folder(const char *folder, int depth)
{
    char path[4096];
    DIR *dir = depth < 8 ? opendir(folder) : NULL;
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path)
            continue;
        if (unlink(path) == 0)
            continue;
        empty_folder(path, depth + 1);
        (void)rmdir(path);
    }
    if (dir)
        (void)closedir(dir);
}

/* ---- the report ------------------------------------------------------------------------------ */

static void report_json(const struct trial *trial, bool first)
{
    uint32_t count = atomic_load(&page->finding_count);
    (void)printf("%s{\"trial\":\"%s\",", first ? "" : ",", trial->name);
    if (page->skipped[0]) {
        (void)printf("\"skipped\":");
        print_json_string(stdout, page->skipped);
        (void)printf(",");
    }
    (void)printf("\"findings\":[");
    for (uint32_t i = 0; i < count; i++) {
        const struct finding *found = &page->findings[i];
        (void)printf("%s{\"clause\":\"C-%02d\",\"rule\":", i ? "," : "", (int)found->clause);
        print_json_string(stdout, clause_text(found->clause));
        (void)printf(",\"found\":");
        print_json_string(stdout, found->text);
        (void)printf("}");
    }
    (void)printf("]}");
}

static void report_text(const struct trial *trial)
{
    uint32_t count = atomic_load(&page->finding_count);
    (void)printf("%-4s  %-15s %s\n",
                 count              ? "FAIL"
                 : page->skipped[0] ? "skip"
                                    : "ok",
                 trial->name, page->skipped[0] ? page->skipped : trial->what);
    for (uint32_t i = 0; i < count; i++)
        (void)printf("      C-%02d  %s\n            %s\n", (int)page->findings[i].clause,
                     page->findings[i].text, clause_text(page->findings[i].clause));
    (void)fflush(stdout);
}

static void run_all(const char *folder, struct tally *tally)
{
    const struct trial *trials = sink_trials;
    size_t count = sink_trial_count;
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        /* A trial that goes on from another one needs that, too. */
        bool wanted = i == 0 || !settings.only || strcmp(trials[i].name, settings.only) == 0 ||
                      (i + 1 < count && trials[i + 1].again &&
                       strcmp(trials[i + 1].name, settings.only) == 0);
        if (!wanted)
            continue;
        if (!trials[i].again) {
            empty_folder(folder, 0);
            page->has_durable = page->held_back = false;
        }
        trial_run(&trials[i], folder);
        tally->trials++;
        tally->findings += atomic_load(&page->finding_count);
        tally->skipped += page->skipped[0] != '\0';
        if (settings.json)
            report_json(&trials[i], first);
        else
            report_text(&trials[i]);
        first = false;
        if (settings.first && tally->findings)
            return;
        if (i > 0)
            continue;
        tally->impossible = page->skipped[0] != '\0';
        if (tally->impossible || page->kind == 0)
            return; /* it cannot even be loaded */
        if (page->kind == LEAT_KIND_SOURCE) {
            trials = source_trials;
            count = source_trial_count;
        }
    }
}

static bool open_page(void)
{
    struct timespec now;
    page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return false;
    /* A stream of its own for each run, ascending from run to run: a server may keep what it was
     * given. */
    (void)clock_gettime(CLOCK_REALTIME, &now);
    page->origin = (uint64_t)now.tv_sec << 24;
    return true;
}

static int run(void)
{
    struct tally tally = {0};
    char folder[] = "/tmp/leat-plugin-check-XXXXXX";
    if (!open_page() || !mkdtemp(folder)) {
        (void)fprintf(stderr, "leat-plugin-check: cannot make a folder in /tmp\n");
        return EX_CANTCREAT;
    }
    if (settings.json)
        (void)printf("{\"trials\":[");
    run_all(folder, &tally);
    empty_folder(folder, 0);
    (void)rmdir(folder);
    if (settings.json)
        (void)printf("],\"name\":\"%s\",\"version\":\"%s\",\"abi\":\"%u.%u\",\"findings\":%u,"
                     "\"skipped\":%u}\n",
                     page->name, page->version, page->abi_major, page->abi_minor, tally.findings,
                     tally.skipped);
    else if (!tally.impossible)
        (void)printf("%s %s, ABI %u.%u: %u trials, %u skipped, %u findings\n",
                     page->name[0] ? page->name : "?", page->version, page->abi_major,
                     page->abi_minor, tally.trials, tally.skipped, tally.findings);
    if (fflush(stdout) != 0)
        return EX_IOERR;
    if (tally.impossible && tally.findings == 0) {
        (void)fprintf(
            stderr,
            "leat-plugin-check: %s; write the plugin's options into a file and name it with "
            "--config\n",
            page->skipped);
        return EX_CONFIG;
    }
    return tally.findings ? 1 : 0;
}

int main(int argc, char **argv)
{
    char real[PATH_MAX], why[1024];
    bool help = false;
    if (!read_arguments(argc, argv, &help)) {
        (void)fputs(usage, stderr);
        return EX_USAGE;
    }
    if (help) {
        (void)fputs(usage, stdout);
        return EX_OK;
    }
    int fd = trust_open(settings.library, real, why, sizeof why);
    if (fd < 0) {
        (void)fprintf(stderr, "leat-plugin-check: leat would not load it: %s\n", why);
        return EX_NOPERM;
    }
    (void)close(fd);
    return run();
}
