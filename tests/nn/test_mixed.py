import pytest
import torch
from torch import Tensor

from squeezenas.nn.inverted_residual import SKIP
from squeezenas.nn.mixed import MixedUnit
from squeezenas.spaces.squeezenas import OPTIONS
from tests.nn.trace import Trace, assert_same, mixture, randomised, trace, unit
from tests.slow_twin import slow_twin

UNITS = {"identity": (6, 6, 1), "stride 2": (6, 10, 2), "channel change": (6, 10, 1)}
MODES = [(memory, joined) for memory in ("full", "lean") for joined in (False, True)]


def unit_and_input(
    kind: str, size: tuple[int, int], batch: int, memory: str = "full", joined: bool = False
) -> tuple[MixedUnit, Tensor, dict[str, Tensor]]:
    torch.manual_seed(0)
    c_in, c_out, stride = UNITS[kind]
    # No space has a `skip` at stride 2 on an odd map: sides are multiples of 32.
    odd = any(side % 2 for side in size)
    options = [text for text in OPTIONS if not (odd and stride == 2 and text == SKIP)]
    module = MixedUnit(options, c_in, c_out, stride, memory)
    module.joined = joined
    randomised(module.double())
    x = torch.randn(batch, c_in, *size, dtype=torch.float64) * 2 + 1
    if not odd:  # the layout of a search; odd maps come in the other one
        x, module = (
            x.to(memory_format=torch.channels_last),
            module.to(memory_format=torch.channels_last),
        )
    return module, x, {"unit": mixture(len(options), batch)}


@pytest.mark.parametrize(("memory", "joined"), MODES)
@pytest.mark.parametrize(("size", "batch"), [((8, 6), 3), ((8, 6), 1), ((7, 5), 2)])
@pytest.mark.parametrize("kind", UNITS)
def test_a_training_step_is_that_of_the_slow_twin(
    kind: str, size: tuple[int, int], batch: int, memory: str, joined: bool
) -> None:
    module, x, weights = unit_and_input(kind, size, batch, memory, joined)
    expected = trace(slow_twin(module), unit, x, weights)
    found = trace(module, unit, x, weights)
    assert_same(found, expected)
    counts = [count for name, count in found.items() if name.endswith("num_batches_tracked")]
    assert counts
    assert all(int(count) == 1 for count in counts)


@pytest.mark.parametrize("kind", UNITS)
def test_evaluation_is_that_of_the_slow_twin(kind: str) -> None:
    module, x, weights = unit_and_input(kind, (8, 6), 2)
    assert_same(trace(module.eval(), unit, x, weights), trace(slow_twin(module), unit, x, weights))


@pytest.mark.parametrize("kind", UNITS)
def test_a_picked_option_is_one_term_of_the_sum(kind: str) -> None:
    module, x, _ = unit_and_input(kind, (8, 6), 2)
    for pick in range(len(OPTIONS)):
        weights = torch.zeros(len(OPTIONS), 2, dtype=torch.float64)
        weights[pick] = torch.tensor([1.0, 0.5])
        torch.testing.assert_close(module(x, weights, pick), module(x, weights))


@pytest.mark.parametrize(("memory", "joined"), [("full", False), ("lean", True)])
@pytest.mark.parametrize("kind", UNITS)
def test_frozen_weights_change_no_other_gradient(kind: str, memory: str, joined: bool) -> None:
    module, x, weights = unit_and_input(kind, (8, 6), 2, memory, joined)
    twin = slow_twin(module)
    expected = trace(twin, unit, x, weights)
    parameters = {f"gradient {name}" for name, _ in module.named_parameters()}
    expected = {name: value for name, value in expected.items() if name not in parameters}
    assert_same(trace(module.requires_grad_(False), unit, x, weights), expected)


@pytest.mark.parametrize(("memory", "joined"), MODES)
@pytest.mark.parametrize("kind", ["identity", "stride 2"])
def test_half_precision_costs_no_more_than_in_plain_layers(
    kind: str, memory: str, joined: bool
) -> None:
    module, x, weights = unit_and_input(kind, (16, 16), 2, memory, joined)
    twin = slow_twin(module).float()
    exact = trace(slow_twin(module), unit, x, weights)

    def half(module: MixedUnit, x: Tensor, weights: dict[str, Tensor]) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return unit(module, x, weights)

    x, weights = x.float(), {"unit": weights["unit"].float()}
    found, plain = trace(module.float(), half, x, weights), trace(twin, half, x, weights)
    assert found.keys() == plain.keys() == exact.keys()
    for group in ("output", "input gradient", "path gradient", "gradient"):
        error = relative_error(found, exact, group)
        assert error < min(0.1, 0.005 + 1.5 * relative_error(plain, exact, group)), group


def relative_error(found: Trace, exact: Trace, group: str) -> float:
    """Norm of the difference over all entries of a group, relative to the norm of the group."""
    names = [name for name in exact if name.startswith(group)]
    difference = torch.cat([(found[name].double() - exact[name]).flatten() for name in names])
    return float(difference.norm() / torch.cat([exact[name].flatten() for name in names]).norm())


@pytest.mark.parametrize("joined", [False, True])
def test_lean_keeps_far_less(joined: bool) -> None:
    def kept(memory: str) -> int:
        """Values that autograd keeps for the backward pass, each storage counted once."""
        module, x, weights = unit_and_input("identity", (32, 32), 2, memory, joined)
        storages: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            y = unit(module, x, weights)
        del y
        return sum(storages.values())

    depthwise_outputs = 6 * (1 + 1 + 3 + 6) * 3 * 2 * 32 * 32 * 8
    assert kept("lean") < 1.1 * depthwise_outputs
    assert kept("full") > 3 * depthwise_outputs
