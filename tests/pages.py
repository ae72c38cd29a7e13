"""The pages of docs/ as tests see them: fenced blocks, the commands in them, and code spans."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from squeezenas.cli import zoo
from squeezenas.core.benchmark_config import load_benchmark
from squeezenas.core.compare_config import load_comparison
from squeezenas.core.evaluate_config import load_evaluation
from squeezenas.core.export_config import ExportConfig
from squeezenas.core.network_config import load_network_config
from squeezenas.core.predict_config import PredictConfig
from squeezenas.core.predictor_config import FitConfig, ScoreConfig, load_predictor_config
from squeezenas.core.recipes import load_card, load_retraining, load_search
from squeezenas.core.report_config import load_report
from squeezenas.core.scale_config import load_scaling

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"# needs (data|a GPU|a cluster|a network|time)\n")
PLACE = re.compile(r"# ([\w.-]+(?:/[\w.-]+)*\.(?:py|yaml|csv))\n")
SCRIPTS = ("search.py", "train.py")
SHELL = frozenset("|&;<>`$")
FOUND = "runs/"
"""How paths of networks begin that only a run would leave."""


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Args:
        language: behind the fence.
        text: without the fences, without the mark.
        needs: what the mark in its first line says that it needs; empty: nothing.
        place: the file that its first line says it is; empty: none.
    """

    language: str
    text: str
    needs: str = ""
    place: str = ""

    def commands(self) -> Iterator[list[str]]:
        """The words of each command; a backslash goes on in the next line."""
        for line in self.text.replace("\\\n", " ").splitlines():
            if words := shlex.split(line, comments=True):
                yield words


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found = []
    for language, text in FENCE.findall(page.read_text(encoding="utf-8")):
        mark, place = MARK.match(text), PLACE.match(text)
        needs = mark[1] if mark and language == "bash" else ""
        named = place[1] if place and language != "bash" else ""
        start = mark.end() if needs and mark else place.end() if language == "csv" and place else 0
        found.append(Block(language, text[start:], needs, named))
    return found


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def spans(page: Path) -> list[str]:
    """What stands in backticks in the prose of a page."""
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", prose(page))


def ours(words: Sequence[str]) -> list[str]:
    """What `squeezenas` is given by a command, whatever starts it; nothing if it is another's.

    A script stands for its command: `torchrun --nproc-per-node=8 search.py seed=1` is `search
    seed=1`.
    """
    words = list(words)
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):  # of the environment
        words = words[1:]
    if words[:1] == ["squeezenas"]:
        return words[1:]
    if words[:1] in (["python"], ["torchrun"], ["srun"]):
        for script in set(words) & set(SCRIPTS):
            return [script.removesuffix(".py"), *words[words.index(script) + 1 :]]
    return []


def settings(words: Sequence[str]) -> list[str]:
    """The arguments of a command without its flags and their values."""
    kept, skip = [], False
    for word in words:
        if not skip and not word.startswith("-"):
            kept.append(word)
        skip = word in ("--resume", "--workers")
    return kept


def understood(words: Sequence[str], network: Path) -> bool:
    """Whether a command of ours is one that exists and its configuration is accepted.

    Args:
        words: as of `ours`.
        network: a model card in the place of those that only a run would leave.

    Raises:
        FileNotFoundError, ValueError: what a user would be told.
    """
    command, *rest = settings(words) or [""]
    rest = [re.sub(rf"^models={FOUND}.*", f"models={network}", word) for word in rest]
    match command:
        case "search":
            resumed = "--resume" in words
            return resumed or load_search(rest).regime is not None
        case "train":
            named = any(word.startswith("models=") for word in rest)
            return load_retraining(rest if named else [*rest, f"models={network}"]).seed >= 0
        case "evaluate":
            return bool(load_evaluation(rest))
        case "predict":
            return bool(load_network_config(PredictConfig, rest))
        case "export":
            return bool(load_network_config(ExportConfig, rest))
        case "benchmark":
            return bool(load_benchmark(rest))
        case "compare":
            return bool(load_comparison(rest))
        case "scale":
            return bool(load_scaling(rest))
        case "report":
            return bool(load_report(rest))
        case "predictor":
            kind = {"fit": FitConfig, "score": ScoreConfig}[rest[0]]
            return bool(load_predictor_config(kind, rest[1:]))
        case "data":
            return rest[0] == "check" and bool(load_card(rest[1:]))
        case "zoo":
            return rest[0] in zoo.USAGE
    return "--help" in words or "--version" in words
