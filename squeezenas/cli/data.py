"""`squeezenas data check datasets=...`: reads every file of a data set and reports on it."""

from __future__ import annotations

USAGE = "usage: squeezenas data check datasets=CARD [datasets.root=FOLDER]"


def main(arguments: list[str]) -> int:
    """Runs what follows `squeezenas data`.

    Returns:
        0 when the data set is clean, 2 when it has faults.

    Raises:
        ValueError: not a known command, or the card does not load.
    """
    if arguments in (["-h"], ["--help"]):
        print(USAGE)
        return 0
    if not arguments or arguments[0] != "check":
        raise ValueError(f"unknown command {' '.join(arguments[:1])!r}; {USAGE}")
    from squeezenas.core.recipes import load_dataset
    from squeezenas.data.check import check_dataset, print_report

    report = check_dataset(load_dataset(arguments[1:]))
    print_report(report)
    return 0 if report.clean else 2
