"""Program: writes docs/faults.md from the faults of this folder and from what was seen of them.

SQUEEZENAS_FAULTS_RESULTS=$PWD/seen.jsonl python -m pytest tests/faults
python -m tests.faults.table seen.jsonl
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.faults.fault import FAULTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "faults.md"
HEAD = """\
# Faults

What the program is put through, what it must end in, and how often it was seen to end so. A case
that ends otherwise fails its test and is not counted; a fault that was never seen keeps the table
from being written. `tests/faults/table.py` writes it from the tests in `tests/faults/`, which all
run in `make test`, those with real disks where mounting is allowed. Random places are drawn from
`SQUEEZENAS_FAULTS_SEED`, and `SQUEEZENAS_FAULTS_DRAWS` says how many. More of them, and the table
anew:

```bash
# needs time
rm -f seen.jsonl
export SQUEEZENAS_FAULTS_SEED=1 SQUEEZENAS_FAULTS_DRAWS=30 SQUEEZENAS_FAULTS_RESULTS=$PWD/seen.jsonl
python -m pytest tests/faults
python -m pytest -m long tests/faults
python -m tests.faults.table seen.jsonl
```

A process kills itself at the n-th call of a function, never after some time, so every draw can be
repeated. What is read back is sealed: checkpoints, weights, predictors, cost tables and decoded
images hold a SHA-256 of themselves, checkpoints one of the metrics up to them, and every line of a
journal a CRC-32. A file that does not match is refused by name, or made anew where it can be.

Not covered: bits that flip in memory, a power failure (files are synced before they are renamed,
but no test cuts the power), databases other than the journal, and several faults at once.

| fault | injected | must end in | times seen |
|---|---|---|---|
"""


def page(results: Path) -> str:
    """The page, with the times each fault was seen to end as it must.

    Raises:
        ValueError: a fault was not seen.
    """
    times = dict.fromkeys((fault.name for fault in FAULTS), 0)
    for line in results.read_text().splitlines():
        record = json.loads(line)
        times[record["fault"]] += record["times"]
    if missing := [name for name, count in times.items() if not count]:
        raise ValueError(f"{results}: not seen: {', '.join(missing)}; run all tests of faults")
    rows = (
        f"| {fault.name} | {fault.injected} | {fault.expected} | {times[fault.name]:,} |\n"
        for fault in FAULTS
    )
    return HEAD + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page(Path(sys.argv[1])))
    print(f"written: {PAGE}")
