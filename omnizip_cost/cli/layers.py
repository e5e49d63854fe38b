"""``--layer-tokens``: a configuration given layer by layer, in place of an input and a method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from omnizip_cost.cli.inputs import InputOptions
from omnizip_cost.cli.methods import MethodOptions
from omnizip_cost.errors import InvalidValueError

if TYPE_CHECKING:
    from omnizip_cost.compression import Plan, Setting
    from omnizip_cost.specs import ModelSpec
    from omnizip_cost.workload import Workload

LABEL = "layered"
"""What tables call a plan whose method was not named."""

LayerTokensOption = Annotated[
    str | None,
    typer.Option(
        "--layer-tokens",
        metavar="LxN+LxN",
        help="Audio+video tokens entering each layer, such as 18x2500+10x1250, in place of an "
        "input and a method.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenLayers(MethodOptions):
    """Stands where methods do: one plan, whatever the input."""

    layered: Plan

    def plans(self, work: Workload, spec: ModelSpec) -> list[Plan]:
        """Return the plan."""
        return [self.layered]

    def settings(self) -> list[Setting]:
        """Return one setting, so that tables have one row."""
        from omnizip_cost.compression import Setting

        return [Setting(method=LABEL, retained=self.layered.retained)]

    def plan(self, setting: Setting, work: Workload, spec: ModelSpec) -> Plan:
        """Return the plan."""
        return self.layered


def given_layers(
    text: str, inputs: InputOptions, methods: MethodOptions, spec: ModelSpec
) -> tuple[Workload, GivenLayers]:
    """Return the bare input and the plan that ``--layer-tokens`` spells out.

    Raises
    ------
    InvalidValueError
        An input or a method beside it, or no schedule of this model's layers.
    """
    from omnizip_cost.compression import layered_plan
    from omnizip_cost.workload import bare_workload

    if inputs != InputOptions() or methods != MethodOptions():
        raise InvalidValueError(
            "input", "--layer-tokens", "given without an input, a method or a ratio", text
        )
    plan = layered_plan(LABEL, text)
    if len(plan.layer_av_tokens) != spec.text.layers:
        raise InvalidValueError(
            "input",
            "--layer-tokens",
            f"given for the {spec.text.layers} layers of {spec.name}",
            f"{len(plan.layer_av_tokens)} layers",
        )
    return bare_workload(plan.av_tokens), GivenLayers(layered=plan)
