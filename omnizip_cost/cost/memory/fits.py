"""How long a prompt may be before a device's memory gives out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from omnizip_cost.compression.build import make_plan
from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost.break_even import MOST_TOKENS, longest, same_mix
from omnizip_cost.cost.memory.peak import memory_peak
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.specs.spec import ModelSpec
from omnizip_cost.workload.workload import Workload, bare_workload


def longest_that_fits(
    spec: ModelSpec,
    memory_bytes: int,
    method: str = "full",
    *,
    retained: float | None = None,
    mix: Workload | None = None,
    plan_at: Callable[[Workload], Plan] | None = None,
    backend: str = "hf-sdpa",
    dtype: str = "bf16",
    weight_dtype: str | None = None,
    cache_dtype: str | None = None,
    decode_steps: int = 100,
) -> int:
    """Most audio and video tokens, before any are dropped, that a pass can take in.

    Parameters
    ----------
    spec : ModelSpec
    memory_bytes : int
        What one process can allocate: a device's ``usable_bytes``.
    method : str
    retained : float, optional
        Share of tokens that the method keeps.
    mix : Workload, optional
        A clip that goes on as it does, window by window; its encoders take memory as well. None:
        bare tokens, one by one, for the text model alone.
    plan_at : callable, optional
        The plan of any clip, where ``method`` and ``retained`` do not say all of it.
    backend, dtype, weight_dtype, cache_dtype, decode_steps
        As in :func:`~omnizip_cost.cost.memory.peak.memory_peak`.

    Returns
    -------
    int
        0 where not even the shortest prompt fits; ``MOST_TOKENS``, or with a mix a little less,
        where all fit that are looked at.

    Raises
    ------
    InvalidValueError, UnknownNameError

    Examples
    --------
    >>> from omnizip_cost.specs import load_spec
    >>> longest_that_fits(load_spec("qwen2.5-omni-7b"), 10 * 10**9)
    0
    """
    if isinstance(memory_bytes, bool) or not isinstance(memory_bytes, int) or memory_bytes < 0:
        raise InvalidValueError("memory", "memory_bytes", "whole bytes, 0 or more", memory_bytes)

    def planned(work: Workload) -> Plan:
        return make_plan(method, work, spec, retained=retained)

    plan_of = plan_at or planned

    def clip(length: int) -> Workload:
        return bare_workload(length) if mix is None else _of_windows(mix, length)

    def fits(length: int) -> bool:
        work = clip(length)
        needed = memory_peak(
            spec,
            plan_of(work),
            work,
            backend=backend,
            dtype=dtype,
            weight_dtype=weight_dtype,
            cache_dtype=cache_dtype,
            decode_steps=decode_steps,
        )
        return needed.peak_bytes <= memory_bytes

    found = _last(fits, MOST_TOKENS if mix is None else longest(mix))
    return clip(found).av_tokens if found else 0


def _of_windows(mix: Workload, length: int) -> Workload:
    """Return a clip of so many windows, with as many grids of patches as its video tokens make."""
    work = same_mix(mix, length)
    if mix.grid_thw is None:
        return work
    _, height, width = mix.grid_thw
    return replace(work, grid_thw=(-(-work.video_tokens // mix.tokens_per_grid), height, width))


def _last(fits: Callable[[int], bool], most: int) -> int:
    """Largest length up to ``most`` that fits, knowing that longer ones need more; 0: none."""
    if not fits(1):
        return 0
    below, above = 1, 2
    while above <= most and fits(above):
        below, above = above, above * 2
    above = min(above, most + 1)
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (middle, above) if fits(middle) else (below, middle)
    return below
