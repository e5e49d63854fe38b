"""``tokens``: how many tokens of which modality a clip becomes, window by window."""

from __future__ import annotations

from typing import Any

from omnizip_cost.cli.inputs import (
    ClipArgument,
    FpsOption,
    InputOptions,
    MaxFramesOption,
    MaxPixelsOption,
    MinPixelsOption,
    ModelOption,
    NoAudioOption,
    NoVideoOption,
    PixelsOption,
    SecondsOption,
    TextOption,
)
from omnizip_cost.cli.output import CsvOption, JsonOption, emit, show


def tokens_command(
    model: ModelOption,
    clip: ClipArgument = None,
    seconds: SecondsOption = None,
    pixels: PixelsOption = None,
    no_audio: NoAudioOption = False,
    no_video: NoVideoOption = False,
    fps: FpsOption = None,
    min_pixels: MinPixelsOption = None,
    max_pixels: MaxPixelsOption = None,
    max_frames: MaxFramesOption = None,
    text_tokens: TextOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Tokens per window and modality that a clip becomes.

    Example: `omnizip-cost tokens --model qwen2.5-omni-7b --seconds 60 --pixels 360x640`
    """
    from omnizip_cost.specs import load_spec

    spec = load_spec(model)
    work = InputOptions(
        clip=clip,
        seconds=seconds,
        pixels=pixels,
        no_audio=no_audio,
        no_video=no_video,
        fps=fps,
        min_pixels=min_pixels,
        max_pixels=max_pixels,
        max_frames=max_frames,
        text_tokens=text_tokens,
    ).workload(spec)
    rows: list[dict[str, Any]] = [
        {
            "model": spec.name,
            "window": place,
            "video_tokens": window.video_tokens,
            "audio_tokens": window.audio_tokens,
            "tokens": window.tokens,
        }
        for place, window in enumerate(work.windows)
    ]
    if emit(rows, as_json=as_json, as_csv=as_csv):
        return
    frame = f"{work.frame_height}x{work.frame_width}" if work.grid_thw else "none"
    show(
        f"{work.name}: tokens for {spec.name}",
        ("window", "video", "audio", "together"),
        [
            *(
                tuple(f"{row[c]:,}" for c in ("window", "video_tokens", "audio_tokens", "tokens"))
                for row in rows
            ),
            ("all", f"{work.video_tokens:,}", f"{work.audio_tokens:,}", f"{work.av_tokens:,}"),
        ],
        notes=(
            f"frames {frame} after resizing, {work.frames} sampled, "
            f"{work.tokens_per_grid} tokens per grid; text and marks add {work.text_tokens}, "
            f"prompt {work.tokens:,} tokens.",
            *work.notes,
        ),
    )
