"""The formats: each writes one network under a name it is given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from squeezenas.core.files import write_atomically
from squeezenas.runtimes.onnx_model import exported, quiet, to_onnx
from squeezenas.zoo.graph import Graph

RUNTIMES = {"onnx": "onnxruntime", "openvino": "openvino", "torch_export": "torch"}
"""What runs the files of each format."""

TOLD = "squeezenas"  # where torch_export and OpenVINO keep what a file says about itself


def write_graph(
    path: Path, format: str, graph: Graph, example: Tensor, dynamic: bool, told: Mapping[str, str]
) -> None:
    """Writes a graph in a format of `RUNTIMES`.

    Args:
        path: the file; OpenVINO's weights go beside it, with `.bin` in place of `.xml`.
        format: onnx, openvino or torch_export.
        graph: in evaluation mode.
        example: images that it is traced with.
        dynamic: leave number and size of the images open.
        told: what the file says about itself.

    Raises:
        OSError: it cannot be written.
    """
    if format == "torch_export":
        program = exported(graph, example, dynamic)
        with quiet():
            torch.export.save(program, path, extra_files={TOLD: json.dumps(dict(told))})
        return
    model = to_onnx(graph, example, dynamic)
    if format == "onnx":
        for name, text in told.items():
            model.metadata_props.add(key=name, value=text)
        write_atomically(path, model.SerializeToString())
        return
    from squeezenas.runtimes.openvino_cpu import library, to_openvino

    network = to_openvino(model.SerializeToString())
    for name, text in told.items():
        network.set_rt_info(text, [TOLD, name])
    library().save_model(network, path, compress_to_fp16=False)
