"""Recipes: what is accepted, and that every problem is told by its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignbench.errors import RecipeError
from generation.recipe import Recipe
from generation.recipe_file import SHIPPED, read_recipe

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
        ("prompts: {writer: scenes}\n", "line 8: the key 'prompts.count' is missing"),
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


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    told = refusal(tmp_path, GOOD.replace("count: 2", "count: x").replace("labeller", "labeler"))
    assert "line 2: " in told
    assert "line 7: unknown key 'labeler' (nearest: labeller)" in told


@pytest.mark.parametrize("text", ["", "- a\n", "scenes\n", "null\n"])
def test_a_file_without_keys_is_refused(tmp_path: Path, text: str) -> None:
    assert "line 1: it is no mapping; its keys are name, version, seed" in refusal(tmp_path, text)


def test_a_recipe_of_nothing_is_refused(tmp_path: Path) -> None:
    assert "it names no images with captioners, nor prompts with image_models" in refusal(tmp_path, "name: x\n")


def test_a_missing_file_names_a_shipped_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"cannot read the recipe .*none\.yaml.*scenes\.yaml"):
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
