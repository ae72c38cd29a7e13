"""The schema of an export: which file, and what it takes and gives."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from squeezenas.core.config import Size
from squeezenas.core.network_config import NetworkConfig

SUFFIXES = {
    "onnx": ".onnx",
    "openvino": ".xml",
    "torch_export": ".pt2",
    "safetensors": ".safetensors",
}


class ExportConfig(NetworkConfig):
    """A network as one file that other programs run."""

    format: Literal["onnx", "openvino", "torch_export", "safetensors"] = "onnx"
    """onnx, openvino and torch_export: images (N, H, W, 3) of bytes in, the result out;
    safetensors: only the weights."""
    output: Path
    """The file; openvino puts a .bin beside its .xml."""
    size: Size | Literal["dynamic"] = "dynamic"
    """[height, width] of the images, or dynamic: any number of images of any size."""
    result: Literal["labels", "logits"] = "labels"
    """labels: classes (N, H, W) as bytes; logits: (N, classes, H, W) as float32."""

    @model_validator(mode="after")
    def _suffix(self) -> ExportConfig:
        wanted = SUFFIXES[self.format]
        if self.output.suffix != wanted:
            raise ValueError(
                f"output={self.output}: a file of format={self.format} ends in {wanted}"
            )
        return self
