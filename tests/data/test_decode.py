from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.recipes import load_dataset
from squeezenas.data.decode import read_frame, read_image, read_mask, require_whole
from squeezenas.data.frames import Frame, frames


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_images_are_rgb(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    Image.new("RGB", (32, 16), (250, 120, 10)).save(path, quality=100)
    image = read_image(path)
    assert image.shape == (16, 32, 3)
    assert np.abs(image[8, 8].astype(int) - (250, 120, 10)).max() < 5


def smooth() -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    return Image.fromarray(cv2.GaussianBlur(noise, (0, 0), 4))


@pytest.mark.parametrize("kind", ["CMYK", "YCCK", "CMYK without a marker"])
def test_four_colour_jpegs_become_rgb(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.jpg"
    picture = smooth()
    if kind == "YCCK":  # Adobe's transform of C, M, Y and a plain K
        inverted = Image.fromarray(255 - np.asarray(picture)).convert("YCbCr")
        planes = [*inverted.split(), Image.new("L", picture.size, 255)]
        Image.merge("CMYK", [plane.point(lambda level: 255 - level) for plane in planes]).save(
            path, quality=100, subsampling=0
        )
    else:
        picture.convert("CMYK").save(path, quality=100)
    data = bytearray(path.read_bytes())
    marker = data.index(b"\xff\xee\x00\x0eAdobe")
    if kind == "YCCK":
        data[marker + 15] = 2
    elif kind != "CMYK":
        del data[marker : marker + 16]
    path.write_bytes(data)
    found = read_image(path).astype(int)
    assert np.abs(found - np.asarray(picture)).mean() < 2
    assert np.abs(found - np.asarray(Image.open(path).convert("RGB"))).max() <= 2


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1"])
def test_other_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    picture = smooth().convert(mode)
    picture.save(tmp_path / "x.png")
    expected = picture.convert("RGB" if mode in "1LP" else "RGBA").convert("RGB")
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), np.asarray(expected))


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_lose_the_lower_eight(tmp_path: Path, channels: int) -> None:
    deep = np.random.default_rng(0).integers(0, 2**16, (8, 9, channels), np.uint16)
    cv2.imwrite(str(tmp_path / "x.png"), deep)
    expected = np.broadcast_to(deep[..., ::-1] >> 8, (8, 9, 3))
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), expected)


def test_exif_turns_neither_image_nor_mask(tmp_path: Path, make_card) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    smooth().save(tmp_path / "x.jpg", exif=turned)
    smooth().save(tmp_path / "y.jpg")
    np.testing.assert_array_equal(read_image(tmp_path / "x.jpg"), read_image(tmp_path / "y.jpg"))
    Image.new("L", (64, 48)).save(tmp_path / "m.png", exif=turned)
    frame = Frame(tmp_path / "x.jpg", tmp_path / "m.png", "x")
    assert read_frame(frame, make_card())[1].shape == (48, 64)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_damaged_images_are_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    whole = cv2.imencode(suffix, noise)[1].tobytes()
    for broken in (whole[: len(whole) // 2], b"", b"not an image"):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=rf"x\{suffix} is damaged or no image"):
            read_image(path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"gone\.png cannot be read \(No such file"):
        read_image(tmp_path / "gone.png")


def test_masks_become_train_ids(tmp_path: Path, make_card) -> None:
    card = make_card(label_ids={7: 0, 8: 1, 20: 2}, ignore_ids=[0, 4])
    path = tmp_path / "m.png"
    cv2.imwrite(str(path), np.array([[7, 8, 20], [0, 4, 7]], np.uint8))
    np.testing.assert_array_equal(read_mask(path, card), [[0, 1, 2], [255, 255, 0]])
    cv2.imwrite(str(path), np.array([[7, 9, 255]], np.uint8))
    with pytest.raises(ValueError, match=r"m\.png has ids \[9, 255\] that are not on the card"):
        read_mask(path, card)


def test_colour_mapped_masks_give_their_indices(tmp_path: Path, make_card) -> None:
    ids = np.array([[0, 1, 2, 255]], np.uint8)
    picture = Image.fromarray(ids)
    picture.putpalette([level for index in range(256) for level in (index, 255 - index, 7)])
    picture.save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", make_card()), ids)


def test_other_kinds_of_mask_are_refused(tmp_path: Path, make_card) -> None:
    path = tmp_path / "m.png"
    cv2.imwrite(str(path), np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match=r"3 channel\(s\) of uint8"):
        read_mask(path, make_card())
    cv2.imwrite(str(path), np.zeros((4, 4), np.uint16))
    with pytest.raises(ValueError, match=r"1 channel\(s\) of uint16"):
        read_mask(path, make_card())


@pytest.mark.parametrize("suffix", [".png", ".webp"])
@pytest.mark.parametrize("left", [0, 30, -1])
def test_a_truncated_file_is_told_without_decoding(tmp_path: Path, suffix: str, left: int) -> None:
    path = tmp_path / f"x{suffix}"
    Image.effect_noise((40, 30), 50).convert("RGB").save(path)
    require_whole(path)
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(ValueError, match=r"x\.\w+ is truncated"):
        require_whole(path)


def test_a_mask_of_another_size_is_refused(tiny: DatasetCard) -> None:
    frame = frames(tiny, "train")[0]
    cv2.imwrite(str(frame.mask), np.zeros((40, 50), np.uint8))
    with pytest.raises(ValueError, match=r"train0\.png is 40x50, but its image .* is 40x56"):
        read_frame(frame, tiny)


def test_real_cityscapes_masks_agree_with_the_official_table(shared_data: Path) -> None:
    table = pytest.importorskip("cityscapesscripts.helpers.labels").id2label
    root = shared_data / "cityscapes_quarter"
    card = load_dataset(["datasets=cityscapes", f"datasets.root={root}"])
    for frame in frames(card, "val"):
        ids = np.asarray(Image.open(frame.mask))
        expected = np.array([table[i].trainId for i in range(34)])[ids]
        np.testing.assert_array_equal(read_frame(frame, card)[1], expected)


def test_real_camvid_frame(shared_data: Path) -> None:
    card = load_dataset(["datasets=camvid", f"datasets.root={shared_data / 'camvid'}"])
    frame: Frame = frames(card, "val")[0]
    image, mask = read_frame(frame, card)
    assert image.shape == (360, 480, 3)
    np.testing.assert_array_equal(image, np.asarray(Image.open(frame.image).convert("RGB")))
    ids = np.asarray(Image.open(frame.mask))
    np.testing.assert_array_equal(mask, np.where(ids == 11, 255, ids))
