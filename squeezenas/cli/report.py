"""`squeezenas report`: run folders as one HTML file, and the same at the end of every search."""

from __future__ import annotations

import sys

from squeezenas.cli.errors import sentence
from squeezenas.core.report_config import FILE, ReportConfig
from squeezenas.report.page.page import write_report
from squeezenas.tracking.run import Run


def main(config: ReportConfig) -> int:
    """Writes the report and says where; the exit code is 0.

    Raises:
        FileNotFoundError, ValueError, OSError: something that the user can put right.
    """
    write_report(config.runs, config.file)
    print(f"report: {config.file}")
    return 0


def report_search(run: Run) -> None:
    """Writes the report of a run that has ended, and shows it in the run's sinks.

    Whatever goes wrong is told in one sentence: a picture of a search must not cost the search.
    """
    if not run.main:
        return
    file = run.folder / FILE
    try:
        write_report([run.folder], file)
        run.page("report", file)
    except Exception as error:
        again = f"try again with squeezenas report {run.folder}"
        print(f"no report of this run: {sentence(error)}; {again}", file=sys.stderr)
    else:
        print(f"report: {file}")
