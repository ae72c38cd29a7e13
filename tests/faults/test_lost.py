"""Files, disks and processes that are lost on the way: a sentence, and the run goes on later."""

import shutil
import signal
from pathlib import Path

import pytest

from squeezenas.core.machine_faults import loader_died, peer_lost
from tests.faults.conftest import said
from tests.faults.programs import begin_or_resume, left
from tests.search.forks import free_port
from tests.search.toy import streets


def last_words(folder):
    assert "Traceback" not in said(folder)
    return said(folder).rstrip().splitlines()[-1]


def test_images(launcher, tmp_path, seen):
    alone = launcher.alone("retraining")
    folder, data = tmp_path / "lost", tmp_path / "data"
    shutil.copytree(streets(), data)
    (images,) = data.glob("*/leftImg8bit/train")
    own = (f"datasets.street_scenes.root={data}",)
    fault = {"folder": str(images), "number": 1}
    assert launcher.run("retraining", folder, "moved", fault, more=own) == 2, said(folder)
    assert str(images) in last_words(folder)
    assert "cannot be read (No such file" in last_words(folder)
    Path(f"{images}.away").rename(images)
    assert launcher.run("retraining", folder) == 0, said(folder)
    assert left("retraining", folder / "runs" / "toy") == alone.files
    seen("lost images", 1)


def test_a_disk_in_an_ask_tell_search(launcher, tmp_path, rng, seen):
    alone, folder = launcher.alone("ask_tell"), tmp_path / "failed"
    first = rng.randrange(alone.points["step"])
    failing = {"code": "EIO", "kinds": ["step"], "number": first}
    assert launcher.run("ask_tell", folder, "failing", failing) == 2, said(folder)
    assert "Input/output error; check the disk" in last_words(folder)
    assert " failed: " not in said(folder)
    assert launcher.run("ask_tell", folder) == 0, said(folder)
    assert left("ask_tell", folder / "runs" / "toy") == alone.files
    seen("unreadable disk in an ask/tell search", 1)


def test_a_loading_process(launcher, tmp_path, rng, seen):
    alone, folder = launcher.alone("retraining"), tmp_path / "killed"
    fault = {"number": rng.randrange(4)}
    code = launcher.run("retraining", folder, "dying_loader", fault, more=("workers=1",))
    assert code == 2, said(folder)
    sentence = "squeezenas: a process that loads data was killed, perhaps for want of memory"
    assert sentence in said(folder)
    assert launcher.run("retraining", folder) == 0, said(folder)
    assert left("retraining", folder / "runs" / "toy") == alone.files
    seen("killed loading process", 1)


def both(launcher, folder, fault=()):
    """Runs a retraining in two processes, the second with a fault; their exit codes."""
    words, port = begin_or_resume("retraining", folder), free_port()
    return launcher.codes(
        *(
            {
                "words": words, "fault": fault if rank else (), "folder": str(folder),
                "said": str(folder / "said"),
                "environment": {
                    "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": 2,
                    "RANK": rank, "LOCAL_RANK": rank,
                },
            }
            for rank in range(2)
        )
    )  # fmt: skip


def test_a_rank(launcher, tmp_path, rng, seen):
    alone, folder = tmp_path / "alone", tmp_path / "killed"
    assert both(launcher, alone) == [0, 0], said(alone)
    death = ("killed", {"kind": "step", "number": rng.randrange(4)})
    survivor, dead = both(launcher, folder, death)
    assert dead == -signal.SIGKILL, said(folder)
    assert survivor in (1, 2), said(folder)  # and not the alarm of one that waits for ever
    assert both(launcher, folder) == [0, 0], said(folder)
    runs = [place / "runs" / "toy" for place in (alone, folder)]
    assert left("retraining", runs[1]) == left("retraining", runs[0])
    seen("killed rank", 1)


@pytest.mark.parametrize("text", ["Connection closed by peer [127.0.0.1]:2", "writev: Broken pipe"])
def test_lost_processes_are_told_by_what_pytorch_says(text):
    assert peer_lost(RuntimeError(f"[gloo/transport/tcp/pair.cc:538] {text}"))
    assert loader_died(RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."))
    assert not peer_lost(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not loader_died(ValueError("DataLoader worker"))
