"""Gathering: what is found, what is left out and told, and that a count is one of good ones."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from alignbench.errors import RecipeError
from alignbench.store import Dataset
from generation import inputs
from generation.inputs import Folders, gather
from generation.pipeline import generate
from generation.plan import Inputs
from generation.progress import Progress
from generation.recipe_file import read_recipe
from generation.work import Work
from tests.clip_models import make_clip
from tests.standins import PICTURES, Write, files_of, install, writer_in

IMAGES = "captioners: ['words:plain']\nimages: {{source: standin{}}}\n"


@pytest.fixture
def adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return install(tmp_path / "site", monkeypatch)


@pytest.fixture
def recipe(adapters: Path, tmp_path: Path) -> Write:
    return writer_in(tmp_path)


def gathered(path: Path, told: list[Progress] | None = None) -> Inputs:
    work, recipe = Work.beside(path.parent / "out"), read_recipe(path)
    work.begin(recipe)
    return gather(recipe, work, Folders(path.parent, path.parent), told=None if told is None else told.append)


def unusable(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "unusable_inputs.jsonl").read_text().splitlines()]


def test_without_a_count_all_are_taken(recipe: Write) -> None:
    path = recipe(IMAGES.format(""))
    work, read = Work.beside(path.parent / "images"), read_recipe(path)
    work.begin(read)
    assert len(gather(read, work, Folders(path.parent, path.parent)).images) == 9
    told: list[Progress] = []
    path = recipe("prompts: {writer: standin}\nimage_models: ['colours:bright']\n")
    assert len(gathered(path, told).prompts) == 9
    assert [(p.finished, p.total, p.unit) for p in told] == [(number, 0, "prompts") for number in range(1, 10)]


def test_what_cannot_be_used_is_told_in_the_dataset(recipe: Write, tmp_path: Path) -> None:
    summary = generate(recipe(IMAGES.format(", options: {unusable: 3}, count: 2")), tmp_path / "out")
    assert summary.unusable == {"images": {"image_unreadable": 3}}
    assert unusable(tmp_path / "out") == [
        {"kind": "image", "name": f"{number}.txt", "status": "image_unreadable", "reason": f"no image {number % 2}"}
        for number in range(3)
    ]


def test_the_count_is_of_images_that_pass_the_filters(recipe: Write, tmp_path: Path) -> None:
    images = gathered(recipe(IMAGES.format(", count: 5, filters: [dark]"))).images
    assert [image.provenance["number"] for image in images] == [0, 1, 3, 4, 6]
    assert images[1].provenance["filters"] == {"dark": {"passed": True, "value": 205, "reason": None}}
    assert [(each["name"], each["status"], each["reason"]) for each in unusable(tmp_path / "out.partial")] == [
        ("2.png", "unsafe", "the filter 'dark': its red is 0"),
        ("5.png", "unsafe", "the filter 'dark': its red is 0"),
    ]  # and the ninth was not looked at
    kept = {path.name for path in (tmp_path / "out.partial" / "images").iterdir()}
    assert kept == {image.sha256 for image in images}


def test_a_filter_that_drops_nothing_leaves_a_note(recipe: Write) -> None:
    images = gathered(recipe(IMAGES.format(", count: 5, filters: [{filter: dark, drop: false}]"))).images
    assert [image.provenance["filters"]["dark"]["passed"] for image in images] == [True, True, False, True, True]


def test_too_few_says_how_many_there_were_and_why_not_more(recipe: Write, tmp_path: Path) -> None:
    path = recipe(IMAGES.format(", options: {unusable: 3}, count: 8, filters: [dark]"))
    with pytest.raises(RecipeError) as caught:
        generate(path, tmp_path / "out")
    said = str(caught.value)
    assert "'standin' has 6 different images for this seed where the recipe asks for 8; set images.count to" in said
    assert "(6 could not be used: 3 image_unreadable, 3 unsafe: the filter 'dark': its red is 0 (3 times); " in said
    assert "no image 0 (2 times); no image 1; " in said
    assert len(unusable(tmp_path / "out.partial")) == 6
    # Nothing was made, so that the recipe may be mended in its place.
    assert (
        generate(
            recipe(path.read_text().partition("seed: 5\n")[2].replace("count: 8", "count: 6")), tmp_path / "out"
        ).made
        == 6
    )


def test_nothing_to_use_is_an_error(recipe: Write, tmp_path: Path) -> None:
    with pytest.raises(
        RecipeError, match=r"'standin' has no images that can be used \(9 could not be used: 9 filtered"
    ):
        generate(recipe(IMAGES.format(", filters: [nothing]")), tmp_path / "out")


@pytest.mark.parametrize(
    "text",
    [
        "captioners: ['words:plain']\nimages: {source: endless, count: 3, filters: [nothing]}\n",
        "image_models: ['colours:bright']\nprompts: {writer: endless, count: 3}\n",
        "image_models: ['colours:bright']\nprompts: {writer: endless}\n",
    ],
)
def test_no_end_of_what_cannot_be_used_is_given_up(recipe: Write, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(inputs, "PATIENCE", 50)
    with pytest.raises(
        RecipeError, match=r"'endless' gave 50 (images|prompts) in a row that cannot be used \(50 could"
    ):
        gathered(recipe(text))


def test_an_endless_source_ends_at_the_count(recipe: Write, tmp_path: Path) -> None:
    filters = "[{filter: dark, options: {least: 200}}]"
    path = recipe(f"captioners: ['words:plain']\nimages: {{source: endless, count: 4, filters: {filters}}}\n")
    assert len(gathered(path).images) == 4
    assert 200 <= len(unusable(tmp_path / "out.partial")) < 210


def test_prompts_too_like_an_earlier_one_are_left_out(recipe: Write, tmp_path: Path) -> None:
    prompts = PICTURES.format("bright").replace("count: 3", "near_duplicates: {above: 0.5}")
    summary = generate(recipe(prompts), tmp_path / "out")
    # Of "One colour. Number 3." two of four words are new, and with it one of two word 3-grams.
    assert summary.counts["pairs"] == 9 and summary.unusable == {}
    prompts = prompts.replace("0.5", "0.4")
    with pytest.raises(
        RecipeError, match=r"'standin' has 1 different prompts .* asks for 3.*by ngrams it is 0\.50 like"
    ):
        generate(recipe(prompts.replace("writer: standin", "writer: standin, count: 3")), tmp_path / "near")
    assert generate(recipe(prompts), tmp_path / "near").unusable == {"prompts": {"filtered": 8}}
    assert {each["kind"] for each in unusable(tmp_path / "near")} == {"prompt"}


def test_domains_are_drawn_alike_and_recorded(recipe: Write, tmp_path: Path) -> None:
    model = make_clip(tmp_path / "clip")
    text = IMAGES.format(f", count: 4, filters: [dark], domains: {{count: 2, model: 'local-dir:{model}'}}")
    generate(recipe(text), tmp_path / "out")
    domains = Counter(pair.domain for pair in Dataset.open(tmp_path / "out").pairs())
    assert sum(domains.values()) == 4 and set(domains) == {"domain-01", "domain-02"}
    record = json.loads((tmp_path / "out" / "domains.json").read_text())
    assert record["images"] == {"before": 6, "after": 4}
    generate(recipe(text), tmp_path / "again")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "again")


def test_a_folder_in_place_of_the_source(recipe: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.standins import png

    (tmp_path / "mine").mkdir()
    for number in range(3):
        (tmp_path / "mine" / f"{number}.png").write_bytes(png((number, 9, 9)))
    monkeypatch.chdir(tmp_path)
    summary = generate(recipe(IMAGES.format(", count: 2")), tmp_path / "out", images=Path("mine"))
    assert summary.counts["images"] == 2
    assert "path: mine" in (tmp_path / "out" / "recipe.yaml").read_text()
