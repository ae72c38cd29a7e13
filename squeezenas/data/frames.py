"""Which files make up a split, and how a split is divided further."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.registry import Registry


class Frame(NamedTuple):
    """An image and its mask; `stem` is its name within the data set, without suffixes."""

    image: Path
    mask: Path
    stem: str


class LabelledImage(NamedTuple):
    """An image of one class; `label` is the class's position on the card.

    The path may lead into a file of many images, see `squeezenas.data.cifar`.
    """

    image: Path
    label: int
    stem: str


Sample = Frame | LabelledImage
S = TypeVar("S", bound=Sample)

Layout = Callable[[DatasetCard, str, str], Iterable[Sample]]
"""Finds the samples of one of the layout's own folders: `(card, split, folder name)`."""

layouts: Registry[Layout] = Registry("layout", "squeezenas.data.layouts")

ClassNames = Callable[[DatasetCard], tuple[str, ...]]
"""The classes of a data set for classification, where its card names none."""

class_names: Registry[ClassNames] = Registry("layout", "squeezenas.data.layouts")


def samples(card: DatasetCard, split: str) -> list[Sample]:
    """The labelled images of a split (`train`, `val`, `test`), sorted by stem.

    They are `Frame`s if the card's task is segmentation, `LabelledImage`s if it is classification.
    A data set that draws its own frames or masks draws them now if they are not there yet.

    Raises:
        FileNotFoundError: the data set is not there.
        OSError: masks have to be drawn and cannot be written.
        ValueError: the card has no such split, a folder of it is empty, an image has no mask, or
            the class folders are not those of the card.
    """
    found = images(card, split)
    require_masks([sample for sample in found if isinstance(sample, Frame)], card)
    return found


def frames(card: DatasetCard, split: str) -> list[Frame]:
    """As `samples`, for what needs masks.

    Raises:
        FileNotFoundError, OSError, ValueError: as `samples`, or the card's task is classification.
    """
    if card.task != "segmentation":
        raise ValueError(
            f"{card.name} is a data set for {card.task} and has no masks; "
            "choose one for segmentation with datasets=NAME"
        )
    return [sample for sample in samples(card, split) if isinstance(sample, Frame)]


def with_classes(card: DatasetCard) -> DatasetCard:
    """The card itself, or with the classes that its files name where it names none.

    Raises:
        FileNotFoundError: the data set is not there.
        OSError: its files cannot be read.
        ValueError: its files name no classes, or fewer than two.
    """
    if card.task != "classification" or card.classes:
        return card
    _require_root(card)
    return card.model_copy(update={"classes": class_names[card.layout](card)})


def images(card: DatasetCard, split: str) -> list[Sample]:
    """As `samples`, without looking whether the masks are there.

    Raises:
        FileNotFoundError, OSError, ValueError: as `samples`.
    """
    names = folder_names(card, split)
    layout = layouts[card.layout]
    if card.generate is None:
        _require_root(card)
    card = with_classes(card)
    parts = {name: list(layout(card, split, name)) for name in names}
    if empty := [name for name, part in parts.items() if not part]:
        raise ValueError(
            f"split {split!r} of {card.name} has no images for {empty[0]!r} in {card.root} "
            f"(layout {card.layout}); add them or change datasets.splits.{split}"
        )
    found = [sample for part in parts.values() for sample in part]
    if card.task == "classification":
        _require_every_class(found, card, split)
    return sorted(found, key=lambda sample: (sample.stem, str(sample.image)))


def folder_names(card: DatasetCard, split: str) -> tuple[str, ...]:
    """The layout's own names that make up a split.

    Raises:
        ValueError: the card has no such split.
    """
    names = {str(key): folders for key, folders in card.splits.items()}.get(split)
    if names is None:
        raise ValueError(f"{card.name} has no split {split!r}; it has {', '.join(card.splits)}")
    return names


def _require_root(card: DatasetCard) -> None:
    if not card.root.is_dir():
        raise FileNotFoundError(
            f"{card.title} is not in {card.root}: {card.how_to_get.rstrip('.')}, "
            "or give its folder with datasets.root=FOLDER"
        )


def _require_every_class(found: Sequence[Sample], card: DatasetCard, split: str) -> None:
    """A half-unpacked split would be scored on fewer classes without a word."""
    labels = {sample.label for sample in found if isinstance(sample, LabelledImage)}
    if lacking := [name for index, name in enumerate(card.classes) if index not in labels]:
        raise ValueError(
            f"split {split!r} of {card.name} has no image of {len(lacking)} of "
            f"{card.num_classes} classes, {lacking[0]!r} the first; add some to {card.root}, or "
            "leave the class out of datasets.classes and of the other splits"
        )


def require_masks(found: Sequence[Frame], card: DatasetCard) -> None:
    """Refuses frames whose mask is not there; masks are looked up a folder at a time."""
    present = {folder: _files(folder) for folder in {frame.mask.parent for frame in found}}
    missing = [frame for frame in found if frame.mask.name not in present[frame.mask.parent]]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(found)} images of {card.name} have no mask: "
            f"{missing[0].image} needs {missing[0].mask}; add the masks or remove the images"
        )


def _files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def split_by_hash(whole: Sequence[S], shares: Mapping[str, float]) -> dict[str, list[S]]:
    """Divides samples into disjoint parts that depend on their stems alone.

    They are ranked by the SHA-256 of their stem and cut in proportion, so the parts neither
    depend on a random state nor on the order of `whole`, and their sizes are exact.

    Args:
        whole: the samples to divide.
        shares: share of each part; they are normalised by their sum.

    Raises:
        ValueError: a share below 0, or fewer frames than parts with a share above 0.
    """
    if not shares or min(shares.values()) < 0 or sum(shares.values()) <= 0:
        raise ValueError(f"shares must be at least 0 and not all 0, got {dict(shares)}")
    ranked = sorted(whole, key=lambda f: (hashlib.sha256(f.stem.encode()).digest(), f.image))
    sizes = _sizes(len(ranked), shares)
    ends = list(itertools.accumulate(sizes.values()))
    parts = {
        name: sorted(ranked[end - size : end], key=lambda frame: frame.stem)
        for (name, size), end in zip(sizes.items(), ends, strict=True)
    }
    assert_disjoint(*parts.values())
    return parts


def _sizes(count: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Largest-remainder division of `count`, with at least one for every share above 0."""
    wanted = [name for name, share in shares.items() if share > 0]
    if count < len(wanted):
        raise ValueError(
            f"{count} frames cannot be divided into {len(wanted)} parts ({', '.join(wanted)})"
        )
    total = sum(shares.values())
    exact = {name: count * share / total for name, share in shares.items()}
    sizes = {name: max(int(part), int(shares[name] > 0)) for name, part in exact.items()}
    while (left := count - sum(sizes.values())) != 0:
        step = 1 if left > 0 else -1
        open_to_change = [name for name in wanted if step > 0 or sizes[name] > 1]
        chosen = max(open_to_change, key=lambda name: step * (exact[name] - sizes[name]))
        sizes[chosen] += step
    return sizes


def assert_disjoint(*parts: Sequence[Sample]) -> None:
    """Refuses parts that share an image, or the same image twice in one part.

    Raises:
        ValueError: names the first shared image.
    """
    seen: set[Path] = set()
    for frame in itertools.chain(*parts):
        if frame.image in seen:
            raise ValueError(f"{frame.image} is in two splits; splits must be disjoint")
        seen.add(frame.image)


def require_different_stems(found: Sequence[Sample], card: DatasetCard) -> None:
    """Refuses two samples of one name: predictions and figures are told apart by it.

    Raises:
        ValueError: names them.
    """
    seen: dict[str, Path] = {}
    for sample in found:
        if sample.stem in seen:
            raise ValueError(
                f"{card.name} cannot be evaluated: {seen[sample.stem]} and {sample.image} have the "
                "same name; rename one, or give each folder a split of its own"
            )
        seen[sample.stem] = sample.image
