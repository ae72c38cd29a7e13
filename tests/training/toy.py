"""Retrainings that take seconds: a network of four units, frames of 64x128, the words to type."""

from __future__ import annotations

from pathlib import Path

from squeezenas.core.model_card import ModelCard, write_model_card
from squeezenas.core.recipes import load_dataset, load_retraining
from squeezenas.core.retrain_config import RetrainConfig
from squeezenas.engine.distributed import Process
from squeezenas.engine.torchvision_import import import_torchvision
from squeezenas.training.stage import StageParts, build_stage, read_data
from squeezenas.training.transfer import StartingWeights
from tests.search import forks
from tests.search.toy import streets

UNITS = ("k3_e1_g1", "k3_e3_g1", "k5_e1_g2", "skip")
GENERATE = "{height: 64, width: 128, train: 12, val: 4}"


def model(folder: Path, units: tuple[str, ...] = UNITS) -> Path:
    """Writes the card of a network of the toy space and says where."""
    classes = load_dataset(["datasets=street_scenes"]).classes
    card = ModelCard(
        name="toy", space="toy", head="lr_aspp", classes=classes,
        dataset="street_scenes", architecture=units,
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    write_model_card(folder / "toy.yaml", card)
    return folder / "toy.yaml"


def arguments(folder: Path, *more: str) -> list[str]:
    """Words of the command line of a tiny retraining on streets: two epochs of two steps.

    Those of `more` that begin with a dot are of the stage.
    """
    own = [f"regime.stages.street_scenes{word}" if word[0] == "." else word for word in more]
    return [
        f"models={model(folder)}",
        f"runs={folder}/runs",
        "name=toy",
        f"datasets.street_scenes.root={streets()}",
        f"datasets.street_scenes.generate={GENERATE}",
        "regime.stages.street_scenes.epochs=2",
        "regime.stages.street_scenes.steps_per_epoch=2",
        "regime.stages.street_scenes.batch_size=4",
        "regime.stages.street_scenes.crop=[32,64]",
        "device=cpu",
        *own,
    ]


def four_stages(folder: Path, data: Path, *more: str) -> list[str]:
    """Words of the paper's regime on a few genuine files, two epochs of two steps a stage."""
    coarse = _coarse(folder / "coarse", data)
    words = [
        f"models={model(folder)}",
        "training_regimes=retrain_paper",
        f"runs={folder}/runs",
        "name=paper",
        f"datasets.imagenet.root={data}/imagenet/imagenette",
        f"datasets.coco.root={data}/coco",
        f"datasets.coco.masks={folder}/masks",
        f"datasets.cityscapes_coarse.root={coarse}",
        "datasets.cityscapes_coarse.splits={train: [train], val: [val]}",
        f"datasets.cityscapes.root={data}/cityscapes_quarter",
        "device=cpu",
    ]
    for stage in ("imagenet", "coco", "cityscapes_coarse", "cityscapes"):
        key = f"regime.stages.{stage}"
        words += [f"{key}.epochs=2", f"{key}.steps_per_epoch=2", f"{key}.batch_size=2"]
        words += [f"{key}.crop=[64,64]", f"{key}.optimiser.lr=0.01"]
        words += [f"{key}.optimiser.warmup_epochs=1"]
    return [*words, "regime.stages.cityscapes.validate_every=1", *more]


def _coarse(folder: Path, data: Path) -> Path:
    """Links to the one genuine coarse label and its image, and to a small val split."""
    links = {"leftImg8bit/train": "cityscapes/leftImg8bit/train/aachen/*_000000_000019_*.png"}
    links["gtCoarse/train"] = "cityscapes/gtCoarse/train/aachen/*_000000_000019_*.png"
    links["leftImg8bit/val"] = "cityscapes_quarter/leftImg8bit/val/*/*.png"
    links["gtFine/val"] = "cityscapes_quarter/gtFine/val/*/*_labelIds.png"
    for place, pattern in links.items():
        for file in sorted(data.glob(pattern)):
            link = folder / place / file.parent.name / file.name
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(file.resolve())
    return folder


def ready() -> None:
    """As the search's: one thread, and what child processes would import each for itself."""
    forks.ready()
    import_torchvision()
    import timm.data
    import timm.optim
    import timm.utils  # noqa: F401


def config(folder: Path, *more: str) -> RetrainConfig:
    """The retraining on streets, validated."""
    return load_retraining(arguments(folder, *more))


def parts(
    config: RetrainConfig, process: Process, name: str = "", weights: StartingWeights | None = None
) -> StageParts:
    """A stage of it, the first unless named."""
    name = name or next(iter(config.regime.stages))
    return build_stage(config, name, process, read_data(config, process)[name], weights)
