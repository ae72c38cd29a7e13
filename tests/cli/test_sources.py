"""What `squeezenas predict` takes for images, and what it leaves alone."""

import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from squeezenas.cli.sources import Video, find_images, read_photo


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two photographs, in `photos` and in a folder inside, beside links that lead back."""
    inside = tmp_path / "photos" / "inside"
    inside.mkdir(parents=True)
    for folder in (inside, inside.parent):
        Image.new("RGB", (6, 4)).save(folder / f"{folder.name}.png")
        for number in range(8):
            (folder / f"back{number}").symlink_to(tmp_path / "photos")
    return tmp_path / "photos"


@pytest.mark.parametrize("pattern", ["", "**", "**/*", "**/*.png", "*.png", "**/inside/*"])
def test_links_that_lead_back_are_not_followed(photos: Path, pattern: str) -> None:
    """Followed, they would be walked through 8 to the power of 40 times."""
    found = find_images(str(photos / pattern))
    few = {"*.png": ["photos"], "**/inside/*": ["inside/inside"]}
    assert sorted(found) == few.get(pattern, ["inside/inside", "photos"])


@pytest.mark.parametrize("pattern", ["", "**", "**/*.png", "*.png", "inside/*.png", "inside/*"])
def test_hidden_files_are_left_out(photos: Path, pattern: str) -> None:
    before = find_images(str(photos / pattern))
    (photos / ".cache").mkdir()
    for name in ("._photos.png", "inside/._inside.png", ".cache/small.png"):
        (photos / name).write_bytes(b"what a Mac leaves")
    assert find_images(str(photos / pattern)) == before


@pytest.mark.parametrize("pattern", ["._p*.png", ".cache/*.png", "**/._photos.png"])
def test_hidden_files_are_found_by_name(photos: Path, pattern: str) -> None:
    (photos / ".cache").mkdir()
    for name in ("._photos.png", ".cache/small.png"):
        (photos / name).write_bytes(b"what a Mac leaves")
    assert len(find_images(str(photos / pattern))) == 1


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="there ** is * beside other letters")
def test_no_pattern(photos: Path) -> None:
    with pytest.raises(ValueError, match=r"^input=.*/\*\*\.jpg: .*\*\* stands alone"):
        find_images(str(photos / "**.jpg"))


def test_pipes_and_devices_are_no_images(photos: Path) -> None:
    os.mkfifo(photos / "pipe.png")
    (photos / "endless.png").symlink_to("/dev/zero")
    assert sorted(find_images(str(photos))) == ["inside/inside", "photos"]
    for name in ("pipe.png", "endless.png"):
        with pytest.raises(ValueError, match=rf"{name}\W.*folder, pipe or device"):
            read_photo(photos / name)


def test_a_video(tmp_path: Path) -> None:
    path = tmp_path / "x.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5, (32, 16))
    for level in range(3):
        writer.write(np.full((16, 32, 3), 50 * level, np.uint8))
    writer.release()
    assert Video(path).count == 3


def test_a_playlist_is_no_video_whatever_it_is_called(tmp_path: Path) -> None:
    """FFmpeg would open what it names."""
    path = tmp_path / "x.mp4"
    path.write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n")
    with pytest.raises(ValueError, match=r"x\.mp4: no frame of this video can be read"):
        Video(path)
