"""A network as it is deployed: bytes of an image in, a label map out, as fast as PyTorch can.

Batch norm is folded, memory is channels last, and the normalisation is inside the first
convolution. Zero padding around a normalised image is its mean around the raw one: the image is
copied into a frame of that colour, which also brings its sides to multiples of 32. Of the logits
only what decides a label is upsampled (`squeezenas.zoo.upsampled_labels`).
"""

from __future__ import annotations

from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.nn.fold import folded
from squeezenas.nn.segmentation_network import SegmentationNetwork
from squeezenas.zoo.fusion import classified_first, dense_groups, fuse_relu
from squeezenas.zoo.upsampled_labels import upsampled_labels

STRIDE = 32
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

Result = Literal["labels", "logits"]
Channels = tuple[float, float, float]


def resolve(precision: str, device: torch.device) -> str:
    """`auto` made concrete: what is fastest without another network than the one trained.

    fp16 on GPUs with tensor cores; bf16 on CPUs that multiply it natively (AVX512-BF16, AMX);
    fp32 elsewhere.

    Raises:
        ValueError: unknown precision, or fp16 on a CPU.
    """
    if precision == "auto":
        if device.type == "cuda":
            return "fp16" if torch.cuda.get_device_capability(device) >= (7, 0) else "fp32"
        flags: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
        native = flags.get("avx512_bf16") or flags.get("amx_bf16")
        return "bf16" if device.type == "cpu" and native else "fp32"
    if precision not in DTYPES:
        raise ValueError(f"precision={precision}: it is one of auto, {', '.join(DTYPES)}")
    if precision == "fp16" and device.type == "cpu":
        raise ValueError("precision=fp16 needs a GPU; use bf16, fp32 or auto on the CPU")
    return precision


class Deployed(nn.Module):
    """Images `(N, H, W, 3)` of uint8, any size, to labels `(N, H, W)` of uint8.

    Runs where its weights are; the images are brought there.

    Args:
        network: gives logits `(N, classes, H, W)` for normalised images with sides that are
            multiples of 32, at most 256 classes; it is copied. One of a search space is rebuilt
            as the module says; any other is folded, normalised for and upsampled by itself.
        mean: mean RGB the network expects, in 0..1.
        std: standard deviation of RGB, in 0..1.
        result: `logits` gives `(N, classes, H, W)` of float32 instead.
        precision: auto, fp32, bf16 or fp16, as `resolve` explains.
        device: where to run.

    Raises:
        ValueError: unknown precision, or one the device does not have.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        mean: Channels,
        std: Channels,
        result: Result = "labels",
        precision: str = "fp32",
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        device = torch.device(device)
        self.precision = resolve(precision, device)
        self.result = result
        self.dtype = DTYPES[self.precision]
        # Most labels that bfloat16 changes, it changes by rounding in the first layers: there it
        # is not used. On `squeezenas_mac_small` 0.3 % of the labels differ then, not 0.9 %.
        self.first = torch.float32 if self.precision == "bf16" else self.dtype
        self.network = folded(network).cpu()
        self.whole = not isinstance(self.network, SegmentationNetwork)
        """Whether the network is used as it is, from normalised images to full-size logits."""
        if not self.whole:
            prepare(self.network)
            stem = cast("nn.Sequential", self.network.stem)
            stem[0] = _of_bytes(cast("nn.Conv2d", stem[0]), mean, std, self.first)
            if device.type == "cpu":
                fuse_relu(self.network)
        self._cast()
        self.register_buffer("mean", 255 * torch.tensor(mean), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(std), persistent=False)
        self.to(device)

    @torch.inference_mode()
    def forward(self, images: Tensor) -> Tensor:
        """As the class says."""
        kept = (images.shape[1], images.shape[2])
        x = self._framed(images.to(self.mean.device))
        if self.whole:
            normalised = (x - self.mean.view(3, 1, 1)) / self.std.view(3, 1, 1)
            logits = self.network(normalised.to(self.dtype))[..., : kept[0], : kept[1]]
            return logits.float() if self.result == "logits" else logits.argmax(1).to(torch.uint8)
        network = cast("SegmentationNetwork", self.network)
        low = network.head(*network.features(x))
        size = (x.shape[-2] - 2, x.shape[-1] - 2)
        if self.result == "labels":
            return upsampled_labels(low, size, kept)
        full = F.interpolate(low.float(), size, mode="bilinear", align_corners=True)
        return full[..., : kept[0], : kept[1]]

    def _cast(self) -> None:
        """The network in its precision; the stem and the first unit may be of a wider one."""
        if self.whole or self.first is self.dtype:
            self.network.to(self.dtype)
            return
        network = cast("SegmentationNetwork", self.network)
        for name, part in network.named_children():
            if name == "units":
                network.units[1:].to(self.dtype)
            elif name != "stem":
                part.to(self.dtype)
        network.units[0] = nn.Sequential(network.units[0], To(self.dtype))

    def _framed(self, images: Tensor) -> Tensor:
        """Images `(N, 3, H', W')` in a frame of the mean, as the first layer expects them."""
        count, height, width, channels = images.shape
        edge = 0 if self.whole else 1
        rows, columns = (side + -side % STRIDE + 2 * edge for side in (height, width))
        dtype = torch.float32 if self.whole else self.first
        x = torch.empty((count, rows, columns, channels), dtype=dtype, device=images.device)
        x[:, :edge] = self.mean
        x[:, edge + height :] = self.mean
        x[:, :, :edge] = self.mean
        x[:, :, edge + width :] = self.mean
        x[:, edge : edge + height, edge : edge + width] = images
        return x.permute(0, 3, 1, 2)


class To(nn.Module):
    """A cast to another type, as a layer."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, x: Tensor) -> Tensor:
        """The same values, rounded."""
        return x.to(self.dtype)


def prepare(network: nn.Module) -> None:
    """Rewrites a folded network of a search space as every runtime likes it."""
    classified_first(network)
    dense_groups(network)


def _of_bytes(conv: nn.Conv2d, mean: Channels, std: Channels, dtype: torch.dtype) -> nn.Conv2d:
    """The first convolution for raw pixels, 0..255, that have their padding around them already.

    The bias takes the mean off with the weights as they are rounded to `dtype`, so that rounding
    errors stay in proportion to a pixel's distance from the mean, as they are in the network.
    """
    assert conv.bias is not None
    assert conv.padding == (1, 1)
    weight = conv.weight.double() / (255 * torch.tensor(std, dtype=torch.float64)).view(3, 1, 1)
    weight = weight.to(dtype)
    shift = (weight.double().sum((2, 3)) * 255 * torch.tensor(mean, dtype=torch.float64)).sum(1)
    raw = nn.Conv2d(3, conv.out_channels, conv.kernel_size, conv.stride)  # type: ignore[arg-type]
    raw.weight = nn.Parameter(weight.float(), requires_grad=False)
    raw.bias = nn.Parameter((conv.bias.double() - shift).float(), requires_grad=False)
    return raw.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
