"""A drawn figure inside a page: no identifier twice, no foreign name spaces, no wasted digits."""

from __future__ import annotations

import re
from collections import Counter
from xml.etree import ElementTree as Tree

from omnizip_cost.errors import InvalidValueError

PIXELS_PER_POINT = 1.9
"""Of the screen per point of the printed figure: its 7 pt labels become 13 pixels high."""

_SHARED_FROM = 200
"""Characters of a path from which equal paths are written once."""

_LONG_DECIMAL = re.compile(r"-?\d+\.\d{3,}(?!\d*e)")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_DRAWN = ("d", "x", "y", "width", "height", "points")
"""Attributes in points of the page, whose hundredths nobody sees; scales keep their digits."""


def inline_svg(text: str, prefix: str, label: str) -> str:
    """Make a drawing fit to stand inside a page of HTML beside others.

    Parameters
    ----------
    text
        An SVG file, as matplotlib writes it: text as outlines, lengths in points.
    prefix
        Put before every identifier; no two drawings of a page have the same.
    label
        What the figure shows, for those who do not see it.

    Returns
    -------
    str
        One ``svg`` element: comments, metadata, style sheets and identifiers that nothing refers
        to are left out, the others are numbered, and equal long paths stand there once.

    Raises
    ------
    InvalidValueError
        If the text is no SVG drawing.
    """
    try:
        root = Tree.fromstring(text)
    except Tree.ParseError as error:
        raise InvalidValueError("figure", "svg", "an SVG drawing", str(error)) from None
    _strip(root)
    if root.tag != "svg" or "viewBox" not in root.attrib:
        raise InvalidValueError("figure", "svg", "an SVG drawing with a viewBox", root.tag)
    width = float(root.attrib["viewBox"].split()[2]) * PIXELS_PER_POINT
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-label": label,
        "style": f"width:{width:.0f}px",
        "stroke-linejoin": "round",
        "stroke-linecap": "butt",
    }
    _round(root)
    _share_paths(root)
    _rename(root, prefix)
    return Tree.tostring(root, encoding="unicode")


def _strip(root: Tree.Element) -> None:
    """Drop metadata and style sheets, which would reach the whole page, and name spaces."""
    for element in root.iter():
        element.tag = _local(element.tag)
        element.text = element.tail = None
        element.attrib = {_local(key): value for key, value in element.attrib.items()}
        for child in list(element):
            if _local(child.tag) in {"metadata", "style", "title", "script"}:
                element.remove(child)


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _round(root: Tree.Element) -> None:
    for element in root.iter():
        for key in _DRAWN:
            if key in element.attrib:
                element.attrib[key] = _LONG_DECIMAL.sub(_two_decimals, element.attrib[key])
        if "d" in element.attrib:
            element.attrib["d"] = " ".join(element.attrib["d"].split())


def _two_decimals(found: re.Match[str]) -> str:
    return f"{float(found.group()):.2f}".rstrip("0").rstrip(".")


def _share_paths(root: Tree.Element) -> None:
    """Write a long path that occurs several times once, and refer to it."""
    paths = [e for e in root.iter("path") if len(e.attrib.get("d", "")) >= _SHARED_FROM]
    often = Counter(path.attrib["d"] for path in paths)
    shared = {d: f"p{at}" for at, d in enumerate(d for d, count in often.items() if count > 1)}
    for path in paths:
        if (d := path.attrib["d"]) in shared and "id" not in path.attrib:
            path.tag = "use"
            del path.attrib["d"]
            path.attrib["href"] = f"#{shared[d]}"
    if shared:
        home = Tree.Element("defs")
        home.extend(Tree.Element("path", {"id": name, "d": d}) for d, name in shared.items())
        root.insert(0, home)


def _rename(root: Tree.Element, prefix: str) -> None:
    """Number the identifiers that are referred to, in their order; drop the others."""
    used = set()
    for element in root.iter():
        for value in element.attrib.values():
            used.update(_REFERENCE.findall(value))
        if (link := element.attrib.get("href", "")).startswith("#"):
            used.add(link[1:])
    own = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    names = {name: f"{prefix}-{at}" for at, name in enumerate(n for n in own if n in used)}

    def new(found: re.Match[str]) -> str:
        return f"url(#{names.get(found.group(1), found.group(1))})"

    for element in root.iter():
        if (old := element.attrib.pop("id", None)) in names:
            element.attrib["id"] = names[str(old)]
        for key, value in element.attrib.items():
            element.attrib[key] = _REFERENCE.sub(new, value)
        if (link := element.attrib.get("href", "")).startswith("#"):
            element.attrib["href"] = f"#{names.get(link[1:], link[1:])}"
