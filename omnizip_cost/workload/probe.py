"""What a media file holds: the streams chosen, their size, rate and number of frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omnizip_cost.errors import MediaError
from omnizip_cost.units import MICRO

NOT_MEDIA = frozenset({"tty", "bin", "xbin", "idf", "adf"})
"""FFmpeg formats that draw any text file as a picture; a clip is never meant by them."""
MAX_RATE_HZ = 1000.0
"""Frame rates above this are timestamps' resolution, not a rate."""

RATE_TOLERANCE = 0.05
"""How far a stated frame rate may lie from the time stamps' before these are believed."""
FALLBACK_RATE_HZ = 25.0
"""Frame rate of streams that say nothing about time, FFmpeg's own assumption."""

WHOLE_SHARE = 0.9
"""Share of its announced duration that a file must hold not to count as truncated (our choice)."""
_ANNOUNCING = frozenset({"mp4", "mov", "matroska", "webm"})
"""Containers that write their duration down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFacts:
    """The video stream chosen."""

    index: int
    height: int
    """Height of a frame as shown, after rotation, in pixels."""
    width: int
    frames: int
    """Frames that the container holds, counted."""
    fps: float
    quarter_turns: int = 0
    """Counter-clockwise quarter turns from the stored frame to the shown one."""

    @property
    def seconds(self) -> float:
        """Duration of the video."""
        return self.frames / self.fps


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFacts:
    """The audio stream chosen."""

    index: int
    rate_hz: int
    channels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFacts:
    """What a media file holds, with notes on what was left out or looks damaged."""

    path: Path
    video: VideoFacts | None
    audio: AudioFacts | None
    notes: tuple[str, ...] = ()


@contextmanager
def opened(path: str | Path) -> Iterator[Any]:
    """Open a media file with PyAV; every failure to do so is a `MediaError` of one sentence."""
    import av

    path = Path(path)
    if path.is_dir():
        raise MediaError(path, "is a folder, not a media file")
    if not path.is_file():
        raise MediaError(path, "no such file")
    if path.stat().st_size == 0:
        raise MediaError(path, "the file is empty")
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise MediaError(
            path,
            f"cannot be read as video or sound ({_reason(error)})",
            "is it complete, and a media file?",
        ) from error
    with container:
        if container.format.name in NOT_MEDIA:
            raise MediaError(path, "is a text file, not video or sound")
        yield container


def probe(path: str | Path) -> MediaFacts:
    """Find out what a media file holds, decoding one frame at most.

    Of several streams one per kind is taken, as players do: marked as default before others, then
    the largest picture (the most channels, then the highest rate), then the first. Pictures that
    are cover art do not count as video. Frames are counted by reading the container's packets.

    Raises
    ------
    MediaError
        The file is missing, empty, truncated, not media, or holds neither video nor sound to
        decode.
    """
    path = Path(path)
    _refuse_truncated(path)
    with opened(path) as container:
        pictures = [stream for stream in container.streams.video if not _is_cover(stream)]
        sounds = [stream for stream in container.streams.audio if stream.codec_context]
        video_stream = max(pictures, key=_picture_rank, default=None)
        audio_stream = max(sounds, key=_sound_rank, default=None)
        notes = _choice_notes("video", pictures, video_stream, _picture_name)
        notes += _choice_notes("audio", sounds, audio_stream, _sound_name)
        audio = None
        if audio_stream is not None:
            rate, channels = _sound_facts(audio_stream)
            audio = AudioFacts(index=audio_stream.index, rate_hz=rate, channels=channels)
        video = None
        if video_stream is not None:
            video, found = _video_facts(container, video_stream)
            notes += found
    if video is None and audio is None:
        raise MediaError(path, "holds neither video nor sound that can be decoded", *notes[:1])
    return MediaFacts(path=path, video=video, audio=audio, notes=notes)


def _refuse_truncated(path: Path) -> None:
    """Refuse a file whose header announces clearly more than its packets hold.

    Only containers that write their duration down are judged: in others FFmpeg estimates it.
    """
    with opened(path) as container:
        if not set(container.format.name.split(",")) & _ANNOUNCING or not container.duration:
            return
        announced_s = container.duration * MICRO
        held_s = 0.0
        for packet in _packets(container, list(container.streams)):
            if packet.pts is not None and packet.size:
                end = (packet.pts + (packet.duration or 0)) * packet.time_base
                held_s = max(held_s, float(end) - (container.start_time or 0) * MICRO)
    if held_s < WHOLE_SHARE * announced_s:
        raise MediaError(
            path,
            f"is truncated: it announces {announced_s:.1f} s and holds {held_s:.1f} s",
            "give the whole file",
        )


def packets_of(container: Any, index: int) -> Iterator[Any]:
    """Yield the packets of one stream in file order, the empty one that flushes the decoder last.

    A container that breaks off in the middle ends the iteration instead of failing.
    """
    return _packets(container, [container.streams[index]])


def _packets(container: Any, streams: list[Any]) -> Iterator[Any]:
    import av

    try:
        yield from container.demux(streams)
    except av.error.FFmpegError:
        return


def _video_facts(container: Any, stream: Any) -> tuple[VideoFacts | None, tuple[str, ...]]:
    """Count the frames of a video stream and decode its first one."""
    first, frames, hidden, corrupt = None, 0, 0, 0
    earliest = latest = None
    for packet in packets_of(container, stream.index):
        if first is None:
            first = _first_frame(packet)
        if not packet.size:
            continue
        if packet.is_discard:
            hidden += 1
            continue
        frames += 1
        corrupt += packet.is_corrupt
        if packet.pts is not None:
            earliest = packet.pts if earliest is None else min(earliest, packet.pts)
            latest = packet.pts if latest is None else max(latest, packet.pts)
    if first is None:
        return None, ("the video stream holds no frame that can be decoded, left out",)
    notes: tuple[str, ...] = ()
    if corrupt:
        notes += (f"{corrupt} of {frames} video packets are incomplete",)
    if "mp4" in container.format.name and frames + hidden < stream.frames:
        notes += (f"the file holds {frames} of the {stream.frames} frames that it announces",)
    turns = round(getattr(first, "rotation", 0) / 90) % 4
    if turns:
        notes += (f"the picture is turned by {turns * 90} degrees, as its file asks",)
    span_s = 0.0 if earliest is None else float((latest - earliest) * stream.time_base)
    fps, doubt = _frame_rate(stream, frames, span_s)
    facts = VideoFacts(
        index=stream.index,
        height=first.width if turns % 2 else first.height,
        width=first.height if turns % 2 else first.width,
        frames=frames,
        fps=fps,
        quarter_turns=turns,
    )
    return facts, notes + doubt


def _first_frame(packet: Any) -> Any:
    """Return a frame that this packet completes, None without one."""
    import av

    try:
        return next(iter(packet.decode()), None)
    except (av.error.FFmpegError, ValueError):
        return None


def _frame_rate(stream: Any, frames: int, span_s: float) -> tuple[float, tuple[str, ...]]:
    """Average frame rate: the container's statement, unless the frames' time stamps refute it."""
    stated = float(stream.average_rate or stream.guessed_rate or 0)
    stated = stated if 0 < stated <= MAX_RATE_HZ else 0.0
    measured = (frames - 1) / span_s if span_s > 0 else 0.0
    measured = measured if 0 < measured <= MAX_RATE_HZ else 0.0
    if stated and measured and abs(measured / stated - 1) > RATE_TOLERANCE:
        note = (
            f"the file states {stated:.4g} frames/s, its time stamps give {measured:.4g}, "
            "which are taken"
        )
        return measured, (note,)
    return stated or measured or FALLBACK_RATE_HZ, ()


def _is_cover(stream: Any) -> bool:
    """Whether a "video" stream is a still picture that goes with the sound."""
    import av

    disposition = getattr(stream, "disposition", None)
    return stream.codec_context is None or bool(
        disposition is not None and disposition & av.stream.Disposition.attached_pic
    )


def _is_default(stream: Any) -> bool:
    """Whether the file marks a stream as the one to play."""
    import av

    disposition = getattr(stream, "disposition", None)
    return disposition is not None and bool(disposition & av.stream.Disposition.default)


def _picture_rank(stream: Any) -> tuple[bool, int, int]:
    return _is_default(stream), stream.width * stream.height, -stream.index


def _picture_name(stream: Any) -> str:
    return f"stream {stream.index}, {stream.height}x{stream.width}"


def _sound_facts(stream: Any) -> tuple[int, int]:
    """Rate in Hz and channels."""
    context = stream.codec_context
    return int(context.sample_rate or 0), int(context.layout.nb_channels)


def _sound_rank(stream: Any) -> tuple[bool, int, int, int]:
    rate, channels = _sound_facts(stream)
    return _is_default(stream), channels, rate, -stream.index


def _sound_name(stream: Any) -> str:
    rate, channels = _sound_facts(stream)
    return f"stream {stream.index}, {rate} Hz, {channels} channel{'s' * (channels > 1)}"


def _choice_notes(kind: str, streams: list[Any], chosen: Any, name: Any) -> tuple[str, ...]:
    """Say which of several streams was taken."""
    if len(streams) < 2:
        return ()
    others = "; ".join(name(stream) for stream in streams if stream is not chosen)
    return (f"of {len(streams)} {kind} streams {name(chosen)} is taken, left out: {others}",)


def _reason(error: BaseException) -> str:
    """FFmpeg's words for a failure, without number and path."""
    return str(getattr(error, "strerror", None) or error).rstrip(".")
