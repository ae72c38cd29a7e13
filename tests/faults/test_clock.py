"""Clocks that jump change nothing but what is said of time."""

import pytest

from tests.faults.conftest import said
from tests.faults.programs import left


@pytest.mark.parametrize("name", ["text", "retraining", "ask_tell"])
def test_a_clock_that_jumps(launcher, name, tmp_path, rng, seen):
    alone, folder = launcher.alone(name), tmp_path / "jumping"
    seed = rng.randrange(1000)
    assert launcher.run(name, folder, "jumping_clock", {"seed": seed}) == 0, said(folder)
    assert left(name, folder / "runs" / "toy") == alone.files
    seen("clock that jumps", 1)
