"""Judges by name: those of the two published tables, and some good ones of today; values only, nothing is loaded.

The tables are those of AlignBench (arXiv 2511.20515) and HalDec-Bench (arXiv 2603.15253). They print names and sizes,
not checkpoints: where a checkpoint had to be chosen, it is the instruction-tuned one of that family and size. Their
prompts are not public, so a score of ours need not be theirs. Families are those of the producers of the published
data, so that a judge of a producer's lineage is known to be its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alignbench.published import Measured, PublishedJudge

ALIGNBENCH, HALDEC = "arXiv 2511.20515", "arXiv 2603.15253"

# Where ids of models were seen.
_HUB = "its page on the hub"
_MAKERS = "the list of models of its makers"
_TRANSFORMERS = "the documentation in transformers 5.23"
_OPEN_CLIP = "open_clip 3.3's list of pretrained models"
_OPENAI = "openai 3.52's list of chat models"
_GOOGLE = "https://ai.google.dev/gemini-api/docs/deprecations"

_OWN_CODE = (
    "its weights need code of its authors, which alignbench does not run; serve it elsewhere, "
    "then judge by api:MODEL with --base-url"
)
_GEMINI: Mapping[str, Any] = {
    "base_url": "https://generativelanguage.googleapis.com/v1beta/openai/",
    "key_env": "GEMINI_API_KEY",
    "mode": "score",
}


def _open(
    name: str,
    model: str,
    family: str,
    provider: str,
    parameters: str,
    *measured: Measured,
    id_source: str | None = _HUB,
    blocked: str | None = None,
    note: str | None = None,
) -> PublishedJudge:
    """An open vision-language model."""
    return PublishedJudge(
        name,
        "local_vlm",
        model,
        family,
        provider,
        parameters,
        id_source=id_source,
        measured=measured,
        blocked=blocked,
        note=note,
    )


def _clip(
    name: str,
    model: str,
    family: str,
    provider: str,
    weights: str,
    *measured: Measured,
    parameters: str | None = None,
    note: str | None = None,
) -> PublishedJudge:
    """A model that open_clip lists, with the hub repository that it takes the weights from."""
    return PublishedJudge(
        name,
        "clip",
        model,
        family,
        provider,
        parameters,
        id_source=_OPEN_CLIP,
        measured=measured,
        weights=weights,
        note=note,
    )


def _gpt(name: str, *measured: Measured, reasons: bool = False, ends: str | None = None) -> PublishedJudge:
    """A model of OpenAI's; those that reason before they answer give no log-probabilities to read."""
    options = {"mode": "score"} if reasons else {"mode": "logprob", "fallback": "score"}
    note = f"OpenAI has announced its end for {ends}" if ends else None
    return PublishedJudge(
        name, "api", name, "gpt", "openai", id_source=_OPENAI, measured=measured, options=options, note=note
    )


def _gemini(name: str, model: str, *measured: Measured, shut_down: str | None = None) -> PublishedJudge:
    """A model of Google's, through its OpenAI-compatible endpoint."""
    blocked = f"Google shut it down on {shut_down}" if shut_down else None
    return PublishedJudge(
        name,
        "api",
        model,
        "gemini",
        "google",
        id_source=_GOOGLE,
        measured=measured,
        options=_GEMINI,
        blocked=blocked,
    )


def _row(judge: str, parameters: str | None = None) -> Measured:
    return Measured(ALIGNBENCH, judge, parameters)


def _haldec(judge: str, parameters: str | None = None) -> Measured:
    return Measured(HALDEC, judge, parameters)


_TABLES = (
    PublishedJudge(
        "tripletclip",
        "clip",
        "TripletCLIP/CC12M_TripletCLIP_ViTB12",
        "tripletclip",
        "tripletclip",
        revision="1f8b01920bccf9bb33d6ae51f12d3f1c2fc90845",
        id_source=_HUB,
        measured=(_row("TripletCLIP", "0.3B"), _haldec("TripletCLIP", "0.3B")),
        blocked="published as two separate encoders with code of its authors, which open_clip cannot read",
        note="trained on CC12M; there is one trained on CC3M as well, and the tables do not say which they used",
    ),
    _clip(
        "siglip",
        "ViT-B-16-SigLIP/webli",
        "siglip",
        "google",
        "timm/ViT-B-16-SigLIP",
        _row("SigLIP", "0.2B"),
        note="the table does not say which SigLIP; this is one of its size",
    ),
    PublishedJudge(
        "blip-2-itm",
        "local_vlm",
        "Salesforce/blip2-itm-vit-g",
        "blip",
        "salesforce",
        id_source=_TRANSFORMERS,
        measured=(_row("BLIP-2", "1.2B"), _haldec("BLIP", "1.2B")),
        blocked="it is no chat model but a matching head of its own, for which alignbench has no kind of judge",
        note="the tables do not say which BLIP-2; this is the one that matches images with texts",
    ),
    _open(
        "phi-4-multimodal",
        "microsoft/Phi-4-multimodal-instruct",
        "phi",
        "microsoft",
        "5.6B",
        _row("Phi-4", "5.6B"),
        id_source=_TRANSFORMERS,
        blocked=_OWN_CODE,
    ),
    _open(
        "qwen2-vl-7b",
        "Qwen/Qwen2-VL-7B-Instruct",
        "qwen",
        "alibaba",
        "7B",
        _row("Qwen-2", "7B"),
        _haldec("Qwen-2", "7B"),
        id_source=_TRANSFORMERS,
    ),
    _open(
        "deepseek-vl2",
        "deepseek-ai/deepseek-vl2",
        "deepseek",
        "deepseek",
        "27B",
        _row("Deepseek-VL2", "27B"),
        blocked=_OWN_CODE,
    ),
    _open(
        "llava-next-72b",
        "llava-hf/llava-next-72b-hf",
        "llava",
        "llava",
        "72B",
        _row("LLaVA-NeXT", "72B"),
        _haldec("LLaVA-Next", "72B"),
        note="the conversion to transformers; its makers' own weights are lmms-lab/llava-next-72b",
    ),
    _open(
        "pixtral-12b",
        "mistral-community/pixtral-12b",
        "mistral",
        "mistral-ai",
        "12B",
        _row("Pixtral", "12B"),
        _haldec("Pixtral", "12B"),
        note="a conversion to transformers by others than its makers",
    ),
    _open(
        "gemma-3-12b",
        "google/gemma-3-12b-it",
        "gemma",
        "google",
        "12B",
        _row("Gemma-3", "12B"),
        _haldec("Gemma", "12B"),
    ),
    _open(
        "gemma-3-27b",
        "google/gemma-3-27b-it",
        "gemma",
        "google",
        "27B",
        _row("Gemma-3", "27B"),
        _haldec("Gemma", "27B"),
    ),
    *(
        _open(
            f"internvl2-{size.lower()}",
            f"OpenGVLab/InternVL2-{size}",
            "internvl",
            "shanghai-ai-lab",
            size,
            _row("InternVL2", size),
            # The second table leaves out the smallest.
            *([] if size == "2B" else [_haldec("InternVL2", size)]),
            blocked=_OWN_CODE,
        )
        for size in ("2B", "8B", "26B", "40B")
    ),
    _open(
        "internvl2.5-78b",
        "OpenGVLab/InternVL2_5-78B",
        "internvl",
        "shanghai-ai-lab",
        "78B",
        _row("InternVL2.5", "78B"),
        blocked=_OWN_CODE,
    ),
    _open(
        "qwen2.5-vl-7b",
        "Qwen/Qwen2.5-VL-7B-Instruct",
        "qwen",
        "alibaba",
        "7B",
        _row("Qwen-2.5(-VL)", "7B"),
        _haldec("Qwen-2.5", "7B"),
        id_source=_TRANSFORMERS,
    ),
    _open(
        "qwen2.5-vl-32b",
        "Qwen/Qwen2.5-VL-32B-Instruct",
        "qwen",
        "alibaba",
        "32B",
        _row("Qwen-2.5(-VL)", "32B"),
        _haldec("Qwen-2.5", "32B"),
    ),
    _open(
        "qwen3-vl-30b",
        "Qwen/Qwen3-VL-30B-A3B-Instruct",
        "qwen",
        "alibaba",
        "30B",
        _haldec("Qwen3(-VL)", "30B"),
        id_source=_TRANSFORMERS,
    ),
    _open(
        "qwen3-vl-235b",
        "Qwen/Qwen3-VL-235B-A22B-Instruct",
        "qwen",
        "alibaba",
        "235B",
        _haldec("Qwen3(-VL)", "235B"),
    ),
    _open(
        "llama-4-scout",
        "meta-llama/Llama-4-Scout-17B-16E-Instruct",
        "llama",
        "meta",
        "109B",
        _row("Llama-4", "109B"),
        _haldec("Llama-4", "108B"),
        note="its weights are given out on request",
    ),
    _open(
        "llama-4-maverick",
        "meta-llama/Llama-4-Maverick-17B-128E-Instruct",
        "llama",
        "meta",
        "400B",
        _row("Llama-4", "400B"),
        _haldec("Llama-4", "400B"),
        note="its weights are given out on request",
    ),
    _gemini(
        "gemini-2.0-flash",
        "gemini-2.0-flash",
        _row("Gemini-2.0 Flash"),
        _haldec("Gemini-2.0-flash"),
        shut_down="2026-06-01",
    ),
    _gemini("gemini-3-pro", "gemini-3-pro-preview", _haldec("Gemini-3-Pro"), shut_down="2026-03-09"),
    _gpt("gpt-4o-mini", _row("GPT4o-mini"), ends="2027-01-14"),
    _gpt("gpt-4o", _row("GPT4o"), _haldec("GPT4o"), ends="2027-01-14"),
    _gpt("gpt-4.1-mini", _row("GPT4.1-mini"), ends="2027-01-14"),
    _gpt("gpt-5-mini", _row("GPT5-mini"), _haldec("GPT5-mini"), reasons=True, ends="2026-12-11"),
    _gpt("gpt-5", _row("GPT5"), _haldec("GPT5"), reasons=True, ends="2026-12-11"),
)

_TODAY = (
    _clip("clip-vit-l-14", "ViT-L-14/openai", "clip", "openai", "timm/vit_large_patch14_clip_224.openai"),
    _clip(
        "siglip2-so400m-384",
        "ViT-SO400M-16-SigLIP2-384/webli",
        "siglip",
        "google",
        "timm/ViT-SO400M-16-SigLIP2-384",
    ),
    _clip("pe-core-l-336", "PE-Core-L-14-336/meta", "pe-core", "meta", "timm/PE-Core-L-14-336"),
    _open(
        "smolvlm2-2.2b",
        "HuggingFaceTB/SmolVLM2-2.2B-Instruct",
        "smolvlm",
        "hugging-face",
        "2.2B",
        id_source=_TRANSFORMERS,
    ),
    _open("qwen3-vl-4b", "Qwen/Qwen3-VL-4B-Instruct", "qwen", "alibaba", "4B", id_source=_TRANSFORMERS),
    _open("qwen3-vl-8b", "Qwen/Qwen3-VL-8B-Instruct", "qwen", "alibaba", "8B", id_source=_TRANSFORMERS),
    _open("internvl3-1b", "OpenGVLab/InternVL3-1B-hf", "internvl", "shanghai-ai-lab", "1B", id_source=_TRANSFORMERS),
    _open("internvl3.5-8b", "OpenGVLab/InternVL3_5-8B-HF", "internvl", "shanghai-ai-lab", "8.5B", id_source=_MAKERS),
    _open("gemma-4-12b", "google/gemma-4-12B-it", "gemma", "google", "12B", id_source=_TRANSFORMERS),
    _open("gemma-4-31b", "google/gemma-4-31B-it", "gemma", "google", "31B"),
    _open(
        "mistral-small-3.1-24b",
        "mistralai/Mistral-Small-3.1-24B-Instruct-2503",
        "mistral",
        "mistral-ai",
        "24B",
        id_source=_TRANSFORMERS,
    ),
    _open("molmo2-8b", "allenai/Molmo2-8B", "molmo", "ai2", "8B", id_source=_TRANSFORMERS),
    _gpt("gpt-6-luna", reasons=True),
    _gpt("gpt-6-sol", reasons=True),
    _gemini("gemini-3.8-flash", "gemini-3.8-flash"),
    _gemini("gemini-3.1-pro", "gemini-3.1-pro-preview"),
)

JUDGES: Mapping[str, PublishedJudge] = {judge.name: judge for judge in (*_TABLES, *_TODAY)}
