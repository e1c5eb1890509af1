"""Random language models of real classes, small enough to make on the spot, saved as folders that load."""

from __future__ import annotations

from pathlib import Path

import torch
import transformers as hf

from tests.tiny_tokenizers import word_tokenizer

_SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_CHAT = (
    "{{ '<s>' }}{% for message in messages %}<user>{{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def make_llama(folder: Path, seed: int = 0, *, template: bool = True) -> Path:
    """Llama, with a chat template or, as base models are, without."""
    return _save(folder, hf.LlamaForCausalLM, hf.LlamaConfig, seed, template=template)


def make_qwen2(folder: Path, seed: int = 0, *, template: bool = True) -> Path:
    """Qwen2: biases in its attention."""
    return _save(folder, hf.Qwen2ForCausalLM, hf.Qwen2Config, seed, template=template)


def _save(
    folder: Path, build: type[hf.PreTrainedModel], configure: type[hf.PreTrainedConfig], seed: int, *, template: bool
) -> Path:
    tokenizer = word_tokenizer("<image>")
    tokenizer.chat_template = _CHAT if template else None
    torch.manual_seed(seed)
    model = build(configure(vocab_size=len(tokenizer), **_SIZES))
    # Larger than by default, or all answers would be nearly alike; but not so large that one token is always sure.
    for weights in model.parameters():
        if weights.ndim > 1:
            torch.nn.init.normal_(weights, std=0.4)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
