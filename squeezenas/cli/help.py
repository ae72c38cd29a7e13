"""The help pages, generated: cards from the files that are there, keys from the schema."""

from __future__ import annotations

from squeezenas.cli.help_lists import card_lines, file_lines, key_lines
from squeezenas.core.ask_tell_config import AskTellConfig
from squeezenas.core.benchmark_config import BenchmarkConfig
from squeezenas.core.compare_config import CompareConfig
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.evaluate_config import EvaluateConfig
from squeezenas.core.export_config import ExportConfig
from squeezenas.core.predict_config import PredictConfig
from squeezenas.core.predictor_config import FitConfig, ScoreConfig
from squeezenas.core.report_config import ReportConfig
from squeezenas.core.retrain_config import RetrainConfig, Stage
from squeezenas.core.scale_config import ScaleConfig
from squeezenas.core.schema import keys
from squeezenas.core.search_config import SearchConfig
from squeezenas.core.table_config import table_cards

FLAGS = {
    "--help": "this page",
    "--version": "the version",
    "--debug": "show the traceback of an error",
    "--print-config": "print the resolved configuration and stop (search, train)",
    "--dry-run": "build everything, take a few steps, forecast time and memory (search, train)",
    "--workers N": "evaluate in N processes here (search, ask/tell regimes)",
    "--resume RUN": "continue the run in this folder, runs/<name> (search, train)",
    "--auto-resume": "continue the run of this name= if it is there, else begin it (search, train)",
}
EXIT_CODES = {
    "0": "done",
    "1": "an error of the program, with its traceback; or a part could not be done, as said",
    "2": "a mistake, explained in one sentence",
    "75": "a run was stopped by SIGTERM, SIGUSR1 or time_limit; --resume goes on",
    "130": "stopped by Ctrl-C; a search or training can go on with --resume",
}


def overview() -> str:
    """The page of `squeezenas --help`."""
    return "\n".join(
        [
            "usage: squeezenas COMMAND [group=card] [key=value] [flags]",
            "",
            "commands:",
            "  search      search a space for a network (the same as python search.py)",
            "  train       train a network through the stages of a regime (python train.py)",
            "  evaluate    score a network, or predictions that are files, as benchmarks do",
            "  predict     label maps and pictures of images, folders and videos",
            "  export      a network as an ONNX, OpenVINO, torch.export or safetensors file",
            "  benchmark   latency, memory and accuracy in every backend and precision",
            "  data check  read every file of a data set and report sizes, classes and faults",
            "  report      run folders as one HTML file: plots, networks, comparison",
            "  compare     every ask/tell strategy on a benchmark table, with the same seeds",
            "  predictor   fit predictors of architectures, and score how well they rank",
            "  scale       a family of larger networks from one, by compound scaling",
            "  zoo         list the networks that have cards; fetch, verify and convert weights",
            "",
            *_flags(),
            "",
            "exit codes:",
            *(f"  {code:<15} {meaning}" for code, meaning in EXIT_CODES.items()),
            "",
            "squeezenas COMMAND --help lists the cards and keys of a command.",
        ]
    )


def search_page() -> str:
    """The page of `squeezenas search --help`."""
    examples = [
        "search",
        "search datasets=cityscapes training_regimes=search_mac_small regime.cost.target=2.5",
        "search training_regimes=my_regime.yaml datasets.root=/data/mine --dry-run",
    ]
    return "\n".join(
        [
            "usage: squeezenas search [group=card] [key=value] [flags]",
            "",
            "Cards are files <group>/<name>.yaml, or any YAML file given as a path.",
            "",
            *(f"  squeezenas {example}" for example in examples),
            "",
            *_flags(),
            "",
            *card_lines("datasets"),
            "",
            *card_lines("training_regimes", "search"),
            "",
            "keys (training_regimes fills regime.*; a key without a default must be in the card):",
            *key_lines(keys(SearchConfig)),
            "",
            "keys of ask/tell regimes, those that count `trials`:",
            *key_lines(key for key in keys(AskTellConfig) if not key.path.startswith("datasets.")),
            "",
            "regime.strategy holds a name and the strategy's own keys, which a wrong one lists.",
        ]
    )


def train_page() -> str:
    """The page of `squeezenas train --help`."""
    examples = [
        "train",
        "train models=squeezenas_mac_small training_regimes=retrain_cityscapes",
        "train models=runs/<name>/architecture.yaml training_regimes=retrain_paper --dry-run",
        "train training_regimes=retrain_camvid datasets.camvid.root=/data/camvid",
    ]
    return "\n".join(
        [
            "usage: squeezenas train [group=card] [key=value] [flags]",
            "",
            "Takes a network through the stages of a regime. Without models= it is the one that",
            "the newest search on the first stage's data set found. datasets=<card> is for regimes",
            "of one stage; otherwise regime.stages.<stage>.dataset=<card>.",
            "",
            *(f"  squeezenas {example}" for example in examples),
            "",
            *_flags(),
            "",
            *card_lines("models"),
            "",
            *card_lines("datasets"),
            "",
            *card_lines("training_regimes", "retrain"),
            "",
            "keys (training_regimes fills regime.*, models fills models.*):",
            *key_lines(keys(RetrainConfig)),
            "",
            "keys of each stage, regime.stages.<stage>.*:",
            *key_lines(keys(Stage, "regime.stages.<stage>")),
            "",
            "keys of each data set, datasets.<stage>.*:",
            *key_lines(keys(DatasetCard, "datasets.<stage>")),
        ]
    )


def evaluate_page() -> str:
    """The page of `squeezenas evaluate --help`."""
    examples = [
        "evaluate models=runs/<name>/model.yaml flip=true scales=[0.75,1.0,1.25]",
        "evaluate models=<card> weights=FILE.safetensors output=scores save_predictions=true",
        "evaluate predictions=FOLDER ids=train datasets=cityscapes",
    ]
    return "\n".join(
        [
            "usage: squeezenas evaluate models=<card> | predictions=FOLDER [key=value]",
            "",
            "Every frame at full resolution; IoU and iIoU of classes and categories are those of",
            "cityscapesScripts. On a network, torchrun divides the frames among processes.",
            "",
            *(f"  squeezenas {example}" for example in examples),
            "",
            *card_lines("models"),
            "",
            *card_lines("datasets"),
            "",
            "keys (models fills models.*, datasets fills datasets.*):",
            *key_lines(keys(EvaluateConfig)),
        ]
    )


def predict_page() -> str:
    """The page of `squeezenas predict --help`."""
    examples = [
        "predict models=squeezenas_lat_small input=photos output=predicted",
        'predict models=runs/<name>/model.yaml input="frames/*.png" output=out save=[labels]',
        "predict models=squeezenas_mac_small input=drive.mp4 output=out backend=onnxruntime",
    ]
    return "\n".join(
        [
            "usage: squeezenas predict models=<card> input=IMAGES output=FOLDER [key=value]",
            "",
            "Images of any size. What cannot be read is named at the end, and the exit code is 1.",
            "",
            *(f"  squeezenas {example}" for example in examples),
            "",
            *card_lines("models"),
            "",
            "keys (models fills models.*, datasets fills datasets.*):",
            *key_lines(keys(PredictConfig)),
        ]
    )


def export_page() -> str:
    """The page of `squeezenas export --help`."""
    examples = [
        "export models=squeezenas_lat_small output=lat_small.onnx",
        "export models=runs/<name>/model.yaml format=openvino size=[512,1024] output=mine.xml",
    ]
    return "\n".join(
        [
            "usage: squeezenas export models=<card> format=FORMAT output=FILE [key=value]",
            "",
            "Bytes of an image in, labels out: normalisation, padding and argmax are inside. The",
            "file is compared with PyTorch on images before it gets its name.",
            "",
            *(f"  squeezenas {example}" for example in examples),
            "",
            *card_lines("models"),
            "",
            "keys (models fills models.*, datasets fills datasets.*):",
            *key_lines(keys(ExportConfig)),
        ]
    )


def benchmark_page() -> str:
    """The page of `squeezenas benchmark --help`."""
    examples = [
        "benchmark models=all output=bench",
        "benchmark models=squeezenas_mac_small,squeezenas_lat_small backend=torch size=[512,1024]",
        "benchmark models=all datasets=cityscapes datasets.root=/data/cityscapes output=bench",
    ]
    return "\n".join(
        [
            "usage: squeezenas benchmark models=all|<card>[,<card>...] [key=value]",
            "",
            "Bytes of an image in, labels out, batch 1, each row in a process of its own. IoU is",
            "measured where datasets=<card> gives labels.",
            "",
            *(f"  squeezenas {example}" for example in examples),
            "",
            *card_lines("models"),
            "",
            "keys (datasets fills datasets.*):",
            *key_lines(keys(BenchmarkConfig)),
        ]
    )


def compare_page() -> str:
    """The page of `squeezenas compare --help`."""
    examples = [
        "compare datasets=nasbench201 datasets.root=/data/nasbench jobs=2 output=compared",
        "compare datasets=nasbench201 strategies=tpe,random seeds=100 budget=[150,300]",
        "compare datasets=my_table.yaml settings.small={name: aging_evolution, population: 20}",
    ]
    return "\n".join(
        [
            "usage: squeezenas compare datasets=<table> [key=value]",
            "",
            "Searches a table with every strategy: mean of best-so-far, regret, paired tests.",
            "",
            *(f"  squeezenas {example}" for example in examples),
            "",
            *file_lines("datasets", table_cards()),
            "",
            "keys (datasets fills datasets.*):",
            *key_lines(keys(CompareConfig)),
        ]
    )


def predictor_page() -> str:
    """The page of `squeezenas predictor --help`."""
    examples = [
        "predictor score datasets=nasbench101 datasets.root=/data/nasbench n=172 splits=20",
        "predictor fit datasets=nasbench201 predictor=gcn n=200 output=fitted",
    ]
    return "\n".join(
        [
            "usage: squeezenas predictor fit|score datasets=<table> [key=value]",
            "",
            "Predictors learn from some rows of a table and rank the others.",
            "",
            *(f"  squeezenas {example}" for example in examples),
            "",
            *file_lines("datasets", table_cards()),
            "",
            "keys of score (datasets fills datasets.*):",
            *key_lines(keys(ScoreConfig)),
            "",
            "keys of fit:",
            *key_lines(key for key in keys(FitConfig) if not key.path.startswith("datasets.")),
        ]
    )


def report_page() -> str:
    """The page of `squeezenas report --help`."""
    return "\n".join(
        [
            "usage: squeezenas report RUN [RUN ...] [output=FILE.html]",
            "",
            "One HTML file that needs no network, of searches and trainings, finished or not. A",
            "search writes its own at its end. Runs that differ only in their seed are one group.",
            "",
            "  squeezenas report runs/my_search",
            "  squeezenas report runs/seed0 runs/seed1 runs/other output=compared.html",
            "",
            "keys:",
            *key_lines(keys(ReportConfig)),
        ]
    )


def scale_page() -> str:
    """The page of `squeezenas scale --help`."""
    examples = [
        "scale models=squeezenas_mac_small phi=[1,2,3] output=family",
        "scale models=runs/<name>/architecture.yaml budget=10 output=family",
        "scale models=squeezenas_mac_small grid=0.05 output=grid",
    ]
    return "\n".join(
        [
            "usage: squeezenas scale models=<card> [phi=[...]|budget=GMACS|grid=STEP] [key=value]",
            "",
            "Compound scaling (arXiv:1905.11946): more units, channels and pixels together, as",
            "model cards for train. Costs alone do not tell which coefficients are best: grid=",
            "lists those that double the cost, to be trained.",
            "",
            *(f"  squeezenas {example}" for example in examples),
            "",
            *card_lines("models"),
            "",
            "keys (models fills models.*):",
            *key_lines(keys(ScaleConfig)),
        ]
    )


def data_page() -> str:
    """The page of `squeezenas data --help`."""
    return "\n".join(
        [
            "usage: squeezenas data check datasets=<card> [datasets.key=value]",
            "",
            "Reads every file of every split and reports sizes, ids, class frequencies and faults;",
            "exit code 0 when all is well, 2 when there are faults.",
            "",
            *card_lines("datasets"),
            "",
            "keys:",
            *key_lines(keys(DatasetCard, "datasets")),
        ]
    )


def zoo_page() -> str:
    """The page of `squeezenas zoo --help`."""
    rows = {
        "list": "all cards: costs, published scores, and whether their weights are here",
        "table": "the same in Markdown, with the IoU that the paper gives",
        "show CARD": "one card, and where its weights are",
        "download CARD|all": "fetch and verify weights; what broke off is resumed",
        "verify CARD|all": "check the files that are here against their cards",
        "convert FILE.pth models=CARD output=FILE.safetensors": "",
    }
    return "\n".join(
        [
            "usage: squeezenas zoo COMMAND",
            "",
            *(f"  {command:<18} {about}".rstrip() for command, about in rows.items()),
            f"  {'':<18} weights of the official code, by the names used here",
            "",
            "SQUEEZENAS_HOME=FOLDER keeps downloads there instead of in ~/.cache/squeezenas.",
            "SQUEEZENAS_MIRROR=https://HOST/FOLDER (or file:///FOLDER) has copies of the files.",
            "",
            *card_lines("models"),
        ]
    )


def _flags() -> list[str]:
    return ["flags, anywhere among the arguments:", *(f"  {f:<15} {m}" for f, m in FLAGS.items())]
