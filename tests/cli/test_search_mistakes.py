"""What a user can get wrong: exit code 2, a sentence that helps, nothing half-written."""

import errno
import os
import re
import shutil

import cv2
import numpy as np
import pytest
import torch

from squeezenas.cli import outcome
from squeezenas.cli.main import main
from squeezenas.search.splits import search_parts
from tests.search.toy import arguments, config, streets


@pytest.fixture(autouse=True)
def without_pictures(monkeypatch):
    monkeypatch.setattr(outcome, "draw_search", lambda *_: None)
    monkeypatch.setattr(outcome, "draw_overlays", lambda *_: None)


@pytest.fixture
def copied(tmp_path):
    """Frames of one's own to spoil: images and masks of train by number, and the key to give."""
    root = tmp_path / "copy"
    shutil.copytree(streets(), root)
    images = sorted(root.glob("*/leftImg8bit/train/*/*.png"))
    masks = sorted(root.glob("*/gtFine/train/*/*.png"))
    return images, masks, f"datasets.root={root}"


@pytest.fixture
def refused(tmp_path, capsys):
    """Runs a search that must be refused; gives what it said, and sees that no run is left."""

    def run(*words, left=()):
        capsys.readouterr()
        assert main(["search", *arguments(tmp_path, *words)]) == 2
        said = capsys.readouterr().err
        assert said.startswith("squeezenas: ")
        assert "Traceback" not in said
        assert said.count("\n") == 1
        runs = tmp_path / "runs"
        assert sorted(p.name for p in runs.glob("*")) == sorted(left)
        return said

    return run


def test_missing_root(tmp_path, capsys):
    words = ["datasets=camvid", f"datasets.root={tmp_path}/nowhere", f"runs={tmp_path}/runs"]
    assert main(["search", *words]) == 2
    said = capsys.readouterr().err
    assert said.startswith("squeezenas: CamVid")
    assert f"is not in {tmp_path}/nowhere: " in said
    assert "datasets.root=FOLDER" in said
    assert list(tmp_path.iterdir()) == []


def test_missing_masks(copied, refused):
    _, masks, root = copied
    masks[3].unlink()
    said = refused(root)
    assert "1 of 12 images of street_scenes have no mask" in said
    assert str(masks[3]) in said


def test_empty_split(copied, refused):
    images, _, root = copied
    for image in images:
        image.unlink()
    said = refused(root)
    assert "split 'train' of street_scenes has no images for 'train'" in said


def test_mask_of_another_size(copied, refused):
    _, masks, root = copied
    for mask in masks:
        cv2.imwrite(str(mask), np.full((32, 128), 7, np.uint8))
    said = refused(root)
    assert "is 32x128, but its image" in said
    assert "is 64x128 (height x width); they must be equal" in said


def test_ids_that_are_not_on_the_card(copied, refused):
    _, masks, root = copied
    for mask in masks:
        cv2.imwrite(str(mask), np.full((64, 128), 77, np.uint8))
    said = refused(root)
    assert "has ids [77] that are not on the card 'street_scenes'; add them to label_ids" in said


@pytest.mark.parametrize("what", [0, 1])
def test_a_truncated_file_is_found_before_any_work(copied, refused, what):
    files, (*_, root) = copied[what], copied
    whole = files[5].read_bytes()
    files[5].write_bytes(whole[:-20])
    assert f"{files[5]} is truncated ({len(whole) - 20} bytes)" in refused(root)


def test_a_damaged_image_on_the_way_is_repaired_and_the_run_goes_on(copied, tmp_path, capsys):
    """The first frame of each part is read before a run is made; this one is met while it runs."""
    *_, root = copied
    words = arguments(tmp_path, root)
    wanted = config(tmp_path, root)
    image = search_parts(wanted.datasets, wanted.regime.select).weights[1].image
    whole = image.read_bytes()
    image.write_bytes(whole[:100] + whole[-100:])
    assert main(["search", *words]) == 2
    said = capsys.readouterr().err
    assert f"squeezenas: {image} is damaged or no image (200 bytes)" in said
    assert "Traceback" not in said
    image.write_bytes(whole)
    assert main(["search", "--resume", str(tmp_path / "runs" / "toy")]) == 0


@pytest.mark.parametrize(
    ("target", "where"), [("0.0001", "below the cheapest"), ("9", "above the")]
)
def test_a_target_out_of_reach_names_the_range(refused, target, where):
    said = refused(f"regime.cost.target={target}")
    assert f"regime.cost.target {float(target):g} GMACs is {where}" in said
    low, high = map(float, re.search(r"from (\S+) to (\S+) GMACs", said).groups())
    assert low < 0.004 < high


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there(refused):
    assert "device=cuda: PyTorch sees no GPU here" in refused("device=cuda")


def test_half_precision_on_a_cpu(refused):
    assert "precision=fp16 needs a GPU" in refused("regime.precision=fp16")


def test_runs_that_cannot_be_made(refused, tmp_path):
    (tmp_path / "file").write_text("")
    said = refused(f"runs={tmp_path}/file/runs")
    assert f"cannot write {tmp_path}/file/runs/toy" in said


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_no_permission(refused, tmp_path):
    (tmp_path / "runs").mkdir(mode=0o500)
    assert "Permission denied" in refused()


@pytest.fixture
def finished(tmp_path):
    """A finished run."""
    assert main(["search", *arguments(tmp_path)]) == 0
    return tmp_path / "runs" / "toy"


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_run_is_neither_overwritten_nor_resumed_as_another(finished, refused, capsys):
    before = contents(finished)
    said = refused(left=["toy"])
    assert f"{finished} holds something already" in said
    assert f"--resume {finished}" in said
    assert main(["search", "--resume", str(finished), "regime.epochs=9", "seed=3"]) == 2
    said = capsys.readouterr().err
    assert "these keys differ: " in said
    assert "regime.epochs (3 -> 9)" in said
    assert "seed (0 -> 3)" in said
    assert contents(finished) == before


def test_nothing_to_resume(tmp_path, capsys):
    assert main(["search", "--resume", str(tmp_path / "nothing")]) == 2
    assert "no run to resume here" in capsys.readouterr().err


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path, monkeypatch, capsys):
    """The third checkpoint does not fit; with space again, the run goes on from the second."""
    whole, count = torch.save, iter(range(100))

    def save(state, file):
        if next(count) == 2:
            file.write(b"the beginning")
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(state, file)

    monkeypatch.setattr(torch, "save", save)
    folder = tmp_path / "runs" / "toy"
    assert main(["search", *arguments(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "cannot write checkpoint" in said
    assert "No space left on device; free some space" in said
    assert "Traceback" not in said
    names = sorted(path.name for path in (folder / "checkpoints").iterdir())
    assert names == ["last.pt", "previous.pt"]
    assert torch.load(folder / "checkpoints" / "last.pt", weights_only=True)["step"] == 4
    assert main(["search", "--resume", str(folder)]) == 0
    assert (folder / "summary.json").is_file()


def test_too_many_bad_steps(tmp_path, capsys):
    """A learning rate beyond all reason."""
    words = ["regime.optimiser.lr=1e30", "regime.optimiser.clip=0", "regime.max_bad_steps=2"]
    assert main(["search", *arguments(tmp_path, *words)]) == 2
    said = capsys.readouterr().err
    assert "steps in a row were not finite" in said
    assert "lower regime.optimiser.lr" in said
    assert "Traceback" not in said
