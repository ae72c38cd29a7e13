"""The comparison of strategies, against slow loops, closed formulas and planted tables."""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from statistics import fmean, stdev

import numpy as np
import pytest
import yaml
from scipy import stats

from benchmarks import nasbench201
from squeezenas.ask_tell import compare
from squeezenas.ask_tell.best_so_far import at_costs, best_so_far, holm, mean_and_band, paired
from squeezenas.ask_tell.compare import Entry, Trace, entries, read_compared, run, search
from squeezenas.ask_tell.ranking import cost_curves, curves, standings
from squeezenas.core.compare_config import CompareConfig, card_keys
from squeezenas.core.table_card import TableCard
from squeezenas.strategies.ask_tell import ask_tell_strategies
from squeezenas.strategies.random_search import RandomSearch

SIDE = 8


def accuracy(depth, width):
    return 50 + 5 * depth + ((3 * width) % SIDE) - 0.01 * depth * width


@pytest.fixture
def config(tmp_path):
    """Makes configurations of a comparison on 64 planted rows."""
    rows = [
        {
            "depth": depth, "width": width, "accuracy": accuracy(depth, width),
            "test": accuracy(depth, width) - 3, "perplexity": 200 - accuracy(depth, width),
            "seconds": 10 + depth,
        }
        for depth in range(SIDE) for width in range(SIDE)
    ]  # fmt: skip
    (tmp_path / "t.json").write_text(json.dumps(rows))
    figures = {
        name: {"column": name, "label": name, "divide_by": 100} for name in ("accuracy", "test")
    }
    figures["perplexity"] = {
        "column": "perplexity", "label": "p", "percent": False, "higher_is_better": False,
    }  # fmt: skip
    card = {
        "name": "t", "title": "T", "task": "table", "space": "tabular",
        "scale": {"choices": {"depth": [], "width": []}}, "root": tmp_path, "layout": "rows",
        "file": "t.json", "figures": figures, "seconds": "seconds",
        "costs": {"seconds": {"column": "seconds", "unit": "s"}},
        "licence": "none", "source": "me", "how_to_get": "write it",
    }  # fmt: skip

    def make(**changes):
        keys = {"strategies": ["random"], "seeds": 3, "budget": 6, **changes}
        return CompareConfig(datasets=TableCard.model_validate(card), **keys)

    return make


def searched(config):
    """All searches of a configuration, in this process."""
    table, figure = read_compared(config)
    traces = {
        entry.label: [search(table, figure, config, entry, seed) for seed in range(entry.seeds)]
        for entry in entries(config, table.space)
    }
    return table, figure, traces


def test_the_mean_of_best_so_far_by_a_slow_loop():
    merits = np.random.default_rng(0).normal(size=(7, 20))
    merits[2, :3] = merits[4, 5] = math.nan
    expected = []
    for row in merits:
        best = math.nan
        expected.append([])
        for merit in row:
            if not math.isnan(merit) and not merit <= best:
                best = merit
            expected[-1].append(best)
    np.testing.assert_equal(best_so_far(merits), expected)
    mean, half = mean_and_band(expected)
    assert np.isnan(mean[:3]).all()
    for place in range(3, 20):
        column = [row[place] for row in expected]
        assert mean[place] == pytest.approx(fmean(column))
        assert half[place] == pytest.approx(2.446912 * stdev(column) / math.sqrt(7))  # t, 6 degrees


def test_it_is_not_the_best_of_the_means():
    merits = [[0.0, 1.0], [1.0, 0.0]]
    mean, _ = mean_and_band(best_so_far(merits))
    assert mean.tolist() == [0.5, 1.0]
    assert np.maximum.accumulate(np.mean(merits, axis=0)).tolist() == [0.5, 0.5]


def test_the_best_so_far_at_a_cost_by_a_slow_loop():
    draws = np.random.default_rng(1)
    best = np.maximum.accumulate(draws.normal(size=(4, 30)), axis=1)
    costs = draws.uniform(0.5, 2, size=(4, 30))
    grid, values = at_costs(best, costs, 17)
    assert grid[0] == costs[:, 0].max()
    assert grid[-1] == pytest.approx(costs.sum(axis=1).min())
    for point, cost in enumerate(grid):
        for row in range(4):
            done = sum(costs[row, : k + 1].sum() <= cost + 1e-9 for k in range(30))
            assert values[row, point] == best[row, done - 1]


def test_holm_by_hand():
    adjusted = holm([0.01, 0.04, 0.03, 0.005])
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_paired_test_by_counting_signs():
    """Six differences of one sign: 2 of the 2^6 ways to give signs are as extreme."""
    assert paired([2, 3, 4, 5, 6, 7], [1, 1.5, 1.7, 1.8, 1.9, 1.95]) == pytest.approx(2 / 64)
    assert paired([1, 2], [1, 2]) == 1.0


def test_random_search_on_a_planted_table(config):
    """The mean best of n draws with replacement from N values has a closed form."""
    table, figure, traces = searched(config(seeds=300, budget=[4, 12]))
    (curve,) = curves(table, figure, traces)
    values = sorted(accuracy(d, w) / 100 for d in range(SIDE) for w in range(SIDE))
    count = len(values)
    for n in (1, 4, 12):
        ranks = enumerate(values, 1)
        mean = sum(v * ((k / count) ** n - ((k - 1) / count) ** n) for k, v in ranks)
        assert curve.mean[n - 1] == pytest.approx(mean, abs=2.2 * curve.half[n - 1])
    after = standings(table, figure, "", (4, 12), traces)
    for budget in (4, 12):
        (row,) = after[budget]
        assert row.value == pytest.approx(curve.mean[budget - 1])
        assert row.regret == pytest.approx(values[-1] - row.value)
        assert (row.p_best, row.p_random, row.reported) == (None, None, None)


def test_strategies_are_ranked_and_tested(config):
    settings = {"evolution": {"name": "aging_evolution", "population": 4, "sample": 4, "seeds": 9}}
    setup = config(
        strategies=["random", "evolution", "annealing"],
        settings=settings, seeds=12, budget=30, report="test",
    )  # fmt: skip
    table, figure, traces = searched(setup)
    rows = standings(table, figure, "test", setup.budget, traces)[30]
    by_label = {row.label: row for row in rows}
    assert [row.regret for row in rows] == sorted(row.regret for row in rows)
    assert by_label["evolution"].seeds == len(by_label["evolution"].regrets) == 9
    for row in rows:  # what is best in accuracy is best in the other figure too
        assert row.reported.regret == pytest.approx(row.regret)
    drawn = by_label["random"].regrets
    tests = {
        label: stats.wilcoxon(row.regrets, drawn[: row.seeds]).pvalue
        for label, row in by_label.items() if label != "random"
    }  # fmt: skip
    small, large = sorted(tests.values())
    adjusted = {label: min(1, max(2 * small, p if p == large else 0)) for label, p in tests.items()}
    for label, p in adjusted.items():
        assert by_label[label].p_random == pytest.approx(p)
    assert rows[0].p_best is None
    assert by_label["random"].p_random is None


def test_a_figure_of_which_less_is_better(config):
    table, figure, traces = searched(config(figure="perplexity", seeds=20))
    (curve,) = curves(table, figure, traces)
    expected = np.minimum.accumulate([t.values for t in traces["random"]], axis=1).mean(axis=0)
    np.testing.assert_allclose(curve.mean, expected)
    (row,) = standings(table, figure, "", (6,), traces)[6]
    assert row.value == pytest.approx(expected[-1])
    assert row.regret == pytest.approx(expected[-1] - (200 - max(
        accuracy(d, w) for d in range(SIDE) for w in range(SIDE)
    )))  # fmt: skip
    assert row.regret > 0


def test_costs_are_those_of_the_table(config):
    table, figure, traces = searched(config(seeds=4))
    (curve,) = cost_curves(table, figure, traces)
    assert 10 <= curve.at[0] <= 10 + SIDE
    assert curve.mean[-1] >= curve.mean[0]
    for trace in traces["random"]:
        assert len(trace.costs) == 6
        assert all(10 <= cost < 10 + SIDE for cost in trace.costs)


def test_the_seed_is_all_that_differs(config):
    setup = config()
    table, figure, traces = searched(setup)
    again = search(table, figure, setup, Entry("x", "random", {}, 3), 1)
    assert again.values == traces["random"][1].values != traces["random"][0].values


def test_all_and_variants(config):
    small = {"name": "genetic", "population": 4}
    setup = config(strategies="all", settings={"small": small}, budget=60)
    table, _ = read_compared(setup)
    found = {entry.label: entry for entry in entries(setup, table.space)}
    assert set(found) == {*ask_tell_strategies.names(), "small"}
    assert found["small"] == Entry("small", "genetic", {"population": 4}, 3)


def test_keys_are_those_of_the_card_unless_set(config, repository, monkeypatch):
    monkeypatch.chdir(repository)
    settings = {"pnas": {"epochs": 3}, "wide": {"name": "pnas", "beam": 30}}
    setup = config(strategies=["pnas", "wide", "aging_evolution", "tpe"], settings=settings,
                   budget=60)  # fmt: skip
    space = read_compared(setup)[0].space
    cards = {
        name: yaml.safe_load((repository / f"training_regimes/search_{name}.yaml").read_text())
        for name in ("pnas", "aging_evolution")
    }
    beam, evolution = cards["pnas"]["strategy"]["beam"], cards["aging_evolution"]["strategy"]
    del evolution["name"]
    assert [dict(entry.keys) for entry in entries(setup, space)] == [
        {"beam": beam, "epochs": 3}, {"beam": 30}, evolution, {},
    ]  # fmt: skip


def test_cards_of_another_name_or_shape_give_no_keys(tmp_path, monkeypatch):
    (tmp_path / "training_regimes").mkdir()
    monkeypatch.chdir(tmp_path)
    for text in ("strategy: {name: tpe, startup: 3}", "strategy: genetic", "trials: 3"):
        (tmp_path / "training_regimes" / "search_genetic.yaml").write_text(text)
        assert card_keys("genetic") == {}
    (tmp_path / "training_regimes" / "search_genetic.yaml").write_text(
        "strategy: {name: genetic, population: 6}"
    )
    assert card_keys("genetic") == {"population": 6}
    assert card_keys("mine") == {}


def test_every_strategy_learns_within_a_few_hundred_evaluations(config):
    """By its card; the defaults of papers would be refused."""
    setup = config(strategies="all", budget=100)
    assert len(entries(setup, read_compared(setup)[0].space)) == len(ask_tell_strategies.names())


@pytest.mark.parametrize(
    ("strategy", "key", "others"),
    [
        ("aging_evolution", "population", {"sample": 12}),
        ("annealing", "startup", {}),
        ("bayesian", "startup", {}),
        ("genetic", "population", {"tournament": 12}),
        ("nao", "initial", {"batch": 12, "children": 12, "parents": 12}),
        ("neural_predictor", "n", {"refit": 12}),
        ("nsga2", "population", {}),
        ("ppo", "batch", {"units": 12, "passes": 12}),
        ("reinforce", "batch", {"units": 12}),
        ("tpe", "startup", {"candidates": 12}),
    ],
)
def test_a_strategy_that_never_learns_is_refused(config, strategy, key, others):
    settings = {"mine": {"name": strategy, **others, key: 12}}
    message = (
        f"budget=12: strategy mine begins with 12 evaluations.*lower settings.mine.{key}, or raise"
    )
    for budget in ([4, 12], 12):
        setup = config(strategies=["mine"], settings=settings, budget=budget)
        with pytest.raises(ValueError, match=message):
            entries(setup, read_compared(setup)[0].space)
    setup = config(strategies=["mine"], settings=settings, budget=13)
    assert entries(setup, read_compared(setup)[0].space)


def test_where_the_table_bounds_what_it_begins_with(config):
    """The first level of pnas has the eight options of the first choice."""
    for beam, begins in ((256, SIDE), (5, 5)):
        setup = config(strategies=["pnas"], settings={"pnas": {"beam": beam}}, budget=begins)
        message = f"strategy pnas begins with {begins} evaluations.*lower settings.pnas.beam, or"
        with pytest.raises(ValueError, match=message):
            entries(setup, read_compared(setup)[0].space)
    setup = config(strategies=["ppo"], settings={"ppo": {"batch": 1}}, budget=1)
    with pytest.raises(ValueError, match=r"strategy ppo begins with 1 .*; raise budget$"):
        entries(setup, read_compared(setup)[0].space)


def test_the_benchmark_has_the_settings_of_its_result(config, repository):
    report = json.loads((repository / "benchmarks/results/nasbench201_cpu.json").read_text())
    setup = config(strategies="all", settings=nasbench201.SETTINGS, seeds=30, budget=150)
    found = {entry.label: entry for entry in entries(setup, read_compared(setup)[0].space)}
    assert set(found) == {row["label"] for row in report["strategies"]}
    for row in report["strategies"]:
        entry, kind = found[row["label"]], ask_tell_strategies[row["strategy"]].Config
        assert entry.seeds == row["seeds"]
        assert kind(**entry.keys) == kind(**row["keys"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategies": ["randm"]}, "unknown strategy 'randm'.*did you mean 'random'"),
        ({"settings": {"random": {"size": 3}}}, "strategy random: .*size: unknown key"),
        ({"settings": {"genetic": {}}}, r"settings\.genetic: not among"),
        ({"settings": {"random": {"seeds": 99}}}, r"settings\.random\.seeds: .* 2\.\.3"),
        ({"figure": "acuracy"}, "figure=acuracy: table t has no such.*did you mean 'accuracy'"),
        ({"report": "top1"}, "report=top1: table t has no such figure"),
    ],
)
def test_mistakes(config, changes, message):
    setup = config(**changes)
    with pytest.raises(ValueError, match=message):
        entries(setup, read_compared(setup)[0].space)


class Failing(RandomSearch):
    """Breaks at the fourth trial of its second seed."""

    def tell(self, trial):
        if self.seed == 1 and trial.number == 3:
            raise RuntimeError("a bug")


def test_a_strategy_that_fails_is_left_out(config, monkeypatch):
    monkeypatch.setitem(ask_tell_strategies._entries, "failing", Failing)
    monkeypatch.setattr(compare, "ProcessPoolExecutor", lambda jobs, context, **keys:
                        ThreadPoolExecutor(jobs, **keys))  # fmt: skip
    setup = config(strategies=["failing", "random"])
    table, _ = read_compared(setup)
    outcomes = list(run(setup, entries(setup, table.space)))
    assert [o.failure for o in outcomes if o.trace is None] == [
        "failing, seed 1: RuntimeError: a bug"
    ]
    assert sorted(o.seed for o in outcomes if o.entry.label == "random") == [0, 1, 2]


def test_proposals_outside_the_table_count(config):
    setup = config(seeds=2, budget=8)
    whole, figure = read_compared(setup)

    class Part:
        """The same table without odd depths."""

        figures, space, card = whole.figures, whole.space, whole.card
        value, cost = whole.value, whole.cost

        def __contains__(self, architecture):
            return architecture.picks[0] % 2 == 0

    trace = search(Part(), figure, setup, Entry("r", "random", {}, 2), 0)
    assert len(trace.values) == 8
    missing = [math.isnan(value) for value in trace.values]
    assert 0 < sum(missing) < 8
    assert [cost == 0 for cost in trace.costs] == missing
    Part.__contains__ = lambda self, architecture: False
    with pytest.raises(ValueError, match="none of 8 proposals is in the table"):
        search(Part(), figure, setup, Entry("r", "random", {}, 2), 0)


def test_nasbench201(config, shared_data, repository):
    """Random search 83.75 +- 0.5 and evolution at least 84.6 after 150 evaluations."""
    from squeezenas.core.compare_config import load_comparison

    setup = load_comparison([
        f"datasets={repository / 'datasets' / 'nasbench201.yaml'}",
        f"datasets.root={shared_data / 'nasbench'}", "figure=cifar10_val_12ep", "budget=150",
        "strategies=random,aging_evolution", "seeds=60",
        "settings.aging_evolution={population: 50, sample: 20, identity: 0}",
    ])  # fmt: skip
    table, figure, traces = searched(setup)
    rows = {row.label: row for row in standings(table, figure, "", setup.budget, traces)[150]}
    assert rows["random"].value == pytest.approx(0.8375, abs=0.005)
    assert rows["aging_evolution"].value >= 0.846
    assert rows["aging_evolution"].p_random < 0.001
    assert isinstance(traces["random"][0], Trace)
