"""torchvision's DeepLabV3 head (arXiv:1706.05587) on a backbone of timm, features at 1/16.

torchvision's own networks keep features at 1/8 and dilate by 12, 24 and 36; at 1/16 the paper
(section 3.3) halves these, and so does this.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.core.registry import nearest
from squeezenas.engine.torchvision_import import import_torchvision
from squeezenas.nn.heads import Classifier
from squeezenas.zoo.build import networks

STRIDE = 16
DILATIONS = (6, 12, 18)


@networks.register("timm_deeplabv3")
class TimmDeepLabV3(nn.Module):
    """Trains on two images a process or more: the pyramid normalises pooled 1x1 maps.

    Args:
        backbone: a convolutional network of timm that can be dilated, such as `resnet18`.
        classes: number of classes.
        classifier: whether to classify images instead of pixels.

    Raises:
        ValueError: timm does not know the backbone, or it cannot keep features at 1/16.
    """

    def __init__(self, backbone: str, classes: int, classifier: bool) -> None:
        super().__init__()
        self.backbone, channels = _dilated(backbone)
        from torchvision.models.segmentation.deeplabv3 import DeepLabHead

        self.head = (
            Classifier(channels, classes)
            if classifier
            else DeepLabHead(channels, classes, DILATIONS)
        )

    def forward(self, images: Tensor) -> Tensor:
        """`(N, 3, H, W)` to logits `(N, classes, H, W)`, or `(N, classes)` of a classifier."""
        (features,) = self.backbone(images)
        logits: Tensor = self.head(features)
        if isinstance(self.head, Classifier):
            return logits
        return F.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=False)


def _dilated(name: str) -> tuple[nn.Module, int]:
    """A backbone of timm, which gives a list of one `(N, C, H / 16, W / 16)`, and its channels."""
    import_torchvision()
    import timm

    # Names such as `hf-hub:...` would have timm ask the network, pretrained or not.
    if not timm.is_model(name):
        raise ValueError(f"timm has no backbone {name!r}{nearest(name, timm.list_models())}")
    try:
        backbone: nn.Module = timm.create_model(
            name, features_only=True, output_stride=STRIDE, out_indices=(-1,)
        )
    except (TypeError, ValueError, RuntimeError, AssertionError, AttributeError) as error:
        raise ValueError(f"timm's {name} gives no feature map at 1/{STRIDE}") from error
    maps: Any = backbone.feature_info
    if maps.reduction() != [STRIDE]:
        raise ValueError(f"timm's {name} gives no feature map at 1/{STRIDE}")
    return backbone, maps.channels()[0]
