"""How like the earlier texts a new one is."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from alignbench.backends.clip import TextTower, load_clip
from alignbench.errors import UsageError
from generation import near_duplicates
from generation.near_duplicates import SharedMeaning, SharedWords, likeness
from generation.recipe import NearDuplicates
from tests.tiny_models import make_clip

WORDS = st.sampled_from("a red dog cat on".split())
TEXTS = st.lists(WORDS, max_size=7).map(" ".join)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("models") / "tiny-clip")


@pytest.fixture
def meaning(folder: Path) -> SharedMeaning:
    found = likeness(NearDuplicates(by="embedding", above=0.9, model="local-dir:tiny-clip"), folder.parent)
    assert isinstance(found, SharedMeaning)
    return found


# By the words they share


def test_the_share_of_a_texts_own_grams_counts() -> None:
    words = likeness(NearDuplicates())
    assert words.most_like("a red dog on a mat") is None
    words.keep("A red dog, on a mat!")
    words.keep("two blue cats and a bird")
    assert words.most_like("a red DOG on a mat.") == (1.0, "A red dog, on a mat!")
    # Of its five grams three stand in the first text; of the first text's four they would be another share.
    assert words.most_like("a red dog on a blue cat") == (3 / 5, "A red dog, on a mat!")
    assert words.most_like("nothing of all that") is None


def test_what_is_not_kept_is_not_remembered() -> None:
    words = SharedWords()
    words.most_like("a red dog on a mat")
    assert words.most_like("a red dog on a mat") is None


def test_short_texts_are_like_texts_of_the_same_words() -> None:
    words = SharedWords()
    for text in ("dog", "A dog.", "a dog on a mat", "", "!!!"):
        words.keep(text)
    assert words.most_like("a dog") == (1.0, "A dog.")
    assert words.most_like("Dog!") == (1.0, "dog")
    assert words.most_like("the dog") is None
    assert words.most_like(" ") == (1.0, "")
    assert words.most_like("???") is None


def test_of_equals_the_first_is_told() -> None:
    words = SharedWords()
    for text in ("one two three four", "one two three five", "one two three four"):
        words.keep(text)
    assert words.most_like("one two three") == (1.0, "one two three four")
    assert words.most_like("one two three four")[1] == "one two three four"


def test_texts_without_spaces_have_words_too() -> None:
    words = SharedWords()
    words.keep("一只红色的狗躺在垫子上")
    value, _ = words.most_like("一只红色的猫躺在垫子上") or (0, "")
    assert 0.3 < value < 1


def plain_share(text: str, other: str) -> float:
    def grams(of: str) -> set[tuple[str, ...]]:
        words = of.split() or [""]
        return {tuple(words[at : at + 3]) for at in range(max(1, len(words) - 2))}

    return len(grams(text) & grams(other)) / len(grams(text))


@given(st.lists(TEXTS, max_size=8), TEXTS)
def test_the_index_finds_what_a_plain_search_finds(kept: list[str], text: str) -> None:
    words = SharedWords()
    for each in kept:
        words.keep(each)
    shares = [plain_share(text, each) for each in kept]
    best = max(shares, default=0)
    assert words.most_like(text) == ((best, kept[shares.index(best)]) if best else None)


def test_ten_times_as_many_texts_take_no_hundred_times_as_long() -> None:
    rng = np.random.default_rng(0)
    vocabulary = [f"word{at}" for at in range(50)]

    def taken(texts: int) -> float:
        words, started = SharedWords(), time.process_time()
        for _ in range(texts):
            text = " ".join(rng.choice(vocabulary, 30))
            words.most_like(text)
            words.keep(text)
        return time.process_time() - started

    def least(texts: int) -> float:
        # What else runs on the machine, and where memory comes from, only ever adds.
        return min(taken(texts) for _ in range(3))

    taken(20)
    assert least(4000) < 40 * max(least(400), 0.01)


# By what a CLIP model makes of them


def test_the_cosine_to_the_nearest_counts(meaning: SharedMeaning, folder: Path) -> None:
    tower = TextTower(load_clip(f"local-dir:{folder}"), 1)
    texts = ["a red dog .", "there are two blue cat on left .", "a dog", "red", "two blue cat"]
    vectors = [tower.encode([text])[0].vector for text in texts]
    assert meaning.most_like(texts[0]) is None
    for at, text in enumerate(texts):
        if at:
            cosines = [float(vectors[at] @ earlier) for earlier in vectors[:at]]
            value, nearest = meaning.most_like(text) or (0.0, "")
            assert value == pytest.approx(max(cosines), abs=1e-6)
            assert nearest == texts[int(np.argmax(cosines))]
        meaning.keep(text)
    value, nearest = meaning.most_like("red") or (0.0, "")
    assert (value, nearest) == (pytest.approx(1, abs=1e-6), "red")


def test_texts_that_came_without_a_question_are_kept_too(
    meaning: SharedMeaning, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near_duplicates, "_FIRST_ROOM", 4)
    kept = ["red", "dog", "a dog", "a red dog", "two cat", "two blue cat", "left", "a dog on left", "right"]
    for text in kept:
        meaning.keep(text)
    for text in kept:
        assert meaning.most_like(text) == (pytest.approx(1, abs=1e-6), text)
    assert len(meaning._vectors) == 16


def test_the_end_of_a_long_text_counts(meaning: SharedMeaning) -> None:
    start = "a red dog is on left of cat."
    assert meaning._tower.encode([f"{start} A red dog."])[0].truncated
    meaning.keep(f"{start} A red dog.")
    value, _ = meaning.most_like(f"{start} Two blue cat on right.") or (1.0, "")
    assert value < 0.999
    assert meaning.truncated == 0
    same, _ = meaning.most_like(f"{start} A red dog.") or (0.0, "")
    assert same == pytest.approx(1, abs=1e-6)


def test_a_sentence_beyond_the_context_is_counted_once(meaning: SharedMeaning) -> None:
    long = "a red dog on left of a blue cat and on right of two dog"
    meaning.most_like(long)
    meaning.keep(long)
    assert meaning.truncated == 1


def test_a_model_that_makes_no_numbers(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(tmp_path / "open_clip_model.safetensors")
    weights["text_projection"][:] = float("nan")
    save_file(weights, tmp_path / "open_clip_model.safetensors")
    broken = likeness(NearDuplicates(by="embedding", model=f"local-dir:{tmp_path}"))
    with pytest.raises(UsageError, match="makes no numbers of texts"):
        broken.most_like("a dog")


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be loaded as a CLIP model"):
        likeness(NearDuplicates(by="embedding", model="local-dir:nowhere"), tmp_path)
