"""Which weights a network takes over from another, and a report that says so.

The backbone of a network has the same names and shapes in every stage, so its weights carry over by
name and a difference there is an error. The head, everything named `head.*`, carries over when the
classes are the same ones, and starts anew otherwise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

HEAD = "head."


@dataclass(frozen=True)
class StartingWeights:
    """Weights to start from.

    Args:
        state: tensors by name.
        classes: what the logits of their network meant.
        source: where they are from, for people.
    """

    state: Mapping[str, Tensor]
    classes: tuple[str, ...]
    source: str

    def fingerprint(self) -> str:
        """Changes with any bit of any tensor."""
        digest = hashlib.blake2b(digest_size=16)
        for name, tensor in sorted(self.state.items()):  # files come in any order
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Transfer:
    """What was and was not loaded, by tensor name.

    Args:
        source: where the weights are from.
        fingerprint: of those weights.
        loaded: tensors that were taken over.
        new: tensors of the network that keep their fresh values.
        unused: tensors of the source that the network has no use for.
        reason: why the head was replaced; empty when it was not.
    """

    source: str
    fingerprint: str
    loaded: tuple[str, ...]
    new: tuple[str, ...]
    unused: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        """The report in one or two lines."""
        text = (
            f"weights of {self.source}: {len(self.loaded)} tensors loaded ({_parts(self.loaded)})"
        )
        if self.reason:
            text += (
                f"\n{self.reason}: {len(self.new)} tensors start anew ({_parts(self.new)}), "
                f"{len(self.unused)} of the old head are left out"
            )
        return text


def transfer(network: nn.Module, weights: StartingWeights, classes: Sequence[str]) -> Transfer:
    """Loads into `network`, in place, what fits by the rules of this module.

    Args:
        network: the network of the stage that begins.
        weights: of another network with the same backbone.
        classes: what the network's own logits mean.

    Raises:
        ValueError: the backbones differ; names the first tensor in which they do.
    """
    own, given = network.state_dict(), dict(weights.state)
    wrong = [name for name in own | given if not name.startswith(HEAD) and not _fit(
        own.get(name), given.get(name))]  # fmt: skip
    if wrong:
        raise ValueError(
            f"{weights.source} has weights of another architecture: {len(wrong)} tensors of the "
            f"backbone differ, the first is {wrong[0]} ({_shape(own.get(wrong[0]))} here, "
            f"{_shape(given.get(wrong[0]))} there); retrain the network those weights belong to"
        )
    reason = _why_replaced(own, weights, classes)
    loaded = [name for name in own if not (reason and name.startswith(HEAD))]
    network.load_state_dict({name: given[name] for name in loaded}, strict=False)
    return Transfer(
        weights.source,
        weights.fingerprint(),
        tuple(loaded),
        tuple(name for name in own if name not in loaded),
        tuple(name for name in given if name not in loaded),
        reason,
    )


def _why_replaced(own: dict[str, Tensor], weights: StartingWeights, classes: Sequence[str]) -> str:
    given = dict(weights.state)
    names = [name for name in own | given if name.startswith(HEAD)]
    if len(weights.classes) != len(classes):
        return f"the head is replaced ({len(weights.classes)} classes there, {len(classes)} here)"
    if tuple(weights.classes) != tuple(classes):
        return "the head is replaced (as many classes, but other ones)"
    if not all(_fit(own.get(name), given.get(name)) for name in names):
        return "the head is replaced (one of another kind)"
    return ""


def _fit(a: Tensor | None, b: Tensor | None) -> bool:
    return a is not None and b is not None and a.shape == b.shape


def _shape(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else "x".join(map(str, tensor.shape)) or "a number"


def _parts(names: Sequence[str]) -> str:
    """`stem 6, units 420, head 9`."""
    tops = [name.partition(".")[0] for name in names]
    return ", ".join(f"{top} {tops.count(top)}" for top in dict.fromkeys(tops)) or "none"
