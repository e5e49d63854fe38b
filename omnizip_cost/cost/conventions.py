"""Conventions: what one printed FLOP number silently assumes, spelled out and named.

Published numbers for one model differ by up to 2.5x through these choices alone. Counts under
different conventions are never added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from omnizip_cost.errors import UnknownNameError

EQ9_DECODE_STEPS = 100
"""R: "We unify R = 100 for calculation in the experiments" (OmniZip, supplement C)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Convention:
    """The choices behind one FLOP count."""

    name: str
    flop_per_multiply_add: Literal[1, 2]
    widths: Literal["hidden", "grouped"]
    """Width of queries, keys and values: all d, or h * a and g * a as built."""
    ffn_matrices: int | None
    """Products per FFN; None: as built (3 when gated), with the router of a mixture of experts."""
    attention: Literal["full", "causal"]
    """Pairs counted in prefill: n^2, or n (n + 1) / 2."""
    lm_head: Literal["none", "every", "last"]
    """Prefill positions whose logits are counted."""
    tokens: Literal["audio+video", "video", "all"]
    """Which tokens n counts."""
    decode: bool
    """Whether decode steps are counted."""
    encoders: bool
    """Whether the audio and vision encoders are counted."""
    selection: bool
    """Whether choosing the tokens is counted, as it is executed."""
    answers: str
    source: str

    @property
    def counts_padding(self) -> bool:
        """Whether work is counted as the stock thinker runs it, padded convolutions included.

        True where logits of every position are: neither is needed, both are executed.
        """
        return self.lm_head == "every"


CONVENTIONS: dict[str, Convention] = {
    convention.name: convention
    for convention in (
        Convention(
            name="eq9",
            flop_per_multiply_add=1,
            widths="hidden",
            ffn_matrices=2,
            attention="full",
            lm_head="none",
            tokens="audio+video",
            decode=True,
            encoders=False,
            selection=False,
            answers="the paper's FLOPs column",
            source="OmniZip, supplement C, Eq. 9; also FastV, DyCoke, HoliTom, OmniPack; R = 100",
        ),
        Convention(
            name="pyramiddrop",
            flop_per_multiply_add=1,
            widths="hidden",
            ffn_matrices=3,
            attention="full",
            lm_head="none",
            tokens="video",
            decode=False,
            encoders=False,
            selection=False,
            answers="image or video tokens through a gated FFN, prefill only",
            source="PyramidDrop (arXiv 2410.17247), its LLaVA-1.5 FLOPs",
        ),
        Convention(
            name="sparsevlm",
            flop_per_multiply_add=1,
            widths="hidden",
            ffn_matrices=3,
            attention="full",
            lm_head="none",
            tokens="all",
            decode=False,
            encoders=False,
            selection=False,
            answers="all tokens, layer by layer, prefill only",
            source="SparseVLM (arXiv 2410.04417)",
        ),
        Convention(
            name="seats",
            flop_per_multiply_add=1,
            widths="grouped",
            ffn_matrices=3,
            attention="full",
            lm_head="every",
            tokens="all",
            decode=False,
            encoders=False,
            selection=False,
            answers="grouped keys and values, logits at every position, prefill only",
            source="SEATS, full-token FLOPs of Qwen2.5-Omni-7B",
        ),
        Convention(
            name="dynamic-llava",
            flop_per_multiply_add=2,
            widths="hidden",
            ffn_matrices=3,
            attention="full",
            lm_head="none",
            tokens="all",
            decode=False,
            encoders=False,
            selection=False,
            answers="two FLOPs per multiply-add, full-width keys and values, prefill only",
            source="Dynamic-LLaVA (arXiv 2412.00876)",
        ),
        Convention(
            name="torch",
            flop_per_multiply_add=2,
            widths="grouped",
            ffn_matrices=None,
            attention="full",
            lm_head="every",
            tokens="all",
            decode=True,
            encoders=True,
            selection=True,
            answers="what torch's FlopCounterMode counts on the stock thinker, as integers",
            source="torch.utils.flop_counter.FlopCounterMode on transformers' module, meta device; "
            "without the rotary table, which release 5.17 makes by a matrix product, and with "
            "eager experts (grouped ones count as zero on the CPU)",
        ),
        Convention(
            name="sdpa",
            flop_per_multiply_add=2,
            widths="grouped",
            ffn_matrices=None,
            attention="causal",
            lm_head="every",
            tokens="all",
            decode=True,
            encoders=True,
            selection=True,
            answers="`torch` with causal pairs only: what fused attention comes down to at length",
            source="ours: fused kernels skip masked blocks, so they lie between this and `torch` "
            "(analysis/causal_attention.py); torch's counter counts every pair",
        ),
        Convention(
            name="hardware",
            flop_per_multiply_add=2,
            widths="grouped",
            ffn_matrices=None,
            attention="causal",
            lm_head="last",
            tokens="all",
            decode=True,
            encoders=True,
            selection=True,
            answers="the work a good engine must do: causal pairs, one position's logits",
            source="closed form of the architecture",
        ),
    )
}


def executed_convention(attention: str) -> str:
    """Name the convention whose prediction tables call the *exact count*.

    A fused kernel skips whole masked blocks: it executes no less than ``sdpa`` and no more than
    ``torch``, nearer to ``sdpa`` the longer the prompt. Eager attention executes ``torch``.

    Parameters
    ----------
    attention : str
        Attention implementation of transformers: ``eager`` multiplies the masked half too,
        ``sdpa`` and the flash kernels skip it.
    """
    return "torch" if attention == "eager" else "sdpa"


def require_convention(name: str | Convention) -> Convention:
    """Return the convention of that name, or raise :class:`UnknownNameError`."""
    if isinstance(name, Convention):
        return name
    if name not in CONVENTIONS:
        raise UnknownNameError("convention", name, CONVENTIONS)
    return CONVENTIONS[name]
