"""Recipes: cards found by name, merged with overrides, and validated into a configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import DictConfig, OmegaConf

from squeezenas.core.ask_tell_config import AskTellConfig, TableSearchConfig
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.model_card import ModelCard, read_model_card
from squeezenas.core.overrides import Request, merge, parse
from squeezenas.core.reading import read_yaml
from squeezenas.core.registry import nearest
from squeezenas.core.retrain_config import RetrainConfig, RetrainRegime
from squeezenas.core.run_config import RunConfig
from squeezenas.core.search_config import SearchConfig
from squeezenas.core.table_card import TableCard
from squeezenas.core.validation import Origin, shortened, validated

C = TypeVar("C", bound=RunConfig)
AnySearch = SearchConfig | AskTellConfig | TableSearchConfig

DEFAULT_SEARCH = "search_street_scenes"
DEFAULT_RETRAINING = "retrain_street_scenes"
SECTIONS = {"models": "models", "datasets": "datasets", "training_regimes": "regime"}
"""Which section of a configuration each group fills."""


def places() -> list[Path]:
    """Folders that hold card groups, first match wins: here, the checkout, inside the package."""
    package = Path(__file__).resolve().parents[1]
    checkout = package.parent
    # Beside an installed package lie other people's packages, and one of them is named `datasets`.
    beside = [checkout] if (checkout / "pyproject.toml").is_file() else []
    return [Path(), *beside, package / "recipes"]


def cards(group: str) -> dict[str, Path]:
    """Name -> file of every card of a group, sorted by name."""
    found: dict[str, Path] = {}
    for place in reversed(places()):
        found |= {path.stem: path for path in (place / group).glob("*.yaml")}
    return dict(sorted(found.items()))


def find(group: str, name: str, source: str = "") -> Path:
    """The file of a card, given by name or as a path to a YAML file.

    Args:
        group: datasets, models or training_regimes.
        name: of the card, or the path.
        source: a remark on who asks for it, such as ` (in regime.yaml)`.

    Raises:
        FileNotFoundError: a path that does not exist.
        ValueError: no card of that name; points at the nearest and lists all.
    """
    if name.endswith((".yaml", ".yml")) or "/" in name:
        path = Path(name)
        if not path.is_file():
            raise FileNotFoundError(
                f"{group}={shortened(name)}{source}: no such file; give a card or a YAML file"
            )
        return path
    known = cards(group)
    if name not in known:
        listed = ", ".join(known) or f"none; a card is a file {group}/<name>.yaml"
        raise ValueError(
            f"{group}={shortened(name)}{source}: no such card{nearest(name, list(known))}; known: "
            f"{listed}"
        )
    return known[name]


def load_search(arguments: Sequence[str]) -> AnySearch:
    """The configuration of a search from arguments like `datasets=cityscapes regime.epochs=3`.

    Without a regime it is the embedded default; without a data set, the one the regime names. The
    regime says whether the search is one-shot or ask/tell.

    Raises:
        FileNotFoundError: a card given as a path does not exist.
        ValueError: unknown card or key, wrong value; names every full key.
    """
    request = parse(arguments, groups(SearchConfig))
    regime_file = _regime_file(request, DEFAULT_SEARCH, "search")
    regime = read_yaml(regime_file)
    dataset = request.values.get("regime.dataset", regime.get("dataset", "street_scenes"))
    asked = request.cards.get("datasets")
    source = "" if asked or "regime.dataset" in request.values else f" (in {regime_file})"
    dataset_file, card = _card("datasets", asked or str(dataset), source)
    files = {"datasets": dataset_file, "regime": regime_file}
    origin = origin_of(request, files)
    both = OmegaConf.create({"datasets": card, "regime": regime})
    content = merge(both, request.values, origin)
    kind = search_kind({**content, "regime": regime})  # of the card, whatever is typed
    config = validated(kind, content, origin)
    return _named(config, [regime_file.stem, config.datasets.name])


def search_kind(content: Mapping[str, Any]) -> type[AnySearch]:
    """Which kind of search a configuration is, if it is any: ask/tell regimes count trials.

    Raises:
        ValueError: a one-shot search of a table.
    """
    data, regime = (
        part if isinstance(part := content.get(key), Mapping) else {}
        for key in ("datasets", "regime")
    )
    table = data.get("task") == "table"
    if "trials" in regime:
        return TableSearchConfig if table else AskTellConfig
    if table:
        name = data.get("name")
        raise ValueError(
            f"datasets={name} is a table of results, which has no weights to learn; choose a "
            "regime such as training_regimes=search_aging_evolution"
        )
    return SearchConfig


def load_retraining(arguments: Sequence[str]) -> RetrainConfig:
    """The configuration of a retraining, from arguments like `models=runs/x/architecture.yaml`.

    Without a regime it is the embedded default; without a network, the one that the newest search
    on the first stage's data set found.

    Raises:
        FileNotFoundError: a card given as a path does not exist, or there is no network.
        ValueError: unknown card or key, wrong value; names every full key.
    """
    request = parse(arguments, groups(RetrainConfig))
    regime_file = _regime_file(request, DEFAULT_RETRAINING, "retrain")
    content = OmegaConf.create({"datasets": {}, "regime": read_yaml(regime_file)})
    files = {"regime": regime_file}
    require_stages(request, content)
    if odd := [name for name in _named_stages(content) if not isinstance(name, str)]:
        raise ValueError(
            f"{regime_file}: regime.stages.{odd[0]}: names of stages are texts; put it in quotes"
        )
    for stage in _stages(content):
        asked = request.values.get(f"regime.stages.{stage}.dataset")
        dataset = asked or content.regime.stages[stage].get("dataset", "street_scenes")
        source = "" if asked else f" (in {regime_file})"
        files[f"datasets.{stage}"], content.datasets[stage] = _card(
            "datasets", str(dataset), source
        )
    if "datasets" in request.cards:
        stage = place(content, "datasets", request.cards["datasets"])
        files[stage] = find("datasets", request.cards["datasets"])
    if "models" in request.cards:
        files["models"] = find("models", request.cards["models"])
    else:
        on = next((str(card.get("name")) for card in content.datasets.values()), "")
        files["models"] = found_network(Path(request.values.get("runs", "runs")), on)
    content["models"] = read_yaml(files["models"])
    origin = origin_of(request, files)
    config = validated(RetrainConfig, merge(content, request.values, origin), origin)
    return _named(config, [regime_file.stem, request.cards.get("models", "")])


def found_network(runs: Path, dataset: str) -> Path:
    """The card of the network that the newest search on a data set found.

    Raises:
        FileNotFoundError: there is no finished search on it.
    """
    newest = sorted(runs.glob("*/architecture.yaml"), key=lambda path: path.stat().st_mtime)
    for path in reversed(newest):
        if read_yaml(path).get("dataset") == dataset:
            return path
    raise FileNotFoundError(
        f"{runs} holds no finished search on {dataset!r} whose network could be retrained; run "
        "`python search.py` first, or name a network with models=<card>; known: "
        f"{', '.join(cards('models'))}"
    )


def groups(kind: type[RunConfig]) -> list[str]:
    """The card groups that a kind of configuration is made of."""
    return [group for group, section in SECTIONS.items() if section in kind.model_fields]


def place(content: DictConfig, group: str, name: str) -> str:
    """Puts a card into its section of a configuration and returns the section's dotted key.

    A retraining has one data set a stage, so `datasets=` picks one only where there is one stage.

    Raises:
        FileNotFoundError, ValueError: no such card, or it is not clear which stage it is for.
    """
    card = read_yaml(find(group, name))
    section = SECTIONS[group]
    if group != "datasets" or "stages" not in content.regime:
        content[section] = card
        return section
    stages = _stages(content)
    if len(stages) != 1:
        raise ValueError(
            f"datasets={name}: this regime has {len(stages)} stages ({', '.join(stages)}); say "
            f"which one with regime.stages.<stage>.dataset={name}"
        )
    content.datasets[stages[0]] = card
    content.regime.stages[stages[0]].dataset = name
    return f"datasets.{stages[0]}"


def require_stages(request: Request, content: DictConfig) -> None:
    """Refuses values for a stage that a regime does not have; they would make half of a new one.

    Raises:
        ValueError: names the key, the nearest stage and all others.
    """
    stages = _stages(content)
    for key in request.values:
        named = re.match(r"(?:regime\.stages|datasets)\.(\w+)", key)
        if stages and named and named[1] not in stages:
            raise ValueError(
                f"{key}: this regime has no stage {named[1]!r}{nearest(named[1], stages)}; "
                f"it has {', '.join(stages)}"
            )


def _stages(content: DictConfig) -> list[str]:
    """Names of the stages; a regime that is wrong in shape is left to the schema."""
    named = _named_stages(content).items()
    return [str(name) for name, stage in named if isinstance(stage, DictConfig)]


def _named_stages(content: DictConfig) -> Mapping[Any, Any]:
    stages = content.regime.get("stages")
    return stages if isinstance(stages, DictConfig) else {}


def _card(group: str, name: str, source: str) -> tuple[Path, DictConfig]:
    """A card and its file; `source` says who named it."""
    file = find(group, name, source)
    try:
        return file, read_yaml(file)
    except ValueError as error:
        raise ValueError(f"{error}{source}") from None


def _regime_file(request: Request, default: str, kind: str) -> Path:
    """The file of the regime; one of the other kind is refused here, by its name for itself."""
    name = request.cards.get("training_regimes", default)
    file = find("training_regimes", name)
    is_retraining = "stages" in read_yaml(file)
    if is_retraining != (kind == "retrain"):
        program, other = ("search.py", "train.py")[:: -1 if kind == "retrain" else 1]
        raise ValueError(f"training_regimes={name} is for {other}, not for {program}")
    return file


def _named(config: C, parts: Sequence[str]) -> C:
    if config.name:
        return config
    texts = [part for part in parts if part and "/" not in part and not part.endswith(".yaml")]
    name = "-".join([*texts, f"{datetime.now():%Y%m%d-%H%M%S}"])
    return config.model_copy(update={"name": re.sub(r"[^\w.+-]", "_", name)})


def load_dataset(arguments: Sequence[str]) -> DatasetCard:
    """The card of a data set of images or text, as `load_card`.

    Raises:
        FileNotFoundError, ValueError: as `load_card`, or it is a table of results.
    """
    card = load_card(arguments)
    if isinstance(card, TableCard):
        raise ValueError(
            f"datasets={card.name} is a table of results; this needs images or text, such as "
            "datasets=street_scenes"
        )
    return card


def load_card(arguments: Sequence[str]) -> DatasetCard | TableCard:
    """The card of `datasets=<card> datasets.key=value ...`.

    Raises:
        FileNotFoundError: a card given as a path does not exist.
        ValueError: no or unknown card, unknown key, wrong value.
    """
    request = parse(arguments, ["datasets"])
    if "datasets" not in request.cards:
        raise ValueError(f"name a card with datasets=<card>; known: {', '.join(cards('datasets'))}")
    for key in request.values:
        if not key.startswith("datasets."):
            raise ValueError(
                f"{key}: unknown key; only datasets=<card> and datasets.* are read here"
            )
    file = find("datasets", request.cards["datasets"])
    origin = origin_of(request, {"datasets": file})
    card = OmegaConf.create({"datasets": read_yaml(file)})
    content = merge(card, request.values, origin)["datasets"]
    if content.get("task") == "table":
        return validated(TableCard, content, origin, prefix="datasets")
    return validated(DatasetCard, content, origin, prefix="datasets")


def load_one_stage(name: str, settings: Mapping[str, Any]) -> tuple[str, RetrainRegime]:
    """A retraining regime of one stage, with keys of that stage set anew; and the stage's name.

    Raises:
        FileNotFoundError, ValueError: no such card, more stages, unknown keys, wrong values.
    """
    file = find("training_regimes", name)
    content = OmegaConf.create({"regime": read_yaml(file)})
    stages = _stages(content)
    if len(stages) != 1:
        raise ValueError(
            f"training_regimes={name} has {len(stages)} stages; one that scores has one, such as "
            "retrain_street_scenes"
        )
    stage = f"regime.stages.{stages[0]}"
    changed = {f"{stage}.{key}": value for key, value in settings.items()}

    def origin(key: str) -> str:
        return f"(in {file})"

    regime = merge(content, changed, origin)["regime"]
    return stages[0], validated(RetrainRegime, regime, origin, prefix="regime")


def load_model(name_or_path: str) -> ModelCard:
    """The model card of that name, or in that YAML file (`runs/<name>/architecture.yaml`).

    Raises:
        FileNotFoundError: a path that does not exist.
        ValueError: unknown card, unknown key, wrong value.
    """
    return read_model_card(find("models", name_or_path))


def origin_of(request: Request, files: Mapping[str, Path]) -> Origin:
    """Says where a key's value was written; `files` has the file of each section."""

    def origin(key: str) -> str:
        path = f"{key}.".replace("[", ".")
        inside = [section for section in files if path.startswith(f"{section}.")]
        here = f"(in {files[max(inside, key=len)]})" if inside else ""
        return request.origin(key) or here

    return origin
