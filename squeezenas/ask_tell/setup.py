"""Builds an ask/tell search from its configuration: what scores, what proposes, what is shared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from squeezenas.ask_tell.evaluators.evaluator import Evaluator
from squeezenas.ask_tell.evaluators.inherit import InheritEvaluator, newest_search
from squeezenas.ask_tell.evaluators.table import TableEvaluator
from squeezenas.ask_tell.evaluators.train import TrainEvaluator
from squeezenas.ask_tell.loop import AskTellSearch
from squeezenas.ask_tell.storage import open_storage
from squeezenas.ask_tell.study import Trials
from squeezenas.core.ask_tell_config import AskTellConfig, Evaluation, TableSearchConfig
from squeezenas.data.tables import read_table
from squeezenas.engine.distributed import Process
from squeezenas.strategies.ask_tell import AskTellStrategy, make_strategy

AskTell = AskTellConfig | TableSearchConfig


@dataclass(frozen=True)
class AskTellParts:
    """What a process needs, before it joins the others.

    Args:
        config: the configuration with what the evaluator knows: space and target.
        evaluator: prices and scores.
        strategy: proposes.
    """

    config: AskTell
    evaluator: Evaluator
    strategy: AskTellStrategy


def build(config: AskTell, process: Process) -> AskTellParts:
    """Reads, checks and builds everything but the study.

    Raises:
        FileNotFoundError, ValueError, OSError: table, supernet, regime, data, strategy or its keys
            do not fit; says which.
    """
    evaluator = _evaluator(config, process)
    config = _settled(config, evaluator)
    keys = {key: value for key, value in config.regime.strategy.items() if key != "name"}
    name = config.regime.strategy["name"]
    strategy = make_strategy(name, keys, evaluator.space, config.seed)
    if config.regime.objective.kind == "pareto" and not strategy.multi_objective:
        raise ValueError(
            f"regime.objective.kind=pareto: strategy {name} looks at one figure alone; use nsga2, "
            "or random to compare it with, or kind=limit or penalty"
        )
    if strategy.initial >= config.regime.trials:
        raise ValueError(
            f"regime.trials={config.regime.trials}: strategy {name} begins with {strategy.initial} "
            "evaluations that it learns nothing from; raise it, or lower what it begins with"
        )
    return AskTellParts(config, evaluator, strategy)


def join(parts: AskTellParts, folder: Path) -> AskTellSearch:
    """This process's part in the study, which is begun if it is not there.

    Args:
        parts: what scores and proposes.
        folder: the run folder, where a journal is kept.

    Raises:
        ValueError: the study is of another search.
        OSError: the storage cannot be reached.
    """
    config, evaluator, space = parts.config, parts.evaluator, parts.evaluator.space
    regime, objective = config.regime, config.regime.objective
    best = "maximize" if evaluator.figure.higher_is_better else "minimize"
    own = regime.evaluator.model_dump(mode="json", exclude={"supernet", "timeout"})
    identity = {
        "dataset": config.datasets.name,
        "figure": evaluator.headline,
        "space": space.name,
        "scale": space.scale.model_dump(mode="json"),
        "strategy": regime.strategy,
        "objective": objective.model_dump(mode="json"),
        "evaluator": "table" if isinstance(config, TableSearchConfig) else own,
        "weights": evaluator.fingerprint,
        "seed": config.seed,
    }
    trials = Trials(
        open_storage(config.storage, folder),
        config.study or config.name,
        identity,
        space,
        [best, "minimize"] if objective.kind == "pareto" else [best],
        regime.trials,
        regime.retries,
        config.lease,
    )
    return AskTellSearch(regime, parts.strategy, evaluator, trials, config.seed)


def _settled(config: AskTell, evaluator: Evaluator) -> AskTell:
    """The configuration with what the evaluator knows: space, scale, and the target.

    Raises:
        ValueError: the configuration asks for another space, or prices what cannot be priced.
    """
    regime, space = config.regime, evaluator.space
    if regime.space not in ("", space.name):
        raise ValueError(
            f"regime.space={regime.space}: architectures of {space.name} are what can be scored; "
            "leave it out"
        )
    _refuse_unread(config, evaluator)
    objective = regime.objective
    target = objective.target or evaluator.target
    if not evaluator.unit and (target or objective.kind != "limit"):
        limit = f" with target={target:g}" if target else ""
        known = f"; it has {', '.join(evaluator.costs)}" if evaluator.costs else ""
        raise ValueError(
            f"regime.objective.kind={objective.kind}{limit} needs a cost; name one with "
            f"regime.objective.cost={known}"
        )
    known_now = {"target": target}
    settled = {"space": space.name, "objective": objective.model_copy(update=known_now)}
    if isinstance(evaluator, InheritEvaluator):  # the same one in every process, and when resumed
        pinned = {"supernet": evaluator.folder}
        settled["evaluator"] = regime.evaluator.model_copy(update=pinned)
    return config.model_copy(update={"regime": regime.model_copy(update=settled)})


def _refuse_unread(config: AskTell, evaluator: Evaluator) -> None:
    """Refuses keys that a table or a supernet has decided.

    Raises:
        ValueError: names the key.
    """
    regime = config.regime
    table = isinstance(config, TableSearchConfig)
    if not table and regime.evaluator.name == "train":
        return
    owner = "a table" if table else "a supernet"
    if regime.scale:
        raise ValueError(f"regime.scale: the networks of {owner} have their sizes; leave it out")
    if table and regime.evaluator != Evaluation():
        raise ValueError("regime.evaluator: a table is looked up; leave it out")


def _evaluator(config: AskTell, process: Process) -> Evaluator:
    """What scores.

    Raises:
        FileNotFoundError, ValueError, OSError: table, supernet, regime or data do not fit.
    """
    objective = config.regime.objective
    if isinstance(config, TableSearchConfig):
        return TableEvaluator(read_table(config.datasets), objective.figure, objective.cost)
    if objective.figure:
        raise ValueError(
            f"regime.objective.figure={objective.figure}: networks are ranked by the figure of "
            "their task; leave it out"
        )
    asked = config.regime.evaluator
    if asked.name == "train":
        return TrainEvaluator(config, process)
    if objective.cost:
        raise ValueError(
            f"regime.objective.cost={objective.cost}: networks cost what the search of their "
            "supernet priced; leave it out"
        )
    folder = asked.supernet or newest_search(config.runs, config.datasets.name)
    return InheritEvaluator(folder.resolve(), config.datasets, process)
