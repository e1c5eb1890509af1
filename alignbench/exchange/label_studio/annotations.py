"""Annotations come in from Label Studio's JSON export.

Its fields are those of https://labelstud.io/guide/task_format: `completed_by` is a number or, from other versions, an
object; `prediction` and `parent_prediction` tell what was shown first. E-mail addresses are never kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alignbench.errors import UsageError
from alignbench.exchange.arriving_labels import ArrivingLabels
from alignbench.exchange.label_studio.annotation_fields import AnnotationFields, AnnotationReader
from alignbench.exchange.label_studio.answers import Answers, Note, whole
from alignbench.exchange.label_studio.config import TEXT
from alignbench.exchange.label_studio.exported_file import exported_tasks
from alignbench.exchange.label_studio.regions import Region, Unit, cut, unit_of
from alignbench.exchange.notes import Notes, Problems
from alignbench.labelling.events import make_event
from alignbench.store import Dataset
from alignbench.types import Label, LabelEvent, Role, Sentence

TOOL = "label-studio"
_THEN = "mend it in Label Studio or in the file, and import again"


@dataclass(frozen=True, slots=True)
class _Read:
    """An annotation that becomes an event once it is known what its file's offsets count."""

    place: str
    sentence_id: str
    guideline: str | None
    text: str
    fields: AnnotationFields
    answers: Answers


def read_annotations(
    dataset: Dataset, file: Path, *, role: Role = Role.ANNOTATOR, annotators: Mapping[str, str] | None = None
) -> ArrivingLabels:
    """The label events in a JSON export of a project whose tasks `export_tasks` wrote; nothing is written.

    Every annotation that says something is an event, of the time when it was last changed. Those marked as ground truth
    are adjudications. A skipped task, a draft, or an annotation without an answer is none; a comment alone is an event
    without a label. Offsets are read as what the regions' own texts show them to count.

    Args:
        dataset: The dataset whose sentences were given out.
        file: The export, chosen as JSON.
        role: What annotations that are no ground truth count for.
        annotators: Names to use instead of `label-studio:ID`, by ID or e-mail address.

    Raises:
        UsageError: There is no such file, or a name to use is blank.
        ImportFileError: It is not Label Studio's JSON export; or it has annotations of other sentences, texts or
            datasets, or some that contradict themselves, all listed.
        DatasetError: The dataset is damaged.
    """
    for given, name in (annotators or {}).items():
        if not name.strip():
            raise UsageError(f"the annotator {given!r} is given a blank name; give one, such as --rename {given}=ann-1")
    reader = _TaskReader(dataset, Problems(file, "entry"), Notes(), AnnotationReader(role, annotators or {}))
    read = [one for number, task in exported_tasks(file) for one in reader.read(number, task)]
    reader.finish()
    return ArrivingLabels(list(_events(read, reader.notes)), reader.notes)


@dataclass(slots=True)
class _TaskReader:
    """Reads the tasks of a file, which pass by once."""

    dataset: Dataset
    problems: Problems
    notes: Notes
    annotations: AnnotationReader
    _sentences: dict[str, Sentence] = field(default_factory=dict)
    _foreign: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._sentences = {sentence.sentence_id: sentence for sentence in self.dataset.sentences()}

    def read(self, number: int, task: Any) -> list[_Read]:
        """What the annotations of a task say, oldest first; problems and notes are remembered."""
        if not isinstance(task, Mapping) or not isinstance(task.get("data"), Mapping):
            self.problems.add(number, f"it has no `data` as a JSON object: {cut(task)}")
            return []
        data, place = task["data"], f"task {cut(task.get('id'))}"
        if not isinstance(task.get("annotations"), list):
            self.problems.add(number, f"{place} has no list of `annotations`: {cut(task.get('annotations'))}")
            return []
        if drafts := task.get("drafts"):
            self._note(f"{place} ({len(drafts) if isinstance(drafts, list) else 1})")("drafts, left out")
        if task["annotations"] and not self._is_ours(number, place, data):
            return []
        found = (self._annotation(number, place, task, one) for one in task["annotations"])
        return sorted(filter(None, found), key=lambda one: one.fields.time)

    def finish(self) -> None:
        """Raise the ImportFileError that lists all problems; nothing if there are none."""
        ours = f"{self.dataset.path} is {self.dataset.name!r} with {self.dataset.shown_digest[:12]}"
        for (name, digest), numbers in self._foreign.items():
            more = f", as are {len(numbers) - 1} more tasks" if len(numbers) > 1 else ""
            said = (
                f"it is of another dataset, {name} with the shown digest {digest}{more}; {ours}; give the one it is of"
            )
            self.problems.add(numbers[0], said)
        self.problems.raise_any(_THEN)

    def _is_ours(self, number: int, place: str, data: Mapping[str, Any]) -> bool:
        """Whether the task is of a sentence of this dataset, as it reads here."""
        sentence_id, digest = data.get("sentence_id"), data.get("shown_digest")
        if not isinstance(sentence_id, str) or not isinstance(digest, str):
            self.problems.add(
                number,
                f"{place} has no `sentence_id` and `shown_digest` in its data: it is not of `alignbench label export`",
            )
            return False
        if digest != self.dataset.shown_digest:
            self._foreign.setdefault((cut(data.get("dataset")), cut(digest[:12])), []).append(number)
            return False
        sentence = self._sentences.get(sentence_id)
        if sentence is None:
            self.problems.add(number, f"{place}: there is no sentence {cut(sentence_id)} in {self.dataset.path}")
            return False
        faults = [
            f"its `{key}` is {cut(data.get(key))}; here it is {cut(here)}"
            for key, here in (("pair_id", sentence.pair_id), (TEXT, sentence.text))
            if data.get(key) != here
        ]
        for fault in faults:
            self.problems.add(number, f"{place}, sentence {cut(sentence_id)}: {fault}")
        return not faults

    def _annotation(self, number: int, place: str, task: Mapping[str, Any], annotation: Any) -> _Read | None:
        sentence_id = task["data"]["sentence_id"]
        where = f"{place}, sentence {cut(sentence_id)}"
        text, guideline = self._sentences[sentence_id].text, task["data"].get("guideline")
        faults: list[str] = []
        note = self._note(where)
        told = self.annotations.read(annotation, task.get("predictions"), text, note, faults.append)
        if told is not None and not faults:
            _settle(told[1], note, faults.append)
        for fault in faults:
            self.problems.add(number, f"{where}: {fault}")
        if told is None or faults or told[1].is_empty:
            return None
        guided = whole(guideline, note) if isinstance(guideline, str) else None
        return _Read(where, sentence_id, guided, text, *told)

    def _note(self, case: str) -> Note:
        return lambda kind: self.notes.add(kind, case)


def _settle(answers: Answers, note: Note, problem: Note) -> None:
    """Make the answers agree with each other; what contradicts itself in sight of the annotator is a problem."""
    if answers.regions and answers.label is None:
        note("words marked and no label chosen, taken as `incorrect`")
        answers.label = Label.INCORRECT
    if answers.regions and answers.label is not Label.INCORRECT:
        problem(
            f"it is labelled `{answers.label}`, and {len(answers.regions)} of its words or phrases are marked wrong"
        )
    if answers.error_types and answers.label is not Label.INCORRECT:
        # The interface hides this question again, so nobody sees what was answered before.
        note("error types chosen before the label became another, left out")
        answers.error_types.clear()
    if answers.comments and answers.label is None:
        note("comments without a label, kept as events without one")


def _events(read: Iterable[_Read], notes: Notes) -> Iterator[LabelEvent]:
    """The events; offsets that could count either are taken as their annotation's or file's others show."""
    read = list(read)
    of_file = unit_of((region for one in read for region in one.answers.regions), None)
    for one in read:
        unit = unit_of(one.answers.regions, of_file)
        for region in one.answers.regions:
            _note_unit(region, unit, one.place, notes)
        yield _event(one, unit or Unit.CODE_POINTS)


def _note_unit(region: Region, unit: Unit | None, place: str, notes: Notes) -> None:
    if region.is_open and unit is None:
        notes.add("offsets that may count code points or UTF-16 code units, taken as code points", place)
    elif (region.unit or unit) is Unit.UTF16:
        notes.add("offsets that count UTF-16 code units, turned into code points", place)


def _event(one: _Read, unit: Unit) -> LabelEvent:
    spans = dict.fromkeys(span for region in one.answers.regions for span in region.spans(unit))
    return make_event(
        sentence_id=one.sentence_id,
        text=one.text,
        annotator=one.fields.annotator,
        time=one.fields.time,
        label=one.answers.label,
        role=one.fields.role,
        error_types=one.answers.error_types,
        spans=sorted(spans, key=lambda span: (span.start, span.end, span.error_type)),
        comment="\n".join(one.answers.comments) or None,
        guideline=one.guideline,
        tool=TOOL,
        suggested_by=one.fields.suggested_by,
        seconds=one.fields.seconds,
    )
