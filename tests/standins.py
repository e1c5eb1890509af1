"""A distribution of somebody else, found by its entry points alone, and small sources, writers, filters and labellers.

What a stand-in does is in its name; a model notes every task that it is given in `calls.jsonl`.
"""

from __future__ import annotations

import atexit
import gc
import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Self

import pytest
from PIL import Image as Pillow

from alignbench import registry
from alignbench.errors import BudgetError
from alignbench.store import image_of
from alignbench.types import Image, Label, Origin, Pair, Sentence, Status
from generation import parts
from generation.protocols import Candidate, Finding, Labelled, Prompt, Site, Unusable

ADAPTERS = '''
import io, json, signal, threading
from pathlib import Path
from PIL import Image
from alignbench import registry
from alignbench.errors import BudgetError
from alignbench.types import ModelRef, Produced, Status

CALLS = Path(__file__).with_name("calls.jsonl")

def note(model, tasks):
    tasks = list(tasks)
    with CALLS.open("a") as file:
        file.writelines(json.dumps([model, task.number, task.seed]) + "\\n" for task in tasks)
    return tasks

class Words:
    """Captions of two sentences; what goes wrong is in the model's name."""
    def __init__(self, name, revision):
        self.name, self.model = name, ModelRef(name, revision)
    @classmethod
    def from_reference(cls, model, *, revision="1", note=None):
        return cls(model, revision)
    def produce(self, tasks):
        for task in tasks if self.name == "lazy" else note(self.name, tasks)[:: -1 if self.name == "backwards" else 1]:
            yield from self.answer(task)
    def answer(self, task):
        bold = CALLS.with_name("bold").exists()
        if self.name == "silent" and task.number == 1:
            return
        if self.name == "doubling":
            yield Produced(task.number, caption="Once.")
        if self.name == "wordless" and task.number == 1:
            yield Produced(task.number, caption=" \\n")
        elif self.name == "same":
            yield Produced(task.number, caption="It is wide.")
        elif self.name == "broken" and task.number == 2:
            raise OverflowError("the model fell over")
        elif self.name == "shy" and not bold and task.number % 2 == 0:
            yield Produced(task.number, status=Status.REFUSED, provenance={"reason": "I would\u2028rather not."})
        elif self.name == "moody" and not bold and task.seed.bit_count() % 2:
            yield Produced(task.number, status=Status.REFUSED, provenance={"reason": "not now"})
        else:
            told = f"It is wide. The seed is {task.seed}."
            yield Produced(task.number, caption=told, provenance={"bytes": len(task.image.bytes)})

class Paid(Words):
    """Each caption costs a quarter; after the one numbered `stop-N` somebody presses Ctrl-C."""
    environment = {"endpoint": "http://nowhere", "prices": "of 2020", "pillow": "0"}
    def __init__(self, name, revision):
        super().__init__(name, revision)
        self.spent_usd, self.limit, self.stopping = 0.0, None, threading.Event()
    def limit_cost(self, usd):
        self.limit = usd
    def stop(self):
        self.stopping.set()
    def produce(self, tasks):
        flying = []
        for task in tasks:
            if self.stopping.is_set():
                break
            if self.limit is not None and self.spent_usd + 0.25 > self.limit:
                yield from flying
                raise BudgetError(f"the next caption costs $0.25 and ${self.spent_usd:.2f} is spent")
            self.spent_usd += 0.25
            note(self.name, [task])
            flying += self.answer(task)
            if self.name == f"stop-{task.number}":
                signal.raise_signal(signal.SIGINT)
                self.stopping.wait(10)
            if len(flying) == 2:
                yield flying.pop(0)
        yield from flying
        if self.stopping.is_set():
            raise KeyboardInterrupt

class Colours:
    """Pictures of one colour, a colour a row; what goes wrong is in the model's name."""
    def __init__(self, name):
        self.name, self.model = name, ModelRef(name)
    @classmethod
    def from_reference(cls, model):
        return cls(model)
    def produce(self, tasks):
        for task in note(self.name, tasks):
            out = io.BytesIO()
            colour = (9, 9, 9) if self.name == "grey" else tuple(task.seed >> bits & 255 for bits in (0, 8, 16))
            Image.new("RGB", (8, 8), colour).save(out, format="PNG")
            encoded = out.getvalue()[: 40 if self.name == "torn" and task.number else None]
            told = {"colour": colour, "asked": task.prompt}
            if self.name == "cutting":
                told["truncated"] = task.seed % 2 == 0
            yield Produced(task.number, image=encoded, provenance=told)
'''
ENTRY_POINTS = """
[alignbench.captioners]
words = adapters:Words
paid = adapters:Paid
[alignbench.image_models]
colours = adapters:Colours
"""


class Squares:
    """Nine images, of which so many as `unusable` says are not; each third is dark."""

    def __init__(self, unusable: int, domains: int) -> None:
        self._unusable, self._domains = unusable, domains

    @classmethod
    def from_options(cls, site: Site, *, unusable: int = 0, domains: int = 1) -> Self:
        return cls(unusable, domains)

    def images(self, count: int | None, seed: int) -> Iterator[Image | Unusable]:
        for number in range(self._unusable):
            yield Unusable(f"{number}.txt", Status.IMAGE_UNREADABLE, f"no image {number % 2}")
        for number in range(9 if count is None else min(count, 9)):
            colour = (0, number, 1) if number % 3 == 2 else (200 + seed % 50, number, 0)
            domain = f"squares {number % self._domains}" if self._domains > 1 else "squares"
            told = {"number": number, "domain": domain, "file": f"{number}.png"}
            yield image_of(png(colour), source="squares", origin=Origin.GENERATED, provenance=told)


class Endless:
    """Images, or prompts, without an end."""

    @classmethod
    def from_options(cls, site: Site) -> Self:
        return cls()

    def images(self, count: int | None, seed: int) -> Iterator[Image]:
        for number in range(10**9 if count is None else count):
            colour = (number % 256, number // 256 % 256, number // 65536)
            yield image_of(png(colour), source="endless", origin=Origin.GENERATED)

    def prompts(self, count: int | None, seed: int) -> Iterator[Unusable]:
        for number in range(10**9):
            yield Unusable(f"prompt {number}", Status.REFUSED, "I would rather not")


class Lines:
    @classmethod
    def from_options(cls, site: Site) -> Self:
        return cls()

    def prompts(self, count: int | None, seed: int) -> Iterator[Prompt]:
        for number in range(9 if count is None else min(count, 9)):
            # Characters that end a line in Python's eyes, but not in a file of JSON lines.
            yield Prompt(f"One colour. Number {number}.", {"number": number, "ends": "\u2028\x85\r\x1c\n"})


class PaidLines(Lines):
    """Each prompt costs a dollar; what was paid for is kept."""

    def __init__(self, folder: Path) -> None:
        self._kept, self.spent_usd, self._limit = folder / "prompts.txt", 0.0, 10.0**6

    @classmethod
    def from_options(cls, site: Site) -> Self:
        return cls(site.folder)

    def limit_cost(self, usd: float) -> None:
        self._limit = usd

    def prompts(self, count: int | None, seed: int) -> Iterator[Prompt]:
        for number, prompt in enumerate(super().prompts(count, seed)):
            known = self._kept.read_text().split() if self._kept.exists() else []
            if str(number) not in known:
                if self.spent_usd + 1 > self._limit:
                    raise BudgetError("the next prompt costs $1")
                self.spent_usd += 1
                self._kept.parent.mkdir(parents=True, exist_ok=True)
                self._kept.write_text(" ".join([*known, str(number)]))
            yield prompt


class FirstIsWrong:
    def label(self, image: Image, pair: Pair, sentences: Sequence[Sentence]) -> Labelled:
        labels = [Label.INCORRECT] + [Label.CORRECT] * (len(sentences) - 1)
        told = {"corrections": {"0": "It is square."}, "size": len(image.bytes or b"")}
        return Labelled([replace(s, label=label) for s, label in zip(sentences, labels, strict=True)], told)


class Dark:
    """Pictures whose red is below `least` do not pass."""

    def __init__(self, least: int) -> None:
        self._least = least

    @classmethod
    def from_options(cls, site: Site, *, least: int = 100) -> Self:
        return cls(least)

    def look(self, candidate: Candidate) -> Finding | None:
        if candidate.picture is None:
            return None
        pixel = candidate.picture().getpixel((0, 0))
        assert isinstance(pixel, tuple)
        passed = pixel[0] >= self._least
        return Finding(passed, pixel[0], None if passed else f"its red is {pixel[0]}", Status.UNSAFE)


class Third:
    """Every third caption that it sees does not pass: what it says hangs on what it saw before."""

    def __init__(self) -> None:
        self._seen = 0

    @classmethod
    def from_options(cls, site: Site) -> Self:
        return cls()

    def look(self, candidate: Candidate) -> Finding | None:
        if candidate.caption is None:
            return None
        self._seen += 1
        return Finding(self._seen % 3 != 0, self._seen, f"it is the {self._seen}th caption")


class Nothing:
    """Nothing passes."""

    @classmethod
    def from_options(cls, site: Site) -> Self:
        return cls()

    def look(self, candidate: Candidate) -> Finding:
        return Finding(passed=False)


def png(colour: tuple[int, int, int]) -> bytes:
    out = io.BytesIO()
    Pillow.new("RGB", (4, 4), colour).save(out, format="PNG")
    return out.getvalue()


Write = Callable[[str], Path]

_STANDINS = (
    (parts.IMAGE_SOURCES, {"standin": Squares, "endless": Endless}),
    (parts.PROMPT_WRITERS, {"standin": Lines, "paid": PaidLines, "endless": Endless}),
    (parts.LABELLERS, {"standin": FirstIsWrong}),
    (parts.FILTERS, {"dark": Dark, "third": Third, "nothing": Nothing}),
)


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the distribution on the path, and the stand-ins among what recipes can name; where it lies."""
    (folder / "adapters-1.0.dist-info").mkdir(parents=True)
    (folder / "adapters.py").write_text(ADAPTERS)
    (folder / "adapters-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: adapters\nVersion: 1.0\n")
    (folder / "adapters-1.0.dist-info" / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "adapters", raising=False)
    # After each model garbage is collected, which takes long where other tests have imported torch.
    gc.freeze()
    atexit.register(gc.unfreeze)
    # What is installed stays as it is within a test, and looking for it takes longest.
    monkeypatch.setattr(registry, "entry_points", cache(registry.entry_points))
    find = parts.find
    monkeypatch.setattr(parts, "find", lambda named: find(named) if isinstance(named, str) else named)
    for table, standins in _STANDINS:
        for name, standin in standins.items():
            monkeypatch.setitem(table, name, standin)  # type: ignore[arg-type]
    return folder


def writer_in(folder: Path) -> Write:
    """What writes a recipe of the given lines."""

    def write(text: str) -> Path:
        path = folder / "recipe.yaml"
        path.write_text(f"name: small\nseed: 5\n{dedent(text)}", encoding="utf-8")
        return path

    return write


CAPTIONS = "images: {{source: standin, count: 3}}\nlabeller: standin\ncaptioners: ['words:{}']\n"
PICTURES = "prompts: {{writer: standin, count: 3}}\nimage_models: ['colours:{}']\n"
BOTH = CAPTIONS.format("plain") + PICTURES.format("bright")
LOOP = "loop: {image_models: ['colours:bright'], captioners: ['words:plain']}\n"


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def calls(adapters: Path) -> list[list[object]]:
    path = adapters / "calls.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
