"""Evaluators on toy searches and trainings."""

import csv
import random

import pytest

from squeezenas.ask_tell.evaluators.inherit import InheritEvaluator, newest_search
from squeezenas.ask_tell.evaluators.train import TrainEvaluator
from squeezenas.cli import outcome
from squeezenas.cli.main import main
from squeezenas.core.recipes import load_search
from squeezenas.engine.distributed import start
from tests.search.toy import arguments, config, streets


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """The folder of a finished toy search."""
    folder = tmp_path_factory.mktemp("searched")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outcome, "draw_search", lambda *_: None)
        patch.setattr(outcome, "draw_overlays", lambda *_: None)
        assert main(["search", *arguments(folder)]) == 0
    return folder / "runs" / "toy"


def test_inherited_scores_are_those_of_the_search(searched):
    card = config(searched).datasets
    assert newest_search(searched.parent, card.name) == searched
    evaluator = InheritEvaluator(searched, card, start("cpu"))
    assert evaluator.target == 0.004
    with (searched / "candidates.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 3
    for row in rows:
        architecture = evaluator.space.read(row["architecture"].split())
        assert evaluator.evaluate(architecture, 0).value == float(row["miou"])
        assert evaluator.cost(architecture) == pytest.approx(float(row["cost"]), rel=1e-12)
        if row["report_miou"]:
            assert evaluator.report(architecture) == float(row["report_miou"])


def test_a_supernet_of_another_data_set_or_an_unfinished_one(searched, tmp_path):
    card = config(searched).datasets
    with pytest.raises(ValueError, match="say nothing of elsewhere"):
        InheritEvaluator(searched, card.model_copy(update={"name": "elsewhere"}), start("cpu"))
    with pytest.raises(FileNotFoundError, match="no finished one-shot search on 'street_scenes'"):
        newest_search(tmp_path, card.name)


def trained(*more):
    return load_search(
        [
            "training_regimes=search_random",
            f"datasets.root={streets()}",
            "datasets.generate={height: 64, width: 128, train: 12, val: 4}",
            "regime.space=toy",
            "device=cpu",
            "regime.evaluator={name: train, regime: retrain_street_scenes, held_out: 0.3}",
            "regime.evaluator.settings={epochs: 1, batch_size: 2, crop: [32, 64], "
            "optimiser.warmup_epochs: 0, steps_per_epoch: 2}",
            *more,
        ]
    )


def test_trainings_follow_their_seed_and_keep_the_splits_apart():
    evaluator = TrainEvaluator(trained(), start("cpu"))
    learning, selection = evaluator.data.training, evaluator.data.validation
    assert len(learning) + len(selection) == 12
    assert not set(learning) & set(selection)
    architecture = evaluator.space.sample(random.Random(0))
    first, second, other = (evaluator.evaluate(architecture, seed) for seed in (3, 3, 4))
    assert first.value == second.value
    assert first.figures == second.figures
    assert (first.value, first.figures) != (other.value, other.figures)
    assert 0 <= first.figures["report_miou"] <= 1
    assert evaluator.cost(architecture) > 0
    card = evaluator.network_card(architecture, "found")
    assert evaluator.space.read(card.architecture) == architecture


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["regime.evaluator.regime=retrain_paper"], "has 4 stages; one that scores has one"),
        (["regime.evaluator.settings.epoch=3"], "epoch: unknown key"),
        (["regime.space=''"], "regime.space is missing"),
        (["regime.head=classifier"], "regime.head=classifier does not fit"),
        (["regime.objective.cost=joules"], "use macs or parameters"),
    ],
)
def test_mistakes_of_trainings(words, message):
    with pytest.raises(ValueError, match=message):
        TrainEvaluator(trained(*words), start("cpu"))
