"""Files with cut ends and flipped bits: refused by name, or read as they were written."""

import math
import signal

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from squeezenas.ask_tell.journal import DamagedJournalError, Journal
from squeezenas.core.architecture import Choice
from squeezenas.core.model_card import ModelCard
from squeezenas.costs.table import CostTable
from squeezenas.data.decode import read_mask_ids
from squeezenas.engine.checkpoint import load_checkpoint, save_checkpoint
from squeezenas.predictors.predictor import make_predictor
from squeezenas.predictors.saved import load_predictor, save_predictor
from squeezenas.tracking.files import JsonLines
from squeezenas.zoo.weights import read_weights, save_weights
from tests.faults.conftest import said
from tests.faults.programs import STAGE, left
from tests.search.test_resume import same
from tests.strategies.toy import Toy

STATE = {"step": 7, "weights": {"a": torch.arange(30.0)}, "history": [{"miou": 0.5}], "text": "x"}


def flipped(content, *bits):
    changed = bytearray(content)
    for bit in bits:
        changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def is_refused(path, content):
    """Whether a checkpoint of this content is refused by name."""
    path.write_bytes(content)
    try:
        load_checkpoint(path)
    except ValueError as error:
        return str(path) in str(error)
    return False


@pytest.fixture
def checkpoint(tmp_path):
    save_checkpoint(tmp_path / "c.pt", STATE)
    assert same(load_checkpoint(tmp_path / "c.pt"), STATE)
    return tmp_path / "c.pt"


def test_a_checkpoint_that_was_cut_off(checkpoint, seen):
    whole = checkpoint.read_bytes()
    assert all(is_refused(checkpoint, whole[:length]) for length in range(len(whole)))
    seen("checkpoint cut off", len(whole))


def test_a_checkpoint_with_flipped_bits(checkpoint, rng, draws, seen):
    whole = checkpoint.read_bytes()
    pairs = [rng.sample(range(8 * len(whole)), 2) for _ in range(500 * draws)]
    tries = [(8 * byte + rng.randrange(8),) for byte in range(len(whole))] + pairs
    assert [bits for bits in tries if not is_refused(checkpoint, flipped(whole, *bits))] == []
    seen("checkpoint with flipped bits", len(tries))


def test_an_unsealed_checkpoint_of_an_older_version(tmp_path):
    torch.save(STATE, tmp_path / "old.pt")
    with pytest.raises(ValueError, match=r"old\.pt is damaged or not .* or an older version wrote"):
        load_checkpoint(tmp_path / "old.pt")


@pytest.fixture
def killed(launcher, tmp_path):
    """A retraining killed before its last step, two checkpoints written, and the one left alone."""
    alone = launcher.alone("retraining")
    folder = tmp_path / "killed"
    code = launcher.run("retraining", folder, "killed", {"kind": "step", "number": 3})
    assert code == -signal.SIGKILL
    return alone, folder, folder / "runs" / "toy" / STAGE / "checkpoints"


def damage(path, rng):
    whole = path.read_bytes()
    path.write_bytes(flipped(whole, *rng.sample(range(8 * len(whole)), 2)))


def test_a_damaged_last_checkpoint(launcher, killed, rng, seen):
    alone, folder, checkpoints = killed
    damage(checkpoints / "last.pt", rng)
    assert launcher.run("retraining", folder) == 0, said(folder)
    assert "last.pt is damaged" in said(folder)
    assert "continuing from" in said(folder)
    assert (checkpoints / "damaged.pt").is_file()
    assert left("retraining", folder / "runs" / "toy") == alone.files
    seen("last checkpoint damaged", 1)


def test_two_damaged_checkpoints(launcher, killed, rng, seen):
    _, folder, checkpoints = killed
    for name in ("last.pt", "previous.pt"):
        damage(checkpoints / name, rng)
    assert launcher.run("retraining", folder) == 2, said(folder)
    assert "last.pt is damaged" in said(folder).splitlines()[-1]
    assert "Traceback" not in said(folder)
    seen("both checkpoints damaged", 1)


def survivors(path, read, agrees, rng):
    """Bits, one of every byte, whose flip is neither refused by name nor without effect."""
    whole, wrong = path.read_bytes(), []
    expected = read()
    for byte in range(len(whole)):
        bit = 8 * byte + rng.randrange(8)
        path.write_bytes(flipped(whole, bit))
        try:
            found = read()
        except ValueError as error:
            fine = path.name in str(error)
        else:
            fine = agrees(found, expected)
        wrong += [] if fine else [bit]
    path.write_bytes(whole)
    return wrong


def test_weights(tmp_path, rng, seen):
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    card = ModelCard(
        name="tiny", network="timm_deeplabv3", backbone="resnet18", classes=("road", "sky"),
        dataset="camvid",
    )  # fmt: skip
    path = tmp_path / "w.safetensors"
    save_weights(path, network, card)
    assert survivors(path, lambda: read_weights(path), same, rng) == []
    seen("weights with flipped bits", path.stat().st_size)


def test_predictor(tmp_path, rng, seen):
    space, path = Toy(2, 2), tmp_path / "p.safetensors"
    predictor = make_predictor("boosting", {"trees": 2}, space, 0)
    architectures = [space.architecture(picks) for picks in ((0, 0), (0, 1), (1, 0), (1, 1))]
    predictor.fit(architectures, [0.0, 1.0, 2.0, 3.0])
    save_predictor(path, predictor, "boosting")
    expected = predictor.predict(architectures)

    def predictions():
        return load_predictor(path, space).predict(architectures)

    assert np.array_equal(predictions(), expected)
    assert survivors(path, predictions, np.array_equal, rng) == []
    seen("predictor with flipped bits", path.stat().st_size)


def test_cost_table(tmp_path, rng, seen):
    path = tmp_path / "latency.json"
    choices = (Choice("left", ("a", "b")), Choice("right", ("c",)))
    costs = {"left": (1.5, 2.25), "right": (3.125,)}
    CostTable("latency", choices, costs, 0.5, {"device": "cpu"}).save(path)
    table = CostTable.load(path)
    assert survivors(path, lambda: CostTable.load(path), lambda a, b: a == b == table, rng) == []
    seen("cost table with flipped bits", path.stat().st_size)


def test_journal(tmp_path, rng, seen):
    path = tmp_path / "trials.journal"
    logs = [{"op_code": 5, "trial_id": n, "values": [0.1 * n], "text": "é"} for n in range(4)]
    Journal(path).append_logs(logs)

    def read():
        try:
            return list(Journal(path).read_logs(0))
        except DamagedJournalError:
            raise
        except ValueError as error:
            raise ValueError(f"{path.name}: {error}") from error

    # Without its end the last line counts as not written yet, as after a kill.
    torn = (logs, logs[:-1])
    assert survivors(path, read, lambda found, _: found in torn, rng) == []
    assert list(Journal(path).read_logs(2)) == logs[2:]
    seen("journal with flipped bits", path.stat().st_size)


def test_metrics(tmp_path, rng, seen):
    path = tmp_path / "metrics.jsonl"
    lines = JsonLines(path, {})
    for step in range(5):
        lines.append({"step": step, "loss": math.pi * step})
    position = lines.position()

    def reopened():
        JsonLines(path, position).close()
        return path.read_bytes()

    assert survivors(path, reopened, lambda found, whole: found == whole, rng) == []
    seen("metrics with flipped bits", path.stat().st_size)


def test_mask(tmp_path, rng, seen):
    path = tmp_path / "mask.png"
    ids = np.random.default_rng(0).integers(0, 5, (16, 24), dtype=np.uint8)
    path.write_bytes(cv2.imencode(".png", ids)[1].tobytes())
    assert survivors(path, lambda: read_mask_ids(path), np.array_equal, rng) == []
    seen("mask with flipped bits", path.stat().st_size)
