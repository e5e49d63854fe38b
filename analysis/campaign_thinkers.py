"""One thinker at a time: built once for all blocks that share it, from random or real weights."""

from __future__ import annotations

from pathlib import Path

from campaign_grid import Block
from torch import nn

from omnizip_cost.errors import InvalidValueError, OmnizipCostError
from omnizip_cost.profiling.capacity import require_room
from omnizip_cost.profiling.failures import failure_of
from omnizip_cost.profiling.memory import release_memory
from omnizip_cost.runtime.build import build_thinker, load_checkpoint
from omnizip_cost.specs import ThinkerSpec, load_spec, parameter_counts, require_thinker


class NotBuiltError(OmnizipCostError):
    """A thinker that could not be built: its blocks are left out."""


class Thinkers:
    """Builds the thinker that a block needs and lets go of the one before.

    Parameters
    ----------
    device, dtype : str
    checkpoint : Path, optional
        A folder with real weights, taken for blocks of that very architecture.
    """

    def __init__(self, *, device: str, dtype: str, checkpoint: Path | None = None) -> None:
        self.device, self.dtype, self.checkpoint = device, dtype, checkpoint
        self._real = None if checkpoint is None else require_thinker(load_spec(checkpoint))
        self._key: object = None
        self._thinker: nn.Module | None = None
        self._broken: dict[object, str] = {}

    @property
    def key(self) -> object:
        """Which thinker is there now; None where there is none."""
        return self._key

    def weights(self, block: Block) -> str:
        """Where a block's weights come from, as rows say it."""
        return "checkpoint" if self._real and same_sizes(self._real, block.spec) else "random"

    def require_use(self, blocks: tuple[Block, ...]) -> None:
        """Refuse a checkpoint that no block is made for.

        Raises
        ------
        InvalidValueError
        """
        if self._real and not any(self.weights(block) == "checkpoint" for block in blocks):
            names = ", ".join(dict.fromkeys(block.spec.name for block in blocks))
            raise InvalidValueError("campaign", "--checkpoint", f"one of {names}", self.checkpoint)

    def get(self, block: Block) -> nn.Module:
        """Return the block's thinker.

        Raises
        ------
        NotBuiltError
            It does not fit or cannot be built; asked again, it says so at once.
        """
        key = block.thinker
        if key in self._broken:
            raise NotBuiltError(self._broken[key])
        if key != self._key:
            self.release()
            try:
                self._thinker = self._built(block)
            except Exception as error:
                self._broken[key] = f"{block.spec.name}: {failure_of(error, 'assembly').reason}"
            if key in self._broken:  # only now is the traceback gone, and what it held
                self.release()
                raise NotBuiltError(self._broken[key])
            self._key = key
        assert self._thinker is not None
        return self._thinker

    def release(self) -> None:
        """Let go of the thinker and of its memory."""
        self._thinker, self._key = None, None
        release_memory(self.device)

    def _built(self, block: Block) -> nn.Module:
        spec = block.spec
        require_room(
            spec.name, parameter_counts(spec)["total"], dtype=self.dtype, device=self.device
        )
        build = {"dtype": self.dtype, "device": self.device, "attention": block.attention}
        if self.weights(block) == "checkpoint":
            assert self.checkpoint is not None
            return load_checkpoint(self.checkpoint, **build)[0]
        return build_thinker(spec, **build)


def same_sizes(one: ThinkerSpec, other: ThinkerSpec) -> bool:
    """Whether two specs describe the same modules, whatever they are called."""
    return (one.family, one.text, one.audio, one.vision, one.tokens) == (
        other.family,
        other.text,
        other.audio,
        other.vision,
        other.tokens,
    )
