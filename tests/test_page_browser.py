from __future__ import annotations

import base64
import io
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from alignbench.evaluate import Evaluation, evaluation_of
from alignbench.metrics import FloatArray
from alignbench.panel import Panel, read_panel
from alignbench.report.page.browser import Card, browse
from alignbench.report.page.hardness import hardest, hardness, mean_hardness
from alignbench.report.page.pieces import MOST_AROUND, MOST_INSIDE, Mark, excerpt, pieces, visible
from alignbench.report.page.thumbnails import MOST_BYTES, NOT_DECODED, NOT_HERE, SIDE, Thumbnail, thumbnails
from alignbench.store import Dataset, DatasetWriter, image_of
from alignbench.types import Label, ModelRef, Origin, Sentence
from tests.datasets import make_pair
from tests.planted_pages import BROKEN, HOSTILE, JUDGES, MISSING, PRODUCERS, hostile_evaluation, picture
from tests.planted_runs import Producer, scores_for, write_dataset, write_run


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return hostile_evaluation(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Panel:
    folder = tmp_path_factory.mktemp("planted")
    return read_panel(write_dataset(folder / "planted", [Producer("a-cap"), Producer("b-cap", wrong=0.6)]))


def scores_on(panel: Panel, shift: float, seed: int = 0, missing: float = 0.0) -> FloatArray:
    rng = np.random.default_rng(seed)
    score = np.round(rng.normal(size=panel.is_correct.size) + shift * panel.is_correct, 1)
    return np.where(rng.random(score.size) < missing, np.nan, score)


class TestHardness:
    def test_it_counts_the_other_class_of_the_same_producer(self, panel: Panel) -> None:
        score = scores_on(panel, 0.5, missing=0.1)
        found = hardness(panel, score)
        for row in range(score.size):
            others = [
                score[other]
                for other in range(score.size)
                if panel.producer[other] == panel.producer[row]
                and panel.is_correct[other] != panel.is_correct[row]
                and not math.isnan(score[other])
            ]
            over = [1.0 if score[row] > other else 0.5 if score[row] == other else 0.0 for other in others]
            share = 1 - np.mean(over) if panel.is_correct[row] else np.mean(over)
            if math.isnan(score[row]):
                assert math.isnan(found[row])
            else:
                assert found[row] == pytest.approx(share, abs=1e-12)

    def test_its_mean_over_either_class_is_one_minus_auroc(self, hostile: Evaluation) -> None:
        panel, judged = hostile.panel, hostile.judged[0]
        found = hardness(panel, judged.score)
        for place, name in enumerate(panel.producers):
            auroc = judged.entry["by_producer"][name]["value"]
            for good in (True, False):
                rows = (panel.producer == place) & (panel.is_correct == good)
                assert np.nanmean(found[rows]) == pytest.approx(1 - auroc, abs=1e-12)

    def test_without_the_other_class_there_is_none(self, panel: Panel) -> None:
        score = np.where(panel.is_correct, 1.0, np.nan)
        assert np.isnan(hardness(panel, score)).all()

    def test_the_mean_is_over_the_judges_that_have_one(self) -> None:
        by_judge = np.array([[0.2, np.nan, np.nan], [0.4, 0.6, np.nan]])
        assert mean_hardness(by_judge) == pytest.approx([0.3, 0.6, np.nan], nan_ok=True)


class TestHardest:
    def test_the_hardest_come_first_and_are_wrong(self, panel: Panel) -> None:
        by_judge = np.array([hardness(panel, scores_on(panel, shift, seed)) for seed, shift in enumerate((0.5, 1.0))])
        found, mean = hardest(panel, by_judge, 40), mean_hardness(by_judge)
        assert (found.accepts.size, found.rejects.size) == (20, 20)
        assert not panel.is_correct[found.accepts].any() and panel.is_correct[found.rejects].all()
        for rows in (found.accepts, found.rejects):
            assert (by_judge[:, rows].max(axis=0) > 0.5).all()
            assert (np.diff(mean[rows]) <= 0).all()
        wrong = (by_judge > 0.5).any(axis=0)
        assert found.n_accepts == (wrong & ~panel.is_correct).sum()
        assert found.n_rejects == (wrong & panel.is_correct).sum()
        assert found.accepts[0] == np.argmax(np.where(panel.is_correct, -1, mean))

    def test_every_judge_and_producer_has_some(self, panel: Panel) -> None:
        # The second judge is wrong where no other is, and only a little; the second producer is easy for all.
        easy = panel.producer == 1
        first = np.where(easy, 0.1, 0.99)
        second = np.where(easy & (np.arange(easy.size) % 7 == 0), 0.51, 0.0)
        found = hardest(panel, np.array([first, second]), 12)
        for rows in (found.accepts, found.rejects):
            assert (second[rows] > 0.5).any() and (first[rows] > 0.5).any()
            assert set(panel.producer[rows].tolist()) == {0, 1}

    def test_one_kind_takes_the_room_the_other_leaves(self, panel: Panel) -> None:
        few = np.flatnonzero(~panel.is_correct)[:3]
        by_judge = np.where(panel.is_correct, 0.9, 0.0)
        by_judge[few] = 0.9
        found = hardest(panel, by_judge[None], 50)
        assert sorted(found.accepts.tolist()) == few.tolist() and found.rejects.size == 47
        found = hardest(panel, np.where(panel.is_correct, np.nan, by_judge)[None], 50)
        assert sorted(found.accepts.tolist()) == few.tolist() and found.rejects.size == 0

    @pytest.mark.parametrize("limit", [0, 1, 2, 7, 10_000])
    def test_never_more_than_the_limit_and_none_twice(self, panel: Panel, limit: int) -> None:
        by_judge = np.array([hardness(panel, scores_on(panel, 0.2, seed)) for seed in range(3)])
        found = hardest(panel, by_judge, limit)
        rows = [*found.accepts.tolist(), *found.rejects.tolist()]
        assert len(rows) == len(set(rows)) == min(limit, found.n_accepts + found.n_rejects)

    def test_nobody_wrong_nothing_shown(self, panel: Panel) -> None:
        found = hardest(panel, np.full((2, panel.is_correct.size), 0.5), 10)
        assert found.accepts.size == found.rejects.size == found.n_accepts == found.n_rejects == 0


names = st.sampled_from(["object", "number", "text"])
marks = st.lists(st.builds(Mark, st.integers(-2, 20), st.integers(-2, 20), names), max_size=5)


class TestPieces:
    @given(st.text(max_size=18), marks)
    def test_joined_they_are_the_text_and_each_code_point_has_its_marks(self, text: str, marks: list[Mark]) -> None:
        found = pieces(text, marks)
        assert "".join(piece.text for piece in found) == text
        place = 0
        for piece in found:
            assert piece.text and len(set(piece.names)) == len(piece.names)
            end = place + len(piece.text)
            assert set(piece.ends) == {mark.name for mark in marks if self.end_of(mark, text) == end}
            for _ in piece.text:
                assert set(piece.names) == {mark.name for mark in marks if mark.start <= place < mark.end}
                place += 1

    @staticmethod
    def end_of(mark: Mark, text: str) -> int | None:
        end = min(mark.end, len(text))
        return end if max(mark.start, 0) < end else None

    def test_offsets_count_code_points(self) -> None:
        found = pieces("\N{DOG FACE}\N{DOG FACE} red dog", [Mark(3, 6, "attribute")])
        assert [(piece.text, piece.names) for piece in found] == [
            ("\N{DOG FACE}\N{DOG FACE} ", ()),
            ("red", ("attribute",)),
            (" dog", ()),
        ]

    def test_very_long_captions_are_cut_far_from_the_sentence(self) -> None:
        caption = "a" * 9_000 + "the sentence" + "b" * 9_000
        found = excerpt(caption, 9_000, 9_012, [])
        assert found.before == "\N{HORIZONTAL ELLIPSIS}" + "a" * MOST_AROUND
        assert found.after == "b" * MOST_AROUND + "\N{HORIZONTAL ELLIPSIS}"
        assert found.pieces[0].text == "the sentence"
        (long,) = pieces("x" * 9_000, [])
        assert len(long.text) == MOST_INSIDE + 1

    def test_what_a_browser_would_obey_is_spelled_out(self) -> None:
        assert visible("a\u202eb\x00c\x07\ud800") == "a⟨U+202E⟩b⟨U+0000⟩c⟨U+0007⟩⟨U+D800⟩"
        assert visible("שלום\n\t\N{DOG FACE}\u200d") == "שלום\n\t\N{DOG FACE}\u200d"


def dataset_of(path: Path, *encoded: bytes) -> Dataset:
    with DatasetWriter(path, name="pictures") as writer:
        for number, each in enumerate(encoded):
            image = image_of(each, source="tests", origin=Origin.REAL, key=f"tests:{number}")
            writer.add_image(image)
            writer.add_pair(*make_pair(image, ModelRef("a-cap"), number))
    return Dataset.open(path)


def opened(thumbnail: Thumbnail) -> Pillow.Image:
    assert thumbnail.uri is not None
    head, _, encoded = thumbnail.uri.partition(",")
    assert head == "data:image/webp;base64"
    shown = Pillow.open(io.BytesIO(base64.b64decode(encoded)))
    assert shown.size == (thumbnail.width, thumbnail.height)
    return shown


class TestThumbnails:
    def test_they_are_small_upright_and_hold_nothing_but_the_picture(self, tmp_path: Path) -> None:
        photo = Pillow.new("RGB", (1200, 600), "white")
        photo.paste((200, 0, 0), (0, 0, 600, 600))
        exif = Pillow.Exif()
        exif[0x0112], exif[0x010E] = 6, "taken at home"
        buffer = io.BytesIO()
        photo.save(buffer, "JPEG", exif=exif)
        found = thumbnails(dataset_of(tmp_path / "dataset", buffer.getvalue()), ["tests:0"])["tests:0"]
        shown = opened(found)
        assert shown.size == (SIDE // 2, SIDE)
        red, _, _ = shown.convert("RGB").getpixel((50, 20))  # type: ignore[misc]
        assert red > 180 and not shown.getexif()
        assert shown.convert("RGB").getpixel((50, 200))[1] > 200  # type: ignore[index]

    def test_noise_takes_no_more_room_than_a_photograph(self, tmp_path: Path) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (500, 500, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Pillow.fromarray(noise).save(buffer, "PNG")
        found = thumbnails(dataset_of(tmp_path / "dataset", buffer.getvalue()), ["tests:0"])["tests:0"]
        assert found.uri is not None and len(found.uri) < MOST_BYTES * 4 / 3 + 40
        assert max(opened(found).size) <= SIDE

    def test_small_pictures_keep_their_size(self, tmp_path: Path) -> None:
        encoded = picture(1, (12, 9))
        found = thumbnails(dataset_of(tmp_path / "dataset", encoded), ["tests:0"])["tests:0"]
        assert opened(found).size == (12, 9)

    def test_what_is_missing_or_damaged_says_so(self, hostile: Evaluation) -> None:
        keys = [f"tests:{number}" for number in (MISSING, BROKEN, 0)]
        found = thumbnails(hostile.dataset, [*keys, "tests:nowhere"])
        assert [found[key].reason for key in keys] == [NOT_HERE, NOT_DECODED, None]
        assert found["tests:nowhere"] == Thumbnail(None, 0, 0, NOT_HERE)


def with_marks(evaluation: Evaluation, marks: list[list[dict[str, float]] | None]) -> Evaluation:
    """The first judge marks these in turn."""
    first, *others = evaluation.judged
    judgments = first.run.judgments
    place = judgments.column_names.index("marks")
    column = pa.array([marks[row % len(marks)] for row in range(len(judgments))], judgments.schema.field(place).type)
    marking = replace(first, run=replace(first.run, judgments=judgments.set_column(place, "marks", column)))
    return evaluation._replace(judged=[marking, *others])


class TestBrowser:
    def test_cards_say_what_the_dataset_and_the_judgments_say(self, hostile: Evaluation) -> None:
        found = browse(hostile, 1000)
        assert found.reason is None and set(found.judges) == set(JUDGES)
        assert len(found.cards) == found.n_accepts + found.n_rejects
        sentences = self.sentences(hostile.dataset)
        for card in found.cards:
            caption = card.excerpt.before + self.text(card) + card.excerpt.after
            sentence = sentences[caption, card.index]
            assert self.text(card) == sentence.text
            assert card.label == str(sentence.label)
            assert card.kind == ("reject" if card.label == str(Label.CORRECT) else "accept")
            assert list(card.error_types) == [str(kind) for kind in sentence.error_types]
            assert card.has_spans == bool(sentence.spans)
            marked = {name for piece in card.excerpt.pieces for name in piece.names}
            assert marked == {str(span.error_type) for span in sentence.spans}

    def test_false_accepts_come_first_then_by_mean_hardness(self, hostile: Evaluation) -> None:
        cards = browse(hostile, 50).cards
        kinds = [card.kind for card in cards]
        assert kinds == sorted(kinds)
        for kind in ("accept", "reject"):
            keys = [card.keys[0] for card in cards if card.kind == kind]
            assert keys == sorted(keys, key=lambda key: -(key or 0.0))

    def test_a_judge_without_a_score_says_why(self, hostile: Evaluation) -> None:
        found = browse(hostile, 1000)
        patchy = list(found.judges).index("patchy")
        failed = [card for card in found.cards if card.keys[patchy + 1] is None]
        assert failed
        for card in failed:
            assert card.opinions[patchy].score == "failed"
            assert card.opinions[patchy].share is None and not card.opinions[patchy].is_wrong

    def test_marks_of_judges_are_shown_where_there_are_any(self, hostile: Evaluation) -> None:
        # The first three characters surely, the next three perhaps, the others hardly; nothing; not said.
        tiled = [{"start": start, "end": start + 3, "suspicion": 0.2 - 0.1 * (start // 3)} for start in (0, 3, 6)]
        found = browse(with_marks(hostile, [tiled, [], None]), 1000)
        drawn = [card.opinions[0].marked for card in found.cards]
        assert [] in drawn and None in drawn
        for card, marked in zip(found.cards, drawn, strict=True):
            if marked:
                text = self.text(card)
                assert "".join(piece.text for piece in marked) == text
                assert [(piece.text, piece.names) for piece in marked[:3]] == [
                    (text[:3], ("strong",)),
                    (text[3:6], ("faint",)),
                    (text[6:], ()),
                ]

    def test_marks_of_one_suspicion_are_all_strong(self, hostile: Evaluation) -> None:
        marks = [{"start": start, "end": start + 2, "suspicion": 0.0} for start in (1, 5)]
        for card in browse(with_marks(hostile, [marks]), 30).cards:
            names = [piece.names for piece in card.opinions[0].marked or ()]
            assert names == [(), ("strong",), (), ("strong",), ()]

    def test_the_limit_bounds_the_cards(self, hostile: Evaluation) -> None:
        found = browse(hostile, 9)
        assert len(found.cards) == 9
        assert {card.producer for card in found.cards} == set(range(len(PRODUCERS)))

    def test_controls_speak_only_where_there_is_nobody_else(self, hostile: Evaluation) -> None:
        controls = [one for one in hostile.judged if one.run.control is not None]
        found = browse(hostile._replace(judged=controls), 10)
        assert found.judges == ["constant"] and not found.cards
        assert found.reason is not None and "more than half" in found.reason

    def test_one_class_gives_a_reason(self, tmp_path: Path) -> None:
        dataset = write_dataset(tmp_path / "all-correct", [Producer("a-cap", wrong=0.0, images=4)])
        write_run(tmp_path / "runs", dataset, "judge", scores_for(dataset, 1.0))
        found = browse(evaluation_of(dataset, tmp_path / "runs", replicates=100), 10)
        assert not found.cards and found.reason is not None and "both correct and incorrect" in found.reason

    def test_the_hostile_captions_are_all_there(self, hostile: Evaluation) -> None:
        said = "\n".join(self.text(card) for card in browse(hostile, 1000).cards)
        assert all(text in said for text in HOSTILE)

    @staticmethod
    def sentences(dataset: Dataset) -> dict[tuple[str, int], Sentence]:
        captions = {pair.pair_id: pair.caption for pair in dataset.pairs()}
        return {(captions[sentence.pair_id], sentence.index): sentence for sentence in dataset.sentences()}

    @staticmethod
    def text(card: Card) -> str:
        return "".join(piece.text for piece in card.excerpt.pieces)
