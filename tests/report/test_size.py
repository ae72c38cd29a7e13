"""A report grows with what it draws, not with what was logged."""

from benchmarks.report_size import large_run
from squeezenas.report.page.page import write_report


def test_a_long_search_makes_a_small_page(tmp_path):
    """100 epochs and 2,000 candidates: most of the page is the library that plots."""
    page = tmp_path / "report.html"
    write_report([large_run(tmp_path / "long", 100, 2000)], page)
    assert page.stat().st_size < 8_000_000
