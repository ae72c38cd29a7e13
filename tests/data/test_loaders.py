import os
from collections import Counter
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from squeezenas.core.config import Augmentation, ImageAugmentation
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.data.decode import read_frame, read_sample
from squeezenas.data.frames import frames, samples
from squeezenas.data.image_transforms import image_evaluation_transform, image_transform
from squeezenas.data.loaders import Batch, TrainingStream, evaluation_batches
from squeezenas.data.transforms import training_transform


def stream(card: DatasetCard, batch_size: int = 4, **more: object) -> TrainingStream:
    augment = training_transform(Augmentation(), (32, 32), card)
    return TrainingStream(frames(card, "train"), card, augment, batch_size, seed=1, **more)


def take(source: TrainingStream, start: int, count: int) -> list[Batch]:
    return list(islice(source.batches(start), count))


def same(one: list[Batch], other: list[Batch]) -> bool:
    return len(one) == len(other) and all(
        a.stems == b.stems and torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels)
        for a, b in zip(one, other, strict=True)
    )


def test_batches_are_channels_last_bytes(tiny: DatasetCard) -> None:
    (batch,) = take(stream(tiny), 0, 1)
    assert batch.images.shape == (4, 3, 32, 32)
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert batch.labels.shape == (4, 32, 32)
    assert batch.images.dtype == batch.labels.dtype == torch.uint8
    assert len(batch.stems) == 4


def test_every_pass_shows_every_frame_once(tiny: DatasetCard) -> None:
    stems = [stem for batch in take(stream(tiny), 0, 7) for stem in batch.stems]
    passes = [stems[start : start + 7] for start in range(0, 28, 7)]
    assert all(sorted(shown) == [f"train{i}" for i in range(7)] for shown in passes)
    assert len({tuple(shown) for shown in passes}) > 1


def test_a_batch_may_be_larger_than_the_set(tiny: DatasetCard) -> None:
    (batch,) = take(stream(tiny, batch_size=16), 0, 1)
    assert set(Counter(batch.stems).values()) == {2, 3}
    twice = [i for i, stem in enumerate(batch.stems) if stem == batch.stems[0]]
    first, second, *_ = (batch.images[i] for i in twice)
    assert not torch.equal(first, second), "the same frame is augmented anew"


@pytest.mark.parametrize("workers", [0, 2])
def test_resuming_is_starting_at_another_step(tiny: DatasetCard, workers: int) -> None:
    whole = take(stream(tiny), 0, 7)
    resumed = stream(tiny, workers=workers)
    assert same(take(resumed, 3, 4), whole[3:])
    assert same(take(resumed, 1, 3), whole[1:4]), "one stream can start again"


def test_ranks_read_slices_of_one_global_batch(tiny: DatasetCard) -> None:
    whole = take(stream(tiny), 0, 3)
    ranks = [take(stream(tiny, rank=rank, world_size=2), 0, 3) for rank in (0, 1)]
    for step, batch in enumerate(whole):
        parts = [ranks[rank][step] for rank in (0, 1)]
        assert torch.equal(torch.cat([part.images for part in parts]), batch.images)
        assert parts[0].stems + parts[1].stems == batch.stems


def test_the_cache_changes_nothing_but_the_reading(tiny: DatasetCard, tmp_path: Path) -> None:
    whole = take(stream(tiny), 0, 4)
    for cache in ("memory", "disk", "off"):
        assert same(take(stream(tiny, cache=cache, cache_folder=tmp_path), 0, 4), whole)
    assert len(list(tmp_path.glob("*.npy"))) == 7
    kept = stream(tiny)
    take(kept, 0, 2)
    for frame in frames(tiny, "train"):
        frame.image.unlink()
    assert same(take(kept, 0, 4), whole)


def test_workers_read_what_another_process_has_decoded(tiny: DatasetCard, tmp_path: Path) -> None:
    whole = take(stream(tiny, cache="disk", cache_folder=tmp_path), 0, 4)
    for frame in frames(tiny, "train"):  # the same size and time: only who decodes can tell
        status = frame.image.stat()
        frame.image.write_bytes(bytes(status.st_size))
        os.utime(frame.image, ns=(status.st_atime_ns, status.st_mtime_ns))
    shared = stream(tiny, workers=2, cache="disk", cache_folder=tmp_path)
    assert same(take(shared, 0, 4), whole)


def test_the_global_random_state_is_left_alone(tiny: DatasetCard) -> None:
    before = torch.get_rng_state()
    take(stream(tiny), 0, 2)
    list(evaluation_batches(frames(tiny, "val"), tiny, 2))
    assert torch.equal(torch.get_rng_state(), before)


def test_impossible_batches_are_refused(tiny: DatasetCard) -> None:
    with pytest.raises(ValueError, match="batch_size 4 does not divide by 3 processes"):
        stream(tiny, world_size=3)
    augment = training_transform(Augmentation(), (32, 32), tiny)
    with pytest.raises(ValueError, match="no frames of tiny"):
        TrainingStream([], tiny, augment, 4, seed=0)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_file_is_named_without_a_workers_traceback(tiny: DatasetCard, workers: int) -> None:
    for frame in frames(tiny, "train"):
        frame.image.write_bytes(b"rubbish")
    with pytest.raises(ValueError, match=r"^\S+train\d\.png is damaged") as raised:
        take(stream(tiny, workers=workers), 0, 1)
    assert "Traceback" not in str(raised.value)


@pytest.mark.parametrize("workers", [0, 2])
def test_evaluation_shows_each_frame_whole_and_padded(tiny: DatasetCard, workers: int) -> None:
    batches = list(evaluation_batches(frames(tiny, "val"), tiny, 2, workers))
    assert [batch.stems for batch in batches] == [("val0", "val1"), ("val2",)]
    for batch, frame in (
        (batches[0], frames(tiny, "val")[0]),
        (batches[1], frames(tiny, "val")[2]),
    ):
        image, mask = read_frame(frame, tiny)
        assert batch.images.shape[1:] == (3, 64, 64)
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
        np.testing.assert_array_equal(batch.images[0].permute(1, 2, 0)[:40, :56], image)
        np.testing.assert_array_equal(batch.labels[0, :40, :56], mask)
        assert (batch.labels[0, 40:] == 255).all()


def test_evaluation_groups_frames_of_one_size(tiny: DatasetCard) -> None:
    wide = frames(tiny, "val")[1]
    for path, kind in ((wide.image, (40, 100, 3)), (wide.mask, (40, 100))):
        cv2.imwrite(str(path), np.zeros(kind, np.uint8))
    batches = list(evaluation_batches(frames(tiny, "val"), tiny, 2))
    assert [batch.stems for batch in batches] == [("val0", "val2"), ("val1",)]


def test_ranks_share_the_evaluation(tiny: DatasetCard) -> None:
    shown = [
        stem
        for rank in (0, 1)
        for batch in evaluation_batches(frames(tiny, "train"), tiny, 2, rank=rank, world_size=2)
        for stem in batch.stems
    ]
    assert sorted(shown) == [f"train{i}" for i in range(7)]


@pytest.mark.parametrize("workers", [0, 2])
def test_classes_are_batched_like_masks(photos: DatasetCard, workers: int) -> None:
    augment = image_transform(ImageAugmentation(auto_augment="rand-m9"), (32, 48), photos)
    train = samples(photos, "train")
    classes = {sample.stem: sample.label for sample in train}
    whole = TrainingStream(train, photos, augment, 4, seed=1)
    batches = take(whole, 0, 3)
    for batch in batches:
        assert batch.images.shape == (4, 3, 32, 48)
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
        assert batch.labels.dtype == torch.int64
        assert batch.labels.tolist() == [classes[stem] for stem in batch.stems]
    other = TrainingStream(train, photos, augment, 4, seed=1, workers=workers)
    assert same(take(other, 1, 2), batches[1:]), "the same in any process, from any step"


@pytest.mark.parametrize("workers", [0, 1])
def test_classes_are_evaluated_at_the_centre(photos: DatasetCard, workers: int) -> None:
    centre = image_evaluation_transform((32, 32))
    val = samples(photos, "val")
    batches = list(evaluation_batches(val, photos, 2, workers, transform=centre))
    assert [batch.labels.tolist() for batch in batches] == [[0, 1], [2]]
    assert batches[0].images.shape == (2, 3, 32, 32)
    expected, _ = centre(*read_sample(val[2], photos))
    np.testing.assert_array_equal(batches[1].images[0].permute(1, 2, 0), expected)
