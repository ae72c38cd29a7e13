"""The help pages, generated: cards from the files that are there, keys from the schema."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.files import read_yaml
from squeezenas.core.recipes import DEFAULT_REGIME, cards
from squeezenas.core.schema import Key, keys
from squeezenas.core.search_config import SearchConfig

WIDTH = 100
FLAGS = {
    "--help": "this page",
    "--version": "the version",
    "--debug": "show the traceback of an error",
    "--print-config": "print the resolved configuration and stop (search)",
    "--dry-run": "build everything, run one step, forecast time and memory (search)",
    "--resume RUN": "continue the run in this folder, runs/<name> (search)",
}


def overview() -> str:
    """The page of `squeezenas --help`."""
    return "\n".join(
        [
            "usage: squeezenas COMMAND [group=card] [key=value] [flags]",
            "",
            "commands:",
            "  search      search a space for a network (the same as python search.py)",
            "  data check  read every file of a data set and report sizes, classes and faults",
            "",
            *_flags(),
            "",
            "squeezenas COMMAND --help lists the cards and keys of a command.",
        ]
    )


def search_page() -> str:
    """The page of `squeezenas search --help`."""
    examples = [
        "search",
        "search datasets=cityscapes training_regimes=search_mac_small regime.cost.target=2.5",
        "search training_regimes=my_regime.yaml datasets.root=/data/mine --dry-run",
    ]
    return "\n".join(
        [
            "usage: squeezenas search [group=card] [key=value] [flags]",
            "",
            "Cards are files <group>/<name>.yaml, or any YAML file given as a path.",
            "",
            *(f"  squeezenas {example}" for example in examples),
            "",
            *_flags(),
            "",
            *_cards("datasets"),
            "",
            *_cards("training_regimes"),
            "",
            "keys (training_regimes fills regime.*; a key without a default must be in the card):",
            *_keys(keys(SearchConfig)),
        ]
    )


def data_page() -> str:
    """The page of `squeezenas data --help`."""
    return "\n".join(
        [
            "usage: squeezenas data check datasets=<card> [datasets.key=value]",
            "",
            "Reads every file of every split and reports sizes, ids, class frequencies and faults;",
            "exit code 0 when all is well, 2 when there are faults.",
            "",
            *_cards("datasets"),
            "",
            "keys:",
            *_keys(keys(DatasetCard, "datasets")),
        ]
    )


def _flags() -> list[str]:
    return ["flags, anywhere among the arguments:", *(f"  {f:<15} {m}" for f, m in FLAGS.items())]


def _cards(group: str) -> list[str]:
    lines = [f"{group}:"]
    for name, file in cards(group).items():
        try:
            card = read_yaml(file)
            about = str(card.get("description") or card.get("title") or "")
        except (ValueError, OSError) as error:  # a broken card must not take the help page away
            about = f"unreadable: {error}"
        mark = " (default)" if name == DEFAULT_REGIME else ""
        lines += textwrap.wrap(
            f"{name:<22} {about}{mark}",
            WIDTH,
            initial_indent="  ",
            subsequent_indent=" " * 25,
            break_on_hyphens=False,
        )
    return lines


def _keys(schema: Sequence[Key]) -> list[str]:
    lines = []
    for key in schema:
        default = "" if key.default is None else f", default {key.default}"
        lines.append(f"  {key.path}: {key.accepts}{default}")
        lines += textwrap.wrap(
            key.meaning, WIDTH, initial_indent="      ", subsequent_indent="      "
        )
    return lines
