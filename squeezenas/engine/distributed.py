"""The processes of a run: one, or several started by `torchrun`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")

STALL = timedelta(minutes=30)
"""How long a step waits for a process that no longer answers, before all give up."""
PATIENCE = timedelta(hours=4)
"""How long processes wait for the main one, which alone draws masks and reads through data sets."""

_patient: dist.ProcessGroup | None = None
"""The group of `agree` and `wait`; None stands for the usual one."""


@dataclass(frozen=True)
class Process:
    """One of `world_size` processes, and the device it computes on."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def main(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0

    def share(self, batch_size: int) -> slice:
        """The images of a joined batch that this process works on."""
        part = batch_size // self.world_size
        return slice(self.rank * part, (self.rank + 1) * part)


def start(device: str) -> Process:
    """Joins the process group that `torchrun` describes, if any, and picks the device.

    Args:
        device: auto, cpu or cuda.

    Raises:
        ValueError: cuda is asked for and PyTorch sees no GPU.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device=cuda: PyTorch sees no GPU here; use device=cpu or device=auto")
    cuda = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    local = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if cuda else None
    if local is not None:
        torch.cuda.set_device(local)
    if world_size > 1 and not dist.is_initialized():
        # Numbers on the CPU go by gloo, so that agreeing on one does not wait for the GPU.
        _join("cpu:gloo,cuda:nccl" if cuda else "gloo")
    rank = dist.get_rank() if world_size > 1 else 0
    return Process(rank, world_size, local or torch.device("cpu"))


def _join(backend: str) -> None:
    """Finds the other processes, those of the same start.

    Where `torchrun` is not told of a rendezvous, all its starts share one store, and would find
    addresses of processes that died.
    """
    global _patient
    store, rank, world_size = next(dist.rendezvous("env://", timeout=STALL))
    if os.environ.get("TORCHELASTIC_RUN_ID") == "none":
        store = dist.PrefixStore(os.environ["TORCHELASTIC_RESTART_COUNT"], store)
    dist.init_process_group(backend, store=store, rank=rank, world_size=world_size, timeout=STALL)
    _patient = dist.new_group(backend="gloo", timeout=PATIENCE)


def together(network: nn.Module, process: Process, unused: bool = False) -> nn.Module:
    """The network as all processes train it: its gradients are averaged. Alone: itself.

    Args:
        network: with batch norms that join their statistics, which keeps its buffers equal.
        process: this process.
        unused: whether a step may leave parameters without gradient.
    """
    if process.world_size == 1:
        return network
    # A 1x1 weight has two names for one memory order, and DDP warns of the other one.
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
    return DistributedDataParallel(network, broadcast_buffers=False, find_unused_parameters=unused)


def agree(value: T) -> T:
    """The main process's value, in every process."""
    if not _together():
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0, group=_patient)
    return box[0]


def gathered(value: T) -> list[T]:
    """The values of all processes, in every process, by rank."""
    if not _together():
        return [value]
    values: list[T] = [value] * dist.get_world_size()
    dist.all_gather_object(values, value, group=_patient)
    return values


def highest(value: int) -> int:
    """The largest of all processes' numbers."""
    if not _together():
        return value
    number = torch.tensor(value)
    dist.all_reduce(number, op=dist.ReduceOp.MAX)
    return int(number)


def total(tensor: Tensor) -> Tensor:
    """The sum over all processes, in place, without gradient."""
    if _together():
        dist.all_reduce(tensor)
    return tensor


def average(tensors: Iterable[Tensor]) -> None:
    """Replaces each tensor by its mean over all processes, in place."""
    if _together():
        for tensor in tensors:
            dist.all_reduce(tensor)
            tensor.div_(dist.get_world_size())


def wait() -> None:
    """Returns when every process has come here."""
    if _together():
        dist.barrier(group=_patient)


def stop() -> None:
    """Leaves the process group, if there is one."""
    global _patient
    if _together():
        dist.destroy_process_group()
    _patient = None


def _together() -> bool:
    return dist.is_available() and dist.is_initialized()
