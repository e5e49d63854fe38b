"""``tokens``: how many tokens of which modality a clip becomes, window by window."""

from __future__ import annotations

from typing import Any

from omnizip_cost.cli.inputs import ClipOptions, ModelOption
from omnizip_cost.cli.options import with_options
from omnizip_cost.cli.output import CsvOption, JsonOption, emit, show


@with_options
def tokens_command(
    model: ModelOption,
    clip: ClipOptions,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Tokens per window and modality that a clip becomes.

    Example: `omnizip-cost tokens --model qwen2.5-omni-7b --seconds 60 --pixels 360x640`
    """
    from omnizip_cost.specs import load_spec

    spec = load_spec(model)
    work = clip.workload(spec)
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
