"""What torch dispatches, operator by operator: counted by its FLOP counter, or listed here."""

from omnizip_cost.cost.executed.op import ATTENTION_KINDS, AttentionKind, ExecutedOp

__all__ = ["ATTENTION_KINDS", "AttentionKind", "ExecutedOp"]
