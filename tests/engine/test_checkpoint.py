from __future__ import annotations

import os
import pickle
import random
import resource
from pathlib import Path

import numpy as np
import pytest
import torch

from squeezenas.engine.checkpoint import (
    load_checkpoint,
    random_states,
    restore_random_states,
    save_checkpoint,
)


def draws() -> list[float]:
    torch_draws = [torch.rand(()).item(), torch.randn(()).item()]
    return [random.random(), random.gauss(0, 1), np.random.rand(), np.random.randn(), *torch_draws]


def test_state_comes_back_equal(tmp_path: Path) -> None:
    weights = torch.randn(3, 4, dtype=torch.float64)
    optimiser = torch.optim.Adam([torch.nn.Parameter(weights.clone())])
    state = {"weights": {"a": weights}, "optimiser": optimiser.state_dict(), "names": ("x", None)}
    save_checkpoint(tmp_path / "c.pt", state)
    found = load_checkpoint(tmp_path / "c.pt")
    assert torch.equal(found["weights"]["a"], weights)
    assert found["optimiser"] == optimiser.state_dict()
    assert found["names"] == ("x", None)
    assert [file.name for file in tmp_path.iterdir()] == ["c.pt"]


def test_random_states_continue_every_generator(tmp_path: Path) -> None:
    draws()  # leaves a second gaussian waiting in python's and numpy's generators
    save_checkpoint(tmp_path / "c.pt", {"random": random_states()})
    expected = draws()
    draws()
    restore_random_states(load_checkpoint(tmp_path / "c.pt")["random"])
    assert draws() == expected


def test_full_disk_keeps_the_old_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, {"step": 1})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"cannot write checkpoint .*c\.pt: File too large; free"):
            save_checkpoint(path, {"step": 2, "weights": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert load_checkpoint(path) == {"step": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["c.pt"]


def test_missing_folder_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"cannot write checkpoint .*: No such file or directory"):
        save_checkpoint(tmp_path / "none" / "c.pt", {})


@pytest.mark.parametrize("fault", ["truncated", "empty", "flipped", "text"])
def test_damaged_files_are_named(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, {"weights": torch.arange(5000)})
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    broken = {
        "truncated": content[: len(content) // 2],
        "empty": b"",
        "flipped": content,
        "text": b"hello",
    }
    path.write_bytes(broken[fault])
    with pytest.raises(ValueError, match=r"c\.pt is damaged or not a checkpoint"):
        load_checkpoint(path)


class Hostile:
    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.witness),)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    torch.save({"state": Hostile(tmp_path / "witness")}, tmp_path / "zip.pt")
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(Hostile(tmp_path / "witness")))
    for name in ("zip.pt", "raw.pt"):
        with pytest.raises(ValueError, match="not a checkpoint"):
            load_checkpoint(tmp_path / name)
    assert not (tmp_path / "witness").exists()


def test_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no checkpoint at .*c\.pt"):
        load_checkpoint(tmp_path / "c.pt")
