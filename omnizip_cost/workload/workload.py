"""The workload: how many tokens of which modality enter the language model, run by run."""

from __future__ import annotations

from dataclasses import dataclass

from omnizip_cost.errors import InvalidValueError


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSettings:
    """How frames are sampled and resized; the defaults are the Qwen2.5-Omni processor's."""

    fps: float = 2.0
    min_pixels: int = 128 * 28 * 28
    max_pixels: int = 768 * 28 * 28
    min_frames: int = 4
    max_frames: int = 768
    cap_pixels_per_frame: bool = False
    """Also hold each frame to an even share of ``max_video_tokens`` (off by default in the
    processor of transformers 5.17 to 5.23; ``qwen-vl-utils`` has it on)."""
    max_video_tokens: int = 128_000

    def __post_init__(self) -> None:
        if not 0 < self.fps <= 1000:
            raise InvalidValueError("video settings", "fps", "above 0 and at most 1000", self.fps)
        if not 0 < self.min_pixels <= self.max_pixels:
            raise InvalidValueError(
                "video settings",
                "min_pixels",
                f"between 1 and max_pixels ({self.max_pixels})",
                self.min_pixels,
            )
        if not 0 < self.min_frames <= self.max_frames:
            raise InvalidValueError(
                "video settings",
                "min_frames",
                f"between 1 and max_frames ({self.max_frames})",
                self.min_frames,
            )
        if self.max_video_tokens <= 0:
            raise InvalidValueError(
                "video settings", "max_video_tokens", "a positive number", self.max_video_tokens
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One unbroken run of video tokens with the unbroken run of audio tokens after it.

    In Qwen2.5-Omni this is a 2 s window (2 grids, 50 audio tokens), except the last one, which
    takes everything by which one modality outlasts the other.
    """

    video_tokens: int
    audio_tokens: int

    @property
    def tokens(self) -> int:
        """Audio and video tokens."""
        return self.video_tokens + self.audio_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What enters the language model for one clip and one prompt.

    ``windows`` are in prompt order. With ``bare_tokens`` set there is no mix and there are no
    windows: that many audio+video tokens and nothing else (``--tokens N``).
    """

    name: str
    windows: tuple[Window, ...]
    tokens_per_grid: int
    text_before: int
    """Prompt tokens before the first audio or video token, begin marks included."""
    text_after: int
    """Prompt tokens after the last audio or video token, end marks included."""
    grid_thw: tuple[int, int, int] | None
    """Patches of the video (time, height, width), None without video."""
    frame_height: int = 0
    """Height of a frame after resizing, in pixels."""
    frame_width: int = 0
    frames: int = 0
    """Frames sampled from the video (before padding to whole grids)."""
    seconds_per_grid: float = 1.0
    mel_frames: int = 0
    """Log-mel frames that reach the audio encoder (100 per second)."""
    video_seconds: float = 0.0
    audio_seconds: float = 0.0
    bare_tokens: int | None = None
    notes: tuple[str, ...] = ()
    """What a reader must know: cut audio, capped frames, padded grids."""

    @property
    def video_tokens(self) -> int:
        """Video tokens of the whole clip."""
        return sum(window.video_tokens for window in self.windows)

    @property
    def audio_tokens(self) -> int:
        """Audio tokens of the whole clip."""
        return sum(window.audio_tokens for window in self.windows)

    @property
    def av_tokens(self) -> int:
        """Audio and video tokens: the ``n`` of Eq. 9."""
        if self.bare_tokens is not None:
            return self.bare_tokens
        return self.video_tokens + self.audio_tokens

    @property
    def text_tokens(self) -> int:
        """Tokens that are never pruned: text and marks."""
        return self.text_before + self.text_after

    @property
    def tokens(self) -> int:
        """All tokens of the prompt."""
        return self.av_tokens + self.text_tokens


def bare_workload(tokens: int) -> Workload:
    """Return ``tokens`` audio+video tokens and nothing else: no mix, no windows, no text."""
    if isinstance(tokens, bool) or not isinstance(tokens, int) or tokens <= 0:
        raise InvalidValueError("workload", "tokens", "a positive whole number", tokens)
    return Workload(
        name=f"{tokens:,} tokens",
        windows=(),
        tokens_per_grid=0,
        text_before=0,
        text_after=0,
        grid_thw=None,
        bare_tokens=tokens,
    )
