"""One interface to what can run a network, so that they can be compared and exchanged.

    run = compile("onnxruntime", module, example, threads=2)
    labels = run(images)

A runtime is a file here that registers a `Runtime`; its library is imported when it is used.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from torch import Tensor, nn

from squeezenas.core.registry import Registry

Array = NDArray[Any]
Run = Callable[[Array], Array]
"""One input to one output. What it returns may be overwritten by its next call."""


@dataclass(frozen=True)
class Runtime:
    """Something that runs networks.

    Args:
        libraries: the modules it needs.
        precisions: what it can compute in, the exact one first.
        compile: module, example, precision, threads and `dynamic` to a `Run`; see `compile`.
        open: the same of a file of its own format, on the CPU.
    """

    libraries: tuple[str, ...]
    precisions: tuple[str, ...]
    compile: Callable[[nn.Module, Tensor, str, int, bool], Run]
    open: Callable[[Path, str, int], Run]


runtimes: Registry[Runtime] = Registry("backend", "squeezenas.runtimes")


def available() -> list[str]:
    """Names of the runtimes whose libraries are installed."""
    return [name for name in runtimes.names() if not _missing(runtimes[name])]


def compile(
    name: str,
    module: nn.Module,
    example: Tensor,
    precision: str = "fp32",
    threads: int = 0,
    dynamic: bool = False,
) -> Run:
    """A module of one input and one output, ready to run; the graph is the module's, unchanged.

    Args:
        name: a registered runtime: torch, onnxruntime or openvino.
        module: in evaluation mode. ONNX Runtime and OpenVINO export it and run on the CPU; torch
            calls it where its weights are.
        example: an input, whose shape and type are fixed from then on (not in torch).
        precision: fp32, or bf16 or fp16 where the runtime computes in it. torch casts a module of
            floating-point inputs; one that takes bytes, as `Deployed`, has a precision of its own.
        threads: of the CPU; 0: as many as the library likes. In torch it holds for the process.
        dynamic: let the first three sides, `(N, H, W)`, differ from the example's; exporting takes
            several times as long.

    Raises:
        ValueError: unknown runtime or precision, or the library is not installed; says what to do.
    """
    return usable(name, precision).compile(module, example, precision, threads, dynamic)


def open_file(name: str, path: Path, precision: str = "fp32", threads: int = 0) -> Run:
    """The network in an exported file (.onnx, .xml, .pt2), ready to run on the CPU.

    Raises:
        FileNotFoundError: no such file.
        ValueError: as of `compile`, or the file is damaged.
    """
    runtime = usable(name, precision)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; check the path")
    try:
        return runtime.open(path, precision, threads)
    except Exception as error:  # each library has errors of its own
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path}: {name} cannot read it ({first}); export it again") from error


def usable(name: str, precision: str) -> Runtime:
    """The runtime of that name, if it is installed and computes in that precision.

    Raises:
        ValueError: it is unknown or not installed, or computes in others only.
    """
    runtime = runtimes[name]
    if missing := _missing(runtime):
        raise ValueError(
            f"backend={name}: {', '.join(missing)} is not installed; "
            'pip install "squeezenas[export]", or use backend=torch'
        )
    if precision not in runtime.precisions:
        raise ValueError(
            f"precision={precision}: backend={name} computes in {', '.join(runtime.precisions)}"
        )
    return runtime


def _missing(runtime: Runtime) -> list[str]:
    return [name for name in runtime.libraries if importlib.util.find_spec(name) is None]
