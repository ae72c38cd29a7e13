"""Which trials count, against a plain reading of the rule over whole lists."""

import random

import pytest

from squeezenas.ask_tell.slots import Slots

BUDGET = 4


def plain(trials, budget):
    """Numbers that count: trials are (draw, again, state), listed by number."""
    origins, draws = [], set()
    for number, (draw, again, state) in enumerate(trials):
        if again is None and draw not in draws:
            draws.add(draw)
            if state != "withdrawn":
                origins.append(number)
    counting = set(origins[:budget])
    tried = set()
    for number, (_, again, _) in enumerate(trials):
        if again in counting and again not in tried:
            tried.add(again)
            counting.add(number)
    return counting, tried


@pytest.mark.parametrize("seed", range(60))
def test_slots_agree_with_the_plain_rule(seed):
    rng, slots, trials = random.Random(seed), Slots(BUDGET), []
    for _ in range(30):
        counting, tried = plain(trials, BUDGET)
        running = [n for n, trial in enumerate(trials) if trial[2] == "running"]
        failed = [n for n, trial in enumerate(trials) if trial[2] == "open" and n in counting]
        if running and rng.random() < 0.5:
            number = rng.choice(running)
            draw, again, _ = trials[number]
            state = rng.choice(["finished", "open"]) if number in counting else "withdrawn"
            trials[number] = (draw, again, state)
            slots.end(number, state)
        else:
            again = rng.choice(failed) if failed and rng.random() < 0.5 else None
            draw = rng.randrange(20)
            slots.add(len(trials), draw, again)
            trials.append((draw, again, "running"))
        counting, tried = plain(trials, BUDGET)
        for number, (_, _, state) in enumerate(trials):
            if state != "withdrawn":
                assert slots.counts(number) == (number in counting)
        waiting = [
            n for n, (_, _, state) in enumerate(trials)
            if state == "open" and n in counting and n not in tried
        ]  # fmt: skip
        assert slots.to_try_again() == min(waiting, default=None)
        states = [trial[2] for trial in trials]
        assert slots.done == (states.count("finished") >= BUDGET)
        assert states.count("finished") <= BUDGET
