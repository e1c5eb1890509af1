from __future__ import annotations

import ctypes
import ctypes.util
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignbench.decode import decode, measure
from alignbench.errors import ImageError, UsageError
from alignbench.types import Image, Origin, Status
from generation.parts import image_source
from generation.protocols import Site, Unusable
from generation.sources.draw import indices, rank
from generation.sources.enclosure import ClosedError, Enclosure
from generation.sources.folder import FolderSource
from generation.sources.names import shown
from tests.awkward_pictures import ALL, bad_files, bomb, build, encode, good_pictures, picture

ROOT = Path(__file__).resolve().parents[1]

# In a process of its own: what it opened, and how much memory it took at most above what it had at the start.
WALK = """
import json, sys
from pathlib import Path
from generation.protocols import Site
from generation.sources.folder import FolderSource
from alignbench.types import Image
import alignbench.decode, alignbench.store
from PIL import Image as Pillow
Pillow.init()

def kib(field):
    # Not ru_maxrss, which begins with what the process had from which this one was started.
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field))

opened = []
folder = Path(sys.argv[1])
source = FolderSource.from_options(Site(folder.parent, folder.parent / "site"), path=str(folder), name="own")
sys.addaudithook(lambda event, said: opened.append(str(said[0])) if event == "open" else None)
before, outcomes = kib("VmRSS:"), []
for outcome in source.images(None, 0):
    if isinstance(outcome, Image):
        outcomes.append([outcome.provenance["file"], "image", outcome.width, outcome.height])
    else:
        outcomes.append([outcome.name, str(outcome.status), outcome.reason, None])
print(json.dumps({"grown": kib("VmHWM:") - before, "outcomes": outcomes, "opened": opened}))
"""


@pytest.fixture(scope="module")
def awkward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path, dict[str, str]]]:
    base = tmp_path_factory.mktemp("awkward")
    sorts = build(base / "pictures", base / "outside")
    assert len(sorts) == ALL
    yield base / "pictures", base / "outside", sorts
    (base / "pictures/closed.png").chmod(0o600)


class Opens:
    """Tells every opening of a file in a folder by whatever process, as the kernel saw it (inotify)."""

    IN_OPEN, IN_ACCESS, IN_NONBLOCK = 0x20, 0x1, 0o4000

    def __init__(self, folder: Path) -> None:
        self._libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
        self._descriptor = self._libc.inotify_init1(self.IN_NONBLOCK)
        watch = self._libc.inotify_add_watch(self._descriptor, os.fsencode(folder), self.IN_OPEN | self.IN_ACCESS)
        assert self._descriptor >= 0 and watch >= 0

    def seen(self) -> bytes:
        try:
            return os.read(self._descriptor, 1 << 16)
        except BlockingIOError:
            return b""


def walk(folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", WALK, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_200_awkward_pictures_all_end_as_an_image_or_a_status(
    awkward: tuple[Path, Path, dict[str, str]],
) -> None:
    folder, outside, sorts = awkward
    opens = Opens(outside)
    said = walk(folder)
    assert opens.seen() == b"", "a file outside the folder was opened"
    found = {name: (kind, reason) for name, kind, reason, _ in said["outcomes"]}
    assert len(said["outcomes"]) == ALL
    assert set(found) == {shown(name) for name in sorts}
    for name, sort in sorts.items():
        kind, reason = found[shown(name)]
        if sort == "image" or (sort == "closed" and os.access(folder / name, os.R_OK)):
            assert kind == "image" or "same bytes" in reason, (name, kind, reason)
        elif sort == "copy":
            assert kind in ("image", "filtered"), (name, kind, reason)
        else:
            assert kind == "image_unreadable" and reason, (name, kind, reason)
    copies = sorted(name for name, (kind, _) in found.items() if kind == "filtered")
    assert len(copies) == 2
    assert 20 * 1024 < said["grown"] <= 300 * 1024, f"{said['grown']} KiB above the baseline"
    absolute = [path for path in said["opened"] if path.startswith("/") and not path.startswith(str(folder))]
    assert not [path for path in absolute if not any(own in path for own in ("site-packages", "/lib/python", "/proc/"))]


def test_a_watch_on_the_outside_does_tell(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    opens = Opens(tmp_path)
    assert opens.seen() == b""
    (tmp_path / "secret").read_text()
    assert opens.seen() != b""


def test_reasons_are_words(awkward: tuple[Path, Path, dict[str, str]]) -> None:
    folder, outside, _ = awkward
    outcomes = list(source_of(folder).images(None, 0))
    reasons = {each.name: each.reason for each in outcomes if isinstance(each, Unusable)}
    for name, words in {
        "bomb.png": "at most 64,000,000 pixels",
        "wide.png": "at most 64,000,000 pixels",
        "empty.png": "0 bytes are not a whole image",
        "text.heic": "none of these formats",
        "cut.png": "not a whole image",
        "out.png": "links are not followed",
        "out folder": "links are not followed",
        "pipe.png": "a FIFO, no regular file",
        "socket.png": "a socket",
        "float.tif": "numbers without a range",
    }.items():
        assert words in reasons[name], (name, reasons[name])
    assert not [name for name in reasons if "hidden" in name]
    assert not any(str(folder) in reason or str(outside) in reason for reason in reasons.values())


def test_what_is_measured_is_what_is_decoded() -> None:
    for name, encoded in {**good_pictures(), **bad_files()}.items():
        assert outcome(measure, encoded) == outcome(lambda given: decode(given).size, encoded), name


def outcome(read: Callable[[bytes], tuple[int, int]], encoded: bytes) -> tuple[int, int] | str:
    try:
        return read(encoded)
    except ImageError as error:
        return str(error)


def source_of(folder: Path, **options: Any) -> FolderSource:
    return FolderSource.from_options(Site(folder.parent, folder.parent / "site"), path=folder.name, **options)


def images_of(outcomes: Iterator[Image | Unusable]) -> list[Image]:
    return [each for each in outcomes if isinstance(each, Image)]


def files_of(outcomes: Iterator[Image | Unusable]) -> list[str]:
    return [each.provenance["file"] for each in images_of(outcomes)]


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    folder = tmp_path / "ten"
    folder.mkdir()
    for number in range(10):
        (folder / f"{number}.png").write_bytes(encode(picture(number)))
    return folder


def test_an_image_says_where_it_is_from(ten: Path) -> None:
    image = images_of(source_of(ten, licence="CC-BY-4.0", name="mine").images(None, 0))[0]
    assert (image.source, image.licence, image.origin) == ("mine", "CC-BY-4.0", Origin.REAL)
    assert image.provenance == {"file": "0.png"}
    assert image.bytes == (ten / "0.png").read_bytes() and image.image_key == image.sha256
    assert images_of(source_of(ten).images(1, 0))[0].source == "ten"
    assert str(ten) not in json.dumps(dict(image.provenance))


def test_all_come_in_the_order_of_their_names(ten: Path) -> None:
    assert files_of(source_of(ten).images(None, 5)) == [f"{number}.png" for number in range(10)]


def test_a_draw_is_the_same_for_a_seed_wherever_the_files_lie(ten: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    for path in random.Random(1).sample(sorted(ten.iterdir()), 10):
        shutil.copy(path, other / path.name)
    drawn = {seed: files_of(source_of(ten).images(4, seed)) for seed in range(5)}
    assert {seed: files_of(source_of(other).images(4, seed)) for seed in range(5)} == drawn
    assert len({tuple(files) for files in drawn.values()}) > 1
    assert all(len(set(files)) == 4 for files in drawn.values())
    assert files_of(source_of(ten).images(40, 3))[:4] == drawn[3], "more of them begin with the same ones"


def test_a_draw_goes_on_past_what_is_unusable(ten: Path) -> None:
    first = files_of(source_of(ten).images(3, 0))
    for name in first[:2]:
        (ten / name).write_bytes(b"damaged")
    outcomes = list(source_of(ten).images(3, 0))
    assert len(images_of(iter(outcomes))) == 3
    assert {each.name for each in outcomes if isinstance(each, Unusable)} == set(first[:2])
    assert isinstance(outcomes[-1], Image), "nothing is looked at once there are enough"


def test_a_file_that_comes_or_goes_moves_no_other(ten: Path) -> None:
    before = files_of(source_of(ten).images(10, 0))
    (ten / "zzz.png").write_bytes(encode(picture(99)))
    after = files_of(source_of(ten).images(11, 0))
    assert [name for name in after if name != "zzz.png"] == before


def test_the_same_bytes_come_once(ten: Path) -> None:
    shutil.copy(ten / "3.png", ten / "a copy.png")
    outcomes = list(source_of(ten).images(None, 0))
    copies = [each for each in outcomes if isinstance(each, Unusable)]
    assert [(each.name, each.status) for each in copies] == [("a copy.png", Status.FILTERED)]
    assert "3.png" in copies[0].reason


def test_limits_are_kept(ten: Path) -> None:
    size = (ten / "0.png").stat().st_size
    told = {
        each.name: each.reason
        for each in source_of(ten, max_bytes=size - 1).images(None, 0)
        if isinstance(each, Unusable)
    }
    assert f"at most {size - 1:,} bytes" in told["0.png"]
    outcomes = list(source_of(ten, max_pixels=12 * 8 - 1).images(None, 0))
    assert not images_of(iter(outcomes)) and len(outcomes) == 10
    assert len(images_of(source_of(ten, max_pixels=12 * 8, max_bytes=10_000).images(None, 0))) == 10


def test_a_bomb_below_the_limit_of_the_decoder_is_decoded_by_nobody(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/bomb.png").write_bytes(bomb(7900))
    (outcome,) = source_of(tmp_path / "in", max_pixels=1_000_000).images(None, 0)
    assert isinstance(outcome, Unusable) and "7900 x 7900" in outcome.reason


def test_subfolders_only_where_wanted(ten: Path) -> None:
    (ten / "below").mkdir()
    (ten / "below/more.png").write_bytes(encode(picture(77)))
    assert "below/more.png" in files_of(source_of(ten).images(None, 0))
    assert "below/more.png" not in files_of(source_of(ten, recursive=False).images(None, 0))


def test_a_file_swapped_after_it_was_listed_leads_nowhere(tmp_path: Path) -> None:
    folder, outside = tmp_path / "in", tmp_path / "outside"
    for path in (folder / "below", outside):
        path.mkdir(parents=True)
        (path / "a.png").write_bytes(encode(picture(1)))
    os.mkfifo(tmp_path / "pipe")
    opens = Opens(outside)
    with Enclosure(folder) as inside:
        assert [each.parts for each in inside.names(recursive=True)] == [("below", "a.png")]
        (folder / "below/a.png").unlink()
        (folder / "below/a.png").symlink_to(outside / "a.png")
        with pytest.raises(ClosedError, match="cannot be opened"):
            inside.read(("below", "a.png"), 1000)
        (folder / "below/a.png").unlink()
        (folder / "below").rmdir()
        (folder / "below").symlink_to(outside)
        with pytest.raises(ClosedError, match="cannot be opened"):
            inside.read(("below", "a.png"), 1000)
        (folder / "below").unlink()
        (tmp_path / "pipe").rename(folder / "below")
        with pytest.raises(ClosedError, match="FIFO"):
            inside.read(("below",), 1000)
    assert opens.seen() == b""


def test_a_file_that_is_gone_is_told(ten: Path) -> None:
    outcomes = source_of(ten).images(None, 0)
    next(outcomes)
    (ten / "5.png").unlink()
    gone = [each for each in outcomes if isinstance(each, Unusable)]
    assert [(each.name, each.reason) for each in gone] == [("5.png", "it cannot be opened: No such file or directory")]


def test_a_closed_folder_is_told(ten: Path) -> None:
    (ten / "below").mkdir(mode=0)
    if os.access(ten / "below", os.R_OK):
        pytest.skip("this user may read everything")
    outcomes = list(source_of(ten).images(None, 0))
    assert next(each.reason for each in outcomes if isinstance(each, Unusable)).startswith("the folder cannot be")


def test_very_deep_folders_are_told_not_walked(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "/".join(["d"] * 80)).mkdir(parents=True)
    (outcome,) = source_of(folder).images(None, 0)
    assert isinstance(outcome, Unusable) and "more than 64 folders deep" in outcome.reason


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"path": "nowhere"}, "there is no folder"),
        ({"path": ""}, "the option 'path' is a text"),
        ({"path": 3}, "the option 'path' is a text"),
        ({"path": "in", "recursive": "yes"}, "'recursive' is true or false"),
        ({"path": "in", "max_bytes": 0}, "'max_bytes' is a whole number from 1"),
        ({"path": "in", "max_pixels": 10**9}, "to 64000000"),
        ({"path": "in", "licence": ""}, "'licence' is a text"),
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(UsageError, match=words):
        image_source("folder", Site(tmp_path, tmp_path / "site"), options)


@given(st.lists(st.text(min_size=1, max_size=20), unique=True, max_size=30))
def test_shown_names_are_printable_and_never_alike(names: list[str]) -> None:
    printed = [shown(name) for name in names]
    assert len(set(printed)) == len(names)
    assert all(name.isprintable() for name in printed)
    assert json.loads(json.dumps(printed, ensure_ascii=False).encode()) == printed


@given(st.binary(min_size=1, max_size=40))
def test_any_file_name_can_be_shown(name: bytes) -> None:
    shown(os.fsdecode(name)).encode("utf-8")


def test_a_rank_does_not_see_how_letters_are_composed() -> None:
    assert rank(1, "\u00e9") == rank(1, "e\u0301") != rank(2, "\u00e9")


@given(st.integers(0, 200), st.integers(0, 5))
def test_indices_are_a_permutation(size: int, seed: int) -> None:
    drawn = list(indices(size, seed))
    assert sorted(drawn) == list(range(size))
    assert drawn == list(indices(size, seed))


def test_indices_are_drawn_evenly() -> None:
    first = [next(indices(4, seed)) for seed in range(4000)]
    assert all(900 < first.count(number) < 1100 for number in range(4))
