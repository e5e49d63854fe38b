"""How much memory a pass needs: every stage's tensors told as they come and go, and its peak."""

from omnizip_cost.cost.memory.estimate import MemoryEstimate, StageMemory
from omnizip_cost.cost.memory.fits import longest_that_fits
from omnizip_cost.cost.memory.live import PARTS, Part
from omnizip_cost.cost.memory.peak import memory_peak
from omnizip_cost.cost.memory.run import BACKENDS

__all__ = [
    "BACKENDS",
    "PARTS",
    "MemoryEstimate",
    "Part",
    "StageMemory",
    "longest_that_fits",
    "memory_peak",
]
