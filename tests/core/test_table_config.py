import pytest

from squeezenas.core.predictor_config import ScoreConfig
from squeezenas.core.table_config import load_table_config, table_cards


def test_cards_of_tables_alone_and_none_that_is_broken(tmp_path, monkeypatch):
    (tmp_path / "datasets").mkdir()
    texts = {"mine": "task: table", "photos": "task: segmentation", "broken": "task: [table"}
    for name, text in texts.items():
        (tmp_path / "datasets" / f"{name}.yaml").write_text(f"{text}\n")
    monkeypatch.chdir(tmp_path)
    assert {"mine", "nasbench101", "nasbench201"} <= set(table_cards())
    assert not {"photos", "broken", "cifar10"} & set(table_cards())
    with pytest.raises(ValueError, match=r"datasets=photos is no table of results; known: .*mine"):
        load_table_config(ScoreConfig, ["datasets=photos"])
    with pytest.raises(ValueError, match=r"broken\.yaml, line"):
        load_table_config(ScoreConfig, ["datasets=broken"])


def test_one_or_several():
    def config(*words):
        return load_table_config(ScoreConfig, ["datasets=nasbench101", *words])

    assert config("predictor=gcn", "top=5").predictor == ("gcn",)
    assert config("predictor=gcn,mlp").predictor == ("gcn", "mlp")
    assert config("top=5").top == (5,)
    assert config("top=[1,5]").top == (1, 5)
