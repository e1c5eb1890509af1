"""What a recipe would take: rows as the plan has them, money by hand, and nothing made up."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from alignbench.errors import UnknownNameError, UsageError
from alignbench.types import Image, Origin
from generation.forecast import Forecast, forecast
from generation.forecast.amounts import Amount, Total, total
from generation.forecast.facts import FactTable
from generation.forecast.shape import Stage
from generation.inputs import Folders, gather
from generation.plan import Inputs, plan
from generation.plan import Stage as Planned
from generation.prompts import read_prompt
from generation.protocols import Prompt
from generation.recipe import Recipe
from generation.work import Work

HEAVY = ("torch", "transformers", "diffusers", "open_clip", "openai", "datasets", "pandas", "sklearn", "matplotlib")


def recipe_of(**said: Any) -> Recipe:
    return Recipe.model_validate({"name": "small", **said})


def captioned(*captioners: Any, count: int = 100, **said: Any) -> Recipe:
    return recipe_of(images={"source": "scenes", "count": count}, captioners=list(captioners), **said)


def painted(*image_models: Any, count: int = 100) -> Recipe:
    return recipe_of(prompts={"writer": "scenes", "count": count}, image_models=list(image_models))


def test_an_amount_has_a_value_or_a_reason() -> None:
    for value, reason in ((None, None), (1.0, "why")):
        with pytest.raises(ValueError, match="a value or a reason"):
            Amount(value, reason)


def test_nothing_times_unknown_is_nothing_and_anything_else_is_unknown() -> None:
    unknown = Amount.unknown("why")
    assert Amount(0).times(unknown) == unknown.times(Amount(0)) == Amount(0)
    assert Amount(2).times(unknown) == unknown.times(Amount(2)) == unknown
    assert Amount(2).times(Amount(3)) == Amount(6)


def test_a_total_says_what_it_leaves_out_and_is_null_where_nothing_is_known() -> None:
    unknown = Amount.unknown("why")
    assert total([("a", Amount(1)), ("b", unknown), ("b", unknown), ("c", Amount(2))]) == Total(3, ("b",))
    assert total([("a", unknown)]) == Total(None, ("a",))
    assert total([]) == Total(0)


# Rows.

COUNTS = st.none() | st.integers(1, 12)


@st.composite
def looped(draw: st.DrawFn) -> tuple[Recipe, Inputs]:
    """A recipe with quotas and, often, a loop, with inputs as its source and writer would give them."""

    def models(*names: str) -> list[dict[str, Any]]:
        chosen = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
        return [{"model": name} | ({"count": n} if (n := draw(COUNTS)) else {}) for name in chosen]

    captioners = ("scenes-a", "scenes-b", "scenes-template")
    painters = ("scenes-painter-a", "scenes-painter-b")
    images, prompts = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    said: dict[str, Any] = {
        "images": {"source": "scenes", "count": images},
        "captioners": models(*captioners),
        "prompts": {"writer": "scenes", "count": prompts},
        "image_models": models(*painters),
    }
    if draw(st.booleans()):
        said["loop"] = {"image_models": models(*painters), "captioners": models(*captioners)}
        if count := draw(COUNTS):
            said["loop"]["count"] = count
    inputs = Inputs(
        [
            Image(f"{n}", f"{n}", None, 8, 8, Origin.REAL, "here", provenance={"domain": f"domain-{n % 3}"})
            for n in range(images)
        ],
        [Prompt(f"prompt {n}", {"domain": f"domain-{n % 2}"}) for n in range(prompts)],
    )
    return recipe_of(**said), inputs


@given(looped())
@settings(deadline=None, max_examples=60)
def test_the_rows_are_those_of_the_plan(made: tuple[Recipe, Inputs]) -> None:
    recipe, inputs = made
    planned = Counter((row.stage, row.parent is not None, row.model.model) for row in plan(recipe, inputs))
    told = forecast(recipe, Path())
    stages = {
        Stage.CAPTIONS: (Planned.CAPTIONS, False),
        Stage.IMAGES: (Planned.IMAGES, False),
        Stage.LOOP_IMAGES: (Planned.IMAGES, True),
        Stage.LOOP_CAPTIONS: (Planned.CAPTIONS_AGAIN, True),
    }
    found = {(*stages[each.stage], each.model): each.rows.value for each in told.producers}
    assert found == planned
    assert told.totals.rows == Total(planned.total())


def test_the_rows_are_those_of_a_plan_over_gathered_inputs(tmp_path: Path) -> None:
    recipe = recipe_of(
        images={"source": "scenes", "count": 5},
        captioners=["scenes-template", {"model": "scenes-a", "count": 3}],
        prompts={"writer": "template", "count": 4, "near_duplicates": {"above": 0.9}},
        image_models=["scenes-painter-a"],
        loop={"count": 2, "image_models": [{"model": "scenes-painter-b", "count": 3}], "captioners": ["scenes-b"]},
    )
    work = Work.beside(tmp_path / "out")
    work.begin(recipe)
    rows = plan(recipe, gather(recipe, work, Folders(tmp_path, tmp_path)))
    assert forecast(recipe, tmp_path).totals.rows == Total(len(rows)) == Total(5 + 3 + 4 + 3 + 3)


def test_a_folder_is_counted_where_the_recipe_says_no_count(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    (pictures / "more").mkdir(parents=True)
    for name in ("a.png", "b.png", "more/c.png", ".hidden.png"):
        Pillow.new("RGB", (8, 8), "red" if name == "a.png" else "blue").save(pictures / name)
    (pictures / "link.png").symlink_to(pictures / "a.png")
    recipe = recipe_of(images={"source": "folder", "options": {"path": "pictures"}}, captioners=["scenes-template"])
    told = forecast(recipe, tmp_path)
    assert (told.inputs[0].count, told.totals.rows) == (Amount(3), Total(3))
    sizes = [(pictures / name).stat().st_size for name in ("a.png", "b.png", "more/c.png")]
    assert told.inputs[0].disk.value == pytest.approx(sum(sizes))


def test_a_folder_that_is_not_there_is_no_error_but_unknown(tmp_path: Path) -> None:
    recipe = recipe_of(
        images={"source": "folder", "options": {"path": "nowhere"}},
        captioners=["scenes-template", {"model": "scenes-a", "count": 3}],
    )
    told = forecast(recipe, tmp_path)
    assert [each.rows.value for each in told.producers] == [None, None]
    assert told.totals.rows == Total(None, ("scenes-template", "scenes-a"))
    assert any("no folder of images" in line and "--images DIR" in line for line in told.lines())


def test_a_list_of_addresses_and_a_file_of_prompts_are_counted(tmp_path: Path) -> None:
    (tmp_path / "images.csv").write_text("url\nhttps://a.example/1.png\nhttps://a.example/2.png\n\n")
    (tmp_path / "prompts.txt").write_text("A cat.\n\nA dog.\nA cat.\n")
    recipe = recipe_of(
        images={"source": "urls", "options": {"path": "images.csv"}},
        captioners=["scenes-template"],
        prompts={"writer": "file", "options": {"path": "prompts.txt"}},
        image_models=["scenes-painter-a"],
    )
    assert [each.count.value for each in forecast(recipe, tmp_path).inputs] == [2, 2]


def test_an_endless_writer_without_a_count_is_unknown() -> None:
    recipe = recipe_of(prompts={"writer": "template"}, image_models=["scenes-painter-a"])
    told = forecast(recipe, Path())
    assert told.totals.rows.value is None
    assert "write a `count`" in str(told.inputs[0].count.reason)


# Loads.


def test_one_load_a_stage_and_one_for_the_images_of_both_sorts() -> None:
    painter = {"model": "diffusers:stable-diffusion-v1-5/stable-diffusion-v1-5", "options": {"variant": "fp16"}}
    captioner = "local_vlm:HuggingFaceTB/SmolVLM-Instruct"
    recipe = captioned(
        captioner,
        "scenes-template",
        prompts={"writer": "scenes", "count": 2},
        image_models=[painter],
        loop={"image_models": [painter, "scenes-painter-a"], "captioners": [captioner, "api:gpt-4o"]},
    )
    told = forecast(recipe, Path())
    assert [(load.purpose, load.model) for load in told.loads] == [
        ("captions", "HuggingFaceTB/SmolVLM-Instruct"),
        ("images", "stable-diffusion-v1-5/stable-diffusion-v1-5"),
        ("loop captions", "HuggingFaceTB/SmolVLM-Instruct"),
    ]
    # The second load of a model fetches nothing.
    assert told.totals.fetch.value == pytest.approx(4.49e9 + 2.74e9)


def test_the_models_of_domains_near_duplicates_and_filters_are_loads_too(tmp_path: Path) -> None:
    clip = tmp_path / "clip"
    clip.mkdir()
    recipe = recipe_of(
        images={
            "source": "scenes",
            "count": 4,
            "domains": {"count": 2, "model": "ViT-B-32/openai"},
            "filters": [{"filter": "unsafe", "options": {"model": "clip"}}],
        },
        captioners=["scenes-template"],
        prompts={
            "writer": "scenes",
            "count": 4,
            "near_duplicates": {"by": "embedding", "model": "local-dir:clip"},
        },
        image_models=["scenes-painter-a"],
    )
    told = forecast(recipe, tmp_path)
    assert [load.purpose for load in told.loads] == ["filter unsafe", "domains", "near duplicates"]
    assert [load.fetch.value for load in told.loads] == [0, 605e6, 0]


def test_weights_in_a_folder_are_counted_from_their_headers(tmp_path: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    folder = tmp_path / "model"
    folder.mkdir()
    save_file({"a": np.zeros((3, 5)), "b": np.zeros(7)}, folder / "model.safetensors", metadata={"format": "pt"})
    told = forecast(captioned(f"local_vlm:{folder}"), tmp_path)
    (load,) = told.loads
    assert load.weights == Amount((folder / "model.safetensors").stat().st_size)
    assert load.fetch == Amount(0)
    assert told.producers[0].seconds.value is not None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8 + b"{}",
        b"\x02\0\0\0\0\0\0\0[]",
        b"\x09\0\0\0\0\0\0\0" + b'{"a": {}}',
        b"\x05\0\0\0\0\0\0\0\xff",
    ],
)
def test_weights_that_cannot_be_read_are_unknown(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(content)
    told = forecast(captioned(f"local_vlm:{folder}"), tmp_path)
    assert told.producers[0].seconds.value is None
    assert told.producers[0].rows == Amount(100)


@pytest.mark.parametrize("kind", ["local_vlm", "diffusers"])
def test_what_the_hub_cache_holds_is_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    (tmp_path / "facts.yaml").write_text("models: {org/name: {weights: 1000, parameters: 500}}")
    snapshot = tmp_path / "hub" / "models--org--name" / "snapshots" / "abc"
    part = snapshot / "unet" if kind == "diffusers" else snapshot
    part.mkdir(parents=True)
    (tmp_path / "hub" / "models--org--name" / "refs").mkdir()
    (tmp_path / "hub" / "models--org--name" / "refs" / "main").write_text("abc")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    model = f"{kind}:org/name"
    recipe = captioned(model) if kind == "local_vlm" else painted(model)
    facts = tmp_path / "facts.yaml"
    assert forecast(recipe, tmp_path, facts=facts).totals.fetch == Total(1000)
    if kind == "diffusers":
        (snapshot / "model_index.json").write_text("{}")
    (part / "model.safetensors").write_bytes(b"x" * 1000)
    assert forecast(recipe, tmp_path, facts=facts).totals.fetch == Total(0)


# Money.


def test_dollars_by_hand() -> None:
    """gpt-4o: $2.5 and $10 per million; 640 x 480 is two tiles: 85 + 2 x 170 = 425 tokens; a prompt of 19 bytes."""
    told = forecast(captioned("api:gpt-4o", count=1000, caption_prompt="Describe the image."), Path())
    a_row = ((425 + 5 + 7) * 2.5 + 160 * 10) / 1e6
    assert told.producers[0].dollars.value == pytest.approx(1000 * a_row)
    low = {"model": "api:gpt-4o", "options": {"detail": "low"}}
    told = forecast(captioned(low, count=1000, caption_prompt="Describe the image."), Path())
    assert told.producers[0].dollars.value == pytest.approx(1000 * ((85 + 5 + 7) * 2.5 + 160 * 10) / 1e6)


def test_dollars_of_images_by_hand() -> None:
    """gpt-image-1: $5 and $40 per million; medium at 1024 x 1024 takes 1,056 tokens, unsaid quality 4,160 at most."""
    medium = {"model": "api:gpt-image-1", "options": {"quality": "medium", "size": "1024x1024"}}
    told = forecast(painted(medium, count=10), Path())
    assert told.totals.dollars.value == pytest.approx(10 * (90 * 5 + 1056 * 40) / 1e6)
    told = forecast(painted("api:gpt-image-1", count=10), Path())
    assert told.totals.dollars.value == pytest.approx(10 * (90 * 5 + 4160 * 40) / 1e6)


def test_a_text_model_that_writes_the_prompts_costs_too() -> None:
    """gpt-4o-mini: $0.15 and $0.6 per million; the shipped instruction, and 90 tokens a prompt."""
    writer = {"model": "api:gpt-4o-mini"}
    recipe = recipe_of(
        prompts={"writer": "text_model", "options": writer, "count": 10}, image_models=["scenes-painter-a"]
    )
    told = forecast(recipe, Path())
    asked = len(read_prompt("scene", Path()).encode())
    assert told.totals.dollars.value == pytest.approx(10 * ((-(-asked // 4) + 7) * 0.15 + 90 * 0.6) / 1e6)
    assert told.totals.rows == Total(10)
    local = {"model": "local_llm:nobody/knows"}
    recipe = recipe_of(
        prompts={"writer": "text_model", "options": local, "count": 10}, image_models=["scenes-painter-a"]
    )
    assert [load.purpose for load in forecast(recipe, Path()).loads] == ["prompts"]


def test_a_server_here_is_free_and_one_without_a_price_is_unknown() -> None:
    here = {"model": "api:cog", "options": {"base_url": "http://127.0.0.1:9/v1"}}
    there = {"model": "api:cog", "options": {"base_url": "https://api.example.org/v1"}}
    told = forecast(captioned(here, there), Path())
    free, unknown = told.producers
    assert free.dollars == Amount(0)
    assert free.seconds.value is None
    assert unknown.dollars.value is None
    assert "prices" in str(unknown.dollars.reason)
    assert told.totals.dollars == Total(0, ("cog",))


def test_a_price_file_of_the_recipe_is_read(tmp_path: Path) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text(
        "dated: 2026-01-31\nprices: {api.example.org: {cog: {input: 1, output: 2, image_rule: 'fixed:tokens=100'}}}\n"
    )
    options = {"base_url": "https://api.example.org/v1", "prices": str(prices)}
    told = forecast(captioned({"model": "api:cog", "options": options}, caption_prompt="12345678"), tmp_path)
    assert told.totals.dollars.value == pytest.approx(100 * ((100 + 2 + 7) * 1 + 160 * 2) / 1e6)
    prices.write_text("dated: never\n")
    told = forecast(captioned({"model": "api:cog", "options": options}), tmp_path)
    assert "price file" in str(told.producers[0].dollars.reason)


# Time.


def test_seconds_by_hand() -> None:
    """SmolVLM: 2.25e9 parameters; 1,053 image tokens; 19 bytes of prompt are 5 tokens and a frame of 7."""
    model = "local_vlm:HuggingFaceTB/SmolVLM-Instruct"
    told = forecast(captioned(model, count=10, caption_prompt="Describe the image."), Path())
    read = 2 * 2.25e9 * (1053 + 5 + 7) / (0.4 * 989e12)
    assert told.totals.seconds.value == pytest.approx(10 * (read + 160 * 0.025))
    told = forecast(captioned(model, count=10, caption_prompt="Describe the image."), Path(), device="rtx-4090")
    read = 2 * 2.25e9 * (1053 + 5 + 7) / (0.4 * 165e12)
    assert told.totals.seconds.value == pytest.approx(10 * (read + 160 * 0.025))
    batched = {"model": model, "options": {"exact": False, "batch": 4}}
    told = forecast(captioned(batched, count=10, caption_prompt="Describe the image."), Path())
    assert told.totals.seconds.value == pytest.approx(10 * (2 * 2.25e9 * 1065 / (0.4 * 989e12) + 160 * 0.025 / 4))


def test_seconds_of_images_by_hand() -> None:
    """Stable Diffusion 1.5, a quarter of its usual pixels, ten steps with guidance, then without."""
    size = {"steps": 10, "width": 256, "height": 256}
    name = "diffusers:stable-diffusion-v1-5/stable-diffusion-v1-5"
    for guidance, passes in ((7.5, 20), (1.0, 10)):
        told = forecast(painted({"model": name, "options": {**size, "guidance": guidance}}, count=1), Path())
        operations = (passes * 0.803e12 + 2.51e12) / 4
        assert told.totals.seconds.value == pytest.approx(operations / (0.4 * 989e12))
        assert told.producers[0].disk.value == pytest.approx(256 * 256 * 1.5 + 1000)


def test_what_does_not_fit_and_what_is_not_known_has_no_time() -> None:
    models = [
        "local_vlm:meta-llama/Llama-4-Scout-17B-16E-Instruct",
        "local_vlm:nobody/knows",
        {"model": "local_vlm:Qwen/Qwen2-VL-7B-Instruct", "options": {"device": "cpu"}},
    ]
    told = forecast(captioned(*models), Path())
    reasons = [str(each.seconds.reason) for each in told.producers]
    assert "217.2 GB" in reasons[0]
    assert "the facts of nobody/knows" in reasons[1]
    assert "cpu" in reasons[2]
    assert told.totals.seconds.value is None or told.totals.seconds.left_out
    offloaded = {"model": "diffusers:stabilityai/stable-diffusion-3.5-large", "options": {"offload": True}}
    assert forecast(painted(offloaded), Path()).totals.seconds.value is None


# What is said.


def test_what_has_to_be_done_first_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    here = {"model": "api:cog", "options": {"base_url": "http://127.0.0.1:9/v1"}}
    told = forecast(captioned(here, "local_vlm:meta-llama/Llama-4-Scout-17B-16E-Instruct", "api:gpt-4o"), Path())
    said = "\n".join(told.warnings)
    assert "cog: asked at http://127.0.0.1:9/v1; start that server before" in said
    assert "given out on request" in said
    assert "gpt-4o: asked at api.openai.com, whose key has to be in the variable OPENAI_API_KEY" in said
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-key-of-nobody")
    told = forecast(captioned("api:gpt-4o"), Path())
    assert not any("key" in line for line in told.warnings)
    assert "sk-a-key-of-nobody" not in json.dumps(asdict(told))


def test_a_password_in_an_address_is_not_told() -> None:
    here = {"model": "api:cog", "options": {"base_url": "http://me:secret-word@127.0.0.1:9/v1"}}
    told = forecast(captioned(here), Path())
    assert "secret-word" not in "\n".join(told.lines()) + json.dumps(asdict(told))


def test_a_spec_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    told = forecast(captioned(str(tmp_path / "spec.yaml")), tmp_path)
    assert told.totals.rows == Total(100)
    assert "cannot be read" in "\n".join(told.warnings)


def test_the_device_and_its_nature_are_printed() -> None:
    model = "local_vlm:Qwen/Qwen2-VL-7B-Instruct"
    lines = "\n".join(forecast(captioned(model), Path(), device="rtx-4090").lines())
    assert "one RTX 4090 (24 GB), not measured" in lines
    with pytest.raises(UnknownNameError, match="h100"):
        forecast(captioned(model), Path(), device="h10")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "models: []",
        "models: {a: {weight: 1}}",
        "models: {a: {weights: -1}}",
        "devices: {a: {memory: x}}",
        "{",
        "a: 1",
    ],
)
def test_a_facts_file_is_checked(tmp_path: Path, text: str) -> None:
    path = tmp_path / "facts.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match="facts"):
        FactTable.read(path)


def test_every_fact_has_a_source() -> None:
    table = FactTable.read()
    assert [name for name, facts in table.models.items() if not facts.source] == []


def test_nothing_heavy_is_imported_and_nothing_is_asked(tmp_path: Path) -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*_, **__): raise RuntimeError('no network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from alignbench.cli import run\n"
        "from generation.recipe_file import SHIPPED\n"
        "for path in sorted(SHIPPED.glob('*.yaml')):\n"
        "    assert run(['generate', path.stem, '--out', 'out', '--dry-run', '--json']) == 0\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    *told, heavy = done.stdout.splitlines()
    rows = {each["recipe"]: each["totals"]["rows"]["value"] for each in (json.loads(line)["dry_run"] for line in told)}
    assert rows["alignbench-i2t"] == 12_000
    assert rows["alignbench-t2i"] == 2_014
    assert rows["scenes"] == 900
    assert heavy == "[]"
    assert list(tmp_path.iterdir()) == []


# Anything at all.

OPTIONS = st.dictionaries(
    st.sampled_from(
        "name revision dtype device size width height steps guidance batch exact offload variant "
        "base_url key_env prices in_flight detail quality".split()
    ),
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["1024x1024", "auto", "cpu", "fp16", "float32", "http://127.0.0.1:1/v1", "https://a.example/v1"])
    | st.lists(st.integers(), max_size=2),
    max_size=5,
)
KINDS = {
    "captioners": ["local_vlm:", "api:", "scenes:"],
    "image_models": ["diffusers:", "api:", "scenes:"],
}
NAMES = [
    "Qwen/Qwen2-VL-7B-Instruct",
    "stabilityai/stable-diffusion-3.5-large",
    "gpt-4o",
    "gpt-image-1",
    "a/b",
    "~",
    "x@y",
    "template",
]


def model_lists(role: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    model = st.builds(
        lambda kind, name, options, count: {"model": kind + name, "options": options, "count": count},
        st.sampled_from(KINDS[role]),
        st.sampled_from(NAMES),
        OPTIONS,
        COUNTS,
    )
    return st.lists(model, min_size=1, max_size=3, unique_by=lambda each: json.dumps(each, sort_keys=True))


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    source = draw(
        st.sampled_from(
            [
                {"source": "scenes"},
                {"source": "folder", "options": {"path": "nowhere"}},
                {"source": "urls", "options": {"path": "nowhere.csv"}},
            ]
        )
    )
    said: dict[str, Any] = {
        "images": {**source, "count": draw(COUNTS)},
        "captioners": draw(model_lists("captioners")),
        "prompts": {"writer": "template", "count": draw(COUNTS)},
        "image_models": draw(model_lists("image_models")),
        "loop": {
            "count": draw(COUNTS),
            "image_models": draw(model_lists("image_models")),
            "captioners": draw(model_lists("captioners")),
        },
    }
    for part in (said, said["loop"]):
        for role in KINDS:
            part[role] = list({model_key(each): each for each in part[role]}.values())
    return recipe_of(**said)


def model_key(model: dict[str, Any]) -> str:
    return json.dumps([model["model"], model["options"]], sort_keys=True)


def parts_of(told: Forecast) -> dict[str, list[Amount]]:
    everything = [*told.inputs, *told.producers]
    return {
        "rows": [each.rows for each in told.producers],
        "seconds": [each.seconds for each in everything if each.seconds],
        "dollars": [each.dollars for each in everything if each.dollars],
        "disk": [each.disk for each in everything],
        "fetch": [load.fetch for load in told.loads],
    }


@given(recipes(), st.sampled_from(["h100", "rtx-4090"]))
@settings(deadline=None, max_examples=60)
def test_no_recipe_breaks_it_and_totals_are_sums_of_what_is_known(recipe: Recipe, device: str) -> None:
    told = forecast(recipe, Path("nowhere"), device=device)
    for name, amounts in parts_of(told).items():
        known = [amount.value for amount in amounts if amount.value is not None]
        summed: Total = getattr(told.totals, name)
        assert bool(summed.left_out) == (len(known) < len(amounts))
        assert summed.value == (pytest.approx(sum(known)) if known or not amounts else None)
        assert all(value >= 0 for value in known)
    assert json.loads(json.dumps(asdict(told), allow_nan=False))["recipe"] == "small"
    assert all(isinstance(line, str) and "\n" not in line for line in told.lines())


def test_images_of_the_command_line_begin_where_it_was_called(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "a.png").write_bytes(b"1234")
    recipe = recipe_of(images={"source": "folder", "options": {"path": "here"}}, captioners=["scenes-template"])
    assert forecast(recipe, tmp_path / "recipes").totals.rows.value is None
    assert forecast(recipe, tmp_path / "recipes", images_folder=tmp_path).totals.rows == Total(1)
