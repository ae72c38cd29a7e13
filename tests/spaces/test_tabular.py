import pytest

from squeezenas.core.space import make_space


def test_choices_are_those_of_the_card() -> None:
    space = make_space("tabular", {"choices": {"depth": [2, 4], "kind": ["a", "b", "c"]}})
    assert [(c.key, c.options) for c in space.choices] == [
        ("depth", ("2", "4")),
        ("kind", ("a", "b", "c")),
    ]
    assert space.size() == 6
    adjacency, operations = space.graph(space.read(["4", "a"]))
    assert operations == ["input", "depth=4", "kind=a", "output"]
    assert adjacency == [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({}, "scale.choices"),
        ({"depth": []}, r"choices\.depth has no options; list them"),
        ({"depth": [2, 2]}, r"choices\.depth has '2' more than once"),
        ({"depth": [2], "kind": ["a"]}, "every choice has one option; there is nothing to search"),
    ],
)
def test_wrong_choices_are_named(choices: dict[str, list[object]], message: str) -> None:
    with pytest.raises(ValueError, match=f"space tabular: .*{message}"):
        make_space("tabular", {"choices": choices})


def test_there_are_no_networks() -> None:
    space = make_space("tabular")
    architecture = space.architecture([0, 0])
    with pytest.raises(ValueError, match=r"tabular has no networks: .* are rows.*datasets=<card>"):
        space.network(architecture, 10, "classifier")
    with pytest.raises(ValueError, match="space tabular has no supernet"):
        space.supernet(10, "classifier")
