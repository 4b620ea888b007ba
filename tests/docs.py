#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the pages and the comments say of the tree is so: links, headings, files, functions, decisions.

Usage: docs.py [ROOT].  Prints each thing that is wrong with its page and line; exit status 1 when there is one.
"""
import functools
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[1]).resolve()
SKIPPED = {"build", ".git"}
FOLDERS = sorted(p.name for p in ROOT.iterdir() if p.is_dir() and p.name not in SKIPPED)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
PICTURE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)|<img[^>]*src=\"([^\"]+)\"")
NAMED = re.compile(r"`([a-z]\w*)`,?\s+\(?\[[^\]]*\]\(([^)#\s]+\.[ch])\)")  # `function` ([file.c](path))
DECISION = re.compile(r"docs/adr/(\d{4})(?![\w-])")
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
SYSTEM_HEADER = re.compile(r"#include <([\w./-]+)>")
A_FILE = re.compile(r"(?<![\w./*<-])((?:[\w-]+/)*[\w-]+\.(?:c|h|py|cmake))\b(?!\.\w)")
A_NAME = re.compile(r"(?<![\w.$-])[a-z]\w*_[a-z0-9_]+\b")
# What comments of headers and pages speak of that is PostgreSQL's, systemd's or the C standard's.
FOREIGN = {"acq_rel", "array_out", "max_stack_depth", "pg_upgrade", "record_out", "sd_notify"}
FOREIGN_FILES = {"nats.c"}  # a library

wrong = []


def files(*patterns):
    for pattern in patterns:
        for path in sorted(ROOT.rglob(pattern)):
            if not SKIPPED & set(path.relative_to(ROOT).parts):
                yield path


def say(path, offset, text):
    line = content(path).count("\n", 0, offset) + 1
    wrong.append(f"{path.relative_to(ROOT)}:{line}: {text}")


@functools.lru_cache(maxsize=None)
def content(path):
    return path.read_text(encoding="utf-8", errors="replace")


@functools.lru_cache(maxsize=None)
def anchors(path):
    """As GitHub makes them."""
    titles = re.findall(r"^#+\s+(.*?)\s*$", content(path), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def without_code(text):
    """Code blocks become blank lines, so that offsets stay."""
    return re.sub(r"^```.*?^```", lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.M | re.S)


def links(page):
    text = without_code(content(page))
    found = [(m.start(), m[1]) for m in LINK.finditer(text)]
    found += [(m.start(), m[1] or m[2]) for m in PICTURE.finditer(text)]
    for offset, target in found:
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists():
            say(page, offset, f"there is no {target}")
        elif anchor and path.suffix == ".md" and anchor not in anchors(path):
            say(page, offset, f"{path.relative_to(ROOT)} has no heading #{anchor}")


def names(page):
    """Paths in backticks are there, and a function that is said to be in a file is."""
    text = without_code(content(page))
    for m in re.finditer(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]+)`", text):
        if not (ROOT / m[1]).exists():
            say(page, m.start(), f"there is no {m[1]}")
    for m in NAMED.finditer(text):
        path = (page.parent / m[2]).resolve()
        if path.exists() and m[1] not in IDENTIFIER.findall(without_comments(path)):
            say(page, m.start(), f"{m[2]} has no {m[1]}")


@functools.lru_cache(maxsize=None)
def without_comments(path):
    return COMMENT.sub(" ", content(path))


@functools.lru_cache(maxsize=None)
def names_of_c():
    names = set()
    for path in files("*.c", "*.h"):
        names.update(IDENTIFIER.findall(without_comments(path)))
    return names


@functools.lru_cache(maxsize=None)
def names_of_all():
    """Of C code, and of what files of the build, tests and configuration hold."""
    words = set(names_of_c())
    for path in files("*.py", "*.cmake", "CMakeLists.txt", "*.in", "*.yaml", "*.sh"):
        words.update(IDENTIFIER.findall(content(path)))
        words.add(path.stem)
    return words


def is_known(name):
    """A plugin's metric has the prefix from the core."""
    given = re.sub(r"^leat_(sink|source)_", "", name)
    return name in FOREIGN or name in names_of_all() or given in names_of_all()


def names_in_backticks(page):
    """Options, metrics, functions: whatever looks like a name of ours is one.  A decision (docs/adr) is
    dated, and may speak of what is no more."""
    text = without_code(content(page))
    for piece in re.finditer(r"`([^`\n]+)`", text):
        if re.match(r"[\w./-]+\.(c|py)(::|$)", piece[1]):
            continue
        for m in A_NAME.finditer(piece[1]):
            if not is_known(m[0]):
                say(page, piece.start(), f"nothing has the name {m[0]}")


def tour():
    """Every function, struct and member that ARCHITECTURE.md names stands in the C code."""
    page = ROOT / "ARCHITECTURE.md"
    for m in re.finditer(r"`(?:struct )?([a-z]\w*_\w+)(?:\.(\w+))?`", without_code(content(page))):
        for name in filter(None, m.groups()):
            if name not in names_of_c():
                say(page, m.start(), f"no code has the name {name}")


def comments():
    """A file that a comment names is there, and so is a name that a header's comment has."""
    paths = list(files("*.c", "*.h"))
    named = list(files("*.c", "*.h", "*.py", "*.cmake", "*.in"))
    known = FOREIGN_FILES | {path.name for path in named}
    for path in paths:
        known.update(SYSTEM_HEADER.findall(content(path)))
    for path in paths:
        for comment in COMMENT.finditer(content(path)):
            for m in A_FILE.finditer(comment[0]):
                if m[1] not in known and not any(str(other).endswith("/" + m[1]) for other in named):
                    say(path, comment.start() + m.start(), f"there is no {m[1]}")
            for m in A_NAME.finditer(comment[0]) if path.suffix == ".h" else ():
                if not is_known(m[0]):
                    say(path, comment.start() + m.start(), f"nothing has the name {m[0]}")


def decisions():
    known = {}
    for page in sorted((ROOT / "docs" / "adr").glob("*.md")):
        known.setdefault(page.name[:4], []).append(page)
        lines = content(page).splitlines()
        if not re.match(r"# 0*%d[.:] \S" % int(page.name[:4]), lines[0]):
            say(page, 0, "does not begin with its number and a title")
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", next((line for line in lines[1:] if line), "")):
            say(page, 0, "has no date below its title")
    for number, pages in known.items():
        if len(pages) > 1:
            say(pages[1], 0, f"number {number} is taken by {pages[0].name}")
    for path in files("*.c", "*.h", "*.md", "*.py", "*.cmake", "*.in", "CMakeLists.txt"):
        for m in DECISION.finditer(content(path)):
            if m[1] not in known:
                say(path, m.start(), f"there is no docs/adr/{m[1]}")


for page in files("*.md"):
    links(page)
    names(page)
    if page.parent.name != "adr":
        names_in_backticks(page)
tour()
comments()
decisions()
print("\n".join(wrong) or "the pages are true to the tree")
sys.exit(1 if wrong else 0)
