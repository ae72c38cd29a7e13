"""The dataset card: everything a program must know of a data set, in one YAML file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from squeezenas.core.config import Inside, Strict, TaskName

SplitName = Literal["train", "val", "test"]
Byte = Annotated[int, Field(ge=0, le=255)]
Colour = tuple[Byte, Byte, Byte]
Side = Annotated[int, Field(gt=0, le=8192)]
Count = Annotated[int, Field(gt=0, le=1_000_000)]


class Generate(Strict):
    """What to draw, for the layout that draws its own frames."""

    height: Side = 128
    """Height of a frame in pixels, a multiple of 32."""
    width: Side = 256
    """Width of a frame in pixels, a multiple of 32."""
    train: Count = 400
    """Frames of the train split."""
    val: Count = 100
    """Frames of the val split."""
    seed: int = Field(0, ge=0)
    """Another seed draws other streets."""

    @model_validator(mode="after")
    def _sides(self) -> Generate:
        for name, side in (("height", self.height), ("width", self.width)):
            if side % 32:
                raise ValueError(f"{name}={side} is not a multiple of 32")
        return self


class DatasetCard(Strict):
    """A data set: where its files lie and what its labels mean."""

    name: str
    """Short name, the stem of the YAML file."""
    title: str
    """Full name, for reports."""
    task: TaskName = "segmentation"
    """Whether a label is a mask, one class an image, or the next word of a text."""
    layout: str
    """A registered arrangement of files: cityscapes, camvid, coco, folders, image_folders, cifar,
    street_scenes, text."""
    root: Path
    """Folder of the data set."""
    splits: dict[SplitName, tuple[Inside, ...]]
    """The layout's own folder names that make up each split."""
    annotations: Literal["fine", "coarse", "instances", "panoptic", "stuff"] = "fine"
    """Which labels. cityscapes: fine, or coarse in the train split; coco: instances, panoptic,
    stuff."""
    masks: Path | None = None
    """Where masks drawn from annotations are kept (layout coco); omitted: in the root."""
    classes: tuple[str, ...] = ()
    """Class names in train-id order; classification may omit them: they are those of the files."""
    palette: tuple[Colour, ...] = ()
    """One RGB colour a class, for pictures of masks."""
    categories: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Groups of classes that are also scored as one."""
    instance_sizes: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Mean pixels of an instance, for the classes whose instances are scored (iIoU)."""
    label_ids: dict[Byte, int] | None = None
    """Id in the mask file -> train id; omitted: the files hold train ids."""
    ignore_ids: tuple[Byte, ...] = ()
    """Ids in the mask files that mean "ignored"; an id that is nowhere on the card is an error."""
    ignore_index: Byte = 255
    """Train id of ignored pixels, of padding too."""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Mean RGB the network expects, in 0..1."""
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    """Standard deviation of RGB, in 0..1."""
    licence: str
    """Terms, in one line."""
    how_to_get: str
    """What a user does to have these files."""
    generate: Generate | None = None
    """What to draw; for layout street_scenes only."""

    @property
    def num_classes(self) -> int:
        """Number of classes, ignored pixels not counted."""
        return len(self.classes)

    @property
    def train_ids(self) -> dict[int, int]:
        """Id in the mask file -> train id, ignored ids included."""
        meaning = self.label_ids or {index: index for index in range(self.num_classes)}
        return {**meaning, **dict.fromkeys(self.ignore_ids, self.ignore_index)}

    @model_validator(mode="after")
    def _classes(self) -> DatasetCard:
        if repeated := sorted(name for name, count in Counter(self.classes).items() if count > 1):
            raise ValueError(f"classes has {', '.join(repeated)} more than once")
        if self.task != "segmentation":
            return self
        if self.num_classes < 2:
            raise ValueError("classes needs at least two names")
        if len(self.palette) != self.num_classes:
            raise ValueError(
                f"palette has {len(self.palette)} colours for {self.num_classes} classes"
            )
        if self.ignore_index < self.num_classes:
            raise ValueError(
                f"ignore_index {self.ignore_index} is the train id of "
                f"{self.classes[self.ignore_index]!r}; use an id past the classes, such as 255"
            )
        if min(self.std) <= 0:
            raise ValueError("std must be above 0 in every channel")
        return self

    @model_validator(mode="after")
    def _groups(self) -> DatasetCard:
        named = {f"categories.{key}": names for key, names in self.categories.items()}
        named["instance_sizes"] = tuple(self.instance_sizes)
        for key, names in named.items():
            if unknown := [name for name in names if name not in self.classes]:
                raise ValueError(f"{key} has {', '.join(unknown)}, which classes does not")
        return self

    @model_validator(mode="after")
    def _label_ids(self) -> DatasetCard:
        if self.task != "segmentation":
            return self
        last = self.num_classes - 1
        meaning = self.label_ids or {index: index for index in range(self.num_classes)}
        for file_id, train_id in meaning.items():
            if not 0 <= train_id <= last:
                raise ValueError(
                    f"label_ids.{file_id} is train id {train_id}, which is not in 0..{last}; "
                    "list ids that carry no class under ignore_ids"
                )
        if unreachable := [c for i, c in enumerate(self.classes) if i not in meaning.values()]:
            raise ValueError(f"label_ids gives no id to {', '.join(unreachable)}")
        if both := sorted(set(meaning) & set(self.ignore_ids)):
            raise ValueError(f"ids {both} have a class and are in ignore_ids; keep one")
        return self

    @model_validator(mode="after")
    def _layout(self) -> DatasetCard:
        if self.layout == "street_scenes" and self.generate is None:
            raise ValueError("layout street_scenes needs the group generate")
        if self.layout != "street_scenes" and self.generate is not None:
            raise ValueError(f"generate is for layout street_scenes, not {self.layout}")
        owner = {"fine": self.layout, "coarse": "cityscapes"}.get(self.annotations, "coco")
        if owner != self.layout:
            raise ValueError(
                f"annotations: {self.annotations} is for layout {owner}, not for {self.layout}"
            )
        if self.layout == "coco" and self.annotations == "fine":
            raise ValueError("layout coco needs annotations: instances, panoptic or stuff")
        tasks = {"image_folders": "classification", "cifar": "classification", "text": "language"}
        if self.task != tasks.get(self.layout, "segmentation"):
            raise ValueError(
                f"layout {self.layout} is for task {tasks.get(self.layout, 'segmentation')}; this "
                f"card has task {self.task}"
            )
        if self.masks is not None and self.layout != "coco":
            raise ValueError(f"masks is for layout coco, not for {self.layout}")
        if empty := [split for split, names in self.splits.items() if not names]:
            raise ValueError(f"splits.{empty[0]} names no folder; remove the key or fill it")
        return self
