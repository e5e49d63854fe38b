"""A decoder written out by hand from the text model's weights: no cache, no masks, no classes.

Rotary positions over three axes (sections 16, 24, 24 of head size 128), grouped keys and values,
RMS norms, gated FFN: the oracle that compressed runs are held against.
"""

from __future__ import annotations

from typing import Any

import torch

SECTIONS = (16, 24, 24)
THETA = 1_000_000.0


class SlowDecoder:
    """Run a whole sequence through every layer, optionally dropping tokens before one."""

    def __init__(self, text: Any, head: Any) -> None:
        self.text, self.head = text, head
        self.layers = list(text.layers)
        self.widths: list[int] = []
        """Tokens that entered each layer in the last run."""

    def logits(
        self,
        hidden: torch.Tensor,
        positions: torch.Tensor,
        *,
        drop_before: int | None = None,
        keep: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Logits (n', V) of embeddings (n, d) at positions (3, n)."""
        self.widths = []
        for number, layer in enumerate(self.layers):
            if number == drop_before and keep is not None:
                hidden, positions = hidden[keep], positions[:, keep]
            self.widths.append(len(hidden))
            mixed, _ = self.attend(layer, hidden, positions)
            hidden = hidden + mixed
            inner = norm(hidden, layer.post_attention_layernorm)
            gate = torch.nn.functional.silu(inner @ layer.mlp.gate_proj.weight.T)
            hidden = hidden + (gate * (inner @ layer.mlp.up_proj.weight.T)) @ (
                layer.mlp.down_proj.weight.T
            )
        return norm(hidden, self.text.norm) @ self.head.weight.T

    def attend(
        self, layer: Any, hidden: torch.Tensor, positions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Attention output (n, d) and weights (h, n, n)."""
        source, inner = layer.self_attn, norm(hidden, layer.input_layernorm)
        query, key, value = (
            split(inner @ proj.weight.T + proj.bias)
            for proj in (source.q_proj, source.k_proj, source.v_proj)
        )
        query, key = turn(query, positions), turn(key, positions)
        group = query.shape[0] // key.shape[0]
        weights = []
        outputs = []
        future = torch.ones(len(hidden), len(hidden)).triu(1).bool()
        for number in range(query.shape[0]):
            score = query[number] @ key[number // group].T / query.shape[-1] ** 0.5
            weight = score.masked_fill(future, float("-inf")).softmax(dim=-1)
            weights.append(weight)
            outputs.append(weight @ value[number // group])
        return torch.cat(outputs, dim=-1) @ source.o_proj.weight.T, torch.stack(weights)

    def attention_of_last_token(
        self, hidden: torch.Tensor, positions: torch.Tensor, number: int
    ) -> torch.Tensor:
        """Attention weights (h, n) that the last token pays in layer ``number``."""
        for layer in self.layers[:number]:
            mixed, _ = self.attend(layer, hidden, positions)
            hidden = hidden + mixed
            inner = norm(hidden, layer.post_attention_layernorm)
            hidden = hidden + layer.mlp(inner)
        return self.attend(self.layers[number], hidden, positions)[1][:, -1]

    def greedy(
        self,
        hidden: torch.Tensor,
        positions: torch.Tensor,
        *,
        next_position: int,
        steps: int,
        drop_before: int | None = None,
        keep: torch.Tensor | None = None,
    ) -> list[int]:
        """Decode by running the whole sequence again for every token."""
        tokens: list[int] = []
        for step in range(steps):
            row = self.logits(hidden, positions, drop_before=drop_before, keep=keep)[-1]
            tokens.append(int(row.argmax()))
            embedded = self.text.embed_tokens.weight[tokens[-1]][None]
            hidden = torch.cat([hidden, embedded])
            place = torch.full((3, 1), next_position + step)
            positions = torch.cat([positions, place], dim=1)
            if keep is not None:
                keep = torch.cat([keep, torch.tensor([True])])
        return tokens


def norm(hidden: torch.Tensor, module: Any) -> torch.Tensor:
    """RMS norm with the module's weight."""
    scale = hidden.pow(2).mean(dim=-1, keepdim=True).add(module.variance_epsilon).rsqrt()
    return hidden * scale * module.weight


def split(states: torch.Tensor) -> torch.Tensor:
    """Heads of size 128 first: (h, n, 128)."""
    return states.view(len(states), -1, 128).transpose(0, 1)


def turn(states: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Rotate pairs (i, i + 64) by position times frequency, the axis chosen by section."""
    axis = torch.repeat_interleave(torch.arange(3), torch.tensor(SECTIONS))
    frequency = THETA ** (-torch.arange(64, dtype=torch.float32) / 64)
    angle = positions[axis].T * frequency
    first, second = states[..., :64], states[..., 64:]
    cos, sin = angle.cos(), angle.sin()
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)
