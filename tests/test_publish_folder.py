"""The Hub folder: what is in it, how its parquet lies, and that nothing in it says more than it should."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignbench.errors import DatasetError, PublishError, RunError, StorageError
from alignbench.evaluate import evaluate
from alignbench.parquet import GROUP_BYTES, IMAGES_PER_GROUP
from alignbench.publish.folder import layout, row_groups, tables
from alignbench.publish.folder.build import build_data
from alignbench.publish.folder.front_matter import front_matter
from alignbench.publish.folder.pair_files import neutral_name
from alignbench.publish.folder.row_groups import Place, RowGroups
from alignbench.publish.folder.seal import ChecksumFault, checksum_faults, seal_folder
from alignbench.publish.folder.splits import assign
from alignbench.store import Dataset, DatasetWriter
from alignbench.types import Image, ModelRef
from tests.awkward_pictures import encode, picture
from tests.datasets import PRODUCERS, make_dataset, make_image, make_noise, make_pair, tree, write
from tests.hub_folders import TWO, Plan, judge_it, make_labelled, make_mixed, plain_json, publish
from tests.planted_runs import scores_for, write_run

TEXTS = {"README.md", "dataset.json", "annotation_guidelines.md", "error_types.md"}


def footers(folder: Path, config: str) -> list[pq.FileMetaData]:
    return [pq.read_metadata(shard.path) for shard in layout.shards(folder, config)]


def rows(folder: Path, config: str, split: str) -> pa.Table:
    return pa.concat_tables(pq.read_table(path) for path in layout.split_files(folder, config, split))


def noisy(folder: Path, sizes: list[int], order: list[int] | None = None) -> Dataset:
    """A pair of each producer for each noisy image; the pairs come in `order`, by default image by image."""
    images = [make_noise(number, size) for number, size in enumerate(sizes)]
    pairs = [make_pair(image, producer, place) for place, image in enumerate(images) for producer in PRODUCERS]
    chosen = pairs if order is None else [pairs[place] for place in order]
    return write(folder, *images, *chosen)


# What is there


def test_without_runs_there_is_nothing_of_judges(dataset: Dataset, tmp_path: Path) -> None:
    built = publish(dataset, tmp_path / "hub")
    data = {"data/pairs/test-00000-of-00001.parquet", "data/sentences/test-00000-of-00001.parquet"}
    assert set(tree(tmp_path / "hub")) == TEXTS | data
    assert built.rows == {"pairs": {"test": 8}, "sentences": {"test": 24}}
    assert built.results is None and layout.configs_in(built.folder) == ["pairs", "sentences"]
    header = plain_json(tmp_path / "hub" / "dataset.json")
    splits = {"test": {"share": 1.0, "pairs": 8, "sentences": 24}}
    assert header.pop("publication") == {"layout": 1, "split_seed": 0, "splits": splits}
    assert header == plain_json(dataset.path / "dataset.json")


def test_with_runs_and_events_everything_is_there(tmp_path: Path) -> None:
    dataset = make_labelled(tmp_path / "mixed")
    runs = judge_it(dataset, tmp_path / "runs")
    (tmp_path / "hub").mkdir()
    built = build_data(dataset, runs, Plan(TWO), tmp_path / "hub", said="title: ü\n", seed=7, replicates=50)
    assert set(layout.configs_in(built.folder)) == set(layout.CONFIGS)
    assert layout.splits_in(built.folder) == ["test", "validation"]
    assert (built.folder / layout.PUBLICATION).read_bytes() == "title: ü\n".encode()
    assert (
        sum(built.rows["judgments"].values()) == 60 and sum(built.rows["labels"].values()) == dataset.labels["events"]
    )
    results = plain_json(built.folder / layout.RESULTS)
    assert results == json.loads(json.dumps(built.results)) and (results["seed"], results["replicates"]) == (7, 50)
    assert results == json.loads(json.dumps(evaluate(dataset, runs, seed=7, replicates=50)))


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    dataset = make_labelled(tmp_path / "mixed")
    runs = judge_it(dataset, tmp_path / "runs")
    publish(dataset, tmp_path / "one", runs, TWO)
    publish(dataset, tmp_path / "two", runs, TWO)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_a_folder_with_something_in_it_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "mine.txt").touch()
    for folder in (tmp_path / "hub", tmp_path / "none"):
        with pytest.raises(PublishError, match="not an empty folder"):
            build_data(dataset, None, Plan({"test": 1.0}), folder)
    assert tree(tmp_path / "hub") == {"mine.txt": b""}


@pytest.mark.parametrize("table", ["images/part-00000", "pairs", "sentences"])
def test_a_damaged_dataset_is_said_to_be_damaged(dataset: Dataset, tmp_path: Path, table: str) -> None:
    path = dataset.path / f"{table}.parquet"
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(30)  # in the first page of data
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="cannot be read"):
        publish(dataset, tmp_path / "hub")


def test_a_disk_that_is_full_is_said_to_be_full(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(tables.SplitFiles, "add_group", full)
    with pytest.raises(StorageError, match="No space left"):
        publish(dataset, tmp_path / "hub")


# Runs


def test_what_is_not_published_leaves_no_trace(dataset: Dataset, tmp_path: Path) -> None:
    runs = judge_it(dataset, tmp_path / "runs")
    before = publish(dataset, tmp_path / "before", runs)
    unfinished = write_run(runs, dataset, "late", scores_for(dataset, 1.0))
    (unfinished / "judgments.parquet").unlink()
    other = make_dataset(tmp_path / "other", images=3, name="other")
    write_run(runs, other, "keen", scores_for(other, 1.0))
    after = publish(dataset, tmp_path / "after", runs)
    assert tree(after.folder) == tree(before.folder)
    assert list(after.refused) == [unfinished.name] and before.refused == {}
    assert str(tmp_path).encode() not in b"".join(tree(after.folder).values())


def test_of_where_a_judge_ran_only_what_is_known_to_be_harmless_is_told(dataset: Dataset, tmp_path: Path) -> None:
    run = write_run(tmp_path / "runs", dataset, "keen", scores_for(dataset, 1.0))
    said = plain_json(run / "run.json")
    home = {"endpoint": "http://gpu-17.lab.internal:8000/v1", "scratch": "/home/ann", "torch": "2.15.0"}
    (run / "run.json").write_text(json.dumps(said | {"environment": home}))
    publish(dataset, tmp_path / "hub", tmp_path / "runs")
    [told] = json.loads((tmp_path / "hub" / "judges.json").read_text())["runs"]
    assert told == said | {"environment": {"torch": "2.15.0"}, "name": "keen"}


def test_judgments_out_of_order_are_published_in_the_order_of_the_sentences(dataset: Dataset, tmp_path: Path) -> None:
    for folder in ("kept", "mixed"):
        run = write_run(tmp_path / folder, dataset, "keen", scores_for(dataset, 1.0))
        if folder == "mixed":
            table = pq.read_table(run / "judgments.parquet")
            pq.write_table(table.take(np.random.default_rng(0).permutation(len(table))), run / "judgments.parquet")
        publish(dataset, tmp_path / f"hub-{folder}", tmp_path / folder)
    assert tree(tmp_path / "hub-kept") == tree(tmp_path / "hub-mixed")


def test_judges_of_one_name_are_told_apart(dataset: Dataset, tmp_path: Path) -> None:
    for option in ("a", "b"):
        write_run(tmp_path / "runs", dataset, "keen", scores_for(dataset, 1.0), options={"which": option})
    publish(dataset, tmp_path / "hub", tmp_path / "runs")
    names = rows(tmp_path / "hub", "judgments", "test")["judge"].to_pylist()
    assert len(set(names)) == 2 and set(Counter(names).values()) == {24}
    assert {run["name"] for run in json.loads((tmp_path / "hub/judges.json").read_text())["runs"]} == set(names)


def test_no_run_at_all_is_an_error(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run of"):
        publish(dataset, tmp_path / "hub", tmp_path / "runs")


# Images


def test_the_name_of_an_image_tells_its_format_alone(tmp_path: Path) -> None:
    shown = {kind: neutral_name("0" * 64, encode(picture(1), kind)) for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF")}
    assert shown == {kind: "0" * 16 + f".{kind.lower().replace('jpeg', 'jpg')}" for kind in shown}
    assert neutral_name("0" * 64, encode(picture(1), "BMP")).endswith(".bmp")
    assert neutral_name("0" * 64, b"noise") == "0" * 16
    dataset = make_dataset(tmp_path / "named", producers=[ModelRef("gpt-secret")])
    publish(dataset, tmp_path / "hub")
    paths = [image["path"] for image in rows(tmp_path / "hub", "pairs", "test")["image"].to_pylist()]
    assert paths == [f"{image.sha256[:16]}.png" for image in dataset.images() if image.sha256]


def test_a_missing_image_is_null_and_keeps_its_place(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "tiny", missing=[1])
    publish(dataset, tmp_path / "hub")
    pairs = rows(tmp_path / "hub", "pairs", "test").to_pylist()
    assert [row["image"] is None for row in pairs] == [False, False, True, True, False, False, False, False]
    assert [row["image_row"] for row in pairs] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert [row["pair_row"] for row in pairs] == list(range(8))


@pytest.mark.parametrize("order", [None, [0, 2, 4, 6, 8, 1, 3, 5, 7, 9], [9, 0, 5, 3, 8, 1, 2, 7, 6, 4]])
def test_pairs_in_any_order_have_their_images(tmp_path: Path, order: list[int] | None) -> None:
    dataset = noisy(tmp_path / "noisy", [1000, 20, 3000, 40, 5], order)
    publish(dataset, tmp_path / "hub")
    known = {image.image_key: image.bytes for image in dataset.images()}
    found = rows(tmp_path / "hub", "pairs", "test").to_pylist()
    assert [row["image"]["bytes"] for row in found] == [known[row["image_key"]] for row in found]
    assert [row["pair_id"] for row in found] == [pair.pair_id for pair in dataset.pairs()]


# How the parquet lies


def test_row_groups_are_small_enough_for_the_viewer(tmp_path: Path) -> None:
    sizes = [10] * 70 + [6_000_000] * 3 + [GROUP_BYTES + 1_000_000] + [10] * 3
    dataset = noisy(tmp_path / "noisy", sizes)
    publish(dataset, tmp_path / "hub")
    groups = [
        footer.row_group(place)
        for footer in footers(tmp_path / "hub", "pairs")
        for place in range(footer.num_row_groups)
    ]
    counts = [group.num_rows for group in groups]
    images = [group.column(0).total_uncompressed_size for group in groups]
    assert sum(counts) == 2 * len(sizes) and max(counts) == IMAGES_PER_GROUP
    assert all(size < GROUP_BYTES * 1.01 or count == 1 for size, count in zip(images, counts, strict=True))
    assert groups[0].column(0).path_in_schema == "image.bytes"


def test_bytes_of_images_are_stored_plain_and_all_pages_have_an_index_and_a_checksum(tmp_path: Path) -> None:
    publish(make_mixed(tmp_path / "mixed"), tmp_path / "hub")
    [footer] = footers(tmp_path / "hub", "pairs")
    group = footer.row_group(0)
    for place in range(group.num_columns):
        column = group.column(place)
        is_image = column.path_in_schema == "image.bytes"
        assert column.compression == ("UNCOMPRESSED" if is_image else "ZSTD")
        assert column.is_stats_set != is_image and column.has_offset_index
        assert ("RLE_DICTIONARY" in column.encodings) != is_image
    assert json.loads(footer.metadata[b"content_defined_chunking"])["max_chunk_size"] == 1 << 20
    assert b'"image": {"_type": "Image"}' in footer.metadata[b"huggingface"]


def test_images_lie_in_the_file_as_they_are(tmp_path: Path) -> None:
    """So that what stores files in chunks cut by content stores an image of another version once."""
    dataset = noisy(tmp_path / "noisy", [10, 150_000, 1_500_000])
    publish(dataset, tmp_path / "hub")
    [shard] = layout.shards(tmp_path / "hub", "pairs")
    content = shard.path.read_bytes()
    assert all(image.bytes is not None and content.count(image.bytes) == 2 for image in dataset.images())


def test_large_splits_are_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "SHARD_BYTES", 2_000)
    monkeypatch.setattr(tables, "ROWS_PER_GROUP", 8)
    dataset = noisy(tmp_path / "noisy", [GROUP_BYTES + number for number in range(3)])
    publish(dataset, tmp_path / "hub")
    shards = layout.shards(tmp_path / "hub", "pairs")
    assert [shard.number for shard in shards] == list(range(6)) and {shard.count for shard in shards} == {6}
    assert len(layout.shards(tmp_path / "hub", "sentences")) > 1
    assert not list((tmp_path / "hub").rglob("*.partial"))
    said = front_matter(tmp_path / "hub")["dataset_info"]
    assert [told["splits"][0]["num_examples"] for told in said] == [6, 18]
    assert said[0]["dataset_size"] > 6 * GROUP_BYTES


def test_long_texts_make_small_row_groups(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "tiny", images=6)
    run = write_run(tmp_path / "runs", dataset, "keen", scores_for(dataset, 1.0))
    table = pq.read_table(run / "judgments.parquet").to_pylist()
    for number, row in enumerate(table):
        row["raw"] = json.dumps({"said": chr(97 + number % 26) * 1_500_000})
    pq.write_table(
        pa.Table.from_pylist(table, schema=pq.read_schema(run / "judgments.parquet")), run / "judgments.parquet"
    )
    publish(dataset, tmp_path / "hub", tmp_path / "runs")
    [footer] = footers(tmp_path / "hub", "judgments")
    assert footer.num_row_groups == 4 and footer.num_rows == 36


def test_memory_does_not_grow_with_the_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_groups, "CACHE_BYTES", 4_000_000)
    held = {}
    for images in (16, 48):
        dataset = noisy(tmp_path / f"noisy-{images}", [1_000_000] * images)
        before, peaks = pa.total_allocated_bytes(), [0]
        add = tables.SplitFiles.add_group

        def watched(self: tables.SplitFiles, group: pa.Table, size: int) -> None:
            peaks[0] = max(peaks[0], pa.total_allocated_bytes() - before)  # noqa: B023 - used in this turn alone
            add(self, group, size)  # noqa: B023

        with monkeypatch.context() as patch:
            patch.setattr(tables.SplitFiles, "add_group", watched)
            publish(dataset, tmp_path / f"hub-{images}")
        held[images] = peaks[0]
    assert held[48] < 2.5 * GROUP_BYTES and held[48] < 1.3 * held[16]


def test_row_groups_are_dropped_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"n": range(100), "m": range(100)}), path, row_group_size=10)
    monkeypatch.setattr(row_groups, "CACHE_BYTES", 500)
    groups = RowGroups([path], ["n"])
    for place in [3, 99, 50, 3, 4, 99, 0, 12]:
        assert groups.row(Place(0, place // 10, place % 10)).to_pylist() == [{"n": place}]


# Splits


def test_no_split_tells_of_another(tmp_path: Path) -> None:
    dataset = make_mixed(tmp_path / "mixed", images=40)
    split_of = assign(dataset, {"a": 0.3, "b": 0.3, "c": 0.4})
    places = defaultdict(set)
    for pair, number in zip(dataset.pairs(), split_of, strict=True):
        for what in (pair.cluster_id, f"caption {pair.caption}", f"image {pair.image_key}"):
            places[what].add(int(number))
    assert all(len(numbers) == 1 for numbers in places.values())
    assert Counter(split_of.tolist()).keys() == {0, 1, 2}


def test_clusters_that_share_bytes_or_a_caption_stay_together(tmp_path: Path) -> None:
    images: list[Image] = [make_image(number) for number in range(60)]
    twin = replace(images[1], image_key="twin of 1")
    pairs = [make_pair(image, PRODUCERS[0], number) for number, image in enumerate(images)]
    of_twin = make_pair(twin, PRODUCERS[0], 100)
    pair, sentences = make_pair(images[4], PRODUCERS[1], 3)  # with the caption of the pair of image 3
    dataset = write(tmp_path / "linked", *images, twin, *pairs, of_twin, (pair, sentences))
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        split_of = assign(dataset, {"a": share, "b": 1 - share}).tolist()
        assert split_of[1] == split_of[60] and split_of[3] == split_of[4] == split_of[61]


@settings(max_examples=15, deadline=None)
@given(share=st.floats(0.2, 0.8), images=st.integers(30, 60))
def test_pairs_that_are_added_leave_the_others_in_their_splits(
    share: float, images: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("grown")
    before = assign(make_mixed(home / "before", images), {"a": share, "b": 1 - share})
    after = assign(make_mixed(home / "after", images + 5), {"a": share, "b": 1 - share})
    assert before[:images].tolist() == after[:images].tolist()


def test_a_split_that_would_be_empty_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="the split 'small' gets none of the 4 groups"):
        publish(dataset, tmp_path / "hub", splits={"small": 1e-9, "rest": 1 - 1e-9})


# Checksums


def test_sha256sum_reads_the_checksums(dataset: Dataset, tmp_path: Path) -> None:
    publish(dataset, tmp_path / "hub")
    seal_folder(tmp_path / "hub")
    assert checksum_faults(tmp_path / "hub") == []
    tool = shutil.which("sha256sum")
    if tool is None:
        pytest.skip("there is no sha256sum here")
    subprocess.run([tool, "-c", "--strict", "--quiet", layout.CHECKSUMS], cwd=tmp_path / "hub", check=True)


def test_files_that_are_changed_lost_or_added_are_named(dataset: Dataset, tmp_path: Path) -> None:
    hub = tmp_path / "hub"
    publish(dataset, hub)
    seal_folder(hub)
    first = (hub / layout.CHECKSUMS).read_bytes()
    seal_folder(hub)
    assert (hub / layout.CHECKSUMS).read_bytes() == first
    (hub / "README.md").write_text("other")
    (hub / "dataset.json").unlink()
    (hub / "data" / "more.txt").write_text("more")
    (hub / ".cache").mkdir()
    (hub / ".cache" / "hidden").write_text("not ours")
    faults = {fault.path: fault for fault in checksum_faults(hub)}
    assert list(faults) == ["README.md", "data/more.txt", "dataset.json"]
    assert faults["dataset.json"].found is None and faults["data/more.txt"].said is None
    assert isinstance(faults["README.md"], ChecksumFault) and faults["README.md"].said != faults["README.md"].found


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"no checksum\n"])
def test_a_list_of_checksums_that_is_none(dataset: Dataset, tmp_path: Path, content: bytes | None) -> None:
    publish(dataset, tmp_path / "hub")
    if content is not None:
        (tmp_path / "hub" / layout.CHECKSUMS).write_bytes(content)
    with pytest.raises(PublishError, match=layout.CHECKSUMS):
        checksum_faults(tmp_path / "hub")


def test_a_pair_without_sentences_is_published(tmp_path: Path) -> None:
    image = make_image(0)
    pair, sentences = make_pair(image, PRODUCERS[0], 0)
    with DatasetWriter(tmp_path / "bare", name="bare") as writer:
        writer.add_image(image)
        writer.add_pair(replace(pair, pair_id="empty"), [])
        writer.add_pair(pair, sentences)
    built = publish(Dataset.open(tmp_path / "bare"), tmp_path / "hub")
    assert built.rows == {"pairs": {"test": 2}, "sentences": {"test": 3}}
