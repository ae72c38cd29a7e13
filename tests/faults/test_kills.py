"""Whatever a process is doing when it is killed: resumed, its run ends as if nothing had been."""

import signal

import pytest

from tests.faults.conftest import said
from tests.faults.programs import left

KILLED = {
    "text": "killed search of a text",
    "frames": "killed search on frames",
    "retraining": "killed retraining",
    "ask_tell": "killed ask/tell search",
}


def drawn(rng, points, kinds=None):
    """A kind of point that the run left alone has passed, and which one of its kind."""
    kind = rng.choice(sorted(set(points) & set(kinds or points)))
    return kind, rng.randrange(points[kind])


@pytest.mark.parametrize("name", KILLED)
def test_a_killed_run_ends_as_the_one_left_alone(launcher, name, tmp_path, rng, draws, seen):
    alone = launcher.alone(name, tmp_path / "alone")
    count = 1 if name == "frames" and draws == 3 else draws
    for number in range(count):
        folder = tmp_path / f"killed{number}"
        kind, place = drawn(rng, alone.points)
        code = launcher.run(name, folder, "killed", {"kind": kind, "number": place})
        assert code == -signal.SIGKILL, (kind, place, said(folder))
        assert launcher.run(name, folder) == 0, (kind, place, said(folder))
        assert left(name, folder / "runs" / "toy") == alone.files, (kind, place)
    seen(KILLED[name], count)
