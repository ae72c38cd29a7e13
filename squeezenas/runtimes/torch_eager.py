"""PyTorch itself, eager."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from squeezenas.runtimes.runtime import Array, Run, Runtime, runtimes

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def _compile(
    module: nn.Module, example: Tensor, precision: str, threads: int, dynamic: bool
) -> Run:
    if threads:
        torch.set_num_threads(threads)
    cast = example.is_floating_point()
    if cast:
        module = module.to(DTYPES[precision])
    held = next(iter((*module.parameters(), *module.buffers())), None)
    device = held.device if held is not None else torch.device("cpu")

    @torch.inference_mode()
    def run(values: Array) -> Array:
        given = torch.from_numpy(values).to(device, DTYPES[precision] if cast else None)
        found: Tensor = module(given)
        wide = found.float() if found.is_floating_point() else found
        answer: Array = wide.cpu().numpy()
        return answer

    return run


def _open(path: Path, precision: str, threads: int) -> Run:
    module = torch.export.load(path).module()
    return _compile(module, torch.zeros(0, dtype=torch.uint8), precision, threads, True)


runtimes.register("torch")(Runtime(("torch",), tuple(DTYPES), _compile, _open))
