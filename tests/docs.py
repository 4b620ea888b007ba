#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the pages say of the tree is so: links and headings, names of files and functions, decisions.

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
        if path.exists() and m[1] not in IDENTIFIER.findall(content(path)):
            say(page, m.start(), f"{m[2]} has no {m[1]}")


def tour():
    """Every function, struct and member that ARCHITECTURE.md names stands in the code."""
    page = ROOT / "ARCHITECTURE.md"
    code = set()
    for path in files("*.c", "*.h"):
        code.update(IDENTIFIER.findall(content(path)))
    for m in re.finditer(r"`(?:struct )?([a-z]\w*_\w+)(?:\.(\w+))?`", without_code(content(page))):
        for name in filter(None, m.groups()):
            if name not in code:
                say(page, m.start(), f"no code has the name {name}")


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
tour()
decisions()
print("\n".join(wrong) or "the pages are true to the tree")
sys.exit(1 if wrong else 0)
