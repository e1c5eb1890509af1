"""Builds judges, captioners, image models and text models from the names that users give them."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from alignbench.adapters import KINDS, NAMED, Kind, Role
from alignbench.errors import MissingDependencyError, UnknownNameError, UsageError
from alignbench.references import Reference, is_spec_file, parse_reference, read_spec_file
from alignbench.types import Captioner, Estimator, ImageModel, Judge, TextModel

if TYPE_CHECKING:
    from alignbench.published import PublishedJudge

_HOME = Path(__file__).resolve().parent
_SPECS = "judges.specs"


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of `alignbench list`: what to write, and what it gives; `extra` is what of alignbench it needs."""

    name: str
    summary: str
    extra: str | None = None


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


def build_estimator(reference: str, **options: Any) -> Estimator | None:
    """Build what says beforehand what a judge would cost; null where its adapter cannot say.

    The adapter is imported, but no model is loaded, nothing is asked, and no key is needed. Arguments and errors as in
    `build_judge`.
    """
    found = _resolve(Role.JUDGES, reference)
    adapter = _adapter(Role.JUDGES, found.kind)
    wanted = _wanted(adapter, found, options)
    make = getattr(adapter, "estimator", None)
    return None if make is None else cast("Estimator", make(found.model, **wanted))


def check_judge(reference: str, **options: Any) -> None:
    """Raise what `build_judge` would raise before it loads a model; where there are options, the adapter is imported.

    Raises:
        UnknownNameError: No such name or kind.
        UsageError: A reference or spec file that cannot be read, or an option that the adapter does not take.
        MissingDependencyError: The adapter has to be imported and needs an extra that is not installed.
    """
    found = _resolve(Role.JUDGES, reference)
    known = _parameters(_adapter(Role.JUDGES, found.kind)) if options else None
    for option, value in options.items():
        if known is not None and not _takes(known, option, value):
            raise UsageError(
                f"the judge {reference!r} takes no option --{option.replace('_', '-')}; leave it out, or run the "
                "judges that take it in a command of their own"
            )


def option_of(reference: str, option: str, options: Mapping[str, Any]) -> Any:
    """What an option of a judge would be: as in `options`, else as its name or spec file says, else the default.

    The adapter is imported; null where it has no such option. Errors as in `build_judge`.
    """
    found = _resolve(Role.JUDGES, reference)
    known = _parameters(_adapter(Role.JUDGES, found.kind)) or {}
    default = known[option].default if option in known else None
    return {option: default, **found.options, **options}[option]


def build_captioner(reference: str, **options: Any) -> Captioner:
    """Build a captioner; arguments and errors as in `build_judge`."""
    return cast("Captioner", _build(Role.CAPTIONERS, reference, options))


def build_image_model(reference: str, **options: Any) -> ImageModel:
    """Build an image model; arguments and errors as in `build_judge`."""
    return cast("ImageModel", _build(Role.IMAGE_MODELS, reference, options))


def build_text_model(reference: str, **options: Any) -> TextModel:
    """Build a text model; arguments and errors as in `build_judge`."""
    return cast("TextModel", _build(Role.TEXT_MODELS, reference, options))


def check_model(role: Role, reference: str, **options: Any) -> None:
    """Raise what building a captioner, an image model or a text model would raise before it loads a model.

    The adapter is imported. Errors as in `build_judge`.
    """
    found = _resolve(role, reference)
    _wanted(_adapter(role, found.kind), found, options)


def names(role: str) -> list[Listed]:
    """What is registered under a role, such as `judges`: names first, then kinds; nothing is imported.

    Raises:
        UnknownNameError: There is no such role.
    """
    known = [each.value for each in Role]
    if role not in known:
        raise UnknownNameError.of("list", role, known, f"run `alignbench list {known[0]}`")
    chosen = Role(role)
    there = kinds(chosen)
    named = [Listed(name, each.summary, there[each.reference.kind].extra) for name, each in NAMED[chosen].items()]
    return named + [Listed(f"{name}:{kind.form}", kind.summary, kind.extra) for name, kind in there.items()]


def kinds(role: Role) -> dict[str, Kind]:
    """The kinds that other distributions announce by entry points, then ours, which win a clash; imports nothing."""
    group = f"alignbench.{role.value.replace('-', '_')}"
    others = {point.name: _kind_of(point) for point in entry_points(group=group)}
    return others | dict(KINDS[role])


def _kind_of(point: EntryPoint) -> Kind:
    source = point.dist.name if point.dist else None
    return Kind(point.value, "MODEL", f"from {source or 'another distribution'}", distribution=source)


def _build(role: Role, text: str, options: Mapping[str, Any]) -> object:
    found = _resolve(role, text)
    adapter = _adapter(role, found.kind)
    return adapter.from_reference(found.model, **_wanted(adapter, found, options))


def _resolve(role: Role, text: str) -> Reference:
    """What `text` names, of a kind that there is."""
    reference, there = _read(role, text), kinds(role)
    if reference.kind not in there:
        known = [*there, *NAMED[role]]
        raise UnknownNameError.of(_singular(role), reference.kind, known, f"run `alignbench list {role}`")
    return reference


def _read(role: Role, text: str) -> Reference:
    if text in NAMED[role]:
        return NAMED[role][text].reference
    if is_spec_file(text):
        return read_spec_file(Path(text))
    if ":" in text:
        return parse_reference(text)
    there = kinds(role)
    if text in there:
        raise UsageError(f"{text!r} is a kind of {_singular(role)} and needs a model: {text}:{there[text].form}")
    others = published() if role is Role.JUDGES else {}
    if text in others:
        return _unblocked(others[text])
    known = [*NAMED[role], *there, *others]
    raise UnknownNameError.of(_singular(role), text, known, f"run `alignbench list {role}`")


def published() -> Mapping[str, PublishedJudge]:
    """The judges that judges/specs.py knows by name; it is imported, and imports no adapter."""
    return cast("Mapping[str, PublishedJudge]", load_module(_SPECS).JUDGES)


def _unblocked(judge: PublishedJudge) -> Reference:
    if judge.blocked:
        raise UsageError(f"the judge {judge.name!r} cannot run here: {judge.blocked}; run `alignbench list judges`")
    return judge.reference


def _singular(role: Role) -> str:
    return role.value.replace("-", " ").removesuffix("s")


def _adapter(role: Role, name: str) -> Any:
    """Import the class of a kind of adapter, which has a `from_reference`."""
    kind = kinds(role)[name]
    module_name, _, class_name = kind.target.partition(":")
    try:
        adapter = getattr(load_module(module_name), class_name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if kind.extra is None or missing in {"alignbench", "judges", "generation"}:
            raise
        raise MissingDependencyError.of(missing, kind.extra) from error
    if not hasattr(adapter, "from_reference"):
        raise UsageError(
            f"{kind.target}, registered as {name!r}, has no classmethod `from_reference`; its author must add it"
        )
    return adapter


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


def _wanted(adapter: Any, reference: Reference, options: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments of the adapter's `from_reference`: all that it needs, and none that it does not take."""
    wanted, known = {**reference.options, **options}, _parameters(adapter)
    if known is None:
        return wanted
    if "provider" not in known:
        wanted.pop("provider", None)  # for people alone, so that any spec file may say it
    for option in wanted:
        if option not in known:
            raise UnknownNameError.of(f"option of {reference.kind}", option, known, "leave it out or mend its name")
    lacking = [name for name, each in known.items() if each.default is each.empty and name not in wanted]
    if lacking:
        raise UsageError(f"{reference.kind} needs the option {lacking[0]!r}; write it under `options` of a spec file")
    return wanted


def _parameters(adapter: Any) -> dict[str, inspect.Parameter] | None:
    """The options of the adapter's `from_reference`; null where it takes any."""
    parameters = inspect.signature(adapter.from_reference).parameters.values()
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        return None
    return {each.name: each for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY}


def _takes(known: Mapping[str, inspect.Parameter], option: str, value: Any) -> bool:
    """Whether an option can have that value: a flag does not fit an option of the same name that is none."""
    return option in known and isinstance(known[option].default, bool) is isinstance(value, bool)
