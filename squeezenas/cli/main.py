"""The entry point: flags, dispatch, exit codes. Heavy imports wait until a command really runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from squeezenas import __version__
from squeezenas.cli.errors import USER_ERROR, exit_code
from squeezenas.core.registry import nearest

COMMANDS = ("search", "data")
SWITCHES = ("--help", "--version", "--debug", "--print-config", "--dry-run")


@dataclass(frozen=True)
class CommandLine:
    """The arguments sorted: flags that are on, the run to resume, and all the rest in order."""

    flags: frozenset[str]
    resume: Path | None
    words: tuple[str, ...]


def entry() -> None:
    """The console script `squeezenas`."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """Runs one command line and returns its exit code (0 fine, 2 a mistake that is explained).

    Args:
        arguments: what follows the program's name, `["search", "regime.epochs=3", "--dry-run"]`.
    """
    return exit_code(lambda: _run(_sort(arguments)), debug="--debug" in arguments)


def _sort(arguments: Sequence[str]) -> CommandLine:
    flags, words, resume = set(), [], None
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if name == "--resume":
            value = value if equals else next(rest, "")
            if not value or value.startswith("-"):
                raise ValueError("--resume: name the folder of the run, --resume runs/<name>")
            resume = Path(value)
        elif argument == "-h" or argument in SWITCHES:
            flags.add("--help" if argument == "-h" else argument)
        elif argument.startswith("-"):
            known = [*SWITCHES, "--resume"]
            raise ValueError(f"unknown flag {argument}{nearest(name, known)}; see --help")
        else:
            words.append(argument)
    return CommandLine(frozenset(flags), resume, tuple(words))


def _run(line: CommandLine) -> int:
    if "--version" in line.flags:
        print(f"squeezenas {__version__}")
        return 0
    command, *rest = line.words or ("",)
    if command == "search":
        return _search(line, rest)
    if command == "data":
        return _data(line, rest)
    if command:
        known = ", ".join(COMMANDS)
        raise ValueError(
            f"unknown command {command!r}{nearest(command, [*COMMANDS])}; known: {known}"
        )
    from squeezenas.cli import help as pages

    print(pages.overview(), file=sys.stdout if line.flags else sys.stderr)
    return 0 if "--help" in line.flags else USER_ERROR


def _search(line: CommandLine, arguments: list[str]) -> int:
    if "--help" in line.flags:
        from squeezenas.cli import help as pages

        print(pages.search_page())
        return 0
    from squeezenas.core.recipes import load_search
    from squeezenas.core.resume import load_resumed

    config = load_resumed(line.resume, arguments) if line.resume else load_search(arguments)
    if "--print-config" in line.flags:
        from squeezenas.core.files import to_yaml

        print(to_yaml(config.model_dump(mode="json")), end="")
        return 0
    # Read by torch when it loads: large tensors in huge pages cause fewer page faults.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    from squeezenas.cli import search

    return search.main(config, line.resume, "--dry-run" in line.flags)


def _data(line: CommandLine, arguments: list[str]) -> int:
    if "--help" in line.flags:
        from squeezenas.cli import help as pages

        print(pages.data_page())
        return 0
    misplaced = sorted(line.flags & {"--print-config", "--dry-run"})
    if line.resume:
        misplaced.append("--resume")
    if misplaced:
        raise ValueError(f"{', '.join(misplaced)}: only for `squeezenas search`; leave it out")
    from squeezenas.cli import data

    return data.main(arguments)


if __name__ == "__main__":
    entry()
