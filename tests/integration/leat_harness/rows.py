# SPDX-License-Identifier: Apache-2.0
"""Numbered rows of one table, for tests that ask only which of them arrived: the fixture `table`, `insert` and `ids`."""
from . import records


def insert(db, first, last, value="'v'"):
    """Rows first to last, 500 a transaction; `value` is SQL, g the row's number."""
    for at in range(first, last + 1, 500):
        db.execute(f"INSERT INTO t SELECT g, {value} FROM generate_series({at}, {min(at + 499, last)}) g")


def ids(target):
    """The numbers of the rows whose inserts the target holds, in its order."""
    return [int(record.after["id"]) for record in map(records.Record, target.lines()) if record.op == "insert"]
