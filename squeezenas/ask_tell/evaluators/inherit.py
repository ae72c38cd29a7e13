"""Scores networks with the weights that they inherit from a searched supernet, in seconds each."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from squeezenas.ask_tell.evaluators.evaluator import Evaluation, Evaluator
from squeezenas.core.architecture import Architecture
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.model_card import ModelCard
from squeezenas.core.resume import load_resumed
from squeezenas.core.search_config import SearchConfig
from squeezenas.engine.checkpoint import load_checkpoint
from squeezenas.engine.distributed import Process
from squeezenas.search.score import InheritedWeights
from squeezenas.search.setup import build
from squeezenas.zoo.found import network_card


class InheritEvaluator(Evaluator):
    """Inherits from the supernet of a finished one-shot search, batch norms estimated anew.

    It scores on the samples that the search kept for choosing.

    Args:
        folder: the search's run folder.
        card: the data set, the same one; it may have moved.
        process: this process.

    Attributes:
        folder: that run folder.
        search: the parts of that search.
    """

    weights = "inherited weights"

    def __init__(self, folder: Path, card: DatasetCard, process: Process) -> None:
        config = load_resumed(folder, [], SearchConfig)
        if not (folder / "summary.json").is_file():
            raise ValueError(
                f"{folder} is not finished; continue it with `python search.py --resume {folder}`"
            )
        if config.datasets.name != card.name:
            raise ValueError(
                f"{folder} searched on {config.datasets.name}, and its weights say nothing of "
                f"{card.name}; name another run with regime.evaluator.supernet="
            )
        config = config.model_copy(update={"datasets": card})
        self.search = build(config, process, folder)
        self.folder, last = folder, folder / "checkpoints" / "last.pt"
        self.fingerprint = hashlib.sha256(last.read_bytes()).hexdigest()[:16]
        state = load_checkpoint(last)
        self.search.supernet.load_state_dict(state["supernet"])
        self.space = self.search.space
        self.figure, self.headline = self.search.task.figure, self.search.task.headline
        self.unit = self.search.unit
        self._weights = InheritedWeights(self.search)

    def network_card(self, architecture: Architecture, name: str) -> ModelCard:
        """What `train.py` would build."""
        parts = self.search
        regime = parts.config.regime
        return network_card(name, self.space, regime.scale, regime.head, parts.card, architecture)

    def cost(self, architecture: Architecture) -> float:
        """What the search priced: GMACs, ms, or millions of parameters."""
        return self.search.cost_of(architecture)

    @property
    def target(self) -> float | None:
        """What a network of the search was allowed to cost."""
        cost = self.search.config.regime.cost
        return cost.target if cost else None

    def evaluate(self, architecture: Architecture, seed: int) -> Evaluation:
        """The figure on the samples that choose; nothing in it is random."""
        start = time.monotonic()
        value = self._weights.figure(architecture, "selection")
        return Evaluation(value, time.monotonic() - start)

    def report(self, architecture: Architecture) -> float:
        """The figure on the samples that report."""
        return self._weights.figure(architecture, "report")


def newest_search(runs: Path, dataset: str) -> Path:
    """The run folder of the newest finished one-shot search on a data set.

    Raises:
        FileNotFoundError: there is none.
    """
    found = []
    for summary in runs.glob("*/summary.json"):
        try:
            config = load_resumed(summary.parent, [], SearchConfig)
        except ValueError:  # a run of another kind
            continue
        if config.datasets.name == dataset:
            found.append(summary)
    if not found:
        raise FileNotFoundError(
            f"{runs} holds no finished one-shot search on {dataset!r} to inherit weights from; run "
            "`python search.py` first, or train each network: regime.evaluator.name=train"
        )
    return max(found, key=lambda path: path.stat().st_mtime).parent
