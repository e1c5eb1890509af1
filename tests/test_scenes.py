"""The offline world: labels that a second reading confirms, pictures that repeat, contrasts without a leak."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignbench.errors import RecipeError, UsageError
from alignbench.text import split_sentences
from alignbench.types import (
    CaptionTask,
    Direction,
    ErrorType,
    Image,
    ImageTask,
    Label,
    ModelRef,
    Origin,
    Pair,
    Sentence,
    Status,
)
from generation.scenes import grammar
from generation.scenes.contrast import CONTRAST_TYPES, draw_contrast
from generation.scenes.grammar import FILLS, WORDINGS, Claim, Form, Noun, parse, say
from generation.scenes.labeller import judge_sentence
from generation.scenes.painters import SloppyPainter, imagine
from generation.scenes.render import render
from generation.scenes.source import ScenesLabeller, ScenesPrompts, ScenesSource
from generation.scenes.world import COLOURS, KINDS, SHAPES, SIZES, Scene, Thing, random_scene, scene_of
from generation.scenes.writer import ScenesWriter, describe, plant
from tests import scene_oracle

ONE_WORD = {ErrorType.ATTRIBUTE, ErrorType.OBJECT, ErrorType.NUMBER, ErrorType.DIRECTION, ErrorType.TEXT}
VALUES = {form: grammar._VALUES[form] for form in Form}


def random_noun(rng: random.Random) -> Noun:
    kind = rng.choice(KINDS)
    fill = rng.choice((None, None, *FILLS)) if kind in SHAPES else None
    size = rng.choice((None, None, *SIZES)) if kind != "sign" else None
    return Noun(kind, rng.choice((None, *COLOURS)), fill, size)


def random_sentence(rng: random.Random, scene: Scene) -> str:
    """A fifth of them true, some with one slot of a true statement changed. The others say anything."""
    if rng.random() < 0.6:
        statement = rng.choice(describe(scene, rng))
        if rng.random() < 0.35:
            return statement.text
        slot = rng.choice(grammar.slots_of(statement.claim))
        others = grammar.alternatives(statement.claim, slot) or (None,)
        value = rng.choice(others)
        claim = grammar.with_slot(statement.claim, slot, value) if value else statement.claim
        return say(claim, statement.wording).text
    wording = rng.choice(WORDINGS)
    nouns = {Form.RELATED: 2, Form.BACKGROUND: 0}.get(wording.form, 1)
    value = rng.choice(VALUES[wording.form]) if VALUES[wording.form] else None
    return say(Claim(wording.form, tuple(random_noun(rng) for _ in range(nouns)), value), wording).text


def test_the_labeller_agrees_with_a_second_reading_and_its_corrections_are_true() -> None:
    rng = random.Random(11)
    labels: Counter[str] = Counter()
    for _ in range(10_000):
        scene = random_scene(rng)
        text = random_sentence(rng, scene)
        found = judge_sentence(scene, text)
        assert (found.label is Label.CORRECT) == scene_oracle.true(scene, text), (scene, text)
        labels[found.label] += 1
        if found.label is Label.INCORRECT:
            assert found.spans and found.correction is not None
            assert scene_oracle.true(scene, found.correction), (scene, text, found)
            assert all(0 <= s.start < s.end <= len(text) for s in found.spans)
            labels.update(t.value for t in found.error_types)
    assert labels[Label.UNKNOWN] == 0 and labels[Label.CORRECT] > 1000
    assert all(labels[t.value] > 50 for t in CONTRAST_TYPES), labels


def test_a_single_wrong_word_gets_the_type_of_the_word_that_mends_it() -> None:
    """An attribute, object, number, direction or text error lies on a word whose exchange mends the sentence."""
    rng = random.Random(12)
    checked = 0
    while checked < 500:
        scene = random_scene(rng)
        text = random_sentence(rng, scene)
        found = judge_sentence(scene, text)
        if len(found.spans) == 1 and found.error_types[0] in ONE_WORD:
            checked += 1
            span = found.spans[0]
            mending = _mending_words(scene, text)
            assert any(span.start <= at < span.end for at in mending), (scene, text, found, mending)


def test_an_illusion_is_no_single_word_away_from_the_truth() -> None:
    rng = random.Random(13)
    checked = 0
    while checked < 300:
        scene = random_scene(rng)
        text = random_sentence(rng, scene)
        if judge_sentence(scene, text).error_types == (ErrorType.ILLUSION,):
            checked += 1
            assert not _mending_words(scene, text), (scene, text)


def _mending_words(scene: Scene, text: str) -> list[int]:
    """Offsets of the single words whose exchange for another of their sort makes the text true."""
    places = []
    at = 0
    for word in text.split(" "):
        bare = word.strip('."')
        plural = bare.removesuffix("s") if bare.removesuffix("s") in scene_oracle.KINDS else bare
        for sort in scene_oracle.SLOT_WORDS:
            ending = "s" if plural != bare else ""
            if plural in sort and any(
                scene_oracle.true(scene, text[:at] + word.replace(bare, other + ending) + text[at + len(word) :])
                for other in sort - {plural}
            ):
                places.append(at + word.index(bare))
        at += len(word) + 1
    return places


def scene_with(*things: Thing, background: str = "white") -> Scene:
    return scene_of(background, list(things), 0)


CIRCLE = Thing("circle", "red", 0, size="small", fill="solid")
SQUARE = Thing("square", "blue", 4, size="large", fill="hollow")
ARROW = Thing("arrow", "green", 5, size="large", heading="up")
SIGN = Thing("sign", "yellow", 6, text="GO")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("There is a small red circle.", None),
        ("There is a large red circle.", [("large", "attribute")]),
        ("There is a red square.", [("red", "attribute")]),
        ("There is a red triangle.", [("triangle", "object")]),
        ("There is a purple star.", [("a purple star", "illusion")]),
        ("The background is black.", [("black", "attribute")]),
        ("The square is red.", [("red", "attribute")]),
        ("The arrow points down.", [("down", "direction")]),
        ('The sign reads "NO".', [("NO", "text")]),
        ("There are three objects.", [("three", "number")]),
        ("The circle is at the bottom.", [("at the bottom", "location")]),
        ("The circle is to the right of the square.", [("to the right of", "relation")]),
        ("The blue circle is in the center.", [("circle", "object")]),
        ("The hollow circle is at the bottom.", [("hollow", "attribute"), ("at the bottom", "location")]),
        ("The purple star points up.", [("The purple star", "illusion")]),
        ("A cat sits on the mat.", "unknown"),
    ],
)
def test_errors_have_the_type_and_span_that_the_definitions_give(text: str, wrong: object) -> None:
    scene = scene_with(CIRCLE, SQUARE, ARROW, SIGN)
    found = judge_sentence(scene, text)
    if wrong == "unknown":
        assert found.label is Label.UNKNOWN
    elif wrong is None:
        assert found.label is Label.CORRECT and found.spans == ()
    else:
        assert [(text[s.start : s.end], s.error_type.value) for s in found.spans] == wrong


@given(st.integers(0, 2**32))
def test_what_the_grammar_says_it_reads_back(seed: int) -> None:
    rng = random.Random(seed)
    wording = rng.choice(WORDINGS)
    nouns = {Form.RELATED: 2, Form.BACKGROUND: 0}.get(wording.form, 1)
    value = rng.choice(VALUES[wording.form]) if VALUES[wording.form] else None
    said = say(Claim(wording.form, tuple(random_noun(rng) for _ in range(nouns)), value), wording)
    read = parse(said.text)
    assert read is not None
    assert (read.claim, read.wording, set(read.slots)) == (said.claim, said.wording, set(said.slots))


@given(st.integers(0, 2**32))
def test_captions_are_true_and_split_into_the_sentences_they_were_made_of(seed: int) -> None:
    rng = random.Random(seed)
    scene = random_scene(rng)
    statements = describe(scene, rng)
    caption = " ".join(s.text for s in statements)
    assert [caption[a:b] for a, b in split_sentences(caption)] == [s.text for s in statements]
    assert 5 <= len(statements) <= 7
    assert all(judge_sentence(scene, s.text).label is Label.CORRECT for s in statements)


def test_a_scene_survives_json_and_draws_the_same_bytes_each_time() -> None:
    rng = random.Random(3)
    for _ in range(20):
        scene = random_scene(rng)
        again = Scene.from_json(scene.to_json())
        assert again == scene
        assert hashlib.sha256(render(again)).digest() == hashlib.sha256(render(scene)).digest()


@pytest.mark.parametrize("error_type", CONTRAST_TYPES)
def test_a_contrast_makes_each_text_and_each_scene_once_true_and_once_false(error_type: ErrorType) -> None:
    rng = random.Random(7)
    for _ in range(50):
        c = draw_contrast(error_type, rng)
        assert scene_oracle.true(c.first, c.first_text) and scene_oracle.true(c.second, c.second_text)
        assert not scene_oracle.true(c.first, c.second_text) and not scene_oracle.true(c.second, c.first_text)
        assert judge_sentence(c.first, c.second_text).error_types == (error_type,)


def test_a_contrast_of_no_known_type_says_which_there_are() -> None:
    with pytest.raises(ValueError, match="attribute"):
        draw_contrast(ErrorType.OTHER, random.Random(0))


def test_planted_errors_are_what_the_labeller_finds() -> None:
    images = list(ScenesSource().images(60, 5))
    tasks = [CaptionTask(i, image, "Describe the image.", i) for i, image in enumerate(images)]
    wrong = 0
    for made in ScenesWriter(rate=0.3).produce(tasks):
        scene = Scene.from_json(images[made.number].provenance["scene"])
        planted = {p["index"]: p for p in made.provenance["planted"]}
        assert made.caption is not None
        for index, (start, end) in enumerate(split_sentences(made.caption)):
            found = judge_sentence(scene, made.caption[start:end])
            assert (found.label is Label.INCORRECT) == (index in planted)
            if index in planted:
                wrong += 1
                assert [t.value for t in found.error_types] == [planted[index]["error_type"]]
                assert scene_oracle.true(scene, planted[index]["correction"])
    assert 50 < wrong < 150


def test_every_type_can_be_planted() -> None:
    rng = random.Random(0)
    types: Counter[ErrorType] = Counter()
    for _ in range(600):
        scene = random_scene(rng)
        planted = plant(scene, rng.choice(describe(scene, rng)), rng)
        types.update([planted.error_type] if planted else [])
    assert set(types) == set(CONTRAST_TYPES)


def test_the_writer_refuses_what_it_cannot_do() -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        ScenesWriter(rate=1.5)
    with pytest.raises(UsageError, match="template"):
        ScenesWriter.from_reference("poet")
    photograph = Image("k", None, None, None, None, Origin.REAL, "photographs")
    (made,) = ScenesWriter().produce([CaptionTask(0, photograph, "", 0)])
    assert made.status is Status.FAILED and "scene" in made.provenance["reason"]


def test_painters_err_at_their_rates_and_the_meant_scene_fits_the_prompt() -> None:
    prompts = list(ScenesPrompts().prompts(120, 9))
    shares = {}
    for name in ("painter-a", "painter-b"):
        wrong, meant_wrong, total = 0, 0, 0
        for made in SloppyPainter(name).produce(ImageTask(i, p.text, i) for i, p in enumerate(prompts)):
            drawn, meant = (Scene.from_json(made.provenance[k]) for k in ("scene", "meant"))
            for start, end in split_sentences(prompts[made.number].text):
                sentence = prompts[made.number].text[start:end]
                total += 1
                wrong += not scene_oracle.true(drawn, sentence)
                meant_wrong += not scene_oracle.true(meant, sentence)
        shares[name] = wrong / total
        assert meant_wrong / total < 0.05
    assert 0.04 < shares["painter-a"] < 0.14 and 0.25 < shares["painter-b"] < 0.45


def test_painters_fail_on_other_languages_and_names() -> None:
    (made,) = SloppyPainter("painter-a").produce([ImageTask(0, "An oil painting of the sea.", 1)])
    assert made.status is Status.FAILED and made.image is None
    with pytest.raises(UsageError, match="painter-a, painter-b"):
        SloppyPainter("painter-c")


def test_counts_in_a_prompt_do_not_add_to_what_is_told() -> None:
    prompt = 'There are two objects. A small red circle sits in the top left corner. The sign reads "GO".'
    scene = imagine(prompt, random.Random(0))
    assert scene is not None and len(scene.things) == 2
    assert imagine("Nothing here.", random.Random(0)) is None


def test_sources_repeat_for_a_seed_and_differ_between_seeds() -> None:
    first, again, other = ([i.sha256 for i in ScenesSource().images(5, seed)] for seed in (1, 1, 2))
    assert first == again and not set(first) & set(other)
    texts = [p.text for p in ScenesPrompts().prompts(30, 1)]
    assert texts == [p.text for p in ScenesPrompts().prompts(30, 1)] and len(set(texts)) == 30


def test_what_is_no_scene_cannot_be_labelled() -> None:
    (image,) = ScenesSource().images(1, 4)
    pair = Pair("p", image.image_key, "It is red.", ModelRef("m"), Direction.TEXT_TO_IMAGE, None, "c")
    with pytest.raises(RecipeError, match=r"the image .* of the pair p is none; take the labeller out"):
        ScenesLabeller().label(replace(image, provenance={}), pair, [])


def test_labels_carry_true_corrections() -> None:
    (image,) = ScenesSource().images(1, 4)
    scene = Scene.from_json(image.provenance["scene"])
    texts = ["There are four objects.", "Once upon a time.", describe(scene, random.Random(1))[1].text]
    caption = " ".join(texts)
    pair = Pair("p", image.image_key, caption, ModelRef("m"), Direction.IMAGE_TO_TEXT, None, image.image_key)
    sentences = []
    for index, text in enumerate(texts):
        start = caption.index(text)
        sentences.append(Sentence(f"p#{index}", "p", index, start, start + len(text), text))
    labelled = ScenesLabeller().label(image, pair, sentences)
    expected = [Label.CORRECT if len(scene.things) == 4 else Label.INCORRECT, Label.UNKNOWN, Label.CORRECT]
    assert [s.label for s in labelled.sentences] == expected
    for correction in labelled.provenance["corrections"].values():
        assert scene_oracle.true(scene, correction)
