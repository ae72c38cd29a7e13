"""Second derivatives from differences of gradients: no graph is differentiated twice.

DARTS (arXiv:1806.09055, eq. 8) multiplies a mixed Hessian by a vector this way. It costs two
gradients and the memory of one, whatever the network is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

LENGTH = 0.01  # of a finite step in parameter space (arXiv:1806.09055, section 2.3)
NOTHING_NEW = 1e-9  # share of a vector outside the space so far that is but rounding

Gradients = Callable[[], list[Tensor] | None]


@contextmanager
def moved(
    parameters: Sequence[Tensor], shift: Sequence[Tensor], factor: float = 1.0
) -> Iterator[None]:
    """Adds `factor * shift` to parameters in place; on leaving they are as before, bit for bit."""
    before = [parameter.detach().clone() for parameter in parameters]
    with torch.no_grad():
        for parameter, part in zip(parameters, shift, strict=True):
            parameter.add_(part, alpha=factor)
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, kept in zip(parameters, before, strict=True):
                parameter.copy_(kept)


def directional_derivative(
    gradients: Gradients, parameters: Sequence[Tensor], direction: Sequence[Tensor]
) -> list[Tensor] | None:
    """How gradients change along a direction: the product of a Hessian with it.

    By central differences, `(g(w + e v) - g(w - e v)) / 2e` with `e = 0.01 / |v|`
    (arXiv:1806.09055, eq. 8), exact up to `e^2` times a third derivative.

    Args:
        gradients: of a loss, by any parameters, where `parameters` now stand; the loss must draw
            the same random numbers each time.
        parameters: what moves: `w`.
        direction: `v`, in the shapes of `parameters`.

    Returns:
        In the shapes of what `gradients` gives; None when one of them was None.
    """
    norm = torch.stack([part.norm() for part in direction]).norm()
    reach = LENGTH / max(float(norm), 1e-12)
    with moved(parameters, direction, reach):
        ahead = gradients()
    with moved(parameters, direction, -reach):
        behind = gradients()
    if ahead is None or behind is None:
        return None
    return [(a - b) / (2 * reach) for a, b in zip(ahead, behind, strict=True)]


def largest_eigenvalue(
    gradients: Gradients, parameters: Sequence[Tensor], iterations: int, seed: int
) -> float | None:
    """The largest eigenvalue of a Hessian, by Lanczos iterations with full orthogonalisation.

    Its estimate is the largest Ritz value of the space of `H^i v`, from below and exact in as many
    iterations as there are parameters.

    Args:
        gradients: of the loss by `parameters`, where they now stand.
        parameters: of few numbers altogether.
        iterations: products of the Hessian with a vector, two gradients each.
        seed: of the vector it begins with.

    Returns:
        None when a gradient was None.
    """
    sizes = [parameter.numel() for parameter in parameters]
    start = torch.randn(sum(sizes), generator=torch.Generator().manual_seed(seed))
    vector = start.double()
    basis, images = torch.empty(0, len(vector)).double(), torch.empty(0, len(vector)).double()
    for _ in range(min(iterations, len(vector))):
        length = vector.norm()
        for _ in range(2):  # once leaves rounding errors along the basis
            vector = vector - basis.T @ (basis @ vector)
        if vector.norm() <= NOTHING_NEW * length:
            break
        vector = vector / vector.norm()
        direction = [
            part.view_as(parameter).to(parameter)
            for part, parameter in zip(vector.split(sizes), parameters, strict=True)
        ]
        product = directional_derivative(gradients, parameters, direction)
        if product is None:
            return None
        basis = torch.cat([basis, vector[None]])
        vector = torch.cat([part.flatten().double().cpu() for part in product])
        images = torch.cat([images, vector[None]])
    ritz = basis @ images.T
    return float(torch.linalg.eigvalsh((ritz + ritz.T) / 2)[-1])
