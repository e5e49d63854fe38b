"""One convention: what a printed FLOP number silently assumes, as a record that checks itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from omnizip_cost.errors import InvalidValueError

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")

CHOICES: Mapping[str, tuple[object, ...]] = {
    "flop_per_multiply_add": (1, 2),
    "widths": ("hidden", "grouped"),
    "ffn_width": ("built", "4d"),
    "attention": ("full", "causal", "none"),
    "lm_head": ("none", "every", "last"),
    "tokens": ("audio+video", "video", "all"),
    "decode": (True, False),
    "encoders": (True, False),
    "counts_padding": (True, False),
    "selection": (True, False),
}
"""What each choice may be; ``ffn_matrices`` is any positive number, or None as built."""

TEXTS = ("answers", "source")
"""Sentences that every convention must have: nobody can check a number without a source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Convention:
    """The choices behind one FLOP count: matrix products and convolutions, nothing elementwise.

    R, the number of decoded tokens, and the text around a clip belong to what is counted, not to
    how it is counted: they are no choices here.

    Raises
    ------
    InvalidValueError
        A choice that is none of those allowed, or two that contradict each other.
    """

    name: str
    flop_per_multiply_add: Literal[1, 2]
    widths: Literal["hidden", "grouped"]
    """Width of queries, keys and values: all d, or h * a and g * a as built. Only as built are
    keys that a sliding window hides left out, in causal prefill and in decode."""
    ffn_matrices: int | None
    """Products per FFN; None: as built (3 when gated), with the router of a mixture of experts."""
    ffn_width: Literal["built", "4d"] = "built"
    """Width m of the FFN: the model's own (of the experts that run), or four times d."""
    attention: Literal["full", "causal", "none"]
    """Pairs counted in prefill: n^2, or n (n + 1) / 2, and n + i keys in step i of decode; or no
    pairs at all, as by counters that miss fused attention and by the rule of two FLOPs per
    parameter and token."""
    lm_head: Literal["none", "every", "last"]
    """Prefill positions whose logits are counted; with decode, each step's as well."""
    tokens: Literal["audio+video", "video", "all"]
    """Which tokens n counts. A bare count's r * n is whole under ``all``, real-valued else."""
    decode: bool
    """Whether the R decode steps are counted, which make R tokens after the one of prefill."""
    encoders: bool
    """Whether the audio and vision encoders are counted, of both Omni families."""
    counts_padding: bool = False
    """Whether the encoders' convolutions are counted as the stock thinker runs them, padded."""
    selection: bool
    """Whether choosing the tokens is counted, as it is executed."""
    answers: str
    """What it answers, in one line."""
    used_by: str = ""
    """Whose numbers follow it."""
    source: str
    """Paper with equation or section, or code, where it is stated."""
    note: str = ""
    """What else a reader of its numbers must know."""

    def __post_init__(self) -> None:
        owner = f"convention {self.name!r}"
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            expected = (
                "small letters, digits, '-', '_' and '.', at most 64, a letter or digit first"
            )
            raise InvalidValueError("convention", "name", expected, self.name)
        for field, allowed in CHOICES.items():
            check_choice(owner, field, getattr(self, field), allowed)
        matrices = self.ffn_matrices
        if matrices is not None and (
            isinstance(matrices, bool) or not isinstance(matrices, int) or matrices < 1
        ):
            raise InvalidValueError(
                owner, "ffn_matrices", "a positive whole number, or None as built", matrices
            )
        for field in TEXTS:
            text = getattr(self, field)
            if not isinstance(text, str) or not text.strip():
                raise InvalidValueError(owner, field, "a sentence", text)
        for field in ("used_by", "note"):
            if not isinstance(getattr(self, field), str):
                raise InvalidValueError(owner, field, "text", getattr(self, field))
        if self.counts_padding and not self.encoders:
            raise InvalidValueError(
                owner, "counts_padding", "false where the encoders are not counted", True
            )

    @property
    def leaves_out(self) -> tuple[str, ...]:
        """What it does not count although it is computed, read off the choices."""
        missing = {
            "the additions": self.flop_per_multiply_add == 1,
            "text tokens": self.tokens == "audio+video",
            "text and audio tokens": self.tokens == "video",
            "a gated FFN's third product": self.ffn_matrices is not None and self.ffn_matrices < 3,
            "attention's two products": self.attention == "none",
            "the router of experts": self.ffn_matrices is not None,
            "the LM head": self.lm_head == "none",
            "decode": not self.decode,
            "encoders": not self.encoders,
            "selection": not self.selection,
            "norms, softmax and other elementwise work": True,
        }
        return tuple(what for what, holds in missing.items() if holds)

    @property
    def counts_beyond(self) -> tuple[str, ...]:
        """What it counts although nobody needs it, read off the choices."""
        extra = {
            "keys and values as wide as queries, even where they are grouped": (
                self.widths == "hidden"
            ),
            "an FFN of width 4 d, whatever the model has": self.ffn_width == "4d",
            "pairs behind the causal mask": self.attention == "full",
            "logits of prompt positions that predict nothing": self.lm_head == "every",
            "padding of convolution chunks": self.counts_padding,
        }
        return tuple(what for what, holds in extra.items() if holds)

    @property
    def choices(self) -> str:
        """Every choice in one line; two conventions that count alike have the same."""
        texts = {"name", "used_by", "note", *TEXTS}
        pairs = {item.name: getattr(self, item.name) for item in fields(self)}
        return "; ".join(
            f"{name} = {spelled('as built' if value is None else value)}"
            for name, value in pairs.items()
            if name not in texts
        )

    def facts(self) -> dict[str, Any]:
        """Return the record as one flat row."""
        return {
            **asdict(self),
            "leaves_out": "; ".join(self.leaves_out),
            "counts_beyond": "; ".join(self.counts_beyond),
        }


def check_choice(owner: str, field: str, value: object, allowed: tuple[object, ...]) -> None:
    """Refuse a value that is none of the ``allowed`` ones; True is no 1.

    Raises
    ------
    InvalidValueError
    """
    if not any(type(value) is type(option) and value == option for option in allowed):
        options = [spelled(option) for option in allowed]
        expected = f"{', '.join(options[:-1])} or {options[-1]}"
        raise InvalidValueError(owner, field, expected, value)


def spelled(option: object) -> str:
    """Write a choice as a TOML file does: true, 'full', 2."""
    return str(option).lower() if isinstance(option, bool) else repr(option)
