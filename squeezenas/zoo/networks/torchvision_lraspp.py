"""torchvision's LR-ASPP on MobileNetV3-Large (arXiv:1905.02244, section 6.4), features at 1/16."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.engine.torchvision_import import import_torchvision
from squeezenas.nn.heads import Classifier
from squeezenas.zoo.build import networks


@networks.register("torchvision_lraspp")
class TorchvisionLRASPP(nn.Module):
    """torchvision's own modules; what it names `classifier.*` is named `head.*` here.

    Args:
        backbone: `mobilenet_v3_large`, the only one torchvision has.
        classes: number of classes.
        classifier: whether to classify images instead of pixels.

    Raises:
        ValueError: another backbone.
    """

    def __init__(self, backbone: str, classes: int, classifier: bool) -> None:
        super().__init__()
        if backbone != "mobilenet_v3_large":
            raise ValueError(
                f"torchvision has no LR-ASPP on {backbone!r}; its backbone is mobilenet_v3_large"
            )
        import_torchvision()
        from torchvision.models.segmentation import lraspp_mobilenet_v3_large

        whole = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=classes)
        channels = whole.classifier.cbr[0].in_channels
        self.backbone = whole.backbone
        self.head = Classifier(channels, classes) if classifier else whole.classifier

    def forward(self, images: Tensor) -> Tensor:
        """`(N, 3, H, W)` to logits `(N, classes, H, W)`, or `(N, classes)` of a classifier."""
        features = self.backbone(images)
        if isinstance(self.head, Classifier):
            return self.head(features["high"])
        logits = self.head(features)
        return F.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=False)
