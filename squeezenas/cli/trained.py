"""The network of a command that needs one with its weights."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from squeezenas.core.network_config import NetworkConfig
from squeezenas.zoo.build import build
from squeezenas.zoo.weights import load_into, load_weights, read_weights


def trained_network(config: NetworkConfig, folder: Path) -> nn.Module:
    """The network of `config.models` on the CPU, in evaluation mode.

    Args:
        config: names card and weights.
        folder: where the model card is.

    Raises:
        FileNotFoundError: the weights are missing.
        OSError: they cannot be fetched.
        ValueError: there are none, or they are damaged or of another network; names the file.
    """
    network = build(config.models)
    if config.weights is not None:
        state, _ = read_weights(config.weights)
    else:
        state = load_weights(config.models, folder)
    try:
        load_into(network, state)
    except ValueError as error:
        named = config.models.weights.file if config.models.weights else None
        where = config.weights or (folder / named if named else f"models={config.models.name}")
        raise ValueError(f"{where}: {error}") from error
    return network.eval()
