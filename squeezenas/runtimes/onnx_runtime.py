"""ONNX Runtime on the CPU, in float32: its kernels for other types are slower there."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from squeezenas.runtimes.onnx_model import EXPORTER, to_onnx
from squeezenas.runtimes.runtime import Array, Run, Runtime, runtimes


def _session(model: str | bytes, threads: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(values: Array) -> Array:
        answer: Array = session.run(None, {name: values})[0]
        return answer

    return run


def _compile(
    module: nn.Module, example: Tensor, precision: str, threads: int, dynamic: bool
) -> Run:
    return _session(to_onnx(module, example, dynamic).SerializeToString(), threads)


def _open(path: Path, precision: str, threads: int) -> Run:
    return _session(str(path), threads)


runtimes.register("onnxruntime")(Runtime(("onnxruntime", *EXPORTER), ("fp32",), _compile, _open))
