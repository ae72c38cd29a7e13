from __future__ import annotations

from typing import Any

import pytest

from squeezenas.tracking.secrets import masked


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("postgresql://user:pa:ss@wd@host:5432/db", "postgresql://user:***@host:5432/db"),
        ("cannot reach redis://:word@h; try again", "cannot reach redis://:***@h; try again"),
        ("https://host:8080/a", "https://host:8080/a"),
        ("https://host/a?user=x&api_key=abc&size=3", "https://host/a?user=x&api_key=***&size=3"),
        (["storage=mysql://u:p@h/d", "seed=3"], ["storage=mysql://u:***@h/d", "seed=3"]),
        (("db.password=abc", 1, None), ["db.password=***", 1, None]),
        ({"password": "a", "token": 7}, {"password": "***", "token": "***"}),
        ({"secret": "", "passwd": None}, {"secret": "", "passwd": None}),
        ({"a": {"AWS_SECRET": "x", "b": 1}}, {"a": {"AWS_SECRET": "***", "b": 1}}),
        ({"private_key": ["x"]}, {"private_key": "***"}),
        ({"tokens": 35, "keys": "abc", "words": 10}, {"tokens": 35, "keys": "abc", "words": 10}),
        (0.5, 0.5),
    ],
)  # fmt: skip
def test_secrets_are_struck_out(value: Any, shown: Any) -> None:
    assert masked(value) == shown
