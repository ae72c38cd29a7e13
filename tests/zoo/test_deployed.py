import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from squeezenas.core.recipes import load_model
from squeezenas.data.decode import read_image
from squeezenas.zoo.build import build
from squeezenas.zoo.convert import read_official
from squeezenas.zoo.deployed import Deployed, resolve
from squeezenas.zoo.graph import Graph
from squeezenas.zoo.upsampled_labels import upsampled_labels
from tests.training.pixel_network import PixelNetwork
from tests.zoo.random_network import MEAN, STD, images, plainly, random_network


@pytest.mark.parametrize("head", ["lr_aspp", "deeplabv3plus"])
@pytest.mark.parametrize("size", [(64, 96), (33, 90), (7, 130)])
@pytest.mark.parametrize("kind", [Deployed, Graph])
def test_the_same_as_the_network_on_normalised_padded_images(head, size, kind):
    network, given = random_network(head), images(2, *size)
    logits = plainly(network, given)
    found = kind(network, MEAN, STD).eval()(given)
    assert found.dtype == torch.uint8
    assert found.shape == (2, *size)
    assert (found == logits.argmax(1)).float().mean() >= 0.9999
    raw = kind(network, MEAN, STD, "logits").eval()(given)
    torch.testing.assert_close(raw, logits, rtol=0, atol=float(logits.abs().max()) * 1e-5)


def test_any_other_network_is_normalised_for():
    network, given = PixelNetwork(5).eval(), images(1, 40, 50)
    for kind in (Deployed, Graph):
        found = kind(network, MEAN, STD).eval()(given)
        assert (found == plainly(network, given).argmax(1)).float().mean() >= 0.9999


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("noise", [0.01, 3.0])
def test_upsampled_labels(align_corners, noise):
    torch.manual_seed(0)
    smooth = F.interpolate(torch.randn(2, 7, 3, 4), (13, 22), mode="bicubic")
    logits = smooth + noise * torch.randn(2, 7, 13, 22)
    full = F.interpolate(logits, (104, 352), mode="bilinear", align_corners=align_corners)
    found = upsampled_labels(logits, (104, 352), (99, 340), align_corners)
    assert (found == full.argmax(1)[:, :99, :340]).float().mean() >= 0.9999


def test_no_map_of_all_classes_in_full_size_is_made():
    largest = 0

    class Recorded(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            nonlocal largest
            found = function(*args, **(kwargs or {}))
            if isinstance(found, torch.Tensor) and found.is_floating_point():
                largest = max(largest, found.numel())
            return found

    logits = torch.randn(1, 19, 32, 64)
    with Recorded():
        upsampled_labels(logits, (256, 512), (256, 512))
    assert largest < 19 * 256 * 512 / 4


def test_lower_precision_is_close():
    network, given = random_network("lr_aspp"), images(1, 64, 96)
    labels = plainly(network, given).argmax(1)
    deployed = Deployed(network, MEAN, STD, precision="bf16")
    assert {p.dtype for p in deployed.parameters()} == {torch.float32, torch.bfloat16}
    assert (deployed(given) == labels).float().mean() > 0.95


def test_resolve():
    cpu = torch.device("cpu")
    assert resolve("auto", cpu) in ("fp32", "bf16")
    assert resolve("fp32", cpu) == "fp32"
    with pytest.raises(ValueError, match="fp16 needs a GPU"):
        resolve("fp16", cpu)
    with pytest.raises(ValueError, match="precision=int4: it is one of"):
        resolve("int4", cpu)


@pytest.mark.parametrize(("name", "half"), [("mac_small", 0.99), ("lat_small", 0.99)])
def test_published_weights_on_a_genuine_frame(name, half, shared_data):
    folder = shared_data / "cityscapes/leftImg8bit/val/frankfurt"
    weights = shared_data / "weights" / f"{name}.pth"
    if not weights.is_file() or not folder.is_dir():
        pytest.skip(f"no {weights} or no {folder}")
    network = build(load_model(f"squeezenas_{name}")).eval()
    network.load_state_dict(read_official(weights))
    pixels = read_image(sorted(folder.iterdir())[0])[256:640, 512:1280]
    given = torch.from_numpy(np.ascontiguousarray(pixels))[None]
    labels = plainly(network, given).argmax(1)
    assert (Deployed(network, MEAN, STD)(given) == labels).float().mean() >= 0.9999
    assert (Graph(network, MEAN, STD)(given) == labels).float().mean() >= 0.9999
    lower = Deployed(network, MEAN, STD, precision="bf16")
    assert (lower(given) == labels).float().mean() >= half
