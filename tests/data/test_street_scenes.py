import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from squeezenas.core.dataset_card import DatasetCard, Generate
from squeezenas.core.recipes import load_dataset
from squeezenas.data.check import check_dataset
from squeezenas.data.frames import frames
from squeezenas.data.street_scenes import write
from squeezenas.data.street_scenes.scene import draw_scene
from squeezenas.data.street_scenes.write import street_scenes_folder

SMALL = Generate(height=64, width=128, train=3, val=2, seed=5)


def small_card(root: Path) -> DatasetCard:
    wanted = {"height": 64, "width": 128, "train": 3, "val": 2, "seed": 5}
    overrides = [f"datasets.generate.{key}={value}" for key, value in wanted.items()]
    return load_dataset(["datasets=street_scenes", f"datasets.root={root}", *overrides])


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_written_once_and_read_like_cityscapes(tmp_path: Path) -> None:
    card = small_card(tmp_path / "scenes")
    report = check_dataset(card)
    assert report.clean
    assert report.splits["train"].frames == 3
    assert report.splits["val"].sizes == {(64, 128): 2}
    folder = street_scenes_folder(card.root, SMALL)
    assert frames(card, "val")[0].mask.is_relative_to(folder / "gtFine" / "val")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}
    frames(card, "train")
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}


def test_the_same_settings_draw_the_same_files(tmp_path: Path) -> None:
    one = tree(street_scenes_folder(tmp_path / "a", SMALL))
    assert tree(street_scenes_folder(tmp_path / "b", SMALL)) == one
    longer = tree(street_scenes_folder(tmp_path / "a", SMALL.model_copy(update={"train": 4})))
    assert {name: longer[name] for name in one} == one, "more frames do not change the first ones"
    other = tree(street_scenes_folder(tmp_path / "a", SMALL.model_copy(update={"seed": 6})))
    assert all(other[name] != data for name, data in one.items())


def test_a_broken_off_generation_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []

    def breaks(height: int, width: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        if len(drawn) == 2:
            raise KeyboardInterrupt
        drawn.append(draw_scene(height, width, rng))
        return drawn[-1]

    monkeypatch.setattr(write, "draw_scene", breaks)
    with pytest.raises(KeyboardInterrupt):
        street_scenes_folder(tmp_path, SMALL)
    assert list(tmp_path.iterdir()) == []


def test_another_process_may_finish_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = write._write_splits

    def overtaken(folder: Path, settings: Generate) -> None:
        real(folder, settings)
        monkeypatch.setattr(write, "_write_splits", real)
        street_scenes_folder(tmp_path, settings)

    monkeypatch.setattr(write, "_write_splits", overtaken)
    folder = street_scenes_folder(tmp_path, SMALL)
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match=r"cannot be written to .*datasets\.root="):
        street_scenes_folder(tmp_path / "x", SMALL)


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(OSError, match=r"cannot be written to .*datasets\.root="):
        street_scenes_folder(tmp_path / "x", SMALL)


@pytest.mark.parametrize("size", [(64, 128), (96, 64), (128, 256)])
def test_any_size(size: tuple[int, int]) -> None:
    image, labels = draw_scene(*size, np.random.default_rng(1))
    assert image.shape == (*size, 3)
    assert labels.shape == size
    assert image.dtype == labels.dtype == np.uint8


def test_all_classes_occur_and_only_official_ids() -> None:
    table = pytest.importorskip("cityscapesscripts.helpers.labels").id2label
    occurs = np.zeros(256, int)
    for index in range(60):
        _, labels = draw_scene(64, 128, np.random.default_rng([2, index]))
        occurs[np.unique(labels)] += 1
    known = [label for label in table.values() if label.id >= 0]
    assert set(np.flatnonzero(occurs)) <= {label.id for label in known}
    scored = {label.name: int(occurs[label.id]) for label in known if label.trainId < 255}
    assert len(scored) == 19
    assert min(scored.values()) >= 3, scored
    assert scored["road"] == 60


def test_labels_lie_on_the_pixels_they_name() -> None:
    """Edges of the label map are edges of the picture: the gradient is larger there than nearby."""
    on, near = [], []
    for index in range(8):
        image, labels = draw_scene(128, 256, np.random.default_rng([3, index]))
        grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), 0.7)
        slope = np.abs(np.diff(grey.astype(float), axis=1))
        edges = np.diff(labels.astype(int), axis=1) != 0
        on.append(slope[edges].mean())
        near.append(slope[:, 4:][edges[:, :-4]].mean())
    assert np.mean(on) > 1.5 * np.mean(near)
