from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from itertools import pairwise, product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignbench.errors import MissingDependencyError, StorageError
from alignbench.report.figures import FIGURES, Drawn, draw_all, gallery, write_figures
from alignbench.report.figures.auroc import tied_sets
from alignbench.report.figures.cost import pareto
from alignbench.report.figures.labels import LONGEST, Labels, one_line, width_of
from alignbench.report.figures.sheet import Sketch
from alignbench.report.figures.style import COLOURS, DASHES, MARKERS, look, settings
from alignbench.report.figures.svg import drawn as as_svg
from tests.planted_results import (
    HOSTILE,
    PLANTED,
    bare_results,
    hostile_results,
    nothing_results,
    one_judge,
    planted_results,
)

ROOT = Path(__file__).resolve().parent.parent
VARIANTS: list[Callable[[], dict[str, Any]]] = [planted_results, one_judge, hostile_results, bare_results]


@pytest.fixture(scope="module")
def drawn() -> dict[str, Drawn]:
    return {one.name: one for one in all_of(planted_results)}


@pytest.fixture(scope="module")
def hostile() -> dict[str, Drawn]:
    return {one.name: one for one in all_of(hostile_results)}


@cache
def all_of(results: Callable[[], dict[str, Any]]) -> list[Drawn]:
    return draw_all(results())


def one_of(name: str, results: dict[str, Any]) -> Drawn:
    with settings():
        sketch = FIGURES[name](results)
        assert isinstance(sketch, Sketch)
        return as_svg(name, sketch)


def parsed(one: Drawn) -> ElementTree.Element:
    return ElementTree.fromstring(one.svg)


def local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def texts(one: Drawn) -> list[str]:
    """What a reader sees: the text of each line without the titles in it."""
    return [
        "".join([element.text or "", *(child.tail or "" for child in element)])
        for element in parsed(one).iter()
        if local(element) == "text"
    ]


# Which figures there are


def test_every_figure_is_drawn_in_order_and_none_is_missing(drawn: dict[str, Drawn]) -> None:
    assert list(drawn) == list(FIGURES)
    assert all(one.title and one.caption.endswith(".") for one in drawn.values())


def test_what_a_number_rests_on_is_in_the_caption(drawn: dict[str, Drawn]) -> None:
    without = [name for name, one in drawn.items() if "350 clusters" not in one.caption and name != "sensitivity"]
    assert without == []


def test_without_numbers_there_is_no_figure_but_a_reason() -> None:
    found = gallery(nothing_results())
    assert found.drawn == []
    assert list(found.absent) == list(FIGURES)
    assert all(reason for reason in found.absent.values())


def test_results_from_before_an_analysis_have_the_figures_they_can() -> None:
    found = gallery(bare_results())
    assert [one.name for one in found.drawn] == ["auroc", "producers", "error_types", "cost"]
    assert set(found.absent) == set(FIGURES) - {one.name for one in found.drawn}


def test_a_single_judge_is_drawn() -> None:
    assert [one.name for one in all_of(one_judge)] == list(FIGURES)


def test_many_judges_are_cut_with_a_note() -> None:
    number = 40
    many = [PLANTED[0]._replace(name=f"judge-{place}", auroc=0.9 - place / 200) for place in range(number)]
    results = planted_results(many)
    for name, most in (("roc", 8), ("position", 12), ("error_types", 6), ("sensitivity", 12)):
        assert f"Only the first {most} of {number} judges are shown" in one_of(name, results).caption
    auroc = one_of("auroc", results)
    assert "Only" not in auroc.caption
    assert {planted.name for planted in many} <= set(texts(auroc))


def test_one_cell_alone_can_be_undefined() -> None:
    results = planted_results()
    gone = {"value": None, "low": None, "high": None, "reason": "one class"}
    producer = next(iter(results["judges"][0]["by_producer"]))
    results["judges"][0]["by_producer"][producer] |= gone
    results["judges"][1]["auroc"] |= gone
    producers = one_of("producers", results)
    assert "undefined" in texts(producers)
    assert "url(#producers-" in producers.svg
    assert "–" in texts(one_of("auroc", results))


# What the SVG is


@pytest.mark.parametrize("results", VARIANTS)
def test_a_page_with_a_strict_policy_can_hold_it(results: Callable[[], dict[str, Any]]) -> None:
    for one in all_of(results):
        assert one.svg.startswith("<svg ")
        assert "<?xml" not in one.svg and "<!DOCTYPE" not in one.svg
        for element in parsed(one).iter():
            assert local(element) not in {"style", "script", "metadata", "image", "foreignObject", "a"}
            for name, value in element.attrib.items():
                assert name not in {"style", "class"} and not name.startswith("on")
                assert "{" not in name or name.startswith("{http://www.w3.org/2000/svg}")
                assert not re.search(r"url\((?!#)|javascript:|https?:|data:", value)
                if name == "href":
                    assert value.startswith("#")


@pytest.mark.parametrize("results", VARIANTS)
def test_ids_and_references_of_two_figures_never_meet(results: Callable[[], dict[str, Any]]) -> None:
    seen: set[str] = set()
    for one in all_of(results):
        ids = [element.get("id", "") for element in parsed(one).iter() if "id" in element.attrib]
        assert len(ids) == len(set(ids))
        assert all(each.startswith(f"{one.name}-") for each in ids)
        assert not seen & set(ids)
        seen |= set(ids)
        referred = set(re.findall(r"url\(#([^)]+)\)", one.svg)) | set(re.findall(r'href="#([^"]+)"', one.svg))
        assert referred <= set(ids)


def test_it_is_as_wide_as_its_surroundings_and_named_for_those_who_cannot_see(drawn: dict[str, Drawn]) -> None:
    for one in drawn.values():
        root = parsed(one)
        assert {"width", "height"} & set(root.attrib) == set()
        assert re.fullmatch(r"0 0 [\d.]+ [\d.]+", root.attrib["viewBox"])
        assert root.attrib["role"] == "img"
        title, desc = list(root)[:2]
        assert (local(title), title.text) == ("title", one.title)
        assert (local(desc), desc.text) == ("desc", one.caption)
        assert root.attrib["aria-labelledby"] == f"{title.attrib['id']} {desc.attrib['id']}"


def test_ink_is_the_colour_of_the_text_around_and_nothing_is_painted_behind(drawn: dict[str, Drawn]) -> None:
    for one in drawn.values():
        root = parsed(one)
        assert "#0a0b0c" not in one.svg
        assert "currentColor" in one.svg
        _, _, width, height = (float(part) for part in root.attrib["viewBox"].split())
        whole = re.compile(rf"M 0 {height:g}L {width:g} {height:g}")
        assert not any(whole.match(element.get("d", "").replace(" L", "L")) for element in root.iter())
        allowed = {"none", "currentColor"}
        for element in root.iter():
            if local(element) == "text":
                assert element.get("fill") in {"currentColor", "#ffffff", None}
            assert element.get("stroke", "none") in allowed or re.fullmatch(r"#[0-9a-f]{6}", element.get("stroke", ""))


def test_text_stays_text_in_a_generic_font(drawn: dict[str, Drawn]) -> None:
    for one in drawn.values():
        root = parsed(one)
        assert root.attrib["font-family"] == "sans-serif"
        assert [element for element in root.iter() if "font-family" in element.attrib] == [root]
    assert {"lantern-70b", "AUROC, mean over producers", ".842 [.828, .857]"} <= set(texts(drawn["auroc"]))


def test_the_same_results_are_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write_figures(one_judge(), tmp_path / folder)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == sorted(f"{name}.{kind}" for name in FIGURES for kind in ("svg", "pdf"))
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_another_process_gives_the_same_bytes_and_never_loads_pyplot(drawn: dict[str, Drawn]) -> None:
    code = (
        "import sys; from tests.planted_results import planted_results; from alignbench.report.figures import draw_all;"
        "assert 'matplotlib' not in sys.modules; print(''.join(one.svg for one in draw_all(planted_results())));"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    assert done.stdout.decode() == "".join(one.svg for one in drawn.values()) + "\n"


def test_files_are_the_svg_and_a_pdf_that_keeps_its_text(tmp_path: Path) -> None:
    found = write_figures(one_judge(), tmp_path / "new" / "figures")
    for one in found.drawn:
        folder = tmp_path / "new" / "figures"
        assert (folder / f"{one.name}.svg").read_text(encoding="utf-8") == one.svg + "\n"
        pdf = (folder / f"{one.name}.pdf").read_bytes()
        assert pdf.startswith(b"%PDF-") and b"/FontFile2" in pdf and b"/Type3" not in pdf
        assert b"CreationDate" not in pdf
    assert not [path for path in (tmp_path / "new" / "figures").iterdir() if "partial" in path.name]


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "figures").write_text("in the way", encoding="utf-8")
    with pytest.raises(StorageError, match="figures"):
        write_figures(one_judge(), tmp_path / "figures")


def test_drawing_leaves_the_users_settings_alone() -> None:
    import matplotlib

    with matplotlib.rc_context({"font.size": 30.0, "svg.hashsalt": "mine", "axes.grid": True}):
        before = dict(matplotlib.rcParams)
        mine = draw_all(one_judge())
        assert dict(matplotlib.rcParams) == before
    assert mine == all_of(one_judge)


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r"alignbench\[report\]"):
        draw_all(planted_results())


# Names


def test_names_come_out_as_plain_text_whatever_they_are(hostile: dict[str, Drawn]) -> None:
    said = texts(hostile["auroc"])
    assert "emoji \N{ROCKET}\N{FAMILY} judge" in said
    assert "שופט מימין לשמאל" in said
    assert "汉字 評価モデル" in said
    assert "new line and bell" in said
    assert any(line.startswith("cost $5 and") and line.endswith("rac{a}{b}") for line in said)
    assert any(line.startswith("<script>") for line in said)


def test_long_names_are_cut_and_said_in_full_beside(hostile: dict[str, Drawn]) -> None:
    root = parsed(hostile["auroc"])
    titles = [child.text for element in root.iter() if local(element) == "text" for child in element]
    assert one_line(HOSTILE[5]) in titles
    assert "<script>alert(1)</script>" in titles
    assert all(len(line) <= LONGEST for line in texts(hostile["auroc"]) if "x" in line)


def test_names_that_are_cut_alike_stay_apart() -> None:
    names = [f"{'a' * 40}{middle}{'z' * 40}" for middle in "bcd"]
    labels = Labels(names)
    assert len({labels[name] for name in names}) == 3
    assert all(len(labels[name]) == LONGEST for name in names)
    assert [shown.full for shown in labels.shown.values()] == names


def test_what_the_font_lacks_is_drawn_as_a_box_and_shown_as_it_is() -> None:
    labels = Labels(["a\N{ROCKET}", "b"], glyphs={ord("a"), ord("b"), 0x25A1})
    assert labels["a\N{ROCKET}"] == "a\N{WHITE SQUARE}"
    assert labels.shown[labels["a\N{ROCKET}"]].text == "a\N{ROCKET}"
    assert labels["b"] == "b"


@given(st.lists(st.text(), max_size=6))
def test_any_names_give_short_different_lines(names: list[str]) -> None:
    labels = Labels(names, glyphs=range(32, 127))
    assert len({labels[name] for name in names}) == len(set(names))
    for name in names:
        assert 0 < len(labels[name]) <= LONGEST
        shown = labels.shown[labels[name]].text
        assert shown.isprintable() or all(sign == " " or ord(sign) > 127 for sign in shown)
        assert not set(shown) & set("\n\r\t\x00\u202e\u2066")


@given(st.text())
def test_a_line_can_stand_in_xml(name: str) -> None:
    line = one_line(name)
    assert line and line == " ".join(line.split())
    element = ElementTree.Element("text")
    element.text = line
    assert ElementTree.fromstring(ElementTree.tostring(element, encoding="unicode")).text == line


def test_width_is_that_of_the_widest_line() -> None:
    assert width_of([], 7) == 0
    assert width_of(["i", "WWWW"], 7) == width_of(["WWWW"], 7) > 3 * width_of(["i"], 7)
    assert width_of(["abc"], 14) == pytest.approx(2 * width_of(["abc"], 7), rel=0.15)


# Colours


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colour", COLOURS)
def test_marks_are_seen_on_white_and_on_black(colour: str) -> None:
    # WCAG 2.2, 1.4.11: 3 to 1 for graphics.
    assert contrast(colour, "#ffffff") >= 3
    assert contrast(colour, "#14161a") >= 3


def seen(colour: str, matrix: tuple[tuple[float, float, float], ...]) -> list[float]:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return [sum(weight * part for weight, part in zip(row, linear, strict=True)) for row in matrix]


def test_correct_and_incorrect_differ_to_every_eye() -> None:
    # Viénot, Brettel and Mollon (1999), from linear RGB.
    protan = ((0.1121, 0.8853, -0.0005), (0.1127, 0.8897, -0.0001), (0.0045, 0.0001, 1.0019))
    deutan = ((0.2920, 0.7054, -0.0003), (0.2934, 0.7089, 0.0), (-0.0201, 0.0249, 1.0012))
    for matrix in (protan, deutan):
        one, other = (seen(colour, matrix) for colour in COLOURS[:2])
        assert max(abs(a - b) for a, b in zip(one, other, strict=True)) > 0.2


def test_no_two_of_the_first_judges_look_alike_without_colour() -> None:
    looks = [look(place) for place in range(24)]
    assert len(set(map(str, looks))) == 24
    assert len({(each.marker, str(each.dash)) for each in looks}) == 24
    assert len({look(place).marker for place in range(len(MARKERS))}) == len(MARKERS)
    assert len(DASHES) == 5


def test_own_cells_have_a_frame_and_a_mark(drawn: dict[str, Drawn]) -> None:
    said = texts(drawn["producers"])
    assert "made by the judge's own model" in said
    assert "by its family" in said
    without = planted_results()
    without["self_preference"]["own"] = {}
    bare = one_of("producers", without)
    assert "by its family" not in texts(bare)
    assert bare.svg.count('stroke="#ffffff"') == 0 < drawn["producers"].svg.count('stroke="#ffffff"')


# What is computed for a figure


def rank(low: int | None, high: int | None = None) -> dict[str, int | None]:
    return {"low": low, "high": high or low}


def test_tied_sets_are_the_largest_sets_of_overlapping_ranks() -> None:
    assert tied_sets([rank(1), rank(2), rank(3)]) == []
    assert tied_sets([rank(1, 2), rank(1, 2), rank(3)]) == [[0, 1]]
    assert tied_sets([rank(1, 2), rank(1, 3), rank(2, 3)]) == [[0, 1, 2]]
    assert tied_sets([rank(1, 2), rank(None), rank(1, 3), rank(3, 4), rank(3, 4)]) == [[0, 2], [2, 3, 4]]
    assert tied_sets([]) == []


ranks = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 3)), max_size=6)


@given(ranks)
def test_tied_sets_hold_all_pairs_that_overlap_and_no_other(spans: list[tuple[int, int]]) -> None:
    held = [rank(min(low, len(spans)), min(low + more, len(spans))) for low, more in spans]
    overlapping = {
        (a, b)
        for a, b in product(range(len(held)), repeat=2)
        if a < b and held[a]["low"] <= held[b]["high"] and held[b]["low"] <= held[a]["high"]  # type: ignore[operator]
    }
    sets = tied_sets(held)
    assert {pair for members in sets for pair in product(members, repeat=2) if pair[0] < pair[1]} == overlapping
    assert not any(set(one) <= set(other) for one, other in product(sets, repeat=2) if one is not other)


costs = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=8)


@given(costs)
def test_the_front_holds_those_that_no_other_beats(points: list[tuple[int, int]]) -> None:
    front = pareto([cost for cost, _ in points], [value for _, value in points])

    def is_beaten(place: int) -> bool:
        cost, value = points[place]
        return any(c <= cost and v >= value and (c, v) != (cost, value) for c, v in points)

    assert {points[place] for place in front} == {points[place] for place in range(len(points)) if not is_beaten(place)}
    assert all(points[a][0] < points[b][0] and points[a][1] < points[b][1] for a, b in pairwise(front))


def test_cost_is_in_dollars_where_known_and_else_in_seconds() -> None:
    results = planted_results()
    both = one_of("cost", results)
    assert "US dollars per 1,000 sentences" in texts(both)
    assert "Seconds of computing per 1,000 sentences" not in texts(both)
    results["judges"][5]["usage"]["cost_usd_per_1000"] = 0.0
    mixed = one_of("cost", results)
    assert {"US dollars per 1,000 sentences", "Seconds of computing per 1,000 sentences"} <= set(texts(mixed))


def test_judges_that_cannot_be_calibrated_are_named(drawn: dict[str, Drawn]) -> None:
    assert "Not shown, for scores that are no probabilities: clip-large." in drawn["calibration"].caption
    assert "clip-large" not in texts(drawn["calibration"])
