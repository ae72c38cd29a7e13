"""One process by itself; what several do together is tested with whole search steps."""

import pytest
import torch

from squeezenas.engine.distributed import Process, agree, average, start, stop, total, wait

CPU = torch.device("cpu")


def test_shares_make_up_the_joined_batch():
    images = list(range(12))
    shares = [images[Process(rank, 3, CPU).share(12)] for rank in range(3)]
    assert [image for share in shares for image in share] == images
    assert {len(share) for share in shares} == {4}


def test_the_first_process_writes():
    assert [Process(rank, 2, CPU).main for rank in range(2)] == [True, False]


def test_without_torchrun_there_is_one_process(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert start("cpu") == Process(0, 1, CPU)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_the_device():
    assert start("auto").device == CPU
    with pytest.raises(ValueError, match="device=cuda: PyTorch sees no GPU here; use device=cpu"):
        start("cuda")


def test_alone_nothing_changes():
    value, tensor = {"a": 1}, torch.arange(3.0)
    assert agree(value) is value
    assert total(tensor) is tensor
    average([tensor])
    wait()
    stop()
    assert tensor.tolist() == [0.0, 1.0, 2.0]
