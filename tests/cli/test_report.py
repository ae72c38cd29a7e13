import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from squeezenas.cli import report
from squeezenas.cli.main import main
from squeezenas.core.report_config import load_report
from tests.report.made_runs import one_shot_run


def test_a_report_goes_into_the_run_folder_or_where_it_is_asked_for(tmp_path, capsys):
    folder = one_shot_run(tmp_path / "run")
    assert main(["report", str(folder)]) == 0
    assert "report.html" in capsys.readouterr().out
    assert (folder / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert main(["report", str(folder), f"output={tmp_path / 'other.html'}"]) == 0
    assert (tmp_path / "other.html").read_bytes() == (folder / "report.html").read_bytes()


def test_several_runs_have_their_report_beside_them():
    assert load_report(["runs/a", "runs/b"]).file == Path("runs").resolve() / "report.html"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "name one run folder"),
        (["output=x.html"], "name one run folder"),
        (["absent"], "absent is no run folder"),
        (["absent", "outptu=x.html"], "unknown key (did you mean 'output'?)"),
        (["absent", "output=x.pdf"], "a report is an HTML file"),
    ],
)
def test_mistakes_are_one_sentence(words, told, capsys):
    assert main(["report", *words]) == 2
    assert told in capsys.readouterr().err


def test_a_search_ends_well_whatever_happens_to_its_report(tmp_path, capsys, monkeypatch):
    def fails(folders, output):
        raise RuntimeError("no more paper")

    monkeypatch.setattr(report, "write_report", fails)
    shown = []
    run = SimpleNamespace(main=True, folder=tmp_path, page=lambda *page: shown.append(page))
    report.report_search(run)
    told = capsys.readouterr().err
    assert re.fullmatch(r"no report of this run: no more paper; try again with .*\n", told)
    assert not shown


def test_only_the_main_process_writes_and_sinks_are_shown_the_page(tmp_path):
    folder = one_shot_run(tmp_path / "run")
    shown = []
    for leads in (False, True):
        run = SimpleNamespace(main=leads, folder=folder, page=lambda *page: shown.append(page))
        report.report_search(run)
        assert (folder / "report.html").exists() is leads
    assert shown == [("report", folder / "report.html")]
