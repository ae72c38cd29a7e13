import pytest
import torch
from torch import nn

from squeezenas.strategies.curvature import directional_derivative, largest_eigenvalue, moved


def quadratic(matrix, shapes=((3, 4), (8,))):
    """Parameters of `w A w / 2`, and its gradient, whose central differences are exact."""
    torch.manual_seed(0)
    parameters = [nn.Parameter(torch.randn(shape, dtype=torch.float64)) for shape in shapes]

    def gradients():
        flat = torch.cat([p.flatten() for p in parameters])
        return list(torch.autograd.grad(flat @ matrix @ flat / 2, parameters))

    return parameters, gradients


def symmetric(eigenvalues):
    torch.manual_seed(1)
    basis, _ = torch.linalg.qr(torch.randn(len(eigenvalues), len(eigenvalues)).double())
    return basis @ torch.diag(torch.tensor(eigenvalues, dtype=torch.float64)) @ basis.T


def test_the_directional_derivative_of_a_quadratic_is_its_matrix_times_the_direction():
    matrix = symmetric([float(i) for i in range(-5, 15)])
    parameters, gradients = quadratic(matrix)
    before = [p.detach().clone() for p in parameters]
    direction = [torch.randn_like(p) for p in parameters]
    found = directional_derivative(gradients, parameters, direction)
    wanted = matrix @ torch.cat([d.flatten() for d in direction])
    torch.testing.assert_close(torch.cat([f.flatten() for f in found]), wanted)
    assert all(torch.equal(p, b) for p, b in zip(parameters, before, strict=True))


def test_no_direction_no_change():
    parameters, gradients = quadratic(symmetric([1.0] * 20))
    nothing = [torch.zeros_like(p) for p in parameters]
    found = directional_derivative(gradients, parameters, nothing)
    assert all((part == 0).all() for part in found)


@pytest.mark.parametrize("lowest", [-1.0, -50.0])
def test_the_largest_eigenvalue_is_not_the_one_of_largest_magnitude(lowest):
    values = [lowest, *(0.1 * i for i in range(18)), 7.0]
    parameters, gradients = quadratic(symmetric(values))
    assert largest_eigenvalue(gradients, parameters, 20, 0) == pytest.approx(7.0, rel=1e-9)
    assert largest_eigenvalue(gradients, parameters, 8, 0) == pytest.approx(7.0, rel=1e-3)
    assert largest_eigenvalue(gradients, parameters, 1, 0) < 7.0


@pytest.mark.parametrize("value", [0.0, -3.0, 2.0])
def test_a_hessian_with_one_eigenvalue(value):
    parameters, gradients = quadratic(symmetric([value] * 20))
    assert largest_eigenvalue(gradients, parameters, 10, 0) == pytest.approx(value, abs=1e-9)


def test_gradients_that_are_not_finite_give_nothing():
    parameters, gradients = quadratic(symmetric([1.0] * 20))
    answers = iter([gradients(), None, gradients(), None])
    ones = [torch.ones_like(p) for p in parameters]
    assert directional_derivative(lambda: next(answers), parameters, ones) is None
    assert largest_eigenvalue(lambda: next(answers), parameters, 3, 0) is None


def test_parameters_come_back_bit_for_bit_even_after_an_error():
    parameter = nn.Parameter(torch.tensor([1.0, 1e-8, -3e7]))
    before = parameter.detach().clone()

    def fail():
        with moved([parameter], [torch.ones(3)], 2.0):
            assert not torch.equal(parameter, before)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert torch.equal(parameter, before)
