from pathlib import Path

import pytest
from omegaconf import OmegaConf
from pydantic import ValidationError

from squeezenas.core.dataset_card import DatasetCard

BASE = {
    "name": "x",
    "title": "X",
    "layout": "folders",
    "root": "data/x",
    "splits": {"train": ["train"]},
    "classes": ["road", "car"],
    "palette": [[0, 0, 0], [1, 1, 1]],
    "licence": "none",
    "how_to_get": "make it",
}


def shipped(repository: Path, name: str) -> DatasetCard:
    loaded = OmegaConf.load(repository / "datasets" / f"{name}.yaml")
    return DatasetCard.model_validate(OmegaConf.to_container(loaded, resolve=True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"palette": [[0, 0, 0]]}, "1 colours for 2 classes"),
        ({"palette": [[0, 0, 0], [0, 0, 256]]}, "less than or equal to 255"),
        ({"classes": ["road", "road"]}, "road more than once"),
        ({"label_ids": {7: 0, 8: 2}}, "label_ids.8 is train id 2, which is not in 0..1"),
        ({"label_ids": {7: 0, 8: 0}}, "no id to car"),
        ({"label_ids": {7: 0, 8: 1}, "ignore_ids": [8]}, r"ids \[8\] have a class"),
        ({"ignore_ids": [1]}, r"ids \[1\] have a class"),
        ({"ignore_index": 1}, "ignore_index 1 is the train id of 'car'"),
        ({"std": [0.2, 0.2, 0.0]}, "std must be above 0"),
        ({"layout": "street_scenes"}, "needs the group generate"),
        ({"generate": {}}, "generate is for layout street_scenes"),
        ({"layout": "street_scenes", "generate": {"height": 100}}, "height=100"),
        *(
            ({"layout": "street_scenes", "generate": {key: number}}, f"generate.{key}")
            for key, number in (
                ("height", 3_200_000),
                ("width", 8224),
                ("train", 1_000_000_000),
                ("val", 1_000_001),
            )
        ),
        ({"annotations": "coarse"}, "coarse is for layout cityscapes"),
        ({"splits": {"train": []}}, "splits.train names no folder"),
        ({"splits": {"train": ["../elsewhere"]}}, "'../elsewhere' leads out of the root"),
        ({"splits": {"train": ["/etc"]}}, "'/etc' leads out of the root"),
        ({"splits": {"training": ["train"]}}, "'train', 'val' or 'test'"),
        ({"colour": 1}, "Extra inputs"),
    ],
)
def test_a_wrong_card_says_what_is_wrong(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DatasetCard.model_validate({**BASE, **changes})


@pytest.mark.parametrize("name", ["cityscapes", "cityscapes_coarse", "street_scenes"])
def test_cityscapes_ids_are_the_official_ones(repository: Path, name: str) -> None:
    labels = pytest.importorskip("cityscapesscripts.helpers.labels").labels
    card = shipped(repository, name)
    assert card.train_ids == {
        label.id: label.trainId if label.trainId >= 0 else 255 for label in labels if label.id >= 0
    }
    scored = sorted((x for x in labels if 0 <= x.trainId < 255), key=lambda x: x.trainId)
    assert list(card.classes) == [label.name for label in scored]
    assert list(card.palette) == [label.color for label in scored]


def test_roots_follow_the_environment(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CITYSCAPES_ROOT", raising=False)
    assert shipped(repository, "cityscapes").root == Path("data/cityscapes")
    monkeypatch.setenv("CITYSCAPES_ROOT", "/elsewhere")
    assert shipped(repository, "cityscapes").root == Path("/elsewhere")
