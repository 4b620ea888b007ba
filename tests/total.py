#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""total.py FILE.xml...: adds up JUnit files of ctest and pytest, one test case each.  Prints what was skipped, by name
and with its reason, what failed, and as the last line "N passed, N failed, N skipped".  1 when something failed."""
import sys
import xml.etree.ElementTree as tree


def main(paths):
    passed, failed, skipped = 0, [], []
    for path in paths:
        try:
            cases = list(tree.parse(path).getroot().iter("testcase"))
        except (OSError, tree.ParseError) as error:
            failed.append(f"{path}: {error}")
            continue
        if not cases:
            failed.append(f"{path}: no test in it")
        suite = path.rsplit("/", 1)[-1].removesuffix(".xml")
        for case in cases:
            name = " ".join(dict.fromkeys(filter(None, [suite, case.get("classname"), case.get("name")])))
            skip = case.find("skipped")
            if case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail":
                failed.append(name)
            elif skip is not None or case.get("status") in ("disabled", "notrun"):
                reason = (skip.get("message") if skip is not None else None) or case.get("status") or "no reason given"
                skipped.append(f"{name}: {reason}")
            else:
                passed += 1
    for title, names in (("skipped", skipped), ("failed", failed)):
        if names:
            print(f"\n{title}:")
            for name in names:
                print(f"  {name}")
    print(f"\n{passed} passed, {len(failed)} failed, {len(skipped)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
