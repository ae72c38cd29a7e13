"""A sealed file is what was written, or it is refused: every bit and every length is tried."""

import pytest

from squeezenas.core.seal import BLANK, LENGTH, SealedFile, fault, filled, holds, sealed

CONTENT = bytes(range(200))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "sealed"
    path.write_bytes(sealed(CONTENT))
    return path


def flips(content):
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bytes(flipped)


def test_a_sound_file_has_no_fault(file):
    assert fault(file) == ""
    assert file.read_bytes()[:-LENGTH] == CONTENT


def test_every_flipped_bit_shows(file):
    whole = file.read_bytes()
    for flipped in flips(whole):
        file.write_bytes(flipped)
        assert fault(file)


def test_every_missing_end_shows(file):
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        assert "no seal at its end" in fault(file)


def test_a_file_written_in_pieces_is_the_same(file, tmp_path):
    with (tmp_path / "pieces").open("wb") as target:
        sealing = SealedFile(target)
        for start in range(0, len(CONTENT), 7):
            sealing.write(CONTENT[start : start + 7])
        sealing.seal()
    assert (tmp_path / "pieces").read_bytes() == file.read_bytes()


def test_a_digest_within_covers_everything_around_it():
    text = b'{"seal": "' + BLANK.encode() + b'", "costs": [1, 2, 3]}'
    whole = filled(text)
    digest = whole[10 : 10 + len(BLANK)].decode()
    assert len(whole) == len(text)
    assert holds(whole, digest)
    for flipped in flips(whole):
        found = flipped[10 : 10 + len(BLANK)].decode(errors="replace")
        assert not holds(flipped, found)


def test_no_digest_holds_for_nothing():
    assert not holds(b"content", "")
