"""Files as the official code writes them: its names, told from its modules, with random tensors."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import nn

from squeezenas.core.model_card import ModelCard
from squeezenas.zoo.build import build
from squeezenas.zoo.convert import our_name

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def conv_bn(conv: str, norm: str) -> list[str]:
    return [f"{conv}.weight", *(f"{norm}.{name}" for name in NORM)]


def conv_bn_relu(prefix: str) -> list[str]:
    """The official class of this name."""
    return conv_bn(f"{prefix}.conv", f"{prefix}.bn")


def linear(prefix: str) -> list[str]:
    return [f"{prefix}.weight", f"{prefix}.bias"]


def official_names(card: ModelCard) -> list[str]:
    """Names of all tensors of a published network in the official code."""
    small = card.space == "squeezenas_small"
    names = conv_bn("encoder.conv1.0", "encoder.conv1.1")
    for index, option in enumerate(card.architecture):
        op = f"encoder.residuals.{index}.op"
        if option != "skip":
            for layer in (0, 3, 6):
                names += conv_bn(f"{op}.{layer}", f"{op}.{layer + 1}")
        elif not small and card.space == "squeezenas_xlarge" and index == 0:  # 48 to 24 channels
            names += conv_bn(f"{op}.op.1", f"{op}.op.2")
    if small:
        names += conv_bn("encoder.last_conv.0", "encoder.last_conv.1")
    if card.head == "lr_aspp":
        names += conv_bn_relu("decoder._1x1_TL")
        for branch in ("BL", "TR", "BR"):
            names += linear(f"decoder._1x1_{branch}")
    else:
        for conv in ("1x1_1", "3x3_1", "3x3_2", "3x3_3", "1x1_2"):
            names += conv_bn_relu(f"decoder._{conv}_conv")
        names += linear("lowlevel1x1") + conv_bn_relu("logits2") + linear("logits3")
    return names


def write_official(path: Path, card: ModelCard) -> nn.Module:
    """Writes the file of a network with random weights, and returns the network."""
    torch.manual_seed(0)
    network = build(card).eval()
    for name, value in network.state_dict().items():
        if name.endswith(("running_mean", "running_var")):
            value.uniform_(0.5, 1.5)
    state = network.state_dict()
    official = {name: state[our_name(name)] for name in official_names(card)}
    torch.save(official, path, _use_new_zipfile_serialization=False)
    return network


def git_blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
