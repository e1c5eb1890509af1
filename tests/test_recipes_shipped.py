"""The recipes that come with alignbench: valid, in step with the tables beside them, and good for a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from alignbench import registry
from alignbench.adapters import KINDS, Role
from alignbench.cli import run
from alignbench.exchange.producers import producer_of
from alignbench.families import Families
from alignbench.store import Dataset
from alignbench.types import Direction, ModelRef
from generation import parts
from generation.forecast import forecast
from generation.forecast.asked import resolve
from generation.forecast.facts import FactTable
from generation.near_duplicates import likeness
from generation.pipeline import generate
from generation.protocols import Prompt, Site
from generation.recipe import Model, Recipe
from generation.recipe_file import SHIPPED, read_recipe
from tests.tiny_diffusion import make_sd
from tests.tiny_vlms import make_smolvlm

NAMES = ["alignbench-i2t", "alignbench-t2i", "own-images", "quickstart-gpu", "scenes"]
LONGEST = 120


def models_of(recipe: Recipe) -> Iterator[tuple[Role, Model]]:
    yield from ((Role.CAPTIONERS, model) for model in recipe.captioners)
    yield from ((Role.IMAGE_MODELS, model) for model in recipe.image_models)
    if recipe.loop:
        yield from ((Role.IMAGE_MODELS, model) for model in recipe.loop.image_models)
        yield from ((Role.CAPTIONERS, model) for model in recipe.loop.captioners)


def every_model() -> list[Any]:
    return [
        pytest.param(role, model, id=f"{name}-{role.value}-{number}")
        for name in NAMES
        for number, (role, model) in enumerate(models_of(read_recipe(name)))
    ]


def test_all_of_them_are_known_here() -> None:
    assert sorted(path.stem for path in SHIPPED.iterdir()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_is_valid_and_called_as_its_file(name: str) -> None:
    assert read_recipe(name).name == name
    text = (SHIPPED / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert max(map(len, text.splitlines())) <= LONGEST


def test_the_image_to_text_grid_is_that_of_the_paper() -> None:
    recipe = read_recipe("alignbench-i2t")
    told = forecast(recipe, SHIPPED)
    assert told.totals.rows.value == 12_000
    assert {each.rows.value for each in told.producers} == {2_000}
    assert recipe.images is not None
    assert recipe.images.domains is not None
    assert recipe.images.domains.count == 50
    assert [each.model for each in told.producers] == ["cogvlm", "gpt-4o", "sharegpt", "llama-4", "llava-1.6", "qwen-2"]
    assert "five to eight sentences" in recipe.caption_prompt


def test_the_text_to_image_grid_is_that_of_the_paper() -> None:
    told = forecast(read_recipe("alignbench-t2i"), SHIPPED)
    assert told.totals.rows.value == 2_014
    assert [(each.model, each.rows.value) for each in told.producers] == [
        ("stable-diffusion-3.5", 1_007),
        ("gpt-image-1", 1_007),
    ]
    assert told.totals.dollars.value == pytest.approx(1_007 * (90 * 5 + 1056 * 40) / 1e6)
    assert any(line.startswith("gpt-image-1: OpenAI shut it down") for line in told.warnings)


@pytest.mark.parametrize(("name", "rows"), [("alignbench-i2t", "12,000"), ("alignbench-t2i", "2,014")])
def test_a_dry_run_prints_the_plan(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, rows: str) -> None:
    assert run(["generate", name, "--out", str(tmp_path / "out"), "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert f"{name} 0.1.0, seed 20251120: {rows} rows" in out
    for word in ("model loads:", "time", "USD", "disk", "GB to fetch", "not measured"):
        assert word in out
    assert len(out.splitlines()) <= 40
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("role", "model"), every_model())
def test_adapters_take_the_options(role: Role, model: Model) -> None:
    asked = resolve(role, model, FactTable.read())
    assert asked.problem is None
    assert asked.kind is not None
    known = parts.find(KINDS[role][asked.kind].target).from_reference
    options = {**asked.options}
    accepted = registry._parameters(type("Adapter", (), {"from_reference": known}))
    assert accepted is None or set(options) <= set(accepted)


@pytest.mark.parametrize(("role", "model"), every_model())
def test_families_are_those_of_the_table(role: Role, model: Model) -> None:
    asked = resolve(role, model, FactTable.read())
    name, family = asked.options.get("name", asked.called), asked.options.get("family")
    if asked.kind != "scenes":
        assert family == Families.read().family_of(ModelRef(str(name)))


@pytest.mark.parametrize("name", ["alignbench-i2t", "alignbench-t2i"])
def test_producers_are_called_as_in_the_published_data(name: str) -> None:
    """So that a dataset made anew can be laid beside the published one."""
    for role, model in models_of(read_recipe(name)):
        published = producer_of(str(model.options["name"]))
        assert published.published
        assert published.model.name == model.options["name"]
        assert published.model.family == model.options["family"]
        captions = published.direction is Direction.IMAGE_TO_TEXT
        assert captions is (role is Role.CAPTIONERS)


@pytest.mark.parametrize(("role", "model"), every_model())
def test_what_is_fetched_has_a_revision_and_facts(role: Role, model: Model) -> None:
    asked = resolve(role, model, FactTable.read())
    if asked.kind in {"local_vlm", "diffusers"} and asked.folder is None:
        assert asked.facts is not None
        assert asked.options["revision"] == asked.facts.revision
        assert None not in {asked.facts.parameters, asked.facts.weights, asked.facts.licence, asked.facts.gated}


def test_what_transformers_loads_and_what_it_does_not() -> None:
    """The recipe asks servers for models that need code of their authors; when that changes, it should too."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as LOADED

    assert {"llava_next", "qwen2_vl", "llama4", "idefics3"} <= set(LOADED)
    assert not {"cogvlm", "share4v"} & set(CONFIG_MAPPING_NAMES)


def test_the_template_has_as_many_prompts_as_the_grid_asks_for() -> None:
    """None of them near another: a prompt that is dropped would have to be made up for."""
    recipe = read_recipe("alignbench-t2i")
    assert recipe.prompts is not None
    assert recipe.prompts.near_duplicates is not None
    writer = parts.prompt_writer(recipe.prompts.writer, Site(SHIPPED, SHIPPED), recipe.prompts.options)
    near, bound = likeness(recipe.prompts.near_duplicates), recipe.prompts.near_duplicates.above
    kept = 0
    for prompt in writer.prompts(2 * 1_007, recipe.seed):
        assert isinstance(prompt, Prompt)
        found = near.most_like(prompt.text)
        if found is None or found[0] <= bound:
            near.keep(prompt.text)
            kept += 1
    assert kept >= 1_007


@pytest.fixture(scope="module")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Random weights in the classes of the models of the small recipes."""
    folder = tmp_path_factory.mktemp("models")
    return {
        "local_vlm:HuggingFaceTB/SmolVLM-Instruct": make_smolvlm(folder / "smolvlm"),
        "diffusers:stable-diffusion-v1-5/stable-diffusion-v1-5": make_sd(folder / "sd"),
    }


def with_tiny_models(said: Any, tiny: dict[str, Path]) -> Any:
    """A recipe with folders in place of hub models, and without what their weights do not have."""
    if isinstance(said, list):
        return [with_tiny_models(each, tiny) for each in said]
    if not isinstance(said, dict):
        return said
    if said.get("model") in tiny:
        kind = said["model"].partition(":")[0]
        kept = {key: value for key, value in said["options"].items() if key not in {"revision", "variant"}}
        small = {"max_new_tokens": 8} if kind == "local_vlm" else {"steps": 2, "width": 32, "height": 32}
        return {"model": f"{kind}:{tiny[said['model']]}", "options": {**kept, **small, "device": "cpu"}}
    return {key: with_tiny_models(value, tiny) for key, value in said.items()}


def test_the_quickstart_runs_from_end_to_end(tmp_path: Path, tiny_models: dict[str, Path]) -> None:
    said = yaml.safe_load((SHIPPED / "quickstart-gpu.yaml").read_text())
    said = with_tiny_models(said, tiny_models)
    # Random weights write no sentences: what the filters would say of them is not the question here.
    del said["filters"]
    said["images"]["options"]["path"] = str((SHIPPED / said["images"]["options"]["path"]).resolve())
    said["images"]["count"] = said["prompts"]["count"] = 2
    path = tmp_path / "quickstart.yaml"
    path.write_text(yaml.safe_dump(said))
    planned = forecast(read_recipe(path), tmp_path)
    summary = generate(path, tmp_path / "out")
    failed = sum(sum(each.values()) for each in summary.failures.values())
    assert planned.totals.rows.value == summary.counts["pairs"] + failed == 8
    dataset = Dataset.open(summary.path)
    made = Counter(pair.producer.name for pair in dataset.pairs())
    assert made["stable-diffusion-1.5"] >= 2
