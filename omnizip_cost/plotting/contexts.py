"""Panels of a campaign: one per model and clip, in order, titled by what sets them apart.

A campaign has more configurations than one panel holds. They are laid out here once, for all
figures of a campaign: which panels there are, how they share lines, what each is called, and which
ones a sheet has no room for.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from omnizip_cost.plotting.tablerows import Row, distinct, grouped, number, text

SETTING = ("model", "device", "dtype", "attention", "clip", "full_tokens")
"""What configurations of a campaign are measured under; a panel each."""

CONFIGURATION = ("method", "label", "mode", "fastv_form")
"""What tells configurations of one panel apart. Pairs of pruning ratios that were asked for are in
the label; those that follow from a ratio differ a little from clip to clip."""

KINDS = {"predicted": "uncalibrated", "calibrated": "calibrated"}
"""How the two predictions on record are called in columns, and in words."""

_METHODS = ("full", "omnizip", "visionzip", "random", "dycoke", "fastv")

MOST_PANELS = 12
"""As many as a page holds."""

Panel = list[Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Panels of one figure, line by line, and what they leave out."""

    lines: tuple[tuple[Panel | None, ...], ...]
    """Panels from left to right; None where a line is shorter than the others."""
    titles: Mapping[int, str]
    """Title of each panel by its place in reading order."""
    left_out: tuple[str, ...]
    """A sentence for each thing of the table that no panel shows."""

    @property
    def panels(self) -> list[Panel]:
        """All panels in reading order."""
        return [panel for line in self.lines for panel in line if panel is not None]

    @property
    def title_lines(self) -> int:
        """Lines of text of the tallest title."""
        return max((title.count("\n") + 1 for title in self.titles.values() if title), default=0)


def sheet_of(
    rows: Sequence[Row],
    *,
    columns: int,
    panel_in: float,
    most: int = MOST_PANELS,
    least: int = 1,
    setting: Sequence[str] = SETTING,
) -> Sheet:
    """Lay out the rows of a campaign: a panel per model and clip, a line per model if it fits.

    Parameters
    ----------
    rows
        Rows of the result table; those run as graphs are left out where others are there, since
        graphs are about decode, unless ``execution`` is part of the setting.
    columns
        Panels side by side, at most.
    panel_in
        Width of a panel in inches: titles are wrapped to it.
    most
        Panels at most. Where there are more, each model in turn keeps the one with the most
        configurations, the shortest and the longest clips before those between.
    least
        Configurations that a panel must have, where some panel has as many.
    setting
        Columns that rows of one panel agree in. With ``decode_steps`` among them, all rows of a
        panel are kept: several may be of one configuration.
    """
    kept, left_out = (list(rows), []) if "execution" in setting else _stock(rows)
    models = distinct(kept, "model")
    groups = sorted(grouped(kept, *setting).values(), key=lambda panel: _order(panel[0], models))
    groups, twice = (groups, []) if "decode_steps" in setting else _once(groups)
    groups, small = _full_enough(groups, least, setting)
    groups, crowded = _with_room(groups, most, setting)
    per_model = _by_model(groups)
    longest = max(len(part) for part in per_model)
    lines: list[list[Panel | None]]
    if longest <= columns and len(per_model) <= -(-len(groups) // columns):
        lines = [[*part, *[None] * (longest - len(part))] for part in per_model]
    else:
        wide = min(columns, len(groups))
        flow: list[Panel | None] = [*groups, *[None] * (-len(groups) % wide)]
        lines = [flow[at : at + wide] for at in range(0, len(flow), wide)]
    shown = [row for group in groups for row in group]
    characters = int(panel_in * 16)
    attentions = len(distinct(shown, "attention")) > 1
    unnamed = (
        [f"attention is {_usual(shown, 'attention')} where a panel names no other"]
        if attentions
        else []
    )
    return Sheet(
        lines=tuple(tuple(line) for line in lines),
        titles={at: _title(panel[0], shown, characters, setting)
                for at, panel in enumerate(panel for line in lines for panel in line if panel)},
        left_out=(*unnamed, *left_out, *twice, *small, *crowded),
    )  # fmt: skip


def _stock(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    graphs = [row for row in rows if text(row, "execution") == "graph"]
    if not graphs or len(graphs) == len(rows):
        return list(rows), []
    note = f"{counted(len(graphs))} under graphs not drawn"
    return [row for row in rows if text(row, "execution") != "graph"], [note]


def _once(groups: Sequence[Panel]) -> tuple[list[Panel], list[str]]:
    """Keep one row of each configuration: that with as many decode steps as most rows have."""
    steps = [text(row, "decode_steps") for panel in groups for row in panel]
    kept = []
    for panel in groups:
        rows = sorted(panel, key=lambda row: -steps.count(text(row, "decode_steps")))
        first: dict[tuple[str, ...], Row] = {}
        for row in rows:
            first.setdefault(configuration(row), row)
        kept.append([row for row in panel if first[configuration(row)] is row])
    gone = len(steps) - sum(len(panel) for panel in kept)
    note = f"{counted(gone)} measured again with other decode steps not drawn"
    return kept, [note] if gone else []


def _order(row: Row, models: Sequence[tuple[str, ...]]) -> tuple[float, ...]:
    """Models as they come, then lengths from short to long."""
    return (models.index((text(row, "model"),)), number(row, "full_tokens") or 0.0)


def _by_model(groups: Sequence[Panel]) -> list[list[Panel]]:
    found: dict[str, list[Panel]] = {}
    for panel in groups:
        found.setdefault(text(panel[0], "model"), []).append(panel)
    return list(found.values())


def _full_enough(
    groups: Sequence[Panel], least: int, setting: Sequence[str]
) -> tuple[list[Panel], list[str]]:
    """Keep the panels that have as many configurations as asked for, if any has."""
    kept = [group for group in groups if len(group) >= least]
    if not kept or len(kept) == len(groups):
        return list(groups), []
    names = _titles([group for group in groups if len(group) < least], groups, setting)
    return kept, [f"fewer than {least} configurations, not drawn: {names}"]


def _titles(gone: Sequence[Panel], groups: Sequence[Panel], setting: Sequence[str]) -> str:
    """Name panels that are not drawn, model by model."""
    rows = [row for group in groups for row in group]
    models: dict[str, list[str]] = {}
    for group in gone:
        model, _, rest = _title(group[0], rows, 1000, setting).rpartition("\n")
        if not model:
            model, rest = text(group[0], "model"), rest.removeprefix(f"{text(group[0], 'model')}, ")
        models.setdefault(model, []).append(rest)
    return "; ".join(f"{model}, {_listed(parts)}" for model, parts in models.items())


def _listed(parts: Sequence[str]) -> str:
    """Join names as a sentence does."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def _with_room(
    groups: Sequence[Panel], most: int, setting: Sequence[str]
) -> tuple[list[Panel], list[str]]:
    """Keep as many panels as a sheet holds: of each model those with the most configurations."""
    if len(groups) <= most:
        return list(groups), []
    order: dict[int, tuple[int, int]] = {}
    first = 0
    for part in _by_model(groups):
        places = list(range(first, first + len(part)))
        middle = (places[0] + places[-1]) / 2
        ranked = sorted(places, key=lambda at: (-len(groups[at]), -abs(at - middle)))
        order |= {at: (rank, at) for rank, at in enumerate(ranked)}
        first += len(part)
    chosen = set(sorted(order, key=order.__getitem__)[:most])
    gone = [group for at, group in enumerate(groups) if at not in chosen]
    kept = [groups[at] for at in sorted(chosen)]
    return kept, [f"no room for {_titles(gone, groups, setting)}"]


def _title(row: Row, rows: Sequence[Row], characters: int, setting: Sequence[str]) -> str:
    """Name the panel of a row by what differs between panels, on one line if it fits."""
    several = [name for name in setting if len(distinct(rows, name)) > 1]
    lines = textwrap.wrap(text(row, "model"), characters) if "model" in several else []
    parts = []
    if "full_tokens" in several:
        parts.append(f"{number(row, 'full_tokens') or 0:,.0f} tokens")
    same_length = [other for other in rows if all(
        text(other, name) == text(row, name) for name in setting if name != "clip")]  # fmt: skip
    if len(distinct(same_length, "clip")) > 1:
        parts.append(text(row, "clip"))
    parts += [text(row, name) for name in ("device", "dtype", "attention", "execution", "timed")
              if name in several and text(row, name) != _usual(rows, name)]  # fmt: skip
    if "decode_steps" in several:
        parts.append(f"{text(row, 'decode_steps')} decoded")
    parts = [part for part in parts if part]
    if len(", ".join([*lines, *parts])) <= characters:
        return ", ".join([*lines, *parts])
    lines = [part for line in lines for part in textwrap.wrap(line, characters)]
    return "\n".join([*lines, *textwrap.wrap(", ".join(parts), characters)])


def _usual(rows: Sequence[Row], column: str) -> str:
    """Attention of most rows, which titles need not name; of other columns nothing is usual."""
    if column != "attention":
        return ""
    return Counter(text(row, column) for row in rows).most_common(1)[0][0]


def configuration_names(rows: Sequence[Row]) -> dict[tuple[str, ...], str]:
    """Name every configuration by its label and what else sets it apart, method after method.

    Full tokens come first, each method's ratios from high to low. Where one label stands for two
    forms of FastV, or two modes, these are named.
    """
    found = distinct(rows, *CONFIGURATION)
    forms = [form for (form,) in distinct(rows, "fastv_form")]
    shares = {configuration(row): number(row, "retained") or 0.0 for row in rows}
    found.sort(key=lambda key: (method_rank(key[0]), key[2], forms.index(key[3]), -shares[key]))
    names = {}
    for key in found:
        twins = [other for other in found if other[1] == key[1]]
        extra = [key[at] for at in (2, 3) if key[at] and len({twin[at] for twin in twins}) > 1]
        names[key] = f"{key[1]} ({', '.join(extra)})" if extra else key[1]
    return names


def configuration(row: Row) -> tuple[str, ...]:
    """Give the key of a row in :func:`configuration_names`."""
    return tuple(text(row, name) for name in CONFIGURATION)


def counted(configurations: int) -> str:
    """Write how many configurations.

    >>> counted(1)
    '1 configuration'
    """
    return f"{configurations} configuration{'' if configurations == 1 else 's'}"


def method_rank(method: str) -> int:
    """Place of a method in legends, and which is drawn over which: the lower in front."""
    return _METHODS.index(method) if method in _METHODS else len(_METHODS)


def prediction_kind(rows: Sequence[Row], column: str) -> str:
    """Which prediction to draw where one alone has room: calibrated, if there is one; or none.

    ``column`` is the name of the column with ``{}`` in place of the kind.
    """
    found = (kind for kind in reversed(KINDS) if any(number(row, column.format(kind)) is not None
             for row in rows))  # fmt: skip
    return next(found, "")
