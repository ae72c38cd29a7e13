"""Optimisers of network weights and how their learning rate falls."""

from __future__ import annotations

import math

import torch
from torch import nn

from squeezenas.core.config import Optimiser


def optimiser(network: nn.Module, config: Optimiser) -> torch.optim.Optimizer:
    """The optimiser of a network; vectors (batch norms, biases) are not decayed."""
    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    if config.name == "sgd":
        return torch.optim.SGD(groups, config.lr, config.momentum, nesterov=config.momentum > 0)
    kind = torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam
    return kind(groups, config.lr)


def learning_rate(config: Optimiser, step: int, steps: int) -> float:
    """The learning rate of step `step` of `steps`, counted from 0.

    `poly` is DeepLab's `(1 - t)^0.9` (arXiv:1606.00915, section 4.1), `cosine` SGDR's without
    restarts (arXiv:1608.03983, eq. 5).
    """
    warmup = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    done = step / max(steps, 1)
    falls = {
        "constant": 1.0,
        "poly": (1 - done) ** 0.9,
        "cosine": (1 + math.cos(math.pi * done)) / 2,
    }
    return config.lr * warmup * falls[config.schedule]
