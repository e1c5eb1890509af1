"""Makes pairs of the rows of a table."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from alignbench.exchange.clusters import prompt_cluster
from alignbench.exchange.notes import Notes, Problems
from alignbench.exchange.table_images import TableImages
from alignbench.exchange.table_rows import Frame, Given, Text
from alignbench.exchange.table_sentences import Place, find, has_rest, join, sentences_of, split
from alignbench.schema import canonical_json
from alignbench.store import DatasetWriter
from alignbench.types import Direction, Pair


@dataclass(slots=True)
class _Group:
    """The sentence rows of one pair."""

    line: int
    frame: Frame
    caption: str | None
    given: list[Given]


@dataclass(slots=True)
class TablePairs:
    """Puts pairs into `writer` as their rows come, which gets none once there are problems.

    Attributes:
        spans: How many spans were written.
    """

    writer: DatasetWriter
    images: TableImages
    file_name: str
    problems: Problems
    notes: Notes
    spans: int = 0
    _groups: dict[tuple[str, str, str | None], _Group] = field(default_factory=dict)
    _seen: dict[str, tuple[int, int]] = field(default_factory=dict)
    _clusters: dict[tuple[Direction, str, str], tuple[str, int]] = field(default_factory=dict)

    def take(self, line: int, frame: Frame, text: Text) -> None:
        """Store the pair of a row, or keep its one sentence until all rows have come."""
        if text.sentence is not None:
            self._keep(line, frame, text.caption, text.sentence)
        elif text.sentences is None:
            caption = text.caption or ""
            self._store(line, frame, caption, split(line, caption), "split")
        else:
            self._store_given(_Group(line, frame, text.caption, list(text.sentences)))

    def finish(self) -> None:
        """Store the pairs of which the sentences came on rows of their own."""
        for group in self._groups.values():
            self._store_given(group)

    def _keep(self, line: int, frame: Frame, caption: str | None, sentence: Given) -> None:
        key = (frame.image, frame.producer.name, caption)
        group = self._groups.setdefault(key, _Group(line, frame, caption, []))
        group.given.append(sentence)
        columns = (column.name for column in dataclasses.fields(Frame))
        other = [column for column in columns if getattr(frame, column) != getattr(group.frame, column)]
        if other:
            said = f"is a sentence of the pair of {self._at(group.line)}, but differs in `{'`, `'.join(other)}`"
            self.problems.add(line, said)

    def _store_given(self, group: _Group) -> None:
        if group.caption is None:
            caption, places = join(group.given, self.notes)
        else:
            caption, places = group.caption, find(group.caption, group.given, self.problems, self.notes)
            if has_rest(caption, places):
                self.notes.add("captions with text outside their sentences, which is not judged", self._at(group.line))
        self._store(group.line, group.frame, caption, places, "given")

    def _store(self, line: int, frame: Frame, caption: str, places: Sequence[Place], origin: str) -> None:
        key = self.images.key_of(frame, line)
        if not places:
            self.problems.add(line, "the caption has no sentence")
        if key is None or not places:
            return
        cluster = self._cluster(line, frame, key, caption)
        pair_id = hashlib.sha256(canonical_json([key, frame.producer.name, caption]).encode()).hexdigest()[:20]
        sentences = sentences_of(pair_id, caption, places, self.problems)
        provenance = {"format": "table", "file": self.file_name, "line": line, "sentences": origin}
        pair = Pair(pair_id, key, caption, frame.producer, frame.direction, frame.domain, cluster, provenance)
        said = hash((frame.producer, frame.direction, frame.domain, cluster, *sentences))
        twin_line, twin = self._seen.setdefault(pair_id, (line, said))
        if twin_line != line:
            self._note_twin(line, twin_line, alike=twin == said)
        elif not self.problems:
            self.writer.add_pair(pair, sentences)
            self.spans += sum(len(sentence.spans) for sentence in sentences)

    def _note_twin(self, line: int, twin_line: int, *, alike: bool) -> None:
        if alike:
            self.notes.add("rows that repeat another, left out", f"{self._at(line)} repeats {self._at(twin_line)}")
        else:
            self.problems.add(
                line, f"is the pair of {self._at(twin_line)} again, but says other things of it; keep one"
            )

    def _cluster(self, line: int, frame: Frame, key: str, caption: str) -> str:
        """The cluster a row gives, or else its image or prompt. What hangs together must be in one cluster."""
        drawn = frame.direction is Direction.TEXT_TO_IMAGE
        cluster = frame.cluster or (prompt_cluster(caption) if drawn else key)
        roots = [("image", key), *([("prompt", caption)] if drawn else [])]
        for what, root in roots:
            known, first = self._clusters.setdefault((frame.direction, what, root), (cluster, line))
            if known != cluster:
                said = f"is in cluster {cluster!r}, but {self._at(first)} has the same {what} in cluster {known!r}"
                self.problems.add(line, f"{said}; give all rows that hang together the same `cluster`")
        return cluster

    def _at(self, line: int) -> str:
        return f"{self.problems.unit} {line}"
