"""A Hub folder is read by the libraries that people have: datasets, pandas, polars, DuckDB, pyarrow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
from PIL import Image as Pillow

from alignbench import schema
from alignbench.decode import decode
from alignbench.labelling.record import record_events
from alignbench.publish.back.restore import restore
from alignbench.publish.folder import layout
from alignbench.publish.folder.features import TABLES, published_schema, yaml_features
from alignbench.publish.folder.front_matter import front_matter
from alignbench.store import Dataset
from alignbench.types import Label
from tests.datasets import make_dataset
from tests.hub_folders import TWO, event, judge_it, make_labelled, publish

Cells = Counter[tuple[str, str | None]]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_labelled(tmp_path_factory.mktemp("source") / "mixed")


@pytest.fixture(scope="module")
def hub(source: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("hub")
    publish(source, home / "two", judge_it(source, home / "runs"), TWO)
    return home / "two"


def loaded(hub: Path, config: str, tmp_path: Path) -> datasets.DatasetDict:
    return datasets.load_dataset(str(hub), config, cache_dir=str(tmp_path / "cache"))


def cells_of(dataset: Dataset) -> Cells:
    """Producer and label of every sentence, counted from the dataset itself."""
    producer = {pair.pair_id: pair.producer.name for pair in dataset.pairs()}
    return Counter((producer[each.pair_id], each.label and str(each.label)) for each in dataset.sentences())


def files(hub: Path, config: str) -> list[str]:
    return [str(shard.path) for shard in layout.shards(hub, config)]


# datasets


def test_every_image_comes_back_byte_by_byte_and_as_a_picture(hub: Path, source: Dataset, tmp_path: Path) -> None:
    found = loaded(hub, "pairs", tmp_path)
    known = {image.image_key: image for image in source.images()}
    seen = 0
    for split in found.values():
        raw = split.cast_column("image", datasets.Image(decode=False))
        for row, kept in zip(split, raw, strict=True):
            image = known[row["image_key"]]
            assert (kept["image"] and kept["image"]["bytes"]) == image.bytes
            assert (row["image_sha256"], row["width"], row["height"]) == (image.sha256, image.width, image.height)
            if image.bytes is None:
                assert row["image"] is None
                continue
            assert isinstance(row["image"], Pillow.Image)
            assert row["image"].convert("RGB").tobytes() == decode(image.bytes).tobytes()
            seen += 1
    assert seen == 8  # two of the ten pairs are of the missing picture


def test_pairs_sentences_and_events_come_back(hub: Path, source: Dataset, tmp_path: Path) -> None:
    rows = {config: _rows(loaded(hub, config, tmp_path)) for config in ("pairs", "sentences", "labels")}
    pairs = {row["pair_id"]: row for row in rows["pairs"]}
    for pair in schema.pairs_to_table(source.pairs()).to_pylist():
        assert {name: pairs[pair["pair_id"]][name] for name in pair} == pair
    sentences = {row["sentence_id"]: row for row in rows["sentences"]}
    assert len(sentences) == source.counts["sentences"]
    for sentence in schema.sentences_to_table(source.sentences()).to_pylist():
        found = sentences[sentence["sentence_id"]]
        assert {name: found[name] for name in sentence} == sentence
        assert found["producer"] == pairs[sentence["pair_id"]]["producer"]["name"]
        assert found["cluster_id"] == pairs[sentence["pair_id"]]["cluster_id"]
    ordered = sorted(rows["labels"], key=lambda row: row["event_row"])
    events = schema.events_to_table(source.label_events()).to_pylist()
    assert [{name: row[name] for name in event} for row, event in zip(ordered, events, strict=True)] == events


def test_judgments_come_back_with_the_judges_name(hub: Path, source: Dataset, tmp_path: Path) -> None:
    rows = _rows(loaded(hub, "judgments", tmp_path))
    for run in (hub.parent / "runs").iterdir():
        stored = pq.read_table(run / "judgments.parquet").to_pylist()
        mine = {row["sentence_id"]: row for row in rows if row["judge_id"] == stored[0]["judge_id"]}
        assert [{name: mine[row["sentence_id"]][name] for name in row} for row in stored] == stored
    assert {row["judge"] for row in rows} == {"keen", "dull"}
    assert len(rows) == 2 * source.counts["sentences"]


def test_the_splits_are_those_that_the_card_counts(hub: Path, tmp_path: Path) -> None:
    said = {told["config_name"]: told for told in front_matter(hub)["dataset_info"]}
    assert list(said) == ["pairs", "sentences", "judgments", "labels"]
    for config, told in said.items():
        found = loaded(hub, config, tmp_path)  # which refuses other numbers of rows than the card says
        assert {split["name"]: split["num_examples"] for split in told["splits"]} == found.num_rows
        assert set(found.num_rows) == {"validation", "test"}
        assert datasets.Features._from_yaml_list(yaml_features(config)) == found["test"].features


def test_pairs_are_what_loads_without_a_name(hub: Path, tmp_path: Path) -> None:
    found = datasets.load_dataset(str(hub), cache_dir=str(tmp_path / "cache"))
    assert "image" in found["test"].features
    assert sorted(datasets.get_dataset_config_names(str(hub))) == ["judgments", "labels", "pairs", "sentences"]


def test_rows_stream(hub: Path) -> None:
    rows = list(datasets.load_dataset(str(hub), "pairs", split="test", streaming=True))
    assert [row["pair_row"] for row in rows] == sorted(row["pair_row"] for row in rows)


def test_a_split_without_events_is_not_told_of(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "unlabelled", images=5, labelled=False)
    record_events(dataset.path, [event(dataset, 0, "ann", Label.CORRECT, 0)])
    built = publish(Dataset.open(dataset.path), tmp_path / "hub", splits=TWO)
    assert sorted(built.rows["labels"].values()) == [0, 1]
    [(split, _)] = [(split, rows) for split, rows in built.rows["labels"].items() if rows]
    assert loaded(tmp_path / "hub", "labels", tmp_path).num_rows == {split: 1}
    restored = restore(tmp_path / "hub", tmp_path / "back")
    assert [each.annotator for each in restored.label_events()] == ["ann"]


@pytest.mark.parametrize("config", layout.CONFIGS)
def test_features_are_said_as_the_library_says_them(config: str) -> None:
    found = datasets.Features.from_arrow_schema(published_schema(config))
    assert found._to_yaml_list() == yaml_features(config)
    assert found.arrow_schema.names == TABLES[config].names
    assert [name for name, kind in found.items() if isinstance(kind, datasets.Image)] == ["image"] * (config == "pairs")


def _rows(found: datasets.DatasetDict) -> list[dict[str, Any]]:
    return [row for split in found.values() for row in split]


# pandas, polars, DuckDB, pyarrow


def test_pandas_counts_what_the_dataset_counts(hub: Path, source: Dataset) -> None:
    sentences = pd.concat([pd.read_parquet(path) for path in files(hub, "sentences")])
    counted = sentences.groupby(["producer", "label"], dropna=False).size()
    assert {(who, label): number for (who, label), number in counted.items()} == dict(cells_of(source))
    pairs = pd.concat([pd.read_parquet(path) for path in files(hub, "pairs")])
    sizes = {image.image_key: image.bytes for image in source.images()}
    assert all((row.image and row.image["bytes"]) == sizes[row.image_key] for row in pairs.itertuples())


def test_polars_counts_what_the_dataset_counts(hub: Path, source: Dataset) -> None:
    sentences = pl.read_parquet(f"{hub}/data/sentences/*.parquet")
    counted = sentences.group_by("producer", "label").len()
    assert {(who, label): number for who, label, number in counted.rows()} == dict(cells_of(source))
    pairs = pl.read_parquet(f"{hub}/data/pairs/*.parquet")
    sizes = {image.image_key: image.bytes for image in source.images()}
    shown = pairs.select("image_key", pl.col("image").struct.field("bytes")).rows()
    assert all(encoded == sizes[key] for key, encoded in shown)


def test_duckdb_counts_what_the_dataset_counts(hub: Path, source: Dataset) -> None:
    path = f"{hub}/data/sentences/*.parquet"
    counted = duckdb.sql(f"select producer, label, count(*) from '{path}' group by all").fetchall()
    assert {(who, label): number for who, label, number in counted} == dict(cells_of(source))
    joined = duckdb.sql(
        f"select s.text, substr(p.caption, s.start + 1, s.\"end\" - s.start) from '{path}' s "
        f"join '{hub}/data/pairs/*.parquet' p using (pair_id)"
    ).fetchall()
    assert len(joined) == source.counts["sentences"] and all(said == cut for said, cut in joined)
    bytes_of = duckdb.sql(f"select image_key, image.bytes from '{hub}/data/pairs/*.parquet'").fetchall()
    sizes = {image.image_key: image.bytes for image in source.images()}
    assert all(encoded == sizes[key] for key, encoded in bytes_of)


@pytest.mark.parametrize("config", layout.CONFIGS)
def test_every_file_is_read_whole_by_all_of_them(hub: Path, config: str) -> None:
    for path in files(hub, config):
        rows = pq.read_table(path, page_checksum_verification=True).num_rows
        assert len(pd.read_parquet(path)) == len(pl.read_parquet(path)) == rows
        assert duckdb.sql(f"select count(*) from '{path}'").fetchall() == [(rows,)]
