"""Files that call themselves images, and would take memory or time without end."""

import os
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from squeezenas.data.decode import read_image, read_mask_ids, require_whole
from squeezenas.data.image_files import MOST_PIXELS, image_size
from tests.fuzz.mutations import png_chunk

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png(width: int, height: int, *chunks: bytes) -> bytes:
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return SIGNATURE + head + b"".join(chunks) + png_chunk(b"IDAT", b"x") + png_chunk(b"IEND", b"")


def large(folder: Path, suffix: str) -> Path:
    """A small picture whose head says that it is of 65,000x65,000 pixels."""
    path = folder / f"large{suffix}"
    Image.new("RGB", (16, 16)).save(path)
    data = bytearray(path.read_bytes())
    match suffix:
        case ".png":
            data[:] = png(65_000, 65_000)
        case ".jpg":
            at = data.index(b"\xff\xc0") + 5
            data[at : at + 4] = struct.pack(">HH", 65_000, 65_000)
        case ".bmp":
            data[18:26] = struct.pack("<ii", 65_000, 65_000)
        case ".ppm":
            data[:] = b"P6 65000 65000 255\n" + bytes(100)
    path.write_bytes(data)
    return path


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".ppm"])
def test_a_picture_of_gigabytes_is_refused_by_its_head(tmp_path: Path, suffix: str) -> None:
    path = large(tmp_path, suffix)
    for read in (read_image, read_mask_ids, image_size):
        with pytest.raises(ValueError, match=rf"large\{suffix} says that it is a picture"):
            read(path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_picture_just_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(png(MOST_PIXELS + 1, 1))
    with pytest.raises(ValueError, match=rf"x\.png says .* {MOST_PIXELS + 1}x1 of more than"):
        read_image(path)


def test_a_jpeg_of_thousands_of_scans_is_refused(tmp_path: Path) -> None:
    """Each would go over all pixels again; ordinary progressive ones have about ten."""
    path = tmp_path / "x.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (1500, 2000, 3), np.uint8)
    Image.fromarray(noise).save(path, progressive=True)
    assert read_image(path).shape == (1500, 2000, 3)
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x3f\x01\x11"
    path.write_bytes(path.read_bytes()[:-2] + scan * 5000 + b"\xff\xd9")
    with pytest.raises(ValueError, match=r"x\.jpg is a JPEG of \d+ scans or more, each over 2000"):
        read_image(path)


def test_what_looks_like_scans_behind_the_end_or_in_a_comment_does_not_count(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (1500, 2000, 3), np.uint8)
    Image.fromarray(noise).save(path, comment=b"\xff\xda" * 5000)
    path.write_bytes(path.read_bytes() + b"\xff\xda" * 5000)  # as phones add their films
    assert read_image(path).shape == (1500, 2000, 3)


def tiff(order: str, sizes: list[tuple[int, int, int]], large: bool = False) -> bytes:
    """A grey picture of zeros; tag, type and value of what says its size."""
    others = [(258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 1000), (277, 3, 1), (279, 4, 400)]
    head = struct.pack(f"{order}HHHQQ", 43, 8, 0, 16, len(sizes) + 6)
    if not large:
        head = struct.pack(f"{order}HLH", 42, 8, len(sizes) + 6)
    body = b"".join(
        struct.pack(order + ("HHQ" if large else "HHL"), tag, kind, 1)
        + struct.pack(order + {3: "H", 4: "L", 17: "Q" if large else "L"}[kind], value).ljust(
            8 if large else 4, b"\0"
        )
        for tag, kind, value in [*sizes, *others]
    )
    whole = (b"II" if order == "<" else b"MM") + head + body + bytes(8)
    return whole.ljust(996, b"\0") + struct.pack("<L", 20) + bytes(400)


TWENTY, EIGHT = [(256, 3, 20), (257, 3, 20)], [(256, 3, 8), (257, 3, 8)]


@pytest.mark.filterwarnings("ignore::UserWarning")  # of Pillow
@pytest.mark.parametrize(
    "content",
    [
        tiff("<", [(256, 17, 996), (257, 17, 996), *EIGHT]),  # SLONG8, which Pillow skips
        tiff("<", [(256, 17, 20), (257, 17, 20), *EIGHT], large=True),
        tiff("<", [*TWENTY, *EIGHT]),
        tiff(">", [*EIGHT, *TWENTY]),
        tiff("<", [*TWENTY, EIGHT[1]]),
        # Pillow reads the directory of a small file at the half of the place in a large one's head
        tiff(">", TWENTY, large=True).ljust(8 << 16, b"\0") + tiff(">", EIGHT)[8:],
        tiff("<", TWENTY)[:40],
        b"II*\0" + b"\xff" * 8,
        b"II+\0\x08\0\0\0" + b"\xff" * 16,
    ],
)
def test_a_tiff_of_two_sizes_is_refused(tmp_path: Path, content: bytes) -> None:
    """Pillow bounds the one, OpenCV would make room for the other."""
    path = tmp_path / "x.tif"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.tif is damaged or no image"):
        read_image(path)


@pytest.mark.parametrize("kind", ["L", "RGB", "P", "1", "16 bits", "big"])
def test_ordinary_tiffs_are_as_opencv_reads_them(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.tif"
    pixels = np.random.default_rng(0).integers(0, 256, (20, 26, 3), np.uint8)
    if kind == "16 bits":
        cv2.imwrite(str(path), pixels.astype(np.uint16) * 257)
    else:
        picture = Image.fromarray(pixels)
        picture.convert("RGB" if kind == "big" else kind).save(path, big_tiff=kind == "big")
    plain = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(read_image(path), plain)
    for order in "<>":
        path.write_bytes(tiff(order, TWENTY))
        assert read_mask_ids(path).shape == (20, 20)


@pytest.mark.parametrize("read", [read_image, read_mask_ids, require_whole, image_size])
def test_a_pipe_is_not_waited_for(tmp_path: Path, read) -> None:
    os.mkfifo(tmp_path / "x.png")
    with pytest.raises(ValueError, match=r"x\.png\W.*folder, pipe or device"):
        read(tmp_path / "x.png")


@pytest.mark.parametrize(
    "content", [b"GIF89a", b"\x00\x00\x00\x1cftypavif", b"#?RADIANCE\n", b"<svg"]
)
def test_other_formats_are_not_decoded(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content + bytes(100))
    with pytest.raises(ValueError, match=r"x\.png is damaged or no image"):
        read_image(path)


def test_the_head_of_a_moving_picture_is_that_of_its_first(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (8, 6), "red"), Image.new("RGB", (8, 6), "blue")
    first.save(tmp_path / "x.png", save_all=True, append_images=[second])
    assert image_size(tmp_path / "x.png") == (6, 8)
    assert read_image(tmp_path / "x.png")[0, 0].tolist() == [255, 0, 0]
