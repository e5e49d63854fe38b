"""What a model *is*: sizes and token ids, read from a published ``config.json``."""

from omnizip_cost.specs.load import bundled_names, bundled_source, load_spec, spec_from_config
from omnizip_cost.specs.parameters import parameter_counts, weights_read_per_pass
from omnizip_cost.specs.pruning import pruned
from omnizip_cost.specs.spec import (
    AudioEncoderSpec,
    DecoderSpec,
    ExpertsSpec,
    ModelSpec,
    RotarySpec,
    TextSpec,
    ThinkerSpec,
    TokenIds,
    VisionEncoderSpec,
    require_thinker,
)

__all__ = [
    "AudioEncoderSpec",
    "DecoderSpec",
    "ExpertsSpec",
    "ModelSpec",
    "RotarySpec",
    "TextSpec",
    "ThinkerSpec",
    "TokenIds",
    "VisionEncoderSpec",
    "bundled_names",
    "bundled_source",
    "load_spec",
    "parameter_counts",
    "pruned",
    "require_thinker",
    "spec_from_config",
    "weights_read_per_pass",
]
