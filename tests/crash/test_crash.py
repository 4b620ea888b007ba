# SPDX-License-Identifier: Apache-2.0
"""Tens of faults; tests/crash/run takes a count for thousands."""
import os
import random

import pytest

from leat_harness import places
from leat_harness.leat import command
from storm import STAGES, Storm, has_stages


@pytest.fixture
def storm(request, things):
    def make(**options):
        seed = os.environ.get("LEAT_SEED") or str(random.randrange(1 << 30))
        print(f"LEAT_SEED={seed}")
        made = Storm(seed, say=print, **options)
        things.append(made)
        things.append(made.daemon)  # its last words belong to the report
        return made
    return make


FAULTS = sorted(name[6:] for name in dir(Storm) if name.startswith("fault_"))


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_lost_or_doubled_after(fault, storm):
    if fault == "full_disk" and not places.is_root():
        pytest.skip("needs root, to mount a small tmpfs")
    s = storm()
    for _ in range(2):
        s.strike("fault_" + fault)
    assert s.verify() > 0


def test_nothing_is_lost_or_doubled_after_many_faults(storm):
    s = storm()
    for _ in range(int(os.environ.get("LEAT_CRASH_FAULTS", "15"))):
        s.strike()
    assert s.verify() > 0


def test_nothing_is_lost_or_doubled_when_an_isolated_sink_or_its_daemon_is_killed(storm):
    s = storm(isolate=True)
    killed, turn = 0, 0
    while turn < 30 or (killed < 5 and turn < 300):  # a slow machine has no process there at many a moment
        turn += 1
        s.some_moment()
        if turn % 3 == 0:
            s.fault_kill_leat()
        else:
            killed += len(s.daemon.helpers())
            s.strike_helper()
        s.daemon.must_run()
    assert killed >= 5
    assert s.verify() > 0


@pytest.mark.parametrize("stage", STAGES)
def test_nothing_is_lost_or_doubled_by_death_at(stage, storm):
    if not (places.DEBUG_BUILD / "leat").exists():
        pytest.skip(f"{places.DEBUG_BUILD.name} is not built: stages are known to debug builds only")
    if not has_stages(places.DEBUG_BUILD):
        pytest.skip(f"{places.DEBUG_BUILD.name} has no stages: it is not a debug build")
    s = storm(build=places.DEBUG_BUILD)
    for times in ((1, 1) if stage in ("draining", "source_connected") else (1, 3)):
        s.die_at(stage, times)
        s.some_moment()
    assert s.verify() > 0


@pytest.mark.parametrize("has", [True, False])
def test_a_build_is_asked_for_its_stages_whatever_its_folder_is_called(has, tmp_path):
    folder = tmp_path / ("release" if has else "asan")
    folder.mkdir()
    (folder / "leat").write_text(f"#!/bin/sh\n{'kill -9 $$' if has else 'echo leat'}\n")
    (folder / "leat").chmod(0o755)
    assert has_stages(folder) == has


@pytest.mark.parametrize("build", [places.BUILD, places.DEBUG_BUILD])
def test_a_build_with_stages_is_killed_at_the_first_one_only_when_told(build):
    if not (build / "leat").exists():
        pytest.skip(f"{build.name} is not built")
    assert command("--version", build=build).returncode == 0
    assert command("--version", build=build, env={"LEAT_DIE_AT": "no_such_stage"}).returncode == 0
    assert has_stages(build) == (b"LEAT_DIE_AT" in (build / "leat").read_bytes())


def test_what_a_failed_run_leaves_is_kept(storm):
    s = storm()
    kept = s.save_files()
    try:
        assert "listening" in (kept / "postgresql.log").read_text()
        assert (kept / "leat" / "stderr").read_text() == s.daemon.stderr()[:(kept / "leat" / "stderr").stat().st_size]
        assert (s.folder / "s").exists() and not (kept / "leat" / "s").exists()
    finally:
        places.remove(kept)


def test_a_death_is_not_waited_for_in_a_build_without_stages(storm):
    if has_stages(places.BUILD):
        pytest.skip(f"{places.BUILD.name} has stages")
    with pytest.raises(AssertionError, match="has no stages"):
        storm().die_at("submitted")
