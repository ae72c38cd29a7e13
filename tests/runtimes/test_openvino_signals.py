"""A signal after the last compiled model is gone must not end the process."""

import subprocess
import sys

import pytest

PROGRAM = """
import gc, os, signal, sys
import torch
from torch import nn
from squeezenas.runtimes.runtime import compile

x = torch.zeros(1, 3, 8, 8)
run = compile("openvino", nn.Conv2d(3, 4, 1).eval(), x)
run(x.numpy())
del run
gc.collect()
signal.signal(signal.SIGUSR1, lambda *_: print("heard"))
os.kill(os.getpid(), signal.SIGUSR1)
"""


def test_signals_are_heard(repository):
    pytest.importorskip("openvino")
    pytest.importorskip("onnxscript")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=repository, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("heard")
