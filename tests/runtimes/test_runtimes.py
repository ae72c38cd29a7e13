import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from squeezenas.runtimes import runtime
from squeezenas.runtimes.onnx_model import to_onnx
from squeezenas.runtimes.runtime import available, compile, open_file, usable
from squeezenas.zoo.graph import TRACED, Graph
from tests.zoo.random_network import MEAN, STD, images, plainly, random_network

EXPORTING = ("onnxruntime", "openvino")


def skip_without(name):
    if name not in available():
        pytest.skip(f"{name} is not installed")


@pytest.mark.parametrize("name", ["torch", *EXPORTING])
def test_a_block_of_floats(name):
    skip_without(name)
    torch.manual_seed(0)
    block = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()).eval()
    given = torch.randn(1, 3, 8, 10)
    run = compile(name, block, given, threads=1)
    np.testing.assert_allclose(run(given.numpy()), block(given).detach(), atol=1e-5)


@pytest.fixture(scope="module")
def any_size(tmp_path_factory):
    """An ONNX file for images of any size and number."""
    pytest.importorskip("onnx")
    example = torch.zeros((*TRACED, 3), dtype=torch.uint8)
    model = to_onnx(Graph(random_network("lr_aspp"), MEAN, STD).eval(), example, dynamic=True)
    path = tmp_path_factory.mktemp("any") / "size.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("name", EXPORTING)
def test_images_of_any_size_and_number(name, any_size):
    skip_without(name)
    network = random_network("lr_aspp")
    run = open_file(name, any_size, threads=1)
    for shape in ((1, 33, 70), (2, 64, 96), (1, 5, 160), (1, 96, 850)):
        given = images(*shape)
        wanted = plainly(network, given).argmax(1).numpy()
        assert (run(given.numpy()) == wanted).mean() >= 0.999, shape
    flat = np.zeros((1, 64, 64, 3), np.uint8)  # one class everywhere, nothing to interpolate
    assert run(flat).shape == (1, 64, 64)


def test_bf16_of_a_module_of_floats():
    linear = nn.Linear(4, 4)
    run = compile("torch", linear, torch.zeros(1, 4), "bf16", threads=1)
    assert run(np.ones((1, 4), np.float32)).dtype == np.float32
    assert linear.weight.dtype == torch.bfloat16


def test_what_cannot_be_used(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match=r"unknown backend 'onxruntime' .did you mean 'onnx"):
        usable("onxruntime", "fp32")
    with pytest.raises(ValueError, match="precision=int8: backend=torch computes in fp32, bf16"):
        usable("torch", "int8")
    with pytest.raises(FileNotFoundError, match=r"none.pt2: no such file"):
        open_file("torch", tmp_path / "none.pt2")
    (tmp_path / "broken.pt2").write_bytes(b"no")
    with pytest.raises(ValueError, match=r"broken.pt2: torch cannot read it .* export it again"):
        open_file("torch", tmp_path / "broken.pt2")
    find = importlib.util.find_spec
    monkeypatch.setattr(
        runtime.importlib.util, "find_spec", lambda name: None if name == "openvino" else find(name)
    )
    assert "openvino" not in available()
    with pytest.raises(ValueError, match=r"openvino is not installed; pip install \"squeezenas\["):
        compile("openvino", nn.Identity(), torch.zeros(1))


def test_openvino_tells_nobody_that_it_was_imported(tmp_path):
    pytest.importorskip("openvino")
    program = (
        "import sys; from squeezenas.runtimes.openvino_cpu import core; core(); "
        "print(*(name for name in sys.modules if name.startswith('openvino_telemetry.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ""
    assert not (tmp_path / "intel").exists()
