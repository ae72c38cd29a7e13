"""`squeezenas export`: a network as a file that other programs run."""

from __future__ import annotations

from pathlib import Path

import torch

from squeezenas.cli.trained import trained_network
from squeezenas.core.export_config import ExportConfig
from squeezenas.export.verified import export


def main(config: ExportConfig, folder: Path) -> int:
    """Exports, says how the file compares with PyTorch, and returns 0.

    Args:
        config: the resolved configuration.
        folder: where the weights of the model card are.

    Raises:
        FileNotFoundError, ValueError, OSError: something that the user can put right.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    found = export(
        trained_network(config.models, folder, config.weights),
        config.models,
        config.datasets,
        config.output,
        config.format,
        config.size,
        config.result,
    )
    print(
        f"{config.output}: {100 * found.equal:.3f} % of the labels of {found.images} "
        f"{found.source} are those of PyTorch"
    )
    return 0
