"""Our networks with the official weights answer what the official code answers."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import squeezenas

FRAMES = (
    "frankfurt_000000_000294", "frankfurt_000000_000576", "frankfurt_000000_001751",
    "frankfurt_000000_002196", "frankfurt_000000_003025", "lindau_000000_000019",
)  # fmt: skip


def normalised(path: Path) -> torch.Tensor:
    pixels = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB).astype(np.float32) / 255
    pixels = (pixels - np.float32((0.485, 0.456, 0.406))) / np.float32((0.229, 0.224, 0.225))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


@pytest.mark.parametrize("name", ["squeezenas_mac_small", "squeezenas_lat_small"])
@torch.no_grad()
def test_logits_and_labels(
    name: str, shared_data: Path, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shared_data.parent / "reference" / "official_predictions" / name
    weights = shared_data / "weights" / f"{name.removeprefix('squeezenas_')}.pth"
    images = shared_data / "cityscapes" / "leftImg8bit" / "val"
    missing = [path for path in (folder, weights, images) if not path.exists()]
    if missing:
        pytest.skip(f"no {missing[0]}")
    monkeypatch.chdir(repository)
    monkeypatch.setenv("SQUEEZENAS_HOME", str(tmp_path))
    monkeypatch.setenv("SQUEEZENAS_MIRROR", weights.parent.as_uri())
    network = squeezenas.create_model(name, pretrained=True)
    reference = np.load(folder / "logits_every_64th_pixel.npz")
    # A few seconds each: SQUEEZENAS_ALL_FRAMES=1 asks for all six.
    for frame in FRAMES if os.environ.get("SQUEEZENAS_ALL_FRAMES") else FRAMES[:1]:
        city = frame.partition("_")[0]
        logits = network(normalised(images / city / f"{frame}_leftImg8bit.png"))[0]
        sparse = torch.from_numpy(reference[frame])
        torch.testing.assert_close(logits[:, 32::64, 32::64], sparse, rtol=0, atol=1e-4)
        labels = cv2.imread(str(folder / f"{frame}_trainIds.png"), cv2.IMREAD_UNCHANGED)
        different = logits.argmax(0) != torch.from_numpy(labels)
        best, second = logits[:, different].topk(2, dim=0).values
        assert different.sum() <= 2  # of two million; those must be ties, broken by rounding
        assert (best - second).lt(1e-5).all()
