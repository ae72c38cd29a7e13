import random
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from squeezenas.core.architecture import Architecture, Choice
from squeezenas.core.space import spaces
from squeezenas.costs import chains, latency, latency_table
from squeezenas.costs.chains import WithIdentity
from squeezenas.costs.latency import Latency, laps, measure_latency
from squeezenas.costs.latency_table import calibrated
from squeezenas.runtimes.runtime import available
from tests.costs.toy import CLOCK, Takes, ToySpace

CPU = torch.device("cpu")


@pytest.fixture
def fake_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "perf_counter", CLOCK)
    monkeypatch.setattr(latency_table, "perf_counter", CLOCK)


def test_median_and_interquartile_range() -> None:
    assert Latency.of([1, 2, 3, 4, 100]) == Latency(3.0, 2.0, 5)


@pytest.mark.usefixtures("fake_clock")
def test_each_lap_is_the_time_of_its_step() -> None:
    x = torch.zeros(1, 1, 2, 2)
    steps = [lambda takes=takes: Takes(takes, 1)(x) for takes in (3.0, 1.0, 7.0)]
    assert laps(steps, CPU) == pytest.approx([3, 1, 7])


@pytest.mark.usefixtures("fake_clock")
def test_repeats_fill_the_time_and_are_never_too_few() -> None:
    assert measure_latency(Takes(10, 1), (1, 4, 4), CPU, seconds=0.5).repeats in (50, 51)
    slow = measure_latency(Takes(10_000, 1), (1, 4, 4), CPU, seconds=0.5, repeats=4)
    assert slow == Latency(pytest.approx(10_000), pytest.approx(0, abs=1e-6), 4)


def test_a_real_module_is_timed_folded_and_left_alone() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    before, state = torch.get_rng_state(), {k: v.clone() for k, v in module.state_dict().items()}
    found = measure_latency(module, (3, 8, 8), CPU, precision="bf16", seconds=0, repeats=2)
    assert found.median > 0
    assert found.repeats == 2
    assert module.training
    assert all(torch.equal(state[key], value) for key, value in module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), before)


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'int3'.*fp32, bf16, fp16"):
        measure_latency(nn.Identity(), (3, 8, 8), CPU, precision="int3")


@pytest.mark.usefixtures("fake_clock")
def test_a_table_of_known_times_is_recovered_with_scale_and_offset() -> None:
    space, before = ToySpace(), torch.get_rng_state()
    table = latency_table.latency_table(space, 2, "none", (4, 4), CPU, seconds=0, progress=False)
    for key, row in space.milliseconds.items():
        assert table.costs[key] == pytest.approx([ms * space.slower for ms in row.values()])
    assert table.fixed == pytest.approx(space.stem)
    found = table.provenance
    assert found["scale"] == pytest.approx(space.slower)
    assert found["additive_error"]["max"] < 1e-6
    assert found["additive_error"]["networks"] == 6
    assert found["precision"] == "fp32"
    assert found["threads"] == torch.get_num_threads()
    assert found["resolution"] == [4, 4]
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.usefixtures("fake_clock")
def test_a_table_that_misses_whole_networks_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ToySpace, "slower", 10.0)  # far outside of what calibration may do
    latency_table.latency_table(ToySpace(), 2, "none", (4, 4), CPU, seconds=0, progress=False)
    assert "off by" in caplog.text


def test_equal_units_share_a_module_and_their_samples() -> None:
    space = spaces["squeezenas_small"]()
    timed = chains.Chains(space, (32, 64), CPU, "fp32")
    timed.run(random.Random(0))
    table = timed.table()
    assert table.costs["unit01"] == table.costs["unit02"] == table.costs["unit03"]
    assert table.costs["unit00"] != table.costs["unit01"]
    assert all(cost > 0 for row in table.costs.values() for cost in row)


def test_calibration_recovers_a_line() -> None:
    sums = np.array([1.0, 2.0, 5.0, 9.0])
    assert calibrated(sums, 0.8 * sums + 3) == pytest.approx((0.8, 3))


@pytest.mark.parametrize("factor", [0.1, 4.0])
def test_calibration_keeps_to_its_bounds(factor: float) -> None:
    scale, fixed = calibrated(np.array([1.0, 2.0, 5.0]), factor * np.array([1.0, 2.0, 5.0]))
    assert 0.5 <= scale <= 1.5
    assert fixed >= 0


def test_a_negative_offset_becomes_none_and_the_scale_gives_way() -> None:
    sums = np.array([4.0, 6.0, 8.0])
    scale, fixed = calibrated(sums, 1.2 * sums - 1)
    assert fixed == 0
    candidates = np.linspace(0.5, 1.5, 10_001)
    losses = [np.sum((s * sums / (1.2 * sums - 1) - 1) ** 2) for s in candidates]
    assert scale == pytest.approx(candidates[int(np.argmin(losses))], abs=1e-4)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_table_of_another_runtime(runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if runtime not in available():
        pytest.skip(f"{runtime} is not installed")
    monkeypatch.setattr(latency_table, "NETWORKS", 2)
    space = OneChoice()
    x = latency.random_input((16, 16, 16), CPU, "fp32", runtime)
    module = WithIdentity(space.candidate("unit", "3")).eval()
    run = latency.deployed(module, x, CPU, "fp32", runtime)
    with torch.no_grad():
        np.testing.assert_allclose(run(x), module(torch.from_numpy(x)), atol=1e-5)
    table = latency_table.latency_table(
        space, 2, "none", (16, 16), CPU, seconds=0, progress=False, runtime=runtime
    )
    assert table.costs["unit"][0] > 0
    assert table.provenance["runtime"].startswith(f"{runtime} ")
    assert table.provenance["precision"] == "fp32"


def test_other_runtimes_are_timed_on_the_cpu_in_float32() -> None:
    gpu = torch.device("cuda")
    assert latency.placed("torch", gpu, "fp16") == (gpu, "fp16")
    assert latency.placed("openvino", gpu, "fp16") == (CPU, "fp32")


class OneChoice(ToySpace):
    """One choice of two real convolutions."""

    name = "one"
    channels: ClassVar[dict[str, int]] = {"unit": 16}

    def __init__(self) -> None:
        self.choices = (Choice("unit", ("1", "3")),)

    def candidate(self, key: str, option: str) -> nn.Module:
        torch.manual_seed(0)
        kernel = int(option)
        return nn.Sequential(nn.Conv2d(16, 16, kernel, padding=kernel // 2), nn.BatchNorm2d(16))

    def network(self, architecture: Architecture, classes: int, head: str) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 16, 1), self.candidate("unit", self.write(architecture)[0])
        )
