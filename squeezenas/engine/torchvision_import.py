"""Imports torchvision, even beside a PyTorch that was built without CUDA.

On Linux the torchvision of the package index is linked against CUDA. Beside a CPU build of PyTorch
its operators do not load, and the import stops where it describes two of them. With their schemas
declared it goes through: models, transforms and data sets work, the two operators (for boxes, which
nothing here uses) cannot be called. timm imports torchvision, so call this before either.
"""

from __future__ import annotations

import functools
import sys

import torch

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@functools.cache
def import_torchvision() -> torch.library.Library | None:
    """Imports torchvision once, and declares its operators only where it cannot do so itself.

    Raises:
        ModuleNotFoundError: torchvision is not installed.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    else:
        assert torchvision is not None
        return None
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in SCHEMAS:
        library.define(schema)
    import torchvision

    return library  # the cache keeps it: the declarations live as long as it does
