"""Random CLIP models of every kind that open_clip builds, small enough to make on the spot."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import open_clip
import torch
import transformers as hf
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from tests.tiny_models import make_clip

_VISION = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16}
_TEXT = {"width": 32, "heads": 2, "layers": 2}
_WORDS = "a red blue dog cat there are is this two on left right of the and or in it yes no . , ? ! {} %".split()


def make_siglip(folder: Path) -> Path:
    """Like SigLIP: looks both ways, answers at the last column, pads with the end-of-text token."""
    size = _save_tokenizer(folder, ["<unk>", "</s>"], end="</s>", pad="</s>")
    text = {
        **_TEXT,
        "context_length": 12,
        "vocab_size": size,
        "hf_tokenizer_name": "tiny",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
    }
    return _save(folder, {"text_cfg": text, "custom_text": True, "init_logit_bias": -10})


def make_eos(folder: Path) -> Path:
    """A text tower of its own that looks backwards and answers at the end-of-text token, which is not the highest."""
    size = _save_tokenizer(folder, ["<pad>", "<unk>", "</s>"], end="</s>", pad="<pad>")
    text = {**_TEXT, "context_length": 12, "vocab_size": size, "hf_tokenizer_name": "tiny", "pool_type": "eos"}
    return _save(folder, {"text_cfg": {**text, "eos_id": 2}, "custom_text": True})


def make_long(folder: Path) -> Path:
    """A context of 248 tokens and open_clip's own tokenizer."""
    folder.mkdir()
    return _save(folder, {"text_cfg": {**_TEXT, "context_length": 248, "vocab_size": 49408}})


def make_coca(folder: Path) -> Path:
    """CoCa: answers at a token that it appends behind the last column."""
    size = _save_tokenizer(folder, ["<pad>", "<unk>", "</s>"], end="</s>", pad="<pad>")
    text = {**_TEXT, "context_length": 12, "vocab_size": size, "hf_tokenizer_name": "tiny"}
    decoder = {"context_length": 12, "vocab_size": size, "width": 32, "heads": 2, "layers": 1, "attn_pooler_heads": 2}
    vision = {**_VISION, "attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True}
    text |= {"embed_cls": True, "output_tokens": True}
    return _save(folder, {"vision_cfg": vision, "text_cfg": text, "multimodal_cfg": decoder, "custom_text": True})


def make_bert(folder: Path) -> Path:
    """A text tower of Hugging Face, which looks both ways and takes the mean."""
    size = _save_tokenizer(folder, ["[PAD]", "[UNK]", "[SEP]"], end="[SEP]", pad="[PAD]")
    hf.BertConfig(
        vocab_size=size,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=12,
    ).save_pretrained(folder)
    text = {"hf_model_name": str(folder), "hf_tokenizer_name": "tiny", "context_length": 12}
    return _save(folder, {"text_cfg": text})


KINDS: Mapping[str, tuple[Callable[[Path], Path], bool]] = {
    "clip": (make_clip, True),
    "eos": (make_eos, True),
    "long": (make_long, True),
    "siglip": (make_siglip, False),
    "coca": (make_coca, False),
    "bert": (make_bert, False),
}
"""How to make each kind, and whether its sentences can be cut behind their last token."""


def _save_tokenizer(folder: Path, special: list[str], *, end: str, pad: str) -> int:
    """One token a word and `end` behind the last; the number of its tokens."""
    ids = {word: at for at, word in enumerate([*special, *_WORDS])}
    inner = Tokenizer(models.WordLevel(ids, unk_token=special[1] if pad != end else special[0]))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(single=f"$A {end}", special_tokens=[(end, ids[end])])
    hf.PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token=pad, eos_token=end, unk_token=inner.model.unk_token
    ).save_pretrained(folder)
    return len(ids)


def _save(folder: Path, config: dict[str, Any]) -> Path:
    config = {"embed_dim": 16, "vision_cfg": _VISION, **config}
    pixels = {"mean": [0.5] * 3, "std": [0.25] * 3, "resize_mode": "squash"}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": pixels}))
    torch.manual_seed(0)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False, pretrained_text=False)
    for weights in model.parameters():
        # Larger than by default, or all sentences would be nearly alike.
        if weights.ndim > 1:
            torch.nn.init.normal_(weights, std=0.4)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder
