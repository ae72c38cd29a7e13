import pytest

from squeezenas.core.search_config import Select
from squeezenas.search.splits import search_parts
from tests.search.toy import config


@pytest.fixture
def card(tmp_path):
    return config(tmp_path).datasets


def names(part):
    return {frame.image for frame in part}


def test_clean_parts_are_disjoint_and_whole(card):
    parts = search_parts(card, Select(held_out=0.3))
    assert [len(part) for part in parts] == [4, 4, 4, 4]
    together = set().union(*(names(part) for part in parts))
    assert len(together) == 16
    assert all("val" not in path.parts for part in parts[:3] for path in names(part))
    assert all("val" in path.parts for path in names(parts.report))


def test_the_paper_chooses_and_reports_on_val(card):
    parts = search_parts(card, Select(protocol="paper"))
    assert [len(part) for part in parts] == [6, 6, 4, 4]
    assert parts.selection == parts.report
    assert not names(parts.weights) & names(parts.architecture)


def test_images_limits_selection_alone(card):
    parts = search_parts(card, Select(held_out=0.3, images=2))
    assert [len(part) for part in parts] == [4, 4, 2, 4]


def test_too_few_frames_to_divide(card):
    few = card.model_copy(
        update={"generate": card.generate.model_copy(update={"train": 2, "val": 1})}
    )
    with pytest.raises(ValueError, match=r"2 frames cannot be divided into 3 parts"):
        search_parts(few, Select())


def test_a_frame_in_two_splits_is_refused(card):
    leaking = card.model_copy(update={"splits": {"train": ("train",), "val": ("train",)}})
    with pytest.raises(ValueError, match="is in two splits"):
        search_parts(leaking, Select())
