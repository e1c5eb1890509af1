"""Objects: a thing said to be of a kind that next to no picture holds, or of a kind that this one cannot hold.

False whenever the original is true: where the caption names everything there is, because no thing of the new kind is
left; elsewhere because a walrus that lies on the sofa just as the dog does would not have gone without a word. So the
new kind is improbable by itself, and captions of zoos, toys, paintings and the like are left alone. Kinds that may
well stand beside each other, a dog and a cat or a man and a woman, are not exchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from alignbench.types import ErrorType
from generation.injection.clause import FUNCTION_WORDS, PHRASE_END
from generation.injection.edit import Edit, replaced
from generation.injection.english import article, as_written
from generation.injection.known import Known
from generation.injection.reading import Reading
from generation.injection.vocabulary import ATTRIBUTES, COLOUR_WORDS, KINDS, OBJECTS, STRANGE_PLACES

_DESCRIBING = frozenset().union(*ATTRIBUTES.values(), COLOUR_WORDS, {"old", "new", "single", "striped", "fluffy"})
_DETERMINED = re.compile(r"\b(?P<determiner>an?|the|one|this|his|her|its|their) (?P<modifiers>(?:[a-z]+ ){0,3}?)$")


def edits(reading: Reading, known: Known) -> Iterator[Edit]:
    """Every exchange of a noun in the singular that is certain."""
    if known.absent:
        for noun in KINDS:
            if noun not in known.absent:
                yield from _exchanged("kind that is not there", reading, noun, sorted(known.absent & frozenset(_PLAIN)))
    if known.words & STRANGE_PLACES:
        return
    for nouns, improbable in OBJECTS:
        instead = [noun for noun in improbable if known.words.isdisjoint(noun.split())]
        for noun in sorted(nouns & known.words):
            yield from _exchanged("improbable kind", reading, noun, instead)


# Shapes for shapes: an arrow has a direction and a sign a text, of which a sentence may speak.
_PLAIN = ("circle", "square", "triangle", "star")


def _exchanged(rule: str, reading: Reading, noun: str, instead: Sequence[str]) -> Iterator[Edit]:
    found = list(re.finditer(rf"(?<![\w-]){noun}(?![\w'\u2019-])", reading.plain))
    if len(found) != 1 or not PHRASE_END.match(reading.plain, found[0].end()):
        return
    if reading.plain.startswith(" of ", found[0].end()):
        return  # "a cup of coffee" is about coffee
    (start, end) = found[0].span()
    said = _DETERMINED.search(reading.plain[:start])
    if said is None or not FUNCTION_WORDS.isdisjoint(said["modifiers"].split()):
        return
    if not _DESCRIBING.issuperset(said["modifiers"].split()):
        return  # "police car" is no car that is police
    for other in instead:
        yield _edit(rule, reading, (start, end), other, said)


def _edit(rule: str, reading: Reading, place: tuple[int, int], after: str, said: re.Match[str]) -> Edit:
    """The edit, with the article before it where that has to change too."""
    start, end = place
    needed = said["determiner"] in ("a", "an") and not said["modifiers"] and said["determiner"] != article(after)
    if not needed:
        return replaced(rule, ErrorType.OBJECT, place, as_written(after, reading.text[start:end]))
    lead = as_written(article(after), reading.text[said.start() : said.end()])
    return replaced(rule, ErrorType.OBJECT, (said.start(), end), after, f"{lead} ")
