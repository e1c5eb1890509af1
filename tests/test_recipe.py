"""Recipes: what is accepted, and that every problem is told by its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignbench.errors import RecipeError
from generation.recipe import Recipe
from generation.recipe_file import PROMPTS, SHIPPED, read_recipe

GOOD = """\
name: small
images: {source: scenes, count: 2}
captioners:
  - local_vlm:somewhere
  - model: local_vlm:elsewhere
    options: {temperature: 0.5}
labeller: scenes
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(RecipeError) as caught:
        read_recipe(written(folder, text))
    return str(caught.value)


def test_a_recipe_read_with_all_its_defaults(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, GOOD))
    assert (recipe.name, recipe.version, recipe.seed) == ("small", "0.1.0", 0)
    assert recipe.caption_prompt == "Describe the image."
    assert [model.options for model in recipe.captioners] == [{}, {"temperature": 0.5}]
    assert recipe.prompts is None
    assert recipe.image_models == ()


def test_the_seed_given_wins_and_is_in_the_digest(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    assert read_recipe(path, seed=7).seed == 7
    assert read_recipe(path, seed=7).digest != read_recipe(path).digest
    assert read_recipe(path, seed=0).digest == read_recipe(path).digest


def test_layout_and_comments_do_not_change_the_digest(tmp_path: Path) -> None:
    plain = read_recipe(written(tmp_path, GOOD))
    other = GOOD.replace("{source: scenes, count: 2}", "\n  count: 2  # two\n  source: scenes")
    assert read_recipe(written(tmp_path, other)).digest == plain.digest


def test_the_resolved_recipe_reads_as_the_same_recipe(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, GOOD), seed=3)
    assert read_recipe(written(tmp_path, recipe.to_yaml())) == recipe


def test_every_shipped_recipe_is_valid() -> None:
    recipes = [read_recipe(path) for path in sorted(SHIPPED.glob("*.yaml"))]
    assert "scenes" in [recipe.name for recipe in recipes]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sed: 3\n", "line 8: unknown key 'sed' (nearest: seed)"),
        ("caption-prompt: x\n", "line 8: unknown key 'caption-prompt' (nearest: caption_prompt"),
        ("seed: -1\n", "line 8: seed: input should be greater than or equal to 0, got -1"),
        ("seed: yes\n", "line 8: seed: input should be a valid integer, got True"),
        ("seed: '1'\n", "line 8: seed: input should be a valid integer, got '1'"),
        ("version: 0.1\n", "line 8: version: input should be a valid string, got 0.1"),
        ("prompts: {count: 3}\n", "line 8: the key 'prompts.writer' is missing"),
        ("prompts: {writer: scenes}\n", "it names prompts but no image_models"),
        (
            "prompts:\n  writer: prose\n  count: 1\n",
            "line 9: prompts.writer: there is no prompt writer 'prose' (allowed:",
        ),
        ("prompts: {writer: scenes, count: 1}\n", "it names prompts but no image_models"),
        ("name: again\n", "line 8: the key 'name' stands here again"),
        ("seed: *it\n", "line 8: "),
        ("seed: [1\n", "line 9: not YAML that can be read: "),
        ("seed: 2020-99-99\n", "not YAML that can be read: "),
        ("? [a]\n: 1\n", "not YAML that can be read: "),
        ("seed: " + "[" * 500 + "\n", "not YAML that can be read: "),
    ],
)
def test_a_line_too_many_is_named(tmp_path: Path, text: str, told: str) -> None:
    assert told in refusal(tmp_path, GOOD + text)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("name: small", "name: Small", "line 1: name: "),
        (
            "source: scenes",
            "source: scnes",
            "line 2: images.source: there is no image source 'scnes' (nearest: scenes)",
        ),
        ("count: 2", "count: 0", "line 2: images.count: input should be greater than or equal to 1, got 0"),
        ("count: 2", "cuont: 2", "line 2: unknown key 'images.cuont' (nearest: count)"),
        (
            "local_vlm:somewhere",
            "local_vm:x",
            "line 4: captioners.0: there is no captioner 'local_vm' (nearest: local_vlm)",
        ),
        ("local_vlm:somewhere", "3", "line 4: captioners.0: "),
        ("options:", "opts:", "line 6: unknown key 'captioners.1.opts' (nearest: options)"),
        ("- local_vlm:somewhere", "- local_vlm:x\n  - local_vlm:x", "it names the model local_vlm:x twice"),
        ("labeller: scenes", "labeller: people", "line 7: labeller: there is no labeller 'people' (allowed: scenes)"),
        ("labeller: scenes", "labeller: &a scenes\nseed: *a", "line 8: aliases (*name) are not allowed"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert told in refusal(tmp_path, GOOD.replace(old, new, 1))


FULL = """\
name: full
images:
  source: folder
  options:
    path: pictures
    recursive: false
  count: 20
  domains:
    count: 4
    model: ViT-B-32/openai
  filters:
    - black
    - filter: duplicate
      options:
        distance: 3
captioners:
  - model: local_vlm:somewhere
    count: 10
prompts:
  writer: template
  near_duplicates:
    by: ngrams
    above: 0.5
image_models: [scenes-painter-a]
loop:
  count: 5
  image_models:
    - model: scenes-painter-b
      count: 3
  captioners: [scenes-template]
filters:
  - filter: short
    options:
      words: 12
    drop: false
"""


def test_a_recipe_with_everything(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, FULL))
    assert recipe.images is not None and recipe.images.domains is not None and recipe.loop is not None
    assert [choice.filter for choice in recipe.images.filters] == ["black", "duplicate"]
    assert (recipe.captioners[0].count, recipe.loop.count, recipe.loop.image_models[0].count) == (10, 5, 3)
    assert recipe.captioners[0].key == "local_vlm:somewhere"
    assert (recipe.filters[0].drop, recipe.filters[0].options) == (False, {"words": 12})
    assert read_recipe(written(tmp_path, recipe.to_yaml())) == recipe


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "recursive",
            "recusive",
            "line 6: images.options.recusive: there is no option of the image source 'folder' cal",
        ),
        ("    path: pictures\n", "", "line 4: images.options: the image source 'folder' needs the option 'path'"),
        ("count: 20", "count: -1", "line 7: images.count: input should be greater than or equal to 1, got -1"),
        ("count: 4", "cuont: 4", "line 9: unknown key 'images.domains.cuont' (nearest: count)"),
        ("count: 4", "count: many", "line 9: images.domains.count: input should be a valid integer, got 'many'"),
        ("- black", "- blak", "line 12: images.filters.0.filter: there is no filter 'blak' (nearest: black)"),
        ("distance", "distanse", "line 15: images.filters.1.options.distanse: there is no option of the filter 'dup"),
        ("    count: 10", "    quota: 10", "line 18: unknown key 'captioners.0.quota' (allowed: count, model, options"),
        (
            "writer: template",
            "writer: tmplate",
            "line 20: prompts.writer: there is no prompt writer 'tmplate' (nearest",
        ),
        ("by: ngrams", "by: words", "line 22: prompts.near_duplicates.by: input should be 'ngrams' or 'embedding'"),
        ("by: ngrams", "by: embedding", "line 21: prompts.near_duplicates: `by: embedding` needs a `model`"),
        ("above: 0.5", "above: 1.5", "line 23: prompts.near_duplicates.above: input should be less than or equal to 1"),
        ("  count: 5", "  count: 0", "line 26: loop.count: input should be greater than or equal to 1, got 0"),
        ("scenes-painter-b", "painter-b", "line 28: loop.image_models.0: there is no image model 'painter-b' (nearest"),
        ("count: 3", "cnt: 3", "line 29: unknown key 'loop.image_models.0.cnt' (nearest: count)"),
        ("[scenes-template]", "[scenes-tmplate]", "line 30: loop.captioners.0: there is no captioner 'scenes-tmplate'"),
        ("[scenes-template]", "[scenes-template, scenes-template]", "it names the model scenes-template twice"),
        ("filter: short", "filter: shrt", "line 32: filters.0.filter: there is no filter 'shrt' (nearest: short"),
        ("words: 12", "wrds: 12", "line 34: filters.0.options.wrds: there is no option of the filter 'short' called"),
        ("drop: false", "drop: no way", "line 35: filters.0.drop: input should be a valid boolean"),
    ],
)
def test_a_wrong_line_within_a_part_is_named(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert told in refusal(tmp_path, FULL.replace(old, new, 1))


def test_a_loop_begins_at_captions(tmp_path: Path) -> None:
    text = "name: x\nprompts: {writer: scenes}\nimage_models: [scenes-painter-a]\n"
    text += "loop: {image_models: [scenes-painter-b]}\n"
    assert "its loop begins at captions, but it names no captioners" in refusal(tmp_path, text)


def test_the_prompt_of_captions_can_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("What is in it?\n\n", encoding="utf-8")
    recipe = read_recipe(written(tmp_path, GOOD + "caption_prompt: {file: mine.txt}\n"))
    assert recipe.caption_prompt == "What is in it?"
    ours = read_recipe(written(tmp_path, GOOD + "caption_prompt: {file: detailed}\n"))
    assert ours.caption_prompt == (PROMPTS / "detailed.txt").read_text(encoding="utf-8").strip()
    assert read_recipe(written(tmp_path, ours.to_yaml())) == ours


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "{file: detialed}",
            "line 8: caption_prompt.file: there is no file 'detialed' beside the recipe, nor one of ours",
        ),
        ("{fil: detailed}", "line 8: caption_prompt: it is a text, or a file to read it from: {file: NAME}"),
        ("{file: [a]}", "line 8: caption_prompt: it is a text, or a file to read it from: {file: NAME}"),
        ("{file: binary}", "line 8: caption_prompt.file: "),
        ("{file: empty}", "line 8: caption_prompt: string should have at least 1 character"),
        ("[x]", "line 8: caption_prompt: input should be a valid string"),
    ],
)
def test_a_prompt_file_that_is_none(tmp_path: Path, said: str, told: str) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "empty").write_text(" \n")
    assert told in refusal(tmp_path, GOOD + f"caption_prompt: {said}\n")


def test_a_folder_takes_the_place_of_the_image_source(tmp_path: Path) -> None:
    images = read_recipe(written(tmp_path, FULL), images=Path("mine")).images
    assert images is not None
    assert (images.source, images.options, images.count) == ("folder", {"path": "mine"}, 20)
    assert len(images.filters) == 2 and images.domains is not None


def test_ours_are_found_by_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenes").mkdir()
    assert read_recipe("scenes") == read_recipe(Path("scenes")) == read_recipe(SHIPPED / "scenes.yaml")
    (tmp_path / "scenes").rmdir()
    (tmp_path / "scenes").write_text(GOOD)
    assert read_recipe("scenes").name == "small"


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    told = refusal(tmp_path, GOOD.replace("count: 2", "count: x").replace("labeller", "labeler"))
    assert "line 2: " in told
    assert "line 7: unknown key 'labeler' (nearest: labeller)" in told


@pytest.mark.parametrize("text", ["", "- a\n", "scenes\n", "null\n"])
def test_a_file_without_keys_is_refused(tmp_path: Path, text: str) -> None:
    assert "line 1: it is no mapping; its keys are name, version, seed" in refusal(tmp_path, text)


def test_a_recipe_of_nothing_is_refused(tmp_path: Path) -> None:
    assert "it names no images with captioners, nor prompts with image_models" in refusal(tmp_path, "name: x\n")


def test_the_labeller_of_scenes_is_refused_for_other_images(tmp_path: Path) -> None:
    told = refusal(tmp_path, GOOD.replace("{source: scenes, count: 2}", "{source: folder, options: {path: here}}"))
    assert "the labeller 'scenes' can label no images of 'folder'" in told


def test_a_missing_file_names_a_shipped_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"cannot read the recipe .*none\.yaml.* one of ours: .*scenes"):
        read_recipe(tmp_path / "none.yaml")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_bytes(b"\xff\xfe\x00name")
    with pytest.raises(RecipeError, match="cannot read the recipe"):
        read_recipe(tmp_path / "recipe.yaml")


@given(prompt=st.text(min_size=1), temperature=st.floats(0, 2), seed=st.integers(0, 2**63 - 1))
def test_any_recipe_survives_its_own_yaml(
    tmp_path_factory: pytest.TempPathFactory, prompt: str, temperature: float, seed: int
) -> None:
    model = {"model": "local_vlm:m", "options": {"temperature": temperature, "note": prompt}}
    images = {"source": "scenes", "count": 1}
    recipe = Recipe.model_validate(
        {"name": "any", "seed": seed, "images": images, "captioners": [model], "caption_prompt": prompt}
    )
    path = written(tmp_path_factory.mktemp("recipe"), recipe.to_yaml())
    assert read_recipe(path) == recipe
