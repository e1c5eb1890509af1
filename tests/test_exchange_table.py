"""Anybody's table: what it may hold, and what is said of one with mistakes."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from alignbench.errors import DatasetError, ImportFileError, UsageError
from alignbench.exchange.clusters import prompt_cluster
from alignbench.exchange.table import import_table
from alignbench.store import Dataset
from alignbench.text import split_sentences
from alignbench.types import Direction, Label, Origin, Pair, Sentence
from alignbench.validate import validate

CAPTION = "A red ball lies on a red box. It is night.  Two birds fly."


def png(colour: int) -> bytes:
    encoded = io.BytesIO()
    Pillow.new("RGB", (5, 4), (colour, 0, 0)).save(encoded, "PNG")
    return encoded.getvalue()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "more").mkdir(parents=True)
    for colour, name in enumerate(("a.png", "b.png", "more/c.png")):
        (folder / name).write_bytes(png(colour))
    return folder


def write(file: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Rows as a file of the format that its name says."""
    if file.suffix == ".jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif file.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), file)
    else:
        columns = list(dict.fromkeys(name for row in rows for name in row))
        with file.open("w", encoding="utf-8", newline="") as text:
            writer = csv.DictWriter(text, columns, delimiter="\t" if file.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    return file


def imported(images: Path, rows: Sequence[Mapping[str, Any]], name: str = "f.jsonl", **options: Any) -> Dataset:
    out = images.parent / "out"
    import_table(write(images.parent / name, rows), images, out, **options)
    assert validate(out) == []
    return Dataset.open(out)


def refusal(images: Path, rows: Sequence[Mapping[str, Any]], name: str = "f.jsonl") -> str:
    """What is said of a file with mistakes; nothing of it may stay behind."""
    before = {path.name for path in images.parent.iterdir()} | {name}
    with pytest.raises(ImportFileError) as error:
        import_table(write(images.parent / name, rows), images, images.parent / "out")
    assert {path.name for path in images.parent.iterdir()} == before
    return str(error.value)


def only_pair(dataset: Dataset) -> tuple[Pair, list[Sentence]]:
    (pair,) = dataset.pairs()
    return pair, list(dataset.sentences())


def spans(sentence: Sentence) -> list[tuple[str, int]]:
    return [(sentence.text[span.start : span.end], span.start) for span in sentence.spans]


class TestCaptions:
    @pytest.mark.parametrize("name", ["f.csv", "f.tsv", "f.jsonl", "f.parquet"])
    def test_image_and_caption_are_enough(self, images: Path, name: str) -> None:
        dataset = imported(
            images, [{"image": "a.png", "caption": CAPTION}, {"image": "b.png", "caption": "Snow."}], name
        )
        pair, _ = next(dataset.pairs()), dataset
        assert (pair.caption, pair.producer.name, pair.direction) == (CAPTION, "unknown", Direction.IMAGE_TO_TEXT)
        found = [(s.start, s.end) for s in dataset.sentences() if s.pair_id == pair.pair_id]
        assert found == split_sentences(CAPTION)
        assert {sentence.label for sentence in dataset.sentences()} == {None}
        assert dataset.counts["unlabelled"] == 4
        assert dataset.splitter is not None

    def test_every_column(self, images: Path) -> None:
        row = {
            "Image": "./more//c.png",
            "caption": "A fox. A hen.",
            "producer": "m",
            "family": "f",
            "Direction": "text-to-image",
            "domain": "animals",
            "License": "CC0",
            "source": "mine",
        }
        dataset = imported(images, [row])
        pair, _ = only_pair(dataset)
        (image,) = dataset.images()
        assert (pair.producer.name, pair.producer.family, pair.domain) == ("m", "f", "animals")
        assert (pair.direction, pair.cluster_id) == (Direction.TEXT_TO_IMAGE, prompt_cluster("A fox. A hen."))
        assert (image.origin, image.licence, image.source) == (Origin.GENERATED, "CC0", "mine")
        assert image.image_key == image.sha256 == hashlib.sha256(png(2)).hexdigest()
        assert image.provenance["path"] == "more/c.png"

    def test_the_cluster_is_the_image_unless_given(self, images: Path) -> None:
        rows = [{"image": "a.png", "caption": "A fox."}, {"image": "b.png", "caption": "A fox.", "cluster": "c7"}]
        assert [pair.cluster_id for pair in imported(images, rows).pairs()] == [
            hashlib.sha256(png(0)).hexdigest(),
            "c7",
        ]

    def test_the_option_names_the_producer_of_rows_that_name_none(self, images: Path) -> None:
        rows = [{"image": "a.png", "caption": "A."}, {"image": "a.png", "caption": "A.", "producer": "m"}]
        assert [p.producer.name for p in imported(images, rows, producer="mine").pairs()] == ["mine", "m"]

    def test_paths_to_the_same_bytes_are_one_image(self, images: Path) -> None:
        (images / "copy.png").write_bytes(png(0))
        dataset = imported(images, [{"image": name, "caption": f"{name}."} for name in ("a.png", "copy.png")])
        assert dataset.counts["images"] == 1

    def test_a_file_imported_twice_has_the_same_digest_and_ids_do_not_depend_on_its_order(self, images: Path) -> None:
        rows = [{"image": "a.png", "caption": "A fox."}, {"image": "b.png", "caption": "A hen."}]
        one = imported(images, rows)
        assert imported(images, rows, replace=True).digest == one.digest
        ids = {pair.pair_id for pair in one.pairs()}
        assert {pair.pair_id for pair in imported(images, rows[::-1], replace=True).pairs()} == ids

    def test_rows_that_repeat_are_reported_by_line(self, images: Path) -> None:
        row = {"image": "a.png", "caption": "A fox."}
        file = write(images.parent / "f.csv", [row, row])
        summary = import_table(file, images, images.parent / "out")
        assert summary.counts["pairs"] == 1
        assert any("line 3 repeats line 2" in line for line in summary.report)

    def test_columns_that_mean_nothing_are_reported(self, images: Path) -> None:
        file = write(images.parent / "f.csv", [{"image": "a.png", "caption": "A.", "lables": "x", "id": 4}])
        report = import_table(file, images, images.parent / "out").report
        assert any("lables (did you mean label?), id" in line for line in report)


class TestSentences:
    def test_rows_of_sentences_are_located_in_their_caption(self, images: Path) -> None:
        texts = ["A red ball lies on a red box.", "It is night.", "Two birds fly."]
        labels = ["Correct", "UN-KNOWN", ""]
        rows = [
            {"image": "a.png", "caption": CAPTION, "sentence": text, "label": label}
            for text, label in zip(texts, labels, strict=True)
        ]
        pair, sentences = only_pair(imported(images, rows, "f.csv"))
        assert pair.caption == CAPTION
        assert [(s.text, s.label) for s in sentences] == list(
            zip(texts, [Label.CORRECT, Label.UNKNOWN, None], strict=True)
        )
        assert sentences[2].start == CAPTION.index("Two")

    def test_without_caption_the_sentences_make_it_in_file_order(self, images: Path) -> None:
        rows = [
            {"image": "a.png", "producer": "m", "sentence": "One."},
            {"image": "a.png", "producer": "n", "sentence": "Other."},
            {"image": "a.png", "producer": "m", "sentence": " Two. "},
        ]
        assert [pair.caption for pair in imported(images, rows, "f.csv").pairs()] == ["One. Two.", "Other."]

    def test_a_sentence_that_the_caption_repeats_is_found_each_time(self, images: Path) -> None:
        row = {"image": "a.png", "caption": "Rain. Rain.", "sentence": "Rain."}
        _, sentences = only_pair(imported(images, [row, row]))
        assert [sentence.start for sentence in sentences] == [0, 6]

    def test_rows_that_repeat_a_sentence_are_reported(self, images: Path) -> None:
        with_caption = {"image": "a.png", "caption": "Rain. Fog.", "sentence": "Rain."}
        without = {"image": "b.png", "sentence": "Snow."}
        file = write(images.parent / "f.jsonl", [with_caption, with_caption, without, without])
        summary = import_table(file, images, images.parent / "out")
        assert summary.counts["sentences"] == 2
        assert any("line 2 repeats line 1, line 4 repeats line 3" in line for line in summary.report)
        assert any(line.startswith("captions with text outside their sentences") for line in summary.report)

    @pytest.mark.parametrize("name", ["f.jsonl", "f.parquet"])
    def test_a_row_may_list_its_sentences(self, images: Path, name: str) -> None:
        listed = [
            {
                "text": "A red ball lies on a red box.",
                "label": "incorrect",
                "error_types": ["attribute"],
                "spans": [{"text": "red", "occurrence": 2}],
            },
            {"start": 30, "end": 42, "label": "correct"},
        ]
        _, sentences = only_pair(imported(images, [{"image": "a.png", "caption": CAPTION, "sentences": listed}], name))
        assert [sentence.text for sentence in sentences] == ["A red ball lies on a red box.", "It is night."]
        assert spans(sentences[0]) == [("red", 21)]

    def test_listed_sentences_without_caption_make_it(self, images: Path) -> None:
        pair, sentences = only_pair(imported(images, [{"image": "a.png", "sentences": ["Fog.", "Rain."]}]))
        assert (pair.caption, len(sentences)) == ("Fog. Rain.", 2)

    def test_spans_in_a_csv_are_json_and_error_types_a_list_in_words(self, images: Path) -> None:
        quoted = [{"text": "Two", "error_type": "Number"}, {"start": 4, "end": 9, "error_type": "object"}]
        row = {"image": "a.png", "sentence": "Two birds fly.", "label": "incorrect", "spans": json.dumps(quoted)}
        _, (sentence,) = only_pair(imported(images, [{**row, "error_types": "illusion; other"}], "f.csv"))
        assert spans(sentence) == [("Two", 0), ("birds", 4)]
        assert sentence.error_types == ("illusion", "other", "number", "object")


class TestMistakes:
    @pytest.mark.parametrize(
        ("row", "said"),
        [
            ({"caption": "A."}, "no image"),
            ({"image": "a.png"}, "no caption and no sentence"),
            ({"image": "a.png", "caption": 7}, "`caption` is 7, which is not text"),
            ({"image": "/etc/passwd", "caption": "A."}, "not a path inside"),
            ({"image": "../a.png", "caption": "A."}, "not a path inside"),
            ({"image": "text.png", "caption": "A."}, "the image text.png cannot be read"),
            ({"image": "a.png", "caption": "A.", "label": "correct"}, "`label` without `sentence`"),
            ({"image": "a.png", "caption": "A.", "direction": "up"}, "image_to_text, text_to_image"),
            ({"image": "a.png", "caption": "A.", "sentence": "B."}, "'B.' is not in the caption"),
            ({"image": "a.png", "caption": "A.", "domain": 4.5}, "`domain` is 4.5, which is not text"),
            ({"image": "a.png", "sentence": "A.", "label": "maybe"}, "label 'maybe' is not one of correct, incorrect"),
            ({"image": "a.png", "sentence": "A.", "label": "correct", "error_types": "text"}, "the label is correct"),
            ({"image": "a.png", "sentence": "A.", "label": "incorrect", "error_types": "colour"}, "'colour' is not"),
            ({"image": "a.png", "sentences": [], "sentence": "A.", "caption": "B"}, "is not in the caption"),
            ({"image": "a.png", "sentences": ["A."], "sentence": "A."}, "together with `sentence`"),
            ({"image": "a.png", "sentences": ["A."], "label": "correct"}, "together with `label`"),
            ({"image": "a.png", "sentences": {"text": "A."}}, "`sentences` is not a list"),
            ({"image": "a.png", "sentences": [3]}, "sentences[0] is 3"),
            ({"image": "a.png", "sentences": [{"lable": "x", "text": "A."}]}, "has lable, which is none of"),
            ({"image": "a.png", "sentences": [{"start": 0}]}, "needs a text, or start and end"),
            ({"image": "a.png", "caption": "Fog.", "sentences": [{"start": 1, "end": 9}]}, "[1, 9) is not a range"),
            ({"image": "a.png", "caption": "Fog.", "sentences": [{"start": 0, "end": 3, "text": "Rai"}]}, "not 'Rai'"),
            ({"image": "a.png", "caption": "Fog.", "sentences": [{"start": "a", "end": 3}]}, "not a whole number"),
        ],
        ids=lambda value: None if isinstance(value, dict) else value[:30],
    )
    def test_a_row_with_a_mistake(self, images: Path, row: Mapping[str, Any], said: str) -> None:
        (images / "text.png").write_text("no image")
        answer = refusal(images, [{"image": "b.png", "caption": "Fine."}, row])
        assert "line 2: " in answer
        assert said in answer

    @pytest.mark.parametrize(
        ("span", "said"),
        [
            ({"text": "owl", "error_type": "object"}, "the words 'owl' are not in the sentence"),
            ({"text": "red", "error_type": "object"}, "2 times; say which with `occurrence`"),
            ({"text": "red", "occurrence": 3, "error_type": "object"}, "occurrence 3 of 2"),
            ({"text": "red", "occurrence": 0, "error_type": "object"}, "occurrence counts from 1"),
            ({"start": 5, "end": 99, "error_type": "object"}, "[5, 99) is not a range of the sentence of 20"),
            ({"start": 5, "end": 5, "error_type": "object"}, "[5, 5) is not a range"),
            ({"start": 5, "error_type": "object"}, "either start and end or text"),
            ({"text": "box"}, "error_type is missing of attribute"),
            ({"text": "box", "error_type": "hue"}, "'hue' is not one of attribute"),
            ({"text": "box", "type": "object"}, "has type, which is none of"),
            ("box", "spans[0] is 'box'"),
        ],
        ids=lambda value: value[:30] if isinstance(value, str) else None,
    )
    def test_a_span_with_a_mistake(self, images: Path, span: Any, said: str) -> None:
        row = {"image": "a.png", "sentence": "A red hat, red shoes", "label": "incorrect", "spans": [span]}
        assert said in refusal(images, [row])

    def test_all_mistakes_are_listed_with_their_lines(self, images: Path) -> None:
        rows = [{"image": "a.png", "caption": "Fine."}, *({"image": "", "caption": f"{n}."} for n in range(30))]
        said = refusal(images, rows, "f.csv")
        assert all(f"line {line}: there is no image" in said for line in range(3, 23))
        assert "and 10 more problems, 30 in total" in said

    def test_missing_images_are_counted_and_the_first_few_named(self, images: Path) -> None:
        rows = [{"image": f"x{number}.png", "caption": "A."} for number in (1, 2, 3, 4, 5, 6, 7, 7)]
        said = refusal(images, rows, "f.parquet")
        assert "folder of images: 7: x1.png (row 1)" in said
        assert "x5.png (row 5) and 2 more" in said

    def test_a_row_with_two_mistakes_and_a_missing_image(self, images: Path) -> None:
        said = refusal(images, [{"image": "../x.png", "label": "x", "sentence": "A."}, {"image": "y.png"}])
        assert "not a path inside" in said
        assert "label 'x'" in said
        assert "folder of images: 1: y.png (line 2)" in said

    def test_the_same_pair_with_other_labels_is_a_contradiction(self, images: Path) -> None:
        row = {"image": "a.png", "caption": "Fog."}
        rows = [{**row, "sentences": [{"text": "Fog.", "label": label}]} for label in ("correct", "incorrect")]
        assert "is the pair of line 1 again" in refusal(images, rows)

    def test_sentences_of_one_pair_must_agree_on_it(self, images: Path) -> None:
        row = {"image": "a.png", "sentence": "Fog."}
        rows = [{**row, "domain": "sky", "family": "f"}, {**row, "domain": "sea", "family": "g"}]
        assert "line 2: is a sentence of the pair of line 1, but differs in `producer`, `domain`" in refusal(
            images, rows
        )

    def test_what_hangs_together_must_be_in_one_cluster(self, images: Path) -> None:
        rows = [{"image": "a.png", "caption": f"{n}.", "cluster": f"c{n}"} for n in (1, 2)]
        assert "has the same image in cluster 'c1'" in refusal(images, rows)
        drawn = {"caption": "A fox.", "direction": "text_to_image"}
        rows = [{**drawn, "image": "a.png", "cluster": "x"}, {**drawn, "image": "b.png"}]
        assert "has the same prompt in cluster 'x'" in refusal(images, rows)

    def test_an_image_that_a_model_drew_is_not_a_photograph(self, images: Path) -> None:
        row = {"image": "a.png", "caption": "A fox."}
        drawn = {**row, "direction": "text_to_image", "producer": "m"}
        assert "put the text_to_image rows of an image before" in refusal(images, [row, drawn])
        assert imported(images, [drawn, row]).counts["pairs"] == 2

    def test_files_that_are_no_table(self, images: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        for name, content, said in [
            ("a.csv", b"image;caption\na.png;A.\n", "separates its columns by semicolons"),
            ("b.csv", b"image,image\na.png,A.\n", "two columns of the same name"),
            ("c.csv", b"image,caption\na.png,\xff\n", "not UTF-8"),
            ("d.csv", b'image,caption\na.png,"A" cat\n', "line 2: not CSV"),
            ("e.csv", b"image,caption\na.png,A cat, a dog\n", "line 2: 3 cells, but the header names 2"),
            ("f.csv", b"image,caption\n", "has no rows"),
            ("g.csv", b"picture,caption\na.png,A.\n", "no column `image`, only picture, caption"),
            ("h.parquet", b"PAR1 not really", "cannot be read as parquet"),
            ("i.jsonl", b'{"image": "a.png"', "line 1: not JSON"),
            (
                "j.jsonl",
                b'{"image": "a.png", "Caption": "A.", "caption": "B."}\n',
                "same name: image, Caption, caption",
            ),
        ]:
            (tmp_path / name).write_bytes(content)
            with pytest.raises(ImportFileError) as error:
                import_table(tmp_path / name, images, out)
            assert said in str(error.value)
            assert not out.exists()

    def test_wrong_use(self, images: Path, tmp_path: Path) -> None:
        file = write(tmp_path / "f.csv", [{"image": "a.png", "caption": "A."}])
        with pytest.raises(UsageError, match="there is no file"):
            import_table(tmp_path / "none.csv", images, tmp_path / "out")
        with pytest.raises(UsageError, match=r"ends in \.xlsx"):
            import_table(write(tmp_path / "f.xlsx", [{"image": "a.png"}]), images, tmp_path / "out")
        with pytest.raises(UsageError, match="there is no folder"):
            import_table(file, tmp_path / "none", tmp_path / "out")
        with pytest.raises(UsageError, match="--producer"):
            import_table(file, images, tmp_path / "out", producer=" ")
        with pytest.raises(DatasetError):
            import_table(file, images, images)

    def test_lines_of_a_csv_are_those_of_the_file_although_cells_have_line_breaks(self, images: Path) -> None:
        rows = [{"image": "a.png", "caption": "One.\nTwo.\nThree."}, {"image": "", "caption": "A."}]
        assert "line 5: there is no image" in refusal(images, rows, "f.csv")


TEXTS = st.sampled_from(["A fox. A hen.", "A fox.", "A hen.", "", "  ", "İß 🦊 狐。", "A\tfox\r\nA hen.", '"A" <b>'])
CELLS = st.one_of(
    st.none(),
    TEXTS,
    st.sampled_from(
        ["correct", "incorrect", "text", "a.png", "b.png", "../a.png", "none.png", "[", "{}", "text_to_image"]
    ),
    st.text(max_size=6),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.lists(
        st.dictionaries(st.sampled_from(["text", "start", "end", "label"]), TEXTS | st.integers(-1, 9), max_size=3)
    ),
)
COLUMNS = ("caption", "sentence", "sentences", "label", "error_types", "spans", "direction", "cluster", "producer", "x")
PLAIN = st.fixed_dictionaries(
    {"image": st.sampled_from(["a.png", "b.png"]), "caption": TEXTS.filter(str.strip)},
    optional={
        "sentence": st.sampled_from(["A fox.", "A hen."]),
        "label": st.sampled_from([None, "correct", "unknown"]),
    },
)
STRANGE = st.builds(dict[str, Any], st.lists(st.tuples(st.sampled_from(COLUMNS), CELLS), max_size=1))
ROWS = st.builds(lambda plain, strange: {**plain, **strange}, PLAIN, STRANGE)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROWS, min_size=1, max_size=3))
def test_any_rows_are_refused_with_reasons_or_validate(images: Path, rows: list[dict[str, Any]]) -> None:
    out = images.parent / "out"
    try:
        import_table(write(images.parent / "f.jsonl", rows), images, out, replace=True)
    except ImportFileError:
        return
    assert validate(out) == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip), min_size=1, max_size=4)
)
def test_given_sentences_keep_their_text_to_the_letter(images: Path, texts: list[str]) -> None:
    wanted = [text.strip() for text in texts]
    rows = [
        {"image": "a.png", "sentences": wanted},
        {"image": "b.png", "caption": "\n".join(texts), "sentences": wanted},
    ]
    out = images.parent / "out"
    import_table(write(images.parent / "f.jsonl", rows), images, out, replace=True)
    captions = {pair.pair_id: pair for pair in Dataset.open(out).pairs()}
    found: dict[str, list[str]] = {pair.image_key: [] for pair in captions.values()}
    for sentence in Dataset.open(out).sentences():
        pair = captions[sentence.pair_id]
        assert pair.caption[sentence.start : sentence.end] == sentence.text
        found[pair.image_key].append(sentence.text)
    assert found[hashlib.sha256(png(1)).hexdigest()] == wanted
    assert found[hashlib.sha256(png(0)).hexdigest()] == wanted
