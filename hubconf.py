"""For `torch.hub.load("<folder or repository>", "squeezenas_lat_small", pretrained=True)`."""

from typing import Any as _Any

from squeezenas.core.recipes import cards as _cards
from squeezenas.zoo.create import create_model as _create_model

dependencies = ["torch", "filelock", "omegaconf", "pydantic", "safetensors", "tqdm", "yaml"]


def _entry(name: str) -> _Any:
    def create(pretrained: bool = False, num_classes: int | None = None) -> _Any:
        return _create_model(name, pretrained, num_classes)

    create.__doc__ = _create_model.__doc__
    return create


for _name in _cards("models"):
    if _name.startswith("squeezenas_"):
        globals()[_name] = _entry(_name)
