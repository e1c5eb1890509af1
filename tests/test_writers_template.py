"""Prompts from the grammar: different, grammatical, free of contradictions, and about what they are said to stress."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import combinations, islice
from pathlib import Path
from typing import Any

import pytest

from alignbench.errors import UnknownNameError, UsageError
from alignbench.text import split_sentences
from generation import parts
from generation.protocols import Prompt, Site
from generation.writers.aspects import ASPECTS
from generation.writers.template import TemplateWriter
from generation.writers.things import ACROSS, PLACES
from generation.writers.words import NUMBERS, vocabulary, with_article

SITE = Site(Path("recipes"), Path("own"))
NOUNS = {noun.singular: noun for group in vocabulary().nouns.values() for noun in group}
FORMS = {form: noun.singular for noun in NOUNS.values() for form in (noun.singular, noun.plural)}
MANY = "|".join(NUMBERS[2:])
_LONGEST_FIRST = "|".join(sorted(map(re.escape, FORMS), key=len, reverse=True))
SPOKEN = re.compile(rf"\bthe (?:({MANY}) )?({_LONGEST_FIRST})(?![\w-])", re.IGNORECASE)
_BETWEEN = r"((?:(?!(?:the|of|to|in)\b)[\w-]+ ){0,5}?)"
INTRODUCED = re.compile(rf"\b(an?|{MANY}) {_BETWEEN}({_LONGEST_FIRST})(?![\w-])", re.IGNORECASE)
WHERE = {phrase: place for place, phrases in PLACES.items() for phrase in phrases}
_ONE = rf"(?:(?:{MANY}) )?({_LONGEST_FIRST})"
GAZE = re.compile(rf"^The {_ONE} \w+ to the (left|right), toward the {_ONE}\.$")
BESIDE = re.compile(rf"to the (left|right) of the {_ONE},", re.IGNORECASE)


def write(count: int, seed: int = 0, **options: Any) -> list[Prompt]:
    return list(TemplateWriter.from_options(SITE, **options).prompts(count, seed))


@pytest.fixture(scope="module")
def prompts() -> list[Prompt]:
    return write(2000, seed=3) + write(500, seed=4, sentences=8, stress=["location", "direction", "relation"])


def sentences_of(prompt: Prompt) -> list[str]:
    return [prompt.text[start:end] for start, end in split_sentences(prompt.text)]


def told(prompt: Prompt) -> Iterator[tuple[str, list[str]]]:
    return zip(sentences_of(prompt), prompt.provenance["aspects"], strict=True)


def places_of(prompt: Prompt) -> dict[str, str]:
    """Where each thing stands, read from the sentences that bring it in."""
    found: dict[str, str] = {}
    for sentence, aspects in told(prompt):
        if "location" in aspects:
            (phrase,) = (each for each in WHERE if re.search(rf"\b{each}\b", sentence, re.IGNORECASE))
            fresh = [match[3].lower() for match in INTRODUCED.finditer(sentence)]
            noun = next(FORMS[form] for form in reversed(fresh))
            assert noun not in found, prompt.text
            found[noun] = WHERE[phrase]
    return found


def test_no_two_are_the_same_and_a_seed_gives_the_same_again() -> None:
    first = write(1007)
    assert len({prompt.text for prompt in first}) == 1007
    assert write(1007) == first
    assert write(100) == first[:100]
    assert not {prompt.text for prompt in write(1007, seed=1)} & {prompt.text for prompt in first}


def test_there_are_millions_even_of_the_shortest_of_one_setting() -> None:
    # No two alike among n draws of N is unlikely unless N is far above n * n / 2.
    drawn = [write(1, seed=seed, sentences=2, settings=["desert"])[0].text for seed in range(3000)]
    assert len(drawn) - len(set(drawn)) <= 1


def test_the_settings_take_turns() -> None:
    counts = Counter(prompt.provenance["domain"] for prompt in write(1007))
    assert counts.keys() == vocabulary().settings.keys()
    assert max(counts.values()) - min(counts.values()) <= 1
    assert {prompt.provenance["domain"] for prompt in write(9, settings=["farm", "office"])} == {"farm", "office"}


def test_sentences_are_as_many_as_asked_and_split_where_they_end(prompts: list[Prompt]) -> None:
    for prompt in prompts:
        split = sentences_of(prompt)
        assert len(split) == len(prompt.provenance["aspects"])
        assert all(re.fullmatch(r"[A-Z].*[a-z\"]\.", sentence) for sentence in split), prompt.text
    assert {len(prompt.provenance["aspects"]) for prompt in prompts[:2000]} == {3, 4, 5, 6}
    assert {len(prompt.provenance["aspects"]) for prompt in prompts[2000:]} == {8}
    assert {len(prompt.provenance["aspects"]) for prompt in write(50, sentences=[2, 3])} == {2, 3}


def test_what_is_stressed_has_a_sentence(prompts: list[Prompt]) -> None:
    for prompt in prompts:
        assert set(prompt.provenance["stressed"]) <= {each for some in prompt.provenance["aspects"] for each in some}
    for size in range(1, 7):
        for stress in combinations(ASPECTS, size):
            least = max(2, len(set(stress) - {"location", "number"}) + 1)
            for prompt in write(12, sentences=least, stress=list(stress)):
                assert set(stress) <= {each for some in prompt.provenance["aspects"] for each in some}, prompt.text


def test_aspects_are_what_the_sentences_say(prompts: list[Prompt]) -> None:
    signs = {
        "location": "|".join(WHERE),
        "direction": r"(look|gaze|stare)s? ",
        "number": rf"\b({MANY}) ",
        "text": r'(reads|says) "[A-Z0-9 ]+"',
        "relation": r" (holds|lies) ",
        "attribute": r" (wears an?|has an?) ",
    }
    for prompt in prompts:
        for sentence, aspects in told(prompt):
            assert aspects
            for aspect in aspects:
                assert re.search(signs[aspect], sentence, re.IGNORECASE), (aspect, sentence)


def test_articles_and_agreement(prompts: list[Prompt]) -> None:
    singular = "stands sits kneels crouches rests waits is looks gazes stares".split()
    plural = "stand sit kneel crouch rest wait are look gaze stare".split()
    plurals = sorted({re.escape(n.plural) for n in NOUNS.values() if n.plural != n.singular}, key=len, reverse=True)
    for prompt in prompts:
        text = prompt.text
        assert not re.search(r"\b[aA] [aeiouAEIOU]", text), text
        assert not re.search(r"\b[aA]n [^aeiou]", text), text
        assert not re.search(r"  | [.,]|\b(\w+) \1\b", text), text
        assert not re.search(rf"\b({MANY}) [\w -]*?({'|'.join(plurals)}) ({'|'.join(singular)})\b", text), text
        for sentence in sentences_of(prompt):
            one = re.match(
                rf"(?:The|An?|.*, an?) (?!{MANY})(?:[\w-]+ )*?({'|'.join(NOUNS)}) ({'|'.join(plural)})\b", sentence
            )
            assert not one, sentence
            assert not re.search(rf"Each of the .* ({'|'.join(plural)}|wear|hold|have)\b", sentence), sentence


def test_a_thing_has_one_count(prompts: list[Prompt]) -> None:
    for prompt in prompts:
        counts: dict[str, set[str]] = {}
        for match in SPOKEN.finditer(prompt.text):
            counts.setdefault(FORMS[match[2].lower()], set()).add((match[1] or "one").lower())
        for noun, said in counts.items():
            assert len(said) == 1, (noun, prompt.text)


def test_a_place_holds_one_thing(prompts: list[Prompt]) -> None:
    several = 0
    for prompt in prompts:
        places = places_of(prompt)
        assert len(set(places.values())) == len(places), prompt.text
        several += len(places) > 1
    assert several > 1000


def test_left_and_right_agree_with_the_places(prompts: list[Prompt]) -> None:
    gazes = besides = 0
    for prompt in prompts:
        places = places_of(prompt)
        at = {noun: ACROSS.index(place) for noun, place in places.items() if place in ACROSS}
        for sentence, aspects in told(prompt):
            if gaze := GAZE.match(sentence):
                gazes += 1
                one, other = at[FORMS[gaze[1]]], at[FORMS[gaze[3]]]
                assert (other < one) == (gaze[2] == "left") and other != one, prompt.text
            if "location" in aspects and (beside := BESIDE.search(sentence)):
                besides += 1
                new = next(WHERE[each] for each in WHERE if re.search(rf"\b{each}\b", sentence, re.IGNORECASE))
                there = at[FORMS[beside[2].lower()]]
                assert (ACROSS.index(new) < there) == (beside[1] == "left"), prompt.text
    assert gazes > 100 and besides > 100


def test_no_thing_is_said_the_like_of_twice(prompts: list[Prompt]) -> None:
    for prompt in prompts:
        for pattern in (r"^(.*?) (?:wears|has an?) ", r"^(.*?) holds ", r"^(The .*?) (?:look|gaze|stare)s? "):
            said = [match[1] for sentence in sentences_of(prompt) if (match := re.match(pattern, sentence))]
            assert len(said) == len(set(said)), prompt.text
        mottos = re.findall(r'"(.*?)"', prompt.text)
        assert len(mottos) == len(set(mottos))


def test_the_words_of_the_vocabulary_are_each_one_thing() -> None:
    singulars = [noun.singular for group in vocabulary().nouns.values() for noun in group]
    small = [noun.singular for noun in vocabulary().small]
    assert len(singulars) == len(set(singulars)) and not set(singulars) & set(small)
    for setting, said in vocabulary().settings.items():
        assert {"person", "animal", "plant", "thing"} <= {noun.kind for noun in vocabulary().fitting(setting)}
        assert set(said["draws"]) <= vocabulary().nouns.keys()
    assert set(vocabulary().lists["surfaces"]) <= NOUNS.keys()


@pytest.mark.parametrize(
    ("phrase", "said"), [("apple", "an apple"), ("owl", "an owl"), ("unicycle", "a unicycle"), ("Iris", "an Iris")]
)
def test_a_and_an(phrase: str, said: str) -> None:
    assert with_article(phrase) == said


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"stress": ["gaze"]}, "there is no aspect 'gaze'"),
        ({"stress": "location"}, "stress is 'location'; it is a list of some of: location, "),
        ({"stress": []}, r"stress is \[\]"),
        ({"stress": ["text", "relation", "attribute"]}, "set sentences to at least 4"),
        ({"sentences": 1}, "sentences is 1; it is a number from 2 to 8"),
        ({"sentences": [5, 3]}, r"sentences is \[5, 3\]"),
        ({"sentences": True}, "sentences is True"),
        ({"sentences": "35"}, "sentences is '35'"),
        ({"settings": ["moon"]}, "there is no setting 'moon'"),
        ({"settings": "farm"}, "settings is 'farm'; it is a list"),
    ],
    ids=str,
)
def test_options_that_make_no_sense(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        TemplateWriter.from_options(SITE, **options)


def test_it_never_ends_and_says_so() -> None:
    with pytest.raises(UsageError, match="say how many under `count`"):
        next(TemplateWriter.from_options(SITE).prompts(None, 0))
    assert len(list(islice(TemplateWriter.from_options(SITE).prompts(10**9, 0), 5))) == 5
    assert write(0) == []


def test_a_recipe_finds_it_by_name() -> None:
    assert isinstance(parts.prompt_writer("template", SITE, {"sentences": [2, 3]}), TemplateWriter)
    assert set(parts.options_of(parts.PROMPT_WRITERS["template"])) == {"stress", "sentences", "settings"}
    with pytest.raises(UnknownNameError):
        parts.prompt_writer("template", SITE, {"stress": ["colour"]})
