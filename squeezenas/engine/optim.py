"""Optimisers of network weights and how their learning rate falls."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from squeezenas.core.registry import nearest
from squeezenas.core.retrain_config import StageOptimiser
from squeezenas.core.search_config import Optimiser
from squeezenas.engine.torchvision_import import import_torchvision


def optimiser(network: nn.Module, config: Optimiser) -> torch.optim.Optimizer:
    """The optimiser of a supernet; vectors (batch norms, biases) are not decayed."""
    groups = _groups(network, config.weight_decay)
    if config.name == "sgd":
        nesterov = config.nesterov and config.momentum > 0
        return torch.optim.SGD(groups, config.lr, config.momentum, nesterov=nesterov)
    kind = torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam
    return kind(groups, config.lr)


def sgd_update(
    optimiser: torch.optim.Optimizer, gradients: Sequence[torch.Tensor], clip: float
) -> tuple[list[torch.Tensor], float]:
    """What one step of SGD would subtract from each parameter; nothing is changed.

    Args:
        optimiser: an SGD.
        gradients: one a parameter, in the order of the optimiser's groups.
        clip: largest norm of all of them; 0: no limit.

    Returns:
        The updates, and how fast they grow with the gradients: the learning rate, more with
        nesterov, less where the gradients are clipped.
    """
    assert isinstance(optimiser, torch.optim.SGD)
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    kept = min(1.0, clip / (float(norm) + 1e-6)) if clip else 1.0  # as in clip_grad_norm_
    updates, rest = [], iter(gradients)
    for group in optimiser.param_groups:
        momentum = group["momentum"]
        for parameter, gradient in zip(group["params"], rest, strict=False):
            descent = kept * gradient + group["weight_decay"] * parameter.detach()
            if momentum:
                before = optimiser.state[parameter].get("momentum_buffer")
                velocity = descent if before is None else momentum * before + descent
                descent = descent + momentum * velocity if group["nesterov"] else velocity
            updates.append(group["lr"] * descent)
    more = group["momentum"] if group["nesterov"] else 0.0
    return updates, kept * float(group["lr"]) * (1 + more)


def timm_optimiser(network: nn.Module, config: StageOptimiser) -> torch.optim.Optimizer:
    """Any optimiser that timm knows; vectors (batch norms, biases) are not decayed.

    Raises:
        ValueError: unknown name, one that needs second derivatives, one whose library or GPU is
            missing, or settings that it refuses.
    """
    import_torchvision()
    from timm.optim import create_optimizer_v2, get_optimizer_info, list_optimizers

    known = [str(name) for name in list_optimizers()]
    if config.name not in known:
        raise ValueError(
            f"optimiser.name={config.name}: timm has no such optimiser"
            f"{nearest(config.name, known)}; it has {', '.join(known)}"
        )
    if get_optimizer_info(config.name).second_order:
        raise ValueError(
            f"optimiser.name={config.name} needs second derivatives, and a step here has first "
            "ones only; choose another optimiser"
        )
    if config.name.startswith("fused"):
        _require_apex(config.name)
    try:
        return create_optimizer_v2(
            _groups(network, config.weight_decay),
            opt=config.name,
            lr=config.lr,
            weight_decay=config.weight_decay,
            momentum=config.momentum,
        )
    except (AssertionError, ImportError, TypeError, ValueError) as error:
        raise ValueError(
            f"optimiser.name={config.name} cannot be made with these settings or on this machine "
            f"({str(error).rstrip('.')}); change the settings or choose another optimiser"
        ) from error


def restore_optimiser(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Loads a saved state; PyTorch itself would take tensors of any shape.

    Raises:
        ValueError: the state is of other parameters.
    """
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    wrong = [
        number
        for number, values in state["state"].items()
        if number >= len(parameters) or not _fits(parameters[number], values)
    ]
    same = [len(group["params"]) for group in state["param_groups"]] == [
        len(group["params"]) for group in optimiser.param_groups
    ]
    if wrong or not same:
        raise ValueError(
            "the saved state of the optimiser does not fit this network; it is of another "
            "architecture, so start a new run"
        )
    optimiser.load_state_dict(state)


def take_step(
    optimiser: torch.optim.Optimizer, scaler: torch.amp.GradScaler, network: nn.Module, clip: float
) -> tuple[float, bool]:
    """Clips the gradients to a norm of `clip` (0: not at all) and takes the step if it is finite.

    Returns:
        The gradient norm before clipping, and whether it was finite.
    """
    scaler.unscale_(optimiser)
    norm = nn.utils.clip_grad_norm_(network.parameters(), clip or float("inf"))
    finite = bool(torch.isfinite(norm))
    if finite or scaler.is_enabled():  # the scaler skips the step itself
        scaler.step(optimiser)
    scaler.update()
    return float(norm), finite


def _fits(parameter: torch.Tensor, values: dict[str, Any]) -> bool:
    """Whether the moments of a parameter have its shape; factored ones have fewer dimensions."""
    return all(
        value.shape == parameter.shape
        for value in values.values()
        if isinstance(value, torch.Tensor) and value.ndim == parameter.ndim
    )


def _require_apex(name: str) -> None:
    """Apex is NVIDIA's; the package index has another project of that name."""
    plain = name.removeprefix("fused")
    try:
        importlib.import_module("apex.optimizers")
    except ImportError:
        raise ValueError(
            f"optimiser.name={name} needs NVIDIA's apex (https://github.com/NVIDIA/apex, not the "
            f"package `apex` of PyPI); use {plain} instead"
        ) from None
    if not torch.cuda.is_available():
        raise ValueError(f"optimiser.name={name} needs a GPU; use {plain} instead")


def _groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim <= 1]
    return [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]


def learning_rate(
    config: Optimiser | StageOptimiser, step: int, steps: int, warmup_steps: int
) -> float:
    """The learning rate of step `step` of `steps`, counted from 0; it rises over `warmup_steps`.

    `poly` is DeepLab's `(1 - t)^0.9` (arXiv:1606.00915, section 4.1), `cosine` SGDR's without
    restarts (arXiv:1608.03983, eq. 5).
    """
    warmup = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
    done = step / max(steps, 1)
    falls = {
        "constant": 1.0,
        "poly": (1 - done) ** 0.9,
        "cosine": (1 + math.cos(math.pi * done)) / 2,
    }
    return config.lr * warmup * falls[config.schedule]
