"""The CLIP judge, on a random model that open_clip loads from a folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch

from alignbench.decode import decode
from alignbench.errors import UnknownNameError, UsageError
from alignbench.types import Query, Verdict
from judges.clip import ClipJudge, load_clip
from tests.tiny_models import make_clip, noise, png

SENTENCES = ("a red dog .", "there are two blue cat on left .", "a dog", "red")
LONG = "a red dog is on the left of a blue cat and of two dog"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("models") / "tiny-clip")


@pytest.fixture
def judge(folder: Path) -> ClipJudge:
    return ClipJudge.from_reference(f"local-dir:{folder}", batch=2)


def verdicts(judge: ClipJudge, *queries: Query) -> list[Verdict]:
    answers = sorted(judge.judge(queries), key=lambda answer: answer[:2])
    return [answer.verdict for answer in answers]


def test_scores_are_cosines_of_one_pair_at_a_time(judge: ClipJudge, folder: Path) -> None:
    model, prepare = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    queries = [Query(number, png(noise(number)), SENTENCES) for number in range(5)]
    found = verdicts(judge, *queries)
    pairs = [(query.image, sentence) for query in queries for sentence in query.sentences]
    with torch.inference_mode():
        for (image, sentence), verdict in zip(pairs, found, strict=True):
            one = model.encode_image(prepare(decode(image))[None])
            other = model.encode_text(tokenizer([sentence]))
            assert verdict.score == pytest.approx(torch.cosine_similarity(one, other).item(), abs=1e-6)
    assert np.std([verdict.score for verdict in found]) > 0.01


def test_pixels_are_normalised_as_the_model_says(judge: ClipJudge) -> None:
    pixels = judge._clip.prepare(noise(0, (32, 32)))
    assert pixels.shape == (3, 32, 32)
    raw = np.asarray(noise(0, (32, 32))) / 255
    assert pixels.mean().item() == pytest.approx((raw.mean() - 0.5) / 0.25, abs=1e-4)
    assert pixels.std().item() == pytest.approx(raw.std() / 0.25, rel=1e-3)


def test_each_image_and_each_distinct_sentence_is_encoded_once(
    judge: ClipJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, counts = judge._clip.model, {"image": 0, "text": 0}
    encode_image, encode_text = model.encode_image, model.encode_text

    def image(pixels: torch.Tensor, **kwargs: bool) -> torch.Tensor:
        counts["image"] += len(pixels)
        return encode_image(pixels, **kwargs)

    def text(tokens: torch.Tensor, **kwargs: bool) -> torch.Tensor:
        counts["text"] += len(tokens)
        return encode_text(tokens, **kwargs)

    monkeypatch.setattr(model, "encode_image", image)
    monkeypatch.setattr(model, "encode_text", text)
    verdicts(judge, *(Query(number, png(noise(number)), (*SENTENCES, f"a dog {number}")) for number in range(5)))
    assert counts == {"image": 5, "text": len(SENTENCES) + 5}


def test_a_long_sentence_is_marked_and_keeps_its_end(judge: ClipJudge) -> None:
    fits = "a red dog is on the left of a blue"
    found = verdicts(judge, Query(0, png(noise(0)), (LONG, fits, fits + " cat")))
    assert [verdict.truncated for verdict in found] == [True, False, True]
    tokens, _ = judge._tokenize([LONG])
    assert tokens.shape == (1, 12)
    assert tokens[0, -1] == judge._clip.tokenizer.tokenizer.eos_token_id == tokens.max()


def test_a_long_sentence_is_marked_with_the_tokenizer_of_open_clip(judge: ClipJudge) -> None:
    judge._clip = type(judge._clip)(**{**vars(judge._clip), "tokenizer": open_clip.SimpleTokenizer(context_length=8)})
    tokens, truncated = judge._tokenize(["a dog and a cat on it", "a dog and a cat on", "a dog !!!"])
    assert truncated == [True, False, False]
    assert tokens[:, -1].tolist() == [49407, 49407, 0]


def test_batches_are_a_matter_of_query_numbers(judge: ClipJudge, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    encode = judge._clip.model.encode_image

    def image(pixels: torch.Tensor, **kwargs: bool) -> torch.Tensor:
        sizes.append(len(pixels))
        return encode(pixels, **kwargs)

    monkeypatch.setattr(judge._clip.model, "encode_image", image)
    list(judge.judge(Query(number, png(noise(number)), SENTENCES) for number in (1, 2, 3, 6)))
    assert sizes == [1, 2, 1]


def test_queries_are_pulled_as_they_are_needed(judge: ClipJudge) -> None:
    pulled = []

    def queries() -> Iterator[Query]:
        for number in range(10):
            pulled.append(number)
            yield Query(number, png(noise(number)), SENTENCES)

    next(judge.judge(queries()))
    assert len(pulled) <= 3


def test_the_memory_of_sentences_is_bounded(judge: ClipJudge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("judges.clip._REMEMBERED", 4)
    queries = [Query(number, png(noise(0)), (*SENTENCES[:2], f"{number}")) for number in range(8)]
    scores = [verdict.score for verdict in verdicts(judge, *queries)]
    assert len(judge._sentences) == 4
    assert scores[0] == pytest.approx(scores[-3], abs=1e-6)


def test_the_spec_identifies_what_changes_scores(folder: Path, tmp_path: Path) -> None:
    spec = ClipJudge.from_reference(f"local-dir:{folder}").spec
    assert (spec.name, spec.kind, spec.mode, spec.dtype) == ("tiny-clip", "clip", "cosine", "float32")
    named = ClipJudge.from_reference(f"local-dir:{folder}", name="mine", family="ours", batch=7)
    assert (named.spec.name, named.spec.model.family) == ("mine", "ours")
    assert named.spec.judge_id == spec.judge_id
    other = ClipJudge.from_reference(f"local-dir:{make_clip(tmp_path / 'tiny-clip', seed=1)}")
    assert other.spec.model.revision != spec.model.revision


def test_half_precision_is_another_judge_with_nearly_the_same_scores(folder: Path, judge: ClipJudge) -> None:
    half = ClipJudge.from_reference(f"local-dir:{folder}", dtype="bfloat16")
    assert half.spec.judge_id != judge.spec.judge_id
    query = Query(0, png(noise(0)), SENTENCES)
    for one, other in zip(verdicts(half, query), verdicts(judge, query), strict=True):
        assert one.score == pytest.approx(other.score, abs=0.05)


def test_pickled_weights_are_refused(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        if path.suffix != ".safetensors":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    torch.save({}, tmp_path / "open_clip_pytorch_model.bin")
    with pytest.raises(UsageError, match="pickled weights are not loaded"):
        load_clip(f"local-dir:{tmp_path}")


def test_a_damaged_folder(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"nothing": 1}))
    with pytest.raises(UsageError, match="cannot be loaded as a CLIP model"):
        load_clip(f"local-dir:{tmp_path}")


@pytest.mark.parametrize("source", ["local-dir:nowhere", "local-dir:", "ViT-B-32", "ViT-B-32/opnai", "hf-hub:"])
def test_a_model_that_is_not_there(source: str) -> None:
    with pytest.raises(UsageError):
        load_clip(source)


def test_the_nearest_names_are_told() -> None:
    with pytest.raises(UnknownNameError, match="nearest: ViT-B-32/openai"):
        load_clip("ViT-B-32/opnai")
    with pytest.raises(UnknownNameError, match="bfloat16"):
        load_clip("local-dir:nowhere", dtype="bf16")


def test_only_the_hub_has_revisions(folder: Path) -> None:
    with pytest.raises(UsageError, match="leave out @main"):
        load_clip(f"local-dir:{folder}", revision="main")
