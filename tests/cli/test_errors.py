import errno

import pytest

from squeezenas.cli.errors import exit_code


def raising(error):
    def command():
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("x.y: wrong"), "squeezenas: x.y: wrong\n"),
        (FileNotFoundError("data/x: not there; get it"), "squeezenas: data/x: not there; get it\n"),
        (PermissionError(errno.EACCES, "Permission denied", "/r"), "/r: no permission"),
        (OSError(errno.ENOSPC, "No space left on device", "/r/x"), "/r/x: the disk is full"),
        (OSError(errno.ENOENT, "No such file", "/q"), "/q: no such file or folder"),
        (OSError(errno.EIO, "Input/output error", "/q"), "/q: Input/output error"),
    ],
)
def test_a_mistake_is_one_sentence_and_code_2(error, told, capsys):
    assert exit_code(raising(error), debug=False) == 2
    said = capsys.readouterr().err
    assert told in said
    assert "Traceback" not in said


def test_debug_keeps_the_traceback():
    with pytest.raises(ValueError, match="x"):
        exit_code(raising(ValueError("x")), debug=True)


def test_a_bug_is_raised_on():
    with pytest.raises(KeyError):
        exit_code(raising(KeyError("x")), debug=False)


def test_interrupt(capsys):
    assert exit_code(raising(KeyboardInterrupt()), debug=False) == 130
    assert "interrupted" in capsys.readouterr().err


def test_the_command_gives_the_code():
    assert exit_code(lambda: 0, debug=False) == 0
    assert exit_code(lambda: 2, debug=False) == 2
