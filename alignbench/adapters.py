"""The kinds of adapters and the named models that alignbench comes with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from alignbench.references import Reference

_EMBEDDED = Path(__file__).resolve().parent / "embedded"


class Role(StrEnum):
    """What an adapter is for; the value is what `alignbench list` takes."""

    JUDGES = "judges"
    CAPTIONERS = "captioners"
    IMAGE_MODELS = "image-models"
    TEXT_MODELS = "text-models"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of adapter: `target` is its class as `module:Class`, `form` what may follow `KIND:`.

    `extra` is what of alignbench it needs, `distribution` who brings it, null where that is not known.
    """

    target: str
    form: str
    summary: str
    extra: str | None = None
    distribution: str | None = "alignbench"


@dataclass(frozen=True, slots=True)
class Named:
    """A model with a name of its own."""

    reference: Reference
    summary: str


KINDS: Mapping[Role, Mapping[str, Kind]] = {
    Role.JUDGES: {
        "clip": Kind(
            "judges.clip:ClipJudge",
            "ARCHITECTURE/PRETRAINED, ARCHITECTURE/PATH, local-dir:PATH or hf-hub:ORG/NAME",
            "cosine similarity of a CLIP model, loaded by open_clip",
            "clip",
        ),
        "local_vlm": Kind(
            "judges.local_vlm:LocalVlmJudge",
            "PATH_OR_ID[@REVISION]",
            "a vision-language model, loaded by transformers: P(yes), or a number from 0 to 100",
            "vlm",
        ),
        "api": Kind(
            "judges.api:ApiJudge",
            "MODEL",
            "a vision-language model behind any endpoint that speaks OpenAI's protocol",
            "api",
        ),
        "ensemble": Kind(
            "judges.ensemble:EnsembleJudge",
            "mean-rank, mean-logit or stacking",
            "combines the stored judgments of others; made by `alignbench ensemble`",
        ),
        "blind": Kind(
            "judges.blind:BlindJudge", "constant, length, index or ngram", "a control that looks at no image"
        ),
        "planted": Kind(
            "judges.planted:PlantedJudge",
            "auroc=0.8,seed=1,...",
            "a judge with planted properties, for tests and dry runs",
        ),
    },
    Role.CAPTIONERS: {
        "local_vlm": Kind(
            "generation.captioners:LocalVlmCaptioner",
            "PATH_OR_ID[@REVISION]",
            "captions by a vision-language model, loaded by transformers",
            "vlm",
        ),
        "api": Kind(
            "generation.api:ApiCaptioner",
            "MODEL",
            "captions by a vision-language model behind any endpoint that speaks OpenAI's protocol",
            "api",
        ),
        "scenes": Kind(
            "generation.scenes.writer:ScenesWriter",
            "template",
            "the control of the offline world: errors at a set rate",
        ),
    },
    Role.IMAGE_MODELS: {
        "diffusers": Kind(
            "generation.diffusion:DiffusersModel",
            "PATH_OR_ID[@REVISION]",
            "a text-to-image model, loaded by diffusers",
            "t2i",
        ),
        "api": Kind(
            "generation.api:ApiImageModel",
            "MODEL",
            "an image model behind any endpoint that speaks OpenAI's images protocol",
            "api",
        ),
        "scenes": Kind(
            "generation.scenes.painters:SloppyPainter",
            "painter-a or painter-b",
            "renderers of the offline world that violate their prompt",
        ),
    },
    Role.TEXT_MODELS: {
        "local_llm": Kind(
            "generation.text_model:LocalTextModel",
            "PATH_OR_ID[@REVISION]",
            "texts by a language model, loaded by transformers",
            "vlm",
        ),
        "api": Kind(
            "generation.api:ApiTextModel",
            "MODEL",
            "texts by a language model behind any endpoint that speaks OpenAI's protocol",
            "api",
        ),
    },
}


def _embedded(kind: str, name: str, summary: str, prefix: str = "") -> Named:
    return Named(Reference(kind, f"{prefix}{_EMBEDDED / name}", {"name": name, "family": name}), summary)


def _blind(name: str, summary: str) -> Named:
    return Named(Reference("blind", name), summary)


NAMED: Mapping[Role, Mapping[str, Named]] = {
    Role.JUDGES: {
        "scenes-clip": _embedded("clip", "scenes-clip", "the embedded CLIP model of the offline world", "local-dir:"),
        "scenes-a": _embedded("local_vlm", "scenes-a", "the larger embedded model of the offline world"),
        "scenes-b": _embedded("local_vlm", "scenes-b", "the smaller embedded model of the offline world"),
        "constant": _blind("constant", "blind control: the same score for every sentence"),
        "length": _blind("length", "blind control: shorter sentences score higher"),
        "index": _blind("index", "blind control: earlier sentences score higher"),
        "ngram": _blind("ngram", "blind control: words alone, learnt from the labels of other clusters"),
    },
    Role.CAPTIONERS: {
        "scenes-a": _embedded("local_vlm", "scenes-a", "the larger embedded model of the offline world"),
        "scenes-b": _embedded("local_vlm", "scenes-b", "the smaller embedded model of the offline world"),
        "scenes-template": Named(Reference("scenes", "template"), "writes from templates, with errors at a set rate"),
    },
    Role.IMAGE_MODELS: {
        "scenes-painter-a": Named(Reference("scenes", "painter-a"), "violates one prompt sentence in ten"),
        "scenes-painter-b": Named(Reference("scenes", "painter-b"), "violates one prompt sentence in three"),
    },
    Role.TEXT_MODELS: {},
}
