"""What to generate, as a validated value."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Collection
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from alignbench import registry
from alignbench.schema import canonical_json
from generation import parts

_Count = Annotated[int, Field(strict=True, ge=1)]
_Seed = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
_Line = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^\S.*$")]


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


def nearest(given: str, known: Collection[str]) -> str:
    """The known names most like the one given, or all of them, in words."""
    near = difflib.get_close_matches(given, known, n=3, cutoff=0.5)
    return f"nearest: {', '.join(near)}" if near else f"allowed: {', '.join(sorted(known))}"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Images(_Part):
    """Which images the captioners describe."""

    source: Annotated[str, _one_of("image source", parts.IMAGE_SOURCES)]
    count: _Count


class Prompts(_Part):
    """Which prompts the image models draw."""

    writer: Annotated[str, _one_of("prompt writer", parts.PROMPT_WRITERS)]
    count: _Count


class Model(_Part):
    """A captioner or an image model: a name or `KIND:MODEL`, alone or with options for its adapter."""

    model: _Line
    options: dict[str, JsonValue] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, given: Any) -> Any:
        return {"model": given} if isinstance(given, str) else given

    @property
    def key(self) -> str:
        """The same for two mentions of one model with the same options, and only then."""
        return canonical_json([self.model, self.options]) if self.options else self.model


class Recipe(_Part):
    """Every captioner describes every image, every image model draws every prompt, the labeller labels what came out.

    Without a labeller the dataset is unlabelled. The digest stands in the provenance of every row.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]{0,31}$")] = "0.1.0"
    seed: _Seed = 0
    images: Images | None = None
    captioners: tuple[Annotated[Model, _registered("captioners")], ...] = ()
    caption_prompt: Annotated[str, Field(min_length=1)] = "Describe the image."
    prompts: Prompts | None = None
    image_models: tuple[Annotated[Model, _registered("image-models")], ...] = ()
    labeller: Annotated[str, _one_of("labeller", parts.LABELLERS)] | None = None

    @model_validator(mode="after")
    def _makes_pairs(self) -> Recipe:
        _need_both("images", self.images, "captioners", self.captioners)
        _need_both("prompts", self.prompts, "image_models", self.image_models)
        if self.images is None and self.prompts is None:
            raise PydanticCustomError("empty", "it names no images with captioners, nor prompts with image_models")
        for models in (self.captioners, self.image_models):
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
