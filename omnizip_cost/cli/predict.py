"""``predict``: seconds and memory of any configuration on a device that need not be at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from sys import stderr
from typing import TYPE_CHECKING, Annotated, Any

import typer

from omnizip_cost.cli.inputs import InputOptions, ModelOption, parse_names
from omnizip_cost.cli.layers import LayerTokensOption, given_layers
from omnizip_cost.cli.methods import MethodOptions
from omnizip_cost.cli.options import with_options
from omnizip_cost.cli.output import CsvOption, JsonOption, emit, require_one_format
from omnizip_cost.cli.predict_record import RecordOption, check_record
from omnizip_cost.cli.selection import plans_at
from omnizip_cost.cost.conventions import EQ9_DECODE_STEPS
from omnizip_cost.errors import InvalidValueError, OptionsError

if TYPE_CHECKING:
    from omnizip_cost.compression import Plan
    from omnizip_cost.cost.overhead import PlanAt
    from omnizip_cost.hardware import Device
    from omnizip_cost.latency import Calibration, Prediction
    from omnizip_cost.latency.backends import Backend
    from omnizip_cost.specs import ModelSpec
    from omnizip_cost.workload import Workload

DeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="D[,D..]",
        help="Names of `devices`, or TOML files of your own, separated by commas.",
    ),
]
BackendOption = Annotated[
    str,
    typer.Option(
        "--backend",
        metavar="B[,B..]",
        help="What executes the model: hf-eager, hf-sdpa, hf-graphs, compiled, ideal; "
        "several with commas.",
    ),
]
DtypeOption = Annotated[
    str, typer.Option("--dtype", help="Of activations and products: bf16, fp16 or fp32.")
]
WeightOption = Annotated[
    str | None,
    typer.Option(
        "--weight-dtype",
        help="Of the decoder layers' matrices as stored: --dtype's, fp8, int8 or int4.",
    ),
]
CacheOption = Annotated[
    str | None,
    typer.Option("--cache-dtype", help="Of cached keys and values: --dtype's, fp8, int8 or int4."),
]
CalibrationOption = Annotated[
    Path | None,
    typer.Option(
        "--calibration", help="What `calibrate` found on the device, in place of assumptions."
    ),
]
DecodeOption = Annotated[
    int, typer.Option("--decode", help="R: decoded tokens, after the first one.")
]
PruneLayersOption = Annotated[
    int, typer.Option("--prune-layers", help="Cut away that many of the decoder's last layers.")
]
FfnWidthOption = Annotated[
    int | None,
    typer.Option("--ffn-width", help="Cut each FFN down to this width; of experts, each expert's."),
]
OpsOption = Annotated[
    bool,
    typer.Option(
        "--ops", help="Where the time of one configuration goes, operator by operator, and why."
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", help="Write tables of times and memory, and their figures, there."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """What the user said about how the model is stored and executed, not yet checked."""

    backend: BackendOption = "hf-sdpa"
    dtype: DtypeOption = "bf16"
    weight_dtype: WeightOption = None
    cache_dtype: CacheOption = None
    calibration: CalibrationOption = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneOptions:
    """Structured pruning: what the user cuts away of the model itself."""

    prune_layers: PruneLayersOption = 0
    ffn_width: FfnWidthOption = None

    def spec(self, model: str) -> ModelSpec:
        """Return the model of that name, cut as asked."""
        from omnizip_cost.specs import load_spec, pruned

        spec = load_spec(model)
        layers = spec.text.layers
        if not 0 <= self.prune_layers < layers:
            raise InvalidValueError(
                "predict", "--prune-layers", f"from 0 to {layers - 1}", self.prune_layers
            )
        return pruned(spec, layers=layers - self.prune_layers, ffn_width=self.ffn_width)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One prediction beside that of full tokens in the same setting."""

    prediction: Prediction
    full: Prediction
    work: Workload
    plan_at: PlanAt | None
    """The same method on another length; None where layers were given one by one."""

    def row(self) -> dict[str, Any]:
        """Return the flat row: the contract's columns first."""
        from omnizip_cost.latency import prediction_row
        from omnizip_cost.latency.flop_speedups import flop_speedups

        return {
            **prediction_row(self.prediction, self.full),
            **flop_speedups(self.prediction, self.full),
            "usable_bytes": self.prediction.device.usable_bytes,
            "fits_up_to_tokens": self._fits_up_to(),
            "input": self.work.name,
        }

    def _fits_up_to(self) -> int | None:
        """Audio and video tokens of the longest such prompt that fits; None where this one does."""
        mine = self.prediction
        if mine.fits or self.plan_at is None:
            return None
        from omnizip_cost.cost.memory import longest_that_fits

        formats = mine.scheme.formats
        return longest_that_fits(
            mine.spec,
            mine.device.usable_bytes,
            mix=None if self.work.bare_tokens is not None else self.work,
            plan_at=self.plan_at,
            backend=mine.backend.name,
            dtype=formats.dtype,
            weight_dtype=formats.weight_dtype,
            cache_dtype=formats.cache_dtype,
            decode_steps=mine.decode_steps,
        )


@with_options
def predict_command(
    model: ModelOption,
    device: DeviceOption,
    inputs: InputOptions,
    methods: MethodOptions,
    engine: EngineOptions,
    pruning: PruneOptions,
    layer_tokens: LayerTokensOption = None,
    decode: DecodeOption = EQ9_DECODE_STEPS,
    ops: OpsOption = False,
    out: OutOption = None,
    record: RecordOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Seconds and memory on a device that need not be at hand, beside what FLOPs promise.

    Prefill, time to first token, decode and end to end, with the range in which nine in ten such
    predictions should lie; the speed-up over full tokens; peak memory, and whether it fits. Kernels
    take times measured on that device, or an efficiency borrowed from the nearest measured one.

    Example: `omnizip-cost predict --model qwen2.5-omni-7b --device rtx-a6000 --tokens 10004
    --method omnizip`

    Example: `omnizip-cost predict --model qwen2.5-omni-7b --device h100-sxm --tokens 10004 --ops`

    Example: `omnizip-cost predict --model qwen2.5-omni-7b --device h100-sxm --seconds 60
    --pixels 252x448 --decode 16 --record out/predicted.parquet`
    """
    require_one_format(as_json=as_json, as_csv=as_csv)
    if ops and (out is not None or record is not None):
        other = "--out" if record is None else "--record"
        raise OptionsError("predict", f"--ops and {other} exclude each other")
    if record is not None:
        check_record(record, layers_given=layer_tokens is not None)
    spec = pruning.spec(model)
    if layer_tokens is None:
        work = inputs.workload(spec)
        plans: dict[Plan, PlanAt | None] = {**plans_at(methods, work, spec)}
    else:
        work, methods = given_layers(layer_tokens, inputs, methods, spec)
        plans = dict.fromkeys(methods.plans(work, spec))
    devices = parse_names("--device", device)
    if ops:
        _require_one(len(plans) * len(devices) * len(parse_names("--backend", engine.backend)))
    cases = predicted(spec, work, plans, devices, engine, decode)
    if ops:
        _ops(cases[0], as_json=as_json, as_csv=as_csv)
        return
    if out is not None:
        from omnizip_cost.cli.predict_out import write_predictions

        print(*(f"wrote {path}" for path in write_predictions(cases, out)), sep="\n", file=stderr)
    if record is not None:
        from omnizip_cost.cli.predict_record import labels, write_record

        titles = labels(methods, work, spec)
        count = write_record(cases, titles, engine.calibration, record)
        print(f"recorded {count} prediction{'s' * (count != 1)} in {record}", file=stderr)
    if not emit([case.row() for case in cases], as_json=as_json, as_csv=as_csv):
        from omnizip_cost.cli.predict_table import print_predictions

        print_predictions(cases)


def predicted(
    spec: ModelSpec,
    work: Workload,
    plans: Mapping[Plan, PlanAt | None],
    devices: Sequence[str],
    engine: EngineOptions,
    decode: int,
) -> list[Case]:
    """Every plan on every device under every backend, in that order."""
    from omnizip_cost.compression import make_plan
    from omnizip_cost.hardware import load_device
    from omnizip_cost.latency import predict
    from omnizip_cost.latency.backends import require_backend

    cards = [load_device(name) for name in devices]
    backends = [require_backend(name) for name in parse_names("--backend", engine.backend)]
    calibration = read_calibration(engine.calibration, cards)
    whole = make_plan("full", work, spec)

    def timed(plan: Plan, card: Device, backend: Backend) -> Prediction:
        return predict(
            spec,
            plan,
            card,
            workload=work,
            backend=backend.name,
            dtype=engine.dtype,
            weight_dtype=engine.weight_dtype,
            cache_dtype=engine.cache_dtype,
            decode=decode,
            calibration=calibration,
        )

    cases = []
    for card, backend in product(cards, backends):
        full = timed(whole, card, backend)
        for plan, plan_at in plans.items():
            mine = full if plan == whole else timed(plan, card, backend)
            cases.append(Case(prediction=mine, full=full, work=work, plan_at=plan_at))
    return cases


def read_calibration(path: Path | None, cards: Sequence[Device]) -> Calibration | None:
    """Read what was measured on a device, and refuse it for any other.

    Raises
    ------
    InvalidValueError
    """
    if path is None:
        return None
    from omnizip_cost.latency.calibration_file import read_calibration as read

    found = read(path)
    for card in cards:
        if found.fit is not None and found.fit.device != card.name:
            raise InvalidValueError(
                "--calibration", "its device", f"{card.name}, which is asked for", found.fit.device
            )
    return found


def _require_one(configurations: int) -> None:
    """Refuse to list the operators of several configurations."""
    if configurations != 1:
        raise OptionsError(
            "predict",
            f"--ops shows one configuration, not {configurations}: name one device, one backend, "
            "one method and one ratio",
        )


def _ops(case: Case, *, as_json: bool, as_csv: bool) -> None:
    """Operators of one configuration."""
    from omnizip_cost.cli.predict_ops import op_rows, print_ops

    if not emit(op_rows(case.prediction), as_json=as_json, as_csv=as_csv):
        print_ops(case.prediction, case.work)
