"""How tokenizers of several kinds spell yes, no and the numbers from 0 to 100."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import transformers as hf

from alignbench.errors import UsageError
from judges.local_vlm.tokens import NumberTokens, family_of
from tests import tokenizer_kinds as kinds

Make = Callable[[], hf.PreTrainedTokenizerFast]


def whole_numbers() -> hf.PreTrainedTokenizerFast:
    return kinds.words(*map(str, range(101)))


# Families

FAMILIES = {
    kinds.single_digits: "yes Yes YES \u0120yes \u0120Yes \u0120YES",
    kinds.three_digits: "yes Yes YES \u0120yes \u0120Yes \u0120YES",
    kinds.sentencepiece: "yes Yes YES \u2581yes \u2581Yes \u2581YES",
    kinds.unigram: "Yes \u2581yes \u2581Yes \u2581YES",
    whole_numbers: "yes Yes YES",
}


@pytest.mark.parametrize("make", FAMILIES, ids=lambda make: make.__name__)
def test_families_of_tokenizers(make: Make) -> None:
    tokenizer = make()
    found = tokenizer.convert_ids_to_tokens(family_of("yes", tokenizer.get_vocab()))
    assert set(found) == set(FAMILIES[make].split())
    for token in found:
        text = tokenizer.convert_tokens_to_string([token])
        assert text.strip().lower() == "yes"


@pytest.mark.parametrize(
    ("vocabulary", "family"),
    [
        ("yes Yes YES yesterday eyes no", "yes Yes YES"),
        ("\u0120yes \u2581Yes ##yes \u0120\u0120yes yEs", "\u0120yes \u2581Yes \u0120\u0120yes"),
        ("Yes. yes, \u010aYes \u010a\u010aYES Yes\u010a Yes-no _yes", "Yes. yes, \u010aYes \u010a\u010aYES Yes\u010a"),
        ('"Yes **yes (Yes .yes =yes', '"Yes **yes (Yes'),
    ],
)
def test_families_of_vocabularies(vocabulary: str, family: str) -> None:
    tokens = vocabulary.split(" ")
    found = family_of("yes", {token: number for number, token in enumerate(tokens)})
    assert [tokens[number] for number in found] == family.split(" ")


def test_a_space_in_the_vocabulary_itself() -> None:
    assert family_of("no", {" No": 4, "No": 2, " Not": 1, "\nno": 7}) == [2, 4, 7]


def test_a_tokenizer_without_the_word() -> None:
    with pytest.raises(UsageError, match=r"no single token for 'yes'.*verbal_score"):
        family_of("yes", {"no": 1, "y": 2, "es": 3})


# Numbers

SPELT = {
    kinds.single_digits: {7: "7|\u0120 7", 87: "8 7|\u0120 8 7", 100: "1 0 0|\u0120 1 0 0"},
    kinds.three_digits: {7: "7|\u0120 7", 87: "87|\u0120 87", 100: "100|\u0120 100"},
    kinds.spaced_numbers: {7: "7|\u01207", 87: "87|\u012087", 100: "100|\u0120100"},
    kinds.sentencepiece: {7: "7|\u2581 7", 87: "8 7|\u2581 8 7", 100: "1 0 0|\u2581 1 0 0"},
    kinds.unigram: {7: "7|\u25817", 87: "8 7|\u258187", 100: "1 0 0|\u2581100"},
    whole_numbers: {7: "7", 87: "87", 100: "100"},
}


def certain(numbers: NumberTokens, tokens: list[int]) -> torch.Tensor:
    """The logs of a model that writes these tokens and nothing else."""
    said = torch.full((1, len(numbers.inner), len(numbers.wanted)), -math.inf)
    for at, token in enumerate(tokens):
        said[0, numbers.inner.index(tuple(tokens[:at])), numbers.wanted.index(token)] = 0.0
    return said


@pytest.mark.parametrize("make", SPELT, ids=lambda make: make.__name__)
def test_each_spelling_of_a_number_is_that_number(make: Make) -> None:
    tokenizer = make()
    numbers = NumberTokens(tokenizer)
    for number, spellings in SPELT[make].items():
        for spelling in spellings.split("|"):
            read = numbers.read(certain(numbers, tokenizer.convert_tokens_to_ids(spelling.split())))
            assert (read.expectation.item(), read.mass.item()) == (number, 1.0), spelling


@pytest.mark.parametrize(
    ("make", "inner", "steps"),
    [
        (kinds.single_digits, 2 * (1 + 9 + 1), 4),
        (kinds.three_digits, 2, 2),
        (kinds.spaced_numbers, 1, 1),
        (kinds.sentencepiece, 2 * (1 + 9 + 1), 4),
        (kinds.unigram, 1 + 9 + 1, 3),
        (whole_numbers, 1, 1),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_no_more_is_asked_than_needed(make: Make, inner: int, steps: int) -> None:
    numbers = NumberTokens(make())
    assert (len(numbers.inner), numbers.steps) == (inner, steps)


def test_a_number_that_goes_on_is_another_number() -> None:
    tokenizer = kinds.single_digits()
    numbers = NumberTokens(tokenizer)
    chances = {
        "": {"8": 0.5, "1": 0.3, "0": 0.1},
        "8": {"7": 0.6, "5": 0.2},
        "1": {"0": 0.5},
        "1 0": {"0": 0.4},
    }
    said = torch.full((1, len(numbers.inner), len(numbers.wanted)), -math.inf)
    for path, following in chances.items():
        node = numbers.inner.index(tuple(tokenizer.convert_tokens_to_ids(path.split())))
        for token, chance in following.items():
            said[0, node, numbers.wanted.index(tokenizer.convert_tokens_to_ids(token))] = math.log(chance)
    read = numbers.read(said)
    of_numbers = {87: 0.5 * 0.6, 85: 0.5 * 0.2, 8: 0.5 * 0.2, 1: 0.3 * 0.5, 10: 0.3 * 0.5 * 0.6, 100: 0.06, 0: 0.1}
    mass = sum(of_numbers.values())
    assert read.mass.item() == pytest.approx(mass)
    expected = sum(number * chance for number, chance in of_numbers.items()) / mass
    assert read.expectation.item() == pytest.approx(expected)


def test_a_digit_within_a_longer_token_lengthens_a_number_too() -> None:
    tokenizer = kinds.single_digits()
    tokenizer.add_tokens(["5th", "3D"])
    numbers = NumberTokens(tokenizer)
    eight, fifth = tokenizer.convert_tokens_to_ids(["8", "5th"])
    said = certain(numbers, [eight])
    assert numbers.read(said).mass.item() == 1.0
    said[0, numbers.inner.index((eight,)), numbers.wanted.index(fifth)] = math.log(0.25)
    assert numbers.read(said).mass.item() == pytest.approx(0.75)


@pytest.mark.parametrize("make", SPELT, ids=lambda make: make.__name__)
def test_probabilities_of_numbers_never_sum_to_more_than_one(make: Make) -> None:
    tokenizer = make()
    numbers = NumberTokens(tokenizer)
    rng = np.random.default_rng(0)
    # Most of it on the wanted tokens, so that counting anything twice would show.
    logits = torch.from_numpy(rng.normal(size=(50, len(numbers.inner), len(tokenizer))))
    logits[:, :, numbers.wanted] += 8
    read = numbers.read(logits.log_softmax(-1)[:, :, numbers.wanted])
    assert read.mass.max() <= 1 + 1e-12 and read.mass.min() > 0
    assert read.expectation.min() >= 0 and read.expectation.max() <= 100


def test_no_number_is_possible() -> None:
    numbers = NumberTokens(whole_numbers())
    assert numbers.read(certain(numbers, [])).expectation.isnan().all()


def test_a_tokenizer_without_numbers() -> None:
    with pytest.raises(UsageError, match=r"cannot spell 0, so the mode expected_score.*choose the mode p_yes"):
        NumberTokens(kinds.words())
    with pytest.raises(UsageError, match="cannot spell 2"):
        NumberTokens(kinds.words("0", "1"))
