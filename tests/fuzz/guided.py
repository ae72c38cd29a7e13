"""Coverage-guided attack on one reader, where atheris runs: inputs that reach new code breed.

python -m tests.fuzz.guided READER -runs=100000    # and any other option of libFuzzer

A fault ends it with what is wrong; libFuzzer keeps that input as `crash-...` in this folder.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

try:
    import atheris
except ImportError:
    raise SystemExit("atheris is missing: pip install atheris (Linux)") from None

LIMITS = ("-timeout=10", "-rss_limit_mb=6144", "-max_len=65536")


def main(name: str, *options: str) -> None:
    """Attacks a reader until libFuzzer's options end it, or a fault does."""
    with atheris.instrument_imports(include=["squeezenas"]):
        from tests.fuzz.child import attempt
        from tests.fuzz.guard import Guard
        from tests.fuzz.target import FILES, targets

        known = {target.name: target for file in FILES for target in targets(file).values()}
    if name not in known:
        raise SystemExit(f"{name}: no such reader; there are {', '.join(known)}")
    target, kept = known[name], Path.cwd()
    folder = Path(tempfile.mkdtemp())
    for place in ("given", "elsewhere", "corpus"):
        (folder / place).mkdir()
    for number, content in enumerate(target.seeds()):
        (folder / "corpus" / str(number)).write_bytes(content)
    os.chdir(folder / "elsewhere")
    guard = Guard()

    def attack(content: bytes) -> None:
        found = attempt(target, content, folder / "given", guard)
        if found["outcome"] == "fault":
            raise RuntimeError(found["why"])

    own = (f"-artifact_prefix={kept}/", *LIMITS, *options, str(folder / "corpus"))
    atheris.Setup([sys.argv[0], *own], attack)
    atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
