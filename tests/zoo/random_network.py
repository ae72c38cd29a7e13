"""A small network with random weights and statistics, and its plain answer."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.core.space import spaces
from tests.search import toy

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
OPTIONS = ("k3_e1_g2", "k5_e3_g1", "k3_e6_g1", "k3_e1_g1")


def random_network(head: str, classes: int = 19) -> nn.Module:
    """A toy network whose batch norms and biases do something."""
    torch.manual_seed(0)
    space = spaces[toy.ToySpace.name]()
    network = space.network(space.read(OPTIONS), classes, head).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.2, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
    return network


def images(count: int, height: int, width: int) -> Tensor:
    """Coarse random colours `(N, H, W, 3)`."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand((count, 3, 6, 8), generator=generator) * 255
    return F.interpolate(coarse, (height, width)).permute(0, 2, 3, 1).to(torch.uint8).contiguous()


@torch.no_grad()
def plainly(network: nn.Module, given: Tensor) -> Tensor:
    """Logits of images: normalised, padded with zeros, the network, cropped."""
    height, width = given.shape[1:3]
    x = given.permute(0, 3, 1, 2).float() / 255
    x = (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    x = F.pad(x, (0, -width % 32, 0, -height % 32))
    return network(x)[..., :height, :width]
