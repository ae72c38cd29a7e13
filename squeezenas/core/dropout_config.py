"""How much of a language network is dropped while it trains."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from squeezenas.core.config import Strict

Rate = Annotated[float, Field(ge=0, lt=1)]


class Dropout(Strict):
    """Probabilities of dropping; every mask is drawn once a segment and kept over its words."""

    embedding: Rate = 0.0
    """Whole words, wherever they stand in the segment (dropoute)."""
    input: Rate = 0.0
    """Values of the word vectors (dropouti)."""
    cell: Rate = 0.0
    """Values of what enters the recurrent cell, once more (dropoutx)."""
    hidden: Rate = 0.0
    """Values of the state and of the nodes within the cell; weights of an LSTM (dropouth)."""
    output: Rate = 0.0
    """Values of what leaves the cell for the decoder (dropout)."""
