import itertools
import json
import math
import random

import pytest
import torch

from squeezenas.core.architecture import Architecture, Choice
from squeezenas.costs.table import MOST_COST, CostTable

CHOICES = (Choice("left", ("a", "b", "skip")), Choice("right", ("a", "b")))
COSTS = {"left": (1.0, 2.5, 0.0), "right": (4.0, 0.5)}


@pytest.fixture
def table() -> CostTable:
    return CostTable("latency", CHOICES, COSTS, 10.0, {"device": "a toaster"})


def networks() -> list[Architecture]:
    return [Architecture("toy", picks) for picks in itertools.product(range(3), range(2))]


def test_a_network_costs_its_options_and_what_all_pay(table: CostTable) -> None:
    assert table.of(Architecture("toy", (1, 0))) == 10 + 2.5 + 4
    assert table.unit == "ms"


def test_the_range_is_that_of_all_networks(table: CostTable) -> None:
    costs = [table.of(network) for network in networks()]
    assert (table.cheapest(), table.dearest()) == (min(costs), max(costs))


def test_expected_cost_is_the_mean_over_networks_and_images(table: CostTable) -> None:
    path = {"left": torch.rand(3, 4).softmax(0), "right": torch.rand(2, 4).softmax(0)}
    mean = 0.0
    for image, network in itertools.product(range(4), networks()):
        left, right = network.picks
        probability = path["left"][left, image] * path["right"][right, image]
        mean += float(probability) * table.of(network) / 4
    assert float(table.expected(path)) == pytest.approx(mean, rel=1e-6)


def test_expected_cost_of_one_distribution(table: CostTable) -> None:
    probabilities = {"left": torch.tensor([0.5, 0.5, 0]), "right": torch.tensor([0, 1.0])}
    assert float(table.expected(probabilities)) == 10 + 0.5 + 1.25 + 0.5


def test_the_gradient_of_the_expected_cost_is_the_costs(table: CostTable) -> None:
    left, right = torch.rand(3, 2, requires_grad=True), torch.rand(2, 2)
    table.expected({"left": left, "right": right}).backward()
    assert left.grad is not None
    torch.testing.assert_close(left.grad, torch.tensor(COSTS["left"])[:, None].expand(3, 2) / 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_expected_cost_is_float32_even_under_autocast(table: CostTable, dtype: torch.dtype) -> None:
    path = {"left": torch.full((3, 2), 0.25, dtype=dtype), "right": torch.ones(2, 2, dtype=dtype)}
    with torch.autocast("cpu", torch.bfloat16):
        cost = table.expected(path)
    assert cost.dtype == torch.float32
    assert float(cost) == 10 + 0.25 * 3.5 + 4.5


@pytest.mark.parametrize(
    ("target", "where"), [(10.4, "below the cheapest"), (17, "above the dear")]
)
def test_an_unreachable_target_is_refused_with_the_range(
    table: CostTable, target: float, where: str
) -> None:
    with pytest.raises(ValueError, match=rf"{where}.* 10.5 to 16.5 ms"):
        table.check_target(target)


def test_reachable_targets_pass_and_the_range_given_is_reachable() -> None:
    table = CostTable("macs", CHOICES[:1], {"left": (2 / 3, 1.0, 4 / 3)}, 0.0)
    with pytest.raises(ValueError, match=r"0\.6667 to 1\.3333 GMACs"):
        table.check_target(2)
    for target in (0.6667, 1.0, 1.3333):
        table.check_target(target)


def test_another_space_is_refused_by_name(table: CostTable) -> None:
    table.check_choices(CHOICES)
    with pytest.raises(ValueError, match=r"no middle, top"):
        table.check_choices((*CHOICES, Choice("middle", ("a",)), Choice("top", ("a",))))
    with pytest.raises(ValueError, match=r"no k9 at left"):
        table.check_choices((Choice("left", ("a", "b", "k9")), CHOICES[1]))
    with pytest.raises(ValueError, match="other options at left"):
        table.check_choices((Choice("left", ("b", "a", "skip")), CHOICES[1]))
    with pytest.raises(ValueError, match="choices"):
        table.check_choices(CHOICES[:1])


@pytest.mark.parametrize("cost", [math.nan, math.inf, -0.1, "1", True, None, 10**400])
def test_a_cost_is_a_finite_number_that_is_not_negative(cost: object) -> None:
    with pytest.raises(ValueError, match=r"left\.b"):
        CostTable("macs", CHOICES[:1], {"left": (1.0, cost, 2.0)}, 0.0)  # type: ignore[dict-item]


def test_the_sum_of_costs_is_finite() -> None:
    largest = CostTable("macs", CHOICES[:1], {"left": (0.0, MOST_COST, 2.0)}, MOST_COST)
    assert largest.dearest() == 2 * MOST_COST
    with pytest.raises(ValueError, match=r"fixed: a cost is from 0 to 1e\+30, not 1e\+308"):
        CostTable("macs", CHOICES[:1], {"left": (0.0, 1e308, 2.0)}, 1e308)


def test_every_option_has_a_cost() -> None:
    with pytest.raises(ValueError, match="left: 2 costs for 3 options"):
        CostTable("macs", CHOICES[:1], {"left": (1.0, 2.0)}, 0.0)
    with pytest.raises(ValueError, match="right"):
        CostTable("macs", CHOICES, {"left": COSTS["left"]}, 0.0)


def test_a_saved_table_comes_back_the_same(table: CostTable, tmp_path) -> None:
    rng = random.Random(0)
    costs = {c.key: tuple(rng.random() for _ in c.options) for c in CHOICES}
    table = CostTable("parameters", CHOICES, costs, rng.random(), {"sizes": [1, 2], "name": "x"})
    table.save(tmp_path / "table.json")
    assert CostTable.load(tmp_path / "table.json") == table
    assert [file.name for file in tmp_path.iterdir()] == ["table.json"]


def test_a_table_that_cannot_be_saved_leaves_the_old_one(table: CostTable, tmp_path) -> None:
    path = tmp_path / "table.json"
    table.save(path)
    broken = CostTable("latency", CHOICES, COSTS, 1.0, {"device": object()})
    with pytest.raises(TypeError):
        broken.save(path)
    assert CostTable.load(path) == table
    assert len(list(tmp_path.iterdir())) == 1


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.json"):
        CostTable.load(tmp_path / "nothing.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("fixed"), "keys"),
        (lambda d: d.update(colour="red"), "colour"),
        (lambda d: d.update(kind="joules"), "joules"),
        (lambda d: d.update(unit="GMACs"), "ms"),
        (lambda d: d.update(costs=[]), "costs"),
        (lambda d: d.update(provenance=None), "provenance"),
        (lambda d: d["costs"].update(left={}), "left"),
        (lambda d: d["costs"]["left"].update(b=math.nan), "NaN is no number of JSON"),
        (lambda d: d["costs"]["left"].update(b=-1), r"left\.b"),
        (lambda d: d["costs"]["left"].update(b=10**400), r"left\.b"),
        (lambda d: d.update(fixed="1"), "fixed"),
    ],
)
def test_a_damaged_file_is_refused_by_key(table: CostTable, tmp_path, change, message) -> None:
    path = tmp_path / "table.json"
    table.save(path)
    document = json.loads(path.read_text())
    del document["seal"]
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match=rf"table\.json: .*{message}"):
        CostTable.load(path)


@pytest.mark.parametrize("length", [0, 1, 40, -3])
def test_a_truncated_file_is_refused(table: CostTable, tmp_path, length: int) -> None:
    path = tmp_path / "table.json"
    table.save(path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"table\.json, line \d+: not JSON"):
        CostTable.load(path)
