"""The batch scripts of docs/slurm, with commands of Slurm that do the least that is needed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.search import toy
from tests.search.forks import free_port

SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do shift; done
exec "$@"
"""
SCONTROL = """#!/bin/bash
[[ $1 == show ]] && echo 127.0.0.1 || echo "$@" >> scontrol.log
"""
SEARCH = """
import os, signal, sys
from pathlib import Path
from squeezenas.cli.main import main

if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":  # later ones are to do nothing
    from squeezenas.cli import outcome
    from squeezenas.search.one_shot import OneShotSearch
    from tests.search import toy

    learn, warned = OneShotSearch.learn_weights, Path("warned")

    def learn_weights(searching, *arguments, **keywords):
        if searching.step == 2 and not warned.exists():
            warned.touch()
            signal.raise_signal(signal.SIGUSR1)  # as Slurm does, two minutes before the end
        return learn(searching, *arguments, **keywords)

    OneShotSearch.learn_weights = learn_weights
    outcome.draw_search = outcome.draw_overlays = lambda *_, **__: None

sys.exit(main(["search", *sys.argv[1:]]))
"""


@pytest.fixture
def cluster(tmp_path, repository):
    """A folder to submit from, and the environment of a job there."""
    commands = tmp_path / "bin"
    commands.mkdir()
    torchrun = f'#!/bin/bash\nexec "{sys.executable}" -m torch.distributed.run "$@"\n'
    for name, text in {"srun": SRUN, "scontrol": SCONTROL, "torchrun": torchrun}.items():
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    (tmp_path / "search.py").write_text(SEARCH)
    port = free_port()
    return tmp_path, {
        **os.environ,
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(repository),
        "OMP_NUM_THREADS": "1",
        "SLURM_JOB_ID": str(port - 10000 if port >= 10000 else port + 40000),
        "SLURM_JOB_NODELIST": "here",
        "SLURM_NNODES": "1",
    }


def test_a_job_that_is_warned_is_queued_again_and_finishes(repository, cluster):
    folder, environment = cluster
    words = [word for word in toy.arguments(folder) if not word.startswith(("name=", "runs="))]

    def job():
        return subprocess.run(
            ["bash", str(repository / "docs" / "slurm" / "search.sbatch"), "mine", *words],
            cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip

    run, log = folder / "runs" / "mine", folder / "scontrol.log"
    first = job()
    assert first.returncode != 0
    assert "stopped by SIGUSR1; everything is kept" in first.stderr, first.stdout + first.stderr
    assert first.stdout.count("searching toy") == 1  # torchrun's restarts did not go on
    assert log.read_text() == f"requeue {environment['SLURM_JOB_ID']}\n"
    second = job()
    assert second.returncode == 0, second.stdout + second.stderr
    assert "resuming at step 3" in second.stdout
    assert log.read_text().count("requeue") == 1
    lines = (run / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert (run / "summary.json").is_file()


@pytest.mark.parametrize("script", ["search.sbatch", "train.sbatch"])
def test_bash_understands_the_scripts(repository, script):
    file = repository / "docs" / "slurm" / script
    done = subprocess.run(["bash", "-n", str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_scripts_differ_in_the_program_alone(repository: Path):
    folder = repository / "docs" / "slurm"
    search, train = ((folder / f"{name}.sbatch").read_text() for name in ("search", "train"))
    for one, other in (("search.sbatch", "train.sbatch"), ("search.py", "train.py")):
        assert one in search
        assert other in train
    assert train.replace("train", "search") == search


def test_a_mistake_is_not_queued_again(cluster, repository):
    """A quick stand-in for torchrun fails as a program with a mistake does."""
    folder, environment = cluster
    (folder / "bin" / "torchrun").write_text("#!/bin/bash\nexit 1\n")
    (folder / "runs" / "mine").mkdir(parents=True)
    (folder / "runs" / "mine" / "stopped").write_text("by the job before\n")
    done = subprocess.run(
        ["bash", str(repository / "docs" / "slurm" / "train.sbatch"), "mine"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert not (folder / "scontrol.log").exists()
