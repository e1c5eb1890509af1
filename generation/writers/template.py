"""Prompts from a grammar: descriptions of scenes of the real world, of which there are more than anybody can draw."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Self

from alignbench.errors import UnknownNameError, UsageError
from generation.protocols import Prompt, Site
from generation.writers.aspects import ASPECTS, check_names, check_sentences, check_stress
from generation.writers.composer import Composer, Told
from generation.writers.words import vocabulary

_OPENED = frozenset({"location", "number"})


class TemplateWriter:
    """Describes scenes of people, animals, plants and things, a different one each time.

    A prompt's provenance has its setting as `domain`, the aspects that it is to stress as `stressed`, and as `aspects`
    those that each of its sentences does stress. The settings take turns.

    Args:
        stress: The aspects that each prompt stresses; null for a few, drawn for each prompt.
        sentences: The fewest and the most sentences of a prompt.
        settings: Where the scenes are; null for all settings of the vocabulary.

    Raises:
        UsageError: The fewest sentences have no room for all the aspects.
    """

    def __init__(
        self, stress: tuple[str, ...] | None, sentences: tuple[int, int], settings: tuple[str, ...] | None
    ) -> None:
        self._stress, self._sentences = stress, sentences
        self._settings = settings or tuple(vocabulary().settings)
        needed = len(set(stress or ()) - _OPENED) + 1
        if needed > sentences[0]:
            raise UsageError(
                f"stress names {needed - 1} aspects that take a sentence each beside the first one, but the fewest "
                f"sentences are {sentences[0]}; set sentences to at least {needed}"
            )

    @classmethod
    def from_options(
        cls,
        site: Site,  # noqa: ARG003 - the protocol
        *,
        stress: Sequence[str] | None = None,
        sentences: int | Sequence[int] = (3, 6),
        settings: Sequence[str] | None = None,
    ) -> Self:
        """The writer; `sentences` is a number or a pair of the fewest and the most.

        Raises:
            UsageError: There is no such aspect or setting, or the sentences do not fit.
        """
        chosen = check_names("settings", settings)
        for each in chosen or ():
            if each not in vocabulary().settings:
                raise UnknownNameError.of("setting", each, vocabulary().settings, "mend the option settings")
        return cls(check_stress(stress), check_sentences(sentences), chosen)

    def prompts(self, count: int | None, seed: int) -> Iterator[Prompt]:
        """Yield `count` different prompts of the seed; there is no end to them, so that there has to be a count."""
        if count is None:
            raise UsageError("there is no end to prompts from templates; say how many under `count`")
        rng, made = random.Random(f"template/{seed}"), set[str]()
        for setting in self._turns(rng):
            if len(made) == count:
                return
            prompt = self._prompt(rng, setting)
            if prompt.text not in made:
                made.add(prompt.text)
                yield prompt

    def _turns(self, rng: random.Random) -> Iterator[str]:
        while True:
            yield from rng.sample(self._settings, len(self._settings))

    def _prompt(self, rng: random.Random, setting: str) -> Prompt:
        length = rng.randint(*self._sentences)
        most = min(4, length - 1)
        stressed = self._stress or tuple(rng.sample(list(ASPECTS), rng.randint(min(2, most), most)))
        told = _compose(rng, setting, stressed, length)
        text = " ".join(each.text for each in told)
        aspects = [list(each.aspects) for each in told]
        return Prompt(text, {"domain": setting, "stressed": list(stressed), "aspects": aspects})


def _compose(rng: random.Random, setting: str, stressed: Sequence[str], length: int) -> list[Told]:
    """As many sentences, each stressed aspect in one at least, and others only where the scene has no room for more."""
    composer = Composer(rng, vocabulary(), setting)
    cramped = len(set(stressed) - {"location"}) >= length
    several = "number" in stressed and (cramped or rng.random() < 0.5)
    told = [composer.open(gazing="direction" in stressed, several=several)]
    first = [aspect for aspect in stressed if aspect not in told[0].aspects]
    rounds = cycle([*rng.sample(list(stressed), len(stressed)), None])
    for aspect in [*rng.sample(first, len(first)), *(next(rounds) for _ in range(4 * length)), *ASPECTS, *ASPECTS]:
        if len(told) == length:
            break
        added = composer.add(aspect or rng.choice(list(ASPECTS)))
        if added is not None:
            told.append(added)
    return told
