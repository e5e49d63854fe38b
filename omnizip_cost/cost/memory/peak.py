"""Peak memory of one pass, stage by stage, told as the thinker's forward runs."""

from __future__ import annotations

from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost.formats import Formats
from omnizip_cost.cost.memory.estimate import MemoryEstimate, StageMemory
from omnizip_cost.cost.memory.live import Live, block_bytes, exact_bytes
from omnizip_cost.cost.memory.run import Run
from omnizip_cost.cost.memory.selection import WORKSPACES
from omnizip_cost.cost.memory.storage import weight_bytes
from omnizip_cost.cost.memory.story import STOCK_ENCODERS, tell
from omnizip_cost.cost.selection import prunes
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.results.schema import STAGES
from omnizip_cost.specs.spec import ModelSpec, ThinkerSpec
from omnizip_cost.workload.workload import Workload


def memory_peak(
    spec: ModelSpec,
    plan: Plan,
    workload: Workload | None = None,
    *,
    backend: str = "hf-sdpa",
    dtype: str = "bf16",
    weight_dtype: str | None = None,
    cache_dtype: str | None = None,
    decode_steps: int = 100,
    allocator: bool = True,
) -> MemoryEstimate:
    """Most memory that one pass needs on the device, by stage and by what takes it.

    Each stage is told operator by operator: a tensor counts from when it is made until nothing
    names it any more (see :mod:`omnizip_cost.cost.memory.live`). In letters, for the stock 7B in
    bf16 (2 bytes): FFN 2 n (3 m + 3 d), logits 2 n V, cache 4 T g a (n + R), eager attention
    10 h n^2 (bf16) or 8 h n^2 (fp16), and FastV's ranking the same for one layer.

    Parameters
    ----------
    spec : ModelSpec
    plan : Plan
        Tokens that enter each layer.
    workload : Workload, optional
        The clip behind the plan: its inputs and encoders take memory as well.
    backend : {"hf-eager", "hf-sdpa", "hf-graphs", "compiled", "ideal"}
    dtype : {"bf16", "fp16", "fp32"}
    weight_dtype, cache_dtype : str, optional
        ``dtype``, or one of "fp8", "int8", "int4".
    decode_steps : int
        R, tokens of the answer after the first.
    allocator : bool
        Count what PyTorch's caching allocator adds to each tensor (its blocks, not segments it
        keeps in reserve); without, tensors alone, as on no device.

    Returns
    -------
    MemoryEstimate
        Outside it: the CUDA context, workspaces that kernels allocate (cuBLAS 8 to 32 MiB), and
        memory that the allocator keeps though no tensor is in it.

    Raises
    ------
    UnknownNameError, InvalidValueError
        Another backend or format, or steps that are no whole number.
    """
    if isinstance(decode_steps, bool) or not isinstance(decode_steps, int) or decode_steps < 0:
        raise InvalidValueError("memory", "decode_steps", "a whole number, 0 or more", decode_steps)
    formats = Formats.of(dtype, weight_dtype, cache_dtype)
    run = Run.of(backend, formats)
    clip = workload if isinstance(spec, ThinkerSpec) and workload and workload.windows else None
    live = Live(block_bytes if allocator else exact_bytes)
    live.hold("all weights", weight_bytes(spec, formats), "weights")
    tell(live, run, spec, plan, clip, decode_steps)
    told = live.stages
    return MemoryEstimate(
        model=spec.name,
        method=plan.method,
        backend=run.backend,
        dtype=formats.dtype,
        weight_dtype=formats.weight_dtype,
        cache_dtype=formats.cache_dtype,
        tokens=plan.av_tokens + plan.text_tokens,
        kept_tokens=plan.kept_tokens,
        decode_steps=decode_steps,
        stages=tuple(StageMemory.of(stage, told[stage]) for stage in STAGES if stage in told),
        notes=_notes(spec, run, plan, clip),
    )


def _notes(spec: ModelSpec, run: Run, plan: Plan, clip: Workload | None) -> tuple[str, ...]:
    """What the estimate leaves out or assumes."""
    said: tuple[str, ...] = ()
    if run.stock and clip is not None and spec.family not in STOCK_ENCODERS:
        said += (f"the encoders of {spec.family} are told as fused ones: a lower bound",)
    if prunes(plan) and plan.method not in WORKSPACES:
        said += (f"working tensors of {plan.method}'s selection are not known and left out",)
    return said
