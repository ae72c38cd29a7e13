import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from squeezenas.core.export_config import SUFFIXES
from squeezenas.core.model_card import ModelCard
from squeezenas.core.recipes import load_dataset
from squeezenas.export import verified
from squeezenas.export.verified import export
from squeezenas.runtimes.runtime import available
from squeezenas.zoo.weights import read_weights
from tests.search import toy
from tests.zoo.random_network import OPTIONS, images, plainly, random_network

WITHOUT_TORCH = {
    "onnx": """
import json, sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
found = session.run(None, {"images": numpy.load(sys.argv[2])})[0]
told = session.get_modelmeta().custom_metadata_map
""",
    "openvino": """
import json, sys, numpy, openvino
model = openvino.Core().read_model(sys.argv[1])
found = openvino.compile_model(model, "CPU")({"images": numpy.load(sys.argv[2])})[0]
told = {key: model.get_rt_info(["squeezenas", key]).value for key in ("name", "classes", "palette")}
""",
}
END = """
assert "torch" not in sys.modules
numpy.save(sys.argv[3], found)
print(json.dumps({"name": told["name"], "classes": json.loads(told["classes"]),
                  "palette": json.loads(told["palette"])}))
"""


@pytest.fixture
def dataset(repository, monkeypatch):
    monkeypatch.chdir(repository)
    return load_dataset(["datasets=street_scenes"])


@pytest.fixture
def card(dataset):
    return ModelCard(
        name="toy", space=toy.ToySpace.name, head="lr_aspp", classes=dataset.classes,
        dataset="street_scenes", architecture=OPTIONS,
    )  # fmt: skip


@pytest.mark.parametrize("format", WITHOUT_TORCH)
def test_a_process_without_torch_gives_the_same_labels(format, dataset, card, tmp_path):
    runtime = verified.RUNTIMES[format]
    if runtime not in available():
        pytest.skip(f"{runtime} is not installed")
    network, path = random_network("lr_aspp"), tmp_path / f"toy{SUFFIXES[format]}"
    found = export(network, card, dataset, path, format, (50, 70))
    assert found.equal >= 0.999
    assert found.images == 4
    assert all(file.stem == "toy" for file in tmp_path.iterdir())
    given = images(1, 50, 70)
    np.save(tmp_path / "images.npy", given.numpy())
    code = WITHOUT_TORCH[format] + END
    files = [str(tmp_path / name) for name in (path.name, "images.npy", "labels.npy")]
    answer = subprocess.run(
        [sys.executable, "-c", code, *files], capture_output=True, text=True, check=True
    )
    wanted = plainly(network, given).argmax(1).numpy()
    assert (np.load(tmp_path / "labels.npy") == wanted).mean() >= 0.999
    told = json.loads(answer.stdout)
    assert told["name"] == "toy"
    assert tuple(told["classes"]) == dataset.classes
    assert told["palette"][0] == [128, 64, 128]


def test_torch_export_with_logits(dataset, card, tmp_path):
    network, path = random_network("lr_aspp"), tmp_path / "folder" / "toy.pt2"
    export(network, card, dataset, path, "torch_export", (64, 96), "logits")
    extra = {"squeezenas": ""}
    program = torch.export.load(path, extra_files=extra)
    given = images(1, 64, 96)
    torch.testing.assert_close(program.module()(given), plainly(network, given), rtol=0, atol=1e-4)
    assert json.loads(json.loads(extra["squeezenas"])["label_ids"])[0] == 7


def test_safetensors(dataset, card, tmp_path):
    network = random_network("lr_aspp")
    assert export(network, card, dataset, tmp_path / "a.safetensors", "safetensors").equal == 1
    tensors, classes = read_weights(tmp_path / "a.safetensors")
    assert classes == dataset.classes
    assert all(torch.equal(tensors[name], own) for name, own in network.state_dict().items())


def test_a_file_that_answers_otherwise_is_not_kept(dataset, card, tmp_path, monkeypatch):
    network, path = random_network("lr_aspp"), tmp_path / "toy.pt2"
    path.write_bytes(b"the one before")
    write = verified.write_graph

    def spoiled(path, format, graph, *rest):
        graph.network.head.classify.bias += 3 * torch.arange(19)
        write(path, format, graph, *rest)

    monkeypatch.setattr(verified, "write_graph", spoiled)
    for result, told in (("labels", "% of its labels"), ("logits", "its logits differ")):
        with pytest.raises(ValueError, match=f"toy.pt2 is not kept: .*{told}"):
            export(network, card, dataset, path, "torch_export", (64, 96), result)
    assert [file.name for file in tmp_path.iterdir()] == ["toy.pt2"]
    assert path.read_bytes() == b"the one before"
