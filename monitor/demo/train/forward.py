"""The pass through a model in training: the same numbers as the model's own, at less than its cost.

In the last layer only the tokens count at which a token is to be named, and the head is asked for those only.
"""

from typing import Any

import torch
from torch.nn import functional
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from monitor.demo.train.rows import IGNORED, Packed


def answer_loss(model: Any, batch: Packed) -> torch.Tensor:
    """The mean cross entropy of the tokens of the answers, with hints added by their weights."""
    known = batch.targets != IGNORED
    losses = functional.cross_entropy(answer_logits(model, batch)[known], batch.targets[known], reduction="none")
    return losses @ batch.weights[known] / (batch.weights == 1).sum()


def answer_logits(model: Any, batch: Packed) -> torch.Tensor:
    """Rows × places × vocabulary; what is beyond the places of a row means nothing."""
    text = model.model if batch.pixels is None else model.model.text_model
    hidden = _inputs(model, batch)
    rotation = text.rotary_emb(hidden, batch.positions)
    for layer in text.layers[:-1]:
        hidden = layer(hidden, attention_mask=batch.mask, position_embeddings=rotation)
    return model.lm_head(text.norm(_last_layer(text.layers[-1], hidden, rotation, batch)))


def _inputs(model: Any, batch: Packed) -> torch.Tensor:
    core = model.model
    if batch.pixels is None:
        return core.embed_tokens(batch.ids)
    features = core.connector(core.vision_model(batch.pixels).last_hidden_state)
    spots = (batch.ids == model.config.image_token_id)[:, :, None]
    return core.text_model.embed_tokens(batch.ids).masked_scatter(spots, features)


def _last_layer(
    layer: Any, hidden: torch.Tensor, rotation: tuple[torch.Tensor, torch.Tensor], batch: Packed
) -> torch.Tensor:
    attention = layer.self_attn
    normed = layer.input_layernorm(hidden)
    kept = (torch.arange(len(hidden))[:, None], batch.asked)
    keys, values = _heads(attention.k_proj(normed), attention), _heads(attention.v_proj(normed), attention)
    queries = _heads(attention.q_proj(normed[kept]), attention)
    keys = apply_rotary_pos_emb(keys, keys, *rotation)[1]
    queries = apply_rotary_pos_emb(queries, queries, *(part[kept] for part in rotation))[0]
    mask = batch.mask[:, 0][kept][:, None]
    mixed = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, scale=attention.scaling)
    hidden = hidden[kept] + attention.o_proj(mixed.transpose(1, 2).flatten(2))
    return hidden + layer.mlp(layer.post_attention_layernorm(hidden))


def _heads(tokens: torch.Tensor, attention: Any) -> torch.Tensor:
    return tokens.unflatten(-1, (-1, attention.head_dim)).transpose(1, 2)
