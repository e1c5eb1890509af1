"""Measures whether judging streams: the memory of a run over one-megapixel images, late in the run against early."""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from alignbench.store import Dataset, DatasetWriter, image_of, sentence_id_of
from alignbench.types import Direction, Judge, ModelRef, Origin, Pair, Sentence

SIDE = 1000
FULL, QUICK = (500, 5000), (150, 600)
"""After how many images memory is looked at, early and late in a run."""
SENTENCES = 4
GOAL_MB = 32
_PAGE = os.sysconf("SC_PAGE_SIZE")
_DIFFERENT = 50


def pictures() -> Iterator[bytes]:
    """JPEGs of one megapixel without end; `_DIFFERENT` pictures, each time with other bytes."""
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(_DIFFERENT):
        coarse = Pillow.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).resize((SIDE, SIDE))
        encoded = io.BytesIO()
        coarse.save(encoded, "JPEG", quality=75)
        drawn.append(encoded.getvalue())
    number = 0
    while True:
        # A comment behind the start-of-image marker.
        comment = b"\xff\xfe\x00\x0a" + number.to_bytes(8)
        yield drawn[number % _DIFFERENT][:2] + comment + drawn[number % _DIFFERENT][2:]
        number += 1


def write_dataset(folder: Path, images: int) -> None:
    """As many pictures, each with a caption of sentences that no other has."""
    with DatasetWriter(folder, name="streaming") as writer:
        for number, encoded in zip(range(images), pictures(), strict=False):
            image = image_of(encoded, source="benchmark", origin=Origin.GENERATED)
            writer.add_image(image)
            texts = [f"A red dog is on the left of {number} blue cats, is it {place}?" for place in range(SENTENCES)]
            pair = Pair(
                str(number), image.image_key, " ".join(texts), ModelRef("m"), Direction.IMAGE_TO_TEXT, None, "c"
            )
            sentences, start = [], 0
            for index, text in enumerate(texts):
                end = start + len(text)
                sentences.append(Sentence(sentence_id_of(pair.pair_id, index), pair.pair_id, index, start, end, text))
                start = end + 1
            writer.add_pair(pair, sentences)


@contextmanager
def clip(folder: Path) -> Iterator[Judge]:
    """A random CLIP model of the tests."""
    from alignbench.registry import build_judge
    from tests.tiny_models import make_clip

    yield build_judge(f"clip:local-dir:{make_clip(folder / 'clip')}")


@contextmanager
def local_vlm(folder: Path) -> Iterator[Judge]:
    """A random vision-language model of the tests."""
    from alignbench.registry import build_judge
    from tests.tiny_models import make_llava

    yield build_judge(f"local_vlm:{make_llava(folder / 'llava')}")


@contextmanager
def api(_folder: Path) -> Iterator[Judge]:
    """The endpoint of benchmarks/api.py, in a process of its own, whose memory is not counted."""
    from alignbench.registry import build_judge

    os.environ["OPENAI_API_KEY"] = "sk-benchmark"
    command = [sys.executable, str(Path(__file__).with_name("api_server.py")), "--latency", "0.1"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None and server.stdout is not None
        yield build_judge("api:m", base_url=f"http://127.0.0.1:{int(server.stdout.readline())}/v1")
        server.stdin.close()


JUDGES: dict[str, Callable[[Path], object]] = {"clip": clip, "local_vlm": local_vlm, "api": api}


def resident() -> float:
    """Megabytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE / 1e6


def measure(name: str, dataset: Path, points: tuple[int, ...], pipe: multiprocessing.connection.Connection) -> None:
    """Judge the dataset, and send the memory when each of `points` images is done, then the seconds."""
    import warnings

    from alignbench.run import Progress, run_judge

    # Of random models: they spread their answer over all words.
    warnings.simplefilter("ignore")
    found = {}

    def progress(state: Progress) -> None:
        images, rest = divmod(state.asked, SENTENCES)
        if not rest and images in points:
            found[images] = resident()

    with tempfile.TemporaryDirectory() as folder, JUDGES[name](Path(folder)) as judge:
        began = time.monotonic()
        summary = run_judge(Dataset.open(dataset), judge, Path(folder) / "runs", progress=progress)
        pipe.send((found, time.monotonic() - began, {str(status): n for status, n in summary.statuses.items()}))


def judged_apart(name: str, dataset: Path, points: tuple[int, ...]) -> dict[str, object]:
    """Measure one judge in a fresh process, where no other has left memory behind."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=measure, args=(name, dataset, points, theirs))
    child.start()
    theirs.close()
    try:
        resident_mb, seconds, statuses = ours.recv()
    except EOFError:
        sys.exit(f"judging with {name} failed")
    child.join()
    early, late = resident_mb[points[0]], resident_mb[points[-1]]
    return {
        "growth_mb": round(late - early, 1),
        "resident_mb": {str(images): round(size, 1) for images, size in resident_mb.items()},
        "images_per_second": round(points[-1] / seconds, 1),
        "statuses": statuses,
    }


def main() -> int:
    """Judge with each kind of judge; 1 where memory grows by more than the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK[1]} images")
    parser.add_argument("--judge", choices=sorted(JUDGES), action="append", help="only this; may be repeated")
    asked = parser.parse_args()
    early, late = QUICK if asked.quick else FULL
    points = tuple(sorted({early, *range(1000, late, 1000), late}))
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        dataset = Path(folder) / "dataset"
        write_dataset(dataset, late)
        for name in asked.judge or JUDGES:
            results[name] = judged_apart(name, dataset, points)
            print(
                f"{name}: {results[name]['growth_mb']} MB from image {early:,} to {late:,}, goal {GOAL_MB}", flush=True
            )
    growth = max(float(str(result["growth_mb"])) for result in results.values())
    detail = {**results, "images": late, "pixels": SIDE * SIDE, "sentences": late * SENTENCES}
    ratio = round(max(0.0, growth) / GOAL_MB, 3)
    print(json.dumps({"benchmark": "streaming", "ratio": ratio, "goal": 1, "detail": detail}))
    return int(growth > GOAL_MB)


if __name__ == "__main__":
    raise SystemExit(main())
