import re

import pytest

from squeezenas.cli import scale
from squeezenas.cli.errors import exit_code
from squeezenas.core.model_card import read_model_card
from squeezenas.core.scale_config import load_scaling
from squeezenas.costs.compound_scaling import doubles, grid
from tests.cli.trained_card import trained_card


@pytest.fixture(autouse=True)
def repository_folder(repository, monkeypatch):
    monkeypatch.chdir(repository)


@pytest.fixture
def card(tmp_path):
    """A network of four units; its card has no costs."""
    return trained_card(tmp_path)


def scaled(*words):
    return exit_code(lambda: scale.main(load_scaling([str(word) for word in words])), debug=False)


def test_a_family(card, tmp_path, capsys):
    out = tmp_path / "family"
    assert scaled(f"models={card}", "size=256x512", "phi=[0,1,1.5]", f"output={out}") == 0
    printed = capsys.readouterr().out
    names = ["toy_phi0", "toy_phi1", "toy_phi1.5"]
    assert {file.name for file in out.iterdir()} == {f"{name}.yaml" for name in names}
    members = [read_model_card(out / f"{name}.yaml") for name in names]
    assert members[0].architecture == read_model_card(card).architecture
    for member in members:
        (row,) = (line for line in printed.splitlines() if line.startswith(f"{member.name} "))
        _, units, pixels, macs, growth, millions = row.split()
        assert int(units) == len(member.architecture)
        assert pixels == "x".join(map(str, member.costs.resolution))
        assert float(macs) == pytest.approx(member.costs.gmacs, abs=5e-4)
        ratio = member.costs.gmacs / members[0].costs.gmacs
        assert float(growth) == pytest.approx(ratio, abs=5e-3)
        assert float(millions) == pytest.approx(member.costs.parameters_millions, abs=5e-4)
    assert "GMACs grow by 1.92 a step of phi" in printed
    assert f"the cards are in {out}" in printed


def test_the_largest_network_within_a_budget(card, capsys):
    words = [f"models={card}", "size=256x512", "depth=1", "width=1.3", "resolution=1"]
    assert scaled(*words, "budget=0.4") == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if "_phi" in line)
    phi, macs = float(re.search(r"_phi([\d.]+)", row)[1]), float(row.split()[3])
    assert macs <= 0.4
    assert scaled(*words, f"phi=[{phi + 0.01:.2f}]") == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if "_phi" in line)
    assert float(row.split()[3]) > 0.4


def test_the_grid_lists_networks_that_double_the_cost(card, tmp_path, capsys):
    out = tmp_path / "grid"
    assert scaled(f"models={card}", "size=256x512", "grid=0.1", f"output={out}") == 0
    printed = capsys.readouterr().out
    members = [read_model_card(file) for file in out.iterdir()]
    assert 1 < len(members) <= len(grid(0.1))
    first = float(next(row for row in printed.splitlines() if row.startswith("toy ")).split()[3])
    for member in members:
        assert doubles(member.costs.gmacs / first)
        assert f"\n{member.name} " in printed
    assert len({member.costs for member in members}) == len(members)
    assert f"{len(members)} networks cost twice as much, within 5%" in printed
    assert "train each alike" in printed


def test_the_size_of_the_card_is_taken(capsys):
    assert scaled("models=squeezenas_mac_small", "phi=[0]") == 0
    assert "1024x2048     3.008    1.00" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("word", "phi"), [("phi=1", (1,)), ("phi=1.5", (1.5,)), ("phi=0,2", (0, 2)), ("phi=[3]", (3,))]
)
def test_one_coefficient_or_several(card, word, phi):
    assert load_scaling([f"models={card}", "size=64x96", word]).phi == phi


def test_mistakes(card, capsys):
    network = f"models={card}"
    for words, told in (
        ([], "name a network with models=CARD; known: "),
        (["models=squeezenas_mac_smal"], "did you mean 'squeezenas_mac_small'"),
        ([network], "toy does not say costs.resolution; give size=HEIGHTxWIDTH"),
        ([network, "size=100x200"], "sides must be multiples of 32"),
        ([network, "phi=[-1]"], "phi[0]: "),
        ([network, "phi=-1"], "phi[0]: "),
        ([network, "phi=many"], "phi[0]: "),
        ([network, "phi=[]"], "phi: "),
        ([network, "depth=0.9"], "depth: expected number >= 1, got 0.9"),
        ([network, "alpha=1.2"], "alpha: unknown key"),
        ([network, "phi=[1]", "budget=3"], "budget and phi exclude each other"),
        ([network, "grid=0.1", "budget=3"], "budget and grid exclude each other"),
        ([network, "grid=0.1", "width=1.1"], "grid tries all depth, width and resolution"),
        ([network, "depth=1", "width=1", "resolution=1"], "are all 1; raise one"),
        ([network, "size=64x96", "budget=0.001"], "budget=0.001: the network costs 0.00"),
        (["models=darts_v2_cifar10"], "is of space darts_cell"),
        ([network, "size=64x96", f"output={card}"], "toy.yaml"),
    ):
        assert scaled(*words) == 2, words
        captured = capsys.readouterr()
        assert told in captured.err, captured.err
