"""What a step made is gone when the next one is over: searches and trainings may be long."""

import gc

import pytest
import torch

from benchmarks.memory_of_search import EPOCHS, one_shot, training


def tensors():
    """How many tensors there are in this process."""
    gc.collect()
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())


@pytest.mark.parametrize("loop", [one_shot, training])
def test_a_loop_keeps_no_tensors(loop, tmp_path, repository, monkeypatch):
    monkeypatch.chdir(repository)
    steps, alive = 4 * EPOCHS, {}

    def look(step):
        if step % 4 == 0 and step >= steps // 2:  # the same place in every later epoch
            alive[step] = tensors()

    loop(tmp_path, steps, look)
    assert len(alive) == EPOCHS // 2 + 1
    assert len(set(alive.values())) == 1, alive
