import pytest
from pydantic import ValidationError

from squeezenas.core.config import Augmentation
from squeezenas.core.search_config import Cost, SearchRegime, Select
from squeezenas.core.strategy_config import ArchitectureOptimiser, Temperature

COST = {"target": 3.0, "resolution": [1024, 2048]}
REGIME = {"space": "s", "cost": COST, "epochs": 4, "batch_size": 2, "crop": [64, 96]}


@pytest.mark.parametrize(
    ("model", "data", "key"),
    [
        (SearchRegime, {**REGIME, "crop": [100, 96]}, "crop"),
        (SearchRegime, {**REGIME, "warmup_epochs": 4}, "warmup_epochs"),
        (SearchRegime, {**REGIME, "batch_size": 0}, "batch_size"),
        (SearchRegime, {**REGIME, "loss": {"auxiliary": 0.4}}, "loss"),
        (Augmentation, {"scale": [2.0, 0.5]}, "scale"),
        (Augmentation, {"scale": [0.0, 1.0]}, "scale"),
        (ArchitectureOptimiser, {"betas": [0.9, 1.0]}, "betas"),
        (Temperature, {"start": 0.05}, "end"),
        (Cost, {**COST, "target": float("inf")}, "target"),
        (Cost, {**COST, "table": "t.json"}, "table"),
        (Select, {"held_out": 0.0}, "held_out"),
        (Select, {"held_out": 1.0}, "held_out"),
    ],
)
def test_nonsense_is_refused_at_its_own_key(model, data, key):
    with pytest.raises(ValidationError) as caught:
        model.model_validate(data)
    assert [error["loc"][0] for error in caught.value.errors()] == [key]


def test_sense_is_accepted():
    assert SearchRegime.model_validate({**REGIME, "warmup_epochs": 3}).crop == (64, 96)
    assert Cost.model_validate({**COST, "kind": "latency", "table": "t.json"}).table is not None
    assert Select.model_validate({"protocol": "paper", "held_out": 0.0}).held_out == 0


def test_values_do_not_change_after_validation():
    regime = SearchRegime.model_validate(REGIME)
    with pytest.raises(ValidationError, match="frozen"):
        regime.epochs = 5
