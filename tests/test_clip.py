"""The CLIP judge, on random models of every kind that open_clip builds."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image as Pillow
from safetensors.torch import load_file, save_file

from alignbench.backends.clip import load as clip_load
from alignbench.backends.clip.load import Clip, load_clip
from alignbench.backends.clip.text import TextTower
from alignbench.decode import decode
from alignbench.errors import MissingDependencyError, UnknownNameError, UsageError
from alignbench.types import Query, Status, Verdict
from judges.clip import ClipJudge
from tests.clip_models import KINDS
from tests.tiny_models import make_clip, noise, png

SENTENCES = ("a red dog .", "there are two blue cat on left .", "a dog", "red")
LONG = "a red dog is on the left of a blue cat and of two dog"
FITS = {"clip": 10, "eos": 11, "long": 246, "siglip": 11, "coca": 11, "bert": 11}
"""How many words there is room for beside the special tokens."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("models") / "tiny-clip")


@pytest.fixture
def judge(folder: Path) -> ClipJudge:
    return ClipJudge.from_reference(f"local-dir:{folder}", batch=2)


def verdicts(judge: ClipJudge, *queries: Query) -> list[Verdict]:
    answers = sorted(judge.judge(queries), key=lambda answer: answer[:2])
    return [answer.verdict for answer in answers]


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Clip]:
    make, _ = KINDS[request.param]
    return request.param, load_clip(f"local-dir:{make(tmp_path_factory.mktemp('kinds') / request.param)}")


# Scores


def test_scores_are_cosines_of_one_pair_at_a_time(kind: tuple[str, Clip]) -> None:
    _, clip = kind
    sentences = (*SENTENCES, LONG, "", "!!! ?!", "a dog </s> cat")
    queries = [Query(number, png(noise(number)), sentences) for number in range(3)]
    found = verdicts(ClipJudge(clip, batch=2), *queries)
    pairs = [(query.image, sentence) for query in queries for sentence in query.sentences]
    with torch.inference_mode():
        for (image, sentence), verdict in zip(pairs, found, strict=True):
            one = clip.model.encode_image(clip.prepare(decode(image))[None])
            other = clip.model.encode_text(clip.tokenizer([sentence]))
            assert verdict.score == pytest.approx(torch.cosine_similarity(one, other).item(), abs=1e-6)
    assert np.std([verdict.score for verdict in found]) > 0.01


@pytest.mark.parametrize("value", [0, 51, 255])
def test_the_model_gets_pixels_normalised_as_it_wants_them(
    judge: ClipJudge, monkeypatch: pytest.MonkeyPatch, value: int
) -> None:
    seen = []
    encode = judge._clip.model.encode_image

    def image(pixels: torch.Tensor, **kwargs: bool) -> torch.Tensor:
        seen.append(pixels)
        return encode(pixels, **kwargs)

    monkeypatch.setattr(judge._clip.model, "encode_image", image)
    uniform = Pillow.new("RGB", (40, 50), (value, value, value))
    verdicts(judge, Query(0, png(uniform), SENTENCES), Query(1, png(noise(0, (32, 32))), SENTENCES))
    (pixels,) = seen
    assert pixels.shape == (2, 3, 32, 32)
    assert torch.allclose(pixels[0], torch.tensor((value / 255 - 0.5) / 0.25), atol=1e-6)
    wanted = (torch.tensor(np.asarray(noise(0, (32, 32)))).permute(2, 0, 1) / 255 - 0.5) / 0.25
    assert torch.allclose(pixels[1], wanted, atol=1e-6)
    assert judge.environment["pixels"] == "size (32, 32), squash, bicubic, mean 0.5 0.5 0.5, std 0.25 0.25 0.25"


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


# Sentences


def test_sentences_are_cut_behind_their_end_where_nothing_else_changes(kind: tuple[str, Clip]) -> None:
    name, clip = kind
    judge = ClipJudge(clip)
    widths = []
    encode = judge._text._vectors

    def counting(ids: torch.Tensor, columns: int) -> torch.Tensor:
        widths.append(columns)
        return encode(ids, columns)

    judge._text._vectors = counting
    verdicts(judge, Query(0, png(noise(0)), ("a dog", "a red dog")))
    verdicts(judge, Query(0, png(noise(0)), ("a dog a dog a dog a dog",)))
    trims = KINDS[name][1]
    full = clip.tokenizer(["a"]).shape[1]
    assert (widths[0] < widths[1] < full) if trims else (widths == [full, full])
    assert ("cut to its longest" in judge.environment["text"]) is trims


def test_short_sentences_do_not_wait_for_long_ones(folder: Path) -> None:
    tower = TextTower(load_clip(f"local-dir:{folder}"), batch=2)
    widths = []
    encode = tower._vectors
    tower._vectors = lambda ids, columns: widths.append(columns) or encode(ids, columns)
    found = tower.encode(["a dog", LONG, "red", "two blue cat on left ."])
    assert widths == [4, 12]
    alone = [tower.encode([sentence])[0].vector for sentence in ("a dog", LONG, "red", "two blue cat on left .")]
    assert all(np.allclose(one.vector, other, atol=1e-6) for one, other in zip(found, alone, strict=True))


@pytest.mark.parametrize("where", ["text_pool_type", "attn_mask", "projection"])
def test_a_tower_that_sees_its_padding_is_never_cut(folder: Path, where: str) -> None:
    clip = load_clip(f"local-dir:{folder}")
    if where == "attn_mask":
        clip.model.attn_mask = torch.zeros_like(clip.model.attn_mask)
    elif where == "text_pool_type":
        clip.model.text_pool_type = "last"
    else:  # Nothing of the model says so; only trying it out tells.
        norm = clip.model.ln_final
        clip.model.ln_final = _Mixing(norm)
    assert not TextTower(clip, 32).trims


class _Mixing(torch.nn.Module):
    """Lets every token see every other."""

    def __init__(self, norm: torch.nn.Module) -> None:
        super().__init__()
        self._norm = norm

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self._norm(tokens) + tokens.mean(1, keepdim=True)


def test_a_sentence_beyond_the_context_is_marked_and_keeps_its_end(kind: tuple[str, Clip]) -> None:
    name, clip = kind
    words = ["dog"] * FITS[name]
    tower = TextTower(clip, 32)
    tokens = tower.tokenize([" ".join(words), " ".join([*words, "cat"]), "a dog"])
    assert tokens.truncated == [False, True, False]
    assert tokens.ids[0].tolist() == tokens.ids[1].tolist()
    found = verdicts(ClipJudge(clip), Query(0, png(noise(0)), (" ".join([*words, "cat"]), "a dog")))
    assert [verdict.truncated for verdict in found] == [True, False]


def test_the_padding_of_open_clip_is_a_word_too(tmp_path: Path) -> None:
    make, _ = KINDS["long"]
    tower = TextTower(load_clip(f"local-dir:{make(tmp_path / 'long')}"), 32)
    # "!" inside a run of punctuation has the id of the padding.
    run = tower._clip.tokenizer.encode("!|")
    assert run[0] == 0
    sentences = ["dog " * 246 + "!|", "dog " * 244 + "!|", "!| a dog"]
    assert tower.tokenize(sentences).truncated == [True, False, False]


@pytest.mark.parametrize(
    ("name", "command"), [("clip", "</s>"), ("eos", "</s>"), ("long", "<end_of_text>"), ("long", "<END_OF_TEXT>")]
)
def test_an_end_of_text_that_the_sentence_spells_is_seen(tmp_path: Path, name: str, command: str) -> None:
    tower = TextTower(load_clip(f"local-dir:{KINDS[name][0](tmp_path / name)}"), 32)
    assert tower.tokenize([f"a dog {command} and a cat", "a dog and a cat"]).truncated == [True, False]


# Batches, workers, memory


def test_an_image_that_cannot_be_prepared_costs_no_other_its_answer(judge: ClipJudge) -> None:
    prepare = judge._preparing._prepare

    def tired(picture: Pillow.Image) -> torch.Tensor:
        if picture.size == (7, 7):
            raise ValueError("no")
        return prepare(picture)

    judge._preparing._prepare = tired
    images = [png(noise(0)), b"no image", png(noise(1)), png(noise(2, (7, 7))), png(noise(3))]
    found = verdicts(judge, *(Query(number, image, SENTENCES[:2]) for number, image in enumerate(images)))
    ok, unreadable, failed = Status.OK, Status.IMAGE_UNREADABLE, Status.FAILED
    assert [each.status for each in found[::2]] == [ok, unreadable, ok, failed, ok]
    assert found[6].raw == {"reason": "ValueError: no"}
    alone = [verdicts(judge, Query(0, images[at], SENTENCES[:1]))[0].score for at in (0, 2, 4)]
    assert [found[at].score for at in (0, 4, 8)] == pytest.approx(alone, abs=1e-6)


def test_answers_come_in_the_order_of_the_queries_whatever_the_workers_do(folder: Path) -> None:
    judge = ClipJudge.from_reference(f"local-dir:{folder}", batch=2, workers=3)
    slow = judge._preparing._prepare

    def prepare(picture: Pillow.Image) -> torch.Tensor:
        time.sleep(0.02 if picture.size[0] % 2 else 0)
        return slow(picture)

    judge._preparing._prepare = prepare
    queries = [Query(number, png(noise(number, (20, 20 + number))), ("a dog",)) for number in range(9)]
    answers = list(judge.judge(queries))
    assert [answer.query for answer in answers] == list(range(9))
    alone = [verdicts(judge, query)[0].score for query in queries]
    assert [answer.verdict.score for answer in answers] == pytest.approx(alone, abs=1e-6)


def test_a_score_that_is_no_number_is_a_status(judge: ClipJudge) -> None:
    judge._clip.model.text_projection.data[:] = float("nan")
    assert {verdict.status for verdict in verdicts(judge, Query(0, png(noise(0)), SENTENCES))} == {Status.NOT_FINITE}


def test_a_query_without_sentences_has_no_answers(judge: ClipJudge) -> None:
    assert list(judge.judge([Query(0, png(noise(0)), ())])) == []


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
    assert len(pulled) <= 2 * 2 + 1


def test_the_memory_of_sentences_is_bounded(judge: ClipJudge) -> None:
    entry = 16 * 4 + 512
    judge._remembered._limit = 4 * entry
    queries = [Query(number, png(noise(0)), (*SENTENCES[:2], f"{number}")) for number in range(8)]
    scores = [verdict.score for verdict in verdicts(judge, *queries)]
    assert len(judge._remembered) == 4
    assert scores[0] == pytest.approx(scores[-3], abs=1e-6)


# Identity and loading


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


def test_pickled_weights_in_a_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        if path.suffix != ".safetensors":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    torch.save({}, tmp_path / "open_clip_pytorch_model.bin")
    with pytest.raises(UsageError, match="pickled weights are not loaded"):
        load_clip(f"local-dir:{tmp_path}")


@pytest.fixture
def architecture(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The tiny model under a name that open_clip knows, so that its weights can be a file of their own."""
    config = json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]
    config["text_cfg"]["hf_tokenizer_name"] = str(folder)
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny", config)
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIGS", dict(open_clip.factory._MODEL_CONFIGS))
    return "tiny"


@pytest.mark.parametrize("form", ["plain.safetensors", "plain.bin", "training.pt", "training.pth"])
def test_a_checkpoint_is_the_model_whose_weights_it_holds(
    folder: Path, tmp_path: Path, architecture: str, judge: ClipJudge, form: str
) -> None:
    weights = load_file(folder / "open_clip_model.safetensors")
    path = tmp_path / form
    if form.startswith("training"):
        state = {f"module.{name}": tensor for name, tensor in weights.items()}
        torch.save({"epoch": 3, "name": "negclip", "state_dict": state, "optimizer": {"lr": [1e-6]}}, path)
    elif path.suffix == ".safetensors":
        save_file(weights, path)
    else:
        torch.save(weights, path)
    found = ClipJudge.from_reference(f"{architecture}/{path}", batch=2)
    assert (found.spec.name, found.spec.model.revision) == (
        f"tiny/{form}",
        hashlib.sha256(path.read_bytes()).hexdigest()[:12],
    )
    # Without a published model to take them from, images are prepared as open_clip does by default.
    assert "mean 0.4815 0.4578 0.4082" in found.environment["pixels"]
    found._preparing._prepare = judge._clip.prepare
    query = Query(0, png(noise(0)), SENTENCES)
    assert [each.score for each in verdicts(found, query)] == [each.score for each in verdicts(judge, query)]


class _Planted:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("code of the file ran",)


def test_no_code_of_a_checkpoint_runs(tmp_path: Path, architecture: str, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"state_dict": {"a": _Planted()}}, tmp_path / "planted.pt")
    with pytest.raises(UsageError, match="cannot be loaded as a CLIP model"):
        load_clip(f"{architecture}/{tmp_path / 'planted.pt'}")
    assert capsys.readouterr().out == ""


def test_a_checkpoint_of_another_model_or_of_none(folder: Path, tmp_path: Path, architecture: str) -> None:
    (tmp_path / "text.pt").write_text("weights")
    save_file({"module.a": torch.zeros(1)}, tmp_path / "other.safetensors")
    for name in ("text.pt", "other.safetensors"):
        with pytest.raises(UsageError, match="cannot be loaded as a CLIP model"):
            load_clip(f"{architecture}/{tmp_path / name}")
    with pytest.raises(UsageError, match="there is no checkpoint nowhere"):
        load_clip(f"{architecture}/nowhere/x.pt")
    with pytest.raises(UnknownNameError, match="nearest: tiny"):
        load_clip("tinny/x.pt")


def test_a_fine_tuned_model_sees_images_as_the_published_one_does() -> None:
    assert clip_load._pixels_of("ViT-B-16-SigLIP") == {
        "image_mean": (0.5, 0.5, 0.5),
        "image_std": (0.5, 0.5, 0.5),
        "image_interpolation": "bicubic",
        "image_resize_mode": "squash",
    }
    # Its published models disagree on the mean, so open_clip's own default stands.
    assert "image_mean" not in clip_load._pixels_of("ViT-L-14")
    assert clip_load._pixels_of("no-published-model") == {}


def test_published_weights_get_the_activation_they_were_trained_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "snapshots" / "0123abc" / "open_clip_model.safetensors"
    monkeypatch.setattr(open_clip, "download_pretrained", lambda published: str(weights))
    openai, laion = (clip_load._find(f"ViT-B-32/{tag}", None) for tag in ("openai", "laion2b_s34b_b79k"))
    assert openai.said == {"force_quick_gelu": True}
    assert laion.said == {"force_quick_gelu": False}
    assert openai.ref.revision == "0123abc"


def test_a_tokenizer_without_its_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingDependencyError, match=r"'transformers'.*pip install 'alignbench\[clip\]'"):
        load_clip(f"local-dir:{folder}")


def test_a_damaged_folder(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"nothing": 1}))
    with pytest.raises(UsageError, match="cannot be loaded as a CLIP model"):
        load_clip(f"local-dir:{tmp_path}")


@pytest.mark.parametrize("option", [{"batch": 0}, {"workers": 0}])
def test_numbers_that_leave_nothing(folder: Path, option: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="must be 1 or more"):
        ClipJudge.from_reference(f"local-dir:{folder}", **option)


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
