"""The published schema: what is mapped, what is reported, where images are found."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from alignbench.errors import DatasetError, ImportFileError, UsageError
from alignbench.exchange.clusters import chain_clusters, prompt_cluster
from alignbench.exchange.error_words import locate
from alignbench.exchange.halcap import import_halcap
from alignbench.exchange.halcap_rows import COLUMNS, HalcapReader
from alignbench.exchange.notes import Notes, Problems
from alignbench.exchange.pictures import path_of_url, safe_path
from alignbench.exchange.producers import producer_of
from alignbench.exchange.quotes import occurrences
from alignbench.exchange.rows import Row
from alignbench.exchange.values import count_of, error_types_of, is_null, label_of, number_of
from alignbench.store import Dataset
from alignbench.types import Direction, ErrorType, Label, Origin, Pair, Sentence, Votes
from alignbench.validate import validate

FIXTURES = Path(__file__).parent / "fixtures"


def png(colour: int) -> bytes:
    encoded = io.BytesIO()
    Pillow.new("RGB", (5, 4), (colour, 0, 0)).save(encoded, "PNG")
    return encoded.getvalue()


def row(**cells: Any) -> dict[str, Any]:
    usual = {"model": "llava", "image_source": "coco", "image_name": "1.jpg", "sentence_index": 0}
    return {**usual, "caption": "A cat sleeps.", "annotation": "correct", **cells}


def write(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(cells) + "\n" for cells in rows), encoding="utf-8")
    return path


def by_text(dataset: Dataset) -> dict[str, Sentence]:
    return {sentence.text: sentence for sentence in dataset.sentences()}


def pairs_by_id(dataset: Dataset) -> dict[str, Pair]:
    return {pair.pair_id: pair for pair in dataset.pairs()}


def quoted(sentence: Sentence) -> list[tuple[str, str]]:
    return [(sentence.text[span.start : span.end], str(span.error_type)) for span in sentence.spans]


def line_about(report: Sequence[str], words: str) -> str:
    (line,) = [line for line in report if words in line]
    return line


B17 = "https://pictures.example.org/2017/b-17.jpg"
COCO = "url:http://images.cocodataset.org/val2017/000000000139.jpg"


class TestPlain:
    def test_rows_become_captions_with_exact_offsets(self, tmp_path: Path) -> None:
        summary = import_halcap(FIXTURES / "halcap_plain.jsonl", None, tmp_path / "out")
        dataset = Dataset.open(tmp_path / "out")
        assert validate(tmp_path / "out") == []
        assert (summary.counts["pairs"], summary.counts["sentences"], summary.counts["spans"]) == (5, 10, 6)
        pairs = pairs_by_id(dataset)
        assert pairs[f"sharegpt/{COCO}"].caption == (
            "A living room has a red sofa. Two cats sit on a blue chair. It may be evening."
        )
        for sentence in dataset.sentences():
            assert pairs[sentence.pair_id].caption[sentence.start : sentence.end] == sentence.text
        chair = by_text(dataset)["Two cats sit on a blue chair."]
        assert quoted(chair) == [("Two", "number"), ("blue", "attribute")]
        assert chair.votes == Votes(0, 2, 1, 0.67, 0.33)
        assert chair.sentence_id == f"sharegpt/{COCO}#1"

    def test_only_missing_images_are_reported(self, tmp_path: Path) -> None:
        summary = import_halcap(FIXTURES / "halcap_plain.jsonl", None, tmp_path / "out")
        assert len(summary.report) == 1
        assert summary.report[0].startswith("images missing (4)")
        assert (tmp_path / "out" / "missing_images.csv").read_text(encoding="utf-8").splitlines() == [
            "image_key,url,expected_path",
            f"{COCO},{COCO[4:]},images.cocodataset.org/val2017/000000000139.jpg",
            f"url:{B17},{B17},pictures.example.org/2017/b-17.jpg",
            "repo:images/data_generation/sd/0.png,,images/data_generation/sd/0.png",
            "repo:images/data_generation/gpt4o-imagen/0.png,,images/data_generation/gpt4o-imagen/0.png",
        ]
        assert json.loads(json.dumps(summary.to_json()))["counts"]["images_missing"] == 4

    def test_producers_directions_and_clusters(self, tmp_path: Path) -> None:
        import_halcap(FIXTURES / "halcap_plain.jsonl", None, tmp_path / "out")
        dataset = Dataset.open(tmp_path / "out")
        pairs = pairs_by_id(dataset)
        drawn = [pair for pair in pairs.values() if pair.direction is Direction.TEXT_TO_IMAGE]
        assert {pair.producer.name for pair in drawn} == {"stable-diffusion-3.5", "gpt-image-1"}
        # One prompt, two images: one cluster. Two models about one photograph: one cluster.
        assert {pair.cluster_id for pair in drawn} == {prompt_cluster(drawn[0].caption)}
        assert pairs[f"sharegpt/{COCO}"].cluster_id == pairs[f"llava-1.6/{COCO}"].cluster_id == COCO
        origins = {image.image_key: image.origin for image in dataset.images()}
        assert origins[COCO] is Origin.REAL
        assert origins["repo:images/data_generation/sd/0.png"] is Origin.GENERATED

    def test_same_file_gives_the_same_digest_and_order_of_lines_no_other_rows(self, tmp_path: Path) -> None:
        first = import_halcap(FIXTURES / "halcap_plain.jsonl", None, tmp_path / "a")
        again = import_halcap(FIXTURES / "halcap_plain.jsonl", None, tmp_path / "b")
        assert first.digest == again.digest
        lines = (FIXTURES / "halcap_plain.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        random.Random(3).shuffle(lines)
        (tmp_path / "halcap_plain.jsonl").write_text("".join(lines), encoding="utf-8")
        import_halcap(tmp_path / "halcap_plain.jsonl", None, tmp_path / "c")
        one, other = Dataset.open(tmp_path / "a"), Dataset.open(tmp_path / "c")
        assert pairs_by_id(one) == pairs_by_id(other)
        assert {s.sentence_id: s for s in one.sentences()} == {s.sentence_id: s for s in other.sentences()}


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, tuple[str, ...]]:
    out = tmp_path_factory.mktemp("awkward") / "out"
    summary = import_halcap(FIXTURES / "halcap_awkward.jsonl", None, out)
    assert validate(out) == []
    return Dataset.open(out), summary.report


class TestAwkward:
    def test_spellings_are_read(self, imported: tuple[Dataset, tuple[str, ...]]) -> None:
        sentences = by_text(imported[0])
        assert quoted(sentences["The sign reads 'Castro'."]) == [("'Castro'", "text")]
        assert sentences["The sign reads 'Castro'."].votes == Votes(0, 3, 0, 1.0, None)
        assert quoted(sentences["A fox looks right."]) == [("fox", "direction"), ("looks right", "direction")]
        moon = sentences["İstanbul shines at night, and the moon is full."]
        assert quoted(moon) == [("moon", "object")]
        mat = sentences["The mat is to the left of the cat."]
        assert sorted(quoted(mat)) == [("mat", "object"), ("to the left of", "location")]

    def test_words_that_are_ambiguous_or_absent_cost_a_span_and_no_label(
        self, imported: tuple[Dataset, tuple[str, ...]]
    ) -> None:
        dataset, report = imported
        ball = by_text(dataset)["A red ball and a red box lie left of Two dogs."]
        assert (ball.label, ball.error_types) == (Label.INCORRECT, (ErrorType.ATTRIBUTE, ErrorType.NUMBER))
        assert quoted(ball) == [("Two dogs", "number")]
        assert "'red (2 places)' (line 3)" in line_about(report, "several times")
        assert "'stars' (line 5)" in line_about(report, "words not found")

    def test_labels_that_are_no_labels_come_from_the_votes_or_stay_open(
        self, imported: tuple[Dataset, tuple[str, ...]]
    ) -> None:
        dataset, report = imported
        sentences = by_text(dataset)
        labels = [sentences[text].label for text in ("It is sunny.", "Birds fly.", "A river flows.", "The end.")]
        assert labels == [Label.CORRECT, Label.UNKNOWN, None, None]
        assert "'maybe?' (2 times)" in line_about(report, "not understood, label taken from the votes")
        assert "(1): 1" in line_about(report, "`annotation` not understood, left unlabelled")
        assert "(1): line 9" in line_about(report, "`annotation` empty, left unlabelled")
        assert "correct (line 15)" in line_about(report, "differ from the votes")

    def test_what_could_not_be_mapped_is_kept_in_the_provenance(
        self, imported: tuple[Dataset, tuple[str, ...]]
    ) -> None:
        dataset, report = imported
        pair = pairs_by_id(dataset)["gpt-4o/url:http://images.example.org/1.jpg"]
        assert pair.provenance["unmapped"] == [{"index": 1, "error_type": "Colour", "error_words": "grey"}]
        assert "'Colour'" in line_about(report, "`error_type` not understood")
        mystery = pairs_by_id(dataset)["Mystery-VLM%202/url:http://images.example.org/1.jpg"]
        assert mystery.provenance["unmapped"][0] == {"index": 0, "annotation": "maybe?"}
        assert mystery.provenance["labels_from_votes"]["indices"] == [0, 1]
        assert mystery.provenance["sentence_index"] == [1, 2, 3, None]
        assert mystery.producer.name == mystery.producer.family == "Mystery-VLM 2"
        assert "Mystery-VLM 2 (image_to_text) (4 times)" in line_about(report, "models not in our table")

    def test_places_that_repeat_or_lack(self, imported: tuple[Dataset, tuple[str, ...]]) -> None:
        dataset, report = imported
        pairs = pairs_by_id(dataset)
        assert pairs["gpt-4o/url:http://images.example.org/1.jpg"].caption == "A cat naps. It is grey."
        assert pairs["gpt-4o(2)/url:http://images.example.org/1.jpg"].caption == (
            "A kitten rests on a mat. The mat is to the left of the cat. All is quiet."
        )
        assert "line 4 repeats line 3" in line_about(report, "rows that repeat another")
        assert "line 6 contradicts line 5" in line_about(report, "with other marks")
        assert "(0, 1, 2, 4)" in line_about(report, "gap")

    def test_rows_left_out_are_counted(self, imported: tuple[Dataset, tuple[str, ...]]) -> None:
        dataset, report = imported
        assert "(2): line 16, line 17" in line_about(report, "without a sentence")
        assert "(1): line 18" in line_about(report, "without an image")
        assert "note" in line_about(report, "columns that the schema does not know")
        assert "Half \ufffd a face." in by_text(dataset)
        assert "coco:139" in dataset.image_keys()


class TestWrongFiles:
    @pytest.mark.parametrize("depth", [17, 600, 100_000])
    def test_nesting_has_an_end(self, tmp_path: Path, depth: int) -> None:
        nested = "[" * depth + "]" * depth
        (tmp_path / "f.jsonl").write_text(f'{{"model": {nested}}}\n', encoding="utf-8")
        with pytest.raises(ImportFileError, match=r"line 1: not (a JSON object of at most 16 levels|JSON)"):
            import_halcap(tmp_path / "f.jsonl", None, tmp_path / "out")
        import_halcap(
            write(tmp_path / "g.jsonl", [row(error_words=nested, annotation="incorrect")]), None, tmp_path / "g"
        )
        assert validate(tmp_path / "g") == []

    def test_every_broken_line_is_listed_and_nothing_is_written(self, tmp_path: Path) -> None:
        file = tmp_path / "f.jsonl"
        good = json.dumps(row()).encode()
        file.write_bytes(good + b"\n{broken\n[1]\n\xff\xfe\n" + json.dumps(row(image_name="../x.png")).encode() + b"\n")
        with pytest.raises(ImportFileError) as error:
            import_halcap(file, None, tmp_path / "out")
        said = str(error.value)
        for line in (
            "line 2: not JSON",
            "line 3: not a JSON object",
            "line 4: not UTF-8",
            "line 5: the image '../x.png'",
        ):
            assert line in said
        assert [path.name for path in tmp_path.iterdir()] == ["f.jsonl"]

    def test_a_long_list_ends_with_the_total(self, tmp_path: Path) -> None:
        (tmp_path / "f.jsonl").write_text("{\n" * 70, encoding="utf-8")
        with pytest.raises(ImportFileError, match=r"and 50 more problems, 70 in total"):
            import_halcap(tmp_path / "f.jsonl", None, tmp_path / "out")

    def test_another_schema_is_told_from_ours(self, tmp_path: Path) -> None:
        file = write(tmp_path / "f.jsonl", [{"image": "a.png", "text": "A cat."}])
        with pytest.raises(ImportFileError, match=r"no row has `model`, `caption`, only image, text.*import table"):
            import_halcap(file, None, tmp_path / "out")

    def test_an_empty_file_has_no_sentence(self, tmp_path: Path) -> None:
        with pytest.raises(ImportFileError, match="has no sentence"):
            import_halcap(write(tmp_path / "f.jsonl", []), None, tmp_path / "out")

    def test_missing_file_wrong_ending_missing_folder_and_occupied_place(self, tmp_path: Path) -> None:
        file = write(tmp_path / "f.jsonl", [row()])
        with pytest.raises(UsageError, match="there is no file"):
            import_halcap(tmp_path / "none.jsonl", None, tmp_path / "out")
        with pytest.raises(UsageError, match=r"ends in \.csv"):
            import_halcap(write(tmp_path / "f.csv", []), None, tmp_path / "out")
        with pytest.raises(UsageError, match="there is no folder"):
            import_halcap(file, tmp_path / "none", tmp_path / "out")
        import_halcap(file, None, tmp_path / "out")
        with pytest.raises(DatasetError, match="out"):
            import_halcap(file, None, tmp_path / "out")
        assert import_halcap(file, None, tmp_path / "out", name="mine", replace=True).name == "mine"

    @pytest.mark.parametrize(
        "path", ["../a.png", "/etc/a.png", "a/../../b.png", "C:\\a.png", "..\\a.png", "a\0.png", "."]
    )
    def test_paths_that_leave_the_folder_are_refused(self, path: str) -> None:
        assert safe_path(path) is None


class TestImages:
    def files(self, folder: Path, *paths: str) -> Path:
        for colour, path in enumerate(paths):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(png(colour))
        return folder

    def found(self, tmp_path: Path, rows: Sequence[Mapping[str, Any]], images: Path) -> dict[str, int | None]:
        """The colour that each image got, by key."""
        import_halcap(write(tmp_path / "f.jsonl", rows), images, tmp_path / "out")
        assert validate(tmp_path / "out") == []
        return {
            image.image_key: None if image.bytes is None else Pillow.open(io.BytesIO(image.bytes)).getpixel((0, 0))[0]  # type: ignore[index]
            for image in Dataset.open(tmp_path / "out").images()
        }

    def repo(self, path: str) -> dict[str, Any]:
        return row(model="sd", image_name=path.rsplit("/", 1)[-1], image_path_in_repo=path)

    def test_by_path_in_repo_although_names_repeat(self, tmp_path: Path) -> None:
        images = self.files(tmp_path / "i", "images/sd/0.png", "images/imagen/0.png")
        rows = [self.repo("images/imagen/0.png"), self.repo("images/sd/0.png")]
        assert self.found(tmp_path, rows, images) == {"repo:images/imagen/0.png": 1, "repo:images/sd/0.png": 0}
        assert not (tmp_path / "out" / "missing_images.csv").exists()

    def test_the_folder_may_be_one_above_or_below_the_one_meant(self, tmp_path: Path) -> None:
        images = self.files(tmp_path / "i", "sd/0.png", "download/images/imagen/0.png")
        rows = [self.repo("images/imagen/0.png"), self.repo("images/sd/0.png")]
        assert self.found(tmp_path, rows, images) == {"repo:images/imagen/0.png": 1, "repo:images/sd/0.png": 0}

    def test_a_file_of_that_name_in_another_folder_is_not_it(self, tmp_path: Path) -> None:
        images = self.files(tmp_path / "i", "imagen/0.png")
        assert self.found(tmp_path, [self.repo("images/sd/0.png")], images) == {"repo:images/sd/0.png": None}

    def test_by_url_and_by_name(self, tmp_path: Path) -> None:
        images = self.files(tmp_path / "i", "images.example.org/x/1.jpg", "val2017/2.jpg", "coco/3.jpg", "cc12m/3.jpg")
        rows = [
            row(image_url="http://images.example.org/x/1.jpg"),
            row(image_name="2.jpg", image_url="http://elsewhere.example.org/77"),
            row(image_name="3.jpg", image_source="cc12m"),
            row(image_name="3.jpg"),
        ]
        found = self.found(tmp_path, rows, images)
        assert list(found.values()) == [0, 1, 3, 2]
        assert list(found)[2:] == ["cc12m:3.jpg", "coco:3.jpg"]

    def test_two_files_for_one_image_are_an_error_that_lists_both(self, tmp_path: Path) -> None:
        images = self.files(tmp_path / "i", "a/1.jpg", "b/1.jpg")
        with pytest.raises(ImportFileError, match=r"coco:1\.jpg could be any of a/1\.jpg, b/1\.jpg"):
            self.found(tmp_path, [row()], images)
        assert not (tmp_path / "out").exists()

    def test_one_file_for_two_images_is_an_error_that_lists_both(self, tmp_path: Path) -> None:
        images = self.files(tmp_path / "i", "0.png")
        with pytest.raises(ImportFileError, match=r"0\.png could be the image of any of repo:images/sd/0.png, repo:im"):
            self.found(tmp_path, [self.repo("images/sd/0.png"), self.repo("images/imagen/0.png")], images)

    def test_a_better_claim_takes_the_file(self, tmp_path: Path) -> None:
        images = self.files(tmp_path / "i", "cc12m/1.jpg")
        found = self.found(tmp_path, [row(), row(image_source="cc12m")], images)
        assert found == {"coco:1.jpg": None, "cc12m:1.jpg": 0}

    def test_a_file_that_is_no_image_leaves_it_missing(self, tmp_path: Path) -> None:
        images = self.files(tmp_path / "i", "coco/2.jpg")
        (images / "coco" / "1.jpg").write_bytes(b"<html>not found</html>")
        file = write(tmp_path / "f.jsonl", [row(), row(image_name="2.jpg")])
        summary = import_halcap(file, images, tmp_path / "out")
        assert "coco/1.jpg" in line_about(summary.report, "no image we decode")
        assert summary.counts["images_missing"] == 1

    def test_links_round_in_a_circle_end(self, tmp_path: Path) -> None:
        images = self.files(tmp_path / "i", "coco/1.jpg")
        (images / "coco" / "again").symlink_to(images)
        assert self.found(tmp_path, [row()], images) == {"coco:1.jpg": 0}

    def test_urls_that_are_no_plain_path_get_one_of_their_own(self) -> None:
        assert path_of_url("https://a.example.org/x/1.jpg") == "a.example.org/x/1.jpg"
        one, other = path_of_url("https://a.example.org/i.php?id=1"), path_of_url("https://a.example.org/i.php?id=2")
        assert one != other
        assert one.startswith("a.example.org/i-")
        assert one.endswith(".php")

    @given(st.text(min_size=1))
    def test_a_path_of_a_url_is_always_safe(self, url: str) -> None:
        path = path_of_url(url.encode("utf-8", "replace").decode())
        assert safe_path(path) == path

    @given(st.lists(st.sampled_from(["..", ".", "a", "b.png", "", "C:", "~"]), max_size=5))
    def test_a_safe_path_stays_inside(self, parts: list[str]) -> None:
        path = safe_path("/".join(parts))
        if path is not None:
            assert (Path("/images") / path).resolve().is_relative_to("/images")
            assert safe_path(path) == path


class TestValues:
    @pytest.mark.parametrize(
        ("cell", "label"),
        [
            ("Correct", Label.CORRECT),
            (" in_correct", Label.INCORRECT),
            ("InCorrect", Label.INCORRECT),
            (["incorrect"], Label.INCORRECT),
            ('["Not-Hallucinated"]', Label.CORRECT),
            ("Hallucination", Label.INCORRECT),
            ("UNKNOWN", Label.UNKNOWN),
            ("can't tell", Label.UNKNOWN),
            (True, Label.CORRECT),
            (1, None),
            ("0", None),
            (["correct", "incorrect"], None),
            ({"a": 1}, None),
        ],
    )
    def test_labels(self, cell: Any, label: Label | None) -> None:
        assert label_of(cell) is label

    @pytest.mark.parametrize(
        ("cell", "kinds", "strange"),
        [
            ("Attribute", ["attribute"], []),
            ("Hallucinated_Objects", ["object"], []),
            ("HallucinatedNumber", ["number"], []),
            ("text error / location", ["text", "location"], []),
            (["RELATIONS", "Relation"], ["relation", "relation"], []),
            ("['illusion', 'other']", ["illusion", "other"], []),
            ('{"a": 1}', [], ["{'a': 1}"]),
            ("Direction and vibes", ["direction"], ["vibes"]),
            ("2. Number", ["number"], []),
            ("Hallucination", [], ["Hallucination"]),
            (float("nan"), [], []),
            (["none", None], [], []),
            (7, [], ["7"]),
        ],
    )
    def test_error_types(self, cell: Any, kinds: list[str], strange: list[str]) -> None:
        assert error_types_of(cell) == (kinds, strange)

    @pytest.mark.parametrize("cell", [None, float("nan"), "", " NaN ", "none", "N/A", [], [None, ""], "[]", {}])
    def test_nulls(self, cell: Any) -> None:
        assert is_null(cell)

    @pytest.mark.parametrize(
        ("cell", "count"),
        [(3, 3), ("3", 3), (3.0, 3), ("3.0", 3), (-1, None), (2.5, None), (True, None), ("3k", None), (1e300, None)],
        ids=repr,
    )
    def test_counts(self, cell: Any, count: int | None) -> None:
        assert count_of(cell) == count

    def test_numbers_are_finite(self) -> None:
        assert [number_of(cell) for cell in ("0.25", float("inf"), "-inf", 10**400)] == [0.25, None, None, None]

    @pytest.mark.parametrize(
        ("name", "producer", "direction"),
        [
            ("ShareGPT", "sharegpt", "image_to_text"),
            ("LLaVA-1.6", "llava-1.6", "image_to_text"),
            ("Qwen2-VL-7B", "qwen-2", "image_to_text"),
            ("gpt-4o", "gpt-4o", "image_to_text"),
            ("Llama 4", "llama-4", "image_to_text"),
            ("SD", "stable-diffusion-3.5", "text_to_image"),
            ("gpt4o-imagen", "gpt-image-1", "text_to_image"),
            ("gpt_image_1", "gpt-image-1", "text_to_image"),
            ("Imagen 9", "Imagen 9", "text_to_image"),
            ("gpt-6", "gpt-6", "image_to_text"),
        ],
    )
    def test_model_names(self, name: str, producer: str, direction: str) -> None:
        found = producer_of(name)
        assert (found.model.name, found.direction) == (producer, direction)
        assert found.model.family is not None

    @given(st.text("[]{}()\"',: \\\\dn1aé\n\0", max_size=14))
    def test_whatever_looks_like_a_list_is_read_or_left(self, text: str) -> None:
        for opening in ("", "[", "{", '"'):
            known, strange = error_types_of(opening + text)
            assert known == []
            assert all(isinstance(entry, str) for entry in strange)
            assert label_of(opening + text) is None


class TestErrorWords:
    @pytest.mark.parametrize(
        ("text", "words", "places"),
        [
            ("An art party.", "art", [(3, 6)]),
            ("A cat, a Cat.", "cat", [(2, 5)]),
            ("A Cat, a CAT.", "cat", [(2, 5), (9, 12)]),
            ("İİ Red", "red", [(3, 6)]),
            ("It reads \u2018Castro\u2019.", "'Castro'", [(9, 17)]),
            ("A red\n  hat.", "red hat", [(2, 11)]),
            ("A red hat", '"red hat."', [(2, 9)]),
            ("a a a", "a a", [(0, 3), (2, 5)]),
            ("一个红色的球", "红色", [(2, 4)]),
            ("cafe\u0301 noir", "cafe", []),
            ("anything", "", []),
            ("What? No.", "...", []),
        ],
    )
    def test_occurrences(self, text: str, words: str, places: list[tuple[int, int]]) -> None:
        assert occurrences(text, words) == places

    @given(st.text("ab Bİß_-.,'’一", max_size=12), st.text("ab Bİß_-.,'’一", max_size=4))
    def test_exact_occurrences_agree_with_a_slow_search(self, text: str, words: str) -> None:
        def inside(place: int) -> bool:
            return 0 <= place < len(text) and text[place] in "abBİß_"

        if " " in words or not words.strip():
            return
        slow = [
            (start, start + len(words))
            for start in range(len(text))
            if text.startswith(words, start)
            and not (words[0] in "abBİß_" and inside(start - 1))
            and not (words[-1] in "abBİß_" and inside(start + len(words)))
        ]
        if slow:
            assert occurrences(text, words) == slow
        for start, end in occurrences(text, words):
            assert 0 <= start < end <= len(text)

    def test_types_are_paired_with_words_in_order(self) -> None:
        kinds = [ErrorType.NUMBER, ErrorType.ATTRIBUTE]
        found = locate("Two red dogs.", "two, red", kinds)
        assert [(span.start, span.error_type) for span in found.spans] == [(0, "number"), (4, "attribute")]
        assert locate("Two red dogs.", ["red"], kinds).untyped == ("red",)

    def test_words_quoted_as_often_as_they_occur_are_all_meant(self) -> None:
        found = locate("A hat on a hat.", ["hat", "hat"], [ErrorType.OBJECT])
        assert [span.start for span in found.spans] == [2, 11]
        assert locate("A hat on a hat.", ["hat"], [ErrorType.OBJECT]).ambiguous == ("hat (2 places)",)

    def test_objects_with_words_and_their_type(self) -> None:
        cell = '[{"text": "hat", "type": "object"}, {"text": "red", "type": "Attribute"}]'
        found = locate("A red hat.", cell, [])
        assert [(span.start, span.error_type) for span in found.spans] == [(2, "attribute"), (6, "object")]
        found = locate("Two signs read 'No'.", {"text": "'No'", "number": ["Two"]}, [])
        assert [(span.start, span.error_type) for span in found.spans] == [(0, "number"), (15, "text")]
        found = locate("A red hat.", {"text": "hat"}, [ErrorType.OBJECT])
        assert [(span.start, span.error_type) for span in found.spans] == [(6, "object")]


def test_chains_of_prompts_and_images_are_one_cluster() -> None:
    links = [("i1", "p1"), ("i1", "p2"), ("i2", "p2"), ("i3", "p3")]
    found = chain_clusters(links)
    assert found["i1"] == found["i2"] != found["i3"]
    assert found == chain_clusters(reversed(links))


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 4),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(
        ["A red cat sat.", "red cat", "incorrect", "Attribute", "['red', 'cat']", '{"object": "cat"}', "NaN"]
    ),
    st.recursive(
        st.one_of(st.none(), st.text(max_size=5), st.integers(), st.sampled_from(["red", "cat", "object"])),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
        max_leaves=6,
    ),
)
STRANGE_ROWS = st.fixed_dictionaries({}, optional=dict.fromkeys(COLUMNS, CELLS))


@settings(max_examples=300)
@given(STRANGE_ROWS)
def test_no_row_breaks_the_reader(cells: dict[str, Any]) -> None:
    found = HalcapReader(Notes(), Problems(Path("f.jsonl"))).read(Row(1, cells))
    if found is None:
        return
    marks = found.marks
    assert found.text == found.text.strip() != ""
    assert marks.label is Label.INCORRECT or not (marks.error_types or marks.spans)
    for span in marks.spans:
        assert 0 <= span.start < span.end <= len(found.text)
        assert span.error_type in marks.error_types


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STRANGE_ROWS, max_size=8))
def test_any_file_is_refused_with_reasons_or_validates(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    file = write(tmp_path / "f.jsonl", [row(), *(row(**cells) for cells in rows)])
    try:
        import_halcap(file, None, tmp_path / "out", replace=True)
    except ImportFileError:
        return
    assert validate(tmp_path / "out") == []
