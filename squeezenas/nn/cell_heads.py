"""What a network of cells ends in: a linear layer on the mean, and in training one further up.

The auxiliary classifier is that of the official code of DARTS, one form for 8x8 maps (CIFAR) and
one for 7x7 maps (ImageNet); it is trained beside the other and left out when images are classified.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.nn.batch_norm import BatchNorm2d


class AuxiliaryClassifier(nn.Module):
    """Mean of 5x5 windows, a 1x1 and a 2x2 convolution, linear.

    Args:
        c_in: channels of the map.
        classes: number of classes.
        imagenet: windows 2 pixels apart, not 3, and no batch norm behind the 2x2 convolution.
    """

    window = 5

    def __init__(self, c_in: int, classes: int, imagenet: bool) -> None:
        super().__init__()
        self.stride = 2 if imagenet else 3
        self.features = nn.Sequential(
            nn.Conv2d(c_in, 128, 1, bias=False),
            BatchNorm2d(128),
            nn.ReLU(inplace=True),
            nn.Conv2d(128, 768, 2, bias=False),
            nn.Identity() if imagenet else BatchNorm2d(768),
            nn.ReLU(inplace=True),
        )
        self.linear = nn.Linear(768, classes)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, c_in, H, W)`, H and W at least 8 (ImageNet: 7), to logits `(N, classes)`.

        Raises:
            ValueError: a smaller map.
        """
        least = self.window + self.stride
        if min(x.shape[-2:]) < least:
            raise ValueError(
                f"the auxiliary classifier reads maps of {least}x{least} or more, got "
                f"{x.shape[-2]}x{x.shape[-1]}; give larger images or scale.auxiliary=false"
            )
        pooled = F.avg_pool2d(F.relu(x), self.window, self.stride)
        logits: Tensor = self.linear(self.features(pooled).mean((2, 3)))
        return logits


class CellHead(nn.Module):
    """The classifier, and the auxiliary one where there is one.

    Args:
        c_in: channels of the last cell's output.
        classes: number of classes.
        auxiliary: the auxiliary classifier, or None.
    """

    def __init__(self, c_in: int, classes: int, auxiliary: AuxiliaryClassifier | None) -> None:
        super().__init__()
        self.linear = nn.Linear(c_in, classes)
        self.auxiliary = auxiliary

    def forward(self, last: Tensor, middle: Tensor | None) -> Tensor | tuple[Tensor, Tensor]:
        """`(N, c_in, H, W)` to logits `(N, classes)`.

        Args:
            last: output of the last cell.
            middle: what the auxiliary classifier reads, if there is one.

        Returns:
            Logits; in training mode with an auxiliary classifier also its logits.
        """
        logits: Tensor = self.linear(last.mean((2, 3)))
        if self.auxiliary is not None and self.training:
            assert middle is not None
            return logits, self.auxiliary(middle)
        return logits
