"""The loop, once around: a caption is drawn, the picture is described, and the chain stays together."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from alignbench.store import Dataset
from alignbench.types import Direction, Image, Origin, Pair, Status
from alignbench.validate import validate
from generation.pipeline import generate
from generation.plan import Inputs, plan
from generation.protocols import Prompt
from generation.recipe import Recipe
from tests.standins import BOTH, CAPTIONS, LOOP, Write, calls, files_of, install, writer_in

SCENES = """
images: {source: scenes, count: 6}
captioners: [scenes-template]
prompts: {writer: scenes, count: 3}
image_models: [scenes-painter-a]
loop: {image_models: [scenes-painter-a, scenes-painter-b], captioners: [scenes-template]}
labeller: scenes
"""


@pytest.fixture
def adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return install(tmp_path / "site", monkeypatch)


@pytest.fixture
def recipe(adapters: Path, tmp_path: Path) -> Write:
    return writer_in(tmp_path)


def chain_of(pair: Pair, pairs: dict[str, Pair]) -> list[Pair]:
    """The pair, its parent, and so on to the root."""
    chain = [pair]
    while "parent" in chain[-1].provenance:
        chain.append(pairs[chain[-1].provenance["parent"]])
    return chain


def test_once_around_in_the_offline_world(tmp_path: Path) -> None:
    summary = generate(writer_in(tmp_path)(SCENES), tmp_path / "out")
    assert summary.failures == {} and summary.filtered == {}
    assert validate(tmp_path / "out") == []
    dataset = Dataset.open(tmp_path / "out")
    pairs = {pair.pair_id: pair for pair in dataset.pairs()}
    images = {image.image_key: image for image in dataset.images()}
    lengths = Counter(len(chain_of(pair, pairs)) for pair in pairs.values())
    assert lengths == {1: 6 + 3, 2: 6 * 2, 3: 6 * 2}
    assert dataset.counts["unlabelled"] == 0 and dataset.counts["images"] == 6 + 3 + 12
    for pair in pairs.values():
        *chain, root = chain_of(pair, pairs)
        assert {each.cluster_id for each in chain} <= {root.cluster_id}
        assert "parent" not in root.provenance
        if len(chain) == 1:
            assert pair.direction is Direction.TEXT_TO_IMAGE
            assert pair.caption == pair.provenance["prompt"] == root.caption
            assert pair.domain == root.domain
        if len(chain) == 2:
            assert pair.direction is Direction.IMAGE_TO_TEXT
            assert pair.image_key == chain[1].image_key
            image = images[pair.image_key]
            assert image.origin is Origin.GENERATED
            assert image.provenance["parent"] == root.pair_id
            assert image.provenance["scene"] == chain[1].provenance["made"]["scene"]


def test_rows_without_a_loop_keep_their_ids_and_seeds(tmp_path: Path) -> None:
    write = writer_in(tmp_path)
    generate(write(SCENES), tmp_path / "with")
    generate(write("".join(line for line in SCENES.splitlines(True) if not line.startswith("loop"))), tmp_path / "bare")
    seeds = [
        {pair.pair_id: pair.provenance["seed"] for pair in Dataset.open(tmp_path / name).pairs()}
        for name in ("with", "bare")
    ]
    assert seeds[0] | seeds[1] == seeds[0]
    assert len(set(seeds[0].values())) == len(seeds[0]) == 9 + 24


def test_ids_and_seeds_are_those_of_the_first_release() -> None:
    captioners = ["scenes-template", {"model": "local_vlm:m", "options": {"temperature": 0.9}, "count": 1}]
    recipe = Recipe.model_validate(
        {
            "name": "small",
            "seed": 5,
            "images": {"source": "scenes"},
            "captioners": captioners,
            "prompts": {"writer": "scenes"},
            "image_models": ["scenes-painter-a"],
        }
    )
    image = Image("kkkk", "ab", None, 1, 1, Origin.REAL, "s")
    rows = plan(recipe, Inputs([image], [Prompt("A red circle.")]))
    assert [(row.pair_id, row.seed, row.cluster_id) for row in rows] == [
        ("e6c1bf55d43b797f", 1018924915, "kkkk"),
        ("700bf9ae7f948f89", 1028517253, "kkkk"),
        ("e48100e22a81a85b", 1370673531, "36e35254f21dd70e"),
    ]


def test_each_model_is_loaded_once_a_stage(recipe: Write, adapters: Path, tmp_path: Path) -> None:
    stages: list[tuple[str, str, int]] = []
    generate(
        recipe(BOTH + LOOP),
        tmp_path / "out",
        progress=lambda p: stages.append((p.stage, p.model, p.made)) if p.unit == "rows" else None,
    )
    begun = list(dict.fromkeys(stage[:2] for stage in stages))
    assert begun == [("captions", "words:plain"), ("images", "colours:bright"), ("captions again", "words:plain")]
    assert [number for _, number, _ in calls(adapters)] == [0, 1, 2, 0, 1, 2, 3, 4, 5, 0, 1, 2]


def test_the_prompt_of_the_loop_is_the_caption(recipe: Write, tmp_path: Path) -> None:
    generate(recipe(CAPTIONS.format("plain") + LOOP), tmp_path / "out")
    pairs = {pair.pair_id: pair for pair in Dataset.open(tmp_path / "out").pairs()}
    drawn = [pair for pair in pairs.values() if pair.direction is Direction.TEXT_TO_IMAGE]
    assert len(drawn) == 3
    for pair in drawn:
        assert pair.provenance["made"]["asked"] == pairs[pair.provenance["parent"]].caption == pair.caption


def test_a_child_of_what_came_to_nothing_fails_and_comes_back_with_it(
    recipe: Write, adapters: Path, tmp_path: Path
) -> None:
    path, out = recipe(CAPTIONS.format("moody").replace("count: 3", "count: 9") + LOOP), tmp_path / "out"
    first = generate(path, out)
    refused = first.failures["moody"]["refused"]
    assert 0 < refused < 9
    assert first.failures == {
        "bright": {"failed": refused},
        "plain": {"failed": refused},
        "moody": {"refused": refused},
    }
    assert (first.counts["pairs"], first.made) == (3 * (9 - refused), 9 + 2 * (9 - refused))
    assert (first.finished, first.rows) == (27, 27)
    lost = [json.loads(line) for line in (out / "failed_rows.jsonl").read_text().split("\n")[:-1]]
    by_id = {row["pair_id"]: row for row in lost}
    for row in lost[refused:]:
        assert row["reason"].startswith(f"its parent {row['parent']} came to nothing: ")
        assert by_id[row["parent"]]["status"] in row["reason"]
    # Children are not tried where the parent fails again.
    assert generate(path, out, retry_failed=True) == replace(first, made=refused)
    (adapters / "bold").touch()
    again = generate(path, out, retry_failed=True)
    assert (again.made, again.failures, again.counts["pairs"]) == (3 * refused, {}, 27)
    generate(path, tmp_path / "fresh")
    assert files_of(out) == files_of(tmp_path / "fresh")


def test_captions_with_the_same_words_do_not_join_clusters(recipe: Write, tmp_path: Path) -> None:
    summary = generate(recipe(CAPTIONS.format("same") + LOOP), tmp_path / "out")
    assert validate(tmp_path / "out") == []
    assert summary.failures == {}
    assert summary.filtered == {"copy": {"bright": 2}, "parent": {"plain": 2}}
    lost = [json.loads(line) for line in (tmp_path / "out" / "failed_rows.jsonl").read_text().splitlines()]
    assert lost[0]["reason"] == "the prompt has the same words as that of another row's"
    assert {row["status"] for row in lost} == {Status.FILTERED}
    assert not (tmp_path / "out.partial").exists()


def test_quotas_of_the_loop_and_of_models(recipe: Write, tmp_path: Path) -> None:
    text = """
    images: {source: standin, count: 9, options: {domains: 3}}
    captioners: [{model: 'words:plain', count: 6}, 'words:lazy']
    prompts: {writer: standin, count: 9}
    image_models: [{model: 'colours:bright', count: 4}]
    loop:
      count: 3
      image_models: ['colours:bright', {model: 'colours:grey', count: 1}]
      captioners: [{model: 'words:plain', count: 5}]
    """
    summary = generate(recipe(text), tmp_path / "out")
    pairs = list(Dataset.open(tmp_path / "out").pairs())
    made = Counter((p.producer.name, p.direction.value, "parent" in p.provenance) for p in pairs)
    assert made == {
        ("plain", "image_to_text", False): 6,
        ("lazy", "image_to_text", False): 9,
        ("bright", "text_to_image", False): 4,
        ("bright", "text_to_image", True): 6,
        ("grey", "text_to_image", True): 1,
        ("plain", "image_to_text", True): 5,
    }
    assert summary.rows == len(pairs)
    by_domain = Counter(p.domain for p in pairs if p.producer.name == "plain" and "parent" not in p.provenance)
    assert set(by_domain.values()) == {2}
    assert all(pair.provenance["model"].keys() == {"model", "options"} for pair in pairs)
    roots = {p.cluster_id for p in pairs if "parent" in p.provenance and p.producer.name == "bright"}
    assert len(roots) == 3, "both captioners go around with the same images"
