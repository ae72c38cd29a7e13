import os

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from squeezenas.cli.main import main
from squeezenas.core.predict_config import PredictConfig
from squeezenas.core.recipes import load_dataset
from squeezenas.core.schema import keys
from squeezenas.runtimes.runtime import available
from tests.cli.trained_card import trained_card
from tests.zoo.random_network import images, plainly, random_network


@pytest.fixture(autouse=True)
def repository_folder(repository, monkeypatch):
    monkeypatch.chdir(repository)


@pytest.fixture
def card(tmp_path):
    return trained_card(tmp_path)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "inside").mkdir(parents=True)
    return folder


def predicted(card, *words):
    device = [] if any(str(word).startswith("device=") for word in words) else ["device=cpu"]
    exact = [] if any(str(word).startswith("precision=") for word in words) else ["precision=fp32"]
    return main(["predict", f"models={card}", *device, *exact, *map(str, words)])


def save(path, rgb):
    Image.fromarray(rgb).save(path)


def labels_of(rgb):
    """Train ids of the plain network."""
    given = torch.from_numpy(np.ascontiguousarray(rgb))[None]
    return plainly(random_network("lr_aspp"), given).argmax(1)[0].numpy()


def read(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def agreement(path, wanted):
    found = read(path)
    assert found.shape == wanted.shape
    return (found == wanted).mean()


def test_a_folder_of_all_kinds_of_images(card, photos, tmp_path, capsys):
    rgb = images(1, 70, 90)[0].numpy()
    grey = rgb[..., 0]
    save(photos / "rgb.png", rgb)
    save(photos / "grey.png", grey)
    save(photos / "inside" / "alpha.png", np.dstack((rgb, np.full_like(grey, 7))))
    cv2.imwrite(str(photos / "deep.png"), grey.astype(np.uint16) * 257)
    save(photos / "tiny.png", rgb[:9, :5])
    turned = Image.fromarray(rgb)
    exif = turned.getexif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees
    turned.save(photos / "turned.webp", lossless=True, exif=exif)
    (photos / "notes.txt").write_text("no image")
    out = tmp_path / "out"
    assert predicted(card, f"input={photos}", f"output={out}", "ids=train", "batch=2") == 0
    assert "6 images predicted" in capsys.readouterr().out
    wanted = {
        "rgb": rgb, "grey": np.dstack([grey] * 3), "inside/alpha": rgb, "tiny": rgb[:9, :5],
        "deep": np.dstack([grey] * 3), "turned": np.rot90(rgb, -1),
    }  # fmt: skip
    for name, shown in wanted.items():
        assert agreement(out / f"{name}_labels.png", labels_of(shown)) >= 0.999, name
    assert sum(path.is_file() for path in out.rglob("*")) == 3 * 6

    palette = np.array(load_dataset(["datasets=street_scenes"]).palette)
    colours = read(out / "rgb_colours.png")[..., ::-1]
    np.testing.assert_array_equal(colours, palette[read(out / "rgb_labels.png")])
    overlay = read(out / "rgb_overlays.jpg")
    assert overlay.shape[0] > 70  # the legend is below
    blend = 0.45 * rgb + 0.55 * colours
    assert np.abs(overlay[:70, :90, ::-1] - blend).mean() < 12  # it is a JPEG


def test_label_ids_and_what_is_saved(card, photos, tmp_path):
    rgb = images(1, 64, 64)[0].numpy()
    save(photos / "a.png", rgb)
    out = tmp_path / "out"
    words = [f"input={photos}/*.png", f"output={out}", "save=[labels]"]
    assert predicted(card, *words) == 0
    assert [path.name for path in out.iterdir()] == ["a_labels.png"]
    to_label = {
        train: label for label, train in load_dataset(["datasets=cityscapes"]).label_ids.items()
    }
    wanted = np.vectorize(to_label.get)(labels_of(rgb))
    assert agreement(out / "a_labels.png", wanted) >= 0.999


def test_another_backend_and_weights_from_elsewhere(card, photos, tmp_path):
    if "onnxruntime" not in available():
        pytest.skip("onnxruntime is not installed")
    rgb = images(1, 40, 64)[0].numpy()
    save(photos / "a.png", rgb)
    moved = (tmp_path / "toy.safetensors").rename(tmp_path / "other.safetensors")
    words = [f"input={photos}/a.png", f"output={tmp_path}/out", "ids=train", "threads=1"]
    assert predicted(card, *words, f"weights={moved}", "backend=onnxruntime") == 0
    assert agreement(tmp_path / "out" / "a_labels.png", labels_of(rgb)) >= 0.999


def test_what_cannot_be_read_is_left_out(card, photos, tmp_path, capsys):
    rgb = images(1, 64, 64)[0].numpy()
    save(photos / "a.png", rgb)
    save(photos / "b.png", rgb)
    save(photos / "c.png", rgb)
    whole = (photos / "b.png").read_bytes()
    (photos / "b.png").write_bytes(whole[: len(whole) // 2])
    (photos / "d.jpg").write_bytes(b"this is text")
    assert predicted(card, f"input={photos}", f"output={tmp_path}/out", "save=[labels]") == 1
    told = capsys.readouterr()
    assert "2 images predicted" in told.out
    assert f"left out: {photos}/b.png is truncated" in told.err
    assert f"left out: {photos}/d.jpg is damaged or no image" in told.err
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"a_labels.png", "c_labels.png"}


def test_a_video(card, tmp_path, capsys):
    rgb = images(1, 64, 95 + 1)[0].numpy()
    film = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 10, (96, 64))
    for step in range(12):
        writer.write(np.roll(rgb, 8 * step, axis=1)[..., ::-1].copy())
    writer.release()
    out = tmp_path / "out"
    assert predicted(card, f"input={film}", f"output={out}") == 0
    assert "12 frames predicted" in capsys.readouterr().out
    assert {path.name for path in out.iterdir()} == {
        "film", "film_colours.mp4", "film_overlays.mp4",
    }  # fmt: skip
    assert len(list((out / "film").glob("*_labels.png"))) == 12
    made = cv2.VideoCapture(str(out / "film_overlays.mp4"))
    assert made.get(cv2.CAP_PROP_FRAME_COUNT) == 12
    assert made.get(cv2.CAP_PROP_FPS) == 10

    broken = tmp_path / "broken.avi"
    broken.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    assert predicted(card, f"input={broken}", f"output={out}", "save=[overlays]") == 1
    assert "broken.avi breaks off after" in capsys.readouterr().err


def test_mistakes_are_told_before_any_work(card, photos, tmp_path, capsys):
    save(photos / "a.png", images(1, 64, 64)[0].numpy())
    save(photos / "a.bmp", images(1, 64, 64)[0].numpy())
    (tmp_path / "film.mp4").write_bytes(b"no video at all")
    (tmp_path / "file").touch()
    given, out = f"input={photos}/a.png", f"output={tmp_path}/out"
    for words, told in (
        ([f"input={tmp_path}/none", out], "no image there"),
        ([f"input={tmp_path}/film.mp4", out], "no frame of this video can be read"),
        ([f"input={photos}", out], "would both be written as a_*; rename one"),
        ([given, f"output={tmp_path}/file"], "file cannot be written"),
        ([given], "output: missing"),
        ([given, out, "save=[label]"], "save[0]: "),
        ([given, out, "datasets=camvid"], "are not the 11 of camvid"),
        ([given, out, "backend=tensorrt"], "unknown backend 'tensorrt'"),
        ([given, out, "backend=onnxruntime", "precision=bf16"], "onnxruntime computes in fp32"),
        ([given, out, "precision=fp16"], "precision=fp16 needs a GPU"),
        ([given, out, f"weights={tmp_path}/w.safetensors"], "w.safetensors: no such file"),
        ([given, out, "--dry-run"], "--dry-run: only for"),
    ):
        assert predicted(card, *words) == 2, words
        captured = capsys.readouterr()
        assert told in captured.err, captured.err
        assert captured.err.startswith("squeezenas: ")
    assert not list((tmp_path / "out").rglob("*.*")) if (tmp_path / "out").exists() else True


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_an_output_folder_without_rights(card, photos, tmp_path, capsys):
    save(photos / "a.png", images(1, 64, 64)[0].numpy())
    (tmp_path / "out").mkdir(mode=0o500)
    assert predicted(card, f"input={photos}/a.png", f"output={tmp_path}/out") == 2
    assert "no permission" in capsys.readouterr().err


def test_help_lists_every_key(capsys):
    assert main(["predict", "--help"]) == 0
    page = capsys.readouterr().out
    for key in keys(PredictConfig):
        assert f"\n  {key.path}: {key.accepts}" in page
