"""Scores architectures with the weights they inherit from a supernet."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from squeezenas.core.architecture import Architecture
from squeezenas.data.decode import Pixels
from squeezenas.data.feed import scoring_batches
from squeezenas.data.frames import Frame
from squeezenas.data.loaders import Batch
from squeezenas.engine import precision
from squeezenas.nn.memory_format import channels_last
from squeezenas.search.setup import Search
from squeezenas.zoo.scoring import predictions, score

KEPT_BYTES = 1 << 30  # decoded samples stay in memory as long as all of them take less


class InheritedWeights:
    """Builds, recalibrates and evaluates networks with a supernet's weights.

    Every process evaluates its share of the samples; the result is the same in all of them.

    Args:
        search: the parts of the search, its supernet trained.
    """

    def __init__(self, search: Search) -> None:
        self._search = search
        batches = search.streams[0].batches()
        count = search.config.regime.select.recalibration_batches
        self._calibration = list(islice(batches, count))
        self._kept: dict[str, list[Batch]] = {}

    def network(self, architecture: Architecture) -> nn.Module:
        """The stand-alone network, with inherited weights and batch-norm statistics of its own."""
        search = self._search
        with torch.random.fork_rng(devices=[]):
            network = search.space.inheriting_network(
                architecture, search.task.classes, search.config.regime.head
            )
        network = channels_last(network.to(search.process.device))
        search.space.inherit(search.supernet, network, architecture)
        self._recalibrate(network)
        return network.eval()

    @torch.no_grad()
    def _recalibrate(self, network: nn.Module) -> None:
        """Statistics averaged over training batches: a subnet's differ from the mixture's."""
        norms = [m for m in network.modules() if isinstance(m, _BatchNorm)]
        if not self._calibration or not norms:
            return
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        network.train()
        search, task, state = self._search, self._search.task, None
        with torch.random.fork_rng(devices=[]):  # of dropout
            torch.manual_seed(search.config.seed)
            for batch in self._calibration:
                inputs = task.prepare(batch.images, batch.labels)
                with precision.autocast(search.precision, search.process.device):
                    output = task.run(network, inputs, state=None if batch.begins else state)
                state = task.carried(output)

    def figure(self, architecture: Architecture, part: str) -> float:
        """The task's headline on the samples of `part` (`selection` or `report`)."""
        search, task = self._search, self._search.task
        network = self.network(architecture)
        metric = score(network, self._batches(part), task, search.precision)
        return float(task.figures(metric)[task.headline])

    def predictions(self, architecture: Architecture, count: int) -> tuple[Pixels, Pixels, Pixels]:
        """The first report frames: images `(N, H, W, 3)`, labels and predictions `(N, H, W)`.

        All uint8. Frames of another size than the first are left out.
        """
        search = self._search
        frames = [sample for sample in search.data.report[:count] if isinstance(sample, Frame)]
        network = self.network(architecture)
        return predictions(network, frames, search.card, search.task, search.precision)

    def _batches(self, part: str) -> Iterator[Batch]:
        if part in self._kept:
            yield from self._kept[part]
            return
        search, config = self._search, self._search.config
        kept, size = [], 0
        for batch in scoring_batches(
            getattr(search.data, part), search.card, config.regime, search.process, config.workers
        ):
            size += batch.images.nbytes + batch.labels.nbytes
            if size <= KEPT_BYTES:
                kept.append(batch)
            yield batch
        if size <= KEPT_BYTES:
            self._kept[part] = kept
