"""Finds and loads the models that rows are made with, and sees to it that each is still the one it was."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alignbench import registry
from alignbench.adapters import NAMED, Role
from alignbench.errors import AlignbenchError
from alignbench.references import Reference, is_spec_file, parse_reference, read_spec_file
from alignbench.types import Captioner, ImageModel, ModelRef, TextModel
from generation.regeneration.asked import Asked
from generation.regeneration.outcome import Again

Model = Captioner | ImageModel | TextModel

_BUILDERS: Mapping[Role, Callable[..., Model]] = {
    Role.CAPTIONERS: registry.build_captioner,
    Role.IMAGE_MODELS: registry.build_image_model,
    Role.TEXT_MODELS: registry.build_text_model,
}
CANNOT_RUN = (
    AlignbenchError,
    ImportError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    AssertionError,
)
"""What loading or running a model may raise for options that anybody may have written into a provenance."""


@dataclass(frozen=True, slots=True)
class Permitted:
    """What the user allows beyond what provenance says.

    Attributes:
        models: By a producer's name, what to load in place of what its provenance names.
        device: Where models run, in place of the device that provenance names.
        ask_apis: Whether models that cost money may be asked.
        base_url: The endpoint that a provenance may send requests to, besides the default one.
        max_cost: What all API models together may cost, in US dollars.
    """

    models: Mapping[str, str] = field(default_factory=dict)
    device: str | None = None
    ask_apis: bool = False
    base_url: str | None = None
    max_cost: float | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why rows cannot be made."""

    again: Again
    reason: str


def load(asked: Asked, permitted: Permitted) -> Model | Refusal:
    """The model of a row, or why there is none.

    It is the stored producer itself: where its revision, or its name, is another one now, that is told instead of
    comparing what two models make.
    """
    producer = asked.producer
    moved = permitted.models.get(producer.name)
    try:
        reference = _reference(asked.role, moved or asked.model)
        adapter = _adapter(asked.role, reference.kind)
        if refusal := _may_not_be_asked(reference, adapter, asked.options, permitted):
            return refusal
        options = _options(asked, reference, adapter, permitted)
        model = _BUILDERS[asked.role](moved or asked.model, **options)
    except CANNOT_RUN as error:
        return Refusal(Again.MODEL_UNAVAILABLE, f"{asked.model!r} cannot be loaded: {error}; {_advice(producer)}")
    return _the_same(model, producer, renamed=moved is not None)


def _advice(producer: ModelRef) -> str:
    return f"where it lies elsewhere now, give --model {producer.name}=KIND:PATH_OR_ID"


def _reference(role: Role, text: str) -> Reference:
    if text in NAMED[role]:
        return NAMED[role][text].reference
    return read_spec_file(Path(text)) if is_spec_file(text) else parse_reference(text)


def _adapter(role: Role, kind: str) -> Any:
    """The class of a kind of adapter; null where the registry has none, which building it will tell in its words."""
    known = registry.kinds(role)
    if kind not in known:
        return None
    module, _, name = known[kind].target.partition(":")
    return getattr(registry.load_module(module), name)


def _may_not_be_asked(
    reference: Reference, adapter: Any, options: Mapping[str, Any], permitted: Permitted
) -> Refusal | None:
    if not _is_billed(reference, adapter):
        return None
    if not permitted.ask_apis:
        reason = "asking an API again costs money and gives other answers as often as not; give --ask-apis to ask"
        return Refusal(Again.API_NOT_ASKED, reason)
    address = {**reference.options, **options}.get("base_url")
    if address is not None and address != permitted.base_url:
        reason = f"its provenance names the endpoint {address!r}; give --base-url {address} to send your key there"
        return Refusal(Again.API_NOT_ASKED, reason)
    return None


def _is_billed(reference: Reference, adapter: Any) -> bool:
    return reference.kind == "api" or hasattr(adapter, "limit_cost")


def _options(asked: Asked, reference: Reference, adapter: Any, permitted: Permitted) -> dict[str, Any]:
    """The stored options, at the stored revision where the model comes from a hub, on the device that is wanted."""
    options, taken = dict(asked.options), _taken(adapter)
    if permitted.device is not None and "device" in taken:
        options["device"] = permitted.device
    named = {**reference.options, **options}.get("revision")
    revision = asked.producer.revision
    if named is None and revision and "revision" in taken and _is_of_a_hub(reference, adapter):
        options["revision"] = revision
    return options


def _is_of_a_hub(reference: Reference, adapter: Any) -> bool:
    """Whether it is ORG/NAME of a model that is downloaded: neither a folder nor what an API calls a model."""
    model = reference.model
    looks_so = model.count("/") == 1 and not model.startswith((".", "/", "~"))
    return looks_so and not Path(model).exists() and not _is_billed(reference, adapter)


def _taken(adapter: Any) -> frozenset[str]:
    make = getattr(adapter, "from_reference", None)
    return frozenset(inspect.signature(make).parameters) if make else frozenset()


def _the_same(model: Model, producer: ModelRef, *, renamed: bool) -> Model | Refusal:
    found = model.model
    same = found.revision == producer.revision and (renamed or found.name == producer.name)
    if same:
        return model
    then, now = (f"{ref.name!r} at revision {ref.revision!r}" for ref in (producer, found))
    return Refusal(Again.MODEL_CHANGED, f"the row was made by {then}, but what is loaded is {now}")
