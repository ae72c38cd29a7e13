"""An architecture step made of plain functions of the path, for strategies under test."""

from contextlib import nullcontext

import torch

from squeezenas.strategies.base import SearchStep


def search_step(loss, cost=None, batch_size=2, gradients=None, penalised=None, **more):
    """A step on `loss(path)`; without weights, and without a price unless `cost(path)` is given."""

    def autograd(value, parameters):
        return list(torch.autograd.grad(value, parameters))

    return SearchStep(
        **{
            "batch_size": batch_size,
            "loss": loss,
            "expected_cost": cost or (lambda path: torch.zeros(())),
            "penalised": penalised or (lambda value, *_: value),
            "gradients": gradients or autograd,
            "training_loss": loss,
            "reward": lambda path: -float(loss(path).detach()),
            "weights": [],
            "virtual_update": lambda gradients: ([], 0.0),
            "untouched": nullcontext,
            **more,
        }
    )
