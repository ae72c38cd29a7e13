"""What may be shown to others: passwords, tokens and keys are struck out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "***"

_SECRET = r"(?:password|passwd|passphrase|secret|token|credentials?|(?:api|access|private)_?key)"
_KEY = re.compile(rf"(?:.*[._-])?{_SECRET}", re.IGNORECASE)
_GIVEN = re.compile(rf"\b((?:\w+[._-])?{_SECRET}=)[^&\s]+", re.IGNORECASE)
_IN_URL = re.compile(r"(://[^\s:/@]*:)[^\s/]*@")


def masked(value: Any) -> Any:
    """A copy of plain data without secrets, for eyes other than the user's.

    Struck out are values of keys such as `password` and `api_key`, what follows such a word and `=`
    in a text, and passwords in addresses (`postgresql://user:password@host`).
    """
    if isinstance(value, str):
        return _GIVEN.sub(rf"\1{MASK}", _IN_URL.sub(rf"\1{MASK}@", value))
    if isinstance(value, Mapping):
        return {
            key: MASK if item and _KEY.fullmatch(str(key)) else masked(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [masked(item) for item in value]
    return value
