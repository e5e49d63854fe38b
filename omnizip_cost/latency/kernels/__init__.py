"""How long one kernel runs on one device, in bf16: measured, or borrowed and said so."""

from omnizip_cost.latency.kernels.times import OPS, kernel_latency_ms, kernel_latency_s
from omnizip_cost.latency.kernels.uncertainty import Uncertainty, kernel_uncertainty

__all__ = ["OPS", "Uncertainty", "kernel_latency_ms", "kernel_latency_s", "kernel_uncertainty"]
