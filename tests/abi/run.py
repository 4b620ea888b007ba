#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""run.py minors BUILD_DIR | header | baseline | renew

What a plugin's author relies on, of core/include/leat/plugin.h:

minors    A later minor version is pretended: every growing struct gets members at its end.  The daemon, the template and
          the fake source are built with either header, and every combination carries a stream; what needs the later
          version is refused by the earlier daemon, with a reason.
header    The header alone, as C11, C17 and C++17, by gcc and clang, without a warning; the note included.
baseline  abidiff of the types against tests/abi/baseline.abi: nothing but growth at the end of structs that may grow.
          `renew` writes it anew, with the release for which LEAT_ABI_MINOR is raised.

Ends with 77 where a tool is not there (a skipped test).
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADER = ROOT / "core" / "include" / "leat" / "plugin.h"
BASELINE = ROOT / "tests" / "abi" / "baseline.abi"
SKIP = 77
GROWING = re.compile(r"typedef struct (leat_\w+) \{ /\* growing|/\* growing[^/]*?\*/\s*typedef struct (leat_\w+) \{", re.S)


def growing(text):
    return [a or b for a, b in GROWING.findall(text)]


def later(text):
    """The header of a pretended next minor version."""
    names = growing(text) + ["leat_sink_ops", "leat_source_ops", "leat_plugin"]
    for name in dict.fromkeys(names):
        text, count = re.subn(rf"^}} {name};", f"    uint64_t pretended_later[3];\n}} {name};", text, flags=re.M)
        assert count == 1, name
    text, count = re.subn(r"#define LEAT_ABI_MINOR (\d+)u", lambda m: f"#define LEAT_ABI_MINOR {int(m[1]) + 1}u", text)
    assert count == 1
    return text


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


# ---- minors -------------------------------------------------------------------------------------

PARTS = ["CMakeLists.txt", "cmake", "core", "LICENSE", "leat.pc.in", "sinks/file", "plugins.d", "tests/plugins", "systemd", "completion", "bench"]


def copy_changed(source, target):
    """Only what differs, so that the build of the last time is still good."""
    target.parent.mkdir(parents=True, exist_ok=True)
    data = source.read_bytes()
    if not target.exists() or target.read_bytes() != data:
        target.write_bytes(data)


def build_later(folder):
    """The whole daemon, built with the later header."""
    tree = folder / "source"
    for part in PARTS:
        top = ROOT / part
        for path in [top] if top.is_file() else [p for p in top.rglob("*") if p.is_file()]:
            if path != HEADER:
                copy_changed(path, tree / path.relative_to(ROOT))
    header = tree / HEADER.relative_to(ROOT)
    header.parent.mkdir(parents=True, exist_ok=True)
    text = later(HEADER.read_text(encoding="utf-8"))
    if not header.exists() or header.read_text(encoding="utf-8") != text:
        header.write_text(text, encoding="utf-8")
    build = folder / "build"
    run("cmake", "-S", tree, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DBUILD_TESTING=OFF")
    run("ninja", "-C", build, "-j2", "leat", "fake_source")
    return build


def make_plugin(folder, name, source, include, defines=()):
    library = folder / f"{name}.so"
    text = source.read_text(encoding="utf-8")
    if "needs_later" in name:
        text = text.replace(".abi_minor = LEAT_ABI_MINOR,", ".abi_minor = LEAT_ABI_MINOR, .abi_minor_needed = LEAT_ABI_MINOR,")
        text = text.replace("LEAT_ELF_NOTE(0)", "LEAT_ELF_NOTE(LEAT_ABI_MINOR)")
    copy = folder / f"{name}.c"
    copy.write_text(text, encoding="utf-8")
    run("cc", "-std=c11", "-D_GNU_SOURCE", *defines, "-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-I", include,
        "-iquote", source.parent, "-o", library, copy, "-Wl,-z,defs", "-Wl,-z,nodelete", "-pthread")
    return library


def try_pair(daemon, folder, source, sink):
    """The exit status and last words of one run, and how many records are there, in order."""
    descriptions = folder / "plugins.d"
    shutil.rmtree(descriptions, ignore_errors=True)
    descriptions.mkdir()
    (descriptions / "fake_source.yaml").write_text(f"name: fake_source\nkind: source\nlibrary: {source}\nabi: 1\n", encoding="utf-8")
    (descriptions / "template.yaml").write_text(f"name: template\nkind: sink\nlibrary: {sink}\nabi: 1\n", encoding="utf-8")
    shutil.rmtree(folder / "state", ignore_errors=True)
    (folder / "copy.txt").unlink(missing_ok=True)
    (folder / "leat.yaml").write_text(
        f"state_directory: {folder}/state\nplugins: {descriptions}\nmemory: 16MiB\nhttp: {{ listen: none }}\npipelines:\n"
        f"  - name: p\n    source: {{ plugin: fake_source, transactions: 300, rows: 7 }}\n"
        f"    sinks:\n      - {{ name: copy, plugin: template, path: {folder}/copy.txt }}\n", encoding="utf-8")
    done = subprocess.run([str(daemon), "run", "-c", str(folder / "leat.yaml")], capture_output=True, text=True, timeout=60, check=False)
    copied = folder / "copy.txt"
    lines = copied.read_text(encoding="utf-8").splitlines() if copied.exists() else []
    wanted = [(str(1000 * (i // 7 + 1)), str(i % 7)) for i in range(2100)]
    right = [tuple(line.split(" ", 2)[:2]) for line in lines] == wanted
    return done.returncode, done.stderr.strip().splitlines()[-1:], right


def minors(build_now):
    build_now = pathlib.Path(build_now).resolve()
    build_then = build_later(build_now / "abi")
    header_now, header_then = ROOT / "core" / "include", build_now / "abi" / "source" / "core" / "include"
    fake, template = ROOT / "tests" / "plugins" / "fakes" / "fake_source.c", ROOT / "examples" / "plugin-template" / "template.c"
    bad = 0
    os.umask(0o022)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        sources = {"earlier": make_plugin(folder, "source_earlier", fake, header_now),
                   "later": make_plugin(folder, "source_later", fake, header_then)}
        sinks = {"earlier": make_plugin(folder, "sink_earlier", template, header_now),
                 "later": make_plugin(folder, "sink_later", template, header_then),
                 "needs_later": make_plugin(folder, "sink_needs_later", template, header_then)}
        for daemon, build in (("earlier", build_now), ("later", build_then)):
            for source, source_path in sources.items():
                for sink, sink_path in sinks.items():
                    code, said, right = try_pair(build / "leat", folder, source_path, sink_path)
                    refused = daemon == "earlier" and sink == "needs_later"
                    good = code == 78 and "install a newer leat" in "".join(said) if refused else code == 0 and right
                    bad += not good
                    print(f"{'ok' if good else 'FAIL'} daemon {daemon}, source {source}, sink {sink}: "
                          f"{'refused' if refused else '2100 records'}" + ("" if good else f": exit {code}, {said}, {right}"))
    return 1 if bad else 0


# ---- header -------------------------------------------------------------------------------------

USE = """
#include <leat/plugin.h>
struct options { const char *s; int64_t i; bool b; leat_strings l; leat_pairs p; };
static const char *const choices[] = {"a", "b", NULL};
static const leat_option rows[] = {
    LEAT_OPTION_STRING("s", struct options, s, NULL, LEAT_OPT_REQUIRED, "s"),
    LEAT_OPTION_INT("i", struct options, i, "1", 0, 9, 0, "i"),
    LEAT_OPTION_BOOL("b", struct options, b, "true", 0, "b"),
    LEAT_OPTION_ENUM("e", struct options, i, "a", choices, 0, "e"),
    LEAT_OPTION_DURATION("d", struct options, i, "1s", 0, 9000, 0, "d"),
    LEAT_OPTION_SIZE("z", struct options, i, "1KiB", 0, 9000, 0, "z"),
    LEAT_OPTION_STRINGS("l", struct options, l, NULL, 0, "l"),
    LEAT_OPTION_PAIRS("p", struct options, p, 0, "p"),
};
LEAT_ELF_NOTE(0);
int use(const leat_batch *batch, const leat_host *host, leat_writer *writer, leat_error *error);
int use(const leat_batch *batch, const leat_host *host, leat_writer *writer, leat_error *error)
{
    leat_field field = LEAT_F_INT("n", leat_batch_at(batch, 0)->op);
    host->log(host, LEAT_LOG_INFO, "x", &field, 1);
    (void)leat_writer_append(writer);
    return leat_writer_reserve(host, writer, 8, error) + LEAT_HAS(batch, leat_batch, records) + (int)rows[0].type;
}
"""


def header():
    tried = 0
    with tempfile.TemporaryDirectory() as name:
        for suffix, standards, compilers in ((".c", ["c11", "c17"], ["gcc", "clang"]), (".cc", ["c++17", "c++20"], ["g++", "clang++"])):
            path = pathlib.Path(name) / f"use{suffix}"
            path.write_text(USE, encoding="utf-8")
            for compiler in compilers:
                for standard in standards if shutil.which(compiler) else []:
                    run(compiler, f"-std={standard}", "-Wall", "-Wextra", "-pedantic", "-Werror", "-Wconversion", "-Wshadow", "-I",
                        HEADER.parents[1], "-c", path, "-o", pathlib.Path(name) / "use.o")
                    print(f"ok {compiler} {standard}")
                    tried += 1
    return 0 if tried else SKIP


# ---- baseline -----------------------------------------------------------------------------------

def types_of(folder, text, name):
    """A library whose exported functions name every struct of the header."""
    include = folder / name / "leat"
    include.mkdir(parents=True)
    (include / "plugin.h").write_text(text, encoding="utf-8")
    structs = sorted(set(re.findall(r"^} (leat_\w+);", text, flags=re.M)))
    source = folder / f"{name}.c"
    source.write_text("#include <leat/plugin.h>\n" + "".join(
        f"LEAT_EXPORT uint64_t use_{s}(const {s} *p);\nuint64_t use_{s}(const {s} *p) {{ return sizeof *p; }}\n" for s in structs),
        encoding="utf-8")
    library = folder / f"{name}.so"
    run("cc", "-std=c11", "-g", "-gdwarf-4", "-O0", "-shared", "-fPIC", "-fvisibility=hidden", "-I", folder / name, "-o", library, source)
    return library


def differs(old, new):
    """(whether abidiff sees anything, whether it is more than growth at the end of structs that may grow, its report)"""
    done = subprocess.run(["abidiff", "--no-added-syms", str(old), str(new)], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return False, False, done.stdout
    allowed = set(growing(HEADER.read_text(encoding="utf-8")) + ["leat_plugin"])
    broken = done.returncode != 4 or "underlying type 'struct" not in done.stdout
    size = None
    for line in done.stdout.splitlines():
        struct = re.search(r"underlying type 'struct (\w+)' changed", line)
        grown = re.search(r"type size changed from (\d+) to (\d+)", line)
        inserted = re.search(r"^\s+'.*', at offset (\d+) \(in bits\)", line)
        if struct:
            broken, size = broken or struct[1] not in allowed, None
        elif grown:
            size = int(grown[1])
        elif inserted:
            broken = broken or size is None or int(inserted[1]) < size
        elif re.search(r"\d+ data member deletion|offset changed|name changed|entity changed|enumerator (deletion|change)|^\s+name of ", line):
            broken = True
    return True, broken, done.stdout


def baseline(renew=False):
    if not shutil.which("abidw") or not shutil.which("abidiff"):
        print("abidiff is not there (apt: abigail-tools)")
        return SKIP
    text = HEADER.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        now = types_of(folder, text, "now")
        if renew:
            run("abidw", "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--no-elf-needed", "--out-file", BASELINE, now)
            return 0
        changed, broken, said = differs(BASELINE, now)
        if broken:
            print(said)
            print("The header breaks plugins that were built against the one of tests/abi/baseline.abi.  Append members to the "
                  "end of growing structs only; what needs more is another LEAT_ABI_MAJOR.")
            return 1
        if changed:
            print("Growing structs have members that the baseline does not know.  With the next release: LEAT_ABI_MINOR one "
                  "higher, then tests/abi/run.py renew")
        # The guard must see what breaks plugins: a member moved, and a frozen struct grown.
        moved = text.replace("    uint32_t record_count;  /* at least 1 */\n    uint32_t record_stride; /* step by this, never by sizeof */\n",
                             "    uint32_t record_stride;\n    uint32_t record_count;\n")
        grown = text.replace("    uint64_t position;\n    int64_t seq;\n} leat_identity;", "    uint64_t position;\n    int64_t seq, more;\n} leat_identity;")
        inserted = text.replace("    leat_bytes text;         /* borrowed.", "    uint64_t first;\n    leat_bytes text;         /* borrowed.")
        for what, other in (("moved", moved), ("grown", grown), ("inserted", inserted)):
            assert other != text, what
            _, broken, said = differs(BASELINE, types_of(folder, other, what))
            if not broken:
                print(f"it is not seen that members were {what}: {said}")
                return 1
        _, broken, said = differs(BASELINE, types_of(folder, later(text), "later"))
        if broken:
            print(f"growth is taken for a break: {said}")
            return 1
        print("ok: no plugin is broken, and each kind of a break is seen")
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["minors"] and len(sys.argv) == 3:
        sys.exit(minors(sys.argv[2]))
    if sys.argv[1:] in (["header"], ["baseline"], ["renew"]):
        sys.exit(header() if sys.argv[1] == "header" else baseline(sys.argv[1] == "renew"))
    sys.exit(__doc__)
