from pathlib import Path

import cv2
import numpy as np
import pytest

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.data import cache
from squeezenas.data.cache import DecodedSamples
from squeezenas.data.decode import read_sample
from squeezenas.data.frames import samples


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    reads: list[object] = []

    def read(sample, card):
        reads.append(sample)
        return read_sample(sample, card)

    monkeypatch.setattr(cache, "read_sample", read)
    return reads


def on_disk(card: DatasetCard, folder: Path) -> DecodedSamples:
    return DecodedSamples(samples(card, "train"), card, "disk", folder)


@pytest.mark.parametrize("kind", ["auto", "memory", "disk", "off"])
@pytest.mark.parametrize("task", ["tiny", "photos"])
def test_every_cache_gives_what_is_in_the_files(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, task: str
) -> None:
    card: DatasetCard = request.getfixturevalue(task)
    decoded = DecodedSamples(samples(card, "train"), card, kind, tmp_path / "kept")
    for _ in range(2):
        for index, sample in enumerate(samples(card, "train")):
            expected, found = read_sample(sample, card), decoded[index]
            for one, other in zip(expected, found, strict=True):
                np.testing.assert_array_equal(one, other)
                assert one.dtype == other.dtype
                assert other.flags.c_contiguous


def test_files_are_decoded_once_over_all_runs(
    tiny: DatasetCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = count_reads(monkeypatch)
    for _ in range(3):
        kept = on_disk(tiny, tmp_path)
        assert [kept[index][0].shape for index in range(7)] == [(40, 56, 3)] * 7
    assert len(reads) == 7


def test_a_changed_file_or_card_is_decoded_again(tiny: DatasetCard, tmp_path: Path) -> None:
    frame = samples(tiny, "train")[0]
    assert set(np.unique(on_disk(tiny, tmp_path)[0][1])) == {0, 1, 2, 255}
    cv2.imwrite(str(frame.mask), np.ones((40, 56), np.uint8))
    assert (on_disk(tiny, tmp_path)[0][1] == 1).all()
    other = tiny.model_copy(update={"label_ids": {0: 0, 1: 2, 2: 1}})
    assert (on_disk(other, tmp_path)[0][1] == 2).all()
    frame.image.write_bytes(b"rubbish")
    with pytest.raises(ValueError, match=r"train0\.png is damaged"):
        on_disk(tiny, tmp_path)[0]


def test_damaged_entries_are_written_again(tiny: DatasetCard, tmp_path: Path) -> None:
    expected = on_disk(tiny, tmp_path)[0]
    (entry,) = tmp_path.glob("*.npy")
    for content in (b"", entry.read_bytes()[:500], b"rubbish" * 90):
        entry.write_bytes(content)
        np.testing.assert_array_equal(on_disk(tiny, tmp_path)[0][0], expected[0])
    assert list(tmp_path.glob("*.npy")) == [entry]


def test_auto_keeps_only_what_fits(
    tiny: DatasetCard, photos: DatasetCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = count_reads(monkeypatch)
    for budget, again in ((7 * 40 * 56 * 4, 0), (7 * 40 * 56 * 4 - 1, 7)):
        monkeypatch.setattr(cache, "CACHE_BYTES", budget)
        decoded = DecodedSamples(samples(tiny, "train"), tiny, "auto")
        for _ in range(2):
            reads.clear()
            for index in range(7):
                decoded[index]
        assert len(reads) == again
    halves = DecodedSamples(samples(tiny, "train"), tiny, "auto", processes=2)
    halves[0]
    assert not halves._kept


def test_what_cannot_be_is_explained(tiny: DatasetCard, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cache=disk needs a folder"):
        DecodedSamples(samples(tiny, "train"), tiny, "disk")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot be kept in .*file/kept .*cache=off"):
        on_disk(tiny, tmp_path / "file" / "kept")[0]
    decoded = on_disk(tiny, tmp_path)
    samples(tiny, "train")[0].image.unlink()
    with pytest.raises(OSError, match=r"train0\.png cannot be read"):
        decoded[0]
