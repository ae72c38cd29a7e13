"""`squeezenas zoo list|table|show|download|verify|convert`: the cards' networks, their weights."""

from __future__ import annotations

import sys
from pathlib import Path

from squeezenas.cli.errors import USER_ERROR, sentence
from squeezenas.core.files import to_yaml
from squeezenas.core.model_card import ModelCard, Weights, read_model_card
from squeezenas.core.overrides import parse
from squeezenas.core.recipes import cards, find, load_model

USAGE = (
    "usage: squeezenas zoo list | table | show CARD | download CARD|all | verify CARD|all | "
    "convert FILE.pth models=CARD output=FILE.safetensors"
)


def main(arguments: list[str]) -> int:
    """Runs what follows `squeezenas zoo`.

    Returns:
        0 when all is well, 2 when some weights could not be fetched or are not the right ones.

    Raises:
        OSError, ValueError: something that the user can put right.
    """
    match arguments:
        case ["list"]:
            print(table())
            return 0
        case ["table"]:
            print(markdown())
            return 0
        case ["show", name]:
            return _show(find("models", name.removeprefix("models=")))
        case ["download" | "verify" as what, name]:
            return _each(what, name.removeprefix("models="))
        case ["convert", file, *rest] if "=" not in file:
            return _convert(Path(file), rest)
        case _:
            raise ValueError(f"zoo {' '.join(arguments)}: not understood; {USAGE}")


def table() -> str:
    """All cards: costs, published scores, and where their weights are."""
    rows = [("network", "GMACs", "M params", "published", "weights")]
    for name, file in cards("models").items():
        card = read_model_card(file)
        rows.append((name, *_costs(card), _published(card), _state(card, file.parent)))
    wide = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        f"{name:<{wide[0]}}  " + "  ".join(f"{cell:>{w}}" for cell, w in cells) + f"  {state}"
        for name, *middle, state in rows
        for cells in [list(zip(middle, wide[1:], strict=True))]
    ]
    return "\n".join([*lines, "", "GMACs of one image of the card's size; scores as published."])


def _published(card: ModelCard) -> str:
    """The score that a card is known for, with its name."""
    names = {"class_iou": "IoU {:.2f} %", "test_error": "error {:.2f} %",
             "test_perplexity": "perplexity {:.2f}"}  # fmt: skip
    known = (text.format(card.published[k]) for k, text in names.items() if k in card.published)
    return next(known, "-")


def markdown() -> str:
    """The zoo in Markdown, as the README has it: networks that segment, then all others.

    Published figures, and ours where there are any: `our_class_iou` in `published` of a card.
    """
    read = [read_model_card(file) for file in cards("models").values()]
    others = [["network", "data set", "GMACs", "M parameters", "published"]]
    others.append(["---", "---", "---:", "---:", "---:"])
    for card in read:
        if card.task != "segmentation":
            others.append([f"`{card.name}`", card.dataset, *_costs(card), _published(card)])
    return "\n\n".join([_markdown(_segmenting(read)), _markdown(others)])


def _segmenting(read: list[ModelCard]) -> list[list[str]]:
    columns = {"class_iou": "IoU, released weights", "paper_class_iou": "IoU, paper"}
    if any("our_class_iou" in card.published for card in read):
        columns["our_class_iou"] = "IoU, ours"
    rows = [["network", "GMACs", "M parameters", *columns.values()]]
    rows.append(["---", *["---:"] * (len(rows[0]) - 1)])
    for card in read:
        if card.task == "segmentation":
            scores = [_number(card.published.get(key)) for key in columns]
            rows.append([f"`{card.name}`", *_costs(card), *scores])
    return rows


def _markdown(rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _costs(card: ModelCard) -> tuple[str, str]:
    """GMACs and millions of parameters."""
    if card.costs is None:
        return "-", "-"
    return _number(card.costs.gmacs), _number(card.costs.parameters_millions, 3)


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _state(card: ModelCard, folder: Path) -> str:
    path = _path(card, folder)
    if path is None:
        return "none"
    fetched = card.weights is not None and card.weights.url is not None
    if path.is_file():
        return "downloaded" if fetched else "beside the card"
    return "not downloaded" if fetched else "missing"


def _path(card: ModelCard, folder: Path) -> Path | None:
    """The file of a card's weights, whether or not it is there; None for a card without."""
    source = card.weights
    if source is not None and source.file is not None:
        beside = folder / source.file
        if beside.is_file() or source.url is None:
            return beside
    if source is None or source.url is None:
        return None
    from squeezenas.zoo.download import weights_path

    return weights_path(card)


def _show(file: Path) -> int:
    card = read_model_card(file)
    print(to_yaml(card.model_dump(mode="json", exclude_defaults=True)), end="")
    path = _path(card, file.parent)
    print(f"# {file}; weights: {_state(card, file.parent)}" + (f", {path}" if path else ""))
    return 0


def _each(what: str, name: str) -> int:
    """Downloads or verifies one card or all that have weights; the exit code."""
    files = cards("models").values() if name == "all" else [find("models", name)]
    code = 0
    for file in files:
        card = read_model_card(file)
        path = _path(card, file.parent)
        # Of all cards, those are meant that have weights; and to verify, those that are here.
        if name == "all" and (path is None or (what == "verify" and not path.is_file())):
            print(f"{card.name}: {_state(card, file.parent)}")
            continue
        try:
            done = _download(card, file) if what == "download" else _verify(card, path)
            print(f"{card.name}: {done}")
        except (OSError, ValueError) as error:
            print(f"squeezenas: {card.name}: {sentence(error)}", file=sys.stderr)
            code = USER_ERROR
    return code


def _download(card: ModelCard, file: Path) -> str:
    from squeezenas.zoo.weights import load_weights

    load_weights(card, file.parent)
    return str(_path(card, file.parent))


def _verify(card: ModelCard, path: Path | None) -> str:
    """Checks hashes, that the tensors fit, and that a kept conversion is that of the file."""
    if path is None:
        raise ValueError("this card has no weights; train it first")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; squeezenas zoo download {card.name}")
    import torch

    from squeezenas.zoo.download import Checksums
    from squeezenas.zoo.weights import convert_weights, read_weights

    assert card.weights is not None
    if fault := Checksums(card.weights.sha256, card.weights.git_blob_sha1).fault(path):
        raise ValueError(f"{path} is not the file of the card: {fault}; delete it")
    if path.suffix == ".pth":
        state = convert_weights(card, path)
        converted = path.with_suffix(".safetensors")
        if converted.is_file():
            kept, _ = read_weights(converted)
            if state.keys() != kept.keys() or not all(torch.equal(state[k], kept[k]) for k in kept):
                raise ValueError(f"{converted} is not the conversion of {path.name}; delete it")
    return f"{path} is the file of the card"


def _convert(file: Path, rest: list[str]) -> int:
    request = parse(rest, ["models"])
    if "models" not in request.cards or request.values.keys() != {"output"}:
        raise ValueError(f"zoo convert takes models=CARD and output=FILE.safetensors; {USAGE}")
    output = Path(str(request.values["output"]))
    if output.suffix != ".safetensors":
        raise ValueError(f"output={output}: name a file that ends in .safetensors")
    card = load_model(request.cards["models"])
    from squeezenas.zoo.build import build
    from squeezenas.zoo.weights import convert_weights, load_into, save_weights

    network = build(card)
    load_into(network, convert_weights(card, file))
    output.parent.mkdir(parents=True, exist_ok=True)
    digest = save_weights(output, network, card)
    print(f"{output} is written; for a model card beside it:")
    weights = Weights(file=Path(output.name), sha256=digest)
    print(to_yaml({"weights": weights.model_dump(mode="json", exclude_defaults=True)}), end="")
    return 0
