import warnings

import pytest
import torch

from squeezenas.engine import precision

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("asked", "device", "given"),
    [
        ("auto", CPU, "fp32"),
        ("auto", GPU, "fp16"),
        ("fp32", GPU, "fp32"),
        ("bf16", CPU, "bf16"),
        ("fp16", GPU, "fp16"),
    ],
)
def test_resolve(asked, device, given):
    assert precision.resolve(asked, device) == given


def test_half_on_a_cpu_is_refused():
    with pytest.raises(ValueError, match=r"precision=fp16 needs a GPU; use bf16"):
        precision.resolve("fp16", CPU)


@pytest.mark.parametrize(("name", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_autocast(name, dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with precision.autocast(name, CPU):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


def test_only_fp16_scales_its_loss():
    assert not precision.scaler("bf16", CPU).is_enabled()
    assert not precision.scaler("fp32", CPU).is_enabled()
    scaler = precision.scaler("fp16", CPU)
    assert scaler.is_enabled()
    assert scaler.scale(torch.tensor(2.0)) == 2 * scaler.get_scale()
