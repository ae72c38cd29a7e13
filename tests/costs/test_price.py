import json
from pathlib import Path

import pytest
import torch

from squeezenas.core.search_config import Cost
from squeezenas.core.space import spaces
from squeezenas.costs import latency, latency_table, price
from squeezenas.costs.price import cost_table
from squeezenas.runtimes import runtime
from tests.costs.toy import CLOCK, ToySpace

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def fake_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "perf_counter", CLOCK)
    monkeypatch.setattr(latency_table, "perf_counter", CLOCK)


def wanted(**changes: object) -> Cost:
    return Cost.model_validate({"kind": "latency", "target": 20, "resolution": (4, 4), **changes})


def measured(folder: Path, **changes: object):
    return cost_table(wanted(**changes), ToySpace(), 2, "none", CPU, folder, progress=False)


@pytest.mark.parametrize(("kind", "unit"), [("macs", "GMACs"), ("parameters", "M parameters")])
def test_counted_costs_need_no_file(tmp_path: Path, kind: str, unit: str) -> None:
    space, cost = spaces["squeezenas_small"](), Cost(kind=kind, target=0.2, resolution=(256, 256))
    assert cost_table(cost, space, 19, "lr_aspp", CPU, tmp_path).unit == unit
    assert list(tmp_path.iterdir()) == []


def test_latency_is_measured_once_for_a_run_folder(tmp_path: Path, monkeypatch) -> None:
    first = measured(tmp_path)
    monkeypatch.setattr(price, "latency_table", None)
    assert measured(tmp_path) == first


def test_a_given_table_is_used_instead(tmp_path: Path) -> None:
    table = measured(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    assert measured(other, table=tmp_path / "latency.json") == table
    assert list(other.iterdir()) == []


def test_a_given_table_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.json"):
        measured(tmp_path, table=tmp_path / "gone.json")


@pytest.mark.parametrize(
    ("key", "value"),
    [("space", "x"), ("head", "x"), ("classes", 3), ("resolution", [8, 8]), ("kind", "macs")],
)
def test_a_table_of_another_question_is_refused(tmp_path: Path, key: str, value: object) -> None:
    measured(tmp_path)
    path = tmp_path / "latency.json"
    document = json.loads(path.read_text())
    del document["seal"]
    if key == "kind":
        document.update(kind="macs", unit="GMACs")
    else:
        document["provenance"][key] = value
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match=rf"latency\.json: the table is for {key}"):
        measured(tmp_path)


def test_a_table_of_another_runtime_is_refused(tmp_path: Path) -> None:
    measured(tmp_path)
    told = r"latency\.json: the table is for runtime 'torch', this search needs 'openvino'"
    with pytest.raises(ValueError, match=told):
        measured(tmp_path, runtime="openvino")


def test_a_runtime_that_is_missing_is_told_with_its_key(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(runtime.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"regime\.cost\.runtime: .*openvino.* is not installed"):
        measured(tmp_path, runtime="openvino")


def test_only_latency_has_a_runtime() -> None:
    with pytest.raises(ValueError, match="only kind=latency reads it"):
        wanted(kind="macs", runtime="openvino")


def test_a_table_of_other_options_is_refused_by_file(tmp_path: Path) -> None:
    measured(tmp_path)
    path = tmp_path / "latency.json"
    document = json.loads(path.read_text())
    del document["seal"]
    document["costs"]["second"] = {"a": 1.0, "z": 2.0}
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match=r"latency\.json: .*no b at second"):
        measured(tmp_path)


def test_a_target_out_of_reach_is_refused_before_any_training(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"below .* 11\.25\d* to (35|34\.999) ms"):
        measured(tmp_path, target=1)
