"""One page of HTML that needs nothing besides itself: text, tables, figures, and their sources.

The page names its one style sheet and its one script by content in a policy of its own, so that a
browser loads nothing else and runs nothing else, whatever a label holds.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files

import jinja2

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.report.html_table import HtmlTable
from omnizip_cost.report.svg import inline_svg


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFigure:
    """A drawing with its caption; ``svg`` is the text of an SVG file."""

    name: str
    caption: str
    svg: str
    wide: bool = False
    """Whether it takes the width of the page, no other beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSection:
    """A heading and what stands under it, in this order."""

    heading: str
    level: int = 2
    """2, or 3 for a part of the section before it."""
    text: tuple[str, ...] = ()
    """Paragraphs."""
    points: tuple[str, ...] = ()
    """A list of sentences."""
    typed: str = ""
    """A command, set as typed."""
    facts: tuple[tuple[str, str], ...] = ()
    """Names and values."""
    figures: tuple[PageFigure, ...] = ()
    tables: tuple[HtmlTable, ...] = ()

    def __post_init__(self) -> None:
        if self.level not in (2, 3):
            raise InvalidValueError("section", "level", "2 or 3", self.level)

    @property
    def empty(self) -> bool:
        """Whether nothing stands under the heading."""
        return not any((self.text, self.points, self.typed, self.facts, self.figures, self.tables))


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything a page says."""

    title: str
    lead: str
    """One line under the title."""
    sections: tuple[PageSection, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """A section as the template takes it: anchor and drawings ready."""

    section: PageSection
    anchor: str
    figures: tuple[tuple[str, PageFigure], ...]
    """The element of each drawing, and what is said of it."""


def render_page(page: Page) -> str:
    """Write a page of HTML.

    Parameters
    ----------
    page : Page
        Sections with nothing under them are left out, unless parts of theirs follow.

    Returns
    -------
    str
        The document, with its style sheet, its script and its drawings inside.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("omnizip_cost.report"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    script = _asset("page.js")
    return environment.get_template("page.html.j2").render(
        page=page,
        shown=_shown(page.sections),
        style=_asset("page.css"),
        script=script,
        script_hash=base64.b64encode(sha256(script.encode()).digest()).decode(),
    )


def _shown(sections: Sequence[PageSection]) -> list[_Shown]:
    shown = []
    for at, section in enumerate(sections):
        follows = sections[at + 1].level if at + 1 < len(sections) else 2
        if section.empty and not section.level < follows:
            continue
        anchor = f"s{at}-{re.sub(r'[^a-z0-9]+', '-', section.heading.lower()).strip('-')}"
        figures = tuple(
            (inline_svg(item.svg, f"f{at}-{item.name}", item.caption), item)
            for item in section.figures
        )
        shown.append(_Shown(section=section, anchor=anchor, figures=figures))
    return shown


@cache
def _asset(name: str) -> str:
    """Read a file that goes into every page as it is."""
    return (files("omnizip_cost.report") / "templates" / name).read_text(encoding="utf-8")
