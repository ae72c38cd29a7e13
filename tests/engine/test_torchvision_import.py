"""In processes of their own: an import happens once."""

import os
import subprocess
import sys


def python(repository, code):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_transforms_and_timm_work_afterwards(repository):
    done = python(
        repository,
        "from squeezenas.engine.torchvision_import import import_torchvision as load\n"
        "assert load() is load()\n"
        "import torch, torchvision.transforms.functional as f, torchvision.models, timm\n"
        "print(f.hflip(torch.arange(3.).view(1, 1, 3)).tolist(), timm.is_model('resnet18'))",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[0] == "[[[2.0, 1.0, 0.0]]] True"


def test_an_error_about_something_else_passes(repository):
    done = python(
        repository,
        "import sys\n"
        "class Broken:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'torchvision': raise RuntimeError('something else')\n"
        "sys.meta_path.insert(0, Broken())\n"
        "from squeezenas.engine.torchvision_import import import_torchvision\n"
        "import_torchvision()",
    )
    assert done.returncode == 1
    assert done.stderr.strip().endswith("RuntimeError: something else")
