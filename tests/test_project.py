"""The project's own promises: versions agree, recipes travel in the wheel, files stay small."""

import re
import subprocess
import sys
import tomllib
import zipfile

import pytest
import yaml
from packaging.requirements import Requirement

import squeezenas


@pytest.fixture(scope="module")
def project(repository):
    return tomllib.loads((repository / "pyproject.toml").read_text())


def test_one_version(repository):
    citation = yaml.safe_load((repository / "CITATION.cff").read_text())
    assert citation["version"] == squeezenas.__version__
    assert f"## {squeezenas.__version__} " in (repository / "CHANGELOG.md").read_text()


def test_pins_satisfy_the_ranges(repository, project):
    lines = (repository / "constraints.txt").read_text().split()
    pins = dict(line.lower().split("==") for line in lines)
    optional = project["project"]["optional-dependencies"]
    stated = [
        *project["project"]["dependencies"],
        *(r for extra in optional.values() for r in extra),
    ]
    for requirement in map(Requirement, stated):
        pin = pins.get(requirement.name.lower().replace("_", "-"))
        assert pin is None or pin in requirement.specifier, requirement


def test_the_wheel_carries_package_and_recipes(repository, tmp_path):
    pytest.importorskip("hatchling")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=repository,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"squeezenas", f"squeezenas-{squeezenas.__version__}.dist-info"}
    for group in ("datasets", "models", "training_regimes"):
        for card in (repository / group).glob("*.yaml"):
            assert f"squeezenas/recipes/{group}/{card.name}" in names
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    printed = subprocess.run(
        [sys.executable, "-m", "squeezenas.cli.main", "search", "--print-config"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site"), "PATH": ""},
        check=True,
        capture_output=True,
        text=True,
    )
    assert yaml.safe_load(printed.stdout)["regime"]["space"] == "squeezenas_small"


def test_files_stay_readable(repository):
    lengths = {
        str(path.relative_to(repository)): path.read_text().count("\n")
        for folder in ("squeezenas", "tests")
        for path in (repository / folder).rglob("*.py")
    }
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}


def test_every_folder_of_code_is_a_package(repository):
    folders = {path.parent for path in (repository / "squeezenas").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_makefile_documents_its_targets(repository):
    text = (repository / "Makefile").read_text()
    targets = set(re.findall(r"^\.PHONY: (.*)$", text, re.M)[0].split()) - {"help"}
    assert {target for target in targets if f"make {target} " in text} == targets
