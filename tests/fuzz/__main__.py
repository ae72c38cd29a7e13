"""All readers against many mutants, resumable target by target; prints a table.

python -m tests.fuzz --inputs 10000 --seed 0 --output benchmarks/results/fuzz_cpu.json
python -m tests.fuzz --only NAME --index 17 > mutant     # one input, to look at
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from squeezenas.tracking.environment import environment
from tests.fuzz.mutations import mutant
from tests.fuzz.run import attack
from tests.fuzz.target import FILES, targets

parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
parser.add_argument("--inputs", type=int, default=300, help="of each target")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--files", nargs="*", default=FILES, help="modules of targets")
parser.add_argument("--only", nargs="*", help="names of targets")
parser.add_argument("--index", type=int, help="writes this input of the target to stdout")
parser.add_argument("--output", type=Path, help="JSON; what is in it already is not run again")
given = parser.parse_args()

chosen = [
    (file, target)
    for file in given.files
    for target in targets(file).values()
    if given.only is None or target.name in given.only
]
if given.index is not None:
    sys.stdout.buffer.write(mutant(chosen[0][1], given.seed, given.index))
    raise SystemExit
done = {}
if given.output and given.output.is_file():
    done = json.loads(given.output.read_text())["targets"]
faults = 0
print(f"{'target':<28}{'inputs':>8}{'accepted':>10}{'refused':>9}{'faults':>8}{'slowest':>9}")
for file, target in chosen:
    name = target.name
    before = done.get(name, {})
    if before.get("seed") != given.seed or before.get("inputs", 0) < given.inputs:
        done[name] = asdict(attack(file, {name: given.inputs}, given.seed)[name])
        if given.output:
            told = {"environment": environment(), "targets": done}
            given.output.write_text(json.dumps(told, indent=1) + "\n")
    row = done[name]
    print(
        f"{name:<28}{row['inputs']:>8}{row['accepted']:>10}{row['refused']:>9}{row['faults']:>8}"
        f"{row['slowest_seconds']:>8}s",
        flush=True,
    )
    for why, examples in row["findings"].items():
        print(f"    {why}  (inputs {', '.join(map(str, examples))})")
    faults += row["faults"]
raise SystemExit(faults > 0)
