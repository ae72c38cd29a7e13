"""What docs/ tells people to type works.

Every fenced block is run in a folder of its page's own, in order: bash commands at reduced size,
Python as it stands, files written where their first line says. A bash block that begins with
`# needs data`, `a GPU`, `a cluster`, `a network` or `time` is only parsed: its configuration must
load.
"""

from __future__ import annotations

import importlib
import os
import runpy
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

import squeezenas
from squeezenas.ask_tell import compare
from squeezenas.cli.main import main
from squeezenas.core.recipes import load_search
from squeezenas.core.search_config import SearchConfig
from squeezenas.core.space import spaces
from squeezenas.data.frames import class_names, layouts
from squeezenas.predictors.predictor import predictors
from squeezenas.runtimes.runtime import runtimes
from squeezenas.strategies.ask_tell import ask_tell_strategies
from squeezenas.strategies.base import strategies
from tests.conftest import REPOSITORY
from tests.pages import SCRIPTS, SHELL, Block, blocks, ours, settings, understood

PAGES = sorted((REPOSITORY / "docs").glob("*.md"))
REGISTRIES = (
    ask_tell_strategies, class_names, layouts, predictors, runtimes, spaces, strategies,
)  # fmt: skip

SEARCH = (
    "regime.epochs=2", "regime.warmup_epochs=1", "regime.steps_per_epoch=1", "regime.batch_size=2",
    "regime.crop=[32,64]", "regime.select.candidates=1", "regime.select.random=1",
    "regime.select.recalibration_batches=1", "regime.select.images=1", "tracking=none",
)  # fmt: skip
FEWER_UNITS = ("regime.scale={depth: 0.25}", "regime.cost.target=0.03")  # a quarter of the units
GENERATED = tuple(
    f"datasets.generate.{key}" for key in ("train=8", "val=2", "height=64", "width=128")
)
STAGE = (
    "epochs=1",
    "steps_per_epoch=1",
    "batch_size=2",
    "crop=[32,64]",
    "optimiser.warmup_epochs=0",
)
TRAIN = tuple(f"regime.stages.street_scenes.{key}" for key in STAGE)


def reduced(words: list[str]) -> list[str]:
    """The command at a size that takes seconds."""
    if words[0] == "train":
        return [*words, *TRAIN]
    if words[0] != "search" or "--resume" in words:
        return words
    config = load_search(settings(words[1:]))
    if not isinstance(config, SearchConfig):
        return words
    own = config.regime.space != "squeezenas_small" or config.regime.cost.table
    scale = () if own else FEWER_UNITS
    return [*words, *SEARCH, *scale, *(GENERATED if config.datasets.generate else ())]


@pytest.fixture
def threads_in_place_of_processes(monkeypatch):
    """A comparison's own processes would not know what a page has just registered."""

    def pool(jobs, context, initializer, initargs):
        return ThreadPoolExecutor(jobs, initializer=initializer, initargs=initargs)

    monkeypatch.setattr(compare, "ProcessPoolExecutor", pool)


@pytest.fixture
def work(tmp_path, monkeypatch):
    """The page's folder, whose `squeezenas/` belongs to the package; nothing of it stays."""
    monkeypatch.chdir(tmp_path)
    known = [(registry, registry.names()) for registry in REGISTRIES]
    modules = set(sys.modules)
    for package in ("data.layouts", "runtimes", "spaces", "strategies"):
        module = importlib.import_module(f"squeezenas.{package}")
        own = tmp_path / "squeezenas" / package.replace(".", "/")
        monkeypatch.setattr(module, "__path__", [*module.__path__, str(own)])
    with torch.random.fork_rng(devices=[]):
        yield tmp_path
    for registry, names in known:
        for name in set(registry.names()) - set(names):
            del registry._entries[name]
    for name in set(sys.modules) - modules:
        if name.startswith("squeezenas.") and str(tmp_path) in str(sys.modules[name].__file__):
            parent, _, child = name.rpartition(".")
            delattr(sys.modules[parent], child)
            del sys.modules[name]


def write(block: Block, folder: Path) -> None:
    """Puts a block where its first line says; a module of the package is imported."""
    path = folder / block.place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text)
    if path.suffix == ".yaml":
        assert yaml.safe_load(block.text)
    if block.place.startswith("squeezenas/"):
        importlib.invalidate_caches()
        importlib.import_module(block.place.removesuffix(".py").replace("/", "."))


def run(words: list[str]) -> int:
    """Runs one command and returns its exit code."""
    if own := ours(words):
        return main(reduced(own))
    match words:
        case ["mkdir", "-p", *folders]:
            for folder in folders:
                Path(folder).mkdir(parents=True, exist_ok=True)
        case ["cd", folder]:
            os.chdir(folder)
        case ["python", script]:
            runpy.run_path(script, run_name="__main__")
        case _:
            pytest.fail(f"{' '.join(words)}: mark its block with what it needs")
    return 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_blocks_work(page, work, threads_in_place_of_processes, capsys):
    here = work
    for block in blocks(page):
        if block.place:
            write(block, here)
        elif block.language == "python" and page.stem != "architecture":  # outlines of the design
            exec(compile(block.text, page.name, "exec"), {"__name__": page.stem})
        elif block.language == "bash" and not block.needs:
            for words in block.commands():
                assert not any(set(word) & SHELL for word in words[:1]), words
                code = run(words)
                assert code == 0, f"{' '.join(words)}\n{capsys.readouterr()}"
        here = Path.cwd()


def test_marked_commands_are_understood(repository, work):
    network = repository / "models" / "squeezenas_mac_small.yaml"
    count = 0
    for page in PAGES:
        for block in blocks(page):
            if block.place.startswith(("datasets/", "training_regimes/")):
                write(block, work)
            for words in block.commands() if block.needs else ():
                if own := ours(words):
                    assert understood(own, network), words
                    count += 1
                if words[:2] == ["python", "-m"] and words[2].startswith("benchmarks."):
                    module = words[2].replace(".", "/")
                    assert (repository / f"{module}.py").is_file(), words
    assert count >= 12


def test_the_layout_of_the_example_reads_what_it_says(work):
    for block in blocks(REPOSITORY / "docs" / "extending.md"):
        if "pascal_voc" in block.place:
            write(block, work)
    root = work / "voc"
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    for split, stem in (("train", "2007_000032"), ("val", "2007_000033")):
        (root / "ImageSets" / "Segmentation" / f"{split}.txt").write_text(f"{stem}\n")
        cv2.imwrite(str(root / "JPEGImages" / f"{stem}.jpg"), np.zeros((8, 8, 3), np.uint8))
        ids = np.array([[0, 20] * 4] * 7 + [[255] * 8], np.uint8)
        cv2.imwrite(str(root / "SegmentationClass" / f"{stem}.png"), ids)
    assert main(["data", "check", "datasets=pascal_voc", f"datasets.root={root}"]) == 0


def test_what_a_page_registers_goes_with_it():
    """As the fixture promises; whichever page ran before in this process."""
    documented = {"local_search", "reinmax", "kernels", "pascal_voc", "opencv"}
    assert not documented & {name for registry in REGISTRIES for name in registry.names()}
    assert squeezenas.__file__ is not None
    assert SCRIPTS == ("search.py", "train.py")
