from __future__ import annotations

import hashlib
from pathlib import Path

from squeezenas.core.model_card import ModelCard, read_model_card, write_model_card
from squeezenas.tracking.lineage import Lineage, descent


def card(**more: object) -> ModelCard:
    return ModelCard(
        name="found", space="toy", head="lr_aspp", classes=("a", "b"), dataset="d",
        architecture=("skip",), **more,
    )  # fmt: skip


def test_a_card_knows_its_search_wherever_it_is(tmp_path: Path) -> None:
    tracking = {"wandb": {"id": "abc", "artifact": "p/found-architecture:abc"}}
    path = tmp_path / "elsewhere.yaml"
    write_model_card(path, card(search={"seed": 0, "run": "found", "tracking": tracking}))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    known = descent(read_model_card(path), "train", "again")
    assert known == Lineage("train", "found", "found", sha256, tracking)


def test_a_network_of_no_search_is_a_group_of_its_own() -> None:
    known = descent(card(search={"tracking": "strange"}), "evaluate", "scores")
    assert (known.job, known.group, known.search) == ("evaluate", "scores", {})
