"""What the commands hand to a tracker."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from squeezenas.cli import stage_outcome
from squeezenas.cli.main import main
from squeezenas.core.evaluate_config import load_evaluation
from squeezenas.core.model_card import Costs, read_model_card, write_model_card
from squeezenas.tracking.lineage import Lineage
from squeezenas.tracking.sink import Ending, Segments, Sink, Start, sinks
from tests.search.toy import streets
from tests.training.toy import GENERATE, arguments

TRACKED = {"wandb": {"id": "abc", "artifact": "p/found-architecture:abc"}}


class Listening(Sink):
    """Keeps what it is shown."""

    heard: list[Any]

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        self.heard += [start.name, start.lineage]

    def segments(self, name: str, segments: Segments, step: int) -> None:
        self.heard.append(("segments", name, segments.images.shape, segments.names[255]))

    def table(self, name: str, rows: Sequence[Mapping[str, Any]], step: int) -> None:
        self.heard.append(("table", name, len(rows), step))

    def artifact(self, kind: str, paths: Sequence[Path]) -> None:
        self.heard.append(("artifact", kind, [path.name for path in paths]))

    def finish(self, ending: Ending) -> None:
        self.heard.append(ending)


def test_training_and_evaluation_belong_to_the_search_of_their_network(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    assert "wandb" in sinks.names()  # registered now, so that it is put back afterwards
    monkeypatch.setitem(sinks._entries, "wandb", Listening)
    monkeypatch.setattr(stage_outcome, "_costs", lambda _: Costs(resolution=(64, 128)))
    monkeypatch.setattr(stage_outcome, "draw_curves", lambda *_: None)
    monkeypatch.setattr(stage_outcome, "draw_confusion_matrix", lambda *_: None)
    monkeypatch.setattr(stage_outcome, "draw_overlays", lambda *_: None)
    words = arguments(tmp_path, "tracking=wandb")
    card = read_model_card(tmp_path / "toy.yaml")
    found = card.model_copy(update={"search": {"run": "found", "tracking": TRACKED}})
    write_model_card(tmp_path / "toy.yaml", found)
    sha256 = hashlib.sha256((tmp_path / "toy.yaml").read_bytes()).hexdigest()

    Listening.heard = []
    assert main(["train", *words]) == 0
    assert Listening.heard == [
        "toy/1-street_scenes",
        Lineage("train", "found", "toy", sha256, TRACKED),
        ("segments", "report", (4, 64, 128, 3), "ignored"),
        ("table", "classes", 19, 4),
        ("artifact", "model", ["model.yaml", "weights.safetensors"]),
        "done",
    ]

    Listening.heard = []
    trained, scores = tmp_path / "runs" / "toy" / "model.yaml", tmp_path / "scores"
    data = [f"datasets.root={streets()}", f"datasets.generate={GENERATE}", "device=cpu"]
    words = [f"models={trained}", *data, f"output={scores}", "tracking=wandb"]
    assert main(["evaluate", *words]) == 0
    name, lineage, *shown = Listening.heard
    assert (name, lineage.job, lineage.group, lineage.search) == (
        "scores", "evaluate", "found", TRACKED,
    )  # fmt: skip
    assert shown == [("table", "classes", 19, 0), "done"]


def test_an_evaluation_is_tracked_where_it_writes() -> None:
    words = ["predictions=x", "datasets=camvid", "tracking=tensorboard"]
    with pytest.raises(ValueError, match=r"tracking needs output=FOLDER"):
        load_evaluation(words)
