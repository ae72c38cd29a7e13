import pytest

from squeezenas.cli.main import main
from squeezenas.core.export_config import ExportConfig
from squeezenas.core.schema import keys
from tests.cli.trained_card import trained_card


@pytest.fixture(autouse=True)
def repository_folder(repository, monkeypatch):
    monkeypatch.chdir(repository)


@pytest.fixture
def card(tmp_path):
    return trained_card(tmp_path)


def test_a_file_and_what_is_said_of_it(card, tmp_path, capsys):
    words = ["format=torch_export", f"output={tmp_path}/toy.pt2", "size=[64,96]"]
    assert main(["export", f"models={card}", *words]) == 0
    told = capsys.readouterr().out
    assert "% of the labels of 4 drawn street scenes are those of PyTorch" in told
    assert float(told.partition(": ")[2].partition(" %")[0]) >= 99.9
    assert (tmp_path / "toy.pt2").stat().st_size > 0


def test_mistakes(card, tmp_path, capsys):
    network = f"models={card}"
    (tmp_path / "file").touch()
    for words, told in (
        ([f"output={tmp_path}/a.onnx"], "name a network with models=CARD; known: "),
        ([network], "output: missing"),
        ([network, "output=a.bin"], "a file of format=onnx ends in .onnx"),
        ([network, "output=a.pt2", "format=torchexport"], "format: expected onnx | openvino"),
        ([network, "output=a.onnx", "size=[64]"], "size"),
        ([network, f"output={tmp_path}/file/a.onnx"], "file"),
        (["models=toyy", "output=a.onnx"], "models=toyy: no such card"),
    ):
        assert main(["export", *words]) == 2, words
        captured = capsys.readouterr()
        assert told in captured.err, captured.err
    (tmp_path / "toy.safetensors").write_bytes(b"no")
    assert main(["export", network, f"output={tmp_path}/a.onnx"]) == 2
    assert "truncated, or no safetensors file" in capsys.readouterr().err


def test_help_lists_every_key(capsys):
    assert main(["export", "--help"]) == 0
    page = capsys.readouterr().out
    for key in keys(ExportConfig):
        assert f"\n  {key.path}: {key.accepts}" in page
