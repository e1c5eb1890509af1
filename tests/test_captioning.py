"""Captions of random models of real classes: the same whatever the batch, drawn as the model says."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from alignbench.backends.captioning import CaptionRequest, CaptionWriter
from alignbench.backends.decoding import Decoding
from alignbench.backends.vlm import Vlm, load_vlm
from alignbench.errors import UsageError
from tests.tiny_models import make_idefics, make_llava, make_qwen, noise, probabilities
from tests.tiny_vlms import MAKERS

PROMPT = "Describe the image."
DRAWING = Decoding(max_new_tokens=12, temperature=1.0, top_p=0.9)


@pytest.fixture(scope="module", params=[make_llava, make_qwen, make_idefics], ids=lambda make: make.__name__)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    make: Callable[[Path], Path] = request.param
    return make(tmp_path_factory.mktemp("models") / "tiny-vlm")


@pytest.fixture
def vlm(folder: Path) -> Vlm:
    return load_vlm(str(folder), device="cpu")


def test_a_caption_does_not_depend_on_its_batch(vlm: Vlm) -> None:
    sizes = ((48, 64), (64, 40))
    requests = [CaptionRequest(noise(seed, size), PROMPT, seed) for seed in range(3) for size in sizes]
    writer = CaptionWriter(vlm, DRAWING, batch=4)
    together = writer.write(requests)
    assert len({caption.text for caption in together}) > 3
    assert [writer.write([request])[0] for request in requests] == together
    assert writer.write(requests[::-1])[::-1] == together


@pytest.mark.parametrize("name", MAKERS)
def test_padding_moves_what_a_row_sees_by_rounding_only(name: str, tmp_path: Path) -> None:
    vlm = load_vlm(str(MAKERS[name](tmp_path / "tiny-vlm")), device="cpu")
    prompts = [PROMPT, "What is to be seen in the image ? Answer yes or no .", "dog"]
    images = [noise(seed, size) for seed, size in enumerate([(48, 64), (20, 60), (64, 40)])]

    def seen(rows: slice) -> torch.Tensor:
        inputs = vlm.encode(images[rows], prompts[rows])
        made = vlm.model.generate(**inputs, max_new_tokens=1, output_logits=True, return_dict_in_generate=True)
        return made.logits[0].log_softmax(-1)

    alone = torch.cat([seen(slice(row, row + 1)) for row in range(3)])
    assert (alone - seen(slice(3))).abs().max() < 1e-4
    assert (alone[0] - alone[1]).abs().max() > 0.01


def test_padded_batches_write_what_is_written_alone(vlm: Vlm) -> None:
    sizes = ((48, 64), (64, 40), (20, 60))
    prompts = (PROMPT, "What is to be seen in the image ?")
    requests = [CaptionRequest(noise(row, sizes[row % 3]), prompts[row % 2], row) for row in range(14)]
    exact = CaptionWriter(vlm, DRAWING, batch=1).write(requests)
    padded = CaptionWriter(vlm, DRAWING, batch=4, padded=True)
    together = padded.write(requests)
    # Rounding can tip a draw, but a row with the wrong noise, mask or positions would nearly always change.
    assert sum(one != other for one, other in zip(exact, together, strict=True)) <= 1
    assert len({caption.text for caption in together}) > 10
    again = padded.write(requests[::-1])[::-1]
    assert sum(one != other for one, other in zip(exact, again, strict=True)) <= 1


def test_a_seed_draws_and_greedy_does_not(vlm: Vlm) -> None:
    requests = [CaptionRequest(noise(0), PROMPT, seed) for seed in range(6)]
    assert len(set(CaptionWriter(vlm, DRAWING).write(requests))) > 1
    assert len(set(CaptionWriter(vlm, Decoding(max_new_tokens=12)).write(requests))) == 1


def test_greedy_takes_the_likeliest(vlm: Vlm) -> None:
    first = int(probabilities(vlm, noise(0), PROMPT).argmax())
    (caption,) = CaptionWriter(vlm, Decoding(max_new_tokens=1)).write([CaptionRequest(noise(0), PROMPT, 0)])
    assert caption.text == vlm.tokenizer.decode([first], skip_special_tokens=True)


def test_draws_follow_the_distribution(tmp_path: Path) -> None:
    vlm = load_vlm(str(make_llava(tmp_path / "tiny-llava")), device="cpu")
    requests = [CaptionRequest(noise(0), PROMPT, seed) for seed in range(800)]
    drawn = CaptionWriter(vlm, Decoding(max_new_tokens=1, temperature=0.5), batch=400).write(requests)
    mass = probabilities(vlm, noise(0), PROMPT).log().div(0.5).softmax(-1)
    words = {word: mass[number].item() for word, number in vlm.tokenizer.get_vocab().items() if "<" not in word}
    top = max(words, key=words.__getitem__)
    assert 0.05 < words[top] < 0.95
    share = sum(caption.text == top for caption in drawn) / len(drawn)
    assert share == pytest.approx(words[top], abs=4 * math.sqrt(words[top] * (1 - words[top]) / len(drawn)))


def test_the_defaults_of_the_author_are_set_aside(vlm: Vlm) -> None:
    request = CaptionRequest(noise(0), PROMPT, 0)
    (plain,) = CaptionWriter(vlm, Decoding(max_new_tokens=12)).write([request])
    vlm.model.generation_config.update(repetition_penalty=5.0, min_new_tokens=12, do_sample=True, top_k=1)
    assert CaptionWriter(vlm, Decoding(max_new_tokens=12)).write([request]) == [plain]


def test_a_caption_that_is_cut_says_so(vlm: Vlm) -> None:
    request = CaptionRequest(noise(0), PROMPT, 0)
    first = int(probabilities(vlm, noise(0), PROMPT).argmax())
    (cut,) = CaptionWriter(vlm, Decoding(max_new_tokens=1)).write([request])
    assert (cut.tokens, cut.finished) == (1, False)
    vlm.model.generation_config.eos_token_id = first
    assert CaptionWriter(vlm, Decoding(max_new_tokens=5)).write([request])[0][1:] == (1, True)


def test_a_model_that_cannot_end(vlm: Vlm) -> None:
    vlm.model.generation_config.eos_token_id = None
    vlm.tokenizer.eos_token = None
    with pytest.raises(UsageError, match="no token that ends a text"):
        CaptionWriter(vlm, DRAWING)


@pytest.mark.parametrize("wrong", [{"max_new_tokens": 0}, {"temperature": -1.0}, {"top_p": 0.0}], ids=str)
def test_impossible_decoding(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="is not possible"):
        Decoding(**wrong)  # type: ignore[arg-type]


def test_a_generator_a_row(vlm: Vlm) -> None:
    before = torch.random.get_rng_state()
    CaptionWriter(vlm, DRAWING).write([CaptionRequest(noise(0), PROMPT, 0)])
    assert torch.equal(torch.random.get_rng_state(), before)
