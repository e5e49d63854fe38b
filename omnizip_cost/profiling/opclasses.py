"""Which class an operator of torch belongs to, by its name and by what called it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_NAMES = {
    "gemm": """mm addmm bmm baddbmm matmul linear einsum addmv mv dot grouped_mm
        conv1d conv2d conv3d convolution convolution_overrideable mkldnn_convolution
        cudnn_convolution thnn_conv2d slow_conv2d_forward slow_conv3d slow_conv3d_forward
        mkldnn_linear""",
    "norm": """layer_norm native_layer_norm rms_norm fused_rms_norm group_norm native_group_norm
        batch_norm""",
    "softmax": "softmax log_softmax safe_softmax",
    "index": """index index_select index_put index_put_impl index_copy index_add gather scatter
        scatter_add masked_scatter masked_select nonzero nonzero_numpy where_index take embedding
        topk sort argsort argmax argmin unique unique2 unique_consecutive searchsorted bucketize
        kthvalue""",
    "copy": """copy to to_copy clone contiguous cat stack repeat repeat_interleave pad
        constant_pad_nd fill zero zeros zeros_like new_zeros ones ones_like new_ones full full_like
        new_full arange roll flip tril triu item local_scalar_dense eye one_hot""",
    "elementwise": """add sub rsub mul div neg pow square sqrt rsqrt exp log log2 sin cos tanh
        sigmoid silu gelu relu where clamp clamp_min clamp_max masked_fill eq ne lt gt le ge
        bitwise_and bitwise_or bitwise_not bitwise_xor logical_and logical_or logical_not
        logical_xor abs sign maximum minimum remainder floor_divide floor ceil round isnan isinf
        reciprocal addcmul addcdiv lerp mean sum prod max min amax amin cumsum cumprod diff any all
        std var linalg_vector_norm norm avg_pool1d avg_pool2d normal uniform randperm outer cdist
        cosine_similarity""",
}

_CLASS_OF: Mapping[str, str] = MappingProxyType(
    {name: kind for kind, names in _NAMES.items() for name in names.split()}
)

OPERATOR_CLASSES = (
    "gemm",
    "attention",
    "norm",
    "rotary",
    "elementwise",
    "softmax",
    "copy",
    "index",
    "other",
)
"""``gemm`` holds convolutions, ``attention`` fused kernels with all they call, ``elementwise``
reductions, ``other`` views, allocations and the host's own work between operators."""

_FUSED_ATTENTION = ("scaled_dot_product", "flash_attention", "flash_attn", "efficient_attention")

_WHOLE = ("attention", "norm", "rotary")
"""Classes that claim everything called inside them."""


def operator_class(name: str, outer: str | None = None) -> str:
    """Return the class of an operator, given the class of what called it.

    Attention, norm and rotary keep what runs inside them (the math path of attention is made of
    products and a softmax). What is no operator of torch (a kernel launch) counts for its caller.

    >>> operator_class("aten::_softmax"), operator_class("aten::bmm", "attention")
    ('softmax', 'attention')
    """
    if outer in _WHOLE:
        return str(outer)
    space, _, bare = name.rpartition("::")
    if any(words in bare for words in _FUSED_ATTENTION):
        return "attention"
    if not space:
        return outer or "other"
    return _CLASS_OF.get(bare.strip("_"), "other")
