"""A judge of the literature as a value: what it is, where it was measured, and what keeps it from running here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from alignbench.references import Reference


@dataclass(frozen=True, slots=True)
class Measured:
    """A row of a published table, as it is printed there.

    Attributes:
        table: The paper, such as `arXiv 2511.20515`.
        judge: What the row is called.
        parameters: Its size, or null where none is printed.
    """

    table: str
    judge: str
    parameters: str | None = None


@dataclass(frozen=True, slots=True)
class PublishedJudge:
    """A judge that is known by name.

    Attributes:
        name: What `--judge` takes.
        kind: The kind of adapter that runs it, or would.
        model: What the adapter loads: a hub id, a pretrained tag of open_clip, or a model of an API.
        family: The lineage that makes a producer "own" to it.
        provider: Who made it.
        parameters: Its size as its makers state it; null where they do not.
        revision: A commit of the hub; null where nobody looked it up, which is shown as `unpinned`.
        id_source: Where the id of the model was seen; null where nobody looked it up.
        measured: Where others have measured it.
        weights: Where on the hub its weights are, if not at `model`.
        options: What else the adapter's `from_reference` needs.
        blocked: Why it cannot be run as it is, with what to do instead; null where it can.
        note: What else to know before running it.
    """

    name: str
    kind: str
    model: str
    family: str
    provider: str
    parameters: str | None = None
    revision: str | None = None
    id_source: str | None = None
    measured: tuple[Measured, ...] = ()
    weights: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    blocked: str | None = None
    note: str | None = None

    @property
    def reference(self) -> Reference:
        """What builds it."""
        said = {"name": self.name, "family": self.family, "provider": self.provider, "revision": self.revision}
        options = {key: value for key, value in said.items() if value is not None} | dict(self.options)
        return Reference(self.kind, self.model, options, self.note)
