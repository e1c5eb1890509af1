"""Random models of real classes, small enough to make on the spot, saved as folders that adapters load."""

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
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from alignbench.backends.vlm import Vlm

WORDS = (
    "is this sentence true of the image ? answer yes no Yes No . : Sentence Is Answer or a red blue dog cat there are "
    "two on left Describe What to be seen in Or"
).split()
_TEXT = {
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


def word_tokenizer(image: str, *more: str) -> hf.PreTrainedTokenizerFast:
    """One token a word; `image` and `more` are special."""
    special = ["<pad>", "<s>", "</s>", "<unk>", "<user>", "<assistant>", image, *more]
    tokenizer = Tokenizer(
        models.WordLevel({word: at for at, word in enumerate([*special, *dict.fromkeys(WORDS)])}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    template = (
        "{{ '<s>' }}{% for message in messages %}<user>{% for part in message['content'] %}"
        "{% if part['type'] == 'image' %}"
        + "".join([*more[:1], image, *more[1:]])
        + "{% else %}{{ part['text'] }}{% endif %}"
        "{% endfor %}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=["<user>", "<assistant>", image, *more],
        chat_template=template,
    )


def make_llava(folder: Path, seed: int = 0) -> Path:
    """LLaVA: every image becomes 16 tokens."""
    tokenizer = word_tokenizer("<image>")
    vision = hf.CLIPVisionConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8
    )
    config = hf.LlavaConfig(
        vision_config=vision,
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
    return _save(folder, hf.LlavaForConditionalGeneration, config, front, seed)


def make_qwen(folder: Path, seed: int = 0) -> Path:
    """Qwen2-VL: as many tokens as the image has room for, and positions of three dimensions."""
    tokenizer = word_tokenizer("<|image_pad|>", "<|vision_start|>", "<|vision_end|>", "<|video_pad|>")
    tokenizer.chat_template = tokenizer.chat_template.replace("<|video_pad|>", "")
    config = hf.Qwen2VLConfig(
        text_config={
            **_TEXT,
            "vocab_size": len(tokenizer),
            "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 3, 3]},
        },
        vision_config={"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2, "patch_size": 8},
        image_token_id=tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        vision_start_token_id=tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=tokenizer.convert_tokens_to_ids("<|vision_end|>"),
    )
    images = Qwen2VLImageProcessorPil(patch_size=8, size={"shortest_edge": 1024, "longest_edge": 4096})
    videos = hf.Qwen2VLVideoProcessor(patch_size=8)
    front = hf.Qwen2VLProcessor(images, tokenizer, videos, chat_template=tokenizer.chat_template)
    return _save(folder, hf.Qwen2VLForConditionalGeneration, config, front, seed)


def make_idefics(folder: Path, seed: int = 0) -> Path:
    """Idefics3: the front end writes more than placeholders where the image stands."""
    marks = ("<fake_token_around_image>", "<global-img>", "<end_of_utterance>")
    tokenizer = word_tokenizer("<image>", *marks)
    tokenizer.chat_template = tokenizer.chat_template.replace("".join([marks[0], "<image>", *marks[1:]]), "<image>")
    config = hf.Idefics3Config(
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 8,
        },
        text_config=hf.LlamaConfig(vocab_size=len(tokenizer), **_TEXT),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=0,
    )
    images = hf.Idefics3ImageProcessor(
        size={"longest_edge": 32}, max_image_size={"longest_edge": 32}, do_image_splitting=False
    )
    front = hf.Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=tokenizer.chat_template)
    return _save(folder, hf.Idefics3ForConditionalGeneration, config, front, seed)


def _save(folder: Path, kind: type, config: hf.PreTrainedConfig, front: hf.ProcessorMixin, seed: int) -> Path:
    torch.manual_seed(seed)
    model = kind(config)
    for weights in model.parameters():
        # Larger than by default, or all answers would be nearly alike.
        if weights.ndim > 1:
            torch.nn.init.normal_(weights, std=0.4)
    model.save_pretrained(folder)
    front.save_pretrained(folder)
    return folder


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
