"""YAML files in, whole files out: readable faults, and nothing half-written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException


def read_yaml(path: Path) -> DictConfig:
    """The mapping in a YAML file, interpolations unresolved; `1e-3` is a number.

    Raises:
        FileNotFoundError: no such file.
        ValueError: broken syntax, a key given twice, text that is not UTF-8, or no mapping; names
            the file, and the line where there is one.
    """
    try:
        content = OmegaConf.load(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file; check the path") from None
    except IsADirectoryError:
        raise ValueError(f"{path}: a folder; name a YAML file") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not UTF-8 text; save it as UTF-8 YAML") from None
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"{path}{line}: {error.problem}; correct the YAML") from None
    except (yaml.YAMLError, OmegaConfBaseException) as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}; correct the YAML") from None
    except OSError as error:
        if error.errno is not None:
            raise
        content = None  # OmegaConf's word for a lone number
    if not isinstance(content, DictConfig):
        raise ValueError(f"{path}: expected `key: value` lines at the top level")
    return content


def to_yaml(data: Any) -> str:
    """Plain data as YAML in the given order, lists of plain values on one line."""
    return yaml.safe_dump(
        data, sort_keys=False, default_flow_style=None, allow_unicode=True, width=100
    )


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes a file so that a reader, or a crash, finds the old or the new one, never half.

    Args:
        path: where it goes.
        content: bytes, or text that becomes UTF-8.

    Raises:
        OSError: the folder is missing, not writable, or the disk is full; the old file stays.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)  # mkstemp makes files only their owner can read
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink()
        raise
