"""Planting by rules: false for certain, where the wrong words are, and nothing where it would not be certain."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignbench.text import split_sentences
from alignbench.types import ErrorType, Label
from generation.injection.edit import Edit
from generation.injection.english import article, as_written, plural, singular
from generation.injection.plant import Caption, Planted, plant
from generation.injection.reading import quotations, read
from generation.injection.rules import RULES, changes, drawn
from generation.injection.vocabulary import ATTRIBUTES, IMPROBABLE, OBJECTS, SIGN_WORDS
from generation.scenes.labeller import judge_sentence
from generation.scenes.world import random_scene
from generation.scenes.writer import describe

TYPES = tuple(RULES)
# All but the added sentence, which any caption can carry.
CHANGING = tuple(t for t in TYPES if t is not ErrorType.ILLUSION)


def caption_of(*sentences: str) -> Caption:
    text = " ".join(sentences)
    ranges = tuple(split_sentences(text))
    assert [text[a:b] for a, b in ranges] == list(sentences)
    return Caption(text, ranges, (True,) * len(ranges))


def results(*sentences: str, definite: bool = False) -> dict[ErrorType, set[str]]:
    """What may become of a caption, by type: the wrong sentence with its wrong words in brackets."""
    caption = caption_of(*sentences)
    said: dict[ErrorType, set[str]] = {}
    for error_type, found in changes(caption, CHANGING, definite=definite).items():
        for index, edit in found:
            planted = plant(caption, index, edit)
            assert planted is not None
            said.setdefault(error_type, set()).add(marked(planted))
    return said


def marked(planted: Planted) -> str:
    start, end = planted.ranges[planted.index]
    sentence, span = planted.text[start:end], planted.span
    return f"{sentence[: span.start]}[{sentence[span.start : span.end]}]{sentence[span.end :]}"


# Captions as people write them; of each what a rule must be able to make of it, by hand.
CHANGED = [
    (["The background is white."], "attribute", "The background is [black]."),
    (["A cat sits before a plain white background."], "attribute", "A cat sits before a plain [black] background."),
    (["Everything is set on an orange background."], "attribute", "Everything is set on a [blue] background."),
    (["The sky is blue."], "attribute", "The sky is [green]."),
    (["The sky is clear."], "attribute", "The sky is [completely overcast]."),
    (["The background is blurred."], "attribute", "The background is [in focus]."),
    (["This black-and-white photograph shows a street."], "attribute", "This [full-color] photograph shows a street."),
    (["This black and white photo has a grey frame."], "attribute", "This [full-colour] photo has a grey frame."),
    (["The photo was taken at night."], "attribute", "The photo was taken [at noon]."),
    (["The only car is red."], "attribute", "The only car is [green]."),
    (["Both dogs are brown."], "attribute", "Both dogs are [blue]."),
    (["All of the chairs are wooden."], "attribute", "All of the chairs are [rubber]."),
    (["The tallest woman is standing."], "attribute", "The tallest woman is [lying down]."),
    (["There is one cup.", "A small cup is visible."], "attribute", "A [large] cup is visible."),
    (["There is one orange cup."], "number", "There are [two] orange cups."),
    (["There is one boat in the image."], "number", "There are [three] boats in the image."),
    (["There are three birds on the wire."], "number", "There is [one] bird on the wire."),
    (["There are two children."], "number", "There is [one] child."),
    (["Two women are walking along the beach."], "number", "[Five] women are walking along the beach."),
    (["We can see 4 cars on the road."], "number", "We can see [5] cars on the road."),
    (["In the background, two people are talking."], "number", "In the background, [three] people are talking."),
    (["There is a pair of dogs on the lawn."], "number", "There are [three] dogs on the lawn."),
    (["One dog is asleep."], "number", "[Two] dogs are asleep."),
    (["Both horses are looking to the right."], "direction", "Both horses are looking to the [left]."),
    (["The two dogs are facing left."], "direction", "The two dogs are facing [right]."),
    (["The leftmost arrow points up."], "direction", "The leftmost arrow points [down]."),
    (["The image is taken from above."], "direction", "The image is taken from [below]."),
    (["The only man is sitting, facing the left."], "direction", None),
    (["The only man is facing away from the camera."], "direction", "The only man is facing [towards the camera]."),
    (["The sun is in the top right corner."], "location", "The sun is [in the bottom left corner]."),
    (["The only boat is in the foreground."], "location", "The only boat is [in the background]."),
    (["The largest dog is lying on the left side of the image."], "location",
     "The largest dog is lying [on the right side] of the image."),
    (["Both cups stand in the centre."], "location", "Both cups stand [in the top left corner]."),
    (["There is one lamp.", "There is a lamp at the top."], "location", "There is a lamp [at the bottom]."),
    (["There is one bird.", "The bird is above the horizon."], "relation", "The bird is [below] the horizon."),
    (["There is one cup.", "There is one box.", "The cup stands in front of the box."], "relation",
     "The cup stands [behind] the box."),
    (["A dog is lying on the sofa."], "object", "A [walrus] is lying on the sofa."),
    (["An orange car is parked at the kerb."], "object", "An orange [submarine] is parked at the kerb."),
    (["She is riding a bicycle."], "object", "She is riding a [snowmobile]."),
    (["A dog is lying on the sofa."], "object", "An [armadillo] is lying on the sofa."),
    (['The sign reads "STOP".'], "text", 'The sign reads "[LANTERN]".'),
    (["A poster says 'Hello World' in large letters."], "text", "A poster says '[Velvet] World' in large letters."),
    (["The red letters spell “open”."], "text", "The red letters spell “[walnut]”."),
]  # fmt: skip


@pytest.mark.parametrize(("sentences", "error_type", "expected"), CHANGED)
def test_what_becomes_of_a_caption(sentences: list[str], error_type: str, expected: str | None) -> None:
    found = results(*sentences).get(ErrorType(error_type), set())
    if expected is None:
        assert found == set()
    else:
        assert expected in found, found


# What may never be changed so, because the caption could stay true: by hand, with the reason.
LEFT_ALONE = [
    (["A red car is parked."], "attribute", "another car may be blue"),
    (["The car is red."], "attribute", "some car may be blue"),
    (["The only bus is red and white."], "attribute", "which colour is whose"),
    (["The only car is dark red."], "attribute", "the tone belongs to the colour"),
    (["The only cat is not black."], "attribute", "negated"),
    (["The only man appears to be young."], "attribute", "uncertain"),
    (["The only car is red or orange."], "attribute", "alternatives"),
    (["The only dog is almost white."], "attribute", "nearly"),
    (["There is one sign.", 'The sign reads "red".'], "attribute", "a quotation has no colour"),
    (["The White House stands before a fence."], "attribute", "a name"),
    (["The man in the red shirt is tall."], "attribute", "the shirt is not what is tall"),
    (["The only man at the counter drinks orange juice."], "attribute", "a compound"),
    (["A house with two doors stands on the hill."], "number", "another house may have three"),
    (["A man is holding two bags."], "number", "another man may hold three"),
    (["About five people are waiting."], "number", "a rough count"),
    (["There are at least two cups."], "number", "a bound"),
    (["There are two or three birds."], "number", "alternatives"),
    (["Two-story houses line the street."], "number", "part of a compound"),
    (["Two thirds of the picture are blue."], "number", "a fraction"),
    (["There are two pairs of shoes."], "number", "pairs"),
    (["One of the dogs is brown."], "number", "one of several"),
    (["On the table, two plates are stacked."], "number", "another table may have three"),
    (["There is a pair of scissors on the desk."], "number", "one thing"),
    (["The dog is facing left."], "direction", "another dog may face right"),
    (["The only man is looking to the left of the camera."], "direction", "not the left of the picture"),
    (["The only man is looking left and right."], "direction", "both"),
    (["A tree stands on the left side."], "location", "another may stand on the right"),
    (["The only tree stands on the left side of the road."], "location", "the road's, not the picture's"),
    (["In the foreground, there is a wooden table."], "location", "another may be behind"),
    (["The only cup is next to the plate."], "relation", "far from it excludes nothing"),
    (["The cup is on the left of the plate."], "relation", "another plate"),
    (["The only dog lies in front of a chair."], "relation", "behind another chair, perhaps"),
    (["A dog house stands in the yard."], "object", "no dog"),
    (["A police car is parked."], "object", "no car that is police"),
    (["She drinks a cup of coffee."], "object", "about coffee"),
    (["A toy car lies on the carpet."], "object", "toys may be anything"),
    (["The car looks like a taxi."], "object", "likeness"),
    (["The man's dog is asleep."], "object", "a man who is not there has no dog"),
    (["The dogs at the zoo are asleep."], "object", "anything may be at a zoo"),
    (["Two dogs and a dog house are visible."], "object", "named twice"),
    (['He stands before what people call "STOP".'], "text", "nothing is said to read it"),
    (['The sign may read "STOP".'], "text", "uncertain"),
]


@pytest.mark.parametrize(("sentences", "error_type", "reason"), LEFT_ALONE)
def test_what_is_left_alone(sentences: list[str], error_type: str, reason: str) -> None:
    found = results(*sentences).get(ErrorType(error_type), set())
    assert found == set(), reason


def test_the_definite_article_is_taken_at_its_word_on_request_alone() -> None:
    alone = ["A man stands at a bus stop.", "The bus is red.", "The bus faces left."]
    assert ErrorType.DIRECTION not in results(*alone)
    assert "The bus faces [right]." in results(*alone, definite=True)[ErrorType.DIRECTION]
    assert "The bus is [green]." in results(*alone, definite=True)[ErrorType.ATTRIBUTE]
    second = ["Two buses wait.", "The bus is red.", "The bus faces left."]
    assert ErrorType.DIRECTION not in results(*second, definite=True)
    other = ["Another bus waits behind it.", "The bus faces left."]
    assert ErrorType.DIRECTION not in results(*other, definite=True)


def test_a_sentence_that_is_not_correct_proves_nothing_and_is_not_changed() -> None:
    text = "There is one cup. A small cup is visible."
    ranges = tuple(split_sentences(text))
    kinds = (ErrorType.ATTRIBUTE, ErrorType.NUMBER)
    assert set(changes(Caption(text, ranges, (True, True)), kinds, definite=False)) == set(kinds)
    assert set(changes(Caption(text, ranges, (True, False)), kinds, definite=False)) == {ErrorType.NUMBER}
    assert changes(Caption(text, ranges, (False, True)), kinds, definite=False) == {}


def test_an_illusion_is_an_added_sentence_about_what_the_caption_does_not_name() -> None:
    caption = caption_of("A dog lies on the beach.", "The sea is calm.")
    found = changes(caption, [ErrorType.ILLUSION], definite=False)[ErrorType.ILLUSION]
    for index, edit in found:
        planted = plant(caption, index, edit)
        assert planted is not None and planted.added and planted.index == index + 1
        assert len(planted.ranges) == 3 and planted.before == ""
        wrong = planted.text[slice(*planted.ranges[planted.index])][planted.span.start : planted.span.end]
        assert wrong.lower().startswith(("a ", "an ")) and "lighthouse" not in wrong
        kept = [planted.text[a:b] for i, (a, b) in enumerate(planted.ranges) if i != planted.index]
        assert kept == ["A dog lies on the beach.", "The sea is calm."]
    assert len({edit.after for _, edit in found}) > 50


def scene_caption(rng: random.Random) -> tuple[object, Caption]:
    scene = random_scene(rng)
    return scene, caption_of(*(statement.text for statement in describe(scene, rng)))


def test_in_the_offline_world_every_planted_sentence_is_false_and_its_span_is_the_labellers() -> None:
    """The labeller decides each against the scene, and agrees on type and place; of texts the grammar has no other."""
    rng, counted = random.Random(4), Counter[tuple[ErrorType, str]]()
    for _ in range(250):
        scene, caption = scene_caption(rng)
        for error_type, found in changes(caption, CHANGING, definite=False).items():
            for index, edit in found:
                planted = plant(caption, index, edit)
                assert planted is not None
                judged = judge_sentence(scene, planted.text[slice(*planted.ranges[planted.index])])  # type: ignore[arg-type]
                assert judged.label is not Label.CORRECT, (scene, planted)
                counted[error_type, judged.label.value] += 1
                if judged.label is Label.INCORRECT:
                    assert judged.error_types == (error_type,), (scene, planted)
                    (span,) = judged.spans
                    assert max(span.start, planted.span.start) < min(span.end, planted.span.end), (scene, planted)
    decided = {t: counted[t, "incorrect"] for t in CHANGING}
    assert decided.pop(ErrorType.TEXT) == 0 and counted[ErrorType.TEXT, "unknown"] > 500
    assert min(decided.values()) > 15 and sum(decided.values()) > 2000, decided


def test_in_the_offline_world_the_definite_article_is_wrong_now_and_then() -> None:
    """There, "the circle" is said of one of two circles: the option is offered as a little less certain, and is."""
    rng, labels = random.Random(4), Counter[str]()
    for _ in range(400):
        scene, caption = scene_caption(rng)
        for found in changes(caption, (ErrorType.LOCATION, ErrorType.DIRECTION), definite=True).values():
            for index, edit in found:
                planted = plant(caption, index, edit)
                assert planted is not None
                text = planted.text[slice(*planted.ranges[planted.index])]
                labels[judge_sentence(scene, text).label.value] += 1  # type: ignore[arg-type]
    assert 0 < labels["correct"] < 0.02 * labels["incorrect"], labels


@given(st.integers(0, 2**32))
def test_only_the_drawn_sentence_changes(seed: int) -> None:
    _, caption = scene_caption(random.Random(seed))
    for error_type, found in changes(caption, TYPES, definite=False).items():
        planted = drawn(caption, found, seed)
        assert planted is not None and planted == drawn(caption, found, seed)
        assert planted.error_type is error_type
        assert tuple(split_sentences(planted.text)) == planted.ranges
        texts = [planted.text[a:b] for a, b in planted.ranges]
        before = [caption.text[a:b] for a, b in caption.ranges]
        wrong = texts.pop(planted.index)
        if not planted.added:
            assert wrong != before.pop(planted.index)
        assert texts == before
        assert 0 <= planted.span.start < planted.span.end <= len(wrong)


@given(st.text(alphabet="ab \"'“”.,!?\n-\u0130éß twoishred", max_size=60))
def test_no_text_breaks_a_rule(text: str) -> None:
    ranges = tuple(split_sentences(text))
    caption = Caption(text, ranges, (True,) * len(ranges))
    assert len(read(text).plain) == len(text)
    for found in changes(caption, TYPES, definite=True).values():
        for index, edit in found[:20]:
            planted = plant(caption, index, edit)
            assert planted is None or planted.text != text


def test_a_caption_that_would_split_otherwise_is_dropped() -> None:
    caption = caption_of("The only car is red.", "It stands here.")
    whole = Edit("r", ErrorType.ATTRIBUTE, 16, 19, "green", (0, 5))
    broken = Edit("r", ErrorType.ATTRIBUTE, 16, 19, "green. It is new. All is well", (0, 5))
    assert plant(caption, 0, whole) is not None and plant(caption, 0, broken) is None
    # Sentences that somebody else found: there, the changed one must be one to our splitter too.
    theirs = Caption(caption.text, ((0, 20), (21, 26), (27, 36)), (True,) * 3)
    assert plant(theirs, 0, whole) is not None and plant(theirs, 0, broken) is None


@pytest.mark.parametrize(
    ("word", "said"),
    [("apple", "an"), ("hour", "an"), ("unicorn", "a"), ("European", "a"), ("umbrella", "an"), ("oil rig", "an"),
     ("one-eyed cat", "a"), ("use", "a"), ("", "a")],
)  # fmt: skip
def test_articles(word: str, said: str) -> None:
    assert article(word) == said or not word


def test_plurals_go_there_and_back_for_every_noun_that_is_counted() -> None:
    for noun in {noun for nouns, _ in OBJECTS for noun in nouns}:
        assert singular(plural(noun)) == noun
    assert singular("glass") is None and singular("scissors") is None and singular("berries") == "berry"


def test_capitals_are_kept() -> None:
    assert [as_written("three", each) for each in ("two", "Two", "TWO", "2")] == ["three", "Three", "THREE", "three"]
    assert as_written("a red", "A") == "A red"


def test_quotations_are_found_and_apostrophes_are_not() -> None:
    text = "The dogs' bowl says 'woof' and \"WOW\", it's “fine”."
    assert [text[a:b] for a, b in quotations(text)] == ["woof", "WOW", "fine"]


def test_the_word_lists_hold_together() -> None:
    for words in ATTRIBUTES.values():
        for word, instead in words.items():
            assert instead and word not in instead
    for nouns, improbable in OBJECTS:
        assert not nouns & set(improbable)
    assert len({thing for thing, _ in IMPROBABLE}) == len(IMPROBABLE)
    assert len({word[0] for word in SIGN_WORDS}) > 10
