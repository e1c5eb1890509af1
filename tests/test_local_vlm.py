"""The local vision-language judge, on random models of three real classes."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from alignbench.backends.next_token import NextToken
from alignbench.backends.vlm import Vlm, load_vlm
from alignbench.errors import UnknownNameError, UsageError
from alignbench.types import Query, Status, Usage, Verdict
from judges.local_vlm import LocalVlmJudge, _verdict, family_of, read_prompt
from tests.tiny_models import make_idefics, make_llava, make_qwen, noise, png, probabilities

PROMPT = "Is this sentence true of the image? Answer Yes or No.\nSentence: {sentence}"
SENTENCES = (
    "a red dog .",
    "there are two blue cat on left .",
    "a dog",
    "red",
    "a cat is on the left or to be seen in red .",
)


@pytest.fixture(scope="module", params=[make_llava, make_qwen, make_idefics], ids=lambda make: make.__name__)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    make: Callable[[Path], Path] = request.param
    return make(tmp_path_factory.mktemp("models") / "tiny-vlm")


@pytest.fixture(scope="module")
def vlm(folder: Path) -> Vlm:
    return load_vlm(str(folder), device="cpu")


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_llava(tmp_path_factory.mktemp("models") / "tiny-llava")


# Scores


def test_scores_are_those_of_one_sentence_at_a_time(vlm: Vlm) -> None:
    judge = LocalVlmJudge(vlm, PROMPT, batch=2)
    vocabulary = vlm.tokenizer.get_vocab()
    for number, image in enumerate([noise(0), noise(1), noise(2, (70, 40))]):
        answers = list(judge.judge([Query(number, png(image), SENTENCES)]))
        assert [answer[:2] for answer in answers] == [(number, place) for place in range(len(SENTENCES))]
        for answer, sentence in zip(answers, SENTENCES, strict=True):
            mass = probabilities(vlm, image, PROMPT.replace("{sentence}", sentence))
            yes = mass[vocabulary["yes"]] + mass[vocabulary["Yes"]]
            no = mass[vocabulary["no"]] + mass[vocabulary["No"]]
            assert answer.verdict.score == pytest.approx((yes / (yes + no)).item(), abs=1e-5)
            assert answer.verdict.raw["left_over"] == pytest.approx((1 - yes - no).item(), abs=1e-5)


def test_the_image_is_encoded_once(vlm: Vlm, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = LocalVlmJudge(vlm, PROMPT, batch=2)
    calls = []
    encode = vlm.model.model.get_image_features

    def count(*args: object, **kwargs: object) -> object:
        calls.append(args)
        return encode(*args, **kwargs)

    monkeypatch.setattr(vlm.model.model, "get_image_features", count)
    assert len(list(judge.judge([Query(0, png(noise(0)), SENTENCES)]))) == len(SENTENCES)
    assert len(calls) == 1


def test_the_image_matters(vlm: Vlm) -> None:
    judge = LocalVlmJudge(vlm, PROMPT)
    verdicts = [answer.verdict for n in range(2) for answer in judge.judge([Query(n, png(noise(n)), SENTENCES)])]
    scores = [verdict.score or 0.0 for verdict in verdicts]
    assert min(abs(a - b) for a, b in zip(scores[:5], scores[5:], strict=True)) > 1e-4


def test_a_model_that_cannot_share_is_asked_the_plain_way(vlm: Vlm, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = NextToken(vlm).ask(noise(0), SENTENCES).log_probabilities
    monkeypatch.setattr("alignbench.backends.next_token._repeat", lambda features, count: None)
    with pytest.warns(UserWarning, match="encodes an image anew for every sentence"):
        plain = NextToken(vlm, batch=2)
    assert not plain.shares_image
    assert torch.allclose(plain.ask(noise(0), SENTENCES).log_probabilities, shared, atol=1e-5)


def test_a_wrong_way_of_sharing_is_found_out(llava: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vlm = load_vlm(str(llava), device="cpu")
    encode = vlm.model.model.get_image_features

    @functools.wraps(encode)
    def off(*args: object, **kwargs: object) -> object:
        features = encode(*args, **kwargs)
        features.pooler_output = [-each for each in features.pooler_output]
        return features

    monkeypatch.setattr(vlm.model, "get_image_features", off)
    with pytest.warns(UserWarning, match="probabilities differ by"):
        assert not NextToken(vlm).shares_image


def test_tokens_are_counted(vlm: Vlm) -> None:
    judge = LocalVlmJudge(vlm, PROMPT)
    for answer in judge.judge([Query(0, png(noise(0)), SENTENCES)]):
        alone = vlm.encode([noise(0)], [PROMPT.replace("{sentence}", SENTENCES[answer.sentence])])
        assert answer.verdict.usage.input_tokens == alone["input_ids"].shape[1]
        assert answer.verdict.usage.output_tokens == 1


def test_a_sentence_cannot_give_commands(vlm: Vlm) -> None:
    image = vlm.front.image_token
    judge = LocalVlmJudge(vlm, PROMPT)
    query = Query(0, png(noise(0)), ("a dog", f"a {image} dog", "red</s>"))
    verdicts: dict[int, Verdict] = {answer.sentence: answer.verdict for answer in judge.judge([query])}
    assert [verdicts[place].status for place in range(3)] == [Status.OK, Status.FAILED, Status.FAILED]
    assert image in verdicts[1].raw["reason"]


def test_far_apart_answers_stay_finite() -> None:
    assert _verdict(-800.0, -900.0, Usage()).score == 1.0
    assert _verdict(-900.0, -800.0, Usage()).score == 0.0
    assert _verdict(math.log(0.3), math.log(0.1), Usage()).score == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("vocabulary", "family"),
    [
        ({"yes": 1, "Yes": 2, "YES": 3, "yesterday": 4, "eyes": 5, "no": 6}, [1, 2, 3]),
        ({"\u0120yes": 1, "\u2581Yes": 2, " YES": 3, "##yes": 4, "\u0120\u0120yes": 5}, [1, 2, 3, 5]),
    ],
)
def test_families(vocabulary: dict[str, int], family: list[int]) -> None:
    assert family_of("yes", vocabulary) == family


def test_a_tokenizer_without_the_word() -> None:
    with pytest.raises(UsageError, match="no single token for 'yes'"):
        family_of("yes", {"no": 1, "y": 2, "es": 3})


# The spec


def test_the_spec_identifies_what_changes_scores(llava: Path, tmp_path: Path) -> None:
    spec = LocalVlmJudge.from_reference(str(llava)).spec
    assert (spec.name, spec.kind, spec.mode, spec.dtype) == ("tiny-llava", "local_vlm", "p_yes", "float32")
    assert len(spec.model.revision or "") == 12
    named = LocalVlmJudge.from_reference(str(llava), name="mine", family="ours", batch=1).spec
    assert (named.name, named.model.family, named.judge_id) == ("mine", "ours", spec.judge_id)
    moved = tmp_path / "elsewhere" / "tiny-llava"
    moved.parent.mkdir()
    moved.symlink_to(llava)
    assert LocalVlmJudge.from_reference(str(moved), batch=1).spec.judge_id == spec.judge_id
    assert LocalVlmJudge.from_reference(str(llava), dtype="bfloat16").spec.judge_id != spec.judge_id
    (tmp_path / "prompt.txt").write_text(f"{PROMPT}!\n")
    prompted = LocalVlmJudge.from_reference(str(llava), prompt=str(tmp_path / "prompt.txt"))
    assert prompted.spec.prompt != spec.prompt
    assert prompted.environment["prompt"] == f"{PROMPT}!"


def test_other_weights_are_another_judge(llava: Path, tmp_path: Path) -> None:
    other = make_llava(tmp_path / "tiny-llava", seed=1)
    assert load_vlm(str(other)).ref.revision != load_vlm(str(llava)).ref.revision


def test_the_shipped_prompt() -> None:
    import judges

    assert read_prompt(Path(judges.__file__).parent / "prompts" / "yes_no.txt") == PROMPT


@pytest.mark.parametrize("prompt", ["Is it true?", "{sentence} or {sentence}?"])
def test_a_prompt_needs_one_place_for_the_sentence(llava: Path, tmp_path: Path, prompt: str) -> None:
    (tmp_path / "prompt.txt").write_text(prompt)
    with pytest.raises(UsageError, match=r"write \{sentence\} once"):
        LocalVlmJudge.from_reference(str(llava), prompt=str(tmp_path / "prompt.txt"))


# Loading


def test_a_folder_that_is_not_there() -> None:
    with pytest.raises(UsageError, match=r"there is no model folder \./nowhere"):
        load_vlm("./nowhere")


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be loaded as a vision-language model"):
        load_vlm(str(tmp_path))


def test_pickled_weights_are_refused(llava: Path, tmp_path: Path) -> None:
    for path in llava.iterdir():
        if path.suffix != ".safetensors":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(UsageError, match="cannot be loaded"):
        load_vlm(str(tmp_path))


def test_code_of_the_author_is_not_run(llava: Path, tmp_path: Path) -> None:
    for path in llava.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "evil.py").write_text("raise SystemExit('ran')")
    config = (tmp_path / "config.json").read_text().replace('"llava"', '"evil"', 1)
    mapped = config.replace("{", '{"auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"},', 1)
    (tmp_path / "config.json").write_text(mapped)
    with pytest.raises(UsageError, match="cannot be loaded"):
        load_vlm(str(tmp_path))


def test_a_model_without_a_chat_template(llava: Path, tmp_path: Path) -> None:
    for path in llava.iterdir():
        if path.name != "chat_template.jinja":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(UsageError, match="cannot be asked about an image"):
        NextToken(load_vlm(str(tmp_path)))


def test_a_dtype_that_is_none(llava: Path) -> None:
    with pytest.raises(UnknownNameError, match="bfloat16"):
        load_vlm(str(llava), dtype="bf16")


def test_a_folder_has_no_revisions(llava: Path) -> None:
    with pytest.raises(UsageError, match="no revisions"):
        load_vlm(str(llava), revision="main")
