"""The card: what it shows, that it is the same every time, and that no value can be more than text in it."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from alignbench.publish.card import columns, markdown
from alignbench.publish.card.limits import limits_of
from alignbench.publish.card.render import card_of
from alignbench.publish.folder.features import TABLES
from alignbench.publish.folder.front_matter import front_matter
from alignbench.publish.terms.licence_names import hub_licence
from alignbench.publish.terms.publication import Publication, read_publication
from alignbench.publish.verification.tokens import token_changes
from alignbench.store import Dataset
from tests.datasets import make_dataset
from tests.described_folders import REPO, describe_all, facts_in, publication_in
from tests.planted_runs import Producer, scores_for, write_dataset, write_run

# As the Hub reads a card, which takes HTML too.
READER = MarkdownIt("gfm-like", {"html": True, "linkify": False})
HOSTILE = "a | b ` c `` d <script>alert(1)</script> **e** [f](javascript:x) ![g](h) &amp; \\| $x$ ~~i~~\n# j\n| k |"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return describe_all(tmp_path_factory.mktemp("carded"))


def card_in(folder: Path) -> str:
    return (folder / "README.md").read_text(encoding="utf-8")


def front_of(card: str) -> dict[str, Any]:
    said: dict[str, Any] = yaml.safe_load(card.split("---\n")[1])
    return said


def html_of(card: str) -> str:
    return str(READER.render(card.split("---\n", 2)[2]))


def blocks(card: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)\n```", card, re.DOTALL)


def test_the_card_follows_from_facts_and_publication_alone(published: Path) -> None:
    again = card_of(facts_in(published), publication_in(published), front_matter(published))
    assert again == card_in(published)


def test_the_front_matter_is_what_the_hub_reads(published: Path) -> None:
    said = front_of(card_in(published))
    assert said["license"] == "cc-by-4.0" and said["language"] == ["en"]
    assert said["pretty_name"] == "A tiny benchmark" and said["task_categories"] == ["image-text-to-text"]
    assert said["size_categories"] == ["n<1K"]
    assert [each["config_name"] for each in said["configs"]] == ["pairs", "sentences", "judgments", "labels"]
    huggingface_hub = pytest.importorskip("huggingface_hub")
    card = huggingface_hub.DatasetCard(card_in(published))
    assert card.data.license == "cc-by-4.0"


def test_a_licence_that_the_hub_has_no_id_for_is_named(published: Path) -> None:
    publication = publication_in(published).model_copy(update={"licence": "Our own 1.0"})
    said = front_of(card_of(facts_in(published), publication, front_matter(published)))
    assert (said["license"], said["license_name"]) == ("other", "Our own 1.0")


@pytest.mark.parametrize(
    ("given", "hub"), [("CC0-1.0", "cc0-1.0"), ("CC BY 4.0", "cc-by-4.0"), (None, "unknown"), ("Mine", "other")]
)
def test_licences_of_the_hub(given: str | None, hub: str) -> None:
    assert hub_licence(given) == hub


@pytest.mark.parametrize(
    "text",
    [
        "# A tiny benchmark",
        "30 sentences** of 10 image-caption pairs by 2 producers",
        "| alpha-cap | 5 | 5 | 15 |",
        "| [alpha-cap](<https://example.org/alpha>) | 5 captions | `1` | alpha | ours | Apache-2.0 |",
        "- beta-cap: Name beta.",
        "| tests | 5 | 1 | real | CC0-1.0 | v1 |",
        "3 annotators voted on 4 of 30 sentences",
        "| keen |  |",
        "1 of 5 images are not in the dataset",
        "There are only 5 independent clusters",
        "| `licences` | beta-cap | they wrote \\| that it is fine |",
        "alignbench verify some-lab/tiny",
        "@misc{tiny, title = {Tiny}, year = {2026}}",
        "- made by `tests`\n- of no use",
        "`baseline`, `annotator` or `adjudicator`",
        "**Never pool over producers**",
    ],
)
def test_what_a_stranger_reads(published: Path, text: str) -> None:
    assert text in card_in(published)


def test_every_column_has_a_meaning() -> None:
    assert {config: list(table.names) for config, table in TABLES.items()} == {
        config: list(meanings) for config, meanings in columns.MEANINGS.items()
    }
    assert columns.ROWS.keys() == TABLES.keys()


def test_the_snippets_load_what_was_published(published: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    snippets = blocks(card_in(published), "python")
    assert [snippet.split("\n")[0].split()[1] for snippet in snippets] == ["datasets", "pandas", "polars", "duckdb"]
    for snippet in snippets:
        here = snippet.replace(f"hf://datasets/{REPO}", str(published)).replace(f'"{REPO}"', f'"{published}"')
        assert here != snippet
        found: dict[str, Any] = {}
        exec(here, found)
        sentences = found["sentences"]
        # The first snippet loads one split, the others all.
        assert len(sentences.fetchall() if "duckdb" in snippet else sentences) == (
            18 if "load_dataset" in snippet else 30
        )
        if "load_dataset" in snippet:
            assert any(pair["image"] is not None and pair["image"].size == (8, 6) for pair in found["pairs"])


def test_no_name_is_more_than_text(published: Path) -> None:
    facts = copy.deepcopy(facts_in(published))
    facts["producers"][HOSTILE] = {**facts["producers"].pop("beta-cap"), "terms": HOSTILE, "family": HOSTILE}
    facts["producers"][HOSTILE] |= {"revision": HOSTILE, "licence": HOSTILE}
    facts["sources"][HOSTILE] = {**facts["sources"].pop("tests"), "licences": {HOSTILE: 5}, "revision": HOSTILE}
    facts["domains"][HOSTILE] = 3
    facts["shown"] = {"pair_id": HOSTILE, "producer": HOSTILE, "sentences": facts["shown"]["sentences"]}
    facts["shown"]["sentences"][0] |= {"text": HOSTILE, "spans": [{"words": HOSTILE, "error_type": "object"}]}
    facts["labels"]["tools"] = {HOSTILE: 1}
    for split in facts["splits"].values():
        split["producers"] = dict.fromkeys(facts["producers"], 1)
    facts["agreement"]["by_producer"] = {HOSTILE: facts["agreement"]["by_producer"]["beta-cap"]}
    facts["runs"][0]["name"] = facts["evaluation"]["judges"][0]["name"] = HOSTILE
    facts["evaluation"]["producers"][HOSTILE] = facts["evaluation"]["producers"].pop("beta-cap")
    publication = publication_in(published).model_copy(
        update={"summary": HOSTILE, "limits": HOSTILE, "intended_use": HOSTILE, "citation": f"```\n{HOSTILE}\n```"}
    )
    card = card_of(facts, publication, front_matter(published))
    html = html_of(card)
    assert "<script" not in html and "javascript:" not in re.sub(r">[^<]*<", "><", html)
    assert "<img" not in html and "<strong>e" not in html and "<s>" not in html
    plain = html_of(card_in(published))
    for tag in ("h1", "h2", "h3"):
        assert html.count(f"<{tag}>") == plain.count(f"<{tag}>")
    assert html.count("<table>") == plain.count("<table>") + 1  # there are two domains now
    for table in re.findall(r"<table>.*?</table>", html, re.DOTALL):
        widths = {row.count("<t") - 1 for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)}
        assert len(widths) == 1


@given(st.text(max_size=80))
def test_text_stays_text(text: str) -> None:
    wanted = " ".join(markdown._one_line(text).split())
    row = markdown.table([markdown.Column("a"), markdown.Column("b")], [(text, markdown.code(text))])
    shown = READER.parse(row)
    cells = [token for token in shown if token.type == "inline"]
    assert len(cells) == 4
    seen = ["".join(child.content for child in cell.children or []) for cell in cells[2:]]
    assert seen[0].strip() == wanted
    assert seen[1].strip() == (wanted or markdown.NONE)
    kinds = {child.type for child in cells[2].children or []}
    assert kinds <= {"text", "text_special"}


@given(st.text(max_size=80))
def test_prose_makes_paragraphs_lists_and_code_alone(text: str) -> None:
    blocks = {token.type.removesuffix("_open").removesuffix("_close") for token in READER.parse(markdown.prose(text))}
    assert blocks <= {"paragraph", "inline", "bullet_list", "list_item"}


@given(st.text(max_size=60), st.text(alphabet="`\n x", max_size=20))
def test_a_fence_holds_whatever_is_in_it(text: str, ticks: str) -> None:
    shown = READER.parse(markdown.fenced(f"x{text}{ticks}{text}x", "bash"))
    assert [token.type for token in shown] == ["fence"]


def test_limits_are_those_that_the_numbers_show(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", [Producer("a", images=120), Producer("rare", wrong=0.0, images=2)])
    write_run(tmp_path / "runs", dataset, "good", scores_for(dataset, 1.5))
    write_run(tmp_path / "runs", dataset, "blind", scores_for(dataset, 1.0, seed=1), control="length")
    few = scores_for(dataset, 1.0, seed=2)
    few[:100] = np.nan
    write_run(tmp_path / "runs", dataset, "lazy", few)
    from alignbench.evaluate import evaluation_of
    from alignbench.publish.card.facts import facts_of

    results = evaluation_of(dataset, tmp_path / "runs", replicates=50).results
    facts = facts_of(dataset, Publication(title="x"), results, ["test"] * 122)
    told = "\n".join(limits_of(facts))
    for text in (
        "120 of 120 images",
        "have no span",
        "rare has only",
        "Controls that do not see the right image score above chance (blind 0.",
        "lazy has a score for only 83.6%",
    ):
        assert text in told, told
    assert "clusters" not in told and "agree little" not in told


def test_low_agreement_is_a_limit(published: Path) -> None:
    assert any("Krippendorff's alpha is -0." in limit for limit in limits_of(facts_in(published)))


def test_words_that_differ_are_named_with_their_place() -> None:
    wanted = "# Title\n\nOne two three.\n\n## Part\n\n| a | b |\n| --- | --: |\n| x | 1 |\n| y \\| z | 2 |\n\nEnd."
    assert list(token_changes(wanted, wanted)) == []
    (change,) = token_changes(wanted.replace("| 2 |", "| 3 |"), wanted)
    assert change == (10, "Part", r"row 'y \\| z', column 'b'", "3", "2")
    (change,) = token_changes(wanted.replace("two", "2"), wanted)
    assert change == (3, "Title", "", "2", "two")
    (change,) = token_changes(wanted.replace("\n| x | 1 |", ""), wanted)
    assert change.said == "" and change.wanted == "| x | 1 |" and change.heading == "Part"
    (change,) = token_changes(wanted + "\nMore.", wanted)
    assert (change.said, change.wanted, change.line) == ("More.", "", 13)
    (change,) = token_changes(wanted.replace("End.", "End. "), wanted)
    assert (change.said, change.wanted) == ("End. ", "End.")
    assert [each.wanted for each in token_changes("", "a\nb")] == ["a", "b"]


def test_a_heading_in_code_is_none() -> None:
    wanted = "## Real\n\n```\n# not\n```\n\nword"
    (change,) = token_changes(wanted.replace("word", "other"), wanted)
    assert change.heading == "Real"


def test_the_smallest_card_is_whole(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "d", labelled=False)
    folder = describe_all(tmp_path, "title: Bare\n", runs=False, dataset=Dataset.open(dataset.path))
    card = card_in(folder)
    assert "None" not in card and "\n\n\n" not in card and "Undefined" not in card
    assert "## Scores" not in card and "judges.json" not in card
    assert read_publication(folder / "publication.yaml").title == "Bare"
