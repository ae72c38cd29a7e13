"""OpenVINO on the CPU, which in bf16 chooses itself the layers that it computes in bfloat16."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from squeezenas.runtimes.onnx_model import EXPORTER, to_onnx
from squeezenas.runtimes.runtime import Array, Run, Runtime, runtimes

HINTS = {"fp32": "f32", "bf16": "bf16"}


@functools.cache
def core() -> Any:
    """The one `openvino.Core` of this process, which lives as long.

    Its CPU plugin gives the thread a stack for signal handlers, and takes the memory back when the
    last core goes: the next signal, such as that of a data loader's worker that ends, would then
    kill the process.
    """
    return library().Core()


def library() -> Any:
    """The module `openvino`, which tells nobody of it.

    Its import writes to the user's home and reports to Intel, unless `openvino_telemetry` is not
    there; so Python is told that it is not.
    """
    sys.modules.setdefault("openvino_telemetry", cast("Any", None))
    import openvino

    return openvino


def to_openvino(model: bytes) -> Any:
    """The `openvino.Model` of an ONNX model; by way of ONNX, so that both run one graph."""
    return core().read_model(model, b"")


def _request(model: Any, precision: str, threads: int) -> Run:
    settings: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "PERFORMANCE_HINT": "LATENCY",
    }
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    request = core().compile_model(model, "CPU", settings).create_infer_request()

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
    return _request(core().read_model(path), precision, threads)


runtimes.register("openvino")(Runtime(("openvino", *EXPORTER), tuple(HINTS), _compile, _open))
