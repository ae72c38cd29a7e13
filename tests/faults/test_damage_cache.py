"""An entry of the disk cache with a flipped bit is made anew from the files."""

import random

import cv2
import numpy as np

from squeezenas.core.recipes import load_dataset
from squeezenas.data.cache import DecodedSamples
from squeezenas.data.frames import Frame
from tests.faults.test_damage import flipped


def test_a_decoded_image(tmp_path, rng: random.Random, seen):
    card = load_dataset(["datasets=street_scenes"])
    frame = Frame(tmp_path / "image.png", tmp_path / "mask.png", "frame")
    pixels = np.random.default_rng(0)
    cv2.imwrite(str(frame.image), pixels.integers(0, 256, (2, 5, 3), dtype=np.uint8))
    cv2.imwrite(str(frame.mask), pixels.choice(np.array([7, 8, 11], np.uint8), (2, 5)))

    def decoded():
        return DecodedSamples([frame], card, "disk", tmp_path / "kept")[0]

    expected = decoded()
    (entry,) = (tmp_path / "kept").glob("*.npy")
    whole = entry.read_bytes()
    for byte in range(len(whole)):
        entry.write_bytes(flipped(whole, 8 * byte + rng.randrange(8)))
        assert all(map(np.array_equal, decoded(), expected)), byte
        assert entry.read_bytes() == whole, byte
    seen("decoded image with flipped bits", len(whole))
