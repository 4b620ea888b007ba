# SPDX-License-Identifier: Apache-2.0
"""The file sink's segments, read as a consumer reads them: names in order, whole lines, .ndjson and .ndjson.zst."""
import pathlib

from . import rawjson, zstd

ORDER = ["op", "schema", "table", "lsn", "xid", "ts", "seq", "cascade", "restart_identity", "prefix", "transactional",
         "content", "encoding", "key", "before", "after", "missing"]
ROW_ORDER = [name for name in ORDER if name in ("op", "schema", "table", "lsn", "xid", "ts", "seq", "key", "before",
                                                "after", "missing")]


def lsn_number(text):
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


class Record:
    """One line.  The members are attributes' raw text in self.raw and plain values in self.value."""

    __slots__ = ("line", "raw", "value", "position")

    def __init__(self, line):
        self.line = line
        pairs = rawjson.members(line)
        self.raw = dict(pairs)
        assert len(self.raw) == len(pairs), f"a field twice: {line[:400]}"
        self.value = rawjson.plain(line)
        self.position = (lsn_number(self.value["lsn"]), int(self.value["seq"]))

    def __getattr__(self, name):
        return self.value.get(name)

    @property
    def fields(self):
        return list(self.raw)

    def columns(self, name):
        """{column: raw text} of key, before or after; None where the record has none."""
        return dict(rawjson.members(self.raw[name])) if name in self.raw else None

    def __repr__(self):
        return self.line if len(self.line) < 600 else self.line[:600] + "..."


def segments(folder):
    folder = pathlib.Path(folder)
    if not folder.exists():
        return []
    return sorted((path for path in folder.rglob("*") if path.name.endswith((".ndjson", ".ndjson.zst"))),
                  key=lambda path: (str(path.parent), path.name))


def lines(folder, allow_torn=True):
    """Every whole line of every segment, in stream order.  A tail without its newline is left out, and is allowed
    in the newest segment only."""
    found = []
    paths = segments(folder)
    for number, path in enumerate(paths):
        data = read(path)
        if data and not data.endswith(b"\n"):
            assert allow_torn and number == len(paths) - 1, f"{path}: torn, and not the newest"
            data = data[:data.rfind(b"\n") + 1]
        found += data.decode("utf-8").split("\n")[:-1]
    return found


def read(path):
    if path.name.endswith(".zst"):
        return zstd.decode(path.read_bytes())
    return path.read_bytes()


def load(folder, allow_torn=True):
    return [Record(line) for line in lines(folder, allow_torn)]


class Tail:
    """Follows a folder of segments: each call of more() gives the lines that are new and whole."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.done = {}  # path -> bytes that were given out

    def more(self):
        new = []
        for path in segments(self.folder):
            at = self.done.get(path, 0)
            if path.name.endswith(".zst"):
                data = read(path)[at:]
            else:
                if path.stat().st_size <= at:
                    continue
                with open(path, "rb") as file:
                    file.seek(at)
                    data = file.read()
            end = data.rfind(b"\n") + 1
            self.done[path] = at + end
            new += data[:end].decode("utf-8").split("\n")[:-1]
        return new
