"""What a device *can do*: dense peaks per dtype, bandwidth and memory, each with its source."""

from omnizip_cost.hardware.device import DTYPES, Device, plain_dtype
from omnizip_cost.hardware.load import bundled_devices, load_device

__all__ = ["DTYPES", "Device", "bundled_devices", "load_device", "plain_dtype"]
