"""Progress on the terminal: one live line, or a plain line every 5 % where nobody watches."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

from squeezenas.tracking.sink import Ending, Level, Sink, Start, sinks

PLAIN_LINES = 20
"""Plain lines of a whole run: one every 5 %."""

COST = "architecture/expected_cost"
SHOWN = {
    "search/loss": "loss {:.3f}",
    "search/miou": "mIoU {:.1%}",
    "search/top1": "top-1 {:.1%}",
    "search/perplexity": "perplexity {:.1f}",
    "architecture/reward": "reward {:.3f}",
    "train/loss": "loss {:.3f}",
    "val/miou": "val mIoU {:.1%}",
    "val/top1": "val top-1 {:.1%}",
    "val/perplexity": "val perplexity {:.1f}",
    COST: "cost {:.3g}",
    "architecture/temperature": "temperature {:.2f}",
    "trial/value": "last {:.4g}",
    "trial/best": "best {:.4g}",
}
"""Metrics in the line, in this order; the target follows the cost."""


@sinks.register("console")
class Console(Sink):
    """Writes to stderr, so that stdout stays free for results."""

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        self._latest: dict[str, float] = {}
        self._target = ((start.config.get("regime") or {}).get("cost") or {}).get("target")
        self._began = time.monotonic()
        self._told = start.step * PLAIN_LINES // max(start.steps, 1)
        self._bar: tqdm[Any] | None = None
        if sys.stderr.isatty():
            self._bar = tqdm(
                total=start.steps,
                initial=start.step,
                dynamic_ncols=True,
                bar_format="{percentage:3.0f}% {bar:12} {n_fmt}/{total_fmt}{desc}"
                "  {remaining} left",
            )

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Updates the line."""
        self._latest.update((key, metrics[key]) for key in SHOWN if key in metrics)
        if self._bar is not None:
            self._bar.set_description_str(self._metrics(), refresh=False)
            self._bar.update(step - self._bar.n)
            return
        due = step * PLAIN_LINES // max(self.start.steps, 1)
        if due > self._told:
            self._told = due
            print(self._plain_line(step), file=sys.stderr, flush=True)

    def _metrics(self) -> str:
        parts = []
        for key, text in SHOWN.items():
            if key in self._latest:
                part = text.format(self._latest[key])
                if key == COST and self._target is not None:
                    part += f" (target {self._target:g})"
                parts.append(part)
        return "".join(f"  {part}" for part in parts)

    def _plain_line(self, step: int) -> str:
        steps = self.start.steps
        done = max(step - self.start.step, 1)
        left = (time.monotonic() - self._began) / done * max(steps - step, 0)
        share = step / max(steps, 1)
        left_text = tqdm.format_interval(left)
        return f"{share:5.0%}  step {step}/{steps}{self._metrics()}  {left_text} left"

    def alert(self, title: str, text: str, level: Level) -> None:
        """Says it above the line. Why a run failed is for the command to say."""
        if level == "warning":
            tqdm.write(f"warning: {title}: {text}", file=sys.stderr)

    def summary(self, summary: Mapping[str, Any]) -> None:
        """Leaves the last line standing."""
        self.finish("done")

    def finish(self, ending: Ending) -> None:
        """Leaves the last line standing."""
        if self._bar is not None:
            self._bar.close()
