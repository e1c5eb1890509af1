"""Computes every number of a published folder again from its parquet files, and says which differ."""

from __future__ import annotations

import json
import math
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alignbench import __version__
from alignbench.errors import AlignbenchError, MissingDependencyError, StorageError
from alignbench.header import HEADER
from alignbench.publish.back.restore import restore
from alignbench.publish.card.describe import splits_in
from alignbench.publish.card.facts import facts_of
from alignbench.publish.card.render import card_of
from alignbench.publish.changes.json_changes import ABSENT, json_changes
from alignbench.publish.folder import layout
from alignbench.publish.folder.build import published_results
from alignbench.publish.folder.front_matter import front_matter
from alignbench.publish.folder.published import Published, open_published
from alignbench.publish.folder.seal import checksum_faults
from alignbench.publish.terms.publication import Publication, read_publication
from alignbench.publish.verification.discrepancy import Discrepancy
from alignbench.publish.verification.redundant import column_faults, image_faults, split_faults
from alignbench.publish.verification.tokens import token_changes
from alignbench.store import Dataset, read_header
from alignbench.validate import validate

Json = Mapping[str, Any]

CLOSE = 1e-9
"""Floats that differ by less, relatively, are the same: sums of another processor differ in their last digits."""
_MOST_REPLICATES = 100_000
_FROM_ROWS = ("counts", "digest", "shown_digest", "labels")


@dataclass(slots=True)
class Verification:
    """What was found.

    Attributes:
        folder: What was looked at.
        discrepancies: Everything that is not what the data say, file by file.
        notes: What else to know.
        compared: How many values of each file were computed again.
    """

    folder: Path
    discrepancies: list[Discrepancy] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    compared: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "verified": not self.discrepancies,
            "compared": self.compared,
            "discrepancies": [each.to_json() for each in self.discrepancies],
            "notes": self.notes,
        }


def verify(folder: Path) -> list[Discrepancy]:
    """Everything in a published folder that is not what its data say; see `verification_of`."""
    return verification_of(folder).discrepancies


def verification_of(folder: Path, *, with_checksums: bool = True) -> Verification:
    """Compute all that a published folder says again, from its parquet files and from what its publisher said.

    Checksums; images by their sha256; columns that stand in two tables; splits; counts and digests; facts.json;
    results.json with the seed and the replicates that it names; every word of the card. Nothing of the folder is
    changed. A copy of the dataset is written to a temporary folder.

    Args:
        folder: What `alignbench publish` wrote, or was fetched.
        with_checksums: False for a folder that is not sealed yet.

    Raises:
        PublishError: It is no published dataset at all.
        MissingDependencyError: What is needed to compute it again is not installed.
        StorageError: There is no room for the temporary folder.
    """
    found = Verification(folder)
    if with_checksums:
        found.discrepancies += _checksums(folder)
    try:
        published = open_published(folder)
    except MissingDependencyError:
        raise
    except AlignbenchError as error:
        if not (folder / layout.DATASET).is_file():
            raise
        found.discrepancies.append(Discrepancy(layout.DATA, "(all)", problem=str(error)))
        return found
    with tempfile.TemporaryDirectory(prefix="alignbench-verify-") as home:
        _Checks(published, Path(home), found).run()
    return found


class _Checks:
    """What is compared with what, in the order in which one rests on the other."""

    def __init__(self, published: Published, home: Path, found: Verification) -> None:
        self._published = published
        self._folder = published.folder
        self._runs = home / "runs" if layout.JUDGMENTS in published.rows else None
        self._home = home
        self._found = found

    def run(self) -> None:
        """Fill the verification."""
        with self._telling(layout.DATA):
            self._found.discrepancies += column_faults(self._published)
        dataset = self._restored()
        if dataset is None:
            return
        publication = self._publication()
        said_results, said_facts = self._read(layout.RESULTS), self._read(layout.FACTS)
        self._tell_version(said_facts)
        results = self._results(dataset, said_results, said_facts)
        if publication is None:
            return
        recorded = splits_in(self._published)
        with self._telling(layout.PUBLICATION):
            self._found.discrepancies += split_faults(self._published, dataset, publication, recorded)
        with self._telling(layout.FACTS):
            facts = facts_of(dataset, publication, results, recorded, runs=self._runs, repo=_text(said_facts, "repo"))
            facts["alignbench"] = _text(said_facts, "alignbench") or facts["alignbench"]
            facts = json.loads(json.dumps(facts))
            same = self._compare(layout.FACTS, said_facts, facts)
            self._card(said_facts if same and said_facts is not None else facts, publication)

    @contextmanager
    def _telling(self, name: str) -> Iterator[None]:
        """Tell what keeps a file from being computed again, and go on; what this machine lacks is raised."""
        try:
            yield
        except (MissingDependencyError, StorageError):
            raise
        except AlignbenchError as error:
            self._found.discrepancies.append(Discrepancy(name, "(all)", problem=f"cannot be computed again: {error}"))

    def _restored(self) -> Dataset | None:
        """The dataset out of the data, whatever dataset.json says of it; null where the data are damaged."""
        path, said = self._home / "dataset", self._published.header
        with self._telling(layout.DATA):
            restore(self._folder, path, runs=self._runs, check=False)
        if not path.is_dir():
            with self._telling(layout.DATA):
                self._found.discrepancies += image_faults(self._published)
            self._found.notes.append("the data are damaged: nothing that rests on them was computed")
            return None
        self._found.discrepancies += _violations(path)
        rows = read_header(path)
        names = [name for name in _FROM_ROWS if name in said or name in rows]
        self._compare(layout.DATASET, {n: said.get(n) for n in names}, {n: rows.get(n) for n in names})
        # Runs are of the dataset that was judged. That it has changed is told; what it does to their numbers is next.
        judged = {**rows, "digest": said["digest"], "shown_digest": said["shown_digest"]}
        (path / HEADER).write_text(json.dumps(judged), encoding="utf-8")
        return Dataset.open(path)

    def _publication(self) -> Publication | None:
        try:
            return read_publication(self._folder / layout.PUBLICATION)
        except AlignbenchError as error:
            self._found.discrepancies.append(Discrepancy(layout.PUBLICATION, "(all)", problem=str(error)))
            return None

    def _read(self, name: str) -> dict[str, Any] | None:
        """What a JSON file says; null where it is none, which is told."""
        path = self._folder / name
        if name == layout.RESULTS and self._runs is None and not path.exists():
            return None
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            self._found.discrepancies.append(Discrepancy(name, "(all)", problem=f"cannot be read: {error}"))
            return None
        if isinstance(said, dict):
            return said
        self._found.discrepancies.append(Discrepancy(name, "(all)", problem="it is no JSON object"))
        return None

    def _tell_version(self, facts: Json | None) -> None:
        version = _text(facts, "alignbench")
        if version not in {None, __version__}:
            self._found.notes.append(
                f"published with alignbench {version}, computed again with {__version__}: a number that differs may be "
                f"computed otherwise since; install alignbench {version} to be sure"
            )

    def _results(self, dataset: Dataset, said: Json | None, facts: Json | None) -> dict[str, Any] | None:
        if self._runs is None:
            if said is not None:
                self._found.discrepancies.append(Discrepancy(layout.RESULTS, "(all)", problem="there are no judgments"))
            return None
        seed = _by_majority("seed", said, facts, 0)
        replicates = _by_majority("replicates", said, facts, 2000)
        computed: list[dict[str, Any]] = []
        with self._telling(layout.RESULTS):
            computed.append(published_results(dataset, self._runs, seed=seed, replicates=replicates))
        if not computed:
            return None
        results = json.loads(json.dumps(computed[0]))
        version = _text(facts, "alignbench") or __version__
        results["signature"] = results["signature"].replace(f"alignbench {__version__};", f"alignbench {version};", 1)
        return said if self._compare(layout.RESULTS, said, results) and isinstance(said, dict) else results

    def _compare(self, name: str, said: Json | None, found: Json) -> bool:
        """Whether a file says what was found; what it does not is told, unless it could not be read."""
        self._found.compared[name] = _size(found)
        if said is None:
            return False
        changes = list(_changes(name, said, found))
        self._found.discrepancies += changes
        return not changes

    def _card(self, facts: Json, publication: Publication) -> None:
        try:
            said = (self._folder / layout.README).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            self._found.discrepancies.append(Discrepancy(layout.README, "(all)", problem=f"cannot be read: {error}"))
            return
        wanted = card_of(facts, publication, front_matter(self._folder))
        self._found.compared[layout.README] = len(wanted.split())
        for each in token_changes(said, wanted):
            where = ", ".join(filter(None, (f"line {each.line}", each.heading, each.place)))
            self._found.discrepancies.append(Discrepancy(layout.README, where, each.said or None, each.wanted or None))


def _checksums(folder: Path) -> Iterator[Discrepancy]:
    try:
        faults = checksum_faults(folder)
    except AlignbenchError as error:
        yield Discrepancy(layout.CHECKSUMS, "(all)", problem=f"cannot be read: {error}")
        return
    for fault in faults:
        if fault.said is None:
            yield Discrepancy(fault.path, "(all)", problem=f"the file is not in {layout.CHECKSUMS}")
        else:
            told = f"{layout.CHECKSUMS} says {fault.said}, the file has {fault.found}"
            gone = "the file is missing" if fault.found is None else told
            yield Discrepancy(fault.path, "sha256", fault.said, fault.found, gone)


def _violations(dataset: Path) -> Iterator[Discrepancy]:
    """What `alignbench validate` has to say of the rows, label events and what derives from them included."""
    for each in validate(dataset):
        table = layout.PAIRS if each.table == "images" else each.table
        file = f"{layout.DATA}/{table}" if table in layout.CONFIGS else layout.DATASET
        yield Discrepancy(file, each.row or "(all)", problem=f"{each.rule}: {each.message}")


def _changes(name: str, said: Any, found: Any) -> Iterator[Discrepancy]:
    for change in json_changes(said, found):
        if not _is_close(change.before, change.after):
            before, after = (None if side is ABSENT else side for side in (change.before, change.after))
            yield Discrepancy(name, change.path, before, after)


def _is_close(one: Any, other: Any) -> bool:
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in (one, other)):
        return False
    return math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE**2)


def _by_majority(name: str, results: Json | None, facts: Json | None, default: int) -> int:
    """A setting of the evaluation, which stands in three places: what most of them say, or else the first."""
    evaluation = (facts or {}).get("evaluation")
    signature = str((results or {}).get("signature"))
    found = [said.get(name) for said in (results, evaluation) if isinstance(said, Mapping)]
    found += [int(part.split()[place]) for part, place in _settings(signature, name)]
    counted = Counter(value for value in found if type(value) is int and 0 <= value <= _MOST_REPLICATES)
    value = counted.most_common(1)[0][0] if counted else default
    return max(value, 1) if name == "replicates" else value


def _settings(signature: str, name: str) -> Iterator[tuple[str, int]]:
    for part in signature.split("; "):
        words = part.split()
        if len(words) == 2 and name in words and words[words.index(name) - 1].isdecimal():
            yield part, 1 - words.index(name)


def _text(said: Json | None, name: str) -> str | None:
    value = (said or {}).get(name)
    return value if isinstance(value, str) else None


def _size(value: Any) -> int:
    """How many values a JSON value holds."""
    if isinstance(value, Mapping):
        return sum(map(_size, value.values()))
    return sum(map(_size, value)) if isinstance(value, list) else 1
