"""The model of Neural Architecture Optimization (arXiv:1808.07233): encoder, predictor, decoder.

An LSTM reads an architecture token by token; its hidden states, at unit length, are the embedding.
A linear layer reads the merit from their mean, and a second LSTM with attention to them writes the
tokens again.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.core.architecture import Choice
from squeezenas.nn.rollout import Allowed, Decisions, Rollout, most_probable, roll_out


class ArchitectureAutoencoder(nn.Module):
    """Sizes as in the paper's section 4.1.

    Args:
        choices: the decisions, in order; those with the same options share tokens.
        tokens: size of the embedding of a token.
        units: size of a hidden state.
    """

    def __init__(self, choices: Sequence[Choice], tokens: int = 32, units: int = 96) -> None:
        super().__init__()
        kinds = list(dict.fromkeys(choice.options for choice in choices))
        ends = [0]
        for kind in kinds:
            ends.append(ends[-1] + len(kind))
        self._spans = [
            (ends[number], ends[number + 1])
            for number in (kinds.index(choice.options) for choice in choices)
        ]
        self._start = ends[-1]  # the token before the first
        self.read_tokens = nn.Embedding(self._start, tokens)
        self.encoder = nn.LSTM(tokens, units, batch_first=True)
        self.performance = nn.Linear(units, 1)
        self.written_tokens = nn.Embedding(self._start + 1, tokens)
        self.decoder = nn.LSTM(tokens, units, batch_first=True)
        self.attention = nn.Linear(units, units, bias=False)
        self.output = nn.Linear(2 * units, self._start, bias=False)

    def encode(self, picks: Tensor) -> Tensor:
        """The embedding of architectures.

        Args:
            picks: option indices, `(N, choices)`.

        Returns:
            Hidden states of unit length, `(N, choices, units)`.
        """
        states, _ = self.encoder(self.read_tokens(self._tokens(picks)))
        return F.normalize(states, dim=-1)

    def predict(self, states: Tensor) -> Tensor:
        """The performance in 0..1 that embeddings `(N, choices, units)` promise, `(N,)`."""
        return self.performance(states.mean(1)).sigmoid()[:, 0]

    def log_prob(self, states: Tensor, picks: Tensor) -> Tensor:
        """Log-probability that embeddings are written as these tokens, a mean over choices.

        Every token is written given the right ones before it (section 3.3).

        Args:
            states: embeddings, `(N, choices, units)`.
            picks: option indices, `(N, choices)`.

        Returns:
            `(N,)`.
        """
        tokens = self._tokens(picks)
        before = torch.cat([torch.full_like(tokens[:, :1], self._start), tokens[:, :-1]], 1)
        written, _ = self.decoder(self.written_tokens(before), self._begin(states))
        logits = self._attend(written, states)
        rows = [
            logits[:, position, start:end].log_softmax(1)
            for position, (start, end) in enumerate(self._spans)
        ]
        return Rollout(picks, rows).log_prob() / len(rows)

    @torch.no_grad()
    def decode(self, states: Tensor, allowed: Allowed) -> Tensor:
        """The most probable legal token of each choice in turn.

        Args:
            states: embeddings, `(N, choices, units)`.
            allowed: from the picks of an architecture so far to the legal options of its next.

        Returns:
            Option indices, `(N, choices)`.
        """
        return roll_out(self._decisions(states), len(states), most_probable, allowed).picks

    def _decisions(self, states: Tensor) -> Decisions:
        memory = self._begin(states)
        tokens = torch.full((len(states),), self._start)
        for start, end in self._spans:
            written, memory = self.decoder(self.written_tokens(tokens)[:, None], memory)
            tokens = start + (yield self._attend(written, states)[:, 0, start:end])

    def _attend(self, written: Tensor, states: Tensor) -> Tensor:
        """Logits of all tokens from the decoder's states and what they attend to."""
        weights = (self.attention(written) @ states.transpose(1, 2)).softmax(-1)
        return self.output(torch.cat([written, weights @ states], -1))

    def _begin(self, states: Tensor) -> tuple[Tensor, Tensor]:
        mean = states.mean(1)[None]
        return mean, mean

    def _tokens(self, picks: Tensor) -> Tensor:
        return picks + torch.tensor([start for start, _ in self._spans])


def ascend(model: ArchitectureAutoencoder, picks: Tensor, step: float, allowed: Allowed) -> Tensor:
    """What architectures become when their embeddings climb to better predictions.

    Every hidden state moves by `step` times the gradient of the prediction (section 3.1, eq. 2)
    and is brought to unit length again.

    Args:
        model: a fitted model.
        picks: option indices, `(N, choices)`.
        step: eta.
        allowed: from the picks of an architecture so far to the legal options of its next.

    Returns:
        Option indices, `(N, choices)`.
    """
    states = model.encode(picks).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(model.predict(states).sum(), states)
    return model.decode(F.normalize(states + step * gradient, dim=-1).detach(), allowed)
