# SPDX-License-Identifier: Apache-2.0
"""tests/FAULTS.md names only tests that exist, and no row without one or the reason."""
import re

import pytest

from leat_harness import places

TEXT = (places.ROOT / "tests" / "FAULTS.md").read_text(encoding="utf-8")
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and not re.match(r"\| (fault|rule|bug) \|", line)]
NAMED = sorted(set(re.findall(r"`(tests/[\w/.-]+)::(\w+)`", TEXT)))


def test_every_row_has_a_test_or_a_reason():
    assert len(ROWS) > 50
    for row in ROWS:
        assert "::" in row or "skipped: " in row, row


@pytest.mark.parametrize("path", sorted({path for path, _ in NAMED}))
def test_every_test_that_is_named_exists(path):
    text = (places.ROOT / path).read_text(encoding="utf-8")
    for name in (name for where, name in NAMED if where == path):
        if path.endswith(".py"):
            assert re.search(rf"^def {name}\(", text, re.M), name
        else:  # it is there, and in the list of those that are run
            assert re.search(rf"^static void {name}\(", text, re.M), name
            assert len(re.findall(rf"\b{name}\b", text)) > 1, f"{name} is never run"
