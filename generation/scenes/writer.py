"""Writes captions of scenes from templates: truthful ones, and as the control captioner some with planted errors."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from alignbench.errors import UsageError
from alignbench.types import CaptionTask, ErrorType, ModelRef, Produced, Status
from generation.scenes.contrast import some_noun
from generation.scenes.grammar import (
    ANY_KIND,
    NUMBERS,
    PLACES,
    RELATIONS,
    Claim,
    Form,
    Noun,
    Statement,
    alternatives,
    say,
    slots_of,
    with_slot,
    wordings,
)
from generation.scenes.labeller import VALUE_TYPE, fits, holds, judge_sentence, name
from generation.scenes.world import CELLS, Scene, Thing, random_thing

FEWEST_SENTENCES = 5
MOST_SENTENCES = 7


def describe(scene: Scene, rng: random.Random) -> list[Statement]:
    """Five to seven different true sentences: an overview, then the things in reading order, then how they relate."""
    claims = [_overview(scene, rng)]
    for thing in scene.things:
        claims += _introduce(thing, rng)
    claims += _relate(scene, rng)
    while len(claims) < FEWEST_SENTENCES:
        claims.append(_detail(scene, rng))
    kept = list(dict.fromkeys(claims))
    if len(kept) < FEWEST_SENTENCES:
        return describe(scene, rng)
    return [
        say(claim, rng.choice(wordings(claim.form))) for claim in kept[: rng.randint(FEWEST_SENTENCES, MOST_SENTENCES)]
    ]


def _overview(scene: Scene, rng: random.Random) -> Claim:
    if rng.random() < 0.5:
        return Claim(Form.BACKGROUND, (), scene.background)
    return Claim(Form.COUNT, (Noun(ANY_KIND),), NUMBERS[len(scene.things) - 1])


def _introduce(thing: Thing, rng: random.Random) -> list[Claim]:
    claims = [Claim(Form.LOCATED, (name(thing),), _place(thing, rng))]
    if thing.heading:
        claims.append(Claim(Form.POINTS, (some_noun(rng, thing),), thing.heading))
    if thing.text:
        claims.append(Claim(Form.READS, (some_noun(rng, thing),), thing.text))
    return claims


def _place(thing: Thing, rng: random.Random) -> str:
    """The cell's own name where it has one, else a side: prompts must say as much of the place as words can."""
    exact = [place for place, cells in PLACES.items() if cells == {thing.cell}]
    return exact[0] if exact else rng.choice([place for place, cells in PLACES.items() if thing.cell in cells])


def _relate(scene: Scene, rng: random.Random) -> list[Claim]:
    if len(scene.things) < 2:
        return []
    a, b = rng.sample(scene.things, 2)
    nouns = (some_noun(rng, a, keep="colour"), some_noun(rng, b, keep="colour"))
    return [
        Claim(Form.RELATED, nouns, rng.choice([r for r in RELATIONS if holds(scene, Claim(Form.RELATED, nouns, r))]))
    ]


def _detail(scene: Scene, rng: random.Random) -> Claim:
    thing = rng.choice(scene.things)
    sort = rng.choice([s for s in ("colour", "size", "fill") if getattr(thing, s)])
    noun = some_noun(rng, thing).without([sort])
    counted = Noun(thing.kind)
    return rng.choice(
        (
            Claim(Form.IS, (noun,), getattr(thing, sort)),
            Claim(Form.EXISTS, (some_noun(rng, thing),)),
            Claim(Form.COUNT, (counted,), NUMBERS[sum(fits(counted, t) for t in scene.things) - 1]),
            Claim(Form.BACKGROUND, (), scene.background),
        )
    )


@dataclass(frozen=True, slots=True)
class Planted:
    """A false sentence in place of a true one: its error type, and the truth it replaced as the correction."""

    text: str
    error_type: ErrorType
    correction: str


def plant(scene: Scene, statement: Statement, rng: random.Random) -> Planted | None:
    """The statement with one error, null if it can carry none; what it asserts goes wrong more often than the rest."""
    by_type: dict[ErrorType, list[str]] = {}
    for text in _falsehoods(statement, rng):
        types = judge_sentence(scene, text).error_types
        if len(types) == 1:
            by_type.setdefault(types[0], []).append(text)
    if not by_type:
        return None
    asserted = VALUE_TYPE.get(statement.claim.form)
    carried = sorted(by_type)
    error_type = rng.choices(carried, [2 + len(carried) if t is asserted else 2 for t in carried])[0]
    return Planted(rng.choice(by_type[error_type]), error_type, statement.text)


def _falsehoods(statement: Statement, rng: random.Random) -> Iterator[str]:
    claim = statement.claim
    for slot in slots_of(claim):
        for value in alternatives(claim, slot):
            yield say(with_slot(claim, slot, value), statement.wording).text
    if claim.form in (Form.LOCATED, Form.EXISTS):
        absent = name(random_thing(rng, rng.randrange(CELLS)))
        yield say(Claim(Form.EXISTS, (absent,)), rng.choice(wordings(Form.EXISTS))).text


class ScenesWriter:
    """The control captioner: it reads the scene itself, and each of its sentences is false with probability `rate`."""

    def __init__(self, rate: float = 0.2) -> None:
        if not 0 <= rate <= 1:
            raise UsageError(f"rate is the share of false sentences, so between 0 and 1; got {rate}")
        self._rate = rate

    @classmethod
    def from_reference(cls, model: str, *, rate: float = 0.2) -> ScenesWriter:
        """The writer for the registry; there is one model, `template`."""
        if model != "template":
            raise UsageError(f"the scenes writer has one model, 'template'; got {model!r}")
        return cls(rate)

    @property
    def model(self) -> ModelRef:
        """The writer as a producer; the rate is part of its revision."""
        return ModelRef("scenes-template", f"rate-{self._rate:g}", "scenes-template", "alignbench")

    def produce(self, tasks: Iterable[CaptionTask]) -> Iterator[Produced]:
        """Write a caption for each task's scene; an image that is no scene gives a failure."""
        for task in tasks:
            if "scene" not in task.image.provenance:
                reason = "the scenes writer reads the scene in an image's provenance, and this image has none"
                yield Produced(task.number, status=Status.FAILED, provenance={"reason": reason})
                continue
            yield self._write(task)

    def _write(self, task: CaptionTask) -> Produced:
        rng = random.Random(task.seed)
        scene = Scene.from_json(task.image.provenance["scene"])
        texts, planted = [], []
        for index, statement in enumerate(describe(scene, rng)):
            error = plant(scene, statement, rng) if rng.random() < self._rate else None
            texts.append(error.text if error else statement.text)
            if error:
                planted.append({"index": index, "error_type": error.error_type.value, "correction": error.correction})
        return Produced(task.number, caption=" ".join(texts), provenance={"planted": planted})
