"""Which judges there are, which of them can run here, and what the rest lack; no adapter is imported."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from alignbench.adapters import NAMED, Kind, Named, Role
from alignbench.hub_cache import has_weights
from alignbench.published import Measured, PublishedJudge
from alignbench.registry import kinds, published

_MODULES = {
    "clip": ("huggingface_hub", "open_clip", "torch"),
    "vlm": ("num2words", "safetensors", "timm", "torch", "transformers"),
    "api": ("openai",),
}
"""What the extras bring that adapters import."""
_LOCAL, _HUB = "local-dir:", "hf-hub:"
_KEY = "OPENAI_API_KEY"


class Group(StrEnum):
    """Where a judge stands in the list."""

    EMBEDDED = "embedded"
    CONTROL = "control"
    KIND = "kind"
    PUBLISHED = "published"
    TODAY = "today"


class State(StrEnum):
    """Whether a judge can run here."""

    READY = "ready"
    DOWNLOADS = "downloads"
    LACKS = "lacks"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class JudgeLine:
    """A judge, or a kind of judges, and how it stands on this machine.

    Attributes:
        name: What `--judge` takes; of a kind, `KIND:FORM`.
        group: Where it stands in the list.
        summary: What it is, in a few words.
        extra: What of alignbench it needs, whether it is there or not.
        state: Whether it can run: at once, after a download of its own, once something is there, or not at all.
        lacks: What has to be there first, in the order in which to bring it.
        kind: The kind of adapter.
        distribution: Who brings the adapter; null where that is not known.
        blocked: Why it cannot run as it is.
        model: What the adapter loads; null for a kind.
        revision: Null where it is not pinned.
        family: The lineage of its model.
        provider: Who made it.
        parameters: Its size.
        id_source: Where the model's id was seen; null where nobody looked it up, or there is none.
        measured: Rows of published tables.
        note: What else to know.
    """

    name: str
    group: Group
    summary: str
    extra: str | None
    state: State
    lacks: tuple[str, ...]
    kind: str
    distribution: str | None
    blocked: str | None = None
    model: str | None = None
    revision: str | None = None
    family: str | None = None
    provider: str | None = None
    parameters: str | None = None
    id_source: str | None = None
    measured: tuple[Measured, ...] = ()
    note: str | None = None


def list_judges() -> list[JudgeLine]:
    """Every judge that has a name, and every kind: embedded ones, controls, kinds, published ones, those of today."""
    there = kinds(Role.JUDGES)
    named = [_named(name, each, there[each.reference.kind]) for name, each in NAMED[Role.JUDGES].items()]
    lines = [_kind(name, kind) for name, kind in there.items()]
    return [*named, *lines, *(_published(each, there[each.kind]) for each in published().values())]


def _named(name: str, named: Named, kind: Kind) -> JudgeLine:
    reference, lacks = named.reference, _missing_extra(kind)
    is_control = reference.kind == "blind"
    return JudgeLine(
        name=name,
        group=Group.CONTROL if is_control else Group.EMBEDDED,
        summary=named.summary,
        extra=kind.extra,
        state=State.LACKS if lacks else State.READY,
        lacks=lacks,
        kind=reference.kind,
        distribution=kind.distribution,
        model=None if is_control else Path(reference.model.removeprefix(_LOCAL)).name,
        family=reference.options.get("family"),
    )


def _kind(name: str, kind: Kind) -> JudgeLine:
    lacks = _missing_extra(kind)
    return JudgeLine(
        name=f"{name}:{kind.form}",
        group=Group.KIND,
        summary=kind.summary,
        extra=kind.extra,
        state=State.LACKS if lacks else State.READY,
        lacks=lacks,
        kind=name,
        distribution=kind.distribution,
    )


def _published(judge: PublishedJudge, kind: Kind) -> JudgeLine:
    lacks = (*_missing_extra(kind), *_missing_key(judge))
    return JudgeLine(
        name=judge.name,
        group=Group.PUBLISHED if judge.measured else Group.TODAY,
        summary=f"{judge.model} of {judge.provider}",
        extra=kind.extra,
        state=_state(judge, lacks),
        lacks=lacks,
        kind=judge.kind,
        distribution=kind.distribution,
        blocked=judge.blocked,
        model=judge.model,
        revision=judge.revision,
        family=judge.family,
        provider=judge.provider,
        parameters=judge.parameters,
        id_source=judge.id_source,
        measured=judge.measured,
        note=judge.note,
    )


def _state(judge: PublishedJudge, lacks: tuple[str, ...]) -> State:
    if judge.blocked:
        return State.BLOCKED
    if lacks:
        return State.LACKS
    here = judge.kind == "api" or has_weights(judge.weights or judge.model.removeprefix(_HUB), judge.revision)
    return State.READY if here else State.DOWNLOADS


def _missing_extra(kind: Kind) -> tuple[str, ...]:
    modules = _MODULES.get(kind.extra or "", ())
    return () if all(map(_is_installed, modules)) else (f"alignbench[{kind.extra}]",)


def _missing_key(judge: PublishedJudge) -> tuple[str, ...]:
    key = judge.options.get("key_env", _KEY)
    return (key,) if judge.kind == "api" and not os.environ.get(key) else ()


def _is_installed(module: str) -> bool:
    """Whether it can be found; it is not imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:
        return False
