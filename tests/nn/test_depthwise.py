import pytest
import torch
import torch.nn.functional as F

from squeezenas.nn.depthwise import depthwise, depthwise_gradients

CASES = [
    (kernel, stride, dilation, size)
    for kernel in (3, 5, 7)
    for stride in (1, 2)
    for dilation in (1, 2)
    for size in ((6, 8), (7, 5), (6, 7))
]


@pytest.mark.parametrize(("kernel", "stride", "dilation", "size"), CASES)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_output_and_gradients_are_those_of_a_plain_convolution(
    kernel: int, stride: int, dilation: int, size: tuple[int, int], layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 4, *size, dtype=torch.float64).contiguous(memory_format=layout)
    weight = torch.randn(4, 1, kernel, kernel, dtype=torch.float64)
    x.requires_grad_()
    weight.requires_grad_()
    padding = dilation * (kernel // 2)
    expected = F.conv2d(x, weight, None, stride, padding, dilation, groups=4)
    found = depthwise(x, weight, stride, dilation)
    torch.testing.assert_close(found, expected)
    grad = torch.randn_like(expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, (x, weight), grad),
        torch.autograd.grad(expected, (x, weight), grad),
    )


@pytest.mark.parametrize(("kernel", "stride", "dilation", "size"), CASES)
def test_gradients_are_finite_differences(
    kernel: int, stride: int, dilation: int, size: tuple[int, int]
) -> None:
    torch.manual_seed(1)
    x = torch.randn(1, 2, *size, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 1, kernel, kernel, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x, weight: depthwise(x, weight, stride, dilation), (x, weight), fast_mode=True
    )


def test_only_the_needed_gradients_are_computed() -> None:
    x, weight = torch.randn(1, 2, 6, 6), torch.randn(2, 1, 5, 5)
    both = depthwise_gradients(x, x, weight, 1, 1, (True, True))
    by_x, nothing = depthwise_gradients(x, x, weight, 1, 1, (True, False))
    torch.testing.assert_close(by_x, both[0])
    assert nothing is None
    nothing, by_weight = depthwise_gradients(x, x, weight, 1, 1, (False, True))
    torch.testing.assert_close(by_weight, both[1])
    assert nothing is None


def test_under_autocast_it_computes_in_half() -> None:
    x, weight = torch.randn(1, 2, 6, 6), torch.randn(2, 1, 3, 3, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        y = depthwise(x, weight)
    assert y.dtype == torch.bfloat16
    y.float().sum().backward()
    assert weight.grad is not None
    assert weight.grad.dtype == torch.float32
