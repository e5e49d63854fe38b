"""What choosing the tokens takes: the steps of each method's selection, as they are executed.

The price of the saving. Steps depend on the prompt's layout and the settings alone, never on
data, so they are counted before anything runs. Products are whole: torch's counter around the
real selection sees the same integer. Kernels are operators that torch dispatches to an
accelerator, views apart: each is at least one launch, a sort several. Bytes are what they read
and write in large tensors. What surrounds a selection is not in it: reading the layout on the
host, cutting positions and masks to the survivors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from omnizip_cost.compression.method import Method
from omnizip_cost.compression.method_answers import stated_steps
from omnizip_cost.compression.plan import Plan
from omnizip_cost.compression.selection_op import SelectionOp
from omnizip_cost.cost.selection.omnizip import merges, omnizip_steps
from omnizip_cost.cost.selection.prompt import INDEX, PlannedPrompt
from omnizip_cost.cost.selection.rivals import dycoke_steps, fastv_steps, random_steps
from omnizip_cost.cost.selection.scores import audio_score_steps, video_score_steps
from omnizip_cost.cost.selection.visionzip import visionzip_steps
from omnizip_cost.errors import InvalidValueError, PluginError, UnknownNameError
from omnizip_cost.specs.spec import ModelSpec, require_thinker
from omnizip_cost.units import BYTES_PER_ELEMENT

__all__ = ["SelectionOp", "prunes", "selection_ops"]

Steps = Callable[[PlannedPrompt], Iterator[SelectionOp]]

_STEPS: dict[str, Steps] = {
    "random": random_steps,
    "fastv": fastv_steps,
    "dycoke": dycoke_steps,
    "omnizip": omnizip_steps,
    "visionzip": visionzip_steps,
}


def selection_ops(
    spec: ModelSpec, plan: Plan, *, dtype: str = "bfloat16"
) -> tuple[SelectionOp, ...] | None:
    """Steps by which the plan's method chooses its tokens; none where nothing is chosen.

    Parameters
    ----------
    spec : ModelSpec
    plan : Plan
        Of a described clip; a bare token count has no layout, so nothing can be chosen in it.
    dtype : {"bfloat16", "float16", "float32"}
        Of the prompt's rows, and of the encoders' queries and keys.

    Returns
    -------
    tuple of SelectionOp, or None
        None where the method does not state its steps.

    Raises
    ------
    InvalidValueError
        Another dtype.
    PluginError
        The steps that a method of another package states cannot be read.
    """
    if dtype not in BYTES_PER_ELEMENT:
        known = ", ".join(BYTES_PER_ELEMENT)
        raise InvalidValueError("selection", "dtype", f"one of {known}", dtype)
    if not prunes(plan):
        return ()
    try:
        method = plan.found()
    except (UnknownNameError, PluginError):  # measured elsewhere, where its package was at hand
        return None
    prompt = PlannedPrompt(spec=require_thinker(spec), plan=plan, dtype=dtype)
    own = _own(prompt, method)
    return None if own is None else (*_scores(prompt, method.scores), *own, _gather(prompt))


def _own(prompt: PlannedPrompt, method: Method) -> tuple[SelectionOp, ...] | None:
    """Steps between the scores and the mask: ours for built-in methods, else the method's own."""
    if method.name in _STEPS:
        return tuple(_STEPS[method.name](prompt))
    return stated_steps(method, prompt.plan, prompt.spec)


def prunes(plan: Plan) -> bool:
    """Whether tokens are chosen at all: not in a bare count, nor where all are to be kept."""
    if plan.tokens_per_grid is None or not plan.windows:
        return False
    if plan.fastv_layer is not None:
        return plan.retained != 1
    return bool(plan.rho_a or plan.rho_v)


def _scores(prompt: PlannedPrompt, wanted: Iterable[str]) -> Iterator[SelectionOp]:
    """Encoder attention that the method ranks by."""
    if "audio" in wanted:
        yield from audio_score_steps(prompt)
    if "video" in wanted:
        yield from video_score_steps(prompt)


def _gather(prompt: PlannedPrompt) -> SelectionOp:
    """Survivors' numbers and rows; how many there are is the one thing the host waits for.

    FastV knows that number beforehand. Rows of anchors are written over the gathered ones.
    """
    plan = prompt.plan
    kernels = 7 if plan.fastv_layer is None else 3
    if merges(prompt):
        kernels += 6 + prompt.half
    return SelectionOp(
        name="gather of survivors",
        bytes_moved=2 * plan.kept_tokens * prompt.d * prompt.width + 5 * INDEX * prompt.rows,
        kernels=kernels,
    )
