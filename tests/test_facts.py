"""The facts of a publication: held against slow counts, the same bytes every time, of nothing but the data."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alignbench.errors import DatasetError
from alignbench.panel import ERROR_TYPES, INDICES
from alignbench.publish.card.facts import facts_of, facts_text
from alignbench.publish.card.scores import digest_of
from alignbench.publish.terms.publication import Publication
from alignbench.schema import judgments_to_table
from alignbench.store import Dataset
from alignbench.types import Judgment, Label, Mark, Usage, Verdict
from tests.datasets import make_dataset
from tests.described_folders import describe_all, facts_in
from tests.hub_folders import judge_it, make_labelled
from tests.planted_runs import Producer, write_dataset

PLAIN = Publication(title="x")


def facts(dataset: Dataset, publication: Publication = PLAIN, **more: Any) -> dict[str, Any]:
    return facts_of(dataset, publication, None, ["test"] * dataset.counts["pairs"], **more)


def test_counts_are_those_of_a_slow_count(tmp_path: Path) -> None:
    dataset = make_labelled(tmp_path / "d")
    splits = ["b" if number % 3 else "a" for number in range(dataset.counts["pairs"])]
    said = facts_of(dataset, PLAIN, None, splits)
    pairs = {pair.pair_id: pair for pair in dataset.pairs()}
    split_of = dict(zip(pairs, splits, strict=True))
    for name, producer in said["producers"].items():
        mine = [each for each in dataset.sentences() if pairs[each.pair_id].producer.name == name]
        labels = Counter(each.label for each in mine)
        assert [producer[label] for label in Label] == [labels[label] for label in Label]
        assert producer["sentences"] == len(mine) and producer["unlabelled"] == labels[None]
        assert producer["correct_share"] == labels[Label.CORRECT] / (labels[Label.CORRECT] + labels[Label.INCORRECT])
        assert producer["words_per_sentence"] == pytest.approx(np.mean([len(each.text.split()) for each in mine]))
        wrong = [each for each in mine if each.label is Label.INCORRECT]
        assert producer["error_types"] == {
            kind: sum(kind in each.error_types for each in wrong) for kind in ERROR_TYPES
        }
        for place, index in enumerate(INDICES):
            here = [each for each in mine if min(each.index, 5) == place and each.label in ("correct", "incorrect")]
            bad = sum(each.label is Label.INCORRECT for each in here)
            share = bad / len(here) if here else None
            assert producer["incorrect_by_index"][index] == {"labelled": len(here), "incorrect": bad, "share": share}
    for name, split in said["splits"].items():
        mine = [each for each in dataset.sentences() if split_of[each.pair_id] == name]
        assert split["sentences"] == len(mine) and split["pairs"] == splits.count(name)
        assert split["clusters"] == len({pairs[each.pair_id].cluster_id for each in mine})
        assert split["incorrect"] == sum(each.label is Label.INCORRECT for each in mine)
    assert {name: said["counts"][name] for name in dataset.counts} == dict(dataset.counts)
    assert said["counts"]["image_bytes"] == sum(len(image.bytes or b"") for image in dataset.images())


def test_histories_are_counted(tmp_path: Path) -> None:
    said = facts(make_labelled(tmp_path / "d"))["labels"]
    assert said["rule"] == "strict-majority" and said["events"] == 42
    assert said["by_role"] == {"baseline": 30, "annotator": 12, "adjudicator": 0}
    assert (said["annotators"], said["adjudicators"]) == (3, 0)
    assert (said["sentences_with_history"], said["sentences_voted_on"]) == (30, 4)
    assert said["tools"] == {"tests": 12} and said["guidelines"] == {} and said["median_seconds"] is None


def test_agreement_is_there_exactly_where_there_are_votes(tmp_path: Path) -> None:
    assert facts(make_labelled(tmp_path / "d"))["agreement"]["annotators"] == 3
    assert facts(make_dataset(tmp_path / "e", labelled=False))["agreement"] is None


def test_licences_and_revisions_are_joined(tmp_path: Path) -> None:
    folder = describe_all(tmp_path)
    said = facts_in(folder)
    alpha, beta = said["producers"]["alpha-cap"], said["producers"]["beta-cap"]
    assert (alpha["licence"], alpha["revision"], alpha["url"]) == ("Apache-2.0", "1", "https://example.org/alpha")
    assert (beta["licence"], beta["revision"], beta["terms"]) == ("MIT", "r2", "Name beta.")
    assert said["sources"]["tests"]["licences"] == {"CC0-1.0": 5} and said["sources"]["tests"]["unlicensed"] == 0
    assert said["sources"]["tests"]["missing"] == 1 and said["sources"]["tests"]["origins"] == {"real": 5}
    assert said["waivers"] == [{"check": "licences", "name": "beta-cap", "why": "they wrote | that it is fine"}]
    keen = next(run for run in said["runs"] if run["name"] == "keen")
    assert keen["licence"] == "MIT" and keen["statuses"] == {"ok": 30} and keen["judgments"] == 30
    assert said["evaluation"]["seed"] == 3 and said["evaluation"]["replicates"] == 50
    assert {judge["name"] for judge in said["evaluation"]["judges"]} == {"keen", "dull"}


def test_a_known_model_brings_its_terms(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "d", [Producer("llama-4-scout", images=2)])
    said = facts(dataset)["producers"]["llama-4-scout"]
    assert said["licence"] == "llama4" and "Llama" in said["licence_note"]
    assert facts(dataset)["sources"]["planted"]["unlicensed"] == 2


def test_two_revisions_of_a_producer_are_two(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "d", [Producer("a", images=2, revision=rev) for rev in ("1", "2")])
    publication = Publication.model_validate({"title": "x", "producers": {"a": {"licence": "MIT", "revision": "3"}}})
    said = facts(dataset, publication)["producers"]
    assert list(said) == ["a@1", "a@2"]
    assert [(each["licence"], each["revision"]) for each in said.values()] == [("MIT", "1"), ("MIT", "2")]


def test_the_same_facts_are_the_same_bytes_and_tell_nothing_of_here(tmp_path: Path) -> None:
    dataset = make_labelled(tmp_path / "d")
    runs = judge_it(dataset, tmp_path / "runs")
    text = facts_text(facts(dataset, runs=runs, repo="a/b"))
    assert text == facts_text(facts(Dataset.open(tmp_path / "d"), runs=runs, repo="a/b"))
    assert str(tmp_path) not in text and not re.search(r"20\d\d-\d\d-\d\d", text)
    assert json.loads(text)["repo"] == "a/b"


def test_shown_is_the_first_marked_pair(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "d")
    shown = facts(dataset)["shown"]
    first = next(each for each in dataset.sentences() if each.spans)
    assert shown["pair_id"] == first.pair_id
    said = shown["sentences"][first.index]["spans"]
    assert said == [
        {"words": first.text[span.start : span.end], "error_type": str(span.error_type)} for span in first.spans
    ]


def test_splits_must_fit(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "d")
    with pytest.raises(ValueError, match="1 splits are given for 8 pairs"):
        facts_of(dataset, PLAIN, None, ["test"])


def test_a_folder_of_runs_without_one_has_none(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    assert facts(make_dataset(tmp_path / "d"), runs=tmp_path / "runs")["runs"] == []


def test_the_digest_of_judgments_sees_every_column(tmp_path: Path) -> None:
    def table(*verdicts: Verdict) -> str:
        return digest_of(judgments_to_table(Judgment(str(n), "j", each) for n, each in enumerate(verdicts)))

    one = Verdict(0.5, marks=(Mark(0, 3),), usage=Usage(seconds=1.0))
    others = [
        Verdict(0.5000001, marks=one.marks, usage=one.usage),
        Verdict(0.5, marks=(Mark(0, 4),), usage=one.usage),
        Verdict(0.5, marks=(), usage=one.usage),
        Verdict(0.5, marks=None, usage=one.usage),
        Verdict(0.5, marks=one.marks, usage=Usage(seconds=None)),
        Verdict(0.5, marks=one.marks, usage=Usage(seconds=0.0)),
        Verdict(0.5, marks=one.marks, usage=one.usage, truncated=True),
        Verdict(0.5, marks=one.marks, usage=one.usage, raw={"a": 1}),
    ]
    digests = {table(each, one) for each in [one, *others]}
    assert len(digests) == 1 + len(others)
    assert table(one, others[0]) != table(others[0], one)
    chunked = judgments_to_table([Judgment("0", "j", one)])
    assert digest_of(chunked) == digest_of(chunked.slice(0, 1).combine_chunks())


def test_a_dataset_that_breaks_a_rule_is_refused(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    dataset = make_dataset(tmp_path / "d")
    path = dataset.path / "sentences.parquet"
    table = pq.read_table(path)
    place = table.schema.get_field_index("label")
    column = table["label"].to_pylist()
    pq.write_table(table.set_column(place, table.schema.field("label"), [["wrong", *column[1:]]]), path)
    with pytest.raises(DatasetError, match="alignbench validate"):
        facts(dataset)


def test_many_sentences_take_seconds(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "d", [Producer(f"p{n}", images=300) for n in range(4)], sentences=8)
    began = time.perf_counter()
    assert facts(dataset)["counts"]["sentences"] == 9600
    assert time.perf_counter() - began < 10
