"""Recurrent networks as the papers write them: one word, one node and one edge after another."""

import torch

FUNCTIONS = {
    "tanh": torch.tanh,
    "relu": lambda x: x.clamp(min=0),
    "sigmoid": lambda x: 1 / (1 + torch.exp(-x)),
    "identity": lambda x: x,
}


def gated(state, product, activation):
    """Highway connection: the first half of the product is the gate."""
    gate, candidate = product[:, : state.shape[1]], product[:, state.shape[1] :]
    gate = 1 / (1 + torch.exp(-gate))
    return (1 - gate) * state + gate * FUNCTIONS[activation](candidate)


def normalised(values, eps=1e-5):
    return (values - values.mean(0)) / (values.var(0, unbiased=False) + eps).sqrt()


def same(values):
    return values


def cell(x, h, start, first, edges, outputs, norm=same, norm_mean=same, keep=None):
    """One step.

    Args:
        x: `(N, H)`; h: `(N, H)`.
        start: `(2H, 2H)`.
        first: weight of each activation of node 0, by name.
        edges: for each further node a list of `(source, activation, weight, matrix)`.
        outputs: weight of each node in the next state.
        norm: behind each node; norm_mean: behind the mean.
        keep: mask `(N, H)` of the states.
    """
    keep = torch.ones_like(h) if keep is None else keep
    product = torch.cat([x, h * keep], 1) @ start.T
    states = [norm(sum(weight * gated(h, product, name) for name, weight in first.items()))]
    for node in edges:
        total = torch.zeros_like(h)
        for source, activation, weight, matrix in node:
            total = total + weight * gated(
                states[source], (states[source] * keep) @ matrix.T, activation
            )
        states.append(norm(total))
    mean = sum(weight * state for weight, state in zip(outputs, states, strict=True))
    return norm_mean(mean)


def unrolled(inputs, h, *args, **kwargs):
    """The states of all times `(T, N, H)`."""
    states = []
    for x in inputs:
        h = cell(x, h, *args, **kwargs)
        states.append(h)
    return torch.stack(states)
