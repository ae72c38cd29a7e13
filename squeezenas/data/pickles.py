"""Pickles of plain data and arrays, such as old benchmarks are, read without running any of them.

A pickle is a program. Of its instructions those are followed that build texts, numbers, lists,
dicts and, by the words in which NumPy writes them, arrays of numbers. A word stands for code of
this module, never for what it names: NumPy's own would trust a file with the layout of its memory.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from squeezenas.core.reading import read_bytes

NUMBERS = "?bBhHiIlLqQefd"
"""Kinds of numbers that an array may hold, by NumPy's characters."""
TUPLES = 100
"""Tuples in a file; an array takes six. Deeper ones than the stack would end the interpreter."""
INSTRUCTIONS = 4_000_000
"""Of a file: each may take 80 bytes. CIFAR-100, with a name and two labels an image, has 0.4
million."""
LARGEST = 1 << 61
"""Of whole numbers: multiples of 2**61 - 1 share one hash, and a dict of them takes for ever."""

_TEXTS = {
    "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
}  # fmt: skip
_WORDS = {"GLOBAL", "STACK_GLOBAL"}
_TUPLES = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
_KEEP = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}
_REPEAT = {"GET", "BINGET", "LONG_BINGET"}
_ALLOWED = _TEXTS | _WORDS | _TUPLES | _KEEP | _REPEAT | {
    "PROTO", "FRAME", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "EMPTY_TUPLE",
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "BINFLOAT",
    "EMPTY_LIST", "LIST", "APPEND", "APPENDS", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS",
    "REDUCE", "BUILD",
}  # fmt: skip


def read_pickle(path: Path, limit: int) -> dict[str, Any]:
    """The dict of a pickle of at most `limit` bytes; Python 2 wrote many, in Latin-1.

    Raises:
        FileNotFoundError: no such file.
        OSError: it cannot be read.
        ValueError: larger, damaged, with more than plain data, or no dict by texts; names the file.
    """
    content = read_bytes(path, limit)
    try:
        _check(content)
        data = _Data(io.BytesIO(content), encoding="latin1").load()
    except _ForeignError as error:
        raise ValueError(
            f"{path} wants to run {error}, which no plain data needs; get the official file"
        ) from None
    except Exception as error:  # damaged pickles fail in every way there is
        raise ValueError(
            f"{path} is damaged or truncated ({len(content)} bytes); get the file again"
        ) from error
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise ValueError(f"{path} holds a {type(data).__name__}, not the dict of a data set")
    return {
        key: value.content if isinstance(value, _Array) else value for key, value in data.items()
    }


class _ForeignError(Exception):
    """Something that no plain data needs."""


def _check(content: bytes) -> None:
    """Refuses other instructions, and those that take memory or time without bounds.

    Texts alone may be repeated: nested containers that repeat each other double with each level.
    """
    memo: dict[int, bool] = {}  # whether it is a text
    tuples, before = 0, ""
    for count, (instruction, number, _) in enumerate(pickletools.genops(content)):
        name = instruction.name
        if count >= INSTRUCTIONS:
            raise ValueError(f"more than {INSTRUCTIONS} instructions")
        if isinstance(number, int) and abs(number) >= LARGEST:
            raise ValueError(f"a number of more than {LARGEST.bit_length() - 1} bits")
        if name not in _ALLOWED:
            raise _ForeignError(f"the instruction {name}")
        if name in _KEEP:
            index = len(memo) if number is None else number
            if index > len(content):
                raise ValueError("a memory larger than the file")
            memo[index] = before in _TEXTS | _WORDS
        elif name in _REPEAT and not memo.get(number or 0):
            raise ValueError("a repeated container")
        tuples += name in _TUPLES
        if tuples > TUPLES:
            raise ValueError(f"more than {TUPLES} tuples")
        before = name


class _Data(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        word = f"{module}.{name}"
        if word not in _MEANINGS:
            raise _ForeignError(word)
        return _MEANINGS[word]


class _Kind:
    """What `numpy.dtype` stands for; its state tells the order of the bytes."""

    def __init__(self, code: str, *how_copied: object) -> None:
        self.dtype = np.dtype(code[:3])
        if self.dtype.char not in NUMBERS:
            raise ValueError(f"an array of {self.dtype}")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """What `numpy.ndarray` stands for: nothing, until its state tells shape, kind and content."""

    content: NDArray[Any] | None = None

    def __init__(self, *blank: object) -> None:
        pass

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, content = state
        if isinstance(content, str):  # bytes of Python 2
            content = content.encode("latin1")
        flat = np.frombuffer(content, kind.dtype)
        self.content = flat.reshape(shape, order="F" if fortran else "C")


class _Latin1:
    """What `_codecs.encode` stands for: how Python 3 writes bytes for Python 2."""

    __slots__ = ()

    def __call__(self, text: str, encoding: str = "latin1") -> bytes:
        return text.encode("latin1")

    def __setstate__(self, state: object) -> None:
        raise _ForeignError("the instruction BUILD on a function")


_MEANINGS = {
    "numpy.core.multiarray._reconstruct": _Array,
    "numpy._core.multiarray._reconstruct": _Array,
    "numpy.ndarray": _Array,
    "numpy.dtype": _Kind,
    "_codecs.encode": _Latin1(),
}
