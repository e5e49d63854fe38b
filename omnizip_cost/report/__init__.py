"""How a table reads: Markdown, LaTeX, CSV and HTML, and one readable document about a run."""

from omnizip_cost.report.audit import render_audit
from omnizip_cost.report.document import (
    FigureLink,
    ReportContext,
    comparison_table,
    render_report,
    stage_table,
)
from omnizip_cost.report.html_table import HtmlTable, html_table
from omnizip_cost.report.page import Page, PageFigure, PageSection, render_page
from omnizip_cost.report.result import ResultTable, result_tables, summary_table, write_result
from omnizip_cost.report.result_page import ResultPart, result_page
from omnizip_cost.report.run_page import run_page
from omnizip_cost.report.svg import inline_svg
from omnizip_cost.report.tables import Column, csv_table, latex_table, markdown_table

__all__ = [
    "Column",
    "FigureLink",
    "HtmlTable",
    "Page",
    "PageFigure",
    "PageSection",
    "ReportContext",
    "ResultPart",
    "ResultTable",
    "comparison_table",
    "csv_table",
    "html_table",
    "inline_svg",
    "latex_table",
    "markdown_table",
    "render_audit",
    "render_page",
    "render_report",
    "result_page",
    "result_tables",
    "run_page",
    "stage_table",
    "summary_table",
    "write_result",
]
