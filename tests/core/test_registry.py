import sys

import pytest

from squeezenas.core.registry import Registry


@pytest.fixture
def registry(tmp_path, monkeypatch):
    package = tmp_path / "toy_entries"
    package.mkdir()
    (package / "__init__.py").write_text("from squeezenas.core.registry import Registry\n")
    (package / "first.py").write_text("import toy_store\ntoy_store.r.register('alpha')(1)\n")
    (package / "second.py").write_text("import toy_store\ntoy_store.r.register('beta')(2)\n")
    (tmp_path / "toy_store.py").write_text(
        "from squeezenas.core.registry import Registry\nr = Registry('toy', 'toy_entries')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import toy_store

    yield toy_store.r
    for name in [name for name in sys.modules if name.startswith("toy_")]:
        del sys.modules[name]


def test_modules_are_found_by_being_there(registry):
    assert registry.names() == ["alpha", "beta"]
    assert registry["beta"] == 2


def test_unknown_name_points_at_the_nearest_and_lists_all(registry):
    with pytest.raises(ValueError, match=r"unknown toy 'betta' \(did you mean 'beta'\?\).*alpha"):
        registry["betta"]


def test_a_name_is_taken_once():
    registry = Registry("toy", "squeezenas.core")
    registry.register("x")(object())
    again = registry.register("x")
    with pytest.raises(ValueError, match="'x' is registered twice"):
        again(object())
