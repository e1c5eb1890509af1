"""Random vision-language models of real classes, small enough to make on the spot, saved as folders that load."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
import transformers as hf
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from tests.tiny_tokenizers import byte_tokenizer, word_tokenizer

Sizes = Mapping[str, Any]

_AS_IS: Sizes = MappingProxyType({})
_TEXT: Sizes = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_VISION: Sizes = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}
_QWEN_VISION: Sizes = {"depth": 2, "hidden_size": 32, "num_heads": 2, "patch_size": 8}
_MROPE: Sizes = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 3, 3]}


def make_llava(folder: Path, seed: int = 0) -> Path:
    """LLaVA: every image becomes 16 tokens."""
    tokenizer = word_tokenizer("<image>")
    config = hf.LlavaConfig(
        vision_config=hf.CLIPVisionConfig(**_VISION),
        text_config=hf.LlamaConfig(vocab_size=len(tokenizer), **_TEXT),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_select_strategy="default",
        vision_feature_layer=-1,
    )
    images = hf.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    front = hf.LlavaProcessor(
        images,
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=tokenizer.chat_template,
    )
    return save(folder, hf.LlavaForConditionalGeneration, config, front, seed)


def make_qwen(folder: Path, seed: int = 0) -> Path:
    """Qwen2-VL: as many tokens as the image has room for, and positions of three dimensions."""
    vision = {**_QWEN_VISION, "embed_dim": 32, "mlp_ratio": 2}
    return _qwen(folder, seed, hf.Qwen2VLConfig, hf.Qwen2VLForConditionalGeneration, vision=vision)


def make_qwen2_5(
    folder: Path, seed: int = 0, *, text: Sizes = _AS_IS, vision: Sizes = _AS_IS, pixels: int = 4096
) -> Path:
    """Qwen2.5-VL: the encoder looks through windows; of any size.

    Args:
        folder: Where it is saved.
        seed: Of the weights.
        text: What differs in the language model.
        vision: What differs in the encoder.
        pixels: The most that are left of an image.
    """
    tiny = {"intermediate_size": 48, "out_hidden_size": 32, "window_size": 32, "fullatt_block_indexes": [1]}
    return _qwen(
        folder,
        seed,
        hf.Qwen2_5_VLConfig,
        hf.Qwen2_5_VLForConditionalGeneration,
        text=text,
        vision={**_QWEN_VISION, **tiny, **vision},
        pixels=pixels,
    )


def make_qwen3(folder: Path, seed: int = 0) -> Path:
    """Qwen3-VL: what an early layer of the encoder sees goes into an early layer of the language model too."""
    vision = {**_QWEN_VISION, "intermediate_size": 48, "out_hidden_size": 32}
    return _qwen(
        folder,
        seed,
        hf.Qwen3VLConfig,
        hf.Qwen3VLForConditionalGeneration,
        text={"head_dim": 16, "rope_parameters": {**_MROPE, "mrope_interleaved": True}},
        vision={**vision, "num_position_embeddings": 64, "deepstack_visual_indexes": [0]},
    )


def make_qwen3_5(folder: Path, seed: int = 0) -> Path:
    """Qwen3.5: linear attention in every other layer."""
    linear = {
        "layer_types": ["linear_attention", "full_attention"] * 2,
        "num_hidden_layers": 4,
        "linear_key_head_dim": 16,
        "linear_value_head_dim": 16,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 2,
    }
    rope = {**_MROPE, "mrope_interleaved": True, "partial_rotary_factor": 0.5}
    vision = {**_QWEN_VISION, "intermediate_size": 48, "out_hidden_size": 32, "num_position_embeddings": 64}
    return _qwen(
        folder,
        seed,
        hf.Qwen3_5Config,
        hf.Qwen3_5ForConditionalGeneration,
        text={**linear, "head_dim": 32, "rope_parameters": rope},
        vision=vision,
    )


def _qwen(
    folder: Path,
    seed: int,
    configure: Callable[..., hf.PreTrainedConfig],
    build: Callable[..., hf.PreTrainedModel],
    *,
    text: Sizes = _AS_IS,
    vision: Sizes = _AS_IS,
    pixels: int = 4096,
) -> Path:
    marks = ("<|image_pad|>", "<|vision_start|>", "<|vision_end|>", "<|video_pad|>")
    make_tokenizer = byte_tokenizer if build is hf.Qwen3_5ForConditionalGeneration else word_tokenizer
    tokenizer = make_tokenizer(*marks, shown="<|vision_start|><|image_pad|><|vision_end|>")
    image, start, end, video = (tokenizer.convert_tokens_to_ids(mark) for mark in marks)
    config = configure(
        text_config={**_TEXT, "vocab_size": len(tokenizer), "rope_parameters": dict(_MROPE), **text},
        vision_config=dict(vision),
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
    )
    patch = vision["patch_size"]
    images = Qwen2VLImageProcessorPil(patch_size=patch, size={"shortest_edge": 1024, "longest_edge": pixels})
    front = hf.Qwen2VLProcessor(
        images, tokenizer, hf.Qwen2VLVideoProcessor(patch_size=patch), chat_template=tokenizer.chat_template
    )
    if build in {hf.Qwen3VLForConditionalGeneration, hf.Qwen3_5ForConditionalGeneration}:
        videos = hf.Qwen3VLVideoProcessor(patch_size=patch)
        front = hf.Qwen3VLProcessor(images, tokenizer, videos, chat_template=tokenizer.chat_template)
    return save(folder, build, config, front, seed)


def make_idefics(folder: Path, seed: int = 0) -> Path:
    """Idefics3: the front end writes more than placeholders where the image stands."""
    tokenizer = word_tokenizer("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>")
    config = hf.Idefics3Config(
        vision_config=dict(_VISION),
        text_config=hf.LlamaConfig(vocab_size=len(tokenizer), **_TEXT),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=0,
    )
    images = hf.Idefics3ImageProcessor(
        size={"longest_edge": 32}, max_image_size={"longest_edge": 32}, do_image_splitting=False
    )
    front = hf.Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=tokenizer.chat_template)
    return save(folder, hf.Idefics3ForConditionalGeneration, config, front, seed)


def make_smolvlm(folder: Path, seed: int = 0) -> Path:
    """SmolVLM: an image is cut into tiles, each of which is marked with its row and column."""
    tiles = [f"<row_{row}_col_{column}>" for row in (1, 2) for column in (1, 2)]
    marks = ("<fake_token_around_image>", "<global-img>", "<end_of_utterance>", *tiles)
    tokenizer = word_tokenizer("<image>", *marks)
    config = hf.SmolVLMConfig(
        vision_config=dict(_VISION),
        text_config=hf.LlamaConfig(vocab_size=len(tokenizer), **_TEXT),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
    )
    images = SmolVLMImageProcessorPil(
        size={"longest_edge": 64}, max_image_size={"longest_edge": 32}, do_image_splitting=True
    )
    front = hf.SmolVLMProcessor(
        images, tokenizer, hf.SmolVLMVideoProcessor(), image_seq_len=4, chat_template=tokenizer.chat_template
    )
    return save(folder, hf.SmolVLMForConditionalGeneration, config, front, seed)


def make_internvl(folder: Path, seed: int = 0) -> Path:
    """InternVL: an image becomes as many tiles as its shape calls for, each of 4 tokens."""
    tokenizer = word_tokenizer(
        "<IMG_CONTEXT>",
        start_image_token="<img>",
        end_image_token="</img>",
        context_image_token="<IMG_CONTEXT>",
        video_token="<video>",
    )
    config = hf.InternVLConfig(
        vision_config=hf.InternVLVisionConfig(**_VISION),
        text_config=hf.Qwen2Config(vocab_size=len(tokenizer), **_TEXT),
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
    )
    images = GotOcr2ImageProcessorPil(size={"height": 32, "width": 32}, min_patches=1, max_patches=4)
    front = hf.InternVLProcessor(
        images, tokenizer, hf.InternVLVideoProcessor(), image_seq_length=4, chat_template=tokenizer.chat_template
    )
    return save(folder, hf.InternVLForConditionalGeneration, config, front, seed)


def make_gemma3(folder: Path, seed: int = 0) -> Path:
    """Gemma 3: most layers see no further than 12 tokens back, less than the image's 16 and than any prompt."""
    tokenizer = word_tokenizer(
        "<start_of_image>", boi_token="<start_of_image>", eoi_token="<end_of_image>", image_token="<image_soft_token>"
    )
    ids = [
        tokenizer.convert_tokens_to_ids(f"<{mark}>") for mark in ("start_of_image", "end_of_image", "image_soft_token")
    ]
    layers = {
        "num_hidden_layers": 3,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        "sliding_window": 12,
        "head_dim": 16,
        "query_pre_attn_scalar": 16,
    }
    config = hf.Gemma3Config(
        vision_config=hf.SiglipVisionConfig(**{**_VISION, "patch_size": 4}, vision_use_head=False),
        text_config=hf.Gemma3TextConfig(vocab_size=len(tokenizer), **{**_TEXT, **layers}),
        mm_tokens_per_image=16,
        boi_token_index=ids[0],
        eoi_token_index=ids[1],
        image_token_index=ids[2],
    )
    images = Gemma3ImageProcessorPil(size={"height": 32, "width": 32})
    front = hf.Gemma3Processor(images, tokenizer, image_seq_length=16, chat_template=tokenizer.chat_template)
    return save(folder, hf.Gemma3ForConditionalGeneration, config, front, seed)


def save(
    folder: Path,
    build: Callable[[Any], hf.PreTrainedModel],
    config: hf.PreTrainedConfig,
    front: hf.ProcessorMixin,
    seed: int,
) -> Path:
    """Save a model of random weights with its front end."""
    torch.manual_seed(seed)
    model = build(config)
    # Larger than by default, or all answers would be nearly alike; but not so large that one token is always sure.
    std = 0.4 * math.sqrt(32 / config.get_text_config().hidden_size)
    for weights in model.parameters():
        if weights.ndim > 1:
            torch.nn.init.normal_(weights, std=std)
    model.save_pretrained(folder)
    front.save_pretrained(folder)
    return folder


MAKERS: Mapping[str, Callable[[Path], Path]] = {
    "qwen2_vl": make_qwen,
    "qwen2_5_vl": make_qwen2_5,
    "qwen3_vl": make_qwen3,
    "qwen3_5": make_qwen3_5,
    "llava": make_llava,
    "idefics3": make_idefics,
    "smolvlm": make_smolvlm,
    "internvl": make_internvl,
    "gemma3": make_gemma3,
}
"""A builder for each architecture, by what transformers calls it."""
