from __future__ import annotations

import re

import pytest
import yaml

from alignbench.exchange.producers import producer_of
from alignbench.publish.terms.licence_names import HUB
from alignbench.publish.terms.licences import SHIPPED, Licence, LicenceTable, asked_of_outputs, conflicts
from alignbench.types import ModelRef

TABLE = LicenceTable.shipped()


@pytest.mark.parametrize("licence", TABLE.licences.values(), ids=lambda licence: licence.name)
def test_every_licence_has_a_source_and_one_meaning(licence: Licence) -> None:
    assert re.fullmatch(r"https://\S+", licence.source)
    assert licence.title and licence.kind in {"content", "software", "terms"}
    assert all(name in TABLE.licences for name in licence.share_alike)
    assert not licence.share_alike or licence.name in licence.share_alike
    for spelling in licence.spellings:
        assert TABLE.find(spelling) is licence, f"{spelling} means two licences"


def test_every_model_is_under_a_licence_that_the_table_has() -> None:
    assert set(TABLE.models.values()) <= set(TABLE.licences)
    said = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    assert all(row["source"].startswith("https://") for row in said["models"].values())
    patterns = [pattern for row in said["models"].values() for pattern in row["names"]]
    assert len(patterns) == len(set(patterns))


def test_ids_of_the_hub_are_ids_of_the_hub() -> None:
    ours = {licence.hub for licence in TABLE.licences.values() if licence.hub}
    assert ours <= HUB
    # Those of the Hub's list that are none of ours are known to be unknown.
    assert {"cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "mit", "apache-2.0", "llama4", "gemma"} <= set(
        TABLE.licences
    )


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("CC-BY-4.0", "cc-by-4.0"),
        ("CC BY 4.0", "cc-by-4.0"),
        ("cc_by_nc_sa_2.0", "cc-by-nc-sa-2.0"),
        ("CC0", "cc0-1.0"),
        ("public domain", "public-domain"),
        ("Apache License 2.0", "apache-2.0"),
        ("odbl", "odbl-1.0"),
        ("http://creativecommons.org/licenses/by-nc-sa/2.0/", "cc-by-nc-sa-2.0"),
        ("https://creativecommons.org/licenses/by/4.0/deed.de", "cc-by-4.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "cc0-1.0"),
        ("https://creativecommons.org/publicdomain/mark/1.0", "public-domain"),
    ],
)
def test_a_licence_goes_by_many_spellings(spelling: str, name: str) -> None:
    found = TABLE.find(spelling)
    assert found is not None and found.name == name


@pytest.mark.parametrize("spelling", ["", " ", None, "other", "unknown", "CC-BY", "cc", "cc-by-9.9", "free", "\ud800"])
def test_what_is_no_licence_is_not_known(spelling: str | None) -> None:
    assert TABLE.find(spelling) is None


# Rows of the chart of https://creativecommons.org/faq/ (adapter's licence): what may go into which dataset.
_CHART = {
    "cc0-1.0": "cc0-1.0 cc-by-4.0 cc-by-sa-4.0 cc-by-nc-4.0 cc-by-nc-sa-4.0 apache-2.0",
    "public-domain": "cc0-1.0 cc-by-4.0 cc-by-sa-4.0 cc-by-nc-4.0 cc-by-nc-sa-4.0 apache-2.0",
    "cc-by-4.0": "cc-by-4.0 cc-by-sa-4.0 cc-by-nc-4.0 cc-by-nc-sa-4.0 apache-2.0",
    "cc-by-sa-4.0": "cc-by-sa-4.0",
    "cc-by-sa-2.0": "cc-by-sa-4.0",
    "cc-by-nc-4.0": "cc-by-nc-4.0 cc-by-nc-sa-4.0",
    "cc-by-nc-sa-3.0": "cc-by-nc-sa-4.0",
    "cc-by-nc-sa-4.0": "cc-by-nc-sa-4.0",
    "cc-by-nd-4.0": "",
    "cc-by-nc-nd-4.0": "",
    "all-rights-reserved": "",
    "flux-1-dev-non-commercial-license": "cc-by-nc-4.0 cc-by-nc-sa-4.0",
    "llama4": "cc0-1.0 cc-by-4.0 cc-by-sa-4.0 cc-by-nc-4.0 cc-by-nc-sa-4.0 apache-2.0",
    "cogvlm": "",
}
_DATASETS = ("cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "apache-2.0")


@pytest.mark.parametrize("source", _CHART)
def test_what_goes_into_what(source: str) -> None:
    fits = [name for name in _DATASETS if not conflicts(TABLE.licences[source], TABLE.licences[name])]
    assert fits == [name for name in _DATASETS if name in _CHART[source].split()]


def test_licences_of_software_ask_nothing_of_what_a_model_makes() -> None:
    assert asked_of_outputs(TABLE.licences["gpl-3.0"]) is None
    assert asked_of_outputs(TABLE.licences["cc-by-nc-4.0"]) is not None
    assert asked_of_outputs(TABLE.licences["llama4"]) is not None


@pytest.mark.parametrize(
    ("model", "licence"),
    [
        ("gpt-4o-2024-08-06", "openai-terms"),
        ("openai/gpt-4o", "openai-terms"),
        ("Qwen/Qwen2-VL-7B-Instruct", "apache-2.0"),
        ("google/gemma-3-12b-it", "gemma"),
        ("google/gemma-4-31b-it", "apache-2.0"),
        ("black-forest-labs/FLUX.1-dev", "flux-1-dev-non-commercial-license"),
        ("meta-llama/Llama-3.2-11B-Vision-Instruct", "llama3.2"),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", "llama4"),
        ("my-own-model", None),
        ("scenes-a", None),
    ],
)
def test_models_are_found_by_their_names(model: str, licence: str | None) -> None:
    found = TABLE.of_model(ModelRef(model))
    assert (found and found.name) == licence


def test_producers_of_the_published_benchmark() -> None:
    names = "qwen-2 gpt-4o gpt-5 cogvlm llama-4 gemini-3 stable-diffusion-3.5 gpt-image-1 llava-1.6 sharegpt".split()
    found = {name: TABLE.of_model(producer_of(name).model) for name in names}
    assert {name: licence and licence.name for name, licence in found.items()} == {
        "qwen-2": "apache-2.0",
        "gpt-4o": "openai-terms",
        "gpt-5": "openai-terms",
        "cogvlm": "cogvlm",
        "llama-4": "llama4",
        "gemini-3": "gemini-api-terms",
        "stable-diffusion-3.5": "stability-ai-community",
        "gpt-image-1": "openai-terms",
        # Their sizes, on which the licence depends, are not in the table.
        "llava-1.6": None,
        "sharegpt": None,
    }
