import random
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from squeezenas.core.figures import FIGURES
from squeezenas.engine.distributed import Process
from squeezenas.search.select import Candidate, Selection, as_rows, select
from squeezenas.search.setup import build
from tests.search.toy import ToySpace, config

MIOU = FIGURES["miou"]
ALONE = Process(0, 1, torch.device("cpu"))


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    keys = ["regime.select.candidates=8", "regime.select.random=5", "regime.cost.target=0.003"]
    return build(config(folder, *keys), ALONE, folder)


def with_keys(search, *keys):
    """The same parts under another configuration."""
    return replace(search, config=config(Path(), *keys))


def miou(architecture, part="selection"):
    """A figure that looks random, as good as any score."""
    return zlib.crc32(repr((architecture.picks, part)).encode()) / 2**32


def test_all_proposals_differ_and_meet_the_budget(search):
    found = select(search, miou)
    kinds = [row.kind for row in found.candidates]
    assert [kinds.count(kind) for kind in ("argmax", "sampled", "random")] == [1, 8, 5]
    assert len({row.architecture for row in found.candidates}) == 14
    assert all(search.cost.of(row.architecture) <= 0.003 for row in found.candidates)
    assert select(search, miou) == found


def test_a_decided_strategy_gives_fewer_candidates(search):
    one = {choice.key: torch.eye(13)[3] * 50 for choice in search.space.choices}
    saved = search.strategy.state_dict()["logits"]
    try:
        with torch.no_grad():
            for key, logits in search.strategy.logits.items():
                saved[key] = logits.clone()
                logits.copy_(one[key])
        kinds = sorted(row.kind for row in select(search, miou).candidates)
    finally:
        with torch.no_grad():
            for key, logits in search.strategy.logits.items():
                logits.copy_(saved[key])
    assert kinds == ["argmax"] + ["random"] * 5


def test_a_proposal_hears_its_score(search):
    heard = []

    def candidates(rng):
        while True:
            architecture = search.space.sample(rng)
            if search.cost.of(architecture) <= 0.003:
                heard.append((architecture, (yield architecture)))

    class Told(type(search.strategy)):
        def candidates(self, rng):
            return candidates(rng)

    told = Told(search.space, search.config.regime.strategy, 0, "cpu")
    select(replace(search, strategy=told), miou)
    assert len(heard) == 8
    assert all(told == (architecture, miou(architecture)) for architecture, told in heard)


def test_the_best_learned_network_is_chosen_and_reported(search):
    found = select(search, miou)
    learned = [row for row in found.candidates if row.kind != "random"]
    assert found.chosen.kind != "random"
    assert found.chosen.score == max(row.score for row in learned)
    assert found.chosen.cost <= 0.003
    assert [row.cost for row in found.candidates] == sorted(row.cost for row in found.candidates)
    for row in found.candidates:
        assert row.score == miou(row.architecture)
        scored = row.kind == "random" or row == found.chosen
        assert row.report == (miou(row.architecture, "report") if scored else None)


def test_the_paper_scores_once(search):
    asked = []

    def score(architecture, part):
        asked.append(part)
        return miou(architecture, part)

    keys = ["regime.select.candidates=8", "regime.select.random=5", "regime.cost.target=0.003"]
    found = select(with_keys(search, *keys, "regime.select.protocol=paper"), score)
    assert set(asked) == {"selection"}
    assert found.chosen.report == found.chosen.score


def candidates():
    """Costs and scores on a coarse grid, so that ties of both kinds occur."""
    for number in range(60):
        draw = zlib.crc32(str(number).encode())
        architecture = ToySpace().architecture([number % 13, number // 13, 0, 0])
        yield Candidate(architecture, "sampled", draw % 7, draw // 7 % 5)


def test_the_front_is_what_nothing_beats():
    rows = tuple(candidates())
    wanted = {
        a.architecture
        for a in rows
        if not any(
            b.cost <= a.cost and b.score >= a.score and (b.cost, b.score) != (a.cost, a.score)
            for b in rows
        )
    }
    assert Selection(rows, rows[0], MIOU).front == wanted
    assert 1 < len(wanted) < len(rows)


def test_baseline_is_mean_and_standard_error():
    architecture = ToySpace().architecture([0, 0, 0, 0])
    rows = [Candidate(architecture, "random", 1.0, 0.0, report) for report in (0.1, 0.2, 0.6)]
    rows.append(Candidate(architecture, "argmax", 1.0, 0.9, 0.9))
    found = Selection(tuple(rows), rows[-1], MIOU).baseline()
    # mean 0.3; variance (0.04 + 0.01 + 0.09) / 2 = 0.07; sqrt(0.07 / 3) = 0.1527525
    assert found == pytest.approx({"mean": 0.3, "standard_error": 0.1527525, "networks": 3})
    assert Selection(tuple(rows[:1]), rows[0], MIOU).baseline() == {}


def test_a_random_network_that_diverged_is_counted_and_left_out_of_the_mean(search):
    space, perplexity = search.space, FIGURES["perplexity"]
    networks = [space.sample(random.Random(number)) for number in range(3)]
    rows = [
        Candidate(network, "random", 1.0, score, score)
        for network, score in zip(networks, (100.0, float("inf"), 120.0), strict=True)
    ]
    found = Selection(tuple(rows), rows[0], perplexity).baseline()
    assert found == {"mean": 110.0, "standard_error": 10.0, "networks": 2, "diverged": 1}


def test_rows_of_the_table(search):
    found = select(search, miou)
    rows = as_rows(found, "miou", search.space.write)
    assert [row["miou"] for row in rows] == sorted((row["miou"] for row in rows), reverse=True)
    (chosen,) = (row for row in rows if row["chosen"])
    picks = search.space.read(chosen["architecture"].split())
    assert picks == found.chosen.architecture


def test_lower_perplexity_is_better():
    a, b = (ToySpace().architecture([0, 0, 0, pick]) for pick in (0, 1))
    good, bad = Candidate(a, "sampled", 1.0, 60.0), Candidate(b, "sampled", 2.0, 90.0)
    found = Selection((good, bad), good, FIGURES["perplexity"])
    assert found.front == {a}
    rows = as_rows(found, "perplexity", ToySpace().write)
    assert [row["perplexity"] for row in rows] == [60.0, 90.0]


def test_a_proposal_over_budget_hears_of_the_one_that_was_scored(search):
    heard = []

    class Spender(type(search.strategy)):
        def candidates(self, rng):
            while True:
                heard.append((yield search.space.sample(rng)))

    spender = Spender(search.space, search.config.regime.strategy, 0, "cpu")
    cheap = search.cost.cheapest() * 1.05
    regime = search.config.regime
    cost = regime.cost.model_copy(update={"target": cheap})
    tight = regime.model_copy(update={"cost": cost})
    parts = replace(
        search, strategy=spender, config=search.config.model_copy(update={"regime": tight})
    )
    select(parts, miou)
    assert heard
    assert all(search.cost.of(architecture) <= cheap for architecture, _ in heard)
    assert all(score == miou(architecture) for architecture, score in heard)
