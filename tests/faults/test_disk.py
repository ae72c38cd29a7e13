"""Disks that are full or read-only: a sentence, the checkpoint before, and a run that goes on."""

import json
import signal

import pytest

from tests.faults import mounts
from tests.faults.conftest import said
from tests.faults.inject import WRITING
from tests.faults.programs import STAGE, begin_or_resume, left

CASES = {
    "full disk, injected": ("ENOSPC", ["write"], "No space left on device|the disk is full"),
    "read-only disk, injected": ("EROFS", list(WRITING), "Read-only file system|no permission"),
}
ADVICE = ("free some space", "change the rights", "fix its permissions", "check that it is there")


def a_sentence(text, *words):
    """Whether the last line said is a sentence of ours, and no traceback came before it."""
    last = text.rstrip().splitlines()[-1]
    return (
        "Traceback" not in text
        and last.startswith("squeezenas: ")
        and "toy" in last  # the run folder, or the study
        and any(word in last for word in words)
    )


@pytest.mark.parametrize("name", ["text", "retraining", "ask_tell"])
@pytest.mark.parametrize("fault", CASES)
def test_a_disk_that_fails(launcher, fault, name, tmp_path, rng, draws, seen):
    code, kinds, reason = CASES[fault]
    alone = launcher.alone(name)
    count = -(-draws // 3)
    for number in range(count):
        folder = tmp_path / f"failed{number}"
        first = rng.randrange(sum(alone.points.get(kind, 0) for kind in kinds))
        failing = {"code": code, "kinds": kinds, "number": first}
        if launcher.run(name, folder, "failing", failing):
            assert a_sentence(said(folder), *reason.split("|")), (first, said(folder))
            assert a_sentence(said(folder), *ADVICE), (first, said(folder))
            assert launcher.run(name, folder) == 0, (first, said(folder))
        else:  # the run was done, and only its report, which can be made again, is missing
            assert "try again with squeezenas report" in said(folder), first
        assert left(name, folder / "runs" / "toy") == alone.files, first
    seen(fault, count)


def on_a_disk(launcher, folder, *stages):
    """Runs lives on a disk of their own: their exit codes. What is on it at last goes to `kept`."""
    keys = ("disk", "words", "fault")
    life = {
        "folder": str(folder),
        "said": str(folder / "said"),
        "mount": str(folder / "runs"),
        "stages": [dict(zip(keys, stage, strict=True)) for stage in stages],
        "kept": str(folder / "kept"),
        "codes": str(folder / "codes"),
    }
    (code,) = launcher.codes(life)
    if code == mounts.NOT_ALLOWED:
        pytest.skip("this process may not mount a file system of its own")
    assert code == 0, said(folder)
    return json.loads((folder / "codes").read_text())


def test_a_disk_that_is_full(launcher, tmp_path, seen):
    alone = launcher.alone("retraining")
    checkpoint = alone.run / STAGE / "checkpoints" / "last.pt"
    folder = tmp_path / "full"
    begin = begin_or_resume("retraining", folder)
    resume = ["train", "--resume", str(folder / "runs" / "toy")]
    room = checkpoint.stat().st_size * 3 // 2 + (64 << 10)  # and the small files beside it
    codes = on_a_disk(launcher, folder, (f"size={room}", begin, None), ("size=64m", resume, None))
    assert codes == [2, 0], said(folder)
    assert "No space left on device; free some space" in said(folder)
    assert "Traceback" not in said(folder)
    assert left("retraining", folder / "kept" / "toy") == alone.files
    seen("full disk, real", 1)


def test_a_disk_that_is_read_only(launcher, tmp_path, seen):
    alone = launcher.alone("retraining")
    folder = tmp_path / "read_only"
    begin = begin_or_resume("retraining", folder)
    resume = ["train", "--resume", str(folder / "runs" / "toy")]
    death = ["killed", {"kind": "step", "number": 3}]
    codes = on_a_disk(
        launcher, folder, ("size=64m", begin, death), ("ro", resume, None), ("rw", resume, None)
    )
    assert codes == [-signal.SIGKILL, 2, 0], said(folder)
    (sentence,) = [line for line in said(folder).splitlines() if line.startswith("squeezenas: ")]
    assert a_sentence(sentence, "Read-only file system", "no permission")
    assert "Traceback" not in said(folder)
    assert left("retraining", folder / "kept" / "toy") == alone.files
    seen("read-only disk, real", 1)
