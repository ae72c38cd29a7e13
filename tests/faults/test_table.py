"""docs/faults.md lists exactly the faults of the code, and each of them has a test."""

import json
import re

import pytest

from tests.faults.fault import FAULTS
from tests.faults.table import PAGE, page

ROW = re.compile(r"^\| (.+) \| (.+) \| (.+) \| ([\d,]+) \|$", re.M)


def test_the_page_lists_the_faults_of_the_code():
    rows = ROW.findall(PAGE.read_text())
    assert [row[:3] for row in rows] == [(f.name, f.injected, f.expected) for f in FAULTS]
    assert all(seen != "0" for *_, seen in rows)


def test_every_fault_has_a_test(repository):
    tests = "".join(p.read_text() for p in (repository / "tests" / "faults").glob("test_*.py"))
    assert [fault.name for fault in FAULTS if f'"{fault.name}"' not in tests] == []


def test_the_page_is_written_from_what_was_seen(tmp_path):
    results = tmp_path / "seen.jsonl"
    lines = [json.dumps({"fault": fault.name, "times": 600}) for fault in FAULTS]
    results.write_text("\n".join(lines * 2))
    assert {row[3] for row in ROW.findall(page(results))} == {"1,200"}
    results.write_text("\n".join(lines[1:]))
    with pytest.raises(ValueError, match=f"not seen: {FAULTS[0].name}; run all"):
        page(results)
