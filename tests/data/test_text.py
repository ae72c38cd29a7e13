import pytest

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.recipes import find
from squeezenas.data.text import read_corpus


def card(root, **splits):
    splits = splits or {"train": ["train.txt"], "val": ["val.txt"]}
    return DatasetCard(
        name="prose", title="Prose", task="language", layout="text", root=root, splits=splits,
        licence="none", how_to_get="write it",
    )  # fmt: skip


def prose(folder, train="the cat\nthe <unk>\n", val="cat the\n"):
    (folder / "train.txt").write_text(train)
    (folder / "val.txt").write_text(val)
    return card(folder)


def test_words_in_order_of_first_appearance(tmp_path):
    corpus = read_corpus(prose(tmp_path))
    assert corpus.words == ("the", "cat", "<eos>", "<unk>")
    assert corpus.parts["train"].tolist() == [0, 1, 2, 0, 3, 2]
    assert corpus.parts["val"].tolist() == [1, 0, 2]
    assert corpus.unknown == {"train": 0, "val": 0}


def test_the_last_line_needs_no_end_and_empty_lines_have_one(tmp_path):
    corpus = read_corpus(prose(tmp_path, train="a b\r\n\r\na", val="b\n"))
    assert [corpus.words[token] for token in corpus.parts["train"]] == [
        "a", "b", "<eos>", "<eos>", "a", "<eos>",
    ]  # fmt: skip


def test_the_vocabulary_is_that_of_train_whatever_comes_first(tmp_path):
    prose(tmp_path)
    corpus = read_corpus(card(tmp_path, val=["val.txt", "val.txt"], train=["train.txt"]))
    assert corpus.words[:2] == ("the", "cat")
    assert corpus.parts["val"].tolist() == [1, 0, 2] * 2


def test_unknown_words_become_unk_and_are_counted(tmp_path):
    corpus = read_corpus(prose(tmp_path, val="cat dog\nbird\n"))
    assert corpus.parts["val"].tolist() == [1, 3, 2, 3, 2]
    assert corpus.unknown["val"] == 2


@pytest.mark.parametrize(
    ("train", "val", "message"),
    [
        ("a b\n", "a\nb c\n", r"val.txt, line 2: 'c' is no word of the split train, nor is <unk>"),
        ("", "a\n", "split train has no words"),
        ("a\n", "\n\n", "split val has no words"),
    ],
)
def test_faulty_text(tmp_path, train, val, message):
    with pytest.raises(ValueError, match=message):
        read_corpus(prose(tmp_path, train, val))


def test_bytes_that_are_no_text(tmp_path):
    prose(tmp_path)
    (tmp_path / "val.txt").write_bytes(b"cat\nthe \xff\n")
    with pytest.raises(ValueError, match=r"val.txt, line 2: byte 0xff is not UTF-8"):
        read_corpus(card(tmp_path))


def test_a_line_without_end(tmp_path):
    with pytest.raises(ValueError, match=r"train.txt, line 2: a word of 20,000 characters"):
        read_corpus(prose(tmp_path, train="a b\na " + "x" * 20_000))


def test_a_missing_file(tmp_path):
    prose(tmp_path)
    (tmp_path / "val.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"val.txt is missing: write it"):
        read_corpus(card(tmp_path))


def test_no_train_split(tmp_path):
    prose(tmp_path)
    with pytest.raises(ValueError, match="prose has no split train"):
        read_corpus(card(tmp_path, val=["val.txt"]))


def test_penn_treebank_has_its_published_counts(shared_data, monkeypatch):
    from omegaconf import OmegaConf

    monkeypatch.setenv("PTB_ROOT", str(shared_data / "ptb"))
    config = OmegaConf.to_container(OmegaConf.load(find("datasets", "ptb")), resolve=True)
    corpus = read_corpus(DatasetCard(**config))
    counts = {split: len(tokens) for split, tokens in corpus.parts.items()}
    assert counts == {"train": 929_589, "val": 73_760, "test": 82_430}
    assert len(corpus.words) == 10_000
    assert corpus.words[0] == "aer"
    assert set(corpus.unknown.values()) == {0}
    assert max(int(tokens.max()) for tokens in corpus.parts.values()) == 9_999
