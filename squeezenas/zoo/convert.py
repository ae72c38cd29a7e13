"""The published SqueezeNAS weights, files of the official code, in the names used here.

The official file is a pickle. It is read as data only: what else it holds is not run.
"""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import torch
from torch import Tensor

NAMES = (  # official name, ours
    (r"encoder\.conv1\.", "stem."),
    (r"encoder\.residuals\.(\d+)\.op\.op\.", r"units.\1.op."),
    (r"encoder\.residuals\.(\d+)\.op\.conv_(\d)\.", r"units.\1.op.conv\2."),
    (r"encoder\.residuals\.", "units."),
    (r"encoder\.last_conv\.", "last."),
    # LR-ASPP
    (r"decoder\._1x1_TL\.conv\.", "head.project.0."),
    (r"decoder\._1x1_TL\.bn\.", "head.project.1."),
    (r"decoder\._1x1_BL\.", "head.gate."),
    (r"decoder\._1x1_TR\.", "head.classify."),
    (r"decoder\._1x1_BR\.", "head.classify_low."),
    # DeepLabV3+
    (r"decoder\._1x1_1_conv\.conv\.", "head.project.0."),
    (r"decoder\._1x1_1_conv\.bn\.", "head.project.1."),
    *(
        (rf"decoder\._3x3_{branch + 1}_conv\.{official}\.", f"head.pyramid.{branch}.{ours}.")
        for branch in range(3)
        for official, ours in (("conv", 0), ("bn", 1))
    ),
    (r"decoder\._1x1_2_conv\.conv\.", "head.merge.0."),
    (r"decoder\._1x1_2_conv\.bn\.", "head.merge.1."),
    (r"lowlevel1x1\.", "head.low."),
    (r"logits2\.conv\.", "head.decode.0."),
    (r"logits2\.bn\.", "head.decode.1."),
    (r"logits3\.", "head.classify."),
)


def our_name(official: str) -> str:
    """The name here of a tensor of the official code; unknown names stay as they are."""
    for pattern, ours in NAMES:
        name, found = re.subn(f"^{pattern}", ours, official)
        if found:
            return name
    return official


def read_official(path: Path) -> dict[str, Tensor]:
    """The tensors of an official file by our names, on the CPU.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is damaged, or holds anything but tensors by name.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; name a .pth file of the official code")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} is no plain state dict: it is damaged, or would run code, which was not done; "
            "save the network's state_dict() instead"
        ) from error
    except Exception as error:  # a damaged pickle can fail in any way
        reason = str(error).strip().partition("\n")[0][:200]
        raise ValueError(f"{path} is damaged ({reason}); get the file again") from error
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise ValueError(
            f"{path} is no plain state dict, tensors by name; save the network's state_dict()"
        )
    return {our_name(name): value for name, value in state.items()}
