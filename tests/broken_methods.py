"""Methods that break one promise each, as careless authors would; the rest of each is sound."""

from __future__ import annotations

from typing import Any

import torch

from omnizip_cost.plugin import Counts, Method, PlanRequest, Selection, SelectionRequest, kept_count


class First(Method):
    """Sound: keeps the first tokens of each modality."""

    name = "first"
    title = "First"
    answers = "keeps the first tokens of each modality"
    source = "tests"

    def kept(self, tokens: int, pruning: float) -> int:
        return kept_count(tokens, pruning)

    def planned(self, request: PlanRequest) -> Counts:
        return Counts(
            video=_filled(self.kept(request.video_tokens, request.rho_v), request.video_sizes),
            audio=_filled(self.kept(request.audio_tokens, request.rho_a), request.audio_sizes),
        )

    def select(self, request: SelectionRequest) -> Selection:
        layout = request.layout
        return request.keep(
            video=range(self.kept(layout.video_tokens, request.rho_v)),
            audio=range(self.kept(layout.audio_tokens, request.rho_a)),
        )


def _filled(kept: int, sizes: tuple[int, ...]) -> list[int]:
    found = []
    for size in sizes:
        found.append(min(kept, size))
        kept -= found[-1]
    return found


class Unanswered(First):
    """Divides by the video it may not have."""

    def planned(self, request: PlanRequest) -> Counts:
        assert 1 // request.video_tokens in (0, 1)
        return super().planned(request)


class Unmasked(First):
    """Hands out positions where a mask belongs."""

    def select(self, request: SelectionRequest) -> Selection:
        chosen = super().select(request)
        chosen.keep = chosen.keep.nonzero()[:, 0]
        return chosen


class Miscounting(First):
    """Plans by rounding up what selection rounds to the nearest."""

    def planned(self, request: PlanRequest) -> Counts:
        counts = super().planned(request)
        kept = -(-int(request.audio_tokens * 10 * (1 - request.rho_a)) // 10)
        return Counts(video=counts.video, audio=_filled(kept, request.audio_sizes))


class Unpaired(First):
    """Wants a ratio alone, where the mix of the clip is handed over too."""

    def pruning_pair(self, retained: float) -> tuple[float, float]:  # type: ignore[override]
        return 1 - retained, 1 - retained


class Overheard(First):
    """Expects more audio than there is."""

    def audio_expected(self, audio_tokens: int, rho_a: float, **settings: Any) -> float:
        return audio_tokens + 1.0


class Unpriced(First):
    """States its steps as plain numbers."""

    def selection_ops(self, plan: Any, spec: Any) -> Any:
        return [1, 2]


class Misplacing(First):
    """Keeps the total and gets the windows wrong."""

    def select(self, request: SelectionRequest) -> Selection:
        layout = request.layout
        video, audio = (
            range(tokens - self.kept(tokens, rho), tokens)
            for tokens, rho in (
                (layout.video_tokens, request.rho_v),
                (layout.audio_tokens, request.rho_a),
            )
        )
        return request.keep(video=video, audio=audio)


class Wordless(First):
    """Drops the prompt's last token, which is text."""

    def select(self, request: SelectionRequest) -> Selection:
        chosen = super().select(request)
        if request.rho_a or request.rho_v:
            chosen.keep[-1] = False
        return chosen


class Rewriting(First):
    """Scales every row, text among them."""

    def select(self, request: SelectionRequest) -> Selection:
        if not (request.rho_a or request.rho_v):
            return super().select(request)
        layout = request.layout
        return request.keep(
            video=range(self.kept(layout.video_tokens, request.rho_v)),
            audio=range(self.kept(layout.audio_tokens, request.rho_a)),
            embeddings=request.embeddings * 2,
        )


class _Backwards(Selection):
    def survivors(self) -> torch.Tensor:
        return super().survivors().flip(0)


class Disordered(First):
    """Hands its survivors out from the last to the first."""

    def select(self, request: SelectionRequest) -> Selection:
        chosen = super().select(request)
        return _Backwards(keep=chosen.keep, embeddings=chosen.embeddings)


class Overwriting(First):
    """Blanks a row that it drops, in the caller's own tensor."""

    def select(self, request: SelectionRequest) -> Selection:
        chosen = super().select(request)
        dropped = (~chosen.keep).nonzero()[:, 0]
        request.embeddings[dropped[:1]] = 0
        return chosen


class Restless(First):
    """Chooses at random and forgets the seed."""

    def planned(self, request: PlanRequest) -> Counts:
        counts = super().planned(request)
        video, audio = (
            [sum(kept) * size / max(sum(sizes), 1) for size in sizes]
            for kept, sizes in (
                (counts.video, request.video_sizes),
                (counts.audio, request.audio_sizes),
            )
        )
        return Counts(
            video=video,
            audio=audio,
            exact=False,
            video_kept=sum(map(int, counts.video)),
            audio_kept=sum(map(int, counts.audio)),
        )

    def select(self, request: SelectionRequest) -> Selection:
        video, audio = (
            torch.randperm(tokens)[: self.kept(tokens, pruning)]
            for tokens, pruning in (
                (request.layout.video_tokens, request.rho_v),
                (request.layout.audio_tokens, request.rho_a),
            )
        )
        return request.keep(video=video, audio=audio)


class Greedy(First):
    """Always drops something, even when asked for nothing."""

    def kept(self, tokens: int, pruning: float) -> int:
        return max(0, min(super().kept(tokens, pruning), tokens - 1))


class FullWidthOnly(First):
    """Takes rows through NumPy, which knows no bfloat16."""

    def select(self, request: SelectionRequest) -> Selection:
        request.embeddings.numpy()
        return super().select(request)


BROKEN: tuple[tuple[type[First], str, str], ...] = (
    (Unanswered, "answers", "ZeroDivisionError"),
    (Unmasked, "mask", "select() must return a bool mask as keep, got torch.int64"),
    (Unpaired, "stated", "pruning_pair() fails with TypeError"),
    (Overheard, "stated", "audio_expected() must return 0 to"),
    (Unpriced, "stated", "selection_ops() must return named SelectionOps, or None, got 1"),
    (Miscounting, "counts", "tokens are planned,"),
    (Misplacing, "counts", "window 0 plans"),
    (Wordless, "text", "1 of 9 text tokens are dropped"),
    (Rewriting, "text", "rows of text are changed"),
    (Disordered, "order", "survivors() is not the prompt order"),
    (Overwriting, "inputs", "embeddings are changed in place"),
    (Restless, "seed", "a second call keeps other tokens"),
    (Greedy, "zero", "tokens are dropped"),
    (FullWidthOnly, "bfloat16", "TypeError"),
)
"""Method, the promise it breaks, words of its first counterexample."""


def method_named(name: str, of: type[Method] = First, **changed: Any) -> Method:
    """Return a method under another name."""
    return type(name.title(), (of,), {"name": name, **changed})()
