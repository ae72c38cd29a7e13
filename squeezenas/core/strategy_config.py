"""The schema of a strategy: what moves through a space, and the keys of each one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from squeezenas.core.config import Fraction, Positive, Strict


class ArchitectureOptimiser(Strict):
    """The optimiser of the architecture parameters."""

    name: Literal["adam", "sgd"] = "adam"
    """Update rule."""
    lr: float = Field(0.01, gt=0)
    """Learning rate, constant."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Moment decay rates of adam."""
    weight_decay: float = Field(5e-4, ge=0)
    """L2 penalty on the architecture parameters."""

    @field_validator("betas")
    @classmethod
    def _decay(cls, betas: tuple[float, float]) -> tuple[float, float]:
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"both rates must be at least 0 and below 1, got {list(betas)}")
        return betas


class Temperature(Strict):
    """Temperature of the Gumbel-softmax."""

    schedule: Literal["linear", "exponential"] = "exponential"
    """Shape of the fall from `start` to `end`."""
    start: float = Field(5.0, gt=0)
    """Temperature at the first architecture step."""
    end: float = Field(0.1, gt=0, validate_default=True)
    """Temperature at the last epoch."""

    @field_validator("end")
    @classmethod
    def _falls(cls, end: float, info: ValidationInfo) -> float:
        start = info.data.get("start", end)
        if end > start:
            raise ValueError(f"must be at most start = {start:g}, got {end:g}: temperatures fall")
        return end


class Darts(Strict):
    """Keys of strategy darts."""

    order: Literal[1, 2] = 1
    """1: the weights count as fixed; 2: the loss after one more weight step is differentiated."""
    eigenvalue_every: int = Field(0, ge=0)
    """Epochs from one measurement of the architecture Hessian's largest eigenvalue to the next; 0:
    never."""
    iterations: Positive = 10
    """Lanczos iterations of a measurement; each takes two held-out gradients."""
    stop_ratio: Fraction = 0.0
    """The search stops when the mean eigenvalue of five measurements, over that of the next five,
    falls below this (RobustDARTS: 0.75); 0: never."""

    @field_validator("stop_ratio")
    @classmethod
    def _measured(cls, ratio: float, info: ValidationInfo) -> float:
        if ratio and not info.data.get("eigenvalue_every", 1):
            raise ValueError("needs the eigenvalues it compares: set eigenvalue_every=1")
        return ratio


class Enas(Strict):
    """Keys of strategy enas."""

    samples: Positive = 10
    """Architectures whose rewards make one step of the controller."""
    temperature: float = Field(5.0, gt=0)
    """What the controller's logits are divided by."""
    tanh: float = Field(2.5, gt=0)
    """Largest absolute logit: logits are tanh * tanh(logit / temperature)."""
    baseline_decay: float = Field(0.95, ge=0, lt=1)
    """Decay of the moving average of rewards."""
    entropy: float = Field(1e-4, ge=0)
    """Weight of the entropy of the sampled decisions."""
    skip_weight: float = Field(0.0, ge=0)
    """Weight of the divergence of skip connections, choices of two options, from `skip_prior`
    (0.8 in the paper's macro space)."""
    skip_prior: float = Field(0.4, gt=0, lt=1)
    """Wanted probability of the second option, to connect."""


class SinglePath(Strict):
    """Keys of strategy single_path."""

    fair: bool = False
    """Every weight step runs each option of each choice exactly once (strict fairness)."""
    population: Positive = 50
    """Random architectures that the evolutionary selection begins with."""
    parents: Positive = 10
    """Best architectures so far, from which a generation is bred."""
    crossovers: Positive = 25
    """Children of two parents in a generation."""
    mutations: Positive = 25
    """Children of one parent in a generation."""
    mutation_probability: float = Field(0.1, gt=0, le=1)
    """How often a mutation changes each choice."""


class Strategy(Strict):
    """What moves through the space."""

    name: str = "gumbel"
    """A registered strategy."""
    sampling: Literal["soft", "hard"] = "soft"
    """soft: a mixture of all candidates an image (the paper); hard: one candidate a batch,
    straight-through."""
    optimiser: ArchitectureOptimiser = ArchitectureOptimiser()
    """Optimiser of the architecture parameters."""
    temperature: Temperature = Temperature()
    """Gumbel-softmax temperature."""
    darts: Darts = Darts()
    """Of strategy darts."""
    enas: Enas = Enas()
    """Of strategy enas."""
    single_path: SinglePath = SinglePath()
    """Of strategy single_path."""
