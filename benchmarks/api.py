"""Times judging over an API against a bare aiohttp client and a bare AsyncOpenAI loop, then under faults.

The server (benchmarks/api_server.py, a process of its own) answers after 500 ms and knows an image's prompt prefix only
after its first reply. All three clients send the same requests, 64 at a time; ours goes all the way, from a dataset on
the disk to a finished run folder with every answer fsynced.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import numpy as np
import openai
from numpy.typing import NDArray
from PIL import Image as Pillow

from alignbench.run import run_judge
from alignbench.store import Dataset, DatasetWriter, image_of, sentence_id_of
from alignbench.text import split_sentences
from alignbench.types import Direction, Label, ModelRef, Origin, Pair, Sentence, Status
from judges.api import ApiJudge
from judges.prompt import shipped

IN_FLIGHT = 64
SENTENCES = 6  # of a caption; AlignBench has 5.55
GOALS = {
    "ratio": 0.85,
    "cpu_of_openai": 1.5,
    "cached_of_possible": 0.95,
    "recovered_share": 0.8,
    "recovery_seconds": 10,
}
FAULTS = 0.2


FloatArray = NDArray[np.float64]


class Plan(NamedTuple):
    """How much to do: images of the race and how often, images of the run with faults, seconds before and in them."""

    images: int
    rounds: int
    images_with_faults: int
    calm: float
    faulty: float


QUICK, WHOLE = Plan(96, 1, 220, 3.5, 4.0), Plan(240, 3, 420, 6.0, 10.0)


class Lap(NamedTuple):
    """One client, once over all images."""

    rate: float  # sentences a second
    cpu: float  # milliseconds a sentence
    cached: float  # of all input tokens
    cached_of_possible: float


class Server:
    """The server's process, as its clients and its operator see it."""

    def __init__(self, port: int) -> None:
        self._root = f"http://127.0.0.1:{port}"
        self.base_url = f"{self._root}/v1"

    def control(self, **wanted: object) -> float:
        """Set the share of faults; the server's clock then."""
        return float(self._ask("/control", json.dumps(wanted).encode())["now"])

    def counts(self) -> dict[str, Any]:
        """What was asked since the last `control` that did not keep the counts."""
        return self._ask("/counts", None)

    def _ask(self, path: str, data: bytes | None) -> dict[str, Any]:
        with urllib.request.urlopen(self._root + path, data=data) as answer:
            return dict(json.load(answer))


@contextmanager
def served() -> Iterator[Server]:
    """A server that ends with the block."""
    command = [sys.executable, str(Path(__file__).with_name("api_server.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdin is not None
        yield Server(int(process.stdout.readline()))
        process.stdin.close()


def pictures(count: int) -> Iterator[bytes]:
    """JPEGs of about 150 KB and 0.8 megapixels, no two alike."""
    rng = np.random.default_rng(0)
    slope = np.linspace(0, 200, 1024)[None, :, None] + rng.normal(0, 12, (768, 1024, 3))
    for number in range(count):
        shifted = np.roll(slope, number * 3, axis=1).clip(0, 255).astype(np.uint8)
        buffer = io.BytesIO()
        Pillow.fromarray(shifted).save(buffer, "JPEG", quality=79)
        yield buffer.getvalue()


def write_dataset(folder: Path, images: int) -> Dataset:
    """One caption of six sentences about each picture."""
    producer = ModelRef("benchmark")
    with DatasetWriter(folder, name="benchmark") as writer:
        for number, encoded in enumerate(pictures(images)):
            image = image_of(encoded, source="benchmark", origin=Origin.REAL)
            writer.add_image(image)
            caption = " ".join(
                f"A dog stands in front of red house number {number * SENTENCES + place}." for place in range(SENTENCES)
            )
            key = image.image_key
            pair = Pair(f"pair-{number}", key, caption, producer, Direction.IMAGE_TO_TEXT, None, key)
            rows = [
                Sentence(
                    sentence_id_of(pair.pair_id, index),
                    pair.pair_id,
                    index,
                    start,
                    end,
                    caption[start:end],
                    Label.CORRECT,
                )
                for index, (start, end) in enumerate(split_sentences(caption))
            ]
            writer.add_pair(pair, rows)
    return Dataset.open(folder)


def bodies(dataset: Dataset) -> Iterator[dict[str, Any]]:
    """The requests that the judge sends, image by image."""
    prompt = shipped("yes_no", "sentence")
    by_image: dict[str, list[str]] = {}
    for pair, text in zip(
        np.repeat([pair.image_key for pair in dataset.pairs()], SENTENCES).tolist(),
        (sentence.text for sentence in dataset.sentences()),
        strict=True,
    ):
        by_image.setdefault(pair, []).append(text)
    for image in dataset.images():
        uri = f"data:image/jpeg;base64,{base64.b64encode(image.bytes or b'').decode('ascii')}"
        for text in by_image[image.image_key]:
            content = [{"type": "image_url", "image_url": {"url": uri}}, {"type": "text", "text": prompt.fill(text)}]
            messages = [{"role": "user", "content": content}]
            yield {
                "model": "mock",
                "messages": messages,
                "logprobs": True,
                "top_logprobs": 20,
                "max_completion_tokens": 1,
                "temperature": 1.0,
            }


async def at_most(send: Callable[[dict[str, Any]], Awaitable[object]], wanted: Iterator[dict[str, Any]]) -> int:
    """Send everything, 64 at a time, in order; how many answers came."""

    async def worker() -> int:
        answers = 0
        for body in wanted:
            await send(body)
            answers += 1
        return answers

    return sum(await asyncio.gather(*(worker() for _ in range(IN_FLIGHT))))


def bare_aiohttp(dataset: Dataset, server: Server, _: Path) -> Callable[[], int]:
    """No client library, no retries, no ledger: the floor."""

    async def main() -> int:
        headers = {"Content-Type": "application/json", "Authorization": "Bearer none"}
        async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0)) as session:

            async def send(body: Mapping[str, Any]) -> object:
                url = f"{server.base_url}/chat/completions"
                async with session.post(url, data=json.dumps(body).encode()) as response:
                    return await response.json()

            return await at_most(send, bodies(dataset))

    return lambda: asyncio.run(main())


def bare_openai(dataset: Dataset, server: Server, _: Path) -> Callable[[], int]:
    """The openai client as it comes, without retries."""

    async def main() -> int:
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key="none", max_retries=0) as client:

            async def send(body: Mapping[str, Any]) -> object:
                return await client.chat.completions.create(**body)

            return await at_most(send, bodies(dataset))

    return lambda: asyncio.run(main())


def alignbench(dataset: Dataset, server: Server, out: Path) -> Callable[[], int]:
    """A whole run; the judge is built before, and so is what it knows of the server."""
    judge = ApiJudge.from_reference("mock", base_url=server.base_url, in_flight=IN_FLIGHT)
    return lambda: run_judge(dataset, judge, out).statuses.get(Status.OK, 0)


CLIENTS = {"aiohttp": bare_aiohttp, "openai": bare_openai, "alignbench": alignbench}


def race(server: Server, images: int, rounds: int, folder: Path) -> dict[str, list[Lap]]:
    """All clients by turns."""
    dataset = write_dataset(folder / "dataset", images)
    laps: dict[str, list[Lap]] = {name: [] for name in CLIENTS}
    for number in range(rounds):
        for name, client in CLIENTS.items():
            laps[name].append(lap(client(dataset, server, folder / f"{name}-{number}"), server, images * SENTENCES))
            print(f"{name}: {laps[name][-1].rate:.1f} sentences/s, {laps[name][-1].cpu:.2f} ms a sentence", flush=True)
    return laps


def lap(run: Callable[[], int], server: Server, sentences: int) -> Lap:
    """Time one client; it must have got an answer to every sentence, and asked none twice."""
    server.control(faults=0)
    began, cpu = time.perf_counter(), time.process_time()
    answers = run()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    counts = server.counts()
    if not answers == counts["answered"] == counts["requests"] == sentences:
        raise SystemExit(f"{answers} answers to {counts['requests']} requests for {sentences} sentences")
    return Lap(
        sentences / seconds,
        cpu / sentences * 1e3,
        counts["cached_tokens"] / counts["input_tokens"],
        counts["cached_tokens"] / counts["cacheable_tokens"],
    )


def under_faults(server: Server, plan: Plan, folder: Path) -> dict[str, Any]:
    """A run during which the server refuses or breaks one request in five for some seconds."""
    dataset = write_dataset(folder / "dataset-with-faults", plan.images_with_faults)
    sentences = plan.images_with_faults * SENTENCES
    run = alignbench(dataset, server, folder / "with-faults")
    moments: list[float] = []

    def operate() -> None:
        time.sleep(plan.calm)
        moments.append(server.control(faults=FAULTS, keep=True))
        time.sleep(plan.faulty)
        moments.append(server.control(faults=0, keep=True))

    server.control(faults=0)
    operator = threading.Thread(target=operate)
    operator.start()
    answers = run()
    operator.join()
    counts = server.counts()
    stamps = np.array(counts["stamps"])
    before = rate_between(stamps, moments[0] - 2, moments[0])
    return {
        "sentences": sentences,
        "lost": sentences - answers,
        "asked_again": counts["answered_again"],
        "refused": counts["refused"],
        "rate_before": round(before, 1),
        "rate_in_faults": round(rate_between(stamps, *moments), 1),
        "recovery_seconds": recovery(stamps, moments[1], GOALS["recovered_share"] * before),
    }


def rate_between(stamps: FloatArray, start: float, end: float) -> float:
    """Answers a second."""
    return float(((stamps >= start) & (stamps < end)).sum() / (end - start))


def recovery(stamps: FloatArray, end: float, wanted: float) -> float | None:
    """Seconds from the end of the faults to the end of the first second with the wanted rate; null where none came."""
    for start in np.arange(end, stamps.max() - 1, 0.05).tolist():
        if rate_between(stamps, start, start + 1) >= wanted:
            return round(start + 1 - end, 2)
    return None


def median(laps: Sequence[Lap]) -> Lap:
    """Figure by figure."""
    return Lap(*(statistics.median(values) for values in zip(*laps, strict=True)))


def main() -> int:
    """Race, then judge under faults; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute")
    plan = QUICK if parser.parse_args().quick else WHOLE
    os.environ.pop("OPENAI_API_KEY", None)  # no key of the user's goes to the server
    with tempfile.TemporaryDirectory() as folder, served() as server:
        laps = race(server, plan.images, plan.rounds, Path(folder))
        faults = under_faults(server, plan, Path(folder))
    clients = {name: median(those) for name, those in laps.items()}
    ours = clients["alignbench"]
    ratio = statistics.median(
        mine.rate / floor.rate for mine, floor in zip(laps["alignbench"], laps["aiohttp"], strict=True)
    )
    measured = {
        "ratio": ratio,
        "cpu_of_openai": ours.cpu / clients["openai"].cpu,
        "cached_of_possible": ours.cached_of_possible,
    }
    summary = {
        "benchmark": "api",
        "ratio": round(ratio, 3),
        "goal": GOALS["ratio"],
        "detail": {
            **{name: round(value, 3) for name, value in measured.items()},
            "clients": {
                name: {key: round(value, 3) for key, value in each._asdict().items()} for name, each in clients.items()
            },
            "faults": faults,
            "goals": GOALS,
            "sentences": plan.images * SENTENCES,
        },
    }
    print(json.dumps(summary))
    return int(not all(met(measured, faults)))


def met(measured: Mapping[str, float], faults: Mapping[str, Any]) -> Iterator[bool]:
    """Goal by goal, whether it is met."""
    yield measured["ratio"] >= GOALS["ratio"]
    yield measured["cpu_of_openai"] <= GOALS["cpu_of_openai"]
    yield measured["cached_of_possible"] >= GOALS["cached_of_possible"]
    yield faults["lost"] == faults["asked_again"] == 0
    yield faults["recovery_seconds"] is not None and faults["recovery_seconds"] <= GOALS["recovery_seconds"]


if __name__ == "__main__":
    raise SystemExit(main())
