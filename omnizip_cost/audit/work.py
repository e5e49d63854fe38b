"""What a claim takes at a given length: exact work, least bytes, lengths that a budget affords."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache

from omnizip_cost.audit.claim import Claim
from omnizip_cost.compression import METHODS, layered_plan, make_plan, parse_layer_tokens
from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost import (
    Convention,
    count,
    decoder_ops,
    require_convention,
    total_flops,
)
from omnizip_cost.errors import InputFileError, OmnizipCostError
from omnizip_cost.hardware import Device, load_device
from omnizip_cost.specs import ModelSpec, load_spec, weights_read_per_pass
from omnizip_cost.workload import bare_workload

LEAST = "hardware"
"""Convention of the least that any engine must do: causal pairs, logits of one position."""

AS_BUILT = "torch"
"""Convention of the stock model: every pair, logits of every position."""

MOST_TOKENS = 2**24
"""Longest prompt looked at."""

BYTES_PER_WEIGHT = {"bf16": 2, "fp16": 2, "tf32": 4, "fp32": 4, "fp8": 1, "int8": 1}

_PEAKS = {
    "fp32": ("tf32", "fp32"),
    "tf32": ("tf32",),
    "fp8": ("fp8", "bf16"),
    "int8": ("int8", "bf16"),
}
"""Types whose products may stand in for a dtype's; the highest stated peak among them counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A claim with the model and the device it names; None where it names none."""

    claim: Claim
    spec: ModelSpec | None
    device: Device | None

    @property
    def dtype(self) -> str:
        """Type of the weights: bf16 where the claim is silent, as the models are published."""
        return self.claim.dtype or "bf16"

    @property
    def computable(self) -> bool:
        """Whether the work is known once a length is: a model, and how much is kept of it."""
        claim = self.claim
        kept = claim.full or claim.retained is not None or bool(claim.layer_tokens)
        return self.spec is not None and kept

    @property
    def peak_flop_per_s(self) -> int:
        """Dense peak of all its cards together."""
        assert self.device is not None
        return self.claim.gpus * device_peak(self.device, self.dtype)

    @property
    def bandwidth_bytes_per_s(self) -> int:
        """Memory bandwidth of all its cards together."""
        assert self.device is not None
        return self.claim.gpus * self.device.bandwidth_bytes_per_s

    @property
    def pass_bytes(self) -> int:
        """Bytes of the weights that one forward pass must read at least once."""
        assert self.spec is not None
        return BYTES_PER_WEIGHT[self.dtype] * weights_read_per_pass(self.spec)

    @property
    def length(self) -> int | None:
        """Number of tokens before compression, stated or assumed; None where it is open."""
        if self.claim.layer_tokens:
            return parse_layer_tokens(self.claim.layer_tokens)[0]
        return self.claim.tokens

    def without_compression(self) -> Case:
        """Return the same case with every token kept."""
        claim = replace(self.claim, method="full", retained=None, layer_tokens="")
        return replace(self, claim=claim)

    def plan(self, tokens: int | None = None) -> Plan:
        """Plan of the claim's method; at ``tokens`` before compression, or as it states them."""
        claim, spec = self.claim, self.spec
        assert spec is not None
        if claim.layer_tokens:
            return layered_plan(claim.method, claim.layer_tokens)
        length = tokens if tokens is not None else claim.tokens
        assert length is not None
        work = bare_workload(length)
        if claim.full:
            return make_plan("full", work, spec)
        if claim.method in METHODS:
            return make_plan(claim.method, work, spec, retained=claim.retained)
        return replace(
            make_plan("random", work, spec, retained=claim.retained), method=claim.method
        )

    def flops(
        self, tokens: int | None = None, convention: str | Convention = LEAST, decode: int = 0
    ) -> int:
        """Exact FLOPs of decoder and head, R steps included; choosing tokens is left out."""
        assert self.spec is not None
        rows = count(self.spec, self.plan(tokens), convention, decode)
        return total_flops(row for row in rows if row.component in {"llm", "lm_head"})

    def cache_bytes(self, tokens: int | None = None) -> Fraction:
        """Bytes of the keys and values of the prompt's tokens that a decode step reads."""
        assert self.spec is not None
        text = self.spec.text
        seen = Fraction(0)
        for layer, kept in enumerate(self.plan(tokens).layer_av_tokens):
            seen += Fraction(min(kept, text.window_of(layer) or kept))
        return 2 * text.kv_width * seen * BYTES_PER_WEIGHT[self.dtype]

    def attention_flops(self, tokens: int | None, convention: str) -> int:
        """Exact FLOPs of attention's two products in the prefill, inside :meth:`flops`."""
        assert self.spec is not None
        chosen = require_convention(convention)
        ops = decoder_ops(self.spec.text, self.plan(tokens), chosen, 0)
        pairs = sum(op.multiply_adds for op in ops if op.operator == "attention")
        return round(chosen.flop_per_multiply_add * pairs)


def case_of(claim: Claim) -> Case:
    """Find the model and the device of a claim.

    Raises
    ------
    InputFileError
        A model or device that is not known, or layers that are not the model's; says where.
    """
    try:
        unknown = claim.model.lower().endswith("unknown")
        spec = None if unknown else _spec(claim.model)
        device = None if claim.device is None else load_device(claim.device)
        case = Case(claim=claim, spec=spec, device=device)
        if case.computable and case.length is not None:
            case.flops()
    except OmnizipCostError as error:
        raise InputFileError(claim.place, str(error)) from error
    return case


@cache
def _spec(model: str) -> ModelSpec:
    return load_spec(model)


def product_type(device: Device, dtype: str) -> str:
    """Type in which products of weights of this type run fastest on a device.

    fp32 ones may run as tf32, fp8 and int8 ones as bf16; where the vendor states none of them, in
    the fastest type it does state.
    """
    stated = device.peak_flop_per_s
    names = [name for name in _PEAKS.get(dtype, (dtype,)) if name in stated]
    return max(names or stated, key=stated.__getitem__)


def device_peak(device: Device, dtype: str) -> int:
    """Highest dense peak that products of weights of this type can run at."""
    return device.peak(product_type(device, dtype))


def most_tokens(affords: Callable[[int], bool], *, least: int = 1) -> int:
    """Largest length from ``least`` on that a budget affords, knowing that cost grows; 0: none."""
    if not affords(least):
        return 0
    below, above = least, 2 * least
    while above < MOST_TOKENS and affords(above):
        below, above = above, above * 2
    if above >= MOST_TOKENS:
        return MOST_TOKENS
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (middle, above) if affords(middle) else (below, middle)
    return below
