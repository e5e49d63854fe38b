"""Shapes of kernels: which numbers each operator needs, checked and broadcast to float64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from omnizip_cost.errors import InvalidValueError, OptionsError, UnknownNameError
from omnizip_cost.units import TERA

Floats = NDArray[np.float64]

LARGEST = TERA
"""No dimension of a kernel comes near; products of all of them stay far inside float64."""

_ATTENTION = ("batch", "seq", "heads", "kv_heads", "head_dim")

DIMENSIONS: Mapping[str, tuple[str, ...]] = {
    "gemm": ("m", "n", "k"),
    "prefill_attention": (*_ATTENTION, "queries"),
    "decode_attention": _ATTENTION,
    "encoder_attention": _ATTENTION,
}
"""What each operator is called with, in bf16.

gemm: ``x[m, k]`` times ``W[n, k]`` transposed. Prefill: causal attention over ``seq`` tokens of
each sequence of the batch, for its last ``queries`` tokens (all of them where left out). Decode:
one query over ``seq`` cached tokens. Encoder: every token attends to every other.
"""

OPTIONAL = {"prefill_attention": ("queries",), "encoder_attention": ("kv_heads",)}
"""May be left out: ``queries`` is then ``seq``, and ``kv_heads`` is ``heads``."""


def checked_shape(op: str, dims: Mapping[str, object]) -> dict[str, Floats]:
    """Return the dimensions of one operator as float64 arrays of one common shape.

    Parameters
    ----------
    op : str
        A name of :data:`DIMENSIONS`.
    dims : mapping of str to number or array
        Counts of at least 1; they need not be whole (an expected number of tokens is allowed).

    Raises
    ------
    UnknownNameError
        No such operator, or it has no such dimension.
    OptionsError
        A dimension is missing, or the arrays do not broadcast.
    InvalidValueError
        A dimension is no count, ``kv_heads`` does not divide ``heads``, or there are more
        ``queries`` than tokens.

    Examples
    --------
    >>> checked_shape("gemm", {"m": [1, 2], "n": 8, "k": 4})["n"]
    array([8., 8.])
    """
    if not isinstance(op, str) or op not in DIMENSIONS:
        raise UnknownNameError("kernel", str(op), DIMENSIONS)
    names = DIMENSIONS[op]
    for name in dims:
        if name not in names:
            raise UnknownNameError(f"dimension of {op}", name, names)
    optional = OPTIONAL.get(op, ())
    missing = [name for name in names if name not in dims and name not in optional]
    if missing:
        raise OptionsError(op, f"{', '.join(missing)} must be given; it takes {', '.join(names)}")
    given = {name: _counts(op, name, dims[name]) for name in names if name in dims}
    try:
        arrays = np.broadcast_arrays(*given.values())
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in given.items())
        raise OptionsError(op, f"arrays of these shapes do not broadcast: {shapes}") from None
    shape = dict(zip(given, arrays, strict=True))
    if "heads" in names:
        _check_attention(op, shape)
    return shape


def _counts(op: str, name: str, value: Any) -> Floats:
    """Turn one dimension into float64, or say what is wrong with it."""
    expected = f"a count from 1 to {LARGEST:,}, or an array of them"
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        raise InvalidValueError(op, name, expected, value) from None
    if array.dtype.kind == "O":  # Python integers beyond 64 bits land here, and so do Fractions
        array = _from_objects(array)
    if array.dtype.kind not in "iuf":
        raise InvalidValueError(op, name, expected, value)
    counts = array.astype(np.float64)
    inside = (counts >= 1) & (counts <= LARGEST)
    if not inside.all():
        wrong = value if counts.ndim == 0 else float(counts[~inside][0])
        raise InvalidValueError(op, name, expected, wrong)
    return counts


def _from_objects(array: NDArray[Any]) -> NDArray[Any]:
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        return array


def _check_attention(op: str, shape: dict[str, Floats]) -> None:
    """Fill in what was left out, and hold heads against key heads and queries against tokens."""
    shape.setdefault("kv_heads", shape["heads"])
    uneven = np.mod(shape["heads"], shape["kv_heads"]) != 0
    if uneven.any():
        heads, kv_heads = (float(shape[name][uneven].flat[0]) for name in ("heads", "kv_heads"))
        raise InvalidValueError(
            op, "kv_heads", f"a count that divides heads ({heads:g})", float(kv_heads)
        )
    if op == "prefill_attention":
        shape.setdefault("queries", shape["seq"])
        above = shape["queries"] > shape["seq"]
        if above.any():
            raise InvalidValueError(
                op,
                "queries",
                f"at most seq ({float(shape['seq'][above].flat[0]):g})",
                float(shape["queries"][above].flat[0]),
            )
