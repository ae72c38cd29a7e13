"""Safe points of one process: what is asked, when there is time left, and who handles signals."""

import multiprocessing
import os
import signal
import threading

import pytest

from squeezenas.core.stopped import Stopped
from squeezenas.engine import preemption
from squeezenas.engine.preemption import (
    RESERVE,
    SafePoints,
    deafen,
    deferring,
    listening,
    stop_if_asked,
)


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""

    class Clock:
        now = 1000.0

    monkeypatch.setattr(preemption.time, "monotonic", lambda: Clock.now)
    return Clock


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)]
)
def test_a_signal_waits_for_the_safe_point(number, code):
    saved = []
    with listening(), deferring():
        points = SafePoints()
        points.reached(lambda: saved.append("too early"))
        os.kill(os.getpid(), number)
        with pytest.raises(Stopped, match=number.name) as stopped:
            points.reached(lambda: saved.append("now"))
    assert stopped.value.code == code
    assert saved == ["now"]


def test_a_second_interrupt_stops_at_once(capfd):
    with listening(), deferring():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert "press Ctrl-C again to stop at once" in capfd.readouterr().err


def test_before_there_is_anything_to_keep_a_signal_stops_at_once(capfd):
    with listening(), pytest.raises(Stopped, match="SIGTERM"):
        os.kill(os.getpid(), signal.SIGTERM)
    assert "start it again" in capfd.readouterr().err
    with listening(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_one_of_several_processes_never_leaves_alone(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with listening():
        os.kill(os.getpid(), signal.SIGTERM)
        with deferring(), pytest.raises(Stopped, match="SIGTERM"):
            SafePoints().reached()


def test_the_handlers_from_before_come_back():
    before = [signal.getsignal(number) for number in preemption.SIGNALS]
    with listening(), deferring():
        os.kill(os.getpid(), signal.SIGUSR1)
    assert [signal.getsignal(number) for number in preemption.SIGNALS] == before
    saved = []
    SafePoints().reached(lambda: saved.append("asked in another life"))
    assert saved == []


def test_another_thread_has_no_handlers():
    seen = []

    def listen():
        with listening():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]


def test_checkpoints_are_written_when_they_are_due(clock):
    saved = []
    points = SafePoints(minutes=10)
    points.reached(lambda: saved.append("too early"))
    points.reached(lambda: saved.append("in any case"), due=True)
    clock.now += 599
    points.reached(lambda: saved.append("too early"))
    clock.now += 1
    points.reached(lambda: saved.append("after ten minutes"))
    assert saved == ["in any case", "after ten minutes"]


def test_time_is_kept_for_the_longest_step_the_checkpoint_and_the_reserve(clock):
    def save():
        clock.now += 30  # a slow disk

    with listening(hours=1):
        points = SafePoints()
        points.reached(save, due=True)
        clock.now += 200  # the longest step
        points.reached(save)

        def steps():
            while True:
                clock.now += 100
                points.reached()

        with pytest.raises(Stopped, match="time_limit") as stopped:
            steps()
    assert stopped.value.code == 75
    left = 1000 + 3600 - clock.now
    assert 200 + 30 + RESERVE - 100 < left <= 200 + 30 + RESERVE


def test_time_that_is_spent_counts(clock):
    with listening(hours=1, spent=3600 - RESERVE - 10):
        stop_if_asked()
        clock.now += 10
        with pytest.raises(Stopped, match="time_limit"):
            stop_if_asked()


def answer(connection):
    deafen()
    for _ in range(2):
        connection.send("here")
        connection.recv()
    raise AssertionError("it was to end by the second SIGTERM")


def test_a_loading_process_hears_the_second_sigterm_alone():
    here, there = multiprocessing.get_context("fork").Pipe()
    child = multiprocessing.get_context("fork").Process(target=answer, args=(there,), daemon=True)
    child.start()
    assert here.poll(120)
    assert here.recv() == "here"
    for number in preemption.SIGNALS:
        os.kill(child.pid, number)
    here.send("again")
    assert here.poll(120)
    assert here.recv() == "here"
    child.terminate()
    child.join(120)
    assert child.exitcode == -signal.SIGTERM


def test_without_listening_nothing_is_asked():
    saved = []
    SafePoints(minutes=1e9).reached(lambda: saved.append(1))
    stop_if_asked()
    assert saved == []
