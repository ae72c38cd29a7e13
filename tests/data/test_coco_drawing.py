"""Sizes, run lengths and pictures of segments, one by one."""

from pathlib import Path

import numpy as np
import pytest

from squeezenas.data.coco_drawing import draw_instances, draw_panoptic, unpacked_runs

run_length = pytest.importorskip("pycocotools.mask")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.mark.parametrize("side", [0, -8, 8.0, True, "8", None, [8]])
def test_a_size_that_is_none_is_told(side: object) -> None:
    with pytest.raises(ValueError, match=r"^height .* and width 10 are no numbers of pixels"):
        draw_instances({"height": side, "width": 10}, [], {})


def test_run_lengths_are_unpacked_as_pycocotools_packs_them() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        shape = np.asfortranarray(rng.random((7, 90)) < rng.choice([0.01, 0.1, 0.5]), np.uint8)
        text = run_length.encode(shape)["counts"].decode()
        column = np.concatenate([[0], shape.ravel("F"), [1 - shape[-1, -1]]])
        expected = np.diff(np.flatnonzero(np.diff(column)), prepend=0)
        assert unpacked_runs(text) == expected.tolist()


@pytest.mark.parametrize("name", ["../one.png", "/etc/passwd", "a/one.png", ".."])
def test_pictures_of_segments_lie_in_their_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is no file name|pipe or device"):
        draw_panoptic(tmp_path, [{"file_name": name, "segments_info": []}], {})
