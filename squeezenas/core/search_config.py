"""Everything that defines one search: the run's own keys, a dataset card and a regime."""

from __future__ import annotations

from squeezenas.core.config import SearchRegime
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.run_config import RunConfig


class SearchConfig(RunConfig):
    """The resolved configuration of a search: what `config.yaml` of its run folder holds."""

    datasets: DatasetCard
    """The dataset card, `datasets=<card>`."""
    regime: SearchRegime
    """The regime, `training_regimes=<card>`."""
