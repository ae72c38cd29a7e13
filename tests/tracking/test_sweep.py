"""The sweep in the documentation: its commands, put together as W&B's agent does it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import yaml

from squeezenas.core.recipes import load_search


def test_every_command_of_the_sweep_is_a_search(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = pytest.importorskip("wandb.sdk.launch.sweeps.utils")
    monkeypatch.chdir(repository)
    sweep = yaml.safe_load((repository / "docs" / "sweep.yaml").read_text())
    assert (repository / sweep["program"]).is_file()
    choices = {key: parameter["values"] for key, parameter in sweep["parameters"].items()}
    seen = set()
    for number, values in enumerate(itertools.product(*choices.values())):
        monkeypatch.setenv("WANDB_RUN_ID", f"run{number}")
        chosen = {key: {"value": value} for key, value in zip(choices, values, strict=True)}
        parts = {
            **agent.create_sweep_command_args({"args": chosen}),
            "env": ["/usr/bin/env"], "interpreter": ["python"], "program": [sweep["program"]],
        }  # fmt: skip
        words: list[str] = []
        for word in agent.create_sweep_command(list(sweep["command"])):
            whole = word.startswith("${") and word.endswith("}")
            words += parts[word[2:-1]] if whole else [word]
        assert words[:3] == ["/usr/bin/env", "python", "search.py"]
        config = load_search(words[3:])
        assert config.name == f"sweep-run{number}"
        assert config.tracking == ("wandb",)
        assert (config.wandb.mode, config.wandb.group) == ("online", "sweep")
        seen.add((config.regime.cost.target, config.regime.strategy.optimiser.lr, config.seed))
    assert seen == set(itertools.product(*choices.values()))
