"""The text of a genotype in the form of the DARTS authors, read without running any of it.

    Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=range(2, 6), reduce=[...],
        reduce_concat=range(2, 6))

Each pair is an operation and the node it reads; two pairs make a node, the first of them node 2.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from squeezenas.core.registry import nearest
from squeezenas.nn.cell import KINDS, CellGenotype, Genotype

FORM = (
    "Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=range(2, 6), reduce=[...], "
    "reduce_concat=range(2, 6))"
)
KEYWORDS = tuple(f"{kind}{suffix}" for kind in KINDS for suffix in ("", "_concat"))
LONGEST = 10_000  # characters; the texts of papers have a few hundred


def write_genotype(genotype: Genotype) -> str:
    """The text of a genotype; the inverse of `read_genotype`."""
    parts = []
    for kind in KINDS:
        edges, concat = genotype.cell(kind)
        nodes = range(concat[0], concat[-1] + 1)
        shown = f"range({nodes.start}, {nodes.stop})" if concat == tuple(nodes) else [*concat]
        parts += [f"{kind}={[*edges]}", f"{kind}_concat={shown}"]
    return f"Genotype({', '.join(parts)})"


def read_genotype(texts: Sequence[str], operations: Sequence[str], blocks: int) -> Genotype:
    """The genotype that a text is.

    Args:
        texts: the text, one in all.
        operations: those that are known.
        blocks: nodes beside the two inputs.

    Raises:
        ValueError: the text is of another form, has too many or few inputs, or names an unknown
            operation or a node that is not there; says which token.
    """
    if len(texts) != 1:
        raise ValueError(f"a genotype is one text, {FORM}, got {len(texts)}")
    groups = _keywords(texts[0])
    cells = []
    for kind in KINDS:
        edges = _items(groups[kind], kind)
        if len(edges) != 2 * blocks:
            raise ValueError(
                f"{kind} has {len(edges)} inputs instead of {2 * blocks}: two for each of its "
                f"{blocks} nodes"
            )
        pairs = tuple(
            _edge(edge, kind, 2 + position // 2, operations) for position, edge in enumerate(edges)
        )
        cells.append(CellGenotype(pairs, _concat(groups[f"{kind}_concat"], kind, blocks)))
    return Genotype(*cells)


def genotype_keywords(text: str, form: str) -> list[ast.keyword]:
    """The arguments of `Genotype(...)`.

    Raises:
        ValueError: it is anything else; says where, and what to write (`form`).
    """
    if len(text) > LONGEST:
        raise ValueError(f"a genotype of {len(text)} characters; write {form}")
    try:
        call = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        rest = (error.text or text)[max((error.offset or 1) - 1, 0) :]
        raise ValueError(
            f"the genotype cannot be read from {rest[:20]!r} on; write {form}"
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{text[:40]!r} is no genotype; write {form}") from error
    if not isinstance(call, ast.Call) or ast.unparse(call.func) != "Genotype" or call.args:
        raise ValueError(f"{text[:40]!r} is no genotype; write {form}")
    return call.keywords


def _keywords(text: str) -> dict[str, ast.expr]:
    keywords = genotype_keywords(text, FORM)
    names = [str(keyword.arg) for keyword in keywords]
    for name in names:
        if name not in KEYWORDS:
            raise ValueError(f"a genotype has no {name!r}{nearest(name, list(KEYWORDS))}")
        if names.count(name) > 1:
            raise ValueError(f"the genotype has {name} twice")
    missing = [name for name in KEYWORDS if name not in names]
    if missing:
        raise ValueError(f"the genotype has no {', '.join(missing)}; write {FORM}")
    return {str(keyword.arg): keyword.value for keyword in keywords}


def _items(group: ast.expr, name: str) -> list[ast.expr]:
    if not isinstance(group, ast.List | ast.Tuple):
        raise ValueError(f"{name}={ast.unparse(group)[:40]} is no list")
    return group.elts


def _edge(edge: ast.expr, kind: str, node: int, operations: Sequence[str]) -> tuple[str, int]:
    shown = ast.unparse(edge)[:40]
    if not isinstance(edge, ast.List | ast.Tuple) or len(edge.elts) != 2:
        raise ValueError(f"{kind}, node {node}: {shown} is no pair such as ('sep_conv_3x3', 0)")
    name, source = getattr(edge.elts[0], "value", None), _integer(edge.elts[1])
    if not isinstance(name, str) or name not in operations:
        hint = nearest(str(name), list(operations))
        raise ValueError(f"{kind}, node {node}: unknown operation in {shown}{hint}")
    if not 0 <= source < node:
        raise ValueError(f"{kind}, node {node}: {shown} reads a node that is not in 0..{node - 1}")
    return name, source


def _concat(group: ast.expr, kind: str, blocks: int) -> tuple[int, ...]:
    shown = f"{kind}_concat={ast.unparse(group)[:40]}"
    within = f"2..{1 + blocks}"
    if isinstance(group, ast.Call) and ast.unparse(group.func) == "range":
        ends = [_integer(part) for part in group.args]
        if len(ends) != 2 or not all(2 <= end <= 2 + blocks for end in ends):
            raise ValueError(f"{shown}: a range has two ends, as range(2, 6), within {within}")
        nodes = list(range(*ends))
    else:
        nodes = [_integer(part) for part in _items(group, f"{kind}_concat")]
    if not nodes or nodes != sorted(set(nodes) & set(range(2, 2 + blocks))):
        raise ValueError(f"{shown}: the nodes rise, each once, within {within}")
    return tuple(nodes)


def _integer(part: ast.expr) -> int:
    """The integer that is written, or -1, which is no node."""
    value = part.value if isinstance(part, ast.Constant) else None
    return value if type(value) is int else -1
