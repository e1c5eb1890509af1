from __future__ import annotations

import base64
import hashlib
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jinja2
import pytest

from alignbench.errors import MissingDependencyError, StorageError
from alignbench.evaluate import Evaluation, evaluation_of
from alignbench.report.figures import FIGURES, Drawn, draw_all
from alignbench.report.folder import write_report
from alignbench.report.page import page
from alignbench.report.page.grid import grid_of
from alignbench.report.page.headline import headline, names
from alignbench.report.page.sections import sections
from alignbench.report.page.templates import environment
from alignbench.report.page.thumbnails import MOST_BYTES, NOT_DECODED, NOT_HERE
from alignbench.report.table import Row, Table
from alignbench.report.tables import tables_of
from tests.planted_pages import HOSTILE, PRODUCERS, hostile_evaluation
from tests.planted_results import (
    PLANTED,
    Json,
    bare_results,
    hostile_results,
    nothing_results,
    one_judge,
    planted_results,
)
from tests.planted_runs import Producer, scores_for, write_dataset, write_run

SVG = '<svg viewBox="0 0 9 9" role="img"><path d="M0 0H9" stroke="currentColor"/></svg>'
SECTIONS = (
    "leaderboard roc producers position self-preference error-types calibration localisation sensitivity cost "
    "reference sentences method"
).split()
RESULTS = {
    "planted": planted_results,
    "hostile": hostile_results,
    "nothing": nothing_results,
    "one judge": one_judge,
    "one judge, nothing": lambda: nothing_results(one_judge()),
    "only controls": lambda: planted_results(PLANTED[6:]),
    "bare": bare_results,
    "one producer": lambda: planted_results(producers=["lantern-caption"]),
}


class Read(HTMLParser):
    """What a page holds, as a parser of HTML sees it."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.comments: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag if tag in self.raw else ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        (self.raw[self._inside] if self._inside else self.said).append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.said).split())

    def values(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.tags if name in attributes]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return hostile_evaluation(tmp_path_factory.mktemp("hostile"))


FAKE = [Drawn(name, name, f"What {name} shows.", SVG) for name in ("auroc", "roc", "cost")]


def page_of(evaluation: Evaluation, results: Json | None = None, limit: int = 30, drawn: Sequence[Drawn] = FAKE) -> str:
    shown = evaluation if results is None else evaluation._replace(results=results)
    return page(shown, drawn, tables_of(shown.results), limit)


@pytest.fixture(scope="module", params=list(RESULTS))
def read(request: pytest.FixtureRequest, hostile: Evaluation) -> Read:
    results = RESULTS[request.param]()
    drawn = draw_all(results) if request.param in ("hostile", "nothing") else FAKE
    return Read(page_of(hostile, results, drawn=drawn))


class TestEveryPage:
    def test_nothing_runs_but_its_own_script(self, read: Read) -> None:
        assert [tag for tag, _ in read.tags].count("script") == [tag for tag, _ in read.tags].count("style") == 1
        (policy,) = [said["content"] or "" for _, said in read.tags if "http-equiv" in said]
        for name in ("script", "style"):
            text = "".join(read.raw[name])
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"{name}-src 'sha256-{digest}';" in policy
        assert policy.startswith("default-src 'none'; img-src data:;")
        assert policy.endswith("base-uri 'none'; form-action 'none'")
        assert not [name for _, said in read.tags for name in said if name == "style" or name.startswith("on")]
        assert {"iframe", "object", "embed", "base", "use-credentials"}.isdisjoint(tag for tag, _ in read.tags)

    def test_it_asks_nobody_for_anything(self, read: Read) -> None:
        assert all(address.startswith("data:") for address in read.values("src"))
        assert all(address.startswith(("#", "data:")) for address in read.values("href"))
        assert not read.values("action") and not read.comments

    def test_a_reader_never_meets_a_value_that_is_none(self, read: Read) -> None:
        assert re.search(r"\b(None|NaN|nan|null|Infinity|inf|True|False)\b", read.text) is None
        assert not {"nan", "None"} & {value for _, said in read.tags for value in said.values() if value}

    def test_every_section_is_there_and_every_link_leads_somewhere(self, read: Read) -> None:
        ids = Counter(read.values("id"))
        assert max(ids.values()) == 1
        assert [name for name in read.values("id") if name in SECTIONS] == SECTIONS
        inside = [address[1:] for address in read.values("href") if address.startswith("#")]
        assert set(inside) <= set(ids) and set(SECTIONS) <= set(inside)
        assert set(read.values("aria-labelledby")) and all(
            name in ids for names in read.values("aria-labelledby") for name in names.split()
        )

    def test_it_says_what_it_was_computed_from(self, read: Read, hostile: Evaluation) -> None:
        for one in hostile.judged:
            assert one.run.judge_id in read.text
        assert "signature" in read.text and "replicates" in read.text

    def test_no_section_is_empty_without_a_reason(self, read: Read) -> None:
        assert "there is no number to show" not in read.text


class TestHostile:
    def test_captions_are_shown_as_text(self, hostile: Evaluation) -> None:
        read = Read(page_of(hostile, limit=1000))
        for text in HOSTILE:
            assert " ".join(visible_of(text).split()) in read.text
        assert "alert(" not in "".join(read.raw["script"])
        assert {"b", "i"} & {tag for tag, _ in read.tags} == {"b"}  # "sharp <i>" is a name, <b> is ours as well
        assert PRODUCERS[0] in read.text

    def test_names_of_judges_and_producers_are_text_everywhere(self, hostile: Evaluation) -> None:
        results = hostile_results()
        read = Read(page_of(hostile, results))
        for judge in results["judges"]:
            assert " ".join(judge["name"].replace("\x07", "⟨U+0007⟩").split()) in read.text
        assert not [said for tag, said in read.tags if tag == "img" and said["src"] == "x"]

    def test_missing_and_damaged_images_say_so(self, hostile: Evaluation) -> None:
        read = Read(page_of(hostile, limit=1000))
        assert NOT_HERE in read.text and NOT_DECODED in read.text

    def test_the_same_arguments_give_the_same_bytes(self, hostile: Evaluation) -> None:
        assert page_of(hostile, planted_results()) == page_of(hostile, planted_results())

    def test_two_hundred_thumbnails_leave_room_below_six_megabytes(self) -> None:
        assert 200 * MOST_BYTES * 4 / 3 < 4_000_000


def visible_of(text: str) -> str:
    return text.replace("\u202e", "⟨U+202E⟩").replace("\u202c", "⟨U+202C⟩")


class TestRealEvaluations:
    @pytest.mark.parametrize(
        ("producers", "judges"),
        [
            ([Producer("a-cap", wrong=0.0, images=4)], {"judge": 1.0}),
            ([Producer("a-cap", images=1)], {"judge": 1.0}),
            ([Producer("a-cap")], {"judge": 1.0, "other": 0.2}),
            ([Producer("a-cap"), Producer("b-cap")], {"failed": float("nan")}),
        ],
        ids=["one class", "one image", "one producer", "all failed"],
    )
    def test_what_is_undefined_has_reasons(
        self, tmp_path: Path, producers: Sequence[Producer], judges: Mapping[str, float]
    ) -> None:
        dataset = write_dataset(tmp_path / "planted", producers)
        for seed, (name, shift) in enumerate(judges.items()):
            write_run(tmp_path / "runs", dataset, name, scores_for(dataset, shift, seed=seed))
        read = Read(page_of(evaluation_of(dataset, tmp_path / "runs", replicates=100)))
        assert re.search(r"\b(None|nan|NaN)\b", read.text) is None
        assert "Nothing to show here" in read.text
        assert not read.values("src")

    def test_the_file_is_written_whole_or_not_at_all(
        self, hostile: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_report(hostile, tmp_path / "new", sentences=5)
        written = (tmp_path / "new" / "report.html").read_text(encoding="utf-8")
        assert written == page_of(hostile, limit=5, drawn=draw_all(hostile.results))

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.replace", full)
        with pytest.raises(StorageError, match="No space left"):
            write_report(hostile, tmp_path / "new", sentences=3)
        assert (tmp_path / "new" / "report.html").read_text(encoding="utf-8") == written

    def test_without_jinja_it_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch, hostile: Evaluation) -> None:
        monkeypatch.setitem(sys.modules, "jinja2", None)
        environment.cache_clear()
        with pytest.raises(MissingDependencyError, match=r"alignbench\[report\]"):
            page(hostile, [], {})


class TestSections:
    def test_figures_and_tables_stand_where_they_belong(self) -> None:
        results = planted_results()
        drawn = [Drawn(name, name, "It shows this.", SVG) for name in FIGURES]
        found = sections(results, drawn, tables_of(results))
        assert [section.anchor for section in found] == SECTIONS[:-2]
        for section in found:
            assert not section.is_empty

    def test_what_belongs_nowhere_is_shown_all_the_same(self) -> None:
        drawn = Drawn("unheard-of", "Unheard of", "A figure.", SVG)
        *_, last = sections(planted_results(), [drawn], {})
        assert last.anchor == "further" and last.figures == [drawn]

    def test_sentences_about_judges_name_them_and_are_said_once(self) -> None:
        results = planted_results()
        for place, texts in enumerate((["b", "a"], ["a"], [], [], [], [], ["of a control"])):
            results["judges"][place]["position_bias"]["says"] = texts
        results["shuffled_only"] = {"only-shuffled": {"says": ["c"]}}
        position = next(one for one in sections(results, [], {}) if one.anchor == "position")
        assert [tuple(saying) for saying in position.sayings] == [
            ("lantern-70b", "b"),
            ("only-shuffled", "c"),
            ("lantern-70b and harbour-32b", "a"),
        ]

    def test_reasons_name_the_judges_they_hold_for(self) -> None:
        results = planted_results()
        calibration = next(one for one in sections(results, [], {}) if one.anchor == "calibration")
        assert calibration.missing == [
            "calibration (clip-large): the scores leave 0 to 1, so they are no probabilities"
        ]

    def test_what_a_judge_says_of_its_position_is_not_said_again(self) -> None:
        results = planted_results()
        for judge in results["judges"]:
            judge["position_bias"]["says"] = ["in shuffled captions: not known"] if judge["name"] != "quill-8b" else []
        position = next(one for one in sections(results, [], {}) if one.anchor == "position")
        assert [line.partition(":")[0] for line in position.missing] == [
            "presentation effect (quill-8b)",
            "context effect (quill-8b)",
        ]

    def test_nothing_has_a_reason_in_every_section(self) -> None:
        for section in sections(nothing_results(), [], {}):
            assert section.missing and all(line for line in section.missing), section.anchor


class TestHeadline:
    def test_a_single_best_judge(self) -> None:
        results = ranked((1, 1), (2, 2))
        assert headline(results).startswith("lantern-70b is the best of 2 judges, with AUROC .842 [.828, .857]: each")

    def test_the_best_that_cannot_be_told_apart(self) -> None:
        assert headline(ranked((1, 2), (1, 2), (3, 3))) == (
            "The best 2 of 3 judges cannot be told apart: lantern-70b and harbour-32b. The highest, lantern-70b, has "
            "AUROC .842 [.828, .857]."
        )
        assert headline(ranked((1, 2), (1, 2))).startswith("The 2 judges cannot be told apart")

    def test_a_lone_judge(self) -> None:
        assert headline(one_judge()).endswith("there is no other judge to compare it with.")

    def test_guessing_and_small_datasets_are_called_so(self) -> None:
        results = one_judge()
        results["judges"][0]["rank"] = {"low": 1, "high": 1, "reason": None}
        results["judges"][0]["auroc"] |= {"low": 0.45, "reason": "too few: the rarer class lies in 9 clusters"}
        said = headline(results)
        assert "Its interval holds .5, which is guessing." in said
        assert "Take it as a hint only: the rarer class lies in 9 clusters." in said
        assert "\N{DAGGER}" not in said

    def test_a_judge_no_better_than_blind(self) -> None:
        results = planted_results([PLANTED[0], PLANTED[6]])
        results["judges"][0]["rank"] = {"low": 1, "high": 1, "reason": None}
        assert "The best blind control, ngram, reaches .561" in headline(results)
        assert "Not shown" not in headline(results)
        results["comparisons"][0]["p_holm"] = 0.3
        assert headline(results).endswith("Not shown to be better than every blind control: lantern-70b.")

    def test_nobody_ranked(self) -> None:
        assert headline(nothing_results()).startswith("No judge can be ranked here: no producer has 10")
        assert headline(planted_results(PLANTED[6:])).startswith("Only blind controls")

    @pytest.mark.parametrize(
        ("those", "said"),
        [
            (["a"], "a"),
            (["a", "b"], "a and b"),
            (["a", "b", "c"], "a, b and c"),
            (list("abcdefg"), "a, b, c, d and 3 more"),
        ],
    )
    def test_names(self, those: list[str], said: str) -> None:
        assert names(those) == said


def ranked(*ranks: tuple[int, int]) -> Json:
    results = planted_results(PLANTED[: len(ranks)])
    for judge, (low, high) in zip(results["judges"], ranks, strict=True):
        judge["rank"] = {"low": low, "high": high, "reason": None}
    return results


class TestGrid:
    def test_rows_are_named_by_the_judge_and_numbers_known_by_their_cells(self) -> None:
        rows = (
            Row(("1\N{EN DASH}2", "a", "x"), (".84\N{DAGGER}",), is_control=False),
            Row(("\N{EN DASH}", "b", ""), ("\N{EN DASH}",), is_control=False),
            Row(("\N{EN DASH}", "c", "5"), ("<0.01",), is_control=True),
        )
        table = Table("title", ("rank", "judge", "note"), ("p",), rows, ("a note", "signed"))
        grid = grid_of(table, "signed")
        assert [head.is_number for head in grid.heads] == [True, False, False, True]
        assert grid.row_head == 1 and list(grid.notes) == ["a note"]
        assert [(part.is_control, len(part.rows)) for part in grid.parts] == [(False, 2), (True, 1)]

    def test_a_table_is_folded_for_many_rows_a_judge_never_for_many_judges(self) -> None:
        judges = [f"judge {number}" for number in range(20)]
        one_each = tuple(Row((name, "1"), (), is_control=False) for name in judges)
        assert not grid_of(Table("t", ("judge", "n"), (), one_each, ()), "signed").is_long
        two_each = tuple(Row((name, "1"), (), is_control=False) for name in judges[:7] for _ in range(2))
        assert grid_of(Table("t", ("judge", "n"), (), two_each, ()), "signed").is_long
        assert not grid_of(Table("t", ("judge", "n"), (), two_each[:8], ()), "signed").is_long

    def test_a_table_without_judges_is_named_by_its_first_words(self) -> None:
        rows = (Row(("0.9", "all of it", "more"), (), is_control=False),)
        assert grid_of(Table("t", ("precision", "rule", "b"), (), rows, ()), "signed").row_head == 1
        assert grid_of(Table("t", ("precision",), (), (), ()), "signed").row_head == 0


class TestTemplates:
    @pytest.mark.parametrize("value", [None, float("nan"), 0.5, True, b"bytes"])
    def test_only_text_and_counts_are_shown(self, value: Any) -> None:
        with pytest.raises(TypeError, match="a page shows text"):
            environment().from_string("{{ value }}").render(value=value)

    def test_a_name_that_is_not_there_is_an_error(self) -> None:
        with pytest.raises(jinja2.UndefinedError):
            environment().from_string("{{ nothing.more }}").render()

    def test_backticks_become_code_and_stay_escaped(self) -> None:
        shown = environment().from_string("{{ text | coded }}").render(text="run `a <b> \x07`, or ` alone")
        assert shown == "run <code>a &lt;b&gt; ⟨U+0007⟩</code>, or ` alone"
