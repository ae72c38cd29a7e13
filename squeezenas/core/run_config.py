"""The keys that every run has, whatever it does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from squeezenas.core.config import Strict, Tracking


def _as_list(value: Any) -> Any:
    """`none` is no sink and a single name is a list of one."""
    if value is None or value == "none":
        return []
    return [value] if isinstance(value, str) else value


Sinks = Annotated[tuple[Literal["wandb", "tensorboard"], ...], BeforeValidator(_as_list)]


class RunConfig(Strict):
    """How a run is named, seeded, computed and tracked."""

    name: str = Field("", pattern=r"^[\w.+-]*$")
    """Run name, a folder under `runs`; empty: made from what is run and the date."""
    seed: int = Field(0, ge=0)
    """Seed of every random draw."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: a GPU when there is one."""
    workers: int = Field(0, ge=0)
    """Processes that load images for each training process; 0: load in the training process."""
    threads: int = Field(0, ge=0)
    """CPU threads of torch; 0: its default."""
    runs: Path = Path("runs")
    """Folder of all runs."""
    checkpoint_minutes: float = Field(10.0, ge=0)
    """Minutes between checkpoints within an epoch; each epoch's end writes one anyway."""
    time_limit: float = Field(0.0, ge=0)
    """Hours after which the run has stopped, with a checkpoint and exit code 75; 0: no limit."""
    tracking: Sinks = ()
    """Where metrics go beside metrics.jsonl: none, wandb, tensorboard or [wandb,tensorboard]."""
    wandb: Tracking = Tracking()
    """Weights & Biases, read when `tracking` names it."""
