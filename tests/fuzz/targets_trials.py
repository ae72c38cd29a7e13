"""Journals and databases of trials, and fitted predictors: what one researcher hands to another.

Their seals and checksums are put right after a change: whoever means harm can do that too.
"""

from __future__ import annotations

import functools
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from squeezenas.ask_tell.journal import CHECKSUM
from squeezenas.ask_tell.storage import open_storage
from squeezenas.core.seal import BLANK, filled
from squeezenas.predictors.predictor import make_predictor
from squeezenas.predictors.saved import load_predictor, save_predictor
from tests.ask_tell.toy import run, trials
from tests.fuzz.target import Target
from tests.predictors.planted import SPACE, drawn

SIZES = {
    "boosting": {"trees": 4},
    "gcn": {"hidden": 4, "dense": 3, "layers": 2, "epochs": 1, "stages": 2},
    "mlp": {"hidden": 3, "epochs": 1, "members": 2},
    "rnn": {"hidden": 3, "embedding": 2, "epochs": 1},
}


@functools.cache
def _journal() -> Sequence[bytes]:
    """A search of three trials, its lines without their checksums."""
    with tempfile.TemporaryDirectory() as folder:
        mine = trials(open_storage("journal", Path(folder)), budget=3)
        run(mine)
        mine.close()
        lines = (Path(folder) / "trials.journal").read_bytes().splitlines()
    return [b"".join(line.rpartition(CHECKSUM)[0] + b"}\n" for line in lines)]


def _read_journal(path: Path) -> object:
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(
        b"\n".join(
            line[:-1] + CHECKSUM + b'%08x"}' % zlib.crc32(line) if line.endswith(b"}") else line
            for line in lines
        )
    )
    return _records(f"journal:{path}", path)


@functools.cache
def _sqlite() -> Sequence[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        storage = open_storage(f"sqlite:///{folder}/trials.db", Path(folder))
        mine = trials(storage, budget=2)
        run(mine)
        mine.close()
        return [(Path(folder) / "trials.db").read_bytes()]


def _records(storage: str, path: Path) -> object:
    theirs = trials(open_storage(storage, path.parent), budget=3)
    try:
        return theirs.records()
    finally:
        theirs.close()


def _predictor(name: str) -> Callable[[], Sequence[bytes]]:
    @functools.cache
    def fitted() -> Sequence[bytes]:
        architectures, values = drawn(12)
        predictor = make_predictor(name, SIZES[name], SPACE)
        predictor.fit(architectures, np.asarray(values))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "p"
            save_predictor(path, predictor, name)
            content = path.read_bytes()
        at = content.index(b'\\"seal\\": \\"') + len(b'\\"seal\\": \\"')
        return [content[:at] + BLANK.encode() + content[at + len(BLANK) :]]

    return fitted


def _read_predictor(path: Path) -> object:
    path.write_bytes(filled(path.read_bytes()))
    return load_predictor(path, SPACE).predict(drawn(5)[0])


TARGETS = [
    Target(
        "trials_journal",
        _read_journal,
        _journal,
        ("text",),
        "trials.journal",
        named=False,  # but the study is
        covers=("ask_tell.journal",),
    ),
    Target(
        "trials_sqlite",
        lambda path: _records(f"sqlite:///{path}", path),
        _sqlite,
        (),
        "trials.db",
        named=False,
        covers=("ask_tell.storage",),
    ),
    *(
        Target(
            f"predictor_{name}",
            _read_predictor,
            _predictor(name),
            ("safetensors",),
            "p.safetensors",
            covers=("predictors.saved",),
        )
        for name in SIZES
    ),
]
