import subprocess
import sys


def test_the_package_imports_nothing_heavy(repository):
    code = (
        "import sys; before = set(sys.modules); import squeezenas;"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "print(*sorted(new - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["squeezenas"]


def test_a_search_can_be_set_up_without_optional_libraries(repository):
    """Machines with a GPU often have torch, NumPy, OpenCV, pydantic and OmegaConf alone."""
    names = "wandb apex tensorboard albumentations torchvision timm pycocotools matplotlib onnx"
    code = (
        f"import sys; sys.modules.update(dict.fromkeys('{names}'.split()));"
        "import squeezenas.search.one_shot, squeezenas.search.select, squeezenas.cli.search;"
        "from squeezenas.core.space import spaces;"
        "from squeezenas.strategies.base import strategies;"
        "spaces.names(), strategies.names()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
