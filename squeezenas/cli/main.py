"""The entry point: flags, dispatch, exit codes. Heavy imports wait until a command really runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from squeezenas import __version__
from squeezenas.cli.errors import USER_ERROR, exit_code
from squeezenas.core.registry import nearest
from squeezenas.core.stopped import TRY_AGAIN

if TYPE_CHECKING:
    from squeezenas.cli.resuming import Resumption
    from squeezenas.core.run_config import RunConfig

SWITCHES = ("--help", "--version", "--debug", "--print-config", "--dry-run", "--auto-resume")


@dataclass(frozen=True)
class CommandLine:
    """The arguments sorted: flags that are on, the run to resume, the rest in order, processes."""

    flags: frozenset[str]
    resume: Path | None
    words: tuple[str, ...]
    workers: str = ""


def entry() -> None:
    """The console script `squeezenas`."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """Runs one command line and returns its exit code (0 fine, 2 a mistake that is explained).

    A run that was stopped in good order gives 75, or 130 after Ctrl-C.

    Args:
        arguments: what follows the program's name, `["search", "regime.epochs=3", "--dry-run"]`.
    """
    return exit_code(lambda: _run(_sort(arguments)), debug="--debug" in arguments)


def _sort(arguments: Sequence[str]) -> CommandLine:
    flags, words, resume, workers = set(), [], None, ""
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if name == "--resume":
            value = value if equals else next(rest, "")
            if not value or value.startswith("-"):
                raise ValueError("--resume: name the folder of the run, --resume runs/<name>")
            resume = Path(value)
        elif name == "--workers":
            workers = value if equals else next(rest, "")
            if not workers.isdigit():
                raise ValueError("--workers: say how many processes, --workers 2")
        elif argument == "-h" or argument in SWITCHES:
            flags.add("--help" if argument == "-h" else argument)
        elif argument.startswith("-"):
            known = [*SWITCHES, "--resume", "--workers"]
            raise ValueError(f"unknown flag {argument}{nearest(name, known)}; see --help")
        else:
            words.append(argument)
    return CommandLine(frozenset(flags), resume, tuple(words), workers)


def _run(line: CommandLine) -> int:
    if "--version" in line.flags:
        print(f"squeezenas {__version__}")
        return 0
    command, *rest = line.words or ("",)
    if command and command not in COMMANDS:
        known = ", ".join(COMMANDS)
        raise ValueError(
            f"unknown command {command!r}{nearest(command, [*COMMANDS])}; known: {known}"
        )
    if not command or "--help" in line.flags:
        from squeezenas.cli import help as pages

        page = getattr(pages, f"{command}_page") if command else pages.overview
        print(page(), file=sys.stdout if line.flags else sys.stderr)
        return 0 if "--help" in line.flags else USER_ERROR
    return COMMANDS[command](line, rest)


def _search(line: CommandLine, arguments: list[str]) -> int:
    from squeezenas.cli.resuming import finished, resumption
    from squeezenas.core.recipes import load_search
    from squeezenas.core.resume import load_resumed_search
    from squeezenas.core.search_config import SearchConfig

    known = resumption(line.resume, "--auto-resume" in line.flags, arguments)
    if known and known.stopped:
        return TRY_AGAIN
    resume = known.folder if known else None
    load = partial(load_resumed_search, resume) if resume else load_search
    config = load(arguments)
    if line.workers:
        if isinstance(config, SearchConfig):
            raise ValueError("--workers: this search is one-shot; start it with torchrun instead")
        config = load([*arguments, f"processes={line.workers}"])
    if "--print-config" in line.flags:
        return _print_config(config)
    if known and known.automatic and finished(known.folder, config):
        return _say_finished(known)
    _tune_allocator()
    with _listening(config, known):
        if isinstance(config, SearchConfig):
            from squeezenas.cli import search

            return search.main(config, resume, "--dry-run" in line.flags)
        from squeezenas.cli import ask_tell

        return ask_tell.main(config, resume, "--dry-run" in line.flags)


def _train(line: CommandLine, arguments: list[str]) -> int:
    if line.workers:
        raise ValueError("--workers: only for `search`; loading processes are workers=N")
    from squeezenas.cli.resuming import finished, resumption
    from squeezenas.core.recipes import load_retraining
    from squeezenas.core.resume import load_resumed
    from squeezenas.core.retrain_config import RetrainConfig

    known = resumption(line.resume, "--auto-resume" in line.flags, arguments)
    if known and known.stopped:
        return TRY_AGAIN
    resume = known.folder if known else None
    config = (
        load_resumed(resume, arguments, RetrainConfig) if resume else load_retraining(arguments)
    )
    if "--print-config" in line.flags:
        return _print_config(config)
    if known and known.automatic and finished(known.folder, config):
        return _say_finished(known)
    _tune_allocator()
    with _listening(config, known):
        from squeezenas.cli import train

        return train.main(config, resume, "--dry-run" in line.flags)


def _say_finished(known: Resumption) -> int:
    if os.environ.get("RANK", "0") == "0":
        print(f"{known.folder} is finished already; there is nothing to go on with")
    return 0


def _listening(config: RunConfig, known: Resumption | None) -> AbstractContextManager[None]:
    from squeezenas.engine.preemption import listening

    return listening(config.time_limit, known.spent if known else 0.0)


def _print_config(config: RunConfig) -> int:
    from squeezenas.core.files import to_yaml

    print(to_yaml(config.model_dump(mode="json")), end="")
    return 0


def _tune_allocator() -> None:
    """Read by torch when it loads: large tensors in huge pages cause fewer page faults."""
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


def _evaluate(line: CommandLine, arguments: list[str]) -> int:
    _refuse_run_flags(line)
    from squeezenas.core.evaluate_config import load_evaluation

    config, folder = load_evaluation(arguments)
    _tune_allocator()
    from squeezenas.cli import evaluate

    return evaluate.main(config, folder)


def _predict(line: CommandLine, arguments: list[str]) -> int:
    _refuse_run_flags(line)
    from squeezenas.core.network_config import load_network_config
    from squeezenas.core.predict_config import PredictConfig

    config, folder = load_network_config(PredictConfig, arguments)
    _tune_allocator()
    from squeezenas.cli import predict

    return predict.main(config, folder)


def _export(line: CommandLine, arguments: list[str]) -> int:
    _refuse_run_flags(line)
    from squeezenas.core.export_config import ExportConfig
    from squeezenas.core.network_config import load_network_config

    config, folder = load_network_config(ExportConfig, arguments)
    from squeezenas.cli import export

    return export.main(config, folder)


def _benchmark(line: CommandLine, arguments: list[str]) -> int:
    _refuse_run_flags(line)
    from squeezenas.core.benchmark_config import load_benchmark

    config, files = load_benchmark(arguments)
    _tune_allocator()
    from squeezenas.cli import benchmark

    return benchmark.main(config, files)


def _data(line: CommandLine, arguments: list[str]) -> int:
    _refuse_run_flags(line)
    from squeezenas.cli import data

    return data.main(arguments)


def _zoo(line: CommandLine, arguments: list[str]) -> int:
    _refuse_run_flags(line)
    from squeezenas.cli import zoo

    return zoo.main(arguments)


def _scale(line: CommandLine, arguments: list[str]) -> int:
    _refuse_run_flags(line)
    from squeezenas.core.scale_config import load_scaling

    config = load_scaling(arguments)
    from squeezenas.cli import scale

    return scale.main(config)


def _compare(line: CommandLine, arguments: list[str]) -> int:
    _refuse_run_flags(line)
    from squeezenas.core.compare_config import load_comparison

    config = load_comparison(arguments)
    from squeezenas.cli import compare

    return compare.main(config)


def _predictor(line: CommandLine, arguments: list[str]) -> int:
    _refuse_run_flags(line)
    from squeezenas.cli import predictor

    return predictor.main(arguments)


def _report(line: CommandLine, arguments: list[str]) -> int:
    _refuse_run_flags(line)
    from squeezenas.core.report_config import load_report

    config = load_report(arguments)
    from squeezenas.cli import report

    return report.main(config)


def _refuse_run_flags(line: CommandLine) -> None:
    misplaced = sorted(line.flags & {"--print-config", "--dry-run", "--auto-resume"})
    misplaced += ["--resume"] * bool(line.resume) + ["--workers"] * bool(line.workers)
    if misplaced:
        raise ValueError(f"{', '.join(misplaced)}: only for `search` and `train`; leave it out")


COMMANDS = {
    "search": _search,
    "train": _train,
    "evaluate": _evaluate,
    "predict": _predict,
    "export": _export,
    "benchmark": _benchmark,
    "data": _data,
    "zoo": _zoo,
    "report": _report,
    "compare": _compare,
    "predictor": _predictor,
    "scale": _scale,
}
"""What each command runs; its help page is `<command>_page` of `squeezenas.cli.help`."""


if __name__ == "__main__":
    entry()
