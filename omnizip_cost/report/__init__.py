"""How a table reads: Markdown, LaTeX and CSV tables, and one readable document about a run."""

from omnizip_cost.report.audit import render_audit
from omnizip_cost.report.document import (
    FigureLink,
    ReportContext,
    comparison_table,
    render_report,
    stage_table,
)
from omnizip_cost.report.tables import Column, csv_table, latex_table, markdown_table

__all__ = [
    "Column",
    "FigureLink",
    "ReportContext",
    "comparison_table",
    "csv_table",
    "latex_table",
    "markdown_table",
    "render_audit",
    "render_report",
    "stage_table",
]
