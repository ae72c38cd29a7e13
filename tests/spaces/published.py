"""The six published networks of SqueezeNAS (arXiv:1908.01748), and what counting them must give."""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """Genotype, and GMACs of one 1024x2048 frame and parameters with 19 classes."""

    space: str
    head: str
    gmacs: float
    parameters: int
    genotype: str


SUPERNET_PARAMETERS = {  # architecture parameters, one an option, included
    "squeezenas_small": ("lr_aspp", 3668626),
    "squeezenas_large": ("lr_aspp", 11581892),
    "squeezenas_xlarge": ("deeplabv3plus", 26146457),
}

NETWORKS = {
    "mac_small": Published(
        *("squeezenas_small", "lr_aspp", 3.007512576, 277598),
        "k3_e1_g2 k3_e1_g1 k3_e1_g1 k3_e1_g2 k5_e6_g1 k3_e1_g1 k3_e1_g1 k3_e1_g2_d2 k5_e6_g1 "
        "k3_e6_g1_d2 skip k3_e1_g2 k5_e6_g1 k3_e3_g1_d2 k3_e1_g1_d2 k3_e1_g1_d2 k3_e6_g1_d2 "
        "k3_e1_g2_d2 k3_e1_g2_d2 k3_e1_g2_d2",
    ),
    "mac_large": Published(
        *("squeezenas_large", "lr_aspp", 9.38614784, 704382),
        "k3_e1_g2 k3_e6_g1 k3_e1_g2_d2 k3_e1_g2 k3_e1_g2 k5_e6_g1 k5_e6_g1 k3_e6_g1_d2 k5_e6_g1 "
        "k5_e6_g1 k5_e6_g1 k5_e1_g1 k3_e3_g1 k5_e6_g1 k3_e1_g1 k5_e1_g1 k3_e3_g1_d2 k3_e6_g1_d2 "
        "k3_e1_g2_d2 k3_e1_g2_d2 k3_e1_g2_d2 k3_e1_g1_d2",
    ),
    "mac_xlarge": Published(
        *("squeezenas_xlarge", "deeplabv3plus", 21.838299136, 1819563),
        "k3_e1_g2 k3_e3_g1 k3_e1_g2 k5_e1_g1 k3_e3_g1_d2 k5_e6_g1 k5_e1_g2 k3_e1_g2_d2 k3_e3_g1 "
        "k5_e6_g1 k3_e3_g1 skip k3_e1_g2_d2 k5_e6_g1 k3_e1_g1 k5_e6_g1 skip k3_e6_g1_d2 "
        "k3_e1_g2_d2 k3_e1_g2_d2 k3_e1_g2_d2 k3_e3_g1_d2",
    ),
    "lat_small": Published(
        *("squeezenas_small", "lr_aspp", 4.465098752, 465774),
        "k3_e1_g1 skip skip skip k3_e6_g1 k3_e6_g1 skip skip k5_e6_g1 k3_e6_g1_d2 k5_e1_g2 "
        "k3_e1_g2 k3_e6_g1_d2 k3_e6_g1_d2 k3_e6_g1_d2 k3_e1_g1_d2 k3_e6_g1_d2 k3_e3_g1_d2 "
        "k3_e3_g1_d2 k3_e3_g1_d2",
    ),
    "lat_large": Published(
        *("squeezenas_large", "lr_aspp", 19.574636544, 1918734),
        "skip k3_e6_g1 k3_e3_g1 k3_e1_g1_d2 k3_e3_g1 k5_e6_g1 k3_e6_g1 k3_e3_g1 k3_e6_g1_d2 "
        "k5_e6_g1 k5_e1_g1 k5_e1_g1 k5_e1_g2 k3_e6_g1_d2 k3_e6_g1_d2 k3_e6_g1_d2 k3_e1_g1 "
        "k3_e6_g1_d2 k3_e6_g1_d2 k3_e6_g1_d2 k3_e6_g1_d2 k3_e6_g1_d2",
    ),
    "lat_xlarge": Published(
        *("squeezenas_xlarge", "deeplabv3plus", 32.729202688, 3059323),
        "skip k3_e3_g1 k3_e3_g1 k3_e3_g1 k3_e1_g1_d2 k3_e6_g1 k3_e3_g1 k5_e6_g1 k5_e1_g2 k5_e6_g1 "
        "k3_e6_g1 k3_e1_g2_d2 k3_e6_g1 k5_e6_g1 k3_e3_g1_d2 k3_e1_g2_d2 k3_e3_g1 k3_e6_g1_d2 "
        "k3_e3_g1_d2 k5_e1_g1 k3_e3_g1_d2 k3_e6_g1_d2",
    ),
}
