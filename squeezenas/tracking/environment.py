"""Where a run was made: versions, devices, revision. Names no user and no host."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from squeezenas.core.reading import read_json

LIBRARIES = (
    "squeezenas",
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "opencv-python-headless",
    "albumentations",
    "pydantic",
    "omegaconf",
    "optuna",
    "cmaes",
    "scikit-learn",
    "scipy",
    "onnx",
    "onnxruntime",
    "openvino",
    "wandb",
)


def environment() -> dict[str, Any]:
    """What a reader needs to repeat a run, as plain types."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: found for name in LIBRARIES if (found := _version(name))},
        "cpu": {"model": _cpu_model(), "count": os.cpu_count()},
        **_torch_devices(),
        "git": _git_revision(),
    }


def read_environments(path: Path) -> list[dict[str, Any]]:
    """What a file says that has one `environment()` for each start of a run.

    Raises:
        OSError: it cannot be read.
        ValueError: it was changed; names the file.
    """
    found = read_json(path)
    kinds = {"command": list, "python": str, "libraries": dict, "platform": str, "cpu": dict}
    if not (
        isinstance(found, list)
        and found
        and all(isinstance(one, dict) for one in found)
        and all(isinstance(one.get(key), kind) for one in found for key, kind in kinds.items())
    ):
        raise ValueError(f"{path} was changed: it is not as a run writes it; put it back")
    return found


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _torch_devices() -> dict[str, Any]:
    """Threads and GPUs, of a process that uses torch; another is not made to import it."""
    torch = sys.modules.get("torch")
    if torch is None:
        return {}
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {"threads": torch.get_num_threads(), "cuda": torch.version.cuda, "gpus": gpus}


def _git_revision() -> dict[str, Any] | None:
    """Commit of the working folder and whether files differ from it; None outside a repository."""
    try:
        revision = _git("rev-parse", "HEAD")
        return {"revision": revision, "modified": bool(_git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    answer = subprocess.run(
        ["git", *arguments], capture_output=True, text=True, check=True, timeout=10
    )
    return answer.stdout.strip()
