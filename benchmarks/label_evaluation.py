"""The evaluation of label PNGs against cityscapesScripts: seconds a frame, figures compared.

    CITYSCAPES_ROOT=FOLDER python -m benchmarks.label_evaluation --output FILE.json

Each variant runs in processes of its own, taking turns: ours on one and on two cores, theirs on one
in Python, and theirs with its C extension where that is built. Predictions are the labels, shifted
by a few pixels. Instances are scored on the frames that have instance files.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
OFFICIAL = "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling"
SPLITS = ("train", "val")
SHIFT = (2, 3)  # rows and columns
NOT_PREDICTED = (29, 30)  # caravan and trailer: only theirs counts them for a category

Found = dict[str, Any]


def members(instances: bool) -> tuple[Any, list[Any]]:
    """The card and its frames, those with instance files if instances are to be scored."""
    from squeezenas.core.recipes import load_dataset
    from squeezenas.data.frames import frames
    from squeezenas.training.label_files import instance_file

    card = load_dataset(["datasets=cityscapes"])
    found = [frame for split in SPLITS for frame in frames(card, split)]
    return card, [frame for frame in found if not instances or instance_file(frame)]


def shift_labels(folder: Path) -> None:
    """Writes the predictions that are scored."""
    import cv2
    import numpy as np

    from squeezenas.data.decode import read_mask_ids

    for frame in members(instances=False)[1]:
        moved = np.roll(read_mask_ids(frame.mask), SHIFT, (0, 1))
        moved[np.isin(moved, NOT_PREDICTED)] = 0
        cv2.imwrite(str(folder / f"{frame.stem}_pred_labelIds.png"), moved)


def ours(folder: Path, instances: bool, repeats: int, cores: int) -> Found:
    import torch

    from squeezenas.training.evaluation import evaluate_predictions

    torch.set_num_threads(cores)
    card, found = members(instances)
    if not instances:
        card = card.model_copy(update={"instance_sizes": {}})
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        evaluation = evaluate_predictions(folder, found, card)
        figures = evaluation.figures()
        seconds.append((time.perf_counter() - begin) / len(found))
    return {"seconds": seconds, "frames": len(found), "figures": figures}


def theirs(folder: Path, instances: bool, repeats: int, extension: bool) -> Found | None:
    import numpy as np

    official = importlib.import_module(OFFICIAL)
    if not hasattr(np, "in1d"):  # NumPy 2.4 took it away
        np.in1d = np.isin  # type: ignore[attr-defined]
    if extension and not official.CSUPPORT:
        return None
    official.CSUPPORT = extension
    official.args.quiet, official.args.JSONOutput = True, False
    official.args.evalInstLevelScore = instances
    _, found = members(instances)
    files = [str(folder / f"{frame.stem}_pred_labelIds.png") for frame in found]
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        scores = official.evaluateImgLists(files, [str(f.mask) for f in found], official.args)
        seconds.append((time.perf_counter() - begin) / len(found))
    names = {
        "miou": "averageScoreClasses",
        "category_miou": "averageScoreCategories",
        "iiou": "averageScoreInstClasses",
        "category_iiou": "averageScoreInstCategories",
    }
    figures = {name: float(scores[key]) for name, key in names.items()}
    return {"seconds": seconds, "frames": len(found), "figures": figures}


VARIANTS = {"ours": 1, "ours, two cores": 2, "theirs": 1, "theirs, C": 1}
"""Cores of each variant."""


def measured(name: str, folder: Path, instances: bool, repeats: int) -> Found | None:
    """One variant in this process, bound to its cores."""
    cores = VARIANTS[name]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    if name.startswith("ours"):
        return ours(folder, instances, repeats, cores)
    return theirs(folder, instances, repeats, extension=name.endswith("C"))


def one(name: str, folder: Path, instances: bool, repeats: int) -> Found | None:
    """One variant in a fresh process."""
    words = [sys.executable, "-m", "benchmarks.label_evaluation", "--variant", name]
    words += ["--folder", str(folder), "--repeats", str(repeats)] + ["--instances"] * instances
    answer = subprocess.run(
        words, cwd=REPOSITORY, env=os.environ | {"OMP_NUM_THREADS": str(VARIANTS[name])},
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    found: Found | None = json.loads(answer.stdout.splitlines()[-1])
    return found


def case(folder: Path, instances: bool, rounds: int, repeats: int) -> Found:
    """All variants, taking turns."""
    runs: dict[str, list[Found]] = {}
    for _ in range(rounds):
        for name in VARIANTS:
            found = one(name, folder, instances, repeats)
            if found is not None:
                runs.setdefault(name, []).append(found)
    summary = {}
    figures = runs["theirs"][0]["figures"]
    slow = [second for run in runs["theirs"] for second in run["seconds"]]
    for name, done in runs.items():
        seconds = [second for run in done for second in run["seconds"]]
        mine = done[0]["figures"]
        summary[name] = {
            "seconds_min": min(seconds),
            "seconds_median": median(seconds),
            "speed": min(slow) / min(seconds),
            "speed_median": median(slow) / median(seconds),
            "largest_difference": max(
                abs(mine[key] - figures[key]) for key in mine.keys() & figures
            ),
        }
    return {"frames": runs["theirs"][0]["frames"], "summary": summary, "runs": runs}


def table(name: str, found: Found) -> str:
    """What a terminal shows of one case."""
    lines = [f"{name}, {found['frames']} frames", f"  {'':18}{'ms a frame':>12}{'speed':>8}"]
    for variant, row in found["summary"].items():
        lines.append(
            f"  {variant:18}{1000 * row['seconds_median']:12.1f}{row['speed_median']:7.2f}x"
            f"   figures differ by {row['largest_difference']:.0e}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="processes of each variant")
    parser.add_argument("--repeats", type=int, default=3, help="evaluations in each process")
    parser.add_argument("--output", type=Path, help="JSON file for everything measured")
    parser.add_argument("--variant", choices=list(VARIANTS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--instances", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.variant:
        words = arguments.variant, arguments.folder, arguments.instances, arguments.repeats
        print(json.dumps(measured(*words)))
        return

    from squeezenas.core.files import write_atomically
    from squeezenas.tracking.environment import environment

    here = environment()
    report: dict[str, Any] = {
        **{key: here[key] for key in ("date", "python", "platform", "libraries", "cpu", "git")},
        "load_at_start": os.getloadavg(),
        "cases": {},
    }
    with tempfile.TemporaryDirectory() as scratch:
        shift_labels(Path(scratch))
        for name, instances in (("pixels", False), ("pixels and instances", True)):
            found = case(Path(scratch), instances, arguments.rounds, arguments.repeats)
            print(table(name, found), flush=True)
            report["cases"][name] = found
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(arguments.output, json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
