"""What a user can get wrong with cells, CIFAR's batches and texts: exit code 2, and a sentence."""

import os
import pickle

import numpy as np
import pytest
from omegaconf import OmegaConf

from squeezenas.cli import outcome
from squeezenas.cli.main import main
from tests.search import cells as search_cells
from tests.tiny_data import treebank, write_batch
from tests.training import cells as training_cells
from tests.training import toy

DARTS, ENAS, RNN = "search_darts_cifar10", "search_enas_cifar10", "search_darts_ptb"


@pytest.fixture
def refused(tmp_path, capsys, repository, monkeypatch):
    """Runs a command that must be refused; gives what it said, and sees that no run is left."""
    monkeypatch.chdir(repository)

    def run(command, words, lines=1):
        capsys.readouterr()
        assert main([command, *words]) == 2
        said = capsys.readouterr().err
        assert said.startswith("squeezenas: ")
        assert "Traceback" not in said
        assert said.count("\n") == lines
        assert not (tmp_path / "runs").exists()
        return said

    return run


@pytest.fixture(params=["search", "train"])
def both(request, refused, tmp_path):
    """Runs either command on images or a text, the files of which `spoil` has seen before."""

    def run(task, name, spoil):
        kind = search_cells if request.param == "search" else training_cells
        regime = [{"images": DARTS, "text": RNN}[task]] if request.param == "search" else []
        words = getattr(kind, task)(tmp_path, *regime)
        file = tmp_path / {"images": "cifar", "text": "treebank"}[task] / name
        spoil(file)
        said = refused(request.param, words)
        assert f"squeezenas: {file}" in said
        return said

    return run


def rewritten(content):
    """A batch of another content."""
    return lambda path: path.write_bytes(pickle.dumps(content))


class Bomb:
    def __reduce__(self):
        return os.system, ("touch exploded",)


PIXELS = np.zeros((10, 3072), np.uint8)
IMAGES = {
    "truncated": (lambda p: p.write_bytes(p.read_bytes()[:999]), "or truncated (999 bytes)"),
    "rows": (rewritten({"data": PIXELS[1:], "labels": [*range(10)]}), "9 images and 10 labels"),
    "size": (rewritten({"data": PIXELS[:, 1:], "labels": [*range(10)]}), "array (10, 3071)"),
    "label": (lambda p: write_batch(p, [*range(9), 10]), "image 9 has the label 10, which is not"),
    "program": (rewritten({"data": Bomb()}), "wants to run posix.system"),
    "missing": (lambda p: p.unlink(), "is missing: unpack https://"),
}
TEXTS = {
    "unknown word": (lambda p: p.write_text("word1\nword2 zebra\n"), ", line 2: 'zebra' is no"),
    "empty": (lambda p: p.write_text(""), ": split val has no words; get the text again"),
    "blank": (lambda p: p.write_text("\n\n"), ": split val has no words"),
    "not UTF-8": (lambda p: p.write_bytes(b"caf\xe9\n"), ", line 1: byte 0xe9 is not UTF-8"),
    "missing": (lambda p: p.unlink(), "is missing: unpack https://"),
}


@pytest.mark.parametrize("mistake", IMAGES)
def test_batches_of_images(both, mistake):
    spoil, message = IMAGES[mistake]
    assert message in both("images", "test_batch", spoil)


@pytest.mark.parametrize("mistake", TEXTS)
def test_texts(both, mistake):
    spoil, message = TEXTS[mistake]
    assert message in both("text", "ptb.valid.txt", spoil)


@pytest.mark.parametrize(
    ("regime", "words", "message"),
    [
        (DARTS, ["space=darts_cel"], "unknown space 'darts_cel' (did you mean 'darts_cell'?)"),
        (DARTS, ["scale={channel: 8}"], "scale.channel: unknown key (did you mean 'scale.chann"),
        (
            DARTS,
            ["scale.cells=2"],
            "darts_cell: scale.cells: expected integer >= 3, <= 1000, got 2",
        ),
        (RNN, ["scale.hiden=8"], "darts_rnn: scale.hiden: unknown key (did you mean 'scale.hidde"),
        (DARTS, ["strategy.name=dart"], "unknown strategy 'dart' (did you mean 'darts'?)"),
        (DARTS, ["strategy.darts.ordr=2"], "(did you mean 'regime.strategy.darts.order'?)"),
        (DARTS, ["head=decoder"], "head=decoder: networks of darts_cell cannot end in it"),
        (RNN, ["head=classifier"], "head=classifier: networks of darts_rnn cannot end in it"),
        (ENAS, ["strategy.name=darts"], "darts mixes options, and a supernet of enas_micro runs"),
        (ENAS, ["strategy.name=gumbel"], "strategy.name=gumbel mixes options, and a supernet of"),
        (
            DARTS,
            ["strategy.darts.order=2", "optimiser.name=adam"],
            "strategy.darts.order=2 differentiates a step of sgd; set optimiser.name=sgd",
        ),
        (
            DARTS,
            ["strategy.darts.order=2", "precision=bf16"],
            "precision=bf16 is bf16 here, and strategy.darts.order=2",
        ),
        (
            DARTS,
            ["strategy={name: single_path, single_path: {fair: true}}", "select.candidates=60"],
            "independent choices with equally many options, which darts_cell has not; use fair=",
        ),
        (
            DARTS,
            ["strategy.name=single_path", "select.candidates=40"],
            "select.candidates=40: evolution breeds after its first 50; ask for more",
        ),
        (DARTS, ["strategy.darts.stop_ratio=0.75"], "stop_ratio: needs the eigenvalues"),
        (DARTS, ["cost={target: 3, resolution: [32, 32]}"], "the parts of a darts_cell network do"),
        (RNN, ["cost={target: 3, resolution: [32, 32]}"], "the parts of a darts_rnn network do"),
        (DARTS, ["memory=lean"], "memory=lean: darts_cell keeps"),
        (DARTS, ["crop=[64,64]"], "an image is 32x32, which padding 4 does not bring to the crop"),
        (RNN, ["batch_size=64"], "text of 240 words in 64 columns has 3 a column, fewer than bptt"),
        (RNN, ["bptt=1000"], "in 4 columns has 59 a column, fewer than bptt=1000; lower"),
        (RNN, ["select.images=1"], "one word of ptb predicts none; raise regime.select.images"),
        (
            RNN,
            ["loss.kind=ohem"],
            "loss.kind=ohem with class_weights=[] is for images; ptb is text",
        ),
        (RNN, ["dropout.hidden=1"], "regime.dropout.hidden: expected number >= 0, < 1, got 1"),
    ],
)
def test_searches(refused, tmp_path, regime, words, message):
    kind = search_cells.text if regime == RNN else search_cells.images
    keys = [f"regime.{word}" for word in words]
    assert message in refused("search", kind(tmp_path, regime, *keys))


def test_a_data_set_of_another_task(refused, tmp_path):
    words = search_cells.images(tmp_path, DARTS)
    said = refused("search", [*words, "datasets=ptb"])
    assert (
        "regime.head=classifier is for classification, and ptb is a data set for language" in said
    )


def card(tmp_path, name, **changes):
    """The word that names a copy of a shipped card with other values."""
    content = OmegaConf.to_container(OmegaConf.load(f"models/{name}.yaml")) | changes
    OmegaConf.save(OmegaConf.create(content), tmp_path / "card.yaml")
    return f"models={tmp_path}/card.yaml"


GENOTYPES = {
    "darts_v2_cifar10": [
        (
            "dil_conv_3x3",
            "dil_konv_3x3",
            "normal, node 5: unknown operation in ('dil_konv_3x3', 2)",
        ),
        ("[('sep", "[('sep_conv_3x3', 0), ('sep", "normal has 9 inputs instead of 8"),
        ("('dil_conv_3x3', 2)", "('dil_conv_3x3', 5)", "('dil_conv_3x3', 5) reads a node that is"),
        ("), reduce=", "] reduce=", 'the genotype cannot be read from "] reduce='),
        ("reduce_concat=range(2, 6)", "reduce_concat=range(3, 6)", "reduce_concat=[3, 4, 5]: a"),
    ],
    "darts_rnn_ptb": [
        ("identity", "identify", "node 4: unknown activation 'identify' in ('identify', 1)"),
        ("('relu', 5)]", "('relu', 5), ('relu', 5)]", "recurrent has 9 nodes instead of 8"),
        ("('tanh', 3)", "('tanh', 7)", "node 7 reads one of 0..6, and ('tanh', 7) names a later"),
        (", concat", "; concat", "the genotype cannot be read from '; concat"),
        ("range(1, 9)", "range(1, 8)", "concat=range(1, 8): the mean is over range(1, 9)"),
    ],
    "enas_micro_cifar10": [
        ("0 2 0 0", "0 9 0 0", "'9', integer 2 of 40, is not in 0..4"),
        ("0 2 0 0", "0 2 3 0", "'3', integer 3 of 40, is not in 0..1 (nodes before it)"),
        ("0 2 0 0", "0 2 0 0 0", "enas_micro has 40 integers"),
    ],
    "enas_rnn_ptb": [
        ("0 0 0 1", "0 0 7 1", "node1.activation: integer 3 is '7'; it must be in 0..3"),
        ("0 0 0 1", "0 4 0 1", "node1.input: integer 2 is '4'; it must be in 0..0"),
        ("0 0 0 1", "0 0 0 x", "node2.input: integer 4 is 'x'"),
    ],
}


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [(name, *mistake) for name, mistakes in GENOTYPES.items() for mistake in mistakes],
)
def test_genotypes(refused, tmp_path, name, old, new, message):
    texts = OmegaConf.load(f"models/{name}.yaml").architecture
    texts = [texts] if isinstance(texts, str) else [*texts]
    assert old in texts[0]
    changed = card(tmp_path, name, architecture=[texts[0].replace(old, new, 1), *texts[1:]])
    kind = training_cells.text if name.endswith("ptb") else training_cells.images
    said = refused("train", [changed, *kind(tmp_path)[1:]])
    assert f": model card {name}: " in said
    assert message in said


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale": {"cell": 3}}, "scale.cell: unknown key (did you mean 'scale.cells'?)"),
        ({"space": "dart_cell"}, "unknown space 'dart_cell' (did you mean 'darts_cell'?)"),
        ({"head": "decoder"}, "head decoder: networks of darts_cell end in classifier"),
    ],
)
def test_cards(refused, tmp_path, changes, message):
    changed = card(tmp_path, "darts_v2_cifar10", **changes)
    said = refused("train", [changed, *training_cells.images(tmp_path)[1:]])
    assert "stage cifar10: model card darts_v2_cifar10: " in said
    assert message in said


@pytest.mark.parametrize(
    ("task", "name", "message"),
    [
        ("images", "darts_rnn_ptb", "is for language, and cifar10 is a data set for classificat"),
        ("images", "baseline_lstm_ptb", "is for language, and cifar10 is a data set for classif"),
        ("text", "darts_v2_cifar10", "is for classification, and ptb is a data set for language"),
        ("text", "squeezenas_mac_small", "is for segmentation, and ptb is a data set for lang"),
        ("streets", "darts_rnn_ptb", "is for language, and street_scenes is a data set for seg"),
        ("streets", "darts_v2_cifar10", "head classifier is for classification, not for segmen"),
    ],
)
def test_networks_of_another_task(refused, tmp_path, task, name, message):
    kind = toy.arguments if task == "streets" else getattr(training_cells, task)
    said = refused("train", [f"models={name}", *kind(tmp_path)[1:]])
    assert name in said
    assert message in said


@pytest.mark.parametrize(
    ("task", "words", "message"),
    [
        ("text", [".ema=0.9", ".average_after=2"], "ema and average_after both average the weig"),
        ("text", [".accumulation=2"], "accumulation divides images, and a text has an order"),
        ("text", [".batch_size=64"], "a text of 600 words in 64 columns has 9 a column, fewer th"),
        ("text", [".bptt=1000"], "fewer than bptt=1000; lower batch_size or bptt"),
        ("text", [".loss.class_weights=[1,2]"], "is for images; ptb is text"),
        ("text", ["regime.scale.hiden=9"], "scale.hiden: unknown key (did you mean 'scale.hidden'"),
        ("images", [".crop=[64,64]"], "32x32, which padding 4 does not bring to the crop 64x64"),
        ("images", [".drop_path=1.5"], "drop_path: expected number >= 0, <= 1, got 1.5"),
    ],
)
def test_stages(refused, tmp_path, task, words, message):
    kind = getattr(training_cells, task)
    assert message in refused("train", kind(tmp_path, *words))


def test_a_short_text_to_score_on_is_no_mistake(tmp_path, monkeypatch):
    """Of ten columns some would be empty."""
    monkeypatch.setattr(outcome, "draw_search", lambda *_: None)
    words = search_cells.text(tmp_path, RNN)
    (tmp_path / "treebank" / "ptb.valid.txt").write_text("word1 word2\n")
    assert main(["search", *words]) == 0


def test_data_check_counts_the_words_of_a_text(tmp_path, capsys):
    folder = treebank(tmp_path / "treebank")
    for name, line in {"train": "a <unk> word", "valid": "sesquipedalian"}.items():
        with (folder / f"ptb.{name}.txt").open("a") as file:
            file.write(f"{line}\n")
    assert main(["data", "check", "datasets=ptb", f"datasets.root={folder}"]) == 0
    said = capsys.readouterr().out
    words = len((folder / "ptb.train.txt").read_text().replace("\n", " <eos> ").split())
    assert f"train: {words} words, ends of lines included" in said
    assert "1 are not in train and count as <unk>" in said
    (folder / "ptb.test.txt").unlink()
    assert main(["data", "check", "datasets=ptb", f"datasets.root={folder}"]) == 2
    assert "ptb.test.txt" in capsys.readouterr().err
