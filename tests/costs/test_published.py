import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from squeezenas.core.architecture import Architecture
from squeezenas.costs.published import (
    Block,
    Layers,
    Measurement,
    Operator,
    layers_table,
    read_fasterseg,
    read_fbnet,
    read_proxylessnas,
)


def test_fasterseg_operators(shared_data: Path) -> None:
    table = read_fasterseg(shared_data / "latency/fasterseg_operator_latency_ms.json")
    assert len(table) == 667
    residual = Operator("BasicResidual1x", 128, 256, 32, 128, kernel=1, stride=2, dilation=1)
    assert table[residual] == 0.09723017067656016
    stem = Operator("ConvNorm", 1024, 2048, 3, 32, kernel=3, stride=2, dilation=1)
    assert table[stem] == 0.33638016848034674
    assert table[Operator("ff", 128, 256, 128, 128, 1, 1, 1)] == 0.17204733843788136
    assert len({operator.name for operator in table}) == 8


def test_fbnet_table_with_names(shared_data: Path) -> None:
    layers = read_fbnet(shared_data / "latency/fbnet_araslanova_lookup_table.txt")
    assert layers.options is not None
    assert layers.options[0] == "ir_k3_e1"
    assert [len(row) for row in layers.rows] == [9] * 22
    table = layers_table(layers, milliseconds=1e-3)
    skips = Architecture("fbnet", (8,) * 22)
    assert table.of(skips) == pytest.approx(sum(row[-1] for row in layers.rows) / 1e3)
    assert table.choices[21].options[8] == "skip"


@pytest.mark.parametrize(
    ("name", "rows", "lengths"),
    [
        ("fbnet-pytorch_speed", 22, {9}),
        ("fbnet-pytorch_speed_cpu", 22, {9}),
        ("fbnet_speed", 22, {8, 9}),
        ("fbnet_speed_se", 16, {5, 6}),
    ],
)
def test_fbnet_tables_without_names(
    shared_data: Path, name: str, rows: int, lengths: set[int]
) -> None:
    layers = read_fbnet(shared_data / f"latency/fbnet_junrq_{name}.txt")
    assert layers.options is None
    assert len(layers.rows) == rows
    assert {len(row) for row in layers.rows} == lengths
    table = layers_table(layers, source=name)
    assert {len(choice.options) for choice in table.choices} == lengths
    assert table.cheapest() == pytest.approx(sum(min(row) for row in layers.rows))


def test_proxylessnas_blocks(shared_data: Path) -> None:
    table = read_proxylessnas(shared_data / "latency/proxylessnas_pixel_trim.yaml")
    assert len(table) == 72
    block = Block("expanded_conv", (14, 14, 80), (14, 14, 80), 3, 7, 1, True)
    assert table[block] == Measurement(400, 2.369415, 0.03637228031069815)
    assert Block("Logits", (7, 7, 1280), (1000,), None, None, None, False) in table


@pytest.mark.parametrize("device", ["pixel3", "raspi4", "eyeriss", "fpga"])
def test_additive_devices_are_predicted_exactly(shared_data: Path, device: str) -> None:
    folder = shared_data / "latency"
    derived = json.loads((folder / "fbnet_space_layer_tables_derived.json").read_text())[device]
    rows = next(value for key, value in derived.items() if key.startswith("extra_ms"))
    layers = Layers(None, tuple(tuple(row) for row in rows))
    table = layers_table(layers, fixed=derived["constant_ms"])
    with np.load(folder / "fbnet_space_5000_archs_latency.npz") as measured:
        picks, latency = measured["arch"].astype(int), measured[f"lat_{device}"]
    for index in random.Random(0).sample(range(len(picks)), 200):
        architecture = Architecture("fbnet", tuple(picks[index].tolist()))
        assert table.of(architecture) == pytest.approx(latency[index], abs=1e-4)
    one_hot = torch.nn.functional.one_hot(torch.from_numpy(picks), 9).permute(1, 2, 0).float()
    path = {choice.key: one_hot[layer] for layer, choice in enumerate(table.choices)}
    assert float(table.expected(path)) == pytest.approx(latency.astype(float).mean(), rel=1e-5)


@pytest.mark.parametrize("read", [read_fasterseg, read_fbnet, read_proxylessnas])
def test_missing_and_binary_files_are_named(tmp_path: Path, read) -> None:
    with pytest.raises(FileNotFoundError, match="gone"):
        read(tmp_path / "gone")
    (tmp_path / "noise").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ValueError, match="noise"):
        read(tmp_path / "noise")


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (read_fasterseg, '{"ff_H1_W1_C1": 1,\n', "line 2"),
        (read_fasterseg, "[1]", "one JSON object"),
        (read_fasterseg, '{"ff_H1_C1": 1}', "'ff_H1_C1'"),
        (read_fasterseg, '{"ff_H1_W1_C1": -1}', "'ff_H1_W1_C1'.*-1"),
        (read_fasterseg, '{"ff_H1_W1_C1": NaN}', "NaN is no number of JSON"),
        (read_fasterseg, '{"ff_H1_W1_C1": [1]}', "not a number"),
        (read_fasterseg, '{"ff_H1_W1_C1": 1' + "0" * 400 + "}", "'ff_H1_W1_C1'.*must be finite"),
        (read_fasterseg, '{"ff_H1_W1_C' + "7" * 5000 + '": 1}', "7': not an operator"),
        (read_fbnet, "", "no layers"),
        (read_fbnet, "a b\n1 2\n1\n", "line 3: 1 numbers for 2 options"),
        (read_fbnet, "1 2\n\n1 x\n", "line 3: 'x'"),
        (read_fbnet, "1 2\n1 inf\n", "line 2: 'inf'"),
        (read_proxylessnas, "a: [1\nb: 2", "line 2"),
        (read_proxylessnas, "- 1", "one YAML mapping"),
        (read_proxylessnas, "Conv: {count: 1, mean: 2, var: 3}", "'Conv'"),
        (
            read_proxylessnas,
            "Conv-input:1x1x1-output:1: {count: 1, mean: 2}",
            "count, mean and var",
        ),
        (read_proxylessnas, "Conv-input:1x1x1-output:1: {count: 1, mean: x, var: 0}", "'x'"),
        (
            read_proxylessnas,
            f"Conv-input:1x1x1-output:1: {{count: 1, mean: 1{'0' * 400}, var: 0}}",
            "Conv.*must be finite",
        ),
        (
            read_proxylessnas,
            f"? Conv-input:1-output:{'7' * 5000}\n: {{count: 1}}",
            "7': not <block>",
        ),
    ],
)
def test_damage_is_named_by_file_and_place(tmp_path: Path, read, text: str, message: str) -> None:
    path = tmp_path / "table"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"(?s)table.*{message}"):
        read(path)
