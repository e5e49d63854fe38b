"""The grid: every combination of a few lists, checked once, never laid out as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from omnizip_cost.compression import FASTV_LAYER, Method, require_method
from omnizip_cost.cost import EQ9_DECODE_STEPS, Convention, require_conventions
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.specs import ModelSpec, load_spec
from omnizip_cost.sweep.axes import Numbers, boxes_of, cut, ratio_axis, whole_axis

CHUNK_ROWS = 1_000_000
"""Configurations computed, and written, at a time."""


MOST_FILES = 100_000
"""Parts of a grid: a folder of more files is of no use to anyone."""


class Box(NamedTuple):
    """A stretch of each of three axes: tokens, retained ratios, decode lengths."""

    tokens: slice
    retained: slice
    decode: slice


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """Models x conventions x methods x token counts x retained ratios x decode lengths.

    A method that prunes nothing has the one ratio 1. Numbers given twice count once.
    :func:`make_grid` takes names.

    Raises
    ------
    InvalidValueError
    """

    models: tuple[ModelSpec, ...]
    conventions: tuple[Convention, ...]
    methods: tuple[Method, ...]
    tokens: NDArray[np.int64]
    """Audio and video tokens, and nothing else: no mix, no text."""
    retained: NDArray[np.float64]
    """Nominal shares kept; empty where no method prunes."""
    decode: NDArray[np.int64]
    """Decoded tokens."""
    fastv_layer: int = FASTV_LAYER
    """K: layers that see all tokens under a method that prunes inside the decoder."""
    chunk_rows: int = CHUNK_ROWS
    pruning: tuple[Method, ...] = field(init=False)
    """Methods that have a ratio."""

    def __post_init__(self) -> None:
        put = object.__setattr__
        for name in ("models", "conventions", "methods"):
            put(self, name, _distinct(name, getattr(self, name)))
        put(self, "pruning", tuple(item for item in self.methods if item.prunes != "nothing"))
        put(self, "tokens", whole_axis("tokens", self.tokens, least=1))
        put(self, "decode", whole_axis("decode", self.decode, least=0))
        put(self, "retained", self._ratios())
        if type(self.chunk_rows) is not int or self.chunk_rows < 1:
            raise InvalidValueError(
                "grid", "chunk_rows", "a positive whole number", self.chunk_rows
            )
        if any(method.prunes == "inside the decoder" for method in self.pruning):
            self._check_fastv_layer()
        if self.files > MOST_FILES:
            raise InvalidValueError(
                "grid",
                "chunk_rows",
                f"so large that {MOST_FILES:,} files do",
                self.chunk_rows,
                f"this makes {self.files:,}",
            )

    @property
    def size(self) -> int:
        """Configurations in all."""
        return len(self.models) * len(self.conventions) * self.partition_size

    @property
    def partition_size(self) -> int:
        """Configurations of one model under one convention."""
        ratios = len(self.pruning) * len(self.retained) + len(self.methods) - len(self.pruning)
        return len(self.tokens) * len(self.decode) * ratios

    @property
    def files_per_partition(self) -> int:
        """Boxes of one model under one convention."""
        return boxes_of(self._lengths, self._most_cells)

    @property
    def files(self) -> int:
        """Boxes in all: each becomes a file when the grid is swept into a folder."""
        return len(self.models) * len(self.conventions) * self.files_per_partition

    @property
    def _lengths(self) -> tuple[int, int, int]:
        return len(self.tokens), max(len(self.retained), 1), len(self.decode)

    @property
    def _most_cells(self) -> int:
        return max(self.chunk_rows // len(self.methods), 1)

    def boxes(self) -> Iterator[Box]:
        """Boxes of about ``chunk_rows`` configurations of one model under one convention.

        At most ``chunk_rows``, or one configuration of each method where that is more.
        """
        for stretches in cut(self._lengths, self._most_cells):
            yield Box(*stretches)

    def box_size(self, box: Box) -> int:
        """Configurations that a box holds, all methods together.

        A method without a ratio is in the boxes where the axis of ratios starts.
        """
        tokens, ratios, decode = (stretch.stop - stretch.start for stretch in box)
        plain = 0 if box.retained.start else len(self.methods) - len(self.pruning)
        return int(tokens * decode * (plain + len(self.pruning) * ratios))

    def _ratios(self) -> NDArray[np.float64]:
        """Ratios of the methods that have one; none where no method does."""
        if self.pruning and not len(self.retained):
            name = self.pruning[0].name
            raise InvalidValueError("grid", "retained", f"given, since {name} prunes", [])
        if self.pruning:
            return ratio_axis(self.retained)
        if len(self.retained):
            expected = "left out, since no method here prunes"
            raise InvalidValueError("grid", "retained", expected, list(self.retained[:3]))
        return np.zeros(0)

    def _check_fastv_layer(self) -> None:
        """Hold K to what a plan takes, in the model with the fewest layers."""
        fewest = min(self.models, key=lambda spec: spec.text.layers)
        layers = fewest.text.layers
        if type(self.fastv_layer) is not int or not 1 <= self.fastv_layer < max(layers, 2):
            raise InvalidValueError(
                "grid",
                "fastv_layer",
                f"between 1 and {max(layers - 1, 1)}, since {fewest.name} has {layers} layers",
                self.fastv_layer,
            )


def make_grid(
    *,
    models: Sequence[str | ModelSpec],
    tokens: Numbers,
    conventions: Sequence[str | Convention],
    methods: Sequence[str | Method] = ("full",),
    retained: Numbers = (),
    decode: Numbers = (EQ9_DECODE_STEPS,),
    fastv_layer: int = FASTV_LAYER,
    chunk_rows: int = CHUNK_ROWS,
) -> Grid:
    """Return the grid of these names and numbers.

    Parameters
    ----------
    models : sequence of str or ModelSpec
        Bundled names, or paths of a ``config.json``.
    tokens : sequence of int
        Audio and video tokens: n = r N, as ``flops --tokens N`` counts them.
    conventions, methods : sequence of str or of records
    retained : sequence of float
        Needed as soon as a method prunes.
    decode : sequence of int
    fastv_layer, chunk_rows : int

    Raises
    ------
    UnknownNameError, InvalidValueError, InputFileError, PluginError

    Examples
    --------
    >>> make_grid(models=["omni-tiny"], tokens=[100, 200], conventions=["eq9", "torch"]).size
    4
    """
    return Grid(
        models=tuple(
            load_spec(model) if isinstance(model, str) else model
            for model in _listed("models", models)
        ),
        conventions=tuple(require_conventions(_listed("conventions", conventions)).values()),
        methods=tuple(map(require_method, _listed("methods", methods))),
        tokens=tokens,  # type: ignore[arg-type]
        retained=retained,  # type: ignore[arg-type]
        decode=decode,  # type: ignore[arg-type]
        fastv_layer=fastv_layer,
        chunk_rows=chunk_rows,
    )


def _listed(name: str, given: Sequence[Any]) -> Sequence[Any]:
    if isinstance(given, str) or not given:
        raise InvalidValueError("grid", name, "a list with one name at least", given)
    return given


def _distinct(name: str, given: Sequence[Any]) -> tuple[Any, ...]:
    """Each record once; two different ones never share a name."""
    kept: dict[str, Any] = {}
    for record in given:
        if kept.setdefault(record.name, record) != record:
            raise InvalidValueError(
                "grid", name, "records with a name of their own each", record.name, "rename one"
            )
    return tuple(kept.values())
