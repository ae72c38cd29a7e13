import math

import numpy as np
import pytest
import torch

from squeezenas.tasks.hard_pixels import hard_pixels


def plain(losses, labelled, threshold, kept):
    """One image after another, pixels sorted by hand."""
    found = np.zeros(losses.shape, bool)
    for image in range(len(losses)):
        own = sorted(losses[image][labelled[image]], reverse=True)
        if not own:
            continue
        count = max(1, math.ceil(kept * len(own)))
        hardest = own[count - 1]
        hard = (losses[image] >= hardest) | (np.exp(-losses[image]) <= threshold)
        found[image] = hard & labelled[image]
    return found


@pytest.mark.parametrize("threshold", [0.05, 0.5, 0.99])
@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 1.0])
def test_the_hard_ones_are_those_of_a_loop(threshold, kept):
    rng = np.random.default_rng(0)
    losses = rng.exponential(1.0, (4, 9, 11))
    losses[1] *= 0.01  # an easy image
    labelled = rng.random(losses.shape) < np.array([0.9, 0.9, 0.2, 0.0]).reshape(4, 1, 1)
    found = hard_pixels(torch.from_numpy(losses), torch.from_numpy(labelled), threshold, kept)
    assert found.dtype == torch.bool
    np.testing.assert_array_equal(found.numpy(), plain(losses, labelled, threshold, kept))


def test_the_share_is_of_an_image_not_of_the_batch():
    losses = torch.stack([torch.full((4, 5), 1e-3), torch.full((4, 5), 1e-6)])
    losses += torch.linspace(0, 1e-7, 20).view(4, 5)
    found = hard_pixels(losses, torch.ones(2, 4, 5, dtype=torch.bool), 0.5, 0.25)
    assert found.flatten(1).sum(1).tolist() == [5, 5]


def test_a_part_of_a_batch_keeps_the_same_pixels():
    losses, labelled = torch.rand(4, 6, 6), torch.rand(4, 6, 6) < 0.5
    whole = hard_pixels(losses, labelled, 0.8, 0.2)
    parts = [hard_pixels(losses[n : n + 2], labelled[n : n + 2], 0.8, 0.2) for n in (0, 2)]
    assert torch.equal(whole, torch.cat(parts))
