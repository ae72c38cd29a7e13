"""Whatever a process is doing when it is killed: resumed, its run ends as if nothing had been."""

import shutil
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


def drawn(rng, points):
    """A kind of point that the run left alone has passed, and which one of its kind."""
    kind = rng.choice(sorted(points))
    return kind, rng.randrange(points[kind])


def differing(launcher, name, folder, rng, count):
    """The points, of so many at random, after which a resumed run did not end as left alone."""
    alone, wrong = launcher.alone(name), []
    for number in range(count):
        place = folder / f"killed{number}"
        kind, call = drawn(rng, alone.points)
        code = launcher.run(name, place, "killed", {"kind": kind, "number": call})
        again = launcher.run(name, place)
        if (code, again) != (-signal.SIGKILL, 0):
            wrong.append((kind, call, code, again, said(place)))
        elif left(name, place / "runs" / "toy") != alone.files:
            wrong.append((kind, call))
        else:
            shutil.rmtree(place)
    return wrong


@pytest.mark.parametrize("name", KILLED)
def test_a_killed_run_ends_as_the_one_left_alone(launcher, name, tmp_path, rng, draws, seen):
    count = -(-draws // 3) if name == "frames" else draws  # a search on frames takes the longest
    assert differing(launcher, name, tmp_path, rng, count) == []
    seen(KILLED[name], count)


@pytest.mark.long
@pytest.mark.parametrize("name", KILLED)
def test_a_run_killed_at_many_places(launcher, name, tmp_path, rng, draws, seen):
    assert differing(launcher, name, tmp_path, rng, 100 * draws) == []
    seen(KILLED[name], 100 * draws)
