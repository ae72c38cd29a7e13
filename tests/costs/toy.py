"""A space of two choices whose modules tell a clock how long they take."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from squeezenas.core.architecture import Architecture, Choice
from squeezenas.core.space import SearchSpace


class Clock:
    """Stands in for `perf_counter`: only the modules of the toy space move it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


CLOCK = Clock()


class Takes(nn.Module):
    """The identity on the left half of the image's channels, in a known number of milliseconds."""

    def __init__(self, milliseconds: float, channels: int) -> None:
        super().__init__()
        self.milliseconds, self.channels = milliseconds, channels

    def forward(self, x: Tensor) -> Tensor:
        CLOCK.now += self.milliseconds / 1e3
        return x[:, : self.channels]

    def extra_repr(self) -> str:
        return f"{self.milliseconds}, {self.channels}"


class ToySpace(SearchSpace):
    """Two choices; every network also pays a stem of 5 ms, and 1.25 times what its options take."""

    name = "toy"
    milliseconds: ClassVar[dict[str, dict[str, float]]] = {
        "first": {"a": 1.0, "b": 2.0, "c": 8.0},
        "second": {"a": 4.0, "b": 16.0},
    }
    channels: ClassVar[dict[str, int]] = {"first": 4, "second": 2}
    stem = 5.0
    slower = 1.25

    def __init__(self) -> None:
        self.choices = tuple(Choice(k, tuple(row)) for k, row in self.milliseconds.items())
        self.built = 0

    def supernet(self, classes: int, head: str, memory: str = "full") -> nn.Module:
        raise AssertionError("a cost needs no supernet")

    def network(self, architecture: Architecture, classes: int, head: str) -> nn.Module:
        texts = zip(self.choices, self.write(architecture), strict=True)
        units = [Takes(self.milliseconds[c.key][t] * self.slower, 1) for c, t in texts]
        return nn.Sequential(nn.Conv2d(3, 8, 1), Takes(self.stem, 8), *units)

    def inherit(self, supernet: nn.Module, network: nn.Module, architecture: Architecture) -> None:
        raise AssertionError("prices need no weights")

    def candidate(self, key: str, option: str) -> nn.Module:
        self.built += 1
        torch.rand(1)  # as the initialisation of real weights does
        return Takes(self.milliseconds[key][option], 1)

    def candidate_input(self, key: str, height: int, width: int) -> tuple[int, int, int]:
        return self.channels[key], height, width

    def graph(self, architecture: Architecture) -> tuple[list[list[int]], list[str]]:
        raise AssertionError("a cost needs no graph")
