"""What it *takes*: multiply-adds per op, named conventions, Eq. 9, exact counts."""

from omnizip_cost.cost.break_even import MOST_TOKENS, BreakEven, break_even
from omnizip_cost.cost.convention_file import load_convention
from omnizip_cost.cost.convention_lookup import (
    executed_convention,
    require_convention,
    require_conventions,
)
from omnizip_cost.cost.conventions import CONVENTIONS, EQ9_DECODE_STEPS, Convention
from omnizip_cost.cost.decoder import Op, decoder_ops
from omnizip_cost.cost.encoders import (
    audio_encoder_ops,
    encoder_ops,
    vision_encoder_ops,
)
from omnizip_cost.cost.overhead import Overhead, overhead
from omnizip_cost.cost.rows import CostRow, count, share_left, total_flops
from omnizip_cost.cost.selection import SelectionOp, selection_ops
from omnizip_cost.cost.side_by_side import Counts, SideRow, counted, side_by_side
from omnizip_cost.cost.steps import StepRow, step_rows

__all__ = [
    "CONVENTIONS",
    "EQ9_DECODE_STEPS",
    "MOST_TOKENS",
    "BreakEven",
    "Convention",
    "CostRow",
    "Counts",
    "Op",
    "Overhead",
    "SelectionOp",
    "SideRow",
    "StepRow",
    "audio_encoder_ops",
    "break_even",
    "count",
    "counted",
    "decoder_ops",
    "encoder_ops",
    "executed_convention",
    "load_convention",
    "overhead",
    "require_convention",
    "require_conventions",
    "selection_ops",
    "share_left",
    "side_by_side",
    "step_rows",
    "total_flops",
    "vision_encoder_ops",
]
