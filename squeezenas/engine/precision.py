"""Mixed precision: the network in half, everything that decides in float32."""

from __future__ import annotations

import torch

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def resolve(precision: str, device: torch.device) -> str:
    """`auto` made concrete: fp16 on a GPU, fp32 elsewhere.

    Raises:
        ValueError: fp16 on a device that has no fast half arithmetic.
    """
    if precision == "auto":
        return "fp16" if device.type == "cuda" else "fp32"
    if precision == "fp16" and device.type == "cpu":
        raise ValueError("precision=fp16 needs a GPU; use bf16, fp32 or auto on the CPU")
    return precision


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context in which the network runs; does nothing for fp32."""
    dtype = DTYPES[precision]
    return torch.autocast(device.type, dtype, enabled=dtype is not torch.float32)


def scaler(precision: str, device: torch.device) -> torch.amp.GradScaler:
    """Loss scaling, switched on for fp16 alone."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")
