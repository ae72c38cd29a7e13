"""Whatever strategy searches: killed and resumed, it ends with the files of the run left alone."""

import pytest
import torch

from squeezenas.cli import outcome
from squeezenas.search.one_shot import OneShotSearch
from squeezenas.search.score import InheritedWeights
from tests.lives import deaths, dies
from tests.search import cells, toy
from tests.search.test_resume import TIMES, same

FILES = ("metrics.jsonl", "architecture.yaml", "candidates.csv", "probabilities.json")
DROPOUT = "regime.dropout={embedding: 0.1, input: 0.2, cell: 0.3, hidden: 0.2, output: 0.4}"
SECOND_ORDER = "regime.strategy.darts={order: 2, eigenvalue_every: 1, iterations: 1}"
GUMBEL = "regime.strategy.name=gumbel"
HARD = "regime.strategy.sampling=hard"
EVOLUTION = (
    "regime.strategy.name=single_path",
    "regime.strategy.single_path={population: 1, parents: 1}",
    "regime.select.candidates=2",
)


def streets(folder, *more):
    """The choices of the toy space are independent and have equally many options."""
    keys = ("epochs=1", "warmup_epochs=0", "cost=null", "select.random=0")
    return toy.arguments(folder, *(f"regime.{key}" for key in keys), *more)


# Words, and the weight steps that are begun and not ended, counted over all lives: the second one;
# of a text the third and the sixth, within an epoch and a pass over the text.
IMAGES = cells.images, [1]
STREETS = streets, [1]
TEXT = cells.text, [2, 6]
CASES = {
    "darts_cell-second_order": (IMAGES, "search_darts_cifar10", SECOND_ORDER),
    "enas_micro-enas": (IMAGES, "search_enas_cifar10", "regime.strategy.enas.samples=2"),
    "toy-fair": (STREETS, *EVOLUTION, "regime.strategy.single_path.fair=true"),
    "darts_rnn-gumbel": (TEXT, "search_darts_ptb", GUMBEL, DROPOUT),
    "darts_rnn-darts": (TEXT, "search_darts_ptb", DROPOUT),
    "darts_rnn-second_order": (TEXT, "search_darts_ptb", DROPOUT, SECOND_ORDER),
    "enas_rnn-gumbel": (TEXT, "search_enas_ptb", GUMBEL, HARD),
    "enas_rnn-enas": (TEXT, "search_enas_ptb", DROPOUT),
    "enas_rnn-single_path": (TEXT, "search_enas_ptb", *EVOLUTION),
}


@pytest.fixture(params=CASES)
def folders(request, tmp_path, monkeypatch):
    """Run folders: left alone, and killed in steps and in the selection."""
    monkeypatch.setattr(outcome, "draw_search", lambda *_: None)
    monkeypatch.setattr(outcome, "draw_overlays", lambda *_: None)
    (words, steps), *more = CASES[request.param]
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    assert deaths("search", words(alone, *more), alone / "runs" / "toy") == 0
    dies(monkeypatch, OneShotSearch, "learn_weights", steps)
    dies(monkeypatch, InheritedWeights, "figure", [1])
    often = words(killed, *more, "checkpoint_minutes=0")  # at every step and after every score
    assert deaths("search", often, killed / "runs" / "toy") == len(steps) + 1
    return alone / "runs" / "toy", killed / "runs" / "toy"


def test_killed_and_resumed_it_is_the_run_left_alone(folders):
    alone, killed = folders
    for name in FILES:
        assert (alone / name).read_bytes()
        assert (killed / name).read_bytes() == (alone / name).read_bytes(), name
    ends = [torch.load(f / "checkpoints" / "last.pt", weights_only=True) for f in folders]
    assert list(ends[0]) == list(ends[1])
    for part in set(ends[0]) - TIMES:
        assert same(ends[0][part], ends[1][part]), part
