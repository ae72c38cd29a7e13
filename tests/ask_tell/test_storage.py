"""Storages that cannot be used say so in a sentence without passwords; journals heal."""

import json
import logging
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import optuna
import pytest

from squeezenas.ask_tell import journal
from squeezenas.ask_tell.liveness import machine
from squeezenas.ask_tell.storage import open_storage
from tests.ask_tell.toy import run, trials


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("jornal", ValueError, "storage: not understood, expected memory, journal,"),
        ("journal:", ValueError, "expected memory, journal,"),
        ("mysql://me:secret@host/trials", ValueError, "storage 'mysql' is not known, expected"),
        ("sqlite:////no/such/folder/trials.db", OSError, "unable to open database file.*storage="),
        ("journal:/no/such/folder/trials", OSError, "journal /no/such/folder/trials: cannot be"),
        ("postgresql://me:secret@127.0.0.1:1/trials", OSError, "refused.*check that it is there"),
        ("postgresql+nothing://me:secret@host/trials", ValueError, "package is missing"),
    ],
)
def test_storages_that_are_not_there(name, kind, words, tmp_path):
    with pytest.raises(kind, match=f"(?s){words}") as caught:
        open_storage(name, tmp_path)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_read_only_database(tmp_path):
    file = tmp_path / "trials.db"
    run(trials(open_storage(f"sqlite:///{file}", tmp_path)))
    with pytest.raises(OSError, match=r"readonly.*may be written to"):
        trials(open_storage(f"sqlite:///file:{file}?mode=ro&uri=true", tmp_path))


def test_a_damaged_database(tmp_path):
    """Its schema is whole; the page of one table is not."""
    file = tmp_path / "trials.db"
    trials(open_storage(f"sqlite:///{file}", tmp_path)).close()
    with closing(sqlite3.connect(file)) as database:
        (root,) = database.execute(
            "SELECT rootpage FROM sqlite_master WHERE name='version_info'"
        ).fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    content = bytearray(file.read_bytes())
    content[(root - 1) * size] = 0xFF
    file.write_bytes(content)
    with pytest.raises(
        OSError, match=r"trials\.db: cannot be used \(database disk image is malformed"
    ):
        open_storage(f"sqlite:///{file}", tmp_path)


def test_a_read_only_journal(tmp_path, monkeypatch):
    trials(open_storage("journal", tmp_path))
    opened, whole = open_storage("journal", tmp_path), Path.open

    def read_only(path, mode="r", *arguments):
        if path.name == "trials.journal" and "a" in mode:
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path, mode, *arguments)

    monkeypatch.setattr(Path, "open", read_only)
    with pytest.raises(OSError, match=r"study 'toy': cannot be used .*Permission denied"):
        trials(opened)


def test_a_file_that_is_no_journal(tmp_path):
    for content in ("no\njournal\n", '{"another": "file"}\n', "[1]\n"):
        (tmp_path / "trials").write_text(content)
        with pytest.raises(ValueError, match="trials: not a journal of trials; name another file"):
            open_storage(f"journal:{tmp_path}/trials", tmp_path)


def test_a_torn_line_is_cut_off(tmp_path):
    run(trials(open_storage("journal", tmp_path), budget=2))
    file = tmp_path / "trials.journal"
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"op_code":6,"trial_id":1,"st')
    mine = trials(open_storage("journal", tmp_path), budget=3)
    run(mine)
    assert len(mine.records()) == 3
    content = file.read_bytes()
    assert content.startswith(whole)
    assert all(json.loads(line) for line in content.splitlines())
    assert (
        len(optuna.load_study(study_name="toy", storage=open_storage("journal", tmp_path)).trials)
        == 3
    )


def test_a_lock_left_by_a_process_that_was_killed(tmp_path):
    program = (
        "import os, pathlib; from squeezenas.ask_tell.journal import locked\n"
        f"with locked(pathlib.Path({str(tmp_path / 'trials')!r})): os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    link = tmp_path / "trials.lock"
    assert str(link.readlink()).startswith(machine())
    with journal.locked(tmp_path / "trials"):
        assert link.is_symlink()
    assert not link.is_symlink()


def test_a_lock_of_another_machine_is_respected(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "GRACE", 0.05)
    link = tmp_path / "trials.lock"
    link.symlink_to("elsewhere-1")
    pauses = []

    def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:  # a sign of life: another process of that machine has it now
            link.unlink()
            link.symlink_to("elsewhere-2")
        monkeypatch.setattr(journal.time, "monotonic", lambda: len(pauses) * 0.02)

    monkeypatch.setattr(journal.time, "sleep", sleep)
    monkeypatch.setattr(journal.time, "monotonic", lambda: 0.0)
    with journal.locked(tmp_path / "trials"):
        pass
    assert len(pauses) == 6  # the grace period counts from the sign of life


def test_optuna_keeps_quiet(tmp_path, capfd, recwarn):
    run(trials(open_storage("journal", tmp_path)))
    run(trials(open_storage(f"sqlite:///{tmp_path}/trials.db", tmp_path)))
    assert capfd.readouterr() == ("", "")
    assert [str(warning.message) for warning in recwarn] == []
    assert logging.getLogger("optuna").level == logging.WARNING
