"""What to generate, as a validated value."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from alignbench import registry
from alignbench.schema import canonical_json
from alignbench.yaml_lines import nearest
from generation import parts

_Count = Annotated[int, Field(strict=True, ge=1)]
_Seed = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
_Line = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^\S.*$")]
_Options = dict[str, JsonValue]


def _one_of(what: str, known: Collection[str]) -> AfterValidator:
    def check(name: str) -> str:
        _must_be_listed(what, name, known)
        return name

    return AfterValidator(check)


def _registered(role: str) -> AfterValidator:
    """A model whose name, or the kind before its colon, the registry knows; a spec file is read when it is built."""

    def check(model: Model) -> Model:
        if not model.model.endswith((".yaml", ".yml")):
            known = {listed.name.partition(":")[0] for listed in registry.names(role)}
            _must_be_listed(role.replace("-", " ").removesuffix("s"), model.model.partition(":")[0], known)
        return model

    return AfterValidator(check)


def _must_be_listed(what: str, given: str, known: Collection[str]) -> None:
    if given not in known:
        told = {"what": what, "given": given, "hint": nearest(given, known)}
        raise PydanticCustomError("unlisted", "there is no {what} '{given}' ({hint})", told)


def _takes(what: str, name: str, table: Mapping[str, str], options: Mapping[str, JsonValue]) -> None:
    """Refuse options that the part of that name does not take, and those that it lacks."""
    known = parts.options_of(table[name])
    for option in options:
        _must_be_listed(f"option of the {what} {name!r} called", option, known)
    lacking = [key for key, each in known.items() if each.default is each.empty and key not in options]
    if lacking:
        told = {"what": what, "name": name, "lacking": lacking[0]}
        raise PydanticCustomError("lacking", "the {what} '{name}' needs the option '{lacking}'", told)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FilterChoice(_Part):
    """A filter: its name, alone or with its options; with `drop: false` what it finds is kept, but drops nothing."""

    filter: Annotated[str, _one_of("filter", parts.FILTERS)]
    options: _Options = {}
    drop: bool = True

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, given: Any) -> Any:
        return {"filter": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _has_options(self) -> FilterChoice:
        _takes("filter", self.filter, parts.FILTERS, self.options)
        return self


class Domains(_Part):
    """Groups of like images, by k-means over what a CLIP model sees; the images drawn are as many of each group.

    `model` is what open_clip calls it, such as `ViT-B-32/openai`, or `local-dir:PATH`.
    """

    count: _Count
    model: _Line
    revision: _Line | None = None


class Images(_Part):
    """Which images the captioners describe; without a count all that the source has."""

    source: Annotated[str, _one_of("image source", parts.IMAGE_SOURCES)]
    options: _Options = {}
    count: _Count | None = None
    domains: Domains | None = None
    filters: tuple[FilterChoice, ...] = ()

    @model_validator(mode="after")
    def _has_options(self) -> Images:
        _takes("image source", self.source, parts.IMAGE_SOURCES, self.options)
        return self


class NearDuplicates(_Part):
    """Which prompts are dropped for being too like an earlier one.

    By `ngrams` the likeness is the share of a prompt's word 3-grams that stand in the earlier one; by `embedding` it is
    the cosine of what the text tower of `model`, as open_clip calls it, makes of the two.
    """

    by: Literal["ngrams", "embedding"] = "ngrams"
    above: Annotated[float, Field(gt=0, le=1)] = 0.6
    model: _Line | None = None

    @model_validator(mode="after")
    def _has_its_model(self) -> NearDuplicates:
        if (self.by == "embedding") != (self.model is not None):
            raise PydanticCustomError("model", "`by: embedding` needs a `model`, and `by: ngrams` has none")
        return self


class Prompts(_Part):
    """Which prompts the image models draw; without a count all that the writer has."""

    writer: Annotated[str, _one_of("prompt writer", parts.PROMPT_WRITERS)]
    options: _Options = {}
    count: _Count | None = None
    near_duplicates: NearDuplicates | None = None

    @model_validator(mode="after")
    def _has_options(self) -> Prompts:
        _takes("prompt writer", self.writer, parts.PROMPT_WRITERS, self.options)
        return self


class Model(_Part):
    """A captioner or an image model: a name or `KIND:MODEL`, alone or with options for its adapter.

    `count` is its quota: it makes at most so many rows, drawn by the recipe's seed, as many of each domain.
    """

    model: _Line
    options: _Options = {}
    count: _Count | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, given: Any) -> Any:
        return {"model": given} if isinstance(given, str) else given

    @property
    def key(self) -> str:
        """The same for two mentions of one model with the same options, and only then."""
        return canonical_json([self.model, self.options]) if self.options else self.model


class Loop(_Part):
    """Once around: captions of the recipe's captioners become prompts, their images are captioned again.

    Of each captioner `count` captions are taken, drawn as a model's quota is. Without captioners of its own it ends at
    the images.
    """

    count: _Count | None = None
    image_models: Annotated[tuple[Annotated[Model, _registered("image-models")], ...], Field(min_length=1)]
    captioners: tuple[Annotated[Model, _registered("captioners")], ...] = ()


class Recipe(_Part):
    """Every captioner describes every image, every image model draws every prompt, the labeller labels what came out.

    What the filters find of a row is kept in its provenance, or among the failures where they drop it. Without a
    labeller the dataset is unlabelled. The digest stands in the provenance of every row.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]{0,31}$")] = "0.1.0"
    seed: _Seed = 0
    images: Images | None = None
    captioners: tuple[Annotated[Model, _registered("captioners")], ...] = ()
    caption_prompt: Annotated[str, Field(min_length=1)] = "Describe the image."
    prompts: Prompts | None = None
    image_models: tuple[Annotated[Model, _registered("image-models")], ...] = ()
    loop: Loop | None = None
    filters: tuple[FilterChoice, ...] = ()
    labeller: Annotated[str, _one_of("labeller", parts.LABELLERS)] | None = None

    @model_validator(mode="after")
    def _makes_pairs(self) -> Recipe:
        _need_both("images", self.images, "captioners", self.captioners)
        _need_both("prompts", self.prompts, "image_models", self.image_models)
        if self.images is None and self.prompts is None:
            raise PydanticCustomError("empty", "it names no images with captioners, nor prompts with image_models")
        if self.labeller == "scenes" and self.images is not None and self.images.source != "scenes":
            told = {"source": self.images.source}
            raise PydanticCustomError("labeller", "the labeller 'scenes' can label no images of '{source}'", told)
        if self.loop is not None and not self.captioners:
            raise PydanticCustomError("loop", "its loop begins at captions, but it names no captioners")
        looped = (self.loop.image_models, self.loop.captioners) if self.loop else ()
        for models in (self.captioners, self.image_models, *looped):
            keys = [model.key for model in models]
            if repeated := next((key for key in keys if keys.count(key) > 1), None):
                raise PydanticCustomError("repeated", "it names the model {key} twice", {"key": repeated})
        return self

    @property
    def digest(self) -> str:
        """The sha256 of everything the recipe says, the seed included; comments and layout do not count."""
        return hashlib.sha256(canonical_json(self.model_dump(mode="json")).encode()).hexdigest()

    def to_yaml(self) -> str:
        """The recipe as YAML with nothing left to defaults; reading it gives an equal recipe."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


def _need_both(one: str, first: object, other: str, second: object) -> None:
    if bool(first) != bool(second):
        there, absent = (one, other) if first else (other, one)
        raise PydanticCustomError("half", "it names {there} but no {absent}", {"there": there, "absent": absent})
