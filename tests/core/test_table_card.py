from pathlib import Path

import pytest
from omegaconf import OmegaConf
from pydantic import ValidationError

from squeezenas.core.table_card import TableCard

BASE = {
    "name": "x",
    "title": "X",
    "task": "table",
    "space": "tabular",
    "scale": {"choices": {"depth": []}},
    "root": "data/x",
    "layout": "rows",
    "file": "x.csv",
    "figures": {"accuracy": {"column": "accuracy", "label": "accuracy"}},
    "costs": {"latency": {"column": "latency", "unit": "ms"}},
    "licence": "none",
    "source": "me",
    "how_to_get": "make it",
}


def shipped(repository: Path, name: str) -> TableCard:
    loaded = OmegaConf.load(repository / "datasets" / f"{name}.yaml")
    return TableCard.model_validate(OmegaConf.to_container(loaded, resolve=True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"figures": {}}, "at least 1 item"),
        ({"figures": {"latency": {"column": "a", "label": "a"}}}, "latency is a figure and a cost"),
        ({"seconds": "second"}, "seconds is 'second', which is no cost; known: latency"),
        ({"seconds": "latency"}, "'latency', in ms; take a cost in s"),
        ({"layout": "nasbench101"}, "nasbench101 is for space nasbench101, not for tabular"),
        (
            {"layout": "nasbench201", "space": "nasbench201", "architecture": "text"},
            "architecture is for layout rows, not for nasbench201",
        ),
        ({"scale": {}}, r"tabular needs scale.choices, .* such as \{depth: \[\], wid"),
        ({"scale": {"choices": ["depth"]}}, r"tabular needs scale\.choices"),
        ({"scale": {"choices": {"depth": 3}}}, r"tabular needs scale\.choices"),
        ({"task": "segmentation"}, "Input should be 'table'"),
        ({"figures": {"a": {"column": "a", "label": "a", "divide_by": 0}}}, "greater than 0"),
        ({"figures": {"a": {"column": "a", "label": "a", "unit": "ms"}}}, "Extra inputs"),
        ({"costs": {"a": {"column": "a"}}}, "unit"),
        ({"palette": []}, "Extra inputs"),
        ({"file": "../t.npz"}, "'../t.npz' leads out of the root"),
        ({"costs": {"a": {"column": "a", "unit": "s", "file": "/t.npz"}}}, "leads out of the root"),
    ],
)
def test_a_wrong_card_says_what_is_wrong(changes: dict[str, object], message: str) -> None:
    TableCard.model_validate(BASE)
    with pytest.raises(ValidationError, match=message):
        TableCard.model_validate({**BASE, **changes})


@pytest.mark.parametrize("name", ["nasbench101", "nasbench201"])
def test_shipped_cards(repository: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv("NASBENCH_ROOT", raising=False)
    card = shipped(repository, name)
    assert (card.name, card.space, card.root) == (name, name, Path("data/nasbench"))
    monkeypatch.setenv("NASBENCH_ROOT", "/elsewhere")
    assert shipped(repository, name).root == Path("/elsewhere")
