"""AIConfigurator's interpolation of GEMM times, given the rows that a fold knows and nothing else.

Of a shape that NVIDIA measured it returns the measurement, so its errors on records of its own say
nothing of it. What can be told fairly is its method. It reads its tables from a folder; here it
gets one whose only kernel times are a fold's known rows, and is asked for the rows left out, as our
own fits are. The columns of such a table are those that its public collector writes
(github.com/ai-dynamo/aiconfigurator, collector/vllm/collect_gemm.py).

Products only: its attention operators are more than the kernel. Asked for shapes that it was
given, prefill attention came out a constant 13 us longer on the H100, and decode attention is held
above the roofline, which kernels with a warm cache beat.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from predictors_aiconfigurator import BACKEND, SYSTEMS, engine, quiet

from omnizip_cost.specs import TextSpec

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

_SYSTEM_FILES = ("query_versions.yaml", "attention_lane_defaults.yaml")


def interpolated_ms(
    text: TextSpec, device: str, known: pd.DataFrame, asked: pd.DataFrame
) -> NDArray[np.float64]:
    """What AIConfigurator says of products left out, given no kernel times but the known ones.

    Parameters
    ----------
    text : TextSpec
        Any decoder: an engine is compiled for one.
    device : str
    known, asked : DataFrame
        Records that it may use, and those to predict: columns ``m``, ``n``, ``k``, the known ones
        with ``latency_ms``.

    Returns
    -------
    array, (len(asked),)
        Milliseconds.
    """
    from aiconfigurator_core.sdk.common import GEMMQuantMode
    from aiconfigurator_core.sdk.engine import build_ops_json
    from aiconfigurator_core.sdk.operations.gemm import GEMM

    answers = np.empty(len(asked))
    with quiet(), tempfile.TemporaryDirectory() as place:
        _write_tables(Path(place), SYSTEMS[device], known)
        handle = engine(text, device, Path(place), Path(place))
        shapes = zip(asked["m"], asked["n"], asked["k"], strict=True)
        for index, (m, n, k) in enumerate(shapes):
            ops = build_ops_json([GEMM("gemm", 1.0, int(n), int(k), GEMMQuantMode.bfloat16)])
            ((_, answers[index], *_),) = handle.evaluate_ops_json(
                ops, is_context=True, batch_size=1, s=1, x=int(m)
            )
    return answers


def _write_tables(place: Path, system: str, known: pd.DataFrame) -> None:
    """Write a folder with one table: its own facts of the device, the known kernel times."""
    import aiconfigurator_core
    import pandas as pd
    from aiconfigurator_core.sdk.perf_database import get_latest_database_version

    home = Path(aiconfigurator_core.__file__).parent / "systems"
    for name in (*_SYSTEM_FILES, f"{system}.yaml"):
        shutil.copy(home / name, place)
    current = str(get_latest_database_version(system, BACKEND))
    target = place / "data" / system / "gemm" / BACKEND / current
    target.mkdir(parents=True)
    columns = {name: known[name].astype("int64") for name in ("m", "n", "k")}
    columns["latency"] = known["latency_ms"].astype("float64")
    table = pd.DataFrame(columns).assign(
        framework="VLLM", version=current, device="", op_name="gemm", kernel_source="vllm_default",
        gemm_dtype="bfloat16",
    )  # fmt: skip
    table.to_parquet(target / "gemm_perf.parquet", index=False)
