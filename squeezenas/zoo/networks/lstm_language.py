"""LSTM language models to compare cells with, dropped out as AWD-LSTM (arXiv:1708.02182)."""

from __future__ import annotations

import re

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.core.dropout_config import Dropout
from squeezenas.nn.language_network import LanguageNetwork
from squeezenas.nn.locked_dropout import locked_dropout
from squeezenas.nn.path import Path
from squeezenas.nn.recurrent_cell import Recurrent, State
from squeezenas.zoo.build import networks


@networks.register("lstm_language")
def lstm_language(backbone: str, classes: int, classifier: bool) -> LanguageNetwork:
    """PyTorch's LSTM between the word vectors and the tied decoder of the recurrent spaces.

    Args:
        backbone: `lstm<layers>_<hidden>`, such as `lstm1_1180`.
        classes: words of the vocabulary.
        classifier: must be false: there is no image.

    Raises:
        ValueError: another backbone, or a classifier is asked for.
    """
    match = re.fullmatch(r"lstm([1-9]\d?)_([1-9]\d{0,4})", backbone)
    if match is None or classifier:
        raise ValueError(
            f"lstm_language on {backbone!r}: it is a network of task language, and its backbone is "
            "lstm<layers>_<hidden>, such as lstm1_1180"
        )
    return LanguageNetwork(StackedLSTM(int(match[1]), int(match[2])), classes)


class StackedLSTM(Recurrent):
    """LSTM layers of one width.

    The rate `hidden` drops weights between states (DropConnect; arXiv:1708.02182, section 2), once
    a segment, so that PyTorch's fused kernels run; `cell` drops values in front of every layer.

    Args:
        layers: number of layers.
        hidden: values of a word vector and of every state (H).
    """

    def __init__(self, layers: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.layers = nn.ModuleList(nn.LSTM(hidden, hidden) for _ in range(layers))

    def initial_state(self, batch: int) -> State:
        """Hidden state and memory, both `(layers, batch, H)`."""
        weight = next(self.parameters())
        zeros = weight.new_zeros(len(self.layers), batch, self.hidden)
        return zeros, zeros

    def forward(
        self, inputs: Tensor, state: State, dropout: Dropout, path: Path | None = None
    ) -> tuple[Tensor, State]:
        """See `Recurrent`."""
        ends = []
        for layer, hidden, memory in zip(self.layers, *state, strict=True):
            weights: list[Tensor] = [*layer.parameters()]
            weights[1] = F.dropout(weights[1], dropout.hidden)
            inputs, *end = torch.lstm(
                locked_dropout(inputs, dropout.cell),
                (hidden.unsqueeze(0), memory.unsqueeze(0)),
                weights,
                True,  # there are biases
                1,
                0.0,
                self.training,
                False,
                False,
            )
            ends.append(end)
        return inputs, tuple(torch.cat(parts) for parts in zip(*ends, strict=True))
