"""AIConfigurator as it is asked here: for the time of a whole decoder.

`pip install -e . aiconfigurator-core` brings it (NVIDIA, Apache-2.0; read here: 0.12.0). It is
asked for predictions alone, never for its tables.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from omnizip_cost.specs import TextSpec
from omnizip_cost.units import KILO

PACKAGE = "aiconfigurator-core"
BACKEND = "vllm"
"""Whose kernels: those the given records were measured with."""

SYSTEMS: Mapping[str, str] = {
    "h100-sxm": "h100_sxm",
    "h200-sxm": "h200_sxm",
    "a100-sxm": "a100_sxm",
    "l40s": "l40s",
    "rtx-pro-6000": "rtx_pro_6000_server",
}
"""Names of the measured devices there."""


def installed() -> str | None:
    """Return the version at hand; None where the package is not installed."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return None


def missing() -> str:
    """Say what is left out without it, and how to get it."""
    return (
        f"{PACKAGE} is not installed: its predictions are left out; "
        f"`pip install {PACKAGE}` brings it"
    )


@dataclass(frozen=True, slots=True)
class Decoder:
    """A dense decoder on one card, one prompt at a time, as AIConfigurator composes it.

    Embedding, norms, products, attention, activation and the head at one position; no launch
    overhead of a framework.
    """

    handle: Any

    def prefill_s(self, tokens: int) -> float:
        """Seconds of the prefill of one prompt."""
        return self.handle.predict_prefill_latency(1, tokens) / KILO

    def decode_s_per_token(self, tokens: int, steps: int) -> float:
        """Seconds of one of ``steps`` steps after a prompt, on average, each step asked for."""
        _, decode_ms, _ = self.handle.run_static(batch_size=1, isl=tokens, osl=steps + 1, stride=1)
        return decode_ms / steps / KILO


@contextmanager
def decoder(text: TextSpec, device: str) -> Iterator[Decoder]:
    """Give the decoder of a model on a measured device; dense models only."""
    with quiet(), tempfile.TemporaryDirectory() as folder:
        yield Decoder(engine(text, device, Path(folder)))


def _config(text: TextSpec) -> dict[str, Any]:
    """The decoder as a Hugging Face config of the family it is built like (Qwen2)."""
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "torch_dtype": "bfloat16",
        "hidden_act": "silu",
        "hidden_size": text.hidden_size,
        "intermediate_size": text.intermediate_size,
        "num_hidden_layers": text.layers,
        "num_attention_heads": text.heads,
        "num_key_value_heads": text.kv_heads,
        "vocab_size": text.vocab_size,
        "tie_word_embeddings": text.tied_embeddings,
        "max_position_embeddings": 32_768,
    }


def engine(text: TextSpec, device: str, folder: Path, systems: Path | None = None) -> Any:
    """Compile its engine of a decoder; ``systems`` in place of its own folder of tables."""
    from aiconfigurator_core.sdk import EngineHandle

    (folder / "config.json").write_text(json.dumps(_config(text)))
    own = None if systems is None else str(systems)
    return EngineHandle.compile(str(folder), SYSTEMS[device], BACKEND, systems_path=own)


@contextmanager
def quiet() -> Iterator[None]:
    """Hush its remarks on tables of operators that are not asked for."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
