from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from alignbench.evaluate import Evaluation
from alignbench.report.figures import draw_all
from alignbench.report.page import page
from alignbench.report.page.browser import Browser, browse
from alignbench.report.tables import tables_of
from tests.chromium import DESKTOP, NARROW, PHONE, Watched, chromium, watched
from tests.planted_pages import HOSTILE, hostile_evaluation
from tests.planted_results import hostile_results, nothing_results
from tests.test_page import visible_of

LIMIT = 40


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return hostile_evaluation(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def report(evaluation: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with every figure, and names and captions that try to break out."""
    return written(evaluation, hostile_results(), tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture(scope="module")
def nothing(evaluation: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page whose every number is null."""
    return written(evaluation, nothing_results(), tmp_path_factory.mktemp("nothing") / "report.html")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture
def desktop(browser: Any, report: Path) -> Iterator[Watched]:
    """The page in a window; in the end it must have done nothing that it should not."""
    with watched(browser, viewport=DESKTOP) as seen:
        seen.open(report)
        yield seen
        assert seen.complaints == []
        assert {address.partition("#")[0] for address in seen.requests} == {report.as_uri()}


@pytest.fixture(scope="module")
def told(evaluation: Evaluation) -> Browser:
    return browse(evaluation, LIMIT)


def written(evaluation: Evaluation, results: Any, path: Path) -> Path:
    shown = evaluation._replace(results=results)
    path.write_text(page(shown, draw_all(results), tables_of(results), LIMIT), encoding="utf-8")
    return path


def choose(seen: Watched, name: str, text: str) -> None:
    seen.page.select_option(f"select[name={name}]", label=text)


class Seen(NamedTuple):
    """What a card in the browser says."""

    kind: str
    producer: str
    keys: str
    caption: str
    sentence: str
    chosen: str
    share: str


def cards(seen: Watched) -> list[Seen]:
    """The cards on show, in their order, as often as `Show more` takes."""
    return [Seen(*said) for said in seen.page.evaluate(CARDS)]


CARDS = """() => {
  const more = document.querySelector('.more');
  while (!more.hidden) more.click();
  const text = (card, selector) => card.querySelector(selector)?.textContent ?? '';
  return [...document.querySelectorAll('.card')].filter((card) => card.checkVisibility()).map((card) => [
    card.dataset.kind, text(card, '.about bdi'), card.dataset.keys, text(card, '.caption'), text(card, '.sentence'),
    text(card, '.chosen th'), text(card, '.chosen .share'),
  ]);
}"""


@pytest.mark.parametrize(
    "options",
    [
        {"viewport": DESKTOP},
        {"viewport": DESKTOP, "color_scheme": "dark"},
        {"viewport": PHONE, "is_mobile": True, "has_touch": True},
        {"viewport": NARROW, "is_mobile": True, "color_scheme": "dark", "reduced_motion": "reduce"},
    ],
    ids=["desktop", "dark", "phone", "narrow and dark"],
)
def test_it_loads_alone_without_a_complaint_and_no_wider_than_its_window(
    browser: Any, report: Path, nothing: Path, options: dict[str, Any]
) -> None:
    for path in (report, nothing):
        with watched(browser, **options) as seen:
            seen.open(path)
            assert len(cards(seen)) == LIMIT
            assert seen.overflow() <= 0
            assert seen.complaints == []
            assert seen.requests == [path.as_uri()]


def test_hostile_captions_are_text(desktop: Watched) -> None:
    for card in cards(desktop):
        assert card.sentence in {visible_of(text) for text in HOSTILE}
        assert card.sentence in card.caption
    assert desktop.page.query_selector_all(".caption :not(span):not(mark)") == []
    assert desktop.page.evaluate("document.scripts.length") == 1
    assert desktop.page.evaluate("[...document.images].every(image => image.src.startsWith('data:'))")
    assert desktop.page.evaluate("Promise.all([...document.images].map(image => image.decode())).then(() => true)")


def test_every_sentence_in_the_page_can_be_reached(desktop: Watched, told: Browser) -> None:
    assert len(desktop.texts(".card")) == 12
    assert desktop.page.inner_text(".shown").startswith(f"Showing 12 of {LIMIT} that fit")
    desktop.page.click(".more")
    # The keyboard is where the new ones begin.
    assert desktop.page.evaluate("document.activeElement.checkVisibility() && document.activeElement.className") == (
        "card accept"
    )
    assert len(desktop.texts(".card")) == 36
    assert len(cards(desktop)) == LIMIT == len(told.cards)
    assert desktop.page.inner_text(".shown") == f"Showing {LIMIT} of the {LIMIT} sentences in this page"


@pytest.mark.parametrize(("label", "kind"), [("false accepts", "accept"), ("false rejects", "reject")])
def test_kind_filters(desktop: Watched, told: Browser, label: str, kind: str) -> None:
    choose(desktop, "kind", label)
    expected = [card for card in told.cards if card.kind == kind]
    assert [card.kind for card in cards(desktop)] == [kind] * len(expected)


def test_producer_filters(desktop: Watched, told: Browser) -> None:
    for place, name in enumerate(told.producers):
        choose(desktop, "producer", name)
        expected = sum(card.producer == place for card in told.cards)
        assert [card.producer for card in cards(desktop)] == [name] * expected


def test_error_type_filters(desktop: Watched, told: Browser) -> None:
    for kind in told.error_types:
        choose(desktop, "type", kind)
        assert len(cards(desktop)) == sum(kind in card.error_types for card in told.cards) > 0


def test_judge_filters_and_orders(desktop: Watched, told: Browser) -> None:
    for place, name in enumerate(told.judges):
        choose(desktop, "judge", name)
        expected = [
            (card.kind, card.opinions[place].share)
            for card in sorted(told.cards, key=lambda card: (card.kind, -(card.keys[place + 1] or 0.0)))
            if card.opinions[place].is_wrong
        ]
        found = cards(desktop)
        assert [(card.kind, int(card.share.removesuffix("%"))) for card in found] == expected
        assert {card.chosen for card in found} == {name}


def test_words_filter_and_nothing_found_says_so(desktop: Watched, told: Browser) -> None:
    desktop.page.fill("input[name=words]", "<SCRIPT>alert(1)")
    expected = [card for card in told.cards if "<script>alert(1)" in text_of(card)]
    assert len(cards(desktop)) == len(expected) > 0
    desktop.page.fill("input[name=words]", "no such words")
    assert cards(desktop) == []
    assert desktop.texts(".none") == ["No sentence fits these filters."]
    desktop.page.click("form.filters button[type=reset]")
    desktop.page.wait_for_selector(".none", state="hidden")
    assert len(cards(desktop)) == LIMIT


def text_of(card: Any) -> str:
    return card.excerpt.before + "".join(piece.text for piece in card.excerpt.pieces) + card.excerpt.after


def test_filters_add_up_and_stay_in_the_address(browser: Any, report: Path, desktop: Watched, told: Browser) -> None:
    choose(desktop, "kind", "false accepts")
    choose(desktop, "producer", told.producers[1])
    choose(desktop, "judge", told.judges[0])
    expected = [
        card for card in told.cards if card.kind == "accept" and card.producer == 1 and card.opinions[0].is_wrong
    ]
    found = cards(desktop)
    assert len(found) == len(expected)
    fragment = desktop.page.evaluate("location.hash")
    assert fragment == "#sentences?kind=accept&producer=1&judge=0"
    with watched(browser, viewport=PHONE) as other:
        other.open(report, fragment)
        assert [card.keys for card in cards(other)] == [card.keys for card in found]
        assert other.page.input_value("select[name=judge]") == "0"
    with watched(browser, viewport=PHONE) as other:
        other.open(report, "#sentences?producer=99&kind=<b>&words=zzz")
        assert other.page.input_value("select[name=producer]") == other.page.input_value("select[name=kind]") == ""
        assert other.texts(".none") and other.complaints == []


def test_tables_sort_within_judges_and_controls(desktop: Watched) -> None:
    table = desktop.page.query_selector("#leaderboard table")

    def column(part: str) -> list[str]:
        return [cell.inner_text() for cell in table.query_selector_all(f"{part} td:nth-child(3)")]

    head = table.query_selector_all("thead th")[2]
    before = column("tbody:not(.controls)")
    head.query_selector("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    head.query_selector("button").press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert sorted(column("tbody:not(.controls)")) == sorted(before)
    for part in ("tbody:not(.controls)", "tbody.controls"):
        values = [float(text.split()[0]) for text in column(part)]
        assert len(values) > 1 and values == sorted(values)


def test_the_theme_can_be_switched(desktop: Watched) -> None:
    def background() -> str:
        return str(desktop.page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = background()
    desktop.page.click("#theme")
    assert background() != light
    assert desktop.page.inner_text("#theme") == "Light"
    desktop.page.reload()
    assert desktop.page.inner_text("#theme") == "Light"
    desktop.page.click("#theme")
    assert background() == light


def test_all_can_be_read_without_javascript(browser: Any, report: Path, told: Browser) -> None:
    with watched(browser, viewport=PHONE, java_script_enabled=False) as seen:
        seen.open(report)
        assert len(seen.texts(".card")) == LIMIT
        assert not seen.page.is_visible("form.filters") and not seen.page.is_visible("#theme")
        assert seen.page.is_visible("#leaderboard table")
        assert len(seen.texts("nav a")) >= 13


def test_on_paper_it_is_light_and_without_controls(desktop: Watched, told: Browser) -> None:
    desktop.page.click("#theme")
    desktop.page.emulate_media(media="print")
    assert desktop.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not any(desktop.page.is_visible(selector) for selector in ("#theme", "form.filters", "nav", ".more"))
    assert len(desktop.texts(".card")) == 4
    # The headers, which the script made buttons, are still there.
    assert desktop.texts("#leaderboard table:first-of-type thead th")[:2] == ["rank", "judge"]
    assert "On paper only the first sentences are shown" in desktop.page.inner_text("#sentences .paper")
    assert len(desktop.page.pdf(format="A4")) > 20_000


def test_text_has_enough_contrast(browser: Any, report: Path) -> None:
    for scheme in ("light", "dark"):
        with watched(browser, viewport=DESKTOP, color_scheme=scheme) as seen:
            seen.open(report)
            low = seen.page.evaluate(CONTRASTS)
            assert low == []


# Every visible text with a contrast under 4.5 to the nearest opaque background behind it.
CONTRASTS = """() => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1});
  const context = canvas.getContext('2d', {willReadFrequently: true});
  const known = new Map();
  const channels = (colour) => {
    if (!known.has(colour)) {
      context.clearRect(0, 0, 1, 1);
      context.fillStyle = colour;
      context.fillRect(0, 0, 1, 1);
      known.set(colour, [...context.getImageData(0, 0, 1, 1).data]);
    }
    return known.get(colour);
  };
  const luminance = ([r, g, b]) => [r, g, b]
    .map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, place) => sum + value * [0.2126, 0.7152, 0.0722][place], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const seen = new Map();
  for (const element of document.querySelectorAll('body *:not(script):not(svg *):not(option)')) {
    const says = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!says || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const pair = [style.color, behind(element).join()].join(' on ');
    if (seen.has(pair)) continue;
    const [a, b] = [luminance(channels(style.color)), luminance(behind(element))];
    seen.set(pair, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
  }
  return [...seen].filter(([, contrast]) => contrast < 4.5);
}"""
