"""The options that say what is compressed and how far; shared by ``flops`` and ``profile``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from omnizip_cost.cli.inputs import parse_names, parse_ratios
from omnizip_cost.compression.settings import FASTV_LAYER
from omnizip_cost.errors import OptionsError, PluginError

if TYPE_CHECKING:
    from omnizip_cost.compression import Plan, Setting
    from omnizip_cost.specs import ModelSpec
    from omnizip_cost.workload import Workload

MethodOption = Annotated[
    str | None,
    typer.Option(
        "--method",
        help="Names separated by commas, or `all`. Default: `full` without a ratio, `omnizip` "
        "with one. A method without a ratio takes its default settings: see `methods NAME`.",
    ),
]
RetainedOption = Annotated[
    str | None, typer.Option("--retained", help="Shares of audio+video tokens kept: 0.45,0.35")
]
AudioPruningOption = Annotated[
    float | None, typer.Option("--audio-pruning", help="rho_a, with --video-pruning.")
]
VideoPruningOption = Annotated[
    float | None, typer.Option("--video-pruning", help="rho_v, with --audio-pruning.")
]
ModeOption = Annotated[
    str, typer.Option("--mode", help="OmniZip as in the `paper` or as in the `official` code.")
]
FastvLayerOption = Annotated[
    int, typer.Option("--fastv-layer", help="K: layers that FastV runs on all tokens.")
]
FastvFormOption = Annotated[
    str,
    typer.Option(
        "--fastv-form",
        help="FastV's attention `materialised` as published, or only the `last-query`: the same "
        "tokens, another cost.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodOptions:
    """What the user said about methods and ratios, not yet checked."""

    method: MethodOption = None
    retained: RetainedOption = None
    audio_pruning: AudioPruningOption = None
    video_pruning: VideoPruningOption = None
    mode: ModeOption = "paper"
    fastv_layer: FastvLayerOption = FASTV_LAYER
    fastv_form: FastvFormOption = "materialised"

    @property
    def unsaid(self) -> bool:
        """Whether neither a method nor a ratio was given."""
        said = (self.method, self.retained, self.audio_pruning, self.video_pruning)
        return all(value is None for value in said)

    def settings(self) -> list[Setting]:
        """Return every (method, ratio) asked for, in order."""
        from omnizip_cost.compression import Setting, default_settings, require_method

        pair = self.audio_pruning is not None or self.video_pruning is not None
        if pair and self.retained is not None:
            raise OptionsError(
                "input",
                "give either --retained or the pair --audio-pruning and --video-pruning, not both",
            )
        if pair and (self.audio_pruning is None or self.video_pruning is None):
            missing = "--audio-pruning" if self.audio_pruning is None else "--video-pruning"
            raise OptionsError("input", f"{missing} must be given together with its partner")
        ratios = None if self.retained is None else parse_ratios("--retained", self.retained)
        default = "omnizip" if pair or ratios else "full"
        names = parse_names("--method", default if self.method is None else self.method)
        names = _every_name() if names == ["all"] else names
        chosen: list[Setting] = []
        for name in names:
            if require_method(name).prunes == "nothing":
                chosen.append(Setting(method="full", retained=1.0))
            elif ratios is not None:
                chosen += [Setting(method=name, retained=ratio) for ratio in ratios]
            elif pair:
                chosen.append(
                    Setting(
                        method=name,
                        retained=None,
                        rho_a=self.audio_pruning,
                        rho_v=self.video_pruning,
                    )
                )
            else:
                chosen += default_settings(name)
        return chosen

    def plans(self, work: Workload, spec: ModelSpec) -> list[Plan]:
        """Return the plan of every setting on this workload."""
        plans = [self.plan(setting, work, spec) for setting in self.settings()]
        return list(dict.fromkeys(plans))

    def plan(self, setting: Setting, work: Workload, spec: ModelSpec) -> Plan:
        """Return the plan of one setting on this workload."""
        from omnizip_cost.compression import make_plan, require_method

        if require_method(setting.method).prunes == "nothing":
            return make_plan(setting.method, work, spec, mode=self.mode)  # type: ignore[arg-type]
        bare = work.bare_tokens is not None
        nominal = setting.retained
        return make_plan(
            setting.method,
            work,
            spec,
            retained=nominal,
            audio_pruning=None if bare and nominal is not None else setting.rho_a,
            video_pruning=None if bare and nominal is not None else setting.rho_v,
            mode=self.mode,  # type: ignore[arg-type]
            fastv_layer=self.fastv_layer,
            fastv_form=self.fastv_form,  # type: ignore[arg-type]
        )


def _every_name() -> list[str]:
    """Every method that can be used; what cannot is named on stderr."""
    from omnizip_cost.compression import all_methods

    methods, refusals = all_methods()
    warn(refusals)
    return [method.name for method in methods]


def labelled(plans: Sequence[Plan]) -> dict[str, Plan]:
    """Plans by title; ratios to three digits, or as long as it takes to tell plans apart."""
    from omnizip_cost.compression import Setting

    def label(plan: Plan, digits: int) -> str:
        rho_a, rho_v = (
            None if rho is None else float(f"{rho:.{digits}g}") for rho in (plan.rho_a, plan.rho_v)
        )
        return Setting(method=plan.method, retained=plan.retained, rho_a=rho_a, rho_v=rho_v).label

    short = {label(plan, 3): plan for plan in plans}
    return short if len(short) == len(plans) else {label(plan, 6): plan for plan in plans}


def warn(refusals: Sequence[PluginError]) -> None:
    """Say on stderr which offers of other packages are left out, a sentence each."""
    for refusal in refusals:
        print(f"omnizip-cost: left out: {refusal}", file=sys.stderr)
