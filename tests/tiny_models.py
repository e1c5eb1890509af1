"""A random CLIP, small enough to make on the spot, and what tests of all tiny models need."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import open_clip
import torch
import transformers as hf
from PIL import Image as Pillow
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from alignbench.backends.vlm import Vlm
from tests.tiny_tokenizers import word_tokenizer
from tests.tiny_vlms import make_idefics, make_llava, make_qwen

__all__ = ["make_clip", "make_idefics", "make_llava", "make_qwen", "noise", "png", "probabilities", "word_tokenizer"]


def noise(seed: int, size: tuple[int, int] = (48, 64)) -> Pillow.Image:
    """A picture like no other."""
    return Pillow.fromarray(np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8))


def png(image: Pillow.Image) -> bytes:
    """The picture, encoded without loss."""
    encoded = io.BytesIO()
    image.save(encoded, "PNG")
    return encoded.getvalue()


def probabilities(vlm: Vlm, image: Pillow.Image, prompt: str) -> torch.Tensor:
    """The next token the slow way: one prompt through the whole model, nothing shared and nothing padded."""
    with torch.inference_mode():
        return vlm.model(**vlm.encode([image], [prompt])).logits[0, -1].double().softmax(-1)


def make_clip(folder: Path, seed: int = 0) -> Path:
    """CLIP with a word tokenizer of its own, a context of 12 tokens and pixels normalised as 0.5 +- 0.25."""
    tokenizer = word_tokenizer("<image>")
    words = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__)
    # Pooling is at the highest id, so that must be the end.
    ids = {word: at for at, word in enumerate([*(word for word in words if word != "</s>"), "</s>"])}
    inner = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", ids["<s>"]), ("</s>", ids["</s>"])]
    )
    hf.PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    model_cfg = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
        "text_cfg": {
            "context_length": 12,
            "vocab_size": len(ids),
            "hf_tokenizer_name": "tiny",
            "width": 32,
            "heads": 2,
            "layers": 1,
        },
    }
    preprocess_cfg = {"mean": [0.5] * 3, "std": [0.25] * 3, "resize_mode": "squash"}
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": model_cfg, "preprocess_cfg": preprocess_cfg})
    )
    torch.manual_seed(seed)
    text_cfg = {key: value for key, value in model_cfg["text_cfg"].items() if key != "hf_tokenizer_name"}
    model = open_clip.CLIP(16, model_cfg["vision_cfg"], text_cfg)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder
