"""The schema of a prediction: what is read, and what is written of it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from squeezenas.core.network_config import Ids, NetworkConfig


class PredictConfig(NetworkConfig):
    """Images or a video, labels and pictures of them."""

    input: str = Field(min_length=1)
    """An image, a folder (with all folders inside), a pattern in quotes ("frames/*.png"), or a
    video."""
    output: Path
    """Folder for what is written."""
    save: tuple[Literal["labels", "colours", "overlays"], ...] = Field(
        ("labels", "colours", "overlays"), min_length=1
    )
    """labels: PNG of ids; colours: PNG in the palette; overlays: JPEG with a legend. Of a video,
    colours and overlays are videos."""
    ids: Ids = "label"
    """What label PNGs hold: label ids as the masks of the data set do, or train ids."""
    batch: int = Field(1, ge=1)
    """Images of one size that are predicted together."""
    backend: str = "torch"
    """What runs the network: torch, onnxruntime or openvino."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of the network. auto: half precision where the device multiplies it natively (in
    torch), else fp32."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: a GPU when there is one and backend=torch."""
