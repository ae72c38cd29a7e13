"""Scores architectures with the weights they inherit from a supernet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import torch
from torch import nn

from squeezenas.core.architecture import Architecture
from squeezenas.data.decode import Pixels, read_image
from squeezenas.data.frames import Frame
from squeezenas.data.loaders import Batch, evaluation_batches
from squeezenas.engine import precision
from squeezenas.nn.memory_format import channels_last
from squeezenas.search.setup import Search
from squeezenas.zoo.scoring import BATCH_PIXELS, predictions, score

KEPT_BYTES = 1 << 30  # decoded frames stay in memory when all of them take less


class InheritedWeights:
    """Builds, recalibrates and evaluates networks with a supernet's weights.

    Every process evaluates its share of the frames; the result is the same in all of them.

    Args:
        search: the parts of the search, its supernet trained.
    """

    def __init__(self, search: Search) -> None:
        self._search = search
        batches = search.streams[0].batches()
        count = search.config.regime.select.recalibration_batches
        self._calibration = [batch.images for batch in islice(batches, count)]
        self._kept: dict[str, list[Batch]] = {}

    def network(self, architecture: Architecture) -> nn.Module:
        """The stand-alone network, with inherited weights and batch-norm statistics of its own."""
        search, regime = self._search, self._search.config.regime
        with torch.random.fork_rng(devices=[]):
            network = search.space.network(architecture, search.task.classes, regime.head)
        network = channels_last(network.to(search.process.device))
        search.space.inherit(search.supernet, network, architecture)
        self._recalibrate(network)
        return network.eval()

    @torch.no_grad()
    def _recalibrate(self, network: nn.Module) -> None:
        """Statistics averaged over training batches: a subnet's differ from the mixture's."""
        if not self._calibration:
            return
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
                module.momentum = None
        network.train()
        task = self._search.task
        for images in self._calibration:
            inputs = task.prepare(images, torch.zeros(1))
            with precision.autocast(self._search.precision, self._search.process.device):
                network(inputs.images)

    def miou(self, architecture: Architecture, part: str) -> float:
        """Mean IoU on the frames of `part` (`selection` or `report`)."""
        search = self._search
        network = self.network(architecture)
        found = score(network, self._batches(part), search.task, search.precision).miou()
        return float(found)

    def predictions(self, architecture: Architecture, count: int) -> tuple[Pixels, Pixels, Pixels]:
        """The first report frames: images `(N, H, W, 3)`, labels and predictions `(N, H, W)`.

        All uint8. Frames of another size than the first are left out.
        """
        search = self._search
        frames, card = search.frames.report[:count], search.config.datasets
        network = self.network(architecture)
        return predictions(network, frames, card, search.task, search.precision)

    def _batches(self, part: str) -> Iterator[Batch]:
        if part in self._kept:
            yield from self._kept[part]
            return
        frames: Sequence[Frame] = getattr(self._search.frames, part)
        height, width = read_image(frames[0].image).shape[:2]
        config, process = self._search.config, self._search.process
        keep = 4 * height * width * len(frames) // process.world_size <= KEPT_BYTES
        kept = []
        for batch in evaluation_batches(
            frames, config.datasets, max(1, BATCH_PIXELS // (height * width)), config.workers,
            process.rank, process.world_size,
        ):  # fmt: skip
            if keep:
                kept.append(batch)
            yield batch
        if keep:
            self._kept[part] = kept
