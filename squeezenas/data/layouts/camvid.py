"""CamVid as SegNet arranged it (Brostow et al. 2009; Badrinarayanan et al., arXiv:1511.00561).

`<split>/<stem>.png|webp` beside `<split>annot/<stem>.png`; `<split>.txt`, if any, lists the pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.reading import read_text
from squeezenas.data.frames import Frame, layouts

SUFFIXES = (".png", ".webp")


@layouts.register("camvid")
def camvid(card: DatasetCard, split: str, name: str) -> Iterator[Frame]:
    """Frames that `<name>.txt` lists, else every image of the folder `<name>`."""
    present = {
        path.stem: path for path in (card.root / name).glob("*") if path.suffix.lower() in SUFFIXES
    }
    listing = card.root / f"{name}.txt"
    stems = _stems(read_text(listing)) if listing.is_file() else list(present)
    if not stems and listing.is_file():
        raise ValueError(f"{listing} lists no image; write a line for each, or remove the file")
    for stem in stems:
        if stem not in present:
            raise FileNotFoundError(
                f"{listing} lists {stem[:200]}, but {card.root / name} has no such image; "
                "restore the image or remove the line"
            )
        yield Frame(present[stem], card.root / f"{name}annot" / f"{stem}.png", stem)


def _stems(listing: str) -> list[str]:
    """Only names are read: published lists carry the absolute paths of their authors."""
    return [PurePosixPath(line.split()[0]).stem for line in listing.splitlines() if line.strip()]
