"""A PostgreSQL server for one test, from the system's packages."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def program(name: str) -> str:
    """A program of PostgreSQL, which Debian keeps out of the search path."""
    found = [str(path) for path in Path("/usr/lib/postgresql").glob(f"*/bin/{name}")]
    path = shutil.which(name) or max(found, default=None)
    if path is None:
        pytest.skip(f"PostgreSQL's {name} is not installed")
    return path


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Its URL; it listens on a socket in the folder only. The server refuses to run as root."""
    user = []
    if os.getuid() == 0:
        runuser = shutil.which("runuser")
        if runuser is None or subprocess.run(["id", "postgres"], capture_output=True).returncode:
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
        user = [runuser, "-u", "postgres", "--"]
        shutil.chown(folder, "postgres")
    data = folder / "data"
    settings = f"-c listen_addresses='' -k {folder} -c fsync=off"

    def run(name: str, *arguments: str) -> None:
        subprocess.run(
            [*user, program(name), "-D", str(data), *arguments],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    run("initdb", "-U", "tester", "-A", "trust", "--no-sync")
    run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", settings, "start")
    try:
        yield f"postgresql://tester@/postgres?host={folder}"
    finally:
        run("pg_ctl", "-w", "-m", "immediate", "stop")
