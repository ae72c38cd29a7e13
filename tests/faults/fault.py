"""What goes wrong in the tests of this folder, and what each fault must end in."""

from __future__ import annotations

from dataclasses import dataclass

EQUAL = "resumed, it ends with the same files, bit for bit, as a run without the fault"
REFUSED = "every damaged file is refused with a sentence that names it, or reads as it was written"


@dataclass(frozen=True)
class Fault:
    """A fault that tests inject.

    Args:
        name: what tests call it.
        injected: how and where, exactly.
        expected: what it must end in.
    """

    name: str
    injected: str
    expected: str


_KILL = (
    "SIGKILL, sent by the process to itself, before one of its steps, scores, fsyncs, renames and "
    "removals, or in the middle of a write, at random"
)
_SENTENCE = "exit code 2 and a sentence that names the file; the checkpoint before stays"

FAULTS = (
    Fault("killed search of a text", f"{_KILL}; ENAS, dropout, hidden states", EQUAL),
    Fault("killed search on frames", f"{_KILL}; Gumbel-softmax with a cost", EQUAL),
    Fault("killed retraining", f"{_KILL}; moving average of the weights, two epochs", EQUAL),
    Fault(
        "killed ask/tell search",
        f"{_KILL}; aging evolution on a table, in a journal",
        "resumed, trials.csv is that of the search left alone but for trial numbers, seconds and "
        "workers: same architectures in the same order",
    ),
    Fault(
        "full disk, injected",
        "from a random write on every write stops half-way and raises ENOSPC; one-shot "
        "and ask/tell search, retraining",
        f"{_SENTENCE}; {EQUAL}; where only the report of a run that is done fails, code 0 and a "
        "sentence",
    ),
    Fault(
        "full disk, real",
        "a tmpfs with room for one checkpoint and a half; it grows before the run is resumed",
        f"{_SENTENCE}; {EQUAL}",
    ),
    Fault(
        "read-only disk, injected",
        "from a random write, rename, removal or new folder on all of them raise EROFS; one-shot "
        "and ask/tell search, retraining",
        f"{_SENTENCE}; {EQUAL}; where only the report of a run that is done fails, code 0 and a "
        "sentence",
    ),
    Fault(
        "read-only disk, real",
        "the file system of a killed retraining is mounted read-only, and the run resumed there",
        f"{_SENTENCE}, nothing is changed; writable again and {EQUAL}",
    ),
    Fault(
        "checkpoint cut off",
        "at every length from 0 to that of the file less one",
        "a sentence that names the file, nothing is loaded",
    ),
    Fault(
        "checkpoint with flipped bits",
        "a random bit of every byte (archive, pickle, tensors, directory, seal), and random pairs "
        "of bits",
        "a sentence that names the file, nothing is loaded",
    ),
    Fault(
        "last checkpoint damaged",
        "random bits of last.pt of a killed retraining are flipped",
        f"a warning, the one before is taken, the damaged one is kept aside; {EQUAL}",
    ),
    Fault(
        "both checkpoints damaged",
        "random bits of last.pt and previous.pt of a killed retraining are flipped",
        "exit code 2 and a sentence that names the file",
    ),
    Fault("weights with flipped bits", "a random bit of every byte of a weights file", REFUSED),
    Fault("predictor with flipped bits", "a random bit of every byte of a saved one", REFUSED),
    Fault("cost table with flipped bits", "a random bit of every byte of latency.json", REFUSED),
    Fault("journal with flipped bits", "a random bit of every byte of trials.journal", REFUSED),
    Fault("metrics with flipped bits", "a random bit of every byte up to the checkpoint", REFUSED),
    Fault(
        "mask with flipped bits",
        "a random bit of every byte of a drawn mask",
        "refused with a sentence that names it, or the same labels",
    ),
    Fault(
        "decoded image with flipped bits",
        "a random bit of every byte of an entry of the disk cache",
        "the entry is decoded and written anew; the image is that of its file",
    ),
    Fault(
        "batch that is not a number, retraining",
        "the images of one batch are NaN",
        "the step is skipped and counted; weights, batch-norm statistics, optimiser and moving "
        "average are bit for bit those before it",
    ),
    Fault(
        "batch that is not a number, search",
        "the images of a training batch, then of a held-out batch, are NaN",
        "the steps are skipped and counted; supernet, statistics and architecture parameters are "
        "bit for bit those before",
    ),
    Fault(
        "reward that is not a number",
        "the images of a held-out batch of an ENAS search are NaN",
        "the controller and its baseline are bit for bit those before",
    ),
    Fault(
        "score that is infinite",
        "every fifth evaluation of ask/tell searches by reinforce and ppo is infinite or diverged",
        "baseline and controller stay finite",
    ),
    Fault(
        "only batches that are not numbers",
        "from the third step of a retraining on all images are NaN",
        f"exit code 2 and a sentence with advice after the allowed number of steps; {EQUAL}",
    ),
    Fault(
        "lost images",
        "the images of the data set are moved away within an epoch of a retraining",
        f"exit code 2 and a sentence that names one; put back and {EQUAL}",
    ),
    Fault(
        "unreadable disk in an ask/tell search",
        "from a random evaluation on every one raises EIO",
        "exit code 2 and the sentence; no architecture is blamed; resumed, the same trials as in "
        "the search left alone",
    ),
    Fault(
        "killed loading process",
        "a DataLoader worker kills itself while it reads a random step's batch",
        f"exit code 2 and a sentence that says so; {EQUAL}",
    ),
    Fault(
        "clock that jumps",
        "time.time goes years back and forth, time.monotonic leaps ahead, at every call",
        "every file is that of the run with a steady clock; search, retraining, ask/tell",
    ),
    Fault(
        "killed rank",
        "one of two processes of a distributed retraining kills itself before a random step",
        f"the other one ends with an error instead of waiting; {EQUAL}",
    ),
)
