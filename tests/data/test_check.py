import cv2
import numpy as np
import pytest

from squeezenas.cli.data import main
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.data.check import check_dataset, print_report
from squeezenas.data.frames import frames


def test_a_clean_set_is_counted(tiny: DatasetCard) -> None:
    report = check_dataset(tiny)
    assert report.clean
    train = report.splits["train"]
    masks = [cv2.imread(str(f.mask), cv2.IMREAD_UNCHANGED) for f in frames(tiny, "train")]
    assert train.class_pixels.tolist() == [
        sum(int((m == c).sum()) for m in masks) for c in range(3)
    ]
    assert train.class_frames.tolist() == [7, 7, 7]
    assert train.ignored == 7
    assert train.sizes == {(40, 56): 7}
    assert set(train.ids) == {0, 1, 2, 255}


def test_one_run_names_every_fault(tiny: DatasetCard, capsys: pytest.CaptureFixture[str]) -> None:
    members = frames(tiny, "train")
    members[0].image.write_bytes(members[0].image.read_bytes()[:200])
    cv2.imwrite(str(members[1].mask), np.full((40, 56), 77, np.uint8))
    cv2.imwrite(str(members[2].mask), np.zeros((20, 20), np.uint8))
    members[3].mask.unlink()
    report = check_dataset(tiny)
    assert not report.clean
    wrong = [members[0].image, members[1].mask, members[2].mask, members[3].mask]
    assert [path for path, _ in report.splits["train"].faults] == wrong
    print_report(report)
    printed = capsys.readouterr().out
    assert "4 fault(s)" in printed
    assert "ids [77]" in printed
    assert all(path.name in printed for path in wrong)


def test_a_missing_set_is_said_once(make_card) -> None:
    report = check_dataset(make_card())
    assert len(report.faults) == 1
    assert "datasets.root=" in report.faults[0]


def test_the_same_frame_in_two_splits_is_a_fault(tiny: DatasetCard) -> None:
    leaky = tiny.model_copy(update={"splits": {"train": ("train",), "val": ("train",)}})
    assert "in two splits" in check_dataset(leaky).faults[0]


def test_the_command(tiny: DatasetCard, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "check",
        "datasets=example_folders",
        f"datasets.root={tiny.root}",
        "datasets.classes=[a,b,c]",
        "datasets.palette=[[0,0,0],[1,1,1],[2,2,2]]",
    ]
    assert main(arguments) == 0
    assert "no faults" in capsys.readouterr().out
    assert main([*arguments[:2], "datasets.root=/nowhere"]) == 2
    with pytest.raises(ValueError, match="unknown command 'chek'; usage"):
        main(["chek"])
