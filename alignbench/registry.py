"""Builds judges, captioners and image models from the names that users give them."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from alignbench.errors import MissingDependencyError, UnknownNameError, UsageError
from alignbench.references import Reference, is_spec_file, parse_reference, read_spec_file
from alignbench.types import Captioner, ImageModel, Judge

_HOME = Path(__file__).resolve().parent
_EMBEDDED = _HOME / "embedded"


class Role(StrEnum):
    """What an adapter is for; the value is what `alignbench list` takes."""

    JUDGES = "judges"
    CAPTIONERS = "captioners"
    IMAGE_MODELS = "image-models"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of adapter: `target` is its class as `module:Class`, `form` what may follow `KIND:`."""

    target: str
    form: str
    summary: str
    extra: str | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """A model with a name of its own."""

    reference: Reference
    summary: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of `alignbench list`: what to write, and what it gives; `extra` is what of alignbench it needs."""

    name: str
    summary: str
    extra: str | None = None


_KINDS: Mapping[Role, Mapping[str, Kind]] = {
    Role.JUDGES: {
        "clip": Kind(
            "judges.clip:ClipJudge",
            "local-dir:PATH, ARCHITECTURE/PRETRAINED or hf-hub:ORG/NAME",
            "cosine similarity of a CLIP model, loaded by open_clip",
            "clip",
        ),
        "local_vlm": Kind(
            "judges.local_vlm:LocalVlmJudge",
            "PATH_OR_ID[@REVISION]",
            "probability of yes from a vision-language model, loaded by transformers",
            "vlm",
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
        "scenes": Kind(
            "generation.scenes.writer:ScenesWriter",
            "template",
            "the control of the offline world: errors at a set rate",
        ),
    },
    Role.IMAGE_MODELS: {
        "scenes": Kind(
            "generation.scenes.painters:SloppyPainter",
            "painter-a or painter-b",
            "renderers of the offline world that violate their prompt",
        ),
    },
}


def _embedded(kind: str, name: str, summary: str, prefix: str = "") -> Named:
    return Named(Reference(kind, f"{prefix}{_EMBEDDED / name}", {"name": name, "family": name}), summary)


def _blind(name: str, summary: str) -> Named:
    return Named(Reference("blind", name), summary)


_NAMED: Mapping[Role, Mapping[str, Named]] = {
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
}


def build_judge(reference: str, **options: Any) -> Judge:
    """Build a judge from a listed name, `KIND:MODEL[@REVISION]`, or the path of a `.yaml` spec file.

    Args:
        reference: What the user wrote after `--judge`.
        options: Keyword arguments of the adapter's `from_reference`, over those of the name or the spec file.

    Raises:
        UnknownNameError: No such name, kind or option; the message lists the nearest ones.
        MissingDependencyError: The adapter needs an extra that is not installed.
        UsageError: Anything else that the user can mend.
    """
    return cast("Judge", _build(Role.JUDGES, reference, options))


def check_judge(reference: str) -> None:
    """Raise what `build_judge` would raise for a name or kind that there is not; nothing is imported or loaded.

    Raises:
        UnknownNameError: No such name or kind.
        UsageError: A reference or spec file that cannot be read.
    """
    _resolve(Role.JUDGES, reference)


def build_captioner(reference: str, **options: Any) -> Captioner:
    """Build a captioner; arguments and errors as in `build_judge`."""
    return cast("Captioner", _build(Role.CAPTIONERS, reference, options))


def build_image_model(reference: str, **options: Any) -> ImageModel:
    """Build an image model; arguments and errors as in `build_judge`."""
    return cast("ImageModel", _build(Role.IMAGE_MODELS, reference, options))


def names(role: str) -> list[Listed]:
    """What is registered under `judges`, `captioners` or `image-models`: names first, then kinds; nothing is imported.

    Raises:
        UnknownNameError: There is no such role.
    """
    known = [each.value for each in Role]
    if role not in known:
        raise UnknownNameError.of("list", role, known, f"run `alignbench list {known[0]}`")
    chosen = Role(role)
    kinds = _kinds(chosen)
    named = [Listed(name, each.summary, kinds[each.reference.kind].extra) for name, each in _NAMED[chosen].items()]
    return named + [Listed(f"{name}:{kind.form}", kind.summary, kind.extra) for name, kind in kinds.items()]


def _kinds(role: Role) -> dict[str, Kind]:
    """The kinds of other distributions, announced by entry points, then ours, which win a clash of names."""
    group = f"alignbench.{role.value.replace('-', '_')}"
    others = {point.name: _kind_of(point) for point in entry_points(group=group)}
    return others | dict(_KINDS[role])


def _kind_of(point: EntryPoint) -> Kind:
    source = point.dist.name if point.dist else "another distribution"
    return Kind(point.value, "MODEL", f"from {source}")


def _build(role: Role, text: str, options: Mapping[str, Any]) -> object:
    reference = _resolve(role, text)
    make = _factory(reference.kind, _kinds(role)[reference.kind])
    wanted = {**reference.options, **options}
    _check_options(make, reference.kind, wanted)
    return make(reference.model, **wanted)


def _resolve(role: Role, text: str) -> Reference:
    """What `text` names, of a kind that there is."""
    reference, kinds = _read(role, text), _kinds(role)
    if reference.kind not in kinds:
        known = [*kinds, *_NAMED[role]]
        raise UnknownNameError.of(_singular(role), reference.kind, known, f"run `alignbench list {role}`")
    return reference


def _read(role: Role, text: str) -> Reference:
    if text in _NAMED[role]:
        return _NAMED[role][text].reference
    if is_spec_file(text):
        return read_spec_file(Path(text))
    if ":" in text:
        return parse_reference(text)
    kinds = _kinds(role)
    if text in kinds:
        raise UsageError(f"{text!r} is a kind of {_singular(role)} and needs a model: {text}:{kinds[text].form}")
    raise UnknownNameError.of(_singular(role), text, [*_NAMED[role], *kinds], f"run `alignbench list {role}`")


def _singular(role: Role) -> str:
    return role.value.replace("-", " ").removesuffix("s")


def _factory(name: str, kind: Kind) -> Any:
    """Import the adapter's class and return its `from_reference`."""
    module_name, _, class_name = kind.target.partition(":")
    try:
        adapter = getattr(load_module(module_name), class_name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if kind.extra is None or missing in {"alignbench", "judges", "generation"}:
            raise
        raise MissingDependencyError.of(missing, kind.extra) from error
    make = getattr(adapter, "from_reference", None)
    if make is None:
        raise UsageError(
            f"{kind.target}, registered as {name!r}, has no classmethod `from_reference`; its author must add it"
        )
    return make


def load_module(name: str) -> ModuleType:
    """Import a module of `judges` or `generation`, which the core never does by an import statement.

    Raises:
        UsageError: Another distribution's package of that name is in the place of ours.
    """
    _check_ours(name)
    return importlib.import_module(name)


def _check_ours(module_name: str) -> None:
    """Refuse another distribution's `judges` or `generation` in the place of ours."""
    package = module_name.partition(".")[0]
    if package not in {"judges", "generation"}:
        return
    spec = importlib.util.find_spec(package)
    found = Path(spec.origin).resolve().parent if spec and spec.origin else None
    if found != _HOME.parent / package:
        raise UsageError(
            f"the package {package!r} that Python finds ({found or 'none'}) is not the one that belongs to alignbench; "
            f"uninstall the other distribution, or run from an environment that holds alignbench alone"
        )


def _check_options(make: Any, kind: str, options: Mapping[str, Any]) -> None:
    parameters = inspect.signature(make).parameters.values()
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        return
    known = [each.name for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            raise UnknownNameError.of(f"option of {kind}", option, known, "leave it out or mend its name")
