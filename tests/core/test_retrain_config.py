import pytest
from pydantic import ValidationError

from squeezenas.core.config import Loss
from squeezenas.core.retrain_config import RetrainRegime, Stage, StageOptimiser

STAGE = {"dataset": "camvid", "epochs": 2, "batch_size": 8, "crop": [64, 96]}


def stage(**changes):
    return Stage.model_validate({**STAGE, **changes})


def wrong(schema, /, **keys):
    with pytest.raises(ValidationError) as caught:
        schema.model_validate(keys)
    return [(".".join(map(str, fault["loc"])), fault["msg"]) for fault in caught.value.errors()]


def test_a_stage_needs_three_keys():
    made = stage()
    assert (made.init, made.accumulation, made.ema, made.precision) == ("previous", 1, 0.0, "auto")
    assert (made.validation, made.report, made.validate_every) == ("val", None, 1)
    assert stage(crop=[64, 96]).crop == (64, 96)
    for key in ("dataset", "epochs", "batch_size"):
        left = {name: value for name, value in STAGE.items() if name != key}
        assert wrong(Stage, **left) == [(key, "Field required")]


@pytest.mark.parametrize(
    ("crop", "nearest"), [([100, 64], "[96, 64]"), ([1, 500], "[32, 512]"), ([64, 48], "[64, 64]")]
)
def test_crops_are_multiples_of_32(crop, nearest):
    ((where, message),) = wrong(Stage, **{**STAGE, "crop": crop})
    assert where == "crop"
    assert f"multiples of 32, got {crop}; nearest: {nearest}" in message


def test_a_batch_divides_into_its_parts():
    assert stage(accumulation=4).accumulation == 4
    ((where, message),) = wrong(Stage, **STAGE, accumulation=3)
    assert where == ""
    assert "batch_size 8 does not divide by accumulation 3" in message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", 0), ("batch_size", 0), ("accumulation", 0), ("steps_per_epoch", -1),
        ("validate_every", 0), ("max_bad_steps", 0), ("ema", 1.0), ("ema", -0.1),
        ("precision", "fp8"), ("validation", "holdout"), ("report", "none"), ("epoch", 3),
    ],
)  # fmt: skip
def test_values_out_of_range(key, value):
    assert [where for where, _ in wrong(Stage, **{**STAGE, key: value})] == [key]


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        (StageOptimiser, "lr", 0), (StageOptimiser, "clip", -1), (StageOptimiser, "momentum", 1.1),
        (StageOptimiser, "schedule", "step"), (StageOptimiser, "warmup_epochs", -1),
        (StageOptimiser, "lr", float("inf")), (Loss, "kind", "dice"), (Loss, "label_smoothing", 2),
        (Loss, "ohem_threshold", 0), (Loss, "ohem_threshold", 1), (Loss, "ohem_kept", 1.5),
        (Loss, "class_weights", [1, -1]),
    ],
)  # fmt: skip
def test_values_out_of_range_inside_groups(kind, key, value):
    assert [where.partition(".")[0] for where, _ in wrong(kind, **{key: value})] == [key]


def test_stages_keep_their_order_and_name_folders():
    names = ["b", "a", "z_9"]
    regime = RetrainRegime.model_validate({"stages": dict.fromkeys(names, STAGE)})
    assert list(regime.stages) == names
    for name in ("a b", "../a", "a-b", ""):
        ((where, message),) = wrong(RetrainRegime, stages={name: STAGE})
        assert where == "stages"
        assert f"{name!r}: a stage is named with letters, digits and underscores" in message
    assert [where for where, _ in wrong(RetrainRegime, stages={})] == ["stages"]
