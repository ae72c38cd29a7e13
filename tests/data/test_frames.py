import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.recipes import load_dataset
from squeezenas.data.frames import Frame, assert_disjoint, frames, split_by_hash


def made_up(count: int) -> list[Frame]:
    return [Frame(Path(f"{i}.png"), Path(f"{i}m.png"), f"stem{i}") for i in range(count)]


def test_folders(tiny: DatasetCard) -> None:
    found = frames(tiny, "train")
    assert [frame.stem for frame in found] == [f"train{i}" for i in range(7)]
    assert found[0].mask == tiny.root / "masks" / "train" / "train0.png"


def test_missing_root_says_how_to_get_it_and_how_to_name_it(make_card) -> None:
    with pytest.raises(FileNotFoundError, match=r"tiny: draw it, or .*datasets\.root=") as raised:
        frames(make_card(), "train")
    assert str(make_card().root) in str(raised.value)


def test_faults_of_a_split_are_explained(tiny: DatasetCard, make_card) -> None:
    with pytest.raises(ValueError, match="no split 'test'; it has train, val"):
        frames(tiny, "test")
    with pytest.raises(ValueError, match=r"no images for 'nowhere' .*datasets\.splits\.train"):
        frames(make_card(splits={"train": ["train", "nowhere"]}), "train")
    with pytest.raises(ValueError, match=r"unknown layout 'folder'.*did you mean 'folders'"):
        frames(make_card(layout="folder"), "train")
    (tiny.root / "masks" / "val" / "val1.png").unlink()
    with pytest.raises(ValueError, match=r"1 of 3 images of tiny have no mask: .*val1\.png"):
        frames(tiny, "val")


def test_real_cityscapes(shared_data: Path) -> None:
    card = load_dataset(["datasets=cityscapes", f"datasets.root={shared_data / 'cityscapes'}"])
    train, val = frames(card, "train"), frames(card, "val")
    assert (len(train), len(val)) == (14, 6)
    assert train[0].stem == "aachen_000000_000019"
    assert train[0].mask.name == "aachen_000000_000019_gtFine_labelIds.png"
    assert_disjoint(train, val)


def test_coarse_labels_are_for_training_only(shared_data: Path, tmp_path: Path) -> None:
    real = shared_data / "cityscapes"
    name = "aachen/aachen_000000_000019"
    for kind, suffix in (("leftImg8bit", "leftImg8bit"), ("gtCoarse", "gtCoarse_labelIds")):
        link = tmp_path / kind / "train" / f"{name}_{suffix}.png"
        link.parent.mkdir(parents=True)
        link.symlink_to(real / kind / "train" / f"{name}_{suffix}.png")
    (tmp_path / "gtFine").mkdir()
    for kind in ("leftImg8bit", "gtFine"):
        (tmp_path / kind / "val").symlink_to(real / kind / "val")
    wanted = [
        "datasets=cityscapes_coarse",
        f"datasets.root={tmp_path}",
        "datasets.splits.train=[train]",
    ]
    card = load_dataset(wanted)
    assert [frame.mask.parts[-4] for frame in frames(card, "train")] == ["gtCoarse"]
    assert {frame.mask.parts[-4] for frame in frames(card, "val")} == {"gtFine"}


def test_real_camvid(shared_data: Path) -> None:
    card = load_dataset(["datasets=camvid", f"datasets.root={shared_data / 'camvid'}"])
    found = {split: frames(card, split) for split in ("train", "val", "test")}
    assert {split: len(members) for split, members in found.items()} == {
        "train": 367,
        "val": 101,
        "test": 233,
    }
    assert_disjoint(*found.values())


def test_camvid_without_lists_reads_the_folder(make_card) -> None:
    card = make_card(layout="camvid")
    for folder, name in (("train", "b.webp"), ("train", "a.png"), ("train", "notes.md")):
        (card.root / folder).mkdir(parents=True, exist_ok=True)
        (card.root / folder / name).touch()
    (card.root / "trainannot").mkdir()
    for name in ("a.png", "b.png"):
        (card.root / "trainannot" / name).touch()
    assert [frame.image.name for frame in frames(card, "train")] == ["a.png", "b.webp"]
    (card.root / "train.txt").write_text(
        "/SegNet/CamVid/train/b.png /SegNet/CamVid/trainannot/b.png\n"
    )
    assert [frame.stem for frame in frames(card, "train")] == ["b"]
    (card.root / "train.txt").write_text("train/c.png trainannot/c.png\n")
    with pytest.raises(FileNotFoundError, match="lists c"):
        frames(card, "train")
    (card.root / "train.txt").write_text("\n")
    with pytest.raises(ValueError, match=r"train\.txt lists no image"):
        frames(card, "train")


@given(
    count=st.integers(3, 200),
    shares=st.tuples(st.floats(0.001, 1), st.floats(0.001, 1), st.floats(0.001, 1)),
)
def test_split_by_hash_covers_everything_once(count: int, shares: tuple[float, ...]) -> None:
    whole = made_up(count)
    parts = split_by_hash(whole, dict(zip("abc", shares, strict=True)))
    assert sorted(frame for part in parts.values() for frame in part) == sorted(whole)
    for name, share in zip("abc", shares, strict=True):
        exact = count * share / sum(shares)
        assert len(parts[name]) >= 1
        assert abs(len(parts[name]) - exact) < 1 or exact < 2 or min(shares) * count < 2


def test_split_by_hash_ranks_by_sha256_and_ignores_the_order() -> None:
    whole = made_up(10)
    parts = split_by_hash(whole, {"weights": 0.5, "architecture": 0.5})
    ranked = sorted(whole, key=lambda frame: hashlib.sha256(frame.stem.encode()).hexdigest())
    assert set(parts["weights"]) == set(ranked[:5])
    assert split_by_hash(whole[::-1], {"weights": 0.5, "architecture": 0.5}) == parts


def test_split_by_hash_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="2 frames cannot be divided into 3 parts"):
        split_by_hash(made_up(2), {"a": 1, "b": 1, "c": 1})
    with pytest.raises(ValueError, match="at least 0"):
        split_by_hash(made_up(5), {"a": -1, "b": 2})
    assert split_by_hash(made_up(5), {"a": 1, "b": 0})["b"] == []


def test_shared_frames_are_refused() -> None:
    whole = made_up(3)
    with pytest.raises(ValueError, match=r"1\.png is in two splits"):
        assert_disjoint(whole[:2], whole[1:])
