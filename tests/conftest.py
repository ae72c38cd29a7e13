"""One thread for every test process, and the real data some tests need."""

import os

# Before anything imports torch: two processes of two threads on two cores are slower than one.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Torch reads OMP_NUM_THREADS only once; a plugin may have imported it before."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder with pyproject.toml."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets: $SQUEEZENAS_TEST_DATA, or shared/data beside the repository."""
    named = os.environ.get("SQUEEZENAS_TEST_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set SQUEEZENAS_TEST_DATA to run this test")
    return folder
