# SPDX-License-Identifier: Apache-2.0
"""JSON that keeps what the json module forgets: digits, order, duplicate names, and the raw text of each member."""
import json
import json.decoder
import json.scanner

_SPACE = " \t\n\r"


class Number(str):
    """A number, as its digits."""

    def __repr__(self):
        return f"Number({str(self)})"


def _no_constant(text):
    raise ValueError(f"{text} is not JSON")


def _pairs(pairs):
    return tuple(("member", name, value) for name, value in pairs)


_exact = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=_no_constant, object_pairs_hook=_pairs)
_plain = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=_no_constant)


def exact(text):
    """The value with every digit, the order of members and duplicate names kept: two texts are the same value
    if and only if these are equal (a string is not equal to a number of the same digits)."""
    return _tag(_exact.decode(text))


def _tag(value):
    if isinstance(value, Number):
        return ("number", str(value))
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, list):
        return [_tag(item) for item in value]
    if isinstance(value, tuple):
        return tuple((kind, name, _tag(item)) for kind, name, item in value)
    return value


def plain(text):
    """The value as dictionaries and lists; numbers are Number (strings of their digits)."""
    return _plain.decode(text)


def squeeze(text):
    """Without the white space between tokens."""
    out, inside, escaped = [], False, False
    for c in text:
        if inside:
            out.append(c)
            if escaped:
                escaped = False
            elif c == "\\":
                escaped = True
            elif c == '"':
                inside = False
        elif c not in _SPACE:
            out.append(c)
            inside = c == '"'
    return "".join(out)


def members(text):
    """[(name, raw text of the value)] of a compact JSON object, in order."""
    assert text[:1] == "{" and text[-1:] == "}", f"not an object: {text[:80]!r}"
    found, at = [], 1
    scan = _exact.scan_once
    while text[at] != "}":
        if found:
            assert text[at] == ",", f"no comma at {at}: {text[max(0, at - 40):at + 40]!r}"
            at += 1
        assert text[at] == '"', f"no name at {at}: {text[max(0, at - 40):at + 40]!r}"
        name, at = json.decoder.scanstring(text, at + 1)
        assert text[at] == ":", f"no colon at {at}: {text[max(0, at - 40):at + 40]!r}"
        _, end = scan(text, at + 1)
        found.append((name, text[at + 1:end]))
        at = end
    assert at == len(text) - 1, f"text behind the object: {text[at:at + 40]!r}"
    return found
