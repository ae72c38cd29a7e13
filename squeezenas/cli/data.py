"""`squeezenas data check datasets=...`: reads every file of a data set and reports on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from squeezenas.core.dataset_card import DatasetCard
    from squeezenas.core.table_card import TableCard

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
    from squeezenas.core.recipes import load_card
    from squeezenas.core.table_card import TableCard
    from squeezenas.data.check import check_dataset, print_report

    card = load_card(arguments[1:])
    if isinstance(card, TableCard):
        _print_table(card)
        return 0
    if card.task == "language":
        _print_text(card)
        return 0
    report = check_dataset(card)
    print_report(report)
    return 0 if report.clean else 2


def _print_text(card: DatasetCard) -> None:
    """Words of each split; a fault in a text is an error.

    Raises:
        FileNotFoundError, ValueError: names the file and the line.
    """
    from squeezenas.data.text import UNKNOWN, read_corpus

    corpus = read_corpus(card)
    print(f"{card.title} in {card.root}: {len(corpus.words)} different words in train")
    for split, words in corpus.parts.items():
        text = f"  {split}: {len(words)} words, ends of lines included"
        if unknown := corpus.unknown[split]:
            text += f"; {unknown} are not in train and count as {UNKNOWN}"
        print(text)


def _print_table(card: TableCard) -> None:
    """What was measured, and of how many architectures.

    Raises:
        FileNotFoundError, ValueError: names the file, the column or the row.
    """
    import numpy as np

    from squeezenas.data.tables import read_table

    table = read_table(card)
    print(f"{card.title} in {card.root}: {len(table)} architectures of {table.whole.name}")
    labels = {name: figure.label for name, figure in table.figures.items()}
    for name, label in {**labels, **table.units}.items():
        column = table.column(name)
        known = column[~np.isnan(column)]
        print(
            f"  {name} ({label}): {len(known)} measured, {known.min():.6g} to {known.max():.6g}, "
            f"median {np.median(known):.6g}"
        )
