"""One step of a selection, as a method states it and as it is counted."""

from __future__ import annotations

from dataclasses import dataclass

from omnizip_cost.errors import InvalidValueError


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionOp:
    """One step of a selection: what a counter sees of it, and what none sees."""

    name: str
    multiply_adds: int = 0
    """Of its matrix products: what torch's counter sees, at two FLOPs each."""
    unseen_flops: int = 0
    """Arithmetic outside products on large tensors: norms, divisions, cosines row by row,
    softmax. One FLOP per number and operation; comparisons and sorts are none."""
    bytes_moved: int = 0
    """Read and written in large tensors."""
    kernels: int = 0
    """Operators that torch dispatches to the device, views apart; each is at least one launch."""
    in_rows_dtype: bool = False
    """Whether its products are computed in the dtype of the model's rows; else in float32."""

    def __post_init__(self) -> None:
        owner = f"selection step {self.name!r}"
        for name in ("multiply_adds", "unseen_flops", "bytes_moved", "kernels"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise InvalidValueError(owner, name, "a whole number, 0 or more", value)
        if not isinstance(self.in_rows_dtype, bool):
            raise InvalidValueError(owner, "in_rows_dtype", "true or false", self.in_rows_dtype)
