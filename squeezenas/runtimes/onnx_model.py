"""A module as an ONNX model, by PyTorch's exporter.

The exporter that builds on `torch.export` (`dynamo=True`) is the one that PyTorch maintains. Its
static graphs are as fast as those of the older one; open sizes need guards deferred, because a
network's convolutions and poolings put conditions on them that no single rule can state.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    import onnx

BATCH, SIDE = 64, 1 << 14  # the most images, and the longest side, of an open size
OPSET = 18
EXPORTER = ("onnx", "onnxscript")  # what PyTorch needs to write ONNX


def exported(
    module: nn.Module, example: Tensor, dynamic: bool = False
) -> torch.export.ExportedProgram:
    """The graph of a module of one input, by `torch.export`.

    Args:
        module: in evaluation mode, on the CPU.
        example: an input.
        dynamic: leave the first three sides, `(N, H, W)`, open. The example's must be above 1.
    """
    sides = None
    if dynamic:
        bounds = (("images", 1, BATCH), ("height", 2, SIDE), ("width", 2, SIDE))
        sides = (
            {side: torch.export.Dim(n, min=a, max=b) for side, (n, a, b) in enumerate(bounds)},
        )
    with quiet(), torch.no_grad():
        return torch.export.export(
            module,
            (example,),
            dynamic_shapes=sides,
            strict=False,
            prefer_deferred_runtime_asserts_over_guards=dynamic,
        )


def to_onnx(module: nn.Module, example: Tensor, dynamic: bool = False) -> onnx.ModelProto:
    """An ONNX model with input `images` and output `result`; arguments as of `exported`."""
    program = exported(module, example, dynamic)
    with quiet(), torch.no_grad():
        found = torch.onnx.export(
            program,
            (),
            input_names=["images"],
            output_names=["result"],
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert found is not None
    model = found.model_proto
    # Shapes of what lies between are the exporter's notes; of open sizes some are wrong.
    del model.graph.value_info[:]
    return model


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps the exporter's notes to developers away from users."""
    level = logging.getLogger("torch").level
    noisy = [
        logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnx_ir", "onnxscript")
    ]
    levels = [one.level for one in noisy]
    for one in noisy:
        one.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.getLogger("torch").setLevel(level)
        for one, before in zip(noisy, levels, strict=True):
            one.setLevel(before)
