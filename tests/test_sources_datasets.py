from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alignbench.errors import RunError, UsageError
from alignbench.types import Image, Origin, Status
from generation.parts import image_source
from generation.protocols import Site, Unusable
from generation.sources import datasets_set
from generation.sources.datasets_set import DatasetsSource
from generation.sources.stream_draw import StreamDraw
from tests.awkward_pictures import encode, picture
from tests.hub_server import COMMIT, HubServer

ROOT = Path(__file__).resolve().parents[1]
PICTURES = [encode(picture(number)) for number in range(60)]

SESSION = """
import sys
from pathlib import Path
from generation.protocols import Site
from generation.sources import datasets_set
datasets_set._EVERY = 4
folder = Path(sys.argv[1])
source = datasets_set.DatasetsSource.from_options(Site(folder, folder / "site"), path="set")
print("ready", flush=True)
list(source.images(20, 3))
"""


def write(folder: Path, cells: Sequence[Any], split: str = "train", **columns: Any) -> None:
    """A set as `push_to_hub` leaves it: parquet with the Image feature."""
    folder.mkdir(exist_ok=True)
    kinds = {"image": datasets.Image(), **{column: feature for column, (feature, _) in columns.items()}}
    content = {"image": cells, **{column: said for column, (_, said) in columns.items()}}
    schema = datasets.Features(kinds).arrow_schema
    table = pa.table({column: pa.array(said, schema.field(column).type) for column, said in content.items()}, schema)
    pq.write_table(table, folder / f"{split}-00000-of-00001.parquet", row_group_size=5)


def hub(numbers: Sequence[int]) -> list[dict[str, Any]]:
    return [{"bytes": PICTURES[number], "path": f"{number}.png"} for number in numbers]


def source_of(folder: Path, path: str = "set", site: str = "site", **options: Any) -> DatasetsSource:
    return DatasetsSource.from_options(Site(folder, folder / site), path=path, **options)


def images_of(outcomes: Sequence[Image | Unusable]) -> list[Image]:
    return [each for each in outcomes if isinstance(each, Image)]


def numbers_of(outcomes: Sequence[Image | Unusable]) -> list[int]:
    return [PICTURES.index(image.bytes or b"") for image in images_of(outcomes)]


def test_rows_come_with_what_they_say(tmp_path: Path) -> None:
    topics = datasets.ClassLabel(names=["Food", "Sport"])
    said = {"topic": (topics, [1, 0]), "rights": (datasets.Value("string"), ["CC0-1.0", None])}
    write(tmp_path / "set", hub([0, 1]), **said)
    found = list(source_of(tmp_path, domain_column="topic", licence_column="rights", licence="none").images(None, 0))
    first, second = images_of(found)
    assert first.bytes == PICTURES[0] and first.image_key == first.sha256
    assert (first.source, first.licence, first.origin) == ("set", "CC0-1.0", Origin.REAL)
    assert first.provenance == {"set": "set", "split": "train", "row": 1, "path": "0.png", "domain": "Sport"}
    assert second.licence == "none" and second.provenance["domain"] == "Food"


def test_another_split_and_plain_bytes(tmp_path: Path) -> None:
    write(tmp_path / "set", hub([0]))
    write(tmp_path / "set", hub([1]), split="test")
    assert numbers_of(list(source_of(tmp_path, split="test").images(None, 0))) == [1]
    (tmp_path / "plain").mkdir()
    pq.write_table(pa.table({"picture": pa.array(PICTURES[:3], pa.binary())}), tmp_path / "plain/train.parquet")
    assert numbers_of(list(source_of(tmp_path, "plain", image_column="picture").images(None, 0))) == [0, 1, 2]


def test_every_row_ends_as_an_image_or_a_status(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(PICTURES[9])
    cells = [*hub([0]), {"bytes": None, "path": str(secret)}, None, {"bytes": b"<html>", "path": None}, *hub([0, 1])]
    write(tmp_path / "set", cells)
    outcomes = list(source_of(tmp_path).images(None, 0))
    assert numbers_of(outcomes) == [0, 1] and len(outcomes) == 6
    found = {each.name: (each.status, each.reason) for each in outcomes if isinstance(each, Unusable)}
    for row, (kind, words) in {
        2: (Status.IMAGE_MISSING, "not opened"),
        3: (Status.IMAGE_MISSING, "no bytes"),
        4: (Status.IMAGE_UNREADABLE, "not a whole image"),
        5: (Status.FILTERED, "the same bytes as set train row 1"),
    }.items():
        assert found[f"set train row {row}"][0] is kind and words in found[f"set train row {row}"][1]


def test_a_folder_of_image_files_is_sent_to_the_other_source(tmp_path: Path) -> None:
    (tmp_path / "set/train").mkdir(parents=True)
    (tmp_path / "set/train/a.png").write_bytes(PICTURES[0])
    (outcome,) = source_of(tmp_path).images(None, 0)
    assert isinstance(outcome, Unusable) and "source: folder" in outcome.reason


def test_a_draw_is_the_same_for_a_seed(tmp_path: Path) -> None:
    write(tmp_path / "set", hub(range(60)))
    drawn = [numbers_of(list(source_of(tmp_path, site=f"site-{seed}").images(8, seed))) for seed in range(4)]
    assert [numbers_of(list(source_of(tmp_path, site=f"other-{seed}").images(8, seed))) for seed in range(4)] == drawn
    assert len({tuple(numbers) for numbers in drawn}) == 4 and all(len(set(numbers)) == 8 for numbers in drawn)
    assert numbers_of(list(source_of(tmp_path, site="site-1").images(20, 0)))[:8] == drawn[0]
    kept = list((tmp_path / "site-0").glob("drawn-*/*"))
    assert len(kept) == 8, "the bytes of what was drawn for a while are gone"


def oracle(rows: list[bytes], count: int, seed: int) -> list[tuple[str, int]]:
    """The draw with everything in memory: what becomes of which row, in order."""
    draw, seen, said = StreamDraw(Path(), count, seed), set(), []
    images = 0
    for row in sorted(range(len(rows)), key=draw._place):
        if images == count:
            break
        kind = "unusable" if rows[row] == b"x" else "copy" if rows[row] in seen else "image"
        images += kind == "image"
        seen.add(rows[row])
        said.append((kind, row))
    return said


@pytest.mark.parametrize("seed", range(8))
def test_one_pass_draws_what_a_draw_in_memory_would(tmp_path: Path, seed: int) -> None:
    rows = [b"x" if number % 5 == 0 else PICTURES[number % 23] for number in range(70)]
    write(tmp_path / "set", [{"bytes": content, "path": None} for content in rows])
    for count in (1, 7, 18, 40):
        outcomes = source_of(tmp_path, site=f"site-{count}").images(count, seed)
        said = []
        for each in outcomes:
            if isinstance(each, Image):
                said.append(("image", each.provenance["row"] - 1))
            else:
                kind = "copy" if each.status is Status.FILTERED else "unusable"
                said.append((kind, int(each.name.split(" ")[-1]) - 1))
        assert said == oracle(rows, count, seed)


def notes_in(site: Path) -> bytes:
    return b"".join(path.read_bytes() for path in site.glob("drawn-*.jsonl"))


def test_a_killed_session_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [PICTURES[number % 50] for number in range(240)]
    write(tmp_path / "set", [{"bytes": content, "path": None} for content in rows])
    whole = list(source_of(tmp_path, site="whole").images(20, 3))
    session = subprocess.Popen(
        [sys.executable, "-c", SESSION, str(tmp_path)], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    while session.poll() is None and notes_in(tmp_path / "site").count(b'"passed"') < 5:
        time.sleep(0.001)
    session.send_signal(signal.SIGKILL)
    _, said = session.communicate()
    assert session.returncode == -signal.SIGKILL, said
    assert b'"whole":true' not in notes_in(tmp_path / "site")
    looked: list[int] = []
    look = DatasetsSource._look
    monkeypatch.setattr(DatasetsSource, "_look", lambda self, row, *rest: looked.append(row) or look(self, row, *rest))
    assert list(source_of(tmp_path).images(20, 3)) == whole
    assert min(looked, default=240) >= 20, "the rows of the first five notes are not looked at again"
    looked.clear()
    monkeypatch.setattr(datasets_set.DatasetsSource, "_stream", None)
    assert list(source_of(tmp_path).images(20, 3)) == whole and not looked, "nor is a whole set streamed again"


def test_bytes_that_were_damaged_meanwhile_are_told(tmp_path: Path) -> None:
    write(tmp_path / "set", hub(range(3)))
    list(source_of(tmp_path).images(None, 0))
    file = next((tmp_path / "site").glob("drawn-*/*"))
    file.write_bytes(b"other")
    with pytest.raises(RunError, match="is damaged"):
        list(source_of(tmp_path).images(None, 0))
    file.unlink()
    with pytest.raises(RunError, match="is gone"):
        list(source_of(tmp_path).images(None, 0))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"path": "no/such/folder"}, "no folder no/such/folder"),
        ({"path": "../elsewhere"}, "no id on the Hub"),
        ({"path": "set", "revision": "main"}, "has no revision"),
        ({"path": "set", "split": ""}, "'split' is a text"),
        ({"path": "set", "max_bytes": "x"}, "'max_bytes'"),
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    write(tmp_path / "set", hub([0]))
    with pytest.raises(UsageError, match=words):
        image_source("datasets", Site(tmp_path, tmp_path / "site"), options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"split": "nowhere"}, "cannot be opened.*nowhere"),
        ({"name": "other"}, "cannot be opened.*other"),
        ({"image_column": "picture"}, "no column.*'picture'.*image_column"),
        ({"image_column": "topic"}, "holds.*no images"),
        ({"path": "org/set"}, "cannot be opened: Couldn't reach"),
    ],
)
def test_a_set_that_has_not_what_is_wanted_is_told(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    write(tmp_path / "set", hub([0]), topic=(datasets.Value("string"), ["Food"]))
    with pytest.raises(UsageError, match=words):
        list(source_of(tmp_path, **options).images(None, 0))


# The library reads the address of the Hub when it is imported, hence a process of its own.
FROM_HUB = """
import json, sys
from pathlib import Path
from generation.protocols import Site
from generation.sources.datasets_set import DatasetsSource
folder = Path(sys.argv[1])
source = DatasetsSource.from_options(Site(folder, folder / "site"), path="org/set", revision="v1", licence="CC0-1.0")
images = list(source.images(4, 0))
print(json.dumps([[image.sha256, image.source, dict(image.provenance)] for image in images]))
"""


def test_a_set_on_the_hub_is_streamed_at_the_commit_that_is_recorded(tmp_path: Path) -> None:
    write(tmp_path / "set", hub(range(30)))
    (tmp_path / "org/set").mkdir(parents=True)  # a folder in the current directory is not mistaken for it
    with HubServer(next((tmp_path / "set").iterdir()).read_bytes()) as server:
        said = {"HF_ENDPOINT": server.url, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "home")}
        done = subprocess.run(
            [sys.executable, "-c", FROM_HUB, str(tmp_path / "recipes")],
            cwd=tmp_path,
            env={**os.environ, **said, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert any(f"/resolve/{COMMIT}/data/" in path for path in server.paths), "pinned before it is read"
    rows = json.loads(done.stdout)
    drawn = images_of(list(source_of(tmp_path).images(4, 0)))
    assert [row[0] for row in rows] == [image.sha256 for image in drawn], "the same draw as of a local copy"
    assert {row[1] for row in rows} == {"org/set"}
    assert all(row[2]["revision"] == COMMIT and row[2]["set"] == "org/set" for row in rows)
