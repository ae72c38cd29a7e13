"""Reading every file of a data set, to find its faults before a long run does."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.data.decode import (
    Pixels,
    read_image,
    read_mask_ids,
    require_same_size,
    to_train_ids,
)
from squeezenas.data.frames import Frame, Sample, assert_disjoint, images, with_classes

Size = tuple[int, int]

MOST_SIZES = 8
"""Sizes that are printed; photographs come in thousands of them."""


@dataclass
class SplitReport:
    """What one split holds.

    Attributes:
        frames: number of images found.
        sizes: images of each `(height, width)`.
        ids: pixels of each id as it is in the mask files.
        class_pixels: pixels of each train id, `(classes,)`; 0 without masks.
        class_frames: images in which each class occurs, `(classes,)`.
        ignored: pixels that are ignored.
        faults: `(file, what is wrong with it)`.
    """

    frames: int
    class_pixels: NDArray[np.int64]
    class_frames: NDArray[np.int64]
    sizes: Counter[Size] = field(default_factory=Counter)
    ids: Counter[int] = field(default_factory=Counter)
    ignored: int = 0
    faults: list[tuple[Path, str]] = field(default_factory=list)


@dataclass
class CheckReport:
    """What `check_dataset` found, by split; `faults` are those that belong to no single file."""

    card: DatasetCard
    splits: dict[str, SplitReport] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether there is no fault at all."""
        return not self.faults and not any(split.faults for split in self.splits.values())


def check_dataset(card: DatasetCard) -> CheckReport:
    """Decodes every image and mask of every split, with a progress bar.

    Faults are collected, never raised, so that one run names them all. Masks that have to be drawn
    from annotations are drawn.
    """
    report = CheckReport(card)
    try:
        report.card = card = with_classes(card)
    except (OSError, ValueError) as error:
        report.faults.append(str(error))
        return report
    found: dict[str, list[Sample]] = {}
    for split in map(str, card.splits):
        try:
            found[split] = images(card, split)
        except (OSError, ValueError) as error:
            if str(error) not in report.faults:  # a missing root is missing for every split
                report.faults.append(str(error))
    try:
        assert_disjoint(*found.values())
    except ValueError as error:
        report.faults.append(str(error))
    for split, members in found.items():
        report.splits[split] = _check_split(card, split, members)
    return report


def _check_split(card: DatasetCard, split: str, members: list[Sample]) -> SplitReport:
    zeros = np.zeros(card.num_classes, np.int64)
    report = SplitReport(len(members), zeros, zeros.copy())
    for sample in tqdm(
        members, desc=f"{card.name} {split}", unit="image", leave=False, disable=None
    ):
        try:
            image = read_image(sample.image)
        except (OSError, ValueError) as error:
            report.faults.append((sample.image, str(error)))
            continue
        report.sizes[image.shape[0], image.shape[1]] += 1
        if isinstance(sample, Frame):
            _check_mask(card, sample, image, report)
        else:
            report.class_frames[sample.label] += 1
    return report


def _check_mask(card: DatasetCard, frame: Frame, image: Pixels, report: SplitReport) -> None:
    try:
        ids = read_mask_ids(frame.mask)
        require_same_size(image, ids, frame)
        count = np.bincount(ids.ravel(), minlength=256)
        report.ids.update({int(i): int(count[i]) for i in count.nonzero()[0]})
        mask = to_train_ids(ids, card, frame.mask)
    except (OSError, ValueError) as error:
        report.faults.append((frame.mask, str(error)))
        return
    pixels = np.bincount(mask.ravel(), minlength=256)
    report.class_pixels += pixels[: card.num_classes]
    report.class_frames += pixels[: card.num_classes] > 0
    report.ignored += int(pixels[card.ignore_index])


def print_report(report: CheckReport) -> None:
    """Prints sizes, ids, class frequencies and faults."""
    card = report.card
    print(f"{card.title}: {card.num_classes} classes, layout {card.layout}, {card.root}")
    for name, split in report.splits.items():
        sizes = ", ".join(f"{h}x{w} ({n})" for (h, w), n in split.sizes.most_common(MOST_SIZES))
        if len(split.sizes) > MOST_SIZES:
            sizes += f" and {len(split.sizes) - MOST_SIZES} other sizes"
        print(f"\n{name}: {split.frames} frames, height x width: {sizes or 'none readable'}")
        if card.task == "segmentation":
            _print_masks(card, split)
        else:
            _print_classes(card, split)
    faults = report.faults + [text for s in report.splits.values() for _, text in s.faults]
    print(f"\n{len(faults)} fault(s)" if faults else "\nno faults")
    for fault in faults:
        print(f"  {fault}")


def _print_masks(card: DatasetCard, split: SplitReport) -> None:
    print(f"  ids in the masks: {', '.join(map(str, sorted(split.ids))) or 'none'}")
    labelled = max(int(split.class_pixels.sum()), 1)
    print(f"  ignored pixels: {split.ignored / max(labelled + split.ignored, 1):.2%}")
    width = max(len(label) for label in card.classes)
    for label, pixels, count in zip(
        card.classes, split.class_pixels, split.class_frames, strict=True
    ):
        share = f"{pixels / labelled:8.3%} of labelled pixels"
        print(f"  {label:<{width}} {share}, in {count} of {split.frames} frames")


def _print_classes(card: DatasetCard, split: SplitReport) -> None:
    fewest, most = int(split.class_frames.min()), int(split.class_frames.max())
    rarest = card.classes[int(split.class_frames.argmin())]
    print(f"  readable images of a class: {fewest} ({rarest}) to {most}")
