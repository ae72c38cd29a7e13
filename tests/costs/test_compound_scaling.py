import itertools
import math

import pytest

from squeezenas.costs.compound_scaling import TOLERANCE, Factors, doubles, grid, largest_phi


def test_the_papers_coefficients_and_their_powers() -> None:
    assert Factors() == (1.2, 1.1, 1.15)
    assert Factors().growth == pytest.approx(1.2 * 1.1**2 * 1.15**2)
    assert Factors().after(0) == (1, 1, 1)
    assert Factors().after(1) == Factors()
    for phi in (0.5, 2, 3.25):
        after = Factors().after(phi)
        assert after == pytest.approx((1.2**phi, 1.1**phi, 1.15**phi))
        assert after.growth == pytest.approx(Factors().growth ** phi)
    assert Factors(1.1, 1, 1).after(2).depth == 1.21  # 1.1**2 is 1.2100000000000002


@pytest.mark.parametrize("step", [0.05, 0.1])
def test_the_grid_has_all_coefficients_that_double_the_cost(step: float) -> None:
    found = grid(step)
    count = round(1.2 / step)
    slow = {
        (a, b, c)
        for a, b, c in itertools.product(range(count + 1), repeat=3)
        if abs((1 + a * step) * (1 + b * step) ** 2 * (1 + c * step) ** 2 / 2 - 1) <= TOLERANCE
    }
    assert {tuple(round((side - 1) / step) for side in factors) for factors in found} == slow
    assert len(found) == len(slow)
    gaps = [abs(factors.growth - 2) for factors in found]
    assert gaps == sorted(gaps)


def test_the_papers_coefficients_are_on_its_grid() -> None:
    assert Factors() in grid(0.05)
    assert doubles(Factors().growth)
    assert not doubles(1.89)
    assert not doubles(2.11)


@pytest.mark.parametrize("budget", [1.0, 1.5, 2.0, 7.3, 100.0])
def test_the_largest_phi_within_a_budget(budget: float) -> None:
    found = largest_phi(lambda phi: 2.0**phi, budget)
    assert found == math.floor(100 * math.log2(budget) + 1e-9) / 100


def test_the_largest_phi_of_costs_in_steps() -> None:
    def cost(phi: float) -> float:
        return 3.0 + math.floor(phi * 4 + 1e-9)  # the next network costs more from 0.25 on

    assert largest_phi(cost, 3.0) == 0.24
    assert largest_phi(cost, 4.5) == 0.49
    with pytest.raises(ValueError, match=r"budget=2\.5: the network costs 3 before it is scaled"):
        largest_phi(cost, 2.5)
