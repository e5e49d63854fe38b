"""Conventions by name: the choices behind published FLOP numbers, each with its source.

Published numbers for one model differ by up to 2.5x through these choices alone. Counts under
different conventions are never added.
"""

from __future__ import annotations

from omnizip_cost.cost.convention import Convention

__all__ = ["CONVENTIONS", "EQ9_DECODE_STEPS", "PAPER_TOKENS", "Convention"]

EQ9_DECODE_STEPS = 100
"""R: "We unify R = 100 for calculation in the experiments" (OmniZip, supplement C)."""

PAPER_TOKENS = 10_004
"""n of the paper's FLOPs column (OmniZip, Tab. 1), which does not print it: the only whole number
that gives all its digits under Eq. 9."""


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
            used_by="OmniZip, DyCoke, HoliTom and OmniPack with R = 100; FastV's Eq. 5 is its "
            "prefill term alone",
            source="OmniZip (arXiv 2511.14582), supplement C, Eq. 9; the same lines as code: "
            "HoliTom's authors in cokeshao/HoliTom, issue 2",
            note="A gated FFN has three products, so a real one costs half as much again. Its "
            "decode term falls with the tokens kept; the time of a step, spent on reading weights, "
            "hardly does.",
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
            used_by="PyramidDrop, and the FastV rows of its tables",
            source="PyramidDrop (arXiv 2410.17247), its LLaVA-1.5 FLOPs; why three products: an "
            "author in pkunlp-icler/FastV, issue 29",
            note="Audio tokens do not exist for it: a clip's sound is not counted. A bare token "
            "count passes for video.",
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
            used_by="SparseVLM; VLA-Cache's code",
            source="SparseVLM (arXiv 2410.04417); Gumpest/SparseVLMs, issue 14, points to "
            "modelling_sparse_llama.py, which adds 4nd^2 + 2n^2d + 3ndm in every layer with the "
            "length of its input as n",
            note="`pyramiddrop` with the text inside n.",
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
            used_by="SEATS, for its own rows and those of its rivals",
            source="SEATS (arXiv 2605.20035); xxayt/SEATS, baselines/cost_metrics.py, where the "
            "head runs on the tokens of the last layer",
            note="Decoder and head are half of `torch`'s prefill, exactly, where the FFN is "
            "gated and has no experts.",
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
            used_by="readings of Dynamic-LLaVA with the model's own FFN width",
            source="Dynamic-LLaVA (arXiv 2412.00876), A.4.5, Eq. 13 with m in place of 4d",
            note="The paper's printed TFLOPs do not follow from it: see `dynamic-llava-eq13`.",
        ),
        Convention(
            name="dynamic-llava-eq13",
            flop_per_multiply_add=2,
            widths="hidden",
            ffn_matrices=3,
            ffn_width="4d",
            attention="full",
            lm_head="none",
            tokens="video",
            decode=False,
            encoders=False,
            selection=False,
            answers="image tokens through an FFN taken as 4 d wide, prefill only",
            used_by="Dynamic-LLaVA, for its own rows and those of its rivals",
            source="Dynamic-LLaVA (arXiv 2412.00876), A.4.5, Eq. 13: 32nd^2 + 4n^2d a layer, of "
            "the image tokens alone; its terms one by one: an author in Osilly/dynamic_llava, "
            "issue 4",
            note="LLaMA's FFN is 2.69 d wide, so 10.1 TFLOP are printed where `pyramiddrop` "
            "doubled gives 7.6.",
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
            counts_padding=True,
            selection=True,
            answers="what torch's FlopCounterMode counts on the stock thinker, as integers",
            used_by="whoever runs FlopCounterMode on the meta device",
            source="torch.utils.flop_counter.FlopCounterMode on transformers' module, meta device; "
            "without the rotary table, which release 5.17 makes by a matrix product, and with "
            "eager or batched experts (the counter has no formula for grouped ones)",
            note="On the CPU the same counter counts fused attention as zero, without a word: "
            'this convention with attention = "none".',
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
            counts_padding=True,
            selection=True,
            answers="`torch` with causal pairs only: what fused attention comes down to at length",
            used_by="this package, as the exact count beside measurements with fused attention",
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
            used_by="this package, wherever a claim is held against what must be computed",
            source="closed form of the architecture",
        ),
    )
}
