#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random changes, encoded as JSON and as MessagePack, say the same when another language reads them.

Usage: read_back.py ENCODE_DUMP [SEED [COUNT]].  MessagePack is read by the few lines below and, where
Python's msgpack is installed, by that as well.
"""
import datetime
import decimal
import json
import math
import struct
import subprocess
import sys

try:
    import msgpack
except ImportError:
    msgpack = None


class Extension(tuple):
    """(type, bytes)"""


class Reader:
    """MessagePack, strictly: every format, and a map as a list of pairs, so that order shows."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        piece = self.data[self.at:self.at + size]
        assert len(piece) == size, "cut off"
        self.at += size
        return piece

    def number(self, form):
        return struct.unpack(">" + form, self.take(struct.calcsize(form)))[0]

    def value(self):
        lead = self.number("B")
        if lead < 0x80:
            return lead
        if lead < 0x90:
            return self.pairs(lead & 15)
        if lead < 0xa0:
            return self.items(lead & 15)
        if lead < 0xc0:
            return self.take(lead & 31).decode()
        if lead >= 0xe0:
            return lead - 256
        simple = {0xc0: None, 0xc2: False, 0xc3: True}
        if lead in simple:
            return simple[lead]
        numbers = {0xca: "f", 0xcb: "d", 0xcc: "B", 0xcd: "H", 0xce: "I", 0xcf: "Q",
                   0xd0: "b", 0xd1: "h", 0xd2: "i", 0xd3: "q"}
        if lead in numbers:
            return self.number(numbers[lead])
        sized = {0xc4: (bytes, "B"), 0xc5: (bytes, "H"), 0xc6: (bytes, "I"),
                 0xd9: (bytes.decode, "B"), 0xda: (bytes.decode, "H"), 0xdb: (bytes.decode, "I")}
        if lead in sized:
            make, form = sized[lead]
            return make(self.take(self.number(form)))
        if lead in (0xdc, 0xdd):
            return self.items(self.number("H" if lead == 0xdc else "I"))
        if lead in (0xde, 0xdf):
            return self.pairs(self.number("H" if lead == 0xde else "I"))
        fixed = {0xd4: 1, 0xd5: 2, 0xd6: 4, 0xd7: 8, 0xd8: 16}
        size = fixed[lead] if lead in fixed else self.number({0xc7: "B", 0xc8: "H", 0xc9: "I"}[lead])
        return Extension((self.number("b"), self.take(size)))

    def items(self, count):
        return [self.value() for _ in range(count)]

    def pairs(self, count):
        return Pairs((self.value(), self.value()) for _ in range(count))

    def whole(self):
        value = self.value()
        assert self.at == len(self.data), "more behind it"
        return value


class Pairs(list):
    """An object's members in order."""


class Number(str):
    """A JSON number's digits."""


def surrogates_mended(text):
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def time_of(extension):
    kind, data = extension
    assert kind == -1
    if len(data) == 4:
        return struct.unpack(">I", data)[0], 0
    if len(data) == 8:
        both = struct.unpack(">Q", data)[0]
        return both & ((1 << 34) - 1), both >> 34
    nanoseconds, seconds = struct.unpack(">Iq", data)
    return seconds, nanoseconds


def seconds_of(text):
    """ISO text of any year from 1 on, without Python's limit of 9999 (400 years repeat)."""
    text = text.removesuffix("Z").removesuffix("+00:00")
    date, clock = text.split("T")
    year, month, day = date.rsplit("-", 2)
    hour, minute, second = clock.split(":")
    eras, year = divmod(int(year), 400)
    moment = datetime.datetime(year + 400, int(month), int(day), int(hour), int(minute))
    whole, _, fraction = second.partition(".")
    epoch = datetime.datetime(1970, 1, 1)
    seconds = int((moment - epoch).total_seconds()) + (eras - 1) * 146097 * 86400 + int(whole)
    return seconds, int((fraction or "0").ljust(9, "0"))


def same(plain, packed, path):
    """plain: out of the JSON form; packed: out of MessagePack."""
    if isinstance(plain, Pairs):
        assert isinstance(packed, Pairs) and len(plain) == len(packed), path
        for (name, value), (other, other_value) in zip(plain, packed):
            name = surrogates_mended(name)
            assert name == other, (path, name, other)
            same(value, other_value, path + [name])
    elif isinstance(plain, list):
        assert isinstance(packed, list) and len(plain) == len(packed), path
        for value, other in zip(plain, packed):
            same(value, other, path)
    elif isinstance(plain, Number):
        if isinstance(packed, str):  # neither int64 nor a double holds it
            assert packed == plain, (path, plain, packed)
        elif isinstance(packed, float):
            assert packed == float(plain), (path, plain, packed)
            assert math.copysign(1, packed) == math.copysign(1, float(plain)), path
        else:
            assert type(packed) is int and packed == int(plain), (path, plain, packed)
    elif isinstance(packed, bytes):
        assert plain == "\\x" + packed.hex(), path
    elif isinstance(packed, Extension):
        assert time_of(packed) == seconds_of(plain), (path, plain, packed)
    elif isinstance(packed, float):
        assert plain in ("NaN", "Infinity", "-Infinity"), (path, plain, packed)
        assert str(packed) == str(float(plain)), path
    else:
        assert type(plain) is type(packed), (path, plain, packed)
        assert (surrogates_mended(plain) if isinstance(plain, str) else plain) == packed, path


FIELDS = ["op", "schema", "table", "lsn", "xid", "ts", "seq", "prefix", "transactional", "content",
          "encoding", "cascade", "restart_identity", "key", "before", "after", "missing"]


def check_fields(record):
    names = [name for name, _ in record]
    assert len(set(names)) == len(names), names
    assert names == [name for name in FIELDS if name in names], names
    for _, row in record:
        if isinstance(row, Pairs):
            columns = [name for name, _ in row]
            assert len(set(columns)) == len(columns), columns


def read_json(data):
    return json.loads(data.decode("utf-8"), object_pairs_hook=Pairs, parse_int=Number,
                      parse_float=Number)


def read_with_library(data):
    return msgpack.unpackb(data, strict_map_key=False, timestamp=0, object_pairs_hook=Pairs,
                           ext_hook=lambda kind, piece: Extension((kind, piece)))


def main():
    dump, seed, count = sys.argv[1], *(sys.argv[2:] + ["1", "4000"])[:2]
    out = subprocess.run([dump, seed, count], check=True, stdout=subprocess.PIPE).stdout
    lines = out.decode().splitlines()
    assert len(lines) == int(count)
    for line in lines:
        plain, text, extension = (bytes.fromhex(form) for form in line.split(" "))
        record = read_json(plain)
        check_fields(record)
        same(record, Reader(text).whole(), [])
        same(record, Reader(extension).whole(), [])
        if msgpack:
            same(record, read_with_library(text), [])
    print(f"{len(lines)} changes read alike", "(msgpack, too)" if msgpack else "")


if __name__ == "__main__":
    main()
