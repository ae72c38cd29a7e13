"""What docs/ names is there: links, files, classes, keys, messages, and the tree of the code."""

from __future__ import annotations

import ast
import builtins
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from squeezenas.core.ask_tell_config import AskTellConfig
from squeezenas.core.retrain_config import RetrainConfig, Stage
from squeezenas.core.schema import keys
from squeezenas.core.search_config import SearchConfig
from tests.conftest import REPOSITORY
from tests.pages import blocks, prose, spans

PAGES = sorted((REPOSITORY / "docs").glob("*.md"))
TOPS = (
    "squeezenas/",
    "tests/",
    "docs/",
    "training_regimes/",
    "datasets/",
    "models/",
    "benchmarks/",
)
ALONE = re.compile(r"[\w-]+\.(?:csv|html|jsonl?|md|png|py|safetensors|txt|yaml|gif|svg)")
GAP = "\0"
"""Stands for what differs from case to case in a message."""

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@functools.cache
def trees() -> dict[Path, ast.Module]:
    """Every module of the package, parsed."""
    files = (REPOSITORY / "squeezenas").rglob("*.py")
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in files}


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {text.replace(" ", "-") for text in plain}


@each_page
def test_links_lead_somewhere(page):
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        path, _, anchor = target.partition("#")
        if path.startswith(("https://", "http://", "mailto:")):
            continue
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


@each_page
def test_files_exist(page):
    made = {block.place for block in blocks(page)}
    known = "".join(block.text for block in blocks(page)) + "".join(
        path.read_text(encoding="utf-8") for path in trees()
    )
    missing = []
    for span in spans(page):
        if re.search(r"\b(\w+_)?x\.(py|yaml)$", span):  # any name
            continue
        if span.startswith(TOPS) and re.fullmatch(r"[\w./*-]+", span):
            if span not in made and not list(REPOSITORY.glob(span.rstrip("/"))):
                missing.append(span)
        elif ALONE.fullmatch(span) and not (REPOSITORY / span).exists():
            beside = page.parent / span
            if span not in made and not beside.exists() and span not in known:
                missing.append(span)
    assert missing == []


def definitions(tree: ast.Module) -> Iterator[str]:
    """Names of classes and functions, and `Class.member`."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef):
                    yield f"{node.name}.{inner.name}"
                elif isinstance(inner, ast.AnnAssign):
                    yield f"{node.name}.{ast.unparse(inner.target)}"


@each_page
def test_classes_and_functions_exist(page):
    own = {name for b in blocks(page) if b.place.endswith(".py")
           for name in definitions(ast.parse(b.text))}  # fmt: skip
    known = (
        {name for tree in trees().values() for name in definitions(tree)} | own | {*dir(builtins)}
    )
    classes = [s for s in spans(page) if re.fullmatch(r"[A-Z]+[a-z]\w*(\.\w+)?", s)]
    assert [name for name in classes if name not in known] == []


def test_methods_names_what_each_file_defines():
    text = (REPOSITORY / "docs" / "methods.md").read_text(encoding="utf-8")
    pairs = re.findall(r"`(squeezenas/[\w/]+\.py)`((?:,? (?:and )?`[\w.]+`)+)", text)
    assert len(pairs) >= 30
    for file, names in pairs:
        defined = set(definitions(trees()[REPOSITORY / file]))
        assert set(re.findall(r"`([\w.]+)`", names)) <= defined, file


def plain(key: str) -> str:
    """A key without its value, the name of its stage or data set left open."""
    name = key.partition("=")[0].rstrip(".*")
    return re.sub(r"^(regime\.stages|datasets)\.(<\w+>|[a-z_]+)\.", r"\1.<stage>.", name)


@each_page
def test_keys_exist(page):
    known = {
        key.path
        for schema, prefix in (
            (SearchConfig, ""), (AskTellConfig, ""), (RetrainConfig, ""),
            (Stage, "regime.stages.<stage>"),
        )
        for key in keys(schema, prefix)
    }  # fmt: skip
    known |= {re.sub(r"^datasets\.", "datasets.<stage>.", key) for key in known}
    known |= {key[: end.start()] for key in known for end in re.finditer(r"\.", key)}
    form = r"(regime|datasets|wandb)\.[\w.<>*]+(=\S*)?"
    named = [plain(s) for s in spans(page) if re.fullmatch(form, s)]
    unknown = [key for key in named if key not in known and not key.startswith("regime.scale.")]
    assert unknown == []


def template(text: str) -> str:
    """A message with a gap for all that differs."""
    text = re.sub(r"<[^<>]*>", GAP, text)
    text = re.sub(r"%[.\d]*[sdfg]", GAP, text).replace("%%", "%")
    return re.sub(f"{GAP}+", GAP, text).removeprefix(GAP).removeprefix(": ")


def test_messages_are_those_of_the_program():
    known = set()
    for node in (node for tree in trees().values() for node in ast.walk(tree)):
        if isinstance(node, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else GAP for p in node.values)
            known.add(template("".join(map(str, parts))))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            known.add(template(node.value))
    text = (REPOSITORY / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    quoted = [q for q, _ in re.findall(r"^### ((`+).+\2)$", text, re.MULTILINE)]
    assert len(quoted) >= 50
    messages = [re.sub(r"^(`+ ?)(.*?)( ?`+)$", r"\2", q) if q.count("`") == 2 else q[3:-3]
                for q in quoted]  # fmt: skip
    assert [m for m in messages if template(m) not in known] == []


def test_every_page_is_in_the_index(repository):
    index = (repository / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {page.name for page in PAGES} - {"README.md"}
    assert {name for name in pages if f"({name})" not in index} == set()


@pytest.fixture
def tree(repository):
    """Package -> what docs/architecture.md says it holds."""
    text = (repository / "docs" / "architecture.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^    squeezenas/\n((?:      .*\n)+)", text, re.MULTILINE)
    entries = re.split(r"^      (?=\w+/)", block, flags=re.MULTILINE)[1:]
    return {entry.partition("/")[0]: entry.partition("/")[2] for entry in entries}


def test_the_tree_names_every_package(repository, tree):
    packages = [path.parent for path in (repository / "squeezenas").rglob("__init__.py")]
    top = {path.name for path in packages if path.parent.name == "squeezenas"}
    assert set(tree) == top - {"squeezenas"}
    for inner in packages:
        parts = inner.relative_to(repository / "squeezenas").parts
        if len(parts) > 1:
            assert f"{parts[1]}/" in tree[parts[0]], inner


def test_the_tree_names_files_that_exist(repository, tree):
    for package, content in tree.items():
        present = {path.name for path in (repository / "squeezenas" / package).rglob("*.py")}
        named = set(re.findall(r"\b(\w+\.py)\b", content))
        assert named <= present, package
