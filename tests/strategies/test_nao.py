import random
import statistics

import pytest
import torch

from squeezenas.core.trial import Trial
from squeezenas.nn.architecture_autoencoder import ArchitectureAutoencoder, ascend
from squeezenas.nn.rollout import following, roll_out
from squeezenas.strategies import nao
from squeezenas.strategies.nao import NAO, NAOConfig
from tests.strategies.toy import Toy, TwoOfFour, enumerated

QUICK = {"initial": 6, "parents": 3, "children": 4, "epochs": 2, "unlabelled": 8}


def planted(architecture):
    """A smooth objective: every choice has its own best option, the third but one."""
    return -sum((pick - 2) ** 2 for pick in architecture.picks)


def picks_of(architectures):
    return torch.tensor([architecture.picks for architecture in architectures])


def strategy_of(space, seed=0, **keys):
    return NAO(space, NAOConfig(**{**QUICK, **keys}), seed)


def search(strategy, merit, trials):
    history = []
    for number in range(trials):
        architecture = strategy.ask(number).architecture
        history.append(Trial(number, architecture, merit(architecture)))
        strategy.tell(history[-1])
    return history


def replayed(strategy, history):
    twin = NAO(strategy.space, strategy.config, strategy.seed)
    for trial in history:
        twin.tell(trial)
    return twin


@pytest.fixture(scope="module")
def taught():
    """A space of 3,125, and a model of 200 of them that knows 1,000 more by sight."""
    space = Toy(5, 5, 5, 5, 5)
    shuffled = random.Random(0).sample(enumerated(space), 3125)
    seen, held_out = shuffled[:200], shuffled[1200:]
    merits = [planted(a) for a in seen]
    targets = torch.tensor([1 + m / 40 for m in merits])
    torch.manual_seed(0)
    model = ArchitectureAutoencoder(space.choices)
    keys = NAOConfig(epochs=80, batch=25, lr=5e-3, trade_off=0.5)
    nao.fit(model, picks_of(seen), targets, picks_of(shuffled[200:1200]), keys)
    return space, model, seen, held_out


def test_defaults_are_the_papers():
    keys = NAOConfig()
    assert (keys.trade_off, keys.lr, keys.epochs, keys.eta, keys.parents) == (
        0.9, 1e-3, 1000, 10, 100,
    )  # fmt: skip
    model = ArchitectureAutoencoder(Toy(3, 4, 3).choices)
    assert model.read_tokens.weight.shape == (7, 32)
    assert model.encoder.hidden_size == model.decoder.hidden_size == 96
    assert model.encoder.num_layers == model.decoder.num_layers == 1


def test_held_out_architectures_are_recovered(taught):
    space, model, _, held_out = taught
    picks = picks_of(held_out)
    found = model.decode(model.encode(picks), space.allowed)
    assert float((found == picks).all(1).double().mean()) >= 0.99


def test_merits_of_held_out_architectures_are_predicted(taught):
    from scipy.stats import kendalltau

    _, model, _, held_out = taught
    with torch.no_grad():
        predicted = model.predict(model.encode(picks_of(held_out)))
    assert kendalltau(predicted, [planted(a) for a in held_out]).statistic > 0.5


def test_ascent_leads_to_better_predictions_and_better_merits(taught):
    space, model, seen, _ = taught
    start = sorted(seen, key=planted)[-60:-20]
    found = ascend(model, picks_of(start), 10.0, space.allowed)
    moved = [space.architecture(picks) for picks in found.tolist()]
    assert sum(a != b for a, b in zip(start, moved, strict=True)) > 20
    with torch.no_grad():
        before, after = (model.predict(model.encode(picks_of(a))).mean() for a in (start, moved))
    assert after > before
    assert statistics.fmean(map(planted, moved)) > statistics.fmean(map(planted, start))


def test_no_step_leads_back_to_the_same_architectures(taught):
    space, model, seen, _ = taught
    picks = picks_of(seen[:50])
    found = ascend(model, picks, 0.0, space.allowed)
    assert torch.equal(found, model.decode(model.encode(picks), space.allowed))


def test_an_embedding_is_of_unit_length_and_promises_a_share():
    space = Toy(3, 2, 3)
    model = ArchitectureAutoencoder(space.choices).double()
    states = model.encode(picks_of(enumerated(space)))
    assert states.shape == (18, 3, 96)
    torch.testing.assert_close(states.norm(dim=-1), torch.ones(18, 3).double())
    weight, bias = model.performance.weight[0], model.performance.bias
    wanted = 1 / (1 + (-(states.mean(1) @ weight + bias)).exp())
    torch.testing.assert_close(model.predict(states), wanted)


def test_the_decoder_attends_to_the_embedding():
    """The logits of a token, written out for one architecture at a time."""
    space = Toy(3, 2, 3)
    model = ArchitectureAutoencoder(space.choices).double()
    states = model.encode(picks_of(enumerated(space)[:4])).detach()
    written = torch.randn(4, 3, 96).double()
    found = model._attend(written, states)
    for n in range(4):
        for position in range(3):
            scores = [model.attention.weight @ written[n, position] @ h for h in states[n]]
            total = sum(score.exp() for score in scores)
            context = sum(s.exp() / total * h for s, h in zip(scores, states[n], strict=True))
            wanted = model.output.weight @ torch.cat([written[n, position], context])
            torch.testing.assert_close(found[n, position], wanted)


def test_tokens_are_written_one_by_one_with_the_probability_that_is_taught():
    space = Toy(3, 2, 4, 3)
    model = ArchitectureAutoencoder(space.choices).double()
    picks = picks_of(enumerated(space))
    states = model.encode(picks[:1]).expand(len(picks), -1, -1).detach()
    taught = model.log_prob(states, picks) * len(space.choices)
    assert float(taught.exp().sum().detach()) == pytest.approx(1.0, abs=1e-12)
    written = roll_out(model._decisions(states), len(picks), following(picks), space.allowed)
    torch.testing.assert_close(written.log_prob(), taught)


def test_only_legal_architectures_are_decoded():
    space = TwoOfFour()
    torch.manual_seed(1)
    model = ArchitectureAutoencoder(space.choices)
    for picks in model.decode(torch.randn(50, 4, 96), space.allowed).tolist():
        space.architecture(picks)  # raises if it is not legal


def test_the_first_trials_are_random_and_children_are_new():
    space = Toy(4, 4, 4)
    strategy = strategy_of(space, initial=20, parents=10, children=8, epochs=15)
    history = search(strategy, planted, 20)
    drawn = [space.sample(strategy.rng(number)) for number in range(20)]
    assert [trial.architecture for trial in history] == drawn
    for number in range(20, 44):
        architecture = strategy.ask(number).architecture
        assert architecture not in {trial.architecture for trial in history}
        history.append(Trial(number, architecture, planted(architecture)))
        strategy.tell(history[-1])


def test_a_model_serves_a_round_of_children(monkeypatch):
    fitted = []
    genuine = nao.fit

    def counted(model, picks, *rest):
        fitted.append(len(picks))
        genuine(model, picks, *rest)

    monkeypatch.setattr(nao, "fit", counted)
    strategy = strategy_of(Toy(5, 5, 5))
    failing = iter([True, False] * 20)
    history = search(strategy, lambda a: None if next(failing) else planted(a), 36)
    assert fitted == [6, 10, 14]  # successes: failed trials do not count
    fitted.clear()
    replayed(strategy, history).ask(36)
    assert fitted == [18]


def test_ranks_are_what_is_learned(monkeypatch):
    seen = []
    monkeypatch.setattr(nao, "fit", lambda model, picks, targets, *rest: seen.append(targets))
    strategy = strategy_of(Toy(5, 5, 5))
    merits = iter([0.5, -1e9, 0.7, 0.5, 0.6, 0.1])
    search(strategy, lambda _: next(merits), 6)
    strategy.ask(6)
    wanted = [2.5, 0.5, 5.5, 2.5, 4.5, 1.5]  # the two in the middle share theirs
    wanted[0] = wanted[3] = 3.0
    assert seen[0].tolist() == pytest.approx([w / 6 for w in wanted])


def test_what_is_pending_or_failed_is_not_proposed():
    space = Toy(4, 4)
    strategy = strategy_of(space, initial=4)
    search(strategy, planted, 4)
    taken = [trial for trial, _ in strategy._trials]
    failed = next(a for a in enumerated(space) if a not in taken)
    strategy.tell(Trial(4, failed, None))
    for number in range(5, 12):
        taken.append(strategy.ask(number, pending=taken).architecture)
    assert failed not in taken
    assert len(set(taken[-7:])) == 7


def test_what_it_proposes_follows_from_the_history_alone():
    strategy = strategy_of(TwoOfFour(), seed=3)
    history = search(strategy, lambda a: float(sum(a.picks)), 12)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    twin = replayed(strategy, history)
    for number in (12, 13, 500, 12):
        assert twin.ask(number) == strategy.ask(number)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_smooth_objective_is_climbed():
    space = Toy(*[5] * 7)
    keys = {"initial": 40, "parents": 20, "children": 20, "unlabelled": 300}
    fitting = {"epochs": 40, "batch": 20, "lr": 1e-2, "trade_off": 0.5}
    history = search(strategy_of(space, **keys, **fitting), planted, 80)
    merits = [trial.merit for trial in history]
    assert statistics.fmean(merits[60:]) > statistics.fmean(merits[:40]) + 3
    assert max(merits[40:]) > max(merits[:40])
