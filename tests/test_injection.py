"""Control datasets: what is written, what is left out, that it repeats, and that a judge can be measured with it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alignbench.cli import run
from alignbench.evaluate import evaluate
from alignbench.registry import build_judge
from alignbench.run import run_judge
from alignbench.store import Dataset
from alignbench.types import Direction, ErrorType, Image, Label, ModelRef, Pair, Sentence, Span
from alignbench.validate import validate
from generation.assemble import sentences_of
from generation.injection.by_rules import ByRules
from generation.injection.control import TYPES, InjectSummary, Wanted, inject
from generation.injection.source import captions
from generation.pipeline import generate
from generation.regenerate import regenerate
from generation.regeneration.outcome import Again
from tests.datasets import make_image, tree, write

ROOT = Path(__file__).resolve().parent.parent
RECIPE = """\
name: small
seed: 3
images: {source: scenes, count: 170}
captioners: [{model: "scenes:template", options: {rate: 0.0}}, {model: "scenes:template", options: {rate: 0.02}}]
prompts: {writer: scenes, count: 12}
image_models: [scenes-painter-a]
labeller: scenes
"""
PER_TYPE = 10


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    (folder / "recipe.yaml").write_text(RECIPE)
    generate(folder / "recipe.yaml", folder / "out")
    return folder / "out"


def injected(source: Path, out: Path, seed: int = 0, *, definite: bool = False, **wanted: Any) -> InjectSummary:
    return inject(source, out, Wanted(seed=seed, **wanted), ByRules(seed, definite))


@pytest.fixture(scope="module")
def control(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("control") / "control"
    summary = injected(scenes, out, per_type=PER_TYPE)
    assert summary.short == {} and set(summary.planted.values()) == {PER_TYPE}
    return out


def hand_pair(
    image: Image, text: str, labels: list[Label | None] | None = None, *, name: str = "p", **fields: Any
) -> tuple[Pair, list[Sentence]]:
    """A pair of a caption, all of whose sentences are correct unless told otherwise."""
    producer, direction = ModelRef("m"), Direction.IMAGE_TO_TEXT
    pair = replace(Pair(name, image.image_key, text, producer, direction, "dom", image.image_key), **fields)
    sentences = sentences_of(pair)
    given = labels or [Label.CORRECT] * len(sentences)
    return pair, [replace(s, label=label) for s, label in zip(sentences, given, strict=True)]


def test_a_control_pair_has_one_error_more_than_its_source_and_nothing_else_changes(
    scenes: Path, control: Path
) -> None:
    assert list(validate(control)) == []
    source = {pair.pair_id: (pair, sentences) for pair, sentences in captions(Dataset.open(scenes))}
    images = {image.image_key: image for image in Dataset.open(scenes).images()}
    types: Counter[str] = Counter()
    for pair, sentences in captions(Dataset.open(control)):
        told = pair.provenance["planted"]
        before, was = source[told["from"]]
        assert (pair.image_key, pair.domain, pair.cluster_id) == (before.image_key, before.domain, before.cluster_id)
        assert pair.producer == ModelRef("planted-rules", "1", "planted-rules", "alignbench")
        assert pair.direction is Direction.IMAGE_TO_TEXT and set(pair.pair_id) <= set("0123456789abcdef")
        assert told["original"] == before.caption and told["dataset"]["digest"] == Dataset.open(scenes).digest
        (wrong,) = [each for each in sentences if each.label is not Label.CORRECT]
        assert wrong.index == told["sentence"] and wrong.label is Label.INCORRECT
        (span,) = wrong.spans
        assert (span.error_type,) == wrong.error_types == (ErrorType(told["error_type"]),)
        assert wrong.text[span.start : span.end] in told["after"]
        kept = [each.text for each in sentences if each is not wrong]
        assert [each.text for each in was if each.text in kept] == kept
        types[told["error_type"]] += 1
    assert types == dict.fromkeys(TYPES, PER_TYPE)
    for image in Dataset.open(control).images():
        assert image == images[image.image_key]


def test_one_control_a_pair_unless_more_are_asked_for(scenes: Path, control: Path, tmp_path: Path) -> None:
    sources = [pair.provenance["planted"]["from"] for pair in Dataset.open(control).pairs()]
    assert len(set(sources)) == len(sources)
    injected(scenes, tmp_path / "more", per_type=60, per_pair=3)
    told = [pair.provenance["planted"] for pair in Dataset.open(tmp_path / "more").pairs()]
    counted = Counter(each["from"] for each in told)
    assert max(counted.values()) == 3
    assert len({(each["from"], each["error_type"]) for each in told}) == len(told)


def test_the_same_wishes_give_the_same_bytes_and_another_seed_others(
    scenes: Path, control: Path, tmp_path: Path
) -> None:
    injected(scenes, tmp_path / "control", per_type=PER_TYPE)
    assert tree(tmp_path / "control") == tree(control)
    injected(scenes, tmp_path / "other", seed=1, per_type=PER_TYPE)
    captions_of = [{pair.caption for pair in Dataset.open(path).pairs()} for path in (control, tmp_path / "other")]
    assert len(captions_of[0] & captions_of[1]) < len(captions_of[0]) / 2


def test_planted_rows_are_made_again_without_their_source(control: Path) -> None:
    again = regenerate(control, each=1000)
    assert again.by_producer == {"planted-rules": {"same": PER_TYPE * len(TYPES)}} and again.loads == 0


def test_planted_rows_with_another_provenance_are_told(control: Path, tmp_path: Path) -> None:
    def other(pair: Pair, **told: Any) -> Pair:
        return replace(pair, provenance={"planted": {**pair.provenance["planted"], **told}})

    rows = list(captions(Dataset.open(control)))
    images = {image.image_key: image for image in Dataset.open(control).images()}
    text = next(row for row in rows if row[0].provenance["planted"]["error_type"] == "text")
    changed = [
        (other(text[0], seed=text[0].provenance["planted"]["seed"] + 1), Again.DIFFERS),
        (other(text[0], seed=None), Again.PROVENANCE_INCOMPLETE),
        (other(text[0], error_type="colour"), Again.PROVENANCE_INCOMPLETE),
        (other(text[0], error_type="other"), Again.PROVENANCE_INCOMPLETE),
        (other(text[0], ranges=[[0, 10_000]]), Again.PROVENANCE_INCOMPLETE),
        (other(text[0], original="Nothing is said."), Again.PROVENANCE_INCOMPLETE),
        (replace(text[0], producer=replace(text[0].producer, revision="0")), Again.MODEL_CHANGED),
    ]
    for number, (pair, expected) in enumerate(changed):
        path = tmp_path / str(number)
        write(path, images[pair.image_key], (pair, text[1]))
        (outcome,) = regenerate(path, [pair.pair_id]).outcomes
        assert outcome.again is expected, outcome
        assert outcome.reason or outcome.difference


def test_captions_that_cannot_be_used_are_counted(tmp_path: Path) -> None:
    image, other = make_image(0), make_image(1)
    span = (Span(4, 8, ErrorType.OBJECT),)
    mixed, sentences = hand_pair(image, "Five dogs sleep. There are two cats.", name="mixed")
    sentences[0] = replace(sentences[0], label=Label.INCORRECT, error_types=(ErrorType.OBJECT,), spans=span)
    write(
        tmp_path / "source",
        image,
        other,
        hand_pair(image, "There are three birds.", name="fit"),
        (mixed, sentences),
        hand_pair(image, "There are three fish.", [Label.INCORRECT], name="wrong"),
        hand_pair(image, "There are three mice.", [None], name="unlabelled"),
        hand_pair(image, "There are three cows.", name="planted", provenance={"planted": {}}),
        hand_pair(image, "There are 3 pigs.", name="t2i", direction=Direction.TEXT_TO_IMAGE, cluster_id="c")
        if image.origin != "real"
        else hand_pair(other, "There are 3 pigs.", name="second"),
    )
    summary = injected(tmp_path / "source", tmp_path / "strict", types=(ErrorType.NUMBER,))
    assert summary.unfit == {"other_labels": 2, "planted_already": 1, "unlabelled": 1}
    assert (summary.sources, dict(summary.planted), dict(summary.short)) == (2, {"number": 2}, {"number": 98})
    loose = injected(tmp_path / "source", tmp_path / "mixed", types=(ErrorType.NUMBER,), mixed=True)
    assert loose.unfit == {"none_correct": 1, "planted_already": 1, "unlabelled": 1} and loose.planted == {"number": 3}
    (planted,) = [
        each
        for pair, each in captions(Dataset.open(tmp_path / "mixed"))
        if pair.provenance["planted"]["from"] == "mixed"
    ]
    assert (planted[0].text, planted[0].label, planted[0].spans) == ("Five dogs sleep.", Label.INCORRECT, span)
    assert planted[1].label is Label.INCORRECT and planted[1].text != "There are two cats."
    assert regenerate(tmp_path / "mixed", each=9).all_same


def test_prompts_of_drawn_images_are_used_and_clusters_stay_whole(scenes: Path, tmp_path: Path) -> None:
    prompts = [row for row in captions(Dataset.open(scenes)) if row[0].direction is Direction.TEXT_TO_IMAGE]
    images = {image.image_key: image for image in Dataset.open(scenes).images()}
    drawn = [row for row in prompts if all(s.label is Label.CORRECT for s in row[1])]
    pair, sentences = drawn[0]
    elsewhere = replace(pair, pair_id="q", direction=Direction.IMAGE_TO_TEXT, cluster_id="elsewhere")
    moved = [replace(s, pair_id="q", sentence_id=f"q#{s.index}") for s in sentences]
    parts = [images[each.image_key] for each, _ in drawn]
    write(tmp_path / "source", *parts, *drawn, (elsewhere, moved))
    summary = injected(tmp_path / "source", tmp_path / "out", types=(ErrorType.TEXT, ErrorType.NUMBER))
    assert summary.unfit == {"image_in_two_clusters": 1}
    made = list(Dataset.open(tmp_path / "out").pairs())
    assert made and {each.cluster_id for each in made} <= {each.cluster_id for each, _ in drawn}
    assert all(each.direction is Direction.IMAGE_TO_TEXT for each in made)
    assert list(validate(tmp_path / "out")) == []


def test_the_command_says_what_it_did_and_what_is_short(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(["inject", str(scenes), "--out", str(out), "--types", "number, text", "--per-type", "200"]) == 0
    said = capsys.readouterr().out
    assert "short: too few captions say what such an error needs" in said and f"judge {out} --judge JUDGE" in said
    assert run(["inject", str(scenes), "--out", str(tmp_path / "j"), "--per-type", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["planted"] == dict.fromkeys([t.value for t in TYPES], 1) and told["counts"]["pairs"] == 8
    assert told["stopped"] is None and told["unfit"]["other_labels"] > 10


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--types", "colour"], "there is no error type to plant 'colour'"),
        (["--types", "other"], "there is no error type to plant 'other'"),
        (["--method", "text-model"], "--text-model KIND:MODEL"),
        (["--method", "text-model", "--text-model", "x:y", "--definite"], "--definite is for rules"),
        (["--method", "text-model", "--text-model", "nollm:y"], "there is no text model 'nollm'"),
        (["--max-cost", "1"], "rules take no text model"),
        (["--option", "temperature"], "'temperature' is not NAME=VALUE"),
        (["--option", "a={"], "is no YAML"),
    ],
)
def test_wrong_use_is_told(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert run(["inject", str(scenes), "--out", str(tmp_path / "out"), *options]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_plant_and_a_folder_that_is_taken_are_told(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = make_image(0)
    write(tmp_path / "source", image, hand_pair(image, "It is late."))
    command = ["inject", str(tmp_path / "source"), "--out", str(tmp_path / "out")]
    assert run([*command, "--types", "number"]) == 2
    assert "none of the 1 captions" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert run(["inject", str(scenes), "--out", str(tmp_path / "source")]) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_kill_leaves_nothing_and_the_next_call_the_whole(scenes: Path, control: Path, tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; import alignbench.writer as w\n"
        "from generation.injection import control as c; from generation.injection.by_rules import ByRules\n"
        "add, left = w.DatasetWriter.add_pair, [int(sys.argv[3])]\n"
        "def dying(*args):\n"
        "    left[0] -= 1\n"
        "    os.kill(os.getpid(), signal.SIGKILL) if left[0] < 0 else add(*args)\n"
        "w.DatasetWriter.add_pair = dying\n"
        f"c.inject(Path(sys.argv[1]), Path(sys.argv[2]), c.Wanted(per_type={PER_TYPE}), ByRules())\n"
    )
    pairs = random.Random(1).randrange(PER_TYPE * len(TYPES))
    command = [sys.executable, "-c", program, str(scenes), str(tmp_path / "control"), str(pairs)]
    killed = subprocess.run(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "control").exists()
    injected(scenes, tmp_path / "control", per_type=PER_TYPE)
    assert tree(tmp_path / "control") == tree(control)
    assert [path.name for path in tmp_path.iterdir()] == ["control"]


def test_a_judge_is_measured_by_type_with_the_blind_control_beside_it(control: Path, tmp_path: Path) -> None:
    """What words alone give away of planted errors is a number in the same report."""
    dataset = Dataset.open(control)
    for reference in ("scenes-clip", "ngram"):
        run_judge(dataset, build_judge(reference), tmp_path / "runs")
    found = {each["name"]: each for each in evaluate(dataset, tmp_path / "runs", replicates=100)["judges"]}
    for name in ("scenes-clip", "ngram"):
        by_type = found[name]["by_error_type"]
        assert all(by_type[t]["value"] is not None for t in TYPES), by_type
    assert found["ngram"]["control"] == "ngram"
    seen = [found["scenes-clip"]["by_error_type"][t]["value"] for t in ("attribute", "location", "object")]
    assert min(seen) > 0.5, seen
