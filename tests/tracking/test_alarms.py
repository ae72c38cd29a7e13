from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest

from squeezenas.core.architecture import Choice
from squeezenas.engine.checkpoint import load_checkpoint
from squeezenas.tracking.alarms import of_distribution, of_metrics, relative_entropy
from squeezenas.tracking.run import Run
from tests.tracking.toy_space import ROWS, SPACE


@pytest.mark.parametrize(
    ("metrics", "kinds"),
    [
        ({"search/loss": 2.0, "search/bad_steps": 0, "trial/value": math.nan}, []),
        ({"search/loss": 2.0, "search/bad_steps": 1}, ["not_finite"]),
        ({"train/loss": math.inf, "train/bad_steps": 0}, ["not_finite"]),
    ],
)
def test_metrics(metrics: dict[str, float], kinds: list[str]) -> None:
    assert [alarm.kind for alarm in of_metrics(metrics, 7)] == kinds


@pytest.mark.parametrize(
    ("rows", "progress", "kinds"),
    [
        ("undecided", 0.1, []),
        ("uniform", 0.1, []),
        ("half_skipping", 0.9, []),
        ("skipping", 0.9, ["skips"]),
        ("decided", 0.5, ["decided"]),
        ("decided", 0.51, []),
    ],
)
def test_distributions(rows: str, progress: float, kinds: list[str]) -> None:
    assert [alarm.kind for alarm in of_distribution(ROWS[rows], SPACE, progress)] == kinds


def test_a_wanted_connection_is_no_collapse() -> None:
    space = SimpleNamespace(skip="joined", choices=[Choice("a", ("apart", "joined"))])
    assert not list(of_distribution({"a": [0.2, 0.8]}, space, 0.9))


def test_relative_entropy_is_between_decided_and_uniform() -> None:
    assert relative_entropy({"a": [0.5, 0.5], "b": [1.0, 0.0, 0.0], "c": [1.0]}) == 0.5
    assert relative_entropy({"only": [1.0]}) == 1.0


def test_each_kind_is_told_once_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "r"
    with Run.create(folder, {}, ["console"], steps=4) as run:
        run.log({"search/loss": 1.0, "search/bad_steps": 1}, 1)
        run.log({"search/loss": 1.0, "search/bad_steps": 2}, 2)
        run.distribution(ROWS["skipping"], SPACE)
    with Run.open(folder, {}, ["console"], steps=4) as run:
        run.restore(load_checkpoint)
        run.log({"search/loss": 1.0, "search/bad_steps": 1}, 1)
        run.distribution(ROWS["skipping"], SPACE)
    warnings = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert len(warnings) == 2
    assert warnings[0].startswith(
        "warning: a loss or its gradients are not finite: at step 1 a loss or its gradients"
    )
    assert "75% of the choices that can skip prefer to after 50% of the search" in warnings[1]
    alerts = json.loads((folder / "tracking.json").read_text())["alerts"]
    assert [(alert["kind"], alert["step"]) for alert in alerts] == [("not_finite", 1), ("skips", 2)]


def test_a_run_without_alarms_and_trackers_keeps_no_record(tmp_path: Path) -> None:
    with Run.create(tmp_path / "r", {}, ["console"], steps=1) as run:
        run.log({"search/loss": 1.0}, 1)
        assert run.provenance == {"run": "r"}
    assert not (tmp_path / "r" / "tracking.json").exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"sinks": 3}', '{"sinks": {}, "alerts": [{}]}'])
def test_a_changed_record_is_told(tmp_path: Path, text: str) -> None:
    Run.create(tmp_path / "r", {}, steps=1)
    (tmp_path / "r" / "tracking.json").write_text(text)
    with pytest.raises(ValueError, match=r"tracking\.json was changed: .*remove it"):
        Run.open(tmp_path / "r", {}, steps=1).restore(load_checkpoint)
