"""OpenVINO on the CPU, which in bf16 chooses itself the layers that it computes in bfloat16."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from squeezenas.runtimes.onnx_model import EXPORTER, to_onnx
from squeezenas.runtimes.runtime import Array, Run, Runtime, runtimes

HINTS = {"fp32": "f32", "bf16": "bf16"}


def to_openvino(model: bytes) -> Any:
    """The `openvino.Model` of an ONNX model; by way of ONNX, so that both run one graph."""
    import openvino

    return openvino.Core().read_model(model, b"")


def _request(model: Any, precision: str, threads: int) -> Run:
    import openvino

    settings: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "PERFORMANCE_HINT": "LATENCY",
    }
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    request = openvino.compile_model(model, "CPU", settings).create_infer_request()

    def run(values: Array) -> Array:
        answer: Array = request.infer({0: values})[0]
        return answer

    return run


def _compile(
    module: nn.Module, example: Tensor, precision: str, threads: int, dynamic: bool
) -> Run:
    return _request(
        to_openvino(to_onnx(module, example, dynamic).SerializeToString()), precision, threads
    )


def _open(path: Path, precision: str, threads: int) -> Run:
    import openvino

    return _request(openvino.Core().read_model(path), precision, threads)


runtimes.register("openvino")(Runtime(("openvino", *EXPORTER), tuple(HINTS), _compile, _open))
