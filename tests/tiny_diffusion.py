"""Random text-to-image pipelines of real classes, small enough to make on the spot, saved as folders that load."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import diffusers
import torch
import transformers as hf
from tokenizers.pre_tokenizers import ByteLevel

from tests.tiny_tokenizers import WORDS

Sizes = Mapping[str, Any]

CONTEXT = 77
"""How many tokens a CLIP text encoder reads."""
_AS_IS: Sizes = MappingProxyType({})
_HIDDEN = 32
_CLIP: Sizes = {
    "hidden_size": _HIDDEN,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": CONTEXT,
    "projection_dim": _HIDDEN,
}
_VISION: Sizes = {**_CLIP, "image_size": 32, "patch_size": 8}
_UNET: Sizes = {
    "sample_size": 32,
    "block_out_channels": (8, 16),
    "layers_per_block": 1,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": _HIDDEN,
    "norm_num_groups": 4,
}
_ALPHAS: Sizes = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def make_sd(
    folder: Path, seed: int = 0, *, unsafe: bool | None = None, unet: Sizes = _AS_IS, scheduler: Any = None
) -> Path:
    """Stable Diffusion 1.5: 64 x 64 pixels from latents of 32 x 32, PNDM.

    Args:
        folder: Where it is saved.
        seed: Of the weights.
        unsafe: What its safety checker finds of every picture; null for none.
        unet: What differs in the denoiser.
        scheduler: In place of its own.
    """
    torch.manual_seed(seed)
    pndm = diffusers.PNDMScheduler(**_ALPHAS, skip_prk_steps=True, set_alpha_to_one=False, steps_offset=1)
    tokenizer = clip_tokenizer()
    pipe = diffusers.StableDiffusionPipeline(
        unet=_lively(diffusers.UNet2DConditionModel(**{**_UNET, **unet})),
        vae=_vae(4),
        text_encoder=_clip(hf.CLIPTextModel, tokenizer),
        tokenizer=tokenizer,
        scheduler=scheduler or pndm,
        safety_checker=None if unsafe is None else _checker(unsafe=unsafe),
        feature_extractor=None if unsafe is None else _front(),
        requires_safety_checker=unsafe is not None,
    )
    return _save(pipe, folder)


def make_sdxl(folder: Path, seed: int = 0) -> Path:
    """Stable Diffusion XL: two text encoders, and the size of the picture as a condition; Euler."""
    torch.manual_seed(seed)
    tokenizer, second = clip_tokenizer(), clip_tokenizer(pad_token="!")
    unet = {
        **_UNET,
        "cross_attention_dim": 2 * _HIDDEN,
        "attention_head_dim": (2, 4),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "transformer_layers_per_block": (1, 2),
        "projection_class_embeddings_input_dim": 6 * 8 + _HIDDEN,
    }
    pipe = diffusers.StableDiffusionXLPipeline(
        unet=_lively(diffusers.UNet2DConditionModel(**unet)),
        vae=_vae(4),
        text_encoder=_clip(hf.CLIPTextModel, tokenizer),
        text_encoder_2=_clip(hf.CLIPTextModelWithProjection, second),
        tokenizer=tokenizer,
        tokenizer_2=second,
        scheduler=diffusers.EulerDiscreteScheduler(**_ALPHAS, steps_offset=1, timestep_spacing="leading"),
        force_zeros_for_empty_prompt=True,
        add_watermarker=False,
    )
    return _save(pipe, folder)


def make_pixart(folder: Path, seed: int = 0) -> Path:
    """PixArt-Sigma: T5 alone reads the prompt, a transformer draws, at the nearest of its own sizes."""
    torch.manual_seed(seed)
    tokenizer = t5_tokenizer()
    transformer = diffusers.PixArtTransformer2DModel(
        sample_size=32,
        num_layers=2,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=3,
        cross_attention_dim=24,
        caption_channels=_HIDDEN,
        in_channels=4,
        out_channels=8,
        norm_type="ada_norm_single",
        norm_elementwise_affine=False,
        use_additional_conditions=False,
    )
    pipe = diffusers.PixArtSigmaPipeline(
        transformer=_lively(transformer),
        vae=_vae(4, blocks=4),
        text_encoder=_t5(tokenizer),
        tokenizer=tokenizer,
        scheduler=diffusers.DPMSolverMultistepScheduler(),
    )
    return _save(pipe, folder)


def make_sd3(folder: Path, seed: int = 0, *, t5: bool = True) -> Path:
    """Stable Diffusion 3: two CLIP encoders and T5, of which the last can be left out."""
    torch.manual_seed(seed)
    tokenizer, second, third = clip_tokenizer(), clip_tokenizer(pad_token="!"), t5_tokenizer()
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=32,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_projection_dim=_HIDDEN,
        joint_attention_dim=2 * _HIDDEN,
        pooled_projection_dim=2 * _HIDDEN,
        pos_embed_max_size=64,
    )
    pipe = diffusers.StableDiffusion3Pipeline(
        transformer=_lively(transformer),
        vae=_vae(4, shift_factor=0.06, scaling_factor=1.5),
        text_encoder=_clip(hf.CLIPTextModelWithProjection, tokenizer),
        text_encoder_2=_clip(hf.CLIPTextModelWithProjection, second),
        text_encoder_3=_t5(third, width=2 * _HIDDEN) if t5 else None,
        tokenizer=tokenizer,
        tokenizer_2=second,
        tokenizer_3=third if t5 else None,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
    )
    return _save(pipe, folder)


def make_flux(folder: Path, seed: int = 0) -> Path:
    """Flux: CLIP for the prompt as a whole, T5 for its words, guidance as a condition."""
    torch.manual_seed(seed)
    tokenizer, second = clip_tokenizer(), t5_tokenizer()
    transformer = diffusers.FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=_HIDDEN,
        pooled_projection_dim=_HIDDEN,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=True,
    )
    pipe = diffusers.FluxPipeline(
        transformer=_lively(transformer),
        vae=_vae(4, shift_factor=0.06, scaling_factor=1.5),
        text_encoder=_clip(hf.CLIPTextModel, tokenizer),
        text_encoder_2=_t5(second),
        tokenizer=tokenizer,
        tokenizer_2=second,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
    )
    return _save(pipe, folder)


def clip_tokenizer(**named: str) -> hf.CLIPTokenizer:
    """Letters merged into the words from their beginnings, as CLIP's are merged by how often they stand together."""
    letters = sorted(ByteLevel.alphabet())
    words = dict.fromkeys([*letters, *(f"{letter}</w>" for letter in letters)])
    merges: dict[tuple[str, str], None] = {}
    for word in dict.fromkeys(word.lower() for word in WORDS):
        *first, last = word
        pieces = [*first, f"{last}</w>"]
        for end in range(1, len(pieces)):
            merges["".join(pieces[:end]), pieces[end]] = None
            words["".join(pieces[: end + 1])] = None
    vocabulary = {word: at for at, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
    return hf.CLIPTokenizer(vocab=vocabulary, merges=list(merges), model_max_length=CONTEXT, **named)


def t5_tokenizer() -> hf.T5Tokenizer:
    """One token a word, one a letter where a word is not known."""
    letters = [chr(code) for code in range(33, 127)]
    pieces = dict.fromkeys(["\u2581", *(f"\u2581{word}" for word in WORDS), *letters])
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((piece, -3.0) for piece in pieces)]
    return hf.T5Tokenizer(vocab=vocabulary, extra_ids=0)


def _clip(build: Callable[[Any], torch.nn.Module], tokenizer: hf.CLIPTokenizer) -> torch.nn.Module:
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    return _lively(
        build(hf.CLIPTextConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **ends, **_CLIP))
    )


def _t5(tokenizer: hf.T5Tokenizer, width: int = _HIDDEN) -> torch.nn.Module:
    config = hf.T5Config(vocab_size=len(tokenizer), d_model=width, d_kv=8, d_ff=48, num_layers=2, num_heads=4)
    return _lively(hf.T5EncoderModel(config))


def _vae(channels: int, blocks: int = 2, **more: float) -> torch.nn.Module:
    return diffusers.AutoencoderKL(
        block_out_channels=[8] * blocks,
        down_block_types=["DownEncoderBlock2D"] * blocks,
        up_block_types=["UpDecoderBlock2D"] * blocks,
        latent_channels=channels,
        norm_num_groups=4,
        **more,
    )


def _checker(*, unsafe: bool) -> torch.nn.Module:
    """A safety checker whose thresholds lie below or above every cosine."""
    config = hf.CLIPConfig(text_config=dict(_CLIP), vision_config=dict(_VISION), projection_dim=_HIDDEN)
    checker = diffusers.pipelines.stable_diffusion.safety_checker.StableDiffusionSafetyChecker(config)
    checker.concept_embeds_weights.data.fill_(-2.0 if unsafe else 2.0)
    checker.special_care_embeds_weights.data.fill_(2.0)
    return checker


def _front() -> hf.CLIPImageProcessor:
    return hf.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})


def _lively(model: torch.nn.Module) -> torch.nn.Module:
    """Weights large enough for the prompt and the noise to show."""
    for weights in model.parameters():
        if weights.ndim > 1:
            torch.nn.init.normal_(weights, std=0.15)
    return model


def _save(pipe: diffusers.DiffusionPipeline, folder: Path) -> Path:
    pipe.save_pretrained(folder)
    return folder


MAKERS: Mapping[str, Callable[[Path], Path]] = {
    "sd": make_sd,
    "sdxl": make_sdxl,
    "pixart": make_pixart,
    "sd3": make_sd3,
    "flux": make_flux,
}
"""A builder for each class of pipelines."""
