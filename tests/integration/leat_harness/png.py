# SPDX-License-Identifier: Apache-2.0
"""Makes a screenshot small: at most 256 colours, and the best compression that zlib has."""
import collections
import struct
import zlib


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def rows(path):
    """Width, height and the rows of RGB bytes of a PNG with 8 bits a channel, as browsers write it."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n", path
    at, packed = 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, height, depth, colours, _, _, laced = struct.unpack(">IIBBBBB", body)
            assert depth == 8 and colours in (2, 6) and not laced, path
        elif kind == b"IDAT":
            packed += body
        at += size + 12
    step = 3 if colours == 2 else 4
    raw, stride, before, out = zlib.decompress(packed), width * step, bytearray(width * step), []
    for y in range(height):
        start = y * (stride + 1)
        line = unfilter(raw[start], bytearray(raw[start + 1:start + 1 + stride]), before, step)
        before = line
        if step == 4:
            rgb = bytearray(width * 3)
            rgb[0::3], rgb[1::3], rgb[2::3] = line[0::4], line[1::4], line[2::4]
            line = rgb
        out.append(bytes(line))
    return width, height, out


def unfilter(kind, line, before, step):
    """The PNG specification, section 9."""
    if kind == 2:
        return bytearray((a + b) & 255 for a, b in zip(line, before))
    if kind == 0:
        return line
    for i, value in enumerate(line):
        left = line[i - step] if i >= step else 0
        up = before[i]
        corner = before[i - step] if i >= step else 0
        if kind == 1:
            guess = left
        elif kind == 3:
            guess = (left + up) // 2
        else:
            p = left + up - corner
            guess = min((left, up, corner), key=lambda x: abs(p - x))
        line[i] = (value + guess) & 255
    return line


def palette(count):
    """The commonest colours, and for every other one the nearest of them."""
    kept = [colour for colour, _ in count.most_common(256)]
    index = {colour: i for i, colour in enumerate(kept)}
    for colour in count:
        if colour not in index:
            index[colour] = min(range(len(kept)), key=lambda i: sum((a - b) ** 2 for a, b in zip(kept[i], colour)))
    return kept, index


def shrink(path):
    width, height, lines = rows(path)
    count = collections.Counter()
    for line in lines:
        count.update(zip(line[0::3], line[1::3], line[2::3]))
    kept, index = palette(count)
    raw = b"".join(b"\0" + bytes(index[pixel] for pixel in zip(line[0::3], line[1::3], line[2::3])) for line in lines)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
                     + chunk(b"PLTE", b"".join(map(bytes, kept))) + chunk(b"IDAT", zlib.compress(raw, 9))
                     + chunk(b"IEND", b""))
