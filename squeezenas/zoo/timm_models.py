"""Backbones of the cards as models of timm: features at 1/2 to 1/16, or a classifier on top.

After `squeezenas.register_timm()`, `timm.create_model("squeezenas_lat_small", features_only=True)`
works, and so do libraries that build on it (`tu-squeezenas_lat_small` with `encoder_depth=4` in
segmentation_models_pytorch). Pretrained means: on Cityscapes, the segmentation head left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.core.model_card import ModelCard, read_model_card
from squeezenas.core.recipes import cards
from squeezenas.core.space import spaces
from squeezenas.engine.torchvision_import import import_torchvision
from squeezenas.nn.backbone import Backbone
from squeezenas.spaces.squeezenas import SqueezeNASSpace
from squeezenas.zoo.build import build
from squeezenas.zoo.weights import load_weights

PREFIX = "squeezenas_"
PAPER = "arXiv:1908.01748"


class TimmBackbone(nn.Module):
    """A backbone with the attributes and methods that timm and its users expect of a model.

    Args:
        card: a network of one of our spaces.
        num_classes: of the classifier; 0 for pooled features.
        in_chans: channels of the images.
        global_pool: timm's name of the pooling; empty for none.
        drop_rate: dropout before the classifier.
        output_stride: 16, what the network was searched for.
    """

    def __init__(
        self,
        card: ModelCard,
        num_classes: int = 0,
        in_chans: int = 3,
        global_pool: str = "avg",
        drop_rate: float = 0.0,
        output_stride: int = 16,
    ) -> None:
        super().__init__()
        if output_stride != 16:
            raise ValueError(f"{card.name} has an output stride of 16, not {output_stride}")
        network = build(card.model_copy(update={"task": "classification"}))
        assert isinstance(network, Backbone)
        self.stem, self.units, self.last = network.stem, network.units, network.last
        first = self.stem[0]
        assert isinstance(first, nn.Conv2d)
        if in_chans != 3:
            self.stem[0] = nn.Conv2d(in_chans, first.out_channels, 3, 2, 1, bias=False)
        self.in_chans = in_chans
        self.drop_rate = drop_rate
        self.feature_info, self._units_before = _levels(card)
        self.num_features = self.feature_info[-1]["num_chs"]
        self.reset_classifier(num_classes, global_pool)

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """A new classifier, for 0 classes none; and another pooling, if named."""
        from timm.layers import SelectAdaptivePool2d

        self.num_classes = num_classes
        if global_pool is not None:
            self.global_pool = SelectAdaptivePool2d(
                pool_type=global_pool, flatten=bool(global_pool)
            )
        self.head_hidden_size = self.num_features * self.global_pool.feat_mult()
        classifier = nn.Linear(self.head_hidden_size, num_classes) if num_classes else nn.Identity()
        here = next(self.stem.parameters())  # the network may have been moved
        self.classifier = classifier.to(here)

    def get_classifier(self) -> nn.Module:
        """The classifier."""
        return self.classifier

    def forward_features(self, x: Tensor) -> Tensor:
        """Images `(N, in_chans, H, W)` to features `(N, num_features, H / 16, W / 16)`."""
        x = self.stem(x)
        for unit in self.units:
            x = unit(x)
        features: Tensor = self.last(x)
        return features

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Features to logits `(N, num_classes)`, or to what the classifier reads."""
        x = F.dropout(self.global_pool(x), self.drop_rate, self.training)
        logits: Tensor = x if pre_logits else self.classifier(x)
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """Images `(N, in_chans, H, W)`, sides multiples of 16, to logits `(N, num_classes)`."""
        return self.forward_head(self.forward_features(x))

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | Sequence[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """Images to the features of the levels in `indices`, an int for the last ones.

        Without `intermediates_only` the last features come first. The other arguments are timm's
        for models of other kinds.
        """
        wanted = self._indices(indices)
        last = len(self._units_before) - 1
        end = max(wanted) if stop_early and intermediates_only else last
        found: dict[int, Tensor] = {}
        x = self.stem(x)
        done = 0
        for level, count in enumerate(self._units_before[: end + 1]):
            for unit in self.units[done:count]:
                x = unit(x)
            done = count
            if level == last:
                x = self.last(x)
            found[level] = x
        maps = [found[level] for level in wanted]
        return maps if intermediates_only else (x, maps)

    def prune_intermediate_layers(
        self,
        indices: int | Sequence[int] = 1,
        prune_norm: bool = False,
        prune_head: bool = True,
    ) -> list[int]:
        """Removes what the levels in `indices` do not need, and returns them from the start."""
        wanted = self._indices(indices)
        if max(wanted) < len(self._units_before) - 1:
            self._units_before = self._units_before[: max(wanted) + 1]
            self.units = self.units[: self._units_before[-1]]
            self.last = nn.Identity()
            self.num_features = self.feature_info[max(wanted)]["num_chs"]
            prune_head = True
        if prune_head:
            self.reset_classifier(0, "")
        return wanted

    def _indices(self, indices: int | Sequence[int] | None) -> list[int]:
        levels = range(len(self._units_before))
        if indices is None:
            return list(levels)
        if isinstance(indices, int):
            return list(levels[-indices:])
        try:
            return [levels[index] for index in indices]
        except IndexError:
            raise ValueError(
                f"out_indices={tuple(indices)}: there are {len(levels)} feature levels, 0 to "
                f"{levels[-1]}"
            ) from None


def register_timm() -> list[str]:
    """Makes the networks known to timm by the names of their cards, and returns these names.

    Raises:
        ModuleNotFoundError: timm is not installed.
        ValueError: a card does not load.
    """
    import_torchvision()
    from timm.models import is_model, register_model

    names = [name for name in cards("models") if name.startswith(PREFIX)]
    for name in names:
        if not is_model(name):
            file = cards("models")[name]
            register_model(_entry(read_model_card(file), file.parent))
    return names


def _entry(card: ModelCard, folder: Path) -> Callable[..., nn.Module]:
    """What timm calls to create the model of a card."""
    from timm.models import PretrainedCfg, build_model_with_cfg, generate_default_cfgs

    weights = card.weights
    default_cfgs[card.name] = generate_default_cfgs(
        {
            card.name: PretrainedCfg(
                url=weights.url if weights else None,
                num_classes=0,
                input_size=(3, 768, 768),  # the crops of the last training stage
                pool_size=(48, 48),
                crop_pct=1.0,
                interpolation="bilinear",
                first_conv="stem.0",
                classifier="classifier",
                license=weights.licence.lower() if weights and weights.licence else None,
                description=card.description,
                paper_ids=PAPER,
            )
        }
    )[card.name]

    def create(pretrained: bool = False, **arguments: Any) -> nn.Module:
        overlay = dict(arguments.pop("pretrained_cfg_overlay", None) or {})
        own = not overlay.keys() & {"url", "file", "state_dict", "hf_hub_id"}
        if pretrained and own and not isinstance(arguments.get("pretrained_cfg"), dict):
            # Handed over rather than fetched by timm, which would not verify the file.
            overlay["state_dict"] = load_weights(card, folder)
        model: nn.Module = build_model_with_cfg(
            lambda **keys: TimmBackbone(card, **keys),
            card.name,
            pretrained,
            pretrained_cfg_overlay=overlay,
            pretrained_filter_fn=_of_the_backbone,
            feature_cfg={"feature_cls": "getter", "out_indices": (0, 1, 2, 3)},
            **arguments,
        )
        model.pretrained_cfg.pop("state_dict", None)  # type: ignore[operator, union-attr]
        return model

    create.__name__ = create.__qualname__ = card.name
    create.__doc__ = card.description
    return create


default_cfgs: dict[str, Any] = {}
"""Read by timm's `register_model`."""
__all__ = ["register_timm"]


def _of_the_backbone(state: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """All tensors of the backbone, and the model's own fresh classifier if the state has none.

    Raises:
        ValueError: tensors are missing or unknown.
    """
    state = {name: value for name, value in state.items() if not name.startswith("head.")}
    own = model.state_dict()
    state = {k: v for k, v in own.items() if k.startswith("classifier.")} | state
    if own.keys() != state.keys():
        raise ValueError(
            "these weights are of another network; tensors missing or unknown: "
            + ", ".join(sorted(own.keys() ^ state.keys())[:3])
        )
    return state


def _levels(card: ModelCard) -> tuple[list[dict[str, Any]], list[int]]:
    """The feature levels as timm describes them, and how many units come before each."""
    assert card.space is not None
    space = spaces[card.space]()
    assert isinstance(space, SqueezeNASSpace)
    units = space.macro.units()
    before = [index for index, (_, _, stride) in enumerate(units) if stride == 2] + [len(units)]
    channels = [units[index][0] for index in before[:-1]] + [space.macro.deep]
    names = [f"units.{count - 1}" if count else "stem" for count in before]
    if space.macro.last:
        names[-1] = "last"
    info = [
        {"num_chs": channel, "reduction": 2 ** (level + 1), "module": name}
        for level, (channel, name) in enumerate(zip(channels, names, strict=True))
    ]
    return info, before
