"""The text of a recurrent cell in the form of the DARTS authors: read without running any of it."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from squeezenas.core.registry import nearest
from squeezenas.nn.recurrent_cell import Node
from squeezenas.spaces.genotype import genotype_keywords

FORM = "Genotype(recurrent=[('tanh', 0), ...], concat=range(1, {end}))"


def write_recurrent(nodes: Sequence[Node]) -> str:
    """`Genotype(recurrent=[('tanh', 0), ...], concat=range(1, 9))`."""
    pairs = ", ".join(f"({activation!r}, {predecessor})" for predecessor, activation in nodes)
    return f"Genotype(recurrent=[{pairs}], concat=range(1, {len(nodes) + 1}))"


def read_recurrent(texts: Sequence[str], activations: Sequence[str], nodes: int) -> list[Node]:
    """The nodes of a genotype text.

    Args:
        texts: the text, one in all.
        activations: those that are known.
        nodes: how many nodes there must be.

    Raises:
        ValueError: the text is of another form, has another number of nodes, or names an unknown
            activation or a node that is not earlier; says which token.
    """
    form = FORM.format(end=nodes + 1)
    if len(texts) != 1:
        raise ValueError(f"a genotype is one text, {form}, got {len(texts)}")
    groups = _keywords(texts[0], form)
    concat = ast.unparse(groups["concat"])
    if concat not in (f"range(1, {nodes + 1})", str(list(range(1, nodes + 1)))):
        raise ValueError(f"concat={concat}: the mean is over range(1, {nodes + 1})")
    pairs = groups["recurrent"]
    if not isinstance(pairs, ast.List):
        raise ValueError(f"recurrent={ast.unparse(pairs)}: write a list, {form}")
    if len(pairs.elts) != nodes:
        raise ValueError(f"recurrent has {len(pairs.elts)} nodes instead of {nodes}")
    return [_node(pair, number, activations) for number, pair in enumerate(pairs.elts, 1)]


def _keywords(text: str, form: str) -> dict[str, ast.expr]:
    groups = {str(word.arg): word.value for word in genotype_keywords(text, form)}
    if [*groups] != ["recurrent", "concat"]:
        raise ValueError(f"a recurrent genotype has recurrent and concat, got {', '.join(groups)}")
    return groups


def _node(pair: ast.expr, number: int, activations: Sequence[str]) -> Node:
    token = ast.unparse(pair)
    parts = pair.elts if isinstance(pair, ast.Tuple) else []
    values = [part.value for part in parts if isinstance(part, ast.Constant)]
    match values:
        case [str(activation), int(predecessor)] if not isinstance(predecessor, bool):
            pass
        case _:
            raise ValueError(
                f"node {number}: {token} is no pair of an activation and a node, ('tanh', 0)"
            )
    if activation not in activations:
        hint = nearest(activation, list(activations))
        raise ValueError(f"node {number}: unknown activation {activation!r} in {token}{hint}")
    if predecessor >= number:
        raise ValueError(f"node {number} reads one of 0..{number - 1}, and {token} names a later")
    return Node(predecessor, activation)
