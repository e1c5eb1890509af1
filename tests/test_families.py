"""Who is whose own: the shipped table against what judges and producers say of themselves, and a user's own file."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignbench.errors import UsageError
from alignbench.exchange.producers import _PUBLISHED, producer_of
from alignbench.families import Families, Kinship
from alignbench.published import PublishedJudge
from alignbench.types import ModelRef
from judges.specs import JUDGES

FAMILIES = Families.read()


def kinship(judge: str, producer: str) -> Kinship | None:
    return FAMILIES.kinship(ModelRef(judge), ModelRef(producer))


@pytest.mark.parametrize("judge", JUDGES.values(), ids=lambda judge: judge.name)
def test_every_known_judge_has_its_family_and_one_name(judge: PublishedJudge) -> None:
    assert FAMILIES.family_of(ModelRef(judge.model)) == judge.family
    if judge.kind != "clip":  # these go by architecture and weights, and produce nothing
        assert FAMILIES.name_of(ModelRef(judge.model)) == FAMILIES.name_of(ModelRef(judge.name)) == judge.name


def test_every_spelling_of_a_published_producer_has_its_family() -> None:
    for producer, spellings in _PUBLISHED:
        for spelling in spellings:
            assert FAMILIES.family_of(ModelRef(spelling)) == producer.model.family, spelling


@pytest.mark.parametrize(
    ("judge", "producer", "expected"),
    [
        ("gpt-4o", "gpt-4o", Kinship.SELF),
        ("openai/gpt-4o-2024-08-06", "GPT4o", Kinship.SELF),
        ("gpt-4o-mini", "gpt-4o", Kinship.FAMILY),
        ("gpt-4o", "gpt-image-1", Kinship.FAMILY),
        ("gpt-4o", "gpt4o-imagen", Kinship.FAMILY),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", "llama-4", Kinship.SELF),
        ("meta-llama/Llama-4-Maverick-17B-128E-Instruct", "llama-4", Kinship.FAMILY),
        ("gemini-3-pro-preview", "gemini-3", Kinship.SELF),
        ("Qwen/Qwen2.5-VL-7B-Instruct", "qwen-2", Kinship.FAMILY),
        ("Qwen/Qwen2.5-VL-7B-Instruct", "qwen2.5_vl 7b", Kinship.SELF),
        ("gpt-4o", "llama-4", None),
        ("gpt4all-vision", "gpt-4o", None),
        ("ours", "ours", Kinship.SELF),
        ("someone/ours", "ours", Kinship.SELF),
        ("ours", "theirs", None),
    ],
)
def test_kinship_by_names_alone(judge: str, producer: str, expected: Kinship | None) -> None:
    assert kinship(judge, producer) == expected


def test_what_a_model_carries_goes_before_the_table() -> None:
    judge = ModelRef("gpt-4o", family="Else")
    assert FAMILIES.family_of(judge) == "else"
    assert FAMILIES.kinship(judge, ModelRef("gpt-5")) is None
    assert FAMILIES.kinship(judge, ModelRef("x", family="else")) is Kinship.FAMILY


def test_a_family_that_is_only_the_name_says_nothing() -> None:
    imported = producer_of("gemma-3-12b-it").model
    assert imported.family == imported.name
    assert FAMILIES.family_of(imported) == "gemma"
    assert FAMILIES.family_of(producer_of("nobody-knows").model) == "nobody-knows"


def test_a_file_of_the_user_goes_first(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("families: {ours: [my-*, gpt-image-1]}\nmodels: {llama-4-scout: [my-deployment]}\n")
    families = Families.read(path)
    assert families.kinship(ModelRef("my-deployment"), ModelRef("llama-4", family="llama")) is Kinship.SELF
    assert families.kinship(ModelRef("my-a", family="gpt"), ModelRef("gpt-4o", family="gpt")) is None
    assert families.kinship(ModelRef("gpt-4o", family="gpt"), ModelRef("gpt-image-1", family="gpt")) is None
    assert families.kinship(ModelRef("gpt-4o"), ModelRef("gpt-5")) is Kinship.FAMILY


def test_a_name_of_the_user_stands_for_all_spellings(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("models: {the-model: [gpt-4o]}\n")
    assert Families.read(path).name_of(ModelRef("GPT4o")) == "the-model"


def test_exact_names_go_before_patterns_and_longer_before_shorter(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("families: {a: [x-*], b: [x-long-*], c: [x-long-one], d: [org/x-*]}\n")
    families = Families.read(path)
    assert [families.family_of(ModelRef(name)) for name in ("x-1", "x-long-1", "X-Long-One")] == ["a", "b", "c"]
    assert families.family_of(ModelRef("org/x-1")) == "d"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("family: {}", "there is no part 'family' .*nearest: families"),
        ("- gpt", "must hold a mapping"),
        ("families: [gpt]", "`families` in .* must be a mapping"),
        ("families: {gpt: gpt-4*}", "`gpt` under `families` in .* must be a list"),
        ("families: {gpt: [4]}", "`gpt` under `families` in .* lists 4.*put it in quotes"),
        ("families: {4: [gpt]}", "`4` under `families` in .* is no name"),
        ("models: {gpt-*: [a]}", "is no name"),
        ("families: {a: [x], b: [X]}", "`x` stands twice under `families` in .*, for a and for b"),
        ("families: {a: [x", "is not YAML"),
    ],
)
def test_errors_name_the_file_and_the_entry(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message) as error:
        Families.read(path)
    assert str(path) in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        Families.read(tmp_path / "none.yaml")


def test_empty_parts_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("families:\nmodels:\n")
    assert Families.read(path).family_of(ModelRef("gpt-4o")) == "gpt"
