"""Our networks with the official weights answer what the official code answers."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from squeezenas.core.space import spaces
from tests.spaces.published import NETWORKS

NAMES = [  # official name, ours
    (r"encoder\.conv1\.", "stem."),
    (r"encoder\.residuals\.", "units."),
    (r"encoder\.last_conv\.", "last."),
    (r"decoder\._1x1_TL\.conv\.", "head.project.0."),
    (r"decoder\._1x1_TL\.bn\.", "head.project.1."),
    (r"decoder\._1x1_BL\.", "head.gate."),
    (r"decoder\._1x1_TR\.", "head.classify."),
    (r"decoder\._1x1_BR\.", "head.classify_low."),
]


def our_name(name: str) -> str:
    for official, ours in NAMES:
        name = re.sub(f"^{official}", ours, name)
    return name


def normalised(path: Path) -> torch.Tensor:
    pixels = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB).astype(np.float32) / 255
    pixels = (pixels - np.float32((0.485, 0.456, 0.406))) / np.float32((0.229, 0.224, 0.225))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


@pytest.mark.parametrize(
    ("name", "frame"),
    [("mac_small", "frankfurt_000000_000294"), ("lat_small", "lindau_000000_000019")],
)
@torch.no_grad()
def test_logits_and_labels(name: str, frame: str, shared_data: Path) -> None:
    folder = shared_data.parent / "reference" / "official_predictions" / f"squeezenas_{name}"
    weights = shared_data / "weights" / f"{name}.pth"
    city = frame.partition("_")[0]
    image = shared_data / f"cityscapes/leftImg8bit/val/{city}/{frame}_leftImg8bit.png"
    missing = [path for path in (folder, weights, image) if not path.exists()]
    if missing:
        pytest.skip(f"no {missing[0]}")
    published = NETWORKS[name]
    space = spaces[published.space]()
    network = space.network(space.read(published.genotype.split()), 19, published.head).eval()
    state = torch.load(weights, map_location="cpu", weights_only=True)
    network.load_state_dict({our_name(key): value for key, value in state.items()})
    logits = network(normalised(image))
    with np.load(folder / "logits_every_64th_pixel.npz") as reference:
        sparse = torch.from_numpy(reference[frame])
    torch.testing.assert_close(logits[0, :, 32::64, 32::64], sparse, rtol=0, atol=1e-4)
    labels = cv2.imread(str(folder / f"{frame}_trainIds.png"), cv2.IMREAD_UNCHANGED)
    best, second = logits[0].topk(2, dim=0).values
    different = logits[0].argmax(0) != torch.from_numpy(labels)
    assert different.sum() <= 2  # of two million; those must be ties, broken by rounding
    assert (best - second)[different].lt(1e-5).all()
