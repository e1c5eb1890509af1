"""The nouns of alignbench: what is stored, what a judge is shown, what it answers, and the four adapter protocols.

Every offset counts Unicode code points and every range is half-open. Scores are higher for better aligned, always; the
suspicion of a mark alone is higher for what is more surely wrong.
"""

from __future__ import annotations

import builtins
import datetime as dt
import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable


class Label(StrEnum):
    """What people say of a sentence; a sentence that nobody has labelled yet has no label, which is not `unknown`."""

    CORRECT = "correct"
    INCORRECT = "incorrect"
    UNKNOWN = "unknown"


class ErrorType(StrEnum):
    """The eight error types of AlignBench (arXiv 2511.20515) and `other`; defined in data_cards/error_types.md."""

    ATTRIBUTE = "attribute"
    OBJECT = "object"
    ILLUSION = "illusion"
    DIRECTION = "direction"
    NUMBER = "number"
    TEXT = "text"
    LOCATION = "location"
    RELATION = "relation"
    OTHER = "other"


class Direction(StrEnum):
    """Which side of a pair its producer made."""

    IMAGE_TO_TEXT = "image_to_text"
    TEXT_TO_IMAGE = "text_to_image"


class Origin(StrEnum):
    """Where an image comes from."""

    REAL = "real"
    GENERATED = "generated"


class Status(StrEnum):
    """Why there is, or is not, a score or a product. `OK` alone comes with one."""

    OK = "ok"
    IMAGE_MISSING = "image_missing"
    IMAGE_UNREADABLE = "image_unreadable"
    UNPARSABLE = "unparsable"
    EMPTY = "empty"
    RUN_ON = "run_on"
    REFUSED = "refused"
    UNSAFE = "unsafe"
    FILTERED = "filtered"
    NOT_FINITE = "not_finite"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model as a value. `family` is the lineage that makes a producer "own" to a judge."""

    name: str
    revision: str | None = None
    family: str | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """An image and its original bytes; `sha256`, `bytes`, `width` and `height` are null while it is missing.

    `image_key` never changes, not even when missing bytes arrive: the sha256 for images of ours, `source:name` for
    imported ones. `url` is where the publisher keeps an image that is not stored here; it is never fetched.
    """

    image_key: str
    sha256: str | None
    bytes: builtins.bytes | None
    width: int | None
    height: int | None
    origin: Origin
    source: str
    licence: str | None = None
    url: str | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pair:
    """An image and a caption, of which `producer` made the side that can be wrong.

    `cluster_id` is the root of the chain that made the pair: the source image for image-to-text, the prompt for
    text-to-image. `provenance` holds enough to make the row again.
    """

    pair_id: str
    image_key: str
    caption: str
    producer: ModelRef
    direction: Direction
    domain: str | None
    cluster_id: str
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """The wrong words of a sentence: offsets into the sentence's own text."""

    start: int
    end: int
    error_type: ErrorType


@dataclass(frozen=True, slots=True)
class Votes:
    """How many annotators chose each label, and the agreement figures their publisher gave."""

    correct: int
    incorrect: int
    unknown: int
    agreement_ratio: float | None = None
    fleiss_pi: float | None = None


@dataclass(frozen=True, slots=True)
class Sentence:
    """The unit of everything: `pair.caption[start:end] == text`. A null label means not labelled yet."""

    sentence_id: str
    pair_id: str
    index: int
    start: int
    end: int
    text: str
    label: Label | None = None
    error_types: tuple[ErrorType, ...] = ()
    spans: tuple[Span, ...] = ()
    votes: Votes | None = None


class Role(StrEnum):
    """What a label event counts for."""

    BASELINE = "baseline"
    """The label a sentence came with; it holds until people vote."""
    ANNOTATOR = "annotator"
    """A vote: the newest of each annotator counts."""
    ADJUDICATOR = "adjudicator"
    """The last word: the newest one decides, whatever the votes."""


@dataclass(frozen=True, slots=True)
class LabelEvent:
    """Somebody said something of a sentence; events are added, never changed.

    Attributes:
        event_id: Sixteen hex digits of the sha256 over all other fields, so that the same event is stored once.
        sentence_id: The sentence.
        text: What was read; an event is of a sentence with exactly this text.
        annotator: Who; a pseudonym, never a name or an address.
        role: What it counts for.
        time: When, with its time zone.
        label: What they said; null where they take back what they said before, or passed the sentence over.
        error_types: As in `Sentence`.
        spans: As in `Sentence`.
        votes: For a baseline: the vote counts that the label came with.
        comment: Their words, or null.
        guideline: The fingerprint of the guidelines they worked by (`alignbench.labelling.guidelines`), or null.
        tool: What recorded it, such as `label-studio`.
        suggested_by: The judge_id of the judge whose suggestion they saw, or null.
        seconds: How long it took; where a tool times a whole task, the task's time over its sentences. Or null.
    """

    event_id: str
    sentence_id: str
    text: str
    annotator: str
    role: Role
    time: dt.datetime
    label: Label | None
    error_types: tuple[ErrorType, ...] = ()
    spans: tuple[Span, ...] = ()
    votes: Votes | None = None
    comment: str | None = None
    guideline: str | None = None
    tool: str | None = None
    suggested_by: str | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.time.utcoffset() is None:
            raise ValueError(f"the time of an event needs a time zone: {self.time}")


@dataclass(frozen=True, slots=True)
class Context:
    """The caption that a query's sentences stand in.

    `ranges` are the offsets of all its sentences in their order, half-open; `places` says which of them the query asks
    about, so that its sentence i is `caption[start:end]` where `start, end = ranges[places[i]]`.
    """

    caption: str
    ranges: tuple[tuple[int, int], ...]
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """All that a judge sees: the bytes of one image and sentences about it; no label, producer or file name.

    A judge whose spec says `context="caption"` gets one query a caption, with its sentences in their order and the
    context set. Any other gets one query an image, with the sentences of all its captions shuffled, and no context.
    """

    number: int
    image: bytes
    sentences: tuple[str, ...]
    context: Context | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer cost; null where not measured. `cached_tokens` is the part of the input read from a cache."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    seconds: float | None = None
    cost_usd: float | None = None
    cached_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What judging would take, before anything is asked; null where it cannot be told, with the reason in `notes`."""

    requests: int
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """A range of a sentence that a judge holds to be wrong: offsets into the sentence's own text.

    `suspicion` is finite, on a scale of the judge's own, and higher where the judge is surer that the words are
    *wrong*: the one number of a judge for which higher is not better.
    """

    start: int
    end: int
    suspicion: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"a mark is a range of its sentence, not [{self.start}, {self.end})")
        if not math.isfinite(self.suspicion):
            raise ValueError(f"the suspicion of a mark is finite, not {self.suspicion}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's answer for one sentence: `score` is null exactly when `status` is not `ok`.

    `truncated` says that the judge's model saw only the first part of the sentence. `raw` is what the score was read
    from, as JSON values. `marks` are where the sentence is wrong: null from a judge that does not say, empty where it
    found nothing. A judge that gives every character a suspicion returns marks that tile the sentence.
    """

    score: float | None
    status: Status = Status.OK
    raw: Mapping[str, Any] = field(default_factory=dict)
    usage: Usage = Usage()
    truncated: bool = False
    marks: tuple[Mark, ...] | None = None

    def __post_init__(self) -> None:
        if (self.score is None) == (self.status is Status.OK):
            raise ValueError(f"a verdict has a score exactly when its status is ok: {self.score!r}, {self.status}")
        if self.score is None and self.marks is not None:
            raise ValueError(f"a verdict without a score has no marks: {self.status}")

    @classmethod
    def failed(cls, status: Status, reason: str) -> Verdict:
        """A verdict without a score, with the reason in `raw`."""
        return cls(score=None, status=status, raw={"reason": reason})


class Answer(NamedTuple):
    """A verdict and where it belongs: the number of its query and the place of the sentence in that query."""

    query: int
    sentence: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class JudgeSpec:
    """A judge as a value: everything that can change a score. Device and library versions go to run.json.

    `control` names the blind control this judge is (`constant`, `length`, `index`, `ngram`), or what replaces its
    images (`blank`, `shuffled`); null for a judge that sees what it should. `name` is for people.
    """

    name: str
    kind: str
    model: ModelRef
    prompt: str | None = None
    mode: str | None = None
    context: str = "sentence"
    control: str | None = None
    dtype: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def judge_id(self) -> str:
        """Twelve hex digits of the sha256 over all that can change a score (so without `name` and the family)."""
        said = {
            "kind": self.kind,
            "model": [self.model.name, self.model.revision],
            "prompt": self.prompt,
            "mode": self.mode,
            "context": self.context,
            "control": self.control,
            "dtype": self.dtype,
            "options": dict(self.options),
        }
        canonical = json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Judgment:
    """A stored verdict, one row of judgments.parquet. `attempts` counts how often the sentence was asked."""

    sentence_id: str
    judge_id: str
    verdict: Verdict
    attempts: int = 1


class Judge(Protocol):
    """Scores sentences against images. Loading happens in the constructor."""

    @property
    def spec(self) -> JudgeSpec:
        """What this judge is, as a value."""
        ...

    def judge(self, queries: Iterable[Query]) -> Iterator[Answer]:
        """Answer every sentence of every query once, in any order; pull queries lazily, yield answers when known."""
        ...


@runtime_checkable
class Briefed(Protocol):
    """A control or planted judge that needs what no real judge may see; the run hands it over before it asks."""

    def brief(self, rows: Mapping[tuple[int, int], tuple[Pair, Sentence]]) -> None:
        """Take the rows behind every (query number, place of the sentence in the query)."""
        ...


@runtime_checkable
class Situated(Protocol):
    """A judge that can say where it runs: what is no part of its identity but may change its last digits."""

    @property
    def environment(self) -> Mapping[str, str]:
        """The device and the versions of the libraries, for run.json."""
        ...


@runtime_checkable
class Billed(Protocol):
    """A judge or a producer whose answers cost money: an answer is on the disk before the next one is taken."""

    @property
    def spent_usd(self) -> float:
        """What it spent since it was built, in US dollars, on questions that came to nothing too."""
        ...

    def limit_cost(self, usd: float) -> None:
        """Ask nothing that could bring `spent_usd` above `usd`.

        Where that stops it, the iterator of answers yields what is in flight and then raises `BudgetError`.

        Raises:
            UsageError: What an answer costs is not known.
        """
        ...


@runtime_checkable
class Stoppable(Protocol):
    """A judge or a producer that has several answers in flight."""

    def stop(self) -> None:
        """Ask no more: what is in flight is yielded, then KeyboardInterrupt raised. May be called in any thread."""
        ...


@runtime_checkable
class Housed(Protocol):
    """A judge that keeps files of its own between two calls of one run, such as the names of jobs it waits for."""

    def move_in(self, folder: Path) -> None:
        """Keep them in this folder, which may not exist yet; called before `judge`."""
        ...


class Estimator(Protocol):
    """Says what a judge would cost without asking it anything.

    An adapter that can has a classmethod `estimator` that takes what its `from_reference` takes; it loads nothing and
    needs no key.
    """

    @property
    def spec(self) -> JudgeSpec:
        """What the judge would be if its endpoint honours all that is wanted."""
        ...

    def estimate(self, queries: Iterable[Query]) -> Estimate:
        """What all these queries would take; pulls them lazily."""
        ...


@dataclass(frozen=True, slots=True)
class CaptionTask:
    """One caption to write: `number` comes back with the result; `image` is the image with its provenance."""

    number: int
    image: Image
    prompt: str
    seed: int


@dataclass(frozen=True, slots=True)
class ImageTask:
    """One image to draw from a prompt."""

    number: int
    prompt: str
    seed: int


@dataclass(frozen=True, slots=True)
class Produced:
    """What a producer made for one task: a caption, or an image as encoded bytes; null when `status` is not `ok`."""

    number: int
    caption: str | None = None
    image: bytes | None = None
    status: Status = Status.OK
    provenance: Mapping[str, Any] = field(default_factory=dict)


class Captioner(Protocol):
    """Writes captions of images. Loading happens in the constructor."""

    @property
    def model(self) -> ModelRef:
        """What goes into a pair as its producer."""
        ...

    def produce(self, tasks: Iterable[CaptionTask]) -> Iterator[Produced]:
        """Answer every task once, in any order. The result of a task depends on the task alone, never on its batch."""
        ...


class ImageModel(Protocol):
    """Draws images from prompts. Loading happens in the constructor."""

    @property
    def model(self) -> ModelRef:
        """What goes into a pair as its producer."""
        ...

    def produce(self, tasks: Iterable[ImageTask]) -> Iterator[Produced]:
        """Answer every task once, in any order. The result of a task depends on the task alone, never on its batch."""
        ...


@dataclass(frozen=True, slots=True)
class TextTask:
    """One text to write: `number` comes back with the result."""

    number: int
    prompt: str
    seed: int


@dataclass(frozen=True, slots=True)
class Written:
    """What a text model wrote for one task; null when `status` is not `ok`."""

    number: int
    text: str | None = None
    status: Status = Status.OK
    provenance: Mapping[str, Any] = field(default_factory=dict)


class TextModel(Protocol):
    """Writes texts without looking at an image: prompts, changed captions. Loading happens in the constructor."""

    @property
    def model(self) -> ModelRef:
        """What goes into the provenance of a text."""
        ...

    def write(self, tasks: Iterable[TextTask]) -> Iterator[Written]:
        """Answer every task once, in any order. The result of a task depends on the task alone, never on its batch."""
        ...
