"""The options that say which model and which input; shared by the commands that need them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from omnizip_cost.errors import InvalidValueError, OptionsError

if TYPE_CHECKING:
    from omnizip_cost.specs import ModelSpec
    from omnizip_cost.workload import VideoSettings, Workload

ModelOption = Annotated[
    str,
    typer.Option(
        "--model", help="A bundled name (see `models`) or a path to a Hugging Face config.json."
    ),
]
ClipArgument = Annotated[
    str | None, typer.Argument(metavar="CLIP", help="A media file with video, sound or both.")
]
TokensOption = Annotated[
    int | None,
    typer.Option("--tokens", help="That many audio+video tokens and nothing else (no mix)."),
]
SecondsOption = Annotated[
    float | None, typer.Option("--seconds", help="Length of a clip that is only described.")
]
PixelsOption = Annotated[
    str | None,
    typer.Option("--pixels", help="Source size HxW in pixels, before resizing, e.g. 252x448."),
]
NoAudioOption = Annotated[bool, typer.Option("--no-audio", help="The described clip has no sound.")]
NoVideoOption = Annotated[
    bool, typer.Option("--no-video", help="The described clip is sound alone.")
]
FpsOption = Annotated[float | None, typer.Option("--fps", help="Frames sampled per second [2].")]
MinPixelsOption = Annotated[
    int | None,
    typer.Option("--min-pixels", help="Least pixels of a resized frame [128 tokens' worth]."),
]
MaxPixelsOption = Annotated[
    int | None,
    typer.Option("--max-pixels", help="Most pixels of a resized frame [768 tokens' worth]."),
]
MaxFramesOption = Annotated[
    int | None, typer.Option("--max-frames", help="Most frames sampled from a clip [768].")
]
TextOption = Annotated[
    int | None, typer.Option("--text-tokens", help="Prompt tokens besides audio, video and marks.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipOptions:
    """What the user said about a clip, not yet checked."""

    clip: ClipArgument = None
    seconds: SecondsOption = None
    pixels: PixelsOption = None
    no_audio: NoAudioOption = False
    no_video: NoVideoOption = False
    fps: FpsOption = None
    min_pixels: MinPixelsOption = None
    max_pixels: MaxPixelsOption = None
    max_frames: MaxFramesOption = None
    text_tokens: TextOption = None

    def workload(self, spec: ModelSpec) -> Workload:
        """Return the workload described, from exactly one source."""
        from omnizip_cost.workload import clip_workload
        from omnizip_cost.workload import workload as described

        sources = self._sources()
        chosen = [name for name, present in sources.items() if present]
        if len(chosen) != 1:
            given = f", not {' and '.join(chosen)}" if chosen else ""
            raise OptionsError(
                "input", f"give exactly one of {', '.join(sources)} (with --pixels HxW){given}"
            )
        text = {} if self.text_tokens is None else {"text_tokens": self.text_tokens}
        settings = self.settings(spec)
        if self.clip is not None:
            self._refuse_beside("CLIP")
            return clip_workload(self.clip, spec, settings=settings, **text)
        assert self.seconds is not None
        if (self.pixels is None) != self.no_video:
            both = ", not both" if self.no_video else ""
            raise OptionsError(
                "input",
                f"--pixels must be given beside --seconds, or --no-video for sound alone{both}",
            )
        return described(
            spec,
            seconds=self.seconds,
            pixels=None if self.pixels is None else parse_pixels(self.pixels),
            audio=not self.no_audio,
            settings=settings,
            **text,
        )

    def settings(self, spec: ModelSpec) -> VideoSettings:
        """Return the video settings: the model's processor's defaults where nothing was said."""
        from dataclasses import replace

        from omnizip_cost.specs import require_thinker
        from omnizip_cost.workload import default_settings

        defaults = default_settings(spec)
        said: dict[str, float | int] = {
            name: value
            for name in ("fps", "min_pixels", "max_pixels", "max_frames")
            if (value := getattr(self, name)) is not None
        }
        if self.max_pixels is not None and self.min_pixels is None:
            said["min_pixels"] = min(self.max_pixels, defaults.min_pixels)
        least = require_thinker(spec).vision.pixels_per_token ** 2
        if self.max_pixels is not None and self.max_pixels < least:
            raise InvalidValueError(
                "input", "--max-pixels", f"at least {least}, one token's worth", self.max_pixels
            )
        if self.max_frames is not None:
            said["min_frames"] = min(self.max_frames, defaults.min_frames)
        return replace(defaults, **said)  # type: ignore[arg-type]

    def _sources(self) -> dict[str, bool]:
        """Name each source and say whether it was given."""
        return {"CLIP": self.clip is not None, "--seconds": self.seconds is not None}

    def _refuse_beside(self, source: str, *names: str) -> None:
        """Refuse options that make no sense beside ``source``."""
        for name in ("pixels", "no_audio", "no_video", *names):
            if getattr(self, name) not in (None, False):
                option = f"--{name.replace('_', '-')}"
                raise OptionsError("input", f"{option} must be left out beside {source}")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputOptions(ClipOptions):
    """What the user said about the input, a bare number of tokens included."""

    tokens: TokensOption = None

    def workload(self, spec: ModelSpec) -> Workload:
        """Return the workload described, from exactly one source."""
        from omnizip_cost.workload import bare_workload

        if self.tokens is None or sum(self._sources().values()) > 1:
            return ClipOptions.workload(self, spec)
        described = ("fps", "min_pixels", "max_pixels", "max_frames", "text_tokens")
        self._refuse_beside("--tokens", *described)
        return bare_workload(self.tokens)

    def _sources(self) -> dict[str, bool]:
        clip, seconds = ClipOptions._sources(self).items()
        return dict([clip, ("--tokens", self.tokens is not None), seconds])


def parse_pixels(text: str) -> tuple[int, int]:
    """Read ``HxW``.

    >>> parse_pixels("252x448")
    (252, 448)
    """
    match = re.fullmatch(r"\s*(\d+)\s*[xX]\s*(\d+)\s*", text)
    if match is None:
        raise InvalidValueError("input", "--pixels", "HxW, like 252x448", text)
    return int(match[1]), int(match[2])


def parse_ratios(option: str, text: str) -> list[float]:
    """Read a comma-separated list of ratios in [0, 1].

    >>> parse_ratios("--retained", "0.5,0.35")
    [0.5, 0.35]
    """
    ratios = []
    for part in text.split(","):
        try:
            value = float(part)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1:
            raise InvalidValueError(
                "input", option, "ratios in [0, 1], like 0.5,0.35", part.strip()
            )
        ratios.append(value)
    return list(dict.fromkeys(ratios))


def parse_names(option: str, text: str) -> list[str]:
    """Read a comma-separated list of names, each once.

    >>> parse_names("--convention", "eq9, torch,eq9")
    ['eq9', 'torch']
    """
    names = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not names:
        raise InvalidValueError("input", option, "at least one name", text)
    return names
