"""The embedded models do what their table says: on held-out contrasts, through the same calls as any model."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

import alignbench
from alignbench.evaluate import evaluate
from alignbench.registry import build_captioner, build_judge
from alignbench.run import run_judge
from alignbench.store import Dataset
from alignbench.text import split_sentences
from alignbench.types import CaptionTask, Label
from alignbench.validate import validate
from generation.scenes.contrast import CONTRAST_TYPES
from generation.scenes.labeller import judge_sentence
from generation.scenes.probe import CONTRASTS as PUBLISHED
from generation.scenes.probe import probe_contrasts, write_probe
from generation.scenes.source import ScenesSource
from generation.scenes.training.contrastive import STEPS, STREAM, training_contrasts
from generation.scenes.training.tokenizer import CAPTION_PROMPT, JUDGING_PROMPT, build_tokenizer
from generation.scenes.training.tower import training_scenes
from generation.scenes.training.vlm import PLANS, scenes_of
from generation.scenes.world import Scene

EMBEDDED = Path(alignbench.__file__).parent / "embedded"
CONTRASTS = 60
SEEN_BY_CLIP = ("attribute", "object", "illusion", "number")


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the embedded judges and blind controls score on a small probe, by name."""
    folder = tmp_path_factory.mktemp("probe")
    write_probe(folder / "probe", CONTRASTS)
    probe = Dataset.open(folder / "probe")
    for name in ("scenes-a", "scenes-b", "scenes-clip", "constant", "length", "index", "ngram"):
        run_judge(probe, build_judge(name), folder / "runs")
    results = evaluate(probe, folder / "runs", replicates=200)
    return {judge["name"]: judge for judge in results["judges"]}


def by_type(judge: dict[str, Any]) -> dict[str, float]:
    return {name: figure["value"] for name, figure in judge["by_producer"].items()}


def test_the_better_vlm_sees_all_types_of_errors(judged: dict[str, dict[str, Any]]) -> None:
    better = max((judged["scenes-a"], judged["scenes-b"]), key=lambda judge: judge["auroc"]["value"])
    types = by_type(better)
    assert better["auroc"]["value"] >= 0.85
    assert sum(value >= 0.65 for value in types.values()) >= 7 and min(types.values()) >= 0.55, types


def test_the_other_models_see_what_they_should(judged: dict[str, dict[str, Any]]) -> None:
    assert min(judged[name]["auroc"]["value"] for name in ("scenes-a", "scenes-b")) >= 0.75
    clip = judged["scenes-clip"]["by_producer"]
    assert all(clip[name]["low"] >= 0.6 for name in SEEN_BY_CLIP), by_type(judged["scenes-clip"])


def test_the_probe_gives_nothing_away(judged: dict[str, dict[str, Any]]) -> None:
    for name in ("constant", "index"):
        assert set(by_type(judged[name]).values()) == {0.5}
    assert by_type(judged["length"]) == pytest.approx(dict.fromkeys(CONTRAST_TYPES, 0.5), abs=1e-12)
    assert max(by_type(judged["ngram"]).values()) <= 0.55


def test_the_probe_is_a_valid_dataset_with_a_true_and_a_false_sentence_an_image(tmp_path: Path) -> None:
    write_probe(tmp_path / "probe", 3)
    assert validate(tmp_path / "probe") == []
    labels: dict[str, list[Label | None]] = {}
    texts: Counter[tuple[str, Label | None]] = Counter()
    dataset = Dataset.open(tmp_path / "probe")
    cluster = {pair.pair_id: pair.cluster_id for pair in dataset.pairs()}
    for sentence in dataset.sentences():
        labels.setdefault(sentence.pair_id, []).append(sentence.label)
        texts[f"{cluster[sentence.pair_id]} {sentence.text}", sentence.label] += 1
    assert all(sorted(map(str, pair)) == ["correct", "incorrect"] for pair in labels.values())
    assert set(texts.values()) == {1} and len(texts) == 4 * 3 * len(CONTRAST_TYPES)


@pytest.fixture(scope="module")
def probe_scenes() -> set[Scene]:
    """Every scene of the published probe."""
    contrasts = [c for t in CONTRAST_TYPES for c in probe_contrasts(t, PUBLISHED)]
    return {scene for contrast in contrasts for scene in (contrast.first, contrast.second)}


def test_the_vlms_saw_no_scene_of_the_probe(probe_scenes: set[Scene]) -> None:
    assert len(probe_scenes) == 2 * PUBLISHED * len(CONTRAST_TYPES)
    for plan in PLANS.values():
        assert probe_scenes.isdisjoint(scenes_of(plan)[0])
        assert probe_scenes.isdisjoint(training_scenes(plan.seed, plan.tower_images))


def test_clip_saw_no_scene_of_the_probe(probe_scenes: set[Scene]) -> None:
    rng = random.Random(STREAM)
    for step in range(STEPS):
        for contrast in training_contrasts(rng, easy=step < STEPS // 6):
            assert probe_scenes.isdisjoint((contrast.first, contrast.second))


@pytest.mark.parametrize("name", ["scenes-a", "scenes-b"])
def test_captions_of_an_embedded_vlm_are_sentences_of_the_grammar_with_errors_of_its_own(name: str) -> None:
    images = list(ScenesSource().images(24, 77))
    tasks = [CaptionTask(i, image, CAPTION_PROMPT, i) for i, image in enumerate(images)]
    labels: Counter[Label] = Counter()
    for made in build_captioner(name).produce(tasks):
        assert made.caption is not None
        scene = Scene.from_json(images[made.number].provenance["scene"])
        for start, end in split_sentences(made.caption):
            labels[judge_sentence(scene, made.caption[start:end]).label] += 1
    total = labels.total()
    assert total > 4 * len(images)
    assert labels[Label.UNKNOWN] <= 0.05 * total and 0.04 <= labels[Label.INCORRECT] / total <= 0.65, labels


@pytest.mark.parametrize(
    "weights",
    ["scenes-a/model.safetensors", "scenes-b/model.safetensors", "scenes-clip/open_clip_model.safetensors"],
)
def test_weights_are_small_and_in_half_precision(weights: str) -> None:
    path = EMBEDDED / weights
    assert path.stat().st_size <= 8_000_000
    with safe_open(path, framework="pt") as tensors:
        kinds = {tensors.get_slice(name).get_dtype() for name in tensors.keys()}  # noqa: SIM118 - no mapping
    assert kinds <= {"F16", "I64"}


def test_the_trained_prompt_is_the_judging_prompt_and_the_tokenizer_is_the_one_trained_with() -> None:
    shipped = EMBEDDED.parent.parent / "judges" / "prompts" / "yes_no.sentence.txt"
    assert shipped.read_text().rstrip("\n") == JUDGING_PROMPT
    built = json.loads(build_tokenizer().backend_tokenizer.to_str())
    for name in ("scenes-a", "scenes-b"):
        shipped = json.loads((EMBEDDED / name / "tokenizer.json").read_text())
        assert shipped["model"]["vocab"] == built["model"]["vocab"]
