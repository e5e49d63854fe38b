"""Eyes for a page of HTML: whether it is well formed, what it asks for, what its tables hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "hr", "img", "input"}
CLOSED_BY_THEMSELVES = {"path", "use", "rect", "image", "stop", "circle", "line", "polygon"}


@dataclass
class PageTable:
    caption: str = ""
    heads: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    sorts: list[list[str | None]] = field(default_factory=list)
    marked: set[tuple[str, str]] = field(default_factory=set)


class Eyes(HTMLParser):
    """Reads a page once; raises where an element is closed that is not open."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.asked: list[str] = []
        self.scripts: list[str] = []
        self.text: list[str] = []
        self.labels: list[str] = []
        self.tables: list[PageTable] = []
        self.headings: list[str] = []
        self.elements: set[str] = set()
        self._cell: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attrs}
        assert len(found) == len(attrs), f"an attribute twice in <{tag}>"
        self.elements.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        self._note(tag, found)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        assert "svg" in self.open, f"<{tag}/> outside a drawing"
        self._note(tag, {key: value or "" for key, value in attrs})

    def _note(self, tag: str, found: dict[str, str]) -> None:
        self.ids += [found["id"]] if "id" in found else []
        assert not any(key.startswith("on") for key in found), f"<{tag}> runs something"
        for key in ("src", "href", "xlink:href", "srcset", "data", "action"):
            if key in found:
                (self.links if tag == "a" else self.asked).append(found[key])
        if tag == "svg":
            self.labels.append(found["aria-label"])
        if tag == "table":
            self.tables.append(PageTable())
        if tag == "tr" and "tbody" in self.open:
            self.tables[-1].rows.append([])
            self.tables[-1].sorts.append([])
        if tag in {"th", "td", "caption", "h1", "h2", "h3"}:
            self._cell = []
        if tag in {"th", "td"} and "tbody" in self.open:
            self.tables[-1].sorts[-1].append(found.get("data-sort"))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        words = "".join(self._cell).strip()
        if tag == "caption":
            self.tables[-1].caption = words
        if tag in {"th", "td"} and "table" in self.open:
            (self.tables[-1].rows[-1] if "tbody" in self.open else self.tables[-1].heads).append(
                words
            )
        if tag in {"strong", "u"} and "tbody" in self.open:
            self.tables[-1].marked.add((tag, words))
        if tag in {"h1", "h2", "h3"}:
            self.headings.append(words)
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self._cell.append(data)
        self.text.append(data)
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
