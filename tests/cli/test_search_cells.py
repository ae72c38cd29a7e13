"""Cells from the search to the trained network, through the command line."""

import json
import pickle
from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch

from squeezenas.cli import outcome, stage_outcome
from squeezenas.cli.main import main
from squeezenas.core.model_card import read_model_card
from squeezenas.core.space import make_space
from squeezenas.zoo.build import build
from squeezenas.zoo.weights import load_into, load_weights
from tests.search import cells as search_cells
from tests.training import cells as training_cells

SPACES = {
    "search_darts_cifar10": "darts_cell",
    "search_enas_cifar10": "enas_micro",
    "search_darts_ptb": "darts_rnn",
    "search_enas_ptb": "enas_rnn",
}
FILES = {
    "config.yaml", "environment.json", "metrics.jsonl", "timing.jsonl", "checkpoints",
    "architecture.yaml", "candidates.csv", "probabilities.json", "summary.json",
    "report.html",
}  # fmt: skip
PICTURES = {"cells.png", "cells.svg", "probabilities.png", "pareto.png", "curves.png"}


@pytest.fixture(scope="module", params=SPACES)
def runs(request, tmp_path_factory):
    """The regime, and the folders of a search and of the training of what it found.

    Pictures are drawn where darts searches.
    """
    regime, folder = request.param, tmp_path_factory.mktemp("runs")
    speaks, drawn = regime.endswith("ptb"), "darts" in regime
    patch = pytest.MonkeyPatch()
    quick = stage_outcome.measure_latency
    patch.setattr(stage_outcome, "measure_latency", lambda *a, seconds: quick(*a, seconds=0.0))
    if not drawn:
        patch.setattr(outcome, "draw_search", lambda *_: None)
        patch.setattr(stage_outcome, "_draw", lambda *_: None)
    search = search_cells.text if speaks else search_cells.images
    train = training_cells.text if speaks else training_cells.images
    assert main(["search", *search(folder, regime, "name=found", "regime.animation=true")]) == 0
    found = folder / "runs" / "found"
    _, *words = train(folder)
    assert main(["train", f"models={found}/architecture.yaml", *words]) == 0
    patch.undo()
    return regime, found, folder / "runs" / "toy"


def test_what_a_search_leaves(runs):
    regime, found, _ = runs
    drawn = "darts" in regime
    assert {path.name for path in found.iterdir()} == FILES | (
        PICTURES | {"cells.gif"} if drawn else set()
    )
    for name in PICTURES - {"cells.svg"} if drawn else ():
        assert cv2.imread(str(found / name)).std() > 1
    rows = [json.loads(line) for line in (found / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["search/bad_steps"] == 0
    assert "architecture/expected_cost" not in rows[-1]  # nothing has a price here
    assert ("architecture/reward" in rows[-1]) == (not drawn)
    for epoch in json.loads((found / "probabilities.json").read_text()):
        assert all(sum(row) == pytest.approx(1, abs=1e-5) for row in epoch.values())


def test_the_card_of_a_search_rebuilds_its_network(runs):
    regime, found, _ = runs
    card = read_model_card(found / "architecture.yaml")
    assert card.space == SPACES[regime]
    space = make_space(card.space, card.scale)
    assert space.write(space.read(card.architecture)) == [*card.architecture]
    assert (
        list(card.architecture)
        == json.loads((found / "summary.json").read_text())["chosen"]["architecture"]
    )
    millions = sum(parameter.numel() for parameter in build(card).parameters()) / 1e6
    assert card.costs.parameters_millions == pytest.approx(millions)


def test_the_trained_network_has_the_figure_of_the_summary(runs):
    regime, found, trained = runs
    card = read_model_card(trained / "model.yaml")
    assert card.architecture == read_model_card(found / "architecture.yaml").architecture
    network = build(card)
    load_into(network, load_weights(card, trained))
    data = trained.parents[1] / ("treebank" if regime.endswith("ptb") else "cifar")
    (summary,) = json.loads((trained / "summary.json").read_text()).values()
    if regime.endswith("ptb"):
        figures = {"perplexity": perplexity(network.eval(), data)}
    else:
        figures = accuracy(network.eval(), data / "test_batch")
    assert summary["figures"] == pytest.approx(figures, rel=1e-5)


@torch.no_grad()
def perplexity(network, root):
    """Of the test text, one word at a time."""
    lines = [(root / f"ptb.{name}.txt").read_text().splitlines() for name in ("train", "test")]
    train, test = ([word for line in part for word in [*line.split(), "<eos>"]] for part in lines)
    places = {word: place for place, word in enumerate(dict.fromkeys(train))}
    tokens, state, nats = torch.tensor([places[word] for word in test]), None, 0.0
    for word, following in pairwise(tokens):
        output = network(word.view(1, 1), state)
        state = output.state
        nats -= output.logits.double().log_softmax(-1)[0, 0, following].item()
    return np.exp(nats / (len(tokens) - 1))


@torch.no_grad()
def accuracy(network, batch):
    """Of the test images, the best guess and the best five."""
    content = pickle.loads(batch.read_bytes())
    mean = torch.tensor([0.4914, 0.4822, 0.4465]).view(3, 1, 1)
    std = torch.tensor([0.2470, 0.2435, 0.2616]).view(3, 1, 1)
    images = torch.from_numpy(content["data"]).view(-1, 3, 32, 32) / 255
    ranks = network((images - mean) / std).argsort(1, descending=True)
    places = (ranks == torch.tensor(content["labels"])[:, None]).float().argmax(1)
    return {
        "top1": (places < 1).double().mean().item(),
        "top5": (places < 5).double().mean().item(),
    }
