import pytest

from squeezenas.cli.main import main
from squeezenas.core.model_card import read_model_card, write_model_card
from squeezenas.zoo.build import build
from squeezenas.zoo.download import weights_path
from squeezenas.zoo.weights import load_weights, save_weights
from tests.zoo.conftest import NAME, zoo

__all__ = ["zoo"]


def ran(capsys, *words):
    code = main(["zoo", *map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def rows(table):
    return {line.split()[0]: line.split()[1:] for line in table.splitlines() if line}


def test_list_and_show(zoo, capsys):
    code, out, _ = ran(capsys, "list")
    assert code == 0
    assert rows(out)[NAME] == ["3.01", "0.278", "IoU", "66.77", "%", "not", "downloaded"]
    assert rows(out)["squeezenas_lat_xlarge"] == [
        "32.73",
        "3.059",
        "IoU",
        "75.06",
        "%",
        "not",
        "downloaded",
    ]
    assert rows(out)["baseline_deeplabv3_resnet18"] == ["164.96", "15.904", "-", "none"]
    load_weights(zoo.card, zoo.home)
    assert rows(ran(capsys, "list")[1])[NAME][-1] == "downloaded"
    code, out, _ = ran(capsys, "show", NAME)
    assert code == 0
    assert "space: squeezenas_small" in out
    assert f"{NAME}.yaml; weights: downloaded, {weights_path(zoo.card)}\n" in out
    assert ran(capsys, "show", "baseline_deeplabv3_resnet18")[1].endswith("; weights: none\n")


def test_download_and_verify(zoo, capsys):
    path = weights_path(zoo.card)
    code, _, err = ran(capsys, "verify", NAME)
    assert code == 2
    assert f"{path} is not there; squeezenas zoo download {NAME}" in err
    assert ran(capsys, "download", NAME) == (0, f"{NAME}: {path}\n", "")
    assert ran(capsys, "verify", NAME) == (0, f"{NAME}: {path} is the file of the card\n", "")
    code, out, _ = ran(capsys, "verify", "all")
    assert code == 0
    assert rows(out)["squeezenas_lat_small:"] == ["not", "downloaded"]

    converted = path.with_suffix(".safetensors")
    whole = converted.read_bytes()
    converted.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    code, out, err = ran(capsys, "verify", NAME)
    assert code == 2
    assert out == ""
    assert f"{converted}: it is not what its seal says" in err
    save_weights(converted, build(zoo.card), zoo.card)  # whole, and of another network
    code, out, err = ran(capsys, "verify", NAME)
    assert code == 2
    assert out == ""
    assert f"{converted} is not the conversion of {path.name}" in err
    converted.write_bytes(whole)
    path.write_bytes(b"other")
    code, _, err = ran(capsys, "verify", "all")
    assert code == 2
    assert "is not the file of the card: its git blob id is" in err


def test_download_all_goes_on_after_a_failure(zoo, capsys):
    code, out, err = ran(capsys, "download", "all")  # the mirror has one of the six files
    assert code == 2
    assert f"{NAME}: {weights_path(zoo.card)}\n" in out
    lines = err.splitlines()
    assert len(lines) == 5
    assert all("cannot be fetched (No such file or directory)" in line for line in lines)


def test_convert(zoo, capsys, tmp_path):
    output = tmp_path / "new" / "net.safetensors"
    words = ("convert", zoo.source, f"models={NAME}", f"output={output}")
    code, out, _ = ran(capsys, *words)
    assert code == 0
    weights = read_model_card_with(tmp_path, zoo.card, out)
    state = load_weights(weights, output.parent)
    assert state.keys() == zoo.network.state_dict().keys()
    for bad, told in (
        (words[:2] + words[3:], "takes models=CARD and output=FILE.safetensors"),
        ((*words, "crop=3"), "takes models=CARD and output=FILE.safetensors"),
        ((*words[:3], "output=net.pth"), "name a file that ends in .safetensors"),
        (("convert", "x.pth", *words[2:]), "x.pth: no such file"),
        (("convert", zoo.source, "models=squeezenas_lat_small", words[3]), "of another network"),
    ):
        code, out, err = ran(capsys, *bad)
        assert (code, out) == (2, "")
        assert told in err


def read_model_card_with(folder, card, printed):
    """The card with the lines that `convert` says belong into it."""
    file = folder / "new.yaml"
    write_model_card(file, card.model_copy(update={"weights": None}))
    file.write_text(file.read_text() + printed.partition("\n")[2])
    return read_model_card(file)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "not understood; usage: squeezenas zoo list"),
        (["lst"], "zoo lst: not understood"),
        (["list", "all"], "not understood"),
        (["download"], "not understood"),
        (["show", "squeezenas_lat_smal"], "did you mean 'squeezenas_lat_small'"),
        (["download", "baseline_deeplabv3_resnet18"], "has no weights"),
        (["verify", "baseline_deeplabv3_resnet18"], "has no weights"),
        (["verify", "none.yaml"], "no such file"),
        (["list", "--dry-run"], "--dry-run: only for"),
    ],
)
def test_mistakes(zoo, capsys, words, told):
    code, out, err = ran(capsys, *words)
    assert (code, out) == (2, "")
    assert told in err
    assert err.startswith("squeezenas: ")


def test_help(zoo, capsys):
    code, out, _ = ran(capsys, "--help")
    assert code == 0
    assert "SQUEEZENAS_MIRROR" in out
