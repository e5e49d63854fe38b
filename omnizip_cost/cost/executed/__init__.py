"""What torch dispatches, operator by operator: counted by its FLOP counter, or listed here."""

from omnizip_cost.cost.executed.assembly import UNLISTED as ASSEMBLY_UNLISTED
from omnizip_cost.cost.executed.assembly import assembly_executed
from omnizip_cost.cost.executed.families import why_unlisted
from omnizip_cost.cost.executed.listing import (
    Engine,
    Listing,
    engine_of,
    executed_listing,
    why_encoders_unlisted,
)
from omnizip_cost.cost.executed.op import ATTENTION_KINDS, AttentionKind, ExecutedOp
from omnizip_cost.cost.executed.shape import Attention, Gemm, Shape

__all__ = [
    "ASSEMBLY_UNLISTED",
    "ATTENTION_KINDS",
    "Attention",
    "AttentionKind",
    "Engine",
    "ExecutedOp",
    "Gemm",
    "Listing",
    "Shape",
    "assembly_executed",
    "engine_of",
    "executed_listing",
    "why_encoders_unlisted",
    "why_unlisted",
]
