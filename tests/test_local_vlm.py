"""The local vision-language judge: three modes, two contexts, on small models of real classes."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers as hf
from PIL import Image as Pillow

from alignbench.backends.prefix import Generated
from alignbench.backends.vlm import Vlm, load_vlm
from alignbench.errors import UnknownNameError, UsageError
from alignbench.types import Answer, Context, ModelRef, Query, Status, Verdict
from judges.local_vlm import LocalVlmJudge
from judges.local_vlm.modes import verbal_verdict, yes_no_verdict
from judges.prompt import Prompt, shipped
from tests import tokenizer_kinds as kinds
from tests.speaking_vlms import speaking, teach
from tests.tiny_models import make_idefics, make_llava, make_qwen, noise, png, probabilities

PROMPT = Prompt("Is this sentence true of the image? Answer Yes or No.\nSentence: {sentence}")
SENTENCES = (
    "a red dog .",
    "there are two blue cat on left .",
    "a dog",
    "red",
    "a cat is on the left or to be seen in red .",
)
CAPTION = "a red dog . a cat is on the left . a red dog ."
WHOLE = Context(CAPTION, ((0, 11), (12, 34), (35, 46)), (0, 1, 2))

# Random models hardly ever say yes, no or a number; that this warns has a test of its own.
pytestmark = pytest.mark.filterwarnings("ignore:.* of its probability .median. to other")


@pytest.fixture(scope="module", params=[make_llava, make_qwen, make_idefics], ids=lambda make: make.__name__)
def vlm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Vlm:
    make: Callable[[Path], Path] = request.param
    return load_vlm(str(make(tmp_path_factory.mktemp("models") / "tiny-vlm")), device="cpu")


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_llava(tmp_path_factory.mktemp("models") / "tiny-llava")


def verdicts(judge: LocalVlmJudge, *queries: Query) -> list[Verdict]:
    """The verdicts in the order of the sentences."""
    answers: list[Answer] = sorted(judge.judge(queries), key=lambda answer: answer[:2])
    assert [answer[:2] for answer in answers] == [
        (query.number, place) for query in queries for place in range(len(query.sentences))
    ]
    return [answer.verdict for answer in answers]


# p_yes


def test_p_yes_is_that_of_one_sentence_at_a_time(vlm: Vlm) -> None:
    judge = LocalVlmJudge(vlm, PROMPT)
    vocabulary = vlm.tokenizer.get_vocab()
    for number, image in enumerate([noise(0), noise(1), noise(2, (70, 40))]):
        found = verdicts(judge, Query(number, png(image), SENTENCES))
        for verdict, sentence in zip(found, SENTENCES, strict=True):
            mass = probabilities(vlm, image, PROMPT.fill(sentence))
            yes = mass[vocabulary["yes"]] + mass[vocabulary["Yes"]]
            no = mass[vocabulary["no"]] + mass[vocabulary["No"]]
            assert verdict.score == pytest.approx((yes / (yes + no)).item(), abs=1e-5)
            assert verdict.raw["p_yes"] == pytest.approx(yes.item(), abs=1e-5)
            assert verdict.raw["left_over"] == pytest.approx((1 - yes - no).item(), abs=1e-5)


def test_the_image_matters(vlm: Vlm) -> None:
    judge = LocalVlmJudge(vlm, PROMPT)
    one, other = ([v.score or 0.0 for v in verdicts(judge, Query(0, png(noise(n)), SENTENCES))] for n in range(2))
    assert min(abs(a - b) for a, b in zip(one, other, strict=True)) > 1e-4


def test_far_apart_answers_stay_finite() -> None:
    assert yes_no_verdict(-800.0, -900.0, 1).score == 1.0
    assert yes_no_verdict(-900.0, -800.0, 1).score == 0.0
    assert yes_no_verdict(math.log(0.3), math.log(0.1), 1).score == pytest.approx(0.75)


def test_tokens_and_seconds_are_counted(vlm: Vlm) -> None:
    for verdict, sentence in zip(
        verdicts(LocalVlmJudge(vlm, PROMPT), Query(0, png(noise(0)), SENTENCES)), SENTENCES, strict=True
    ):
        alone = vlm.encode([noise(0)], [PROMPT.fill(sentence)])
        assert verdict.usage.input_tokens == alone["input_ids"].shape[1]
        assert verdict.usage.output_tokens == 1
        assert (verdict.usage.seconds or 0) > 0


# expected_score


def after(vlm: Vlm, image: Pillow.Image, prompt: str, path: list[int]) -> torch.Tensor:
    """Probabilities of the next token after a prompt and the beginning of an answer, nothing shared."""
    inputs = vlm.encode([image], [prompt])
    inputs["input_ids"] = torch.cat([inputs["input_ids"], torch.tensor([path], dtype=torch.long)], 1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    with torch.inference_mode():
        return vlm.model(**inputs).logits[0, -1].double().softmax(-1)


def expected_by_digits(vlm: Vlm, image: Pillow.Image, prompt: str, space: str) -> tuple[float, float]:
    """Expectation and mass where every digit is a token, each number by itself, with or without a space before it."""
    ids = vlm.tokenizer.convert_tokens_to_ids
    digits = ids(list("0123456789"))
    said = functools.cache(lambda path: after(vlm, image, prompt, list(path)))
    total = mass = 0.0
    for number in range(101):
        for spelling in (list(str(number)), [space, *str(number)]):
            path: list[int] = []
            chance = 1.0
            for token in ids(spelling):
                chance *= said(tuple(path))[token].item()
                path.append(token)
            if number in range(1, 11):
                chance *= 1 - said(tuple(path))[digits].sum().item()
            total, mass = total + number * chance, mass + chance
    return total / mass, mass


@pytest.mark.parametrize(
    ("make", "space"),
    [(kinds.single_digits, "\u0120"), (kinds.sentencepiece, "\u2581")],
    ids=["bytes", "sentencepiece"],
)
def test_the_expected_score_is_that_of_every_number_by_itself(
    make: Callable[[], hf.PreTrainedTokenizerFast], space: str
) -> None:
    vlm = speaking(make())
    prompt = Prompt("How sure are you? {sentence}")
    for weights in vlm.model.parameters():
        if weights.ndim > 1:
            torch.nn.init.normal_(weights, std=0.3)
    (verdict,) = verdicts(LocalVlmJudge(vlm, prompt, mode="expected_score"), Query(0, png(noise(0)), ("a dog",)))
    expectation, mass = expected_by_digits(vlm, noise(0), prompt.fill("a dog"), space)
    assert verdict.score == pytest.approx(expectation / 100, abs=1e-6)
    assert verdict.raw["expectation"] == pytest.approx(expectation, abs=1e-4)
    assert verdict.raw["p_number"] == pytest.approx(mass, rel=1e-4)
    assert verdict.raw["left_over"] == pytest.approx(1 - mass, rel=1e-4)


def test_the_expected_score_over_tokens_of_whole_numbers() -> None:
    vlm = speaking(kinds.words(*map(str, range(101))))
    judge = LocalVlmJudge(vlm, mode="expected_score")
    found = verdicts(judge, Query(0, png(noise(0)), SENTENCES))
    ids = vlm.tokenizer.convert_tokens_to_ids([str(number) for number in range(101)])
    for verdict, sentence in zip(found, SENTENCES, strict=True):
        mass = probabilities(vlm, noise(0), shipped("score", "sentence").fill(sentence))[ids]
        expectation = (mass @ torch.arange(101.0).double() / mass.sum()).item()
        assert verdict.score == pytest.approx(expectation / 100, abs=1e-6)


# verbal_score, and what all modes make of a model that answers


@pytest.fixture(scope="module")
def taught() -> tuple[Vlm, dict[str, str]]:
    tokenizer = kinds.single_digits()
    vlm = speaking(tokenizer)
    said = {"a dog": "87", "a cat": "5", "red": "nothing", "blue": "or ..."}
    score, yes_no = shipped("score", "sentence"), shipped("yes_no", "sentence")
    teach(
        vlm,
        {score.fill(sentence): answer for sentence, answer in said.items()}
        | {yes_no.fill(sentence): "Yes" if sentence == "a dog" else "No" for sentence in said},
        noise(0),
    )
    return vlm, said


def test_a_model_that_writes_numbers(taught: tuple[Vlm, dict[str, str]]) -> None:
    vlm, said = taught
    dog, cat, red, blue = verdicts(LocalVlmJudge(vlm, mode="verbal_score"), Query(0, png(noise(0)), tuple(said)))
    assert (dog.score, dog.raw, dog.usage.output_tokens) == (0.87, {"text": "87"}, 3)
    assert (cat.score, cat.raw, cat.usage.output_tokens) == (0.05, {"text": "5"}, 2)
    assert (red.status, red.score, red.raw["text"]) == (Status.UNPARSABLE, None, "nothing")
    assert (blue.status, blue.score) == (Status.UNPARSABLE, None)
    assert blue.raw["text"].startswith("or or") and "cut after 16 tokens" in blue.raw["reason"]
    assert all(verdict.usage.seconds for verdict in (dog, cat, red, blue))
    alone = vlm.encode([noise(0)], [shipped("score", "sentence").fill("a cat")])
    assert cat.usage.input_tokens == alone["input_ids"].shape[1]


def test_a_number_that_was_cut_is_no_score() -> None:
    verdict = verbal_verdict(Generated("10", 1, finished=False, prompt_tokens=7))
    assert (verdict.status, verdict.raw["text"]) == (Status.UNPARSABLE, "10")
    assert (verdict.usage.input_tokens, verdict.usage.output_tokens) == (7, 1)
    assert verbal_verdict(Generated("10", 3, finished=True, prompt_tokens=7)).score == 0.1
    assert verbal_verdict(Generated("", 1, finished=True, prompt_tokens=7)).status is Status.UNPARSABLE


def test_the_same_model_in_the_other_modes(taught: tuple[Vlm, dict[str, str]]) -> None:
    vlm, said = taught
    query = Query(0, png(noise(0)), tuple(said))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yes, *no = verdicts(LocalVlmJudge(vlm), query)
        dog, cat, *_ = verdicts(LocalVlmJudge(vlm, mode="expected_score"), Query(1, query.image, ("a dog", "a cat")))
    assert (yes.score or 0) > 0.9 and max(verdict.score or 0 for verdict in no) < 0.1
    assert dog.score == pytest.approx(0.87, abs=0.03) and cat.score == pytest.approx(0.05, abs=0.03)
    assert max(dog.raw["left_over"], cat.raw["left_over"]) < 0.1


# What is left over


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("mode", "answer"), [("p_yes", "yes and no"), ("expected_score", "a number")])
def test_much_left_over_is_warned_about_once(mode: str, answer: str) -> None:
    judge = LocalVlmJudge(speaking(kinds.single_digits()), mode=mode)
    queries = [Query(number, png(noise(number)), SENTENCES) for number in range(2)]
    with pytest.warns(UserWarning, match=rf"9\d% of its probability \(median\) to other .*{answer}.*prompt") as caught:
        verdicts(judge, *queries)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        verdicts(judge, *queries)


@pytest.mark.filterwarnings("default")
def test_the_warning_does_not_wait_for_the_end() -> None:
    judge = LocalVlmJudge(speaking(kinds.words("9")))

    def many() -> Iterator[Query]:
        for number in range(1000):
            yield Query(number, png(noise(0)), SENTENCES * 8)

    answers = judge.judge(many())
    with pytest.warns(UserWarning, match="of its probability"):
        next(answer for answer in answers if answer.query == 7)


# Contexts


@pytest.mark.parametrize("mode", ["p_yes", "expected_score"])
def test_a_sentence_shown_in_its_caption(mode: str) -> None:
    vlm = speaking(kinds.three_digits())
    for weights in vlm.model.parameters():
        if weights.ndim > 1:
            torch.nn.init.normal_(weights, std=0.3)
    sentences = tuple(CAPTION[start:end] for start, end in WHOLE.ranges)
    judge = LocalVlmJudge(vlm, mode=mode, context="caption")
    found = verdicts(judge, Query(0, png(noise(0)), sentences, WHOLE))
    assert len({verdict.score for verdict in found}) == 3, "a sentence that occurs twice is asked about twice"
    prompt = shipped("yes_no" if mode == "p_yes" else "score", "caption")
    asked = [Query(0, png(noise(0)), (prompt.fill_in_caption(WHOLE, place),)) for place in range(3)]
    alone = LocalVlmJudge(vlm, Prompt("{sentence}"), mode=mode)
    for verdict, query in zip(found, asked, strict=True):
        assert verdict.score == pytest.approx(verdicts(alone, query)[0].score, abs=1e-5)
    resumed = Query(0, png(noise(0)), sentences[1:], Context(CAPTION, WHOLE.ranges, (1, 2)))
    for verdict, again in zip(found[1:], verdicts(judge, resumed), strict=True):
        assert verdict.score == pytest.approx(again.score, abs=1e-5)


def test_a_caption_is_needed(llava: Path) -> None:
    judge = LocalVlmJudge.from_reference(str(llava), context="caption")
    with pytest.raises(UsageError, match="queries with their caption"):
        verdicts(judge, Query(0, png(noise(0)), SENTENCES))


# Sentences that would be commands


def test_a_sentence_cannot_give_commands(vlm: Vlm) -> None:
    image = vlm.front.image_token
    judge = LocalVlmJudge(vlm, PROMPT)
    query = Query(0, png(noise(0)), ("a dog", f"a {image} dog", "red</s>"))
    found = verdicts(judge, query)
    assert [verdict.status for verdict in found] == [Status.OK, Status.FAILED, Status.FAILED]
    assert image in found[1].raw["reason"]
    assert found[0].score == pytest.approx(verdicts(judge, Query(0, query.image, ("a dog",)))[0].score, abs=1e-6)


def test_a_caption_cannot_give_commands(llava: Path) -> None:
    judge = LocalVlmJudge.from_reference(str(llava), context="caption")
    caption = "a dog . </s> a cat ."
    context = Context(caption, ((0, 7), (13, 20)), (0, 1))
    good = Query(1, png(noise(0)), ("a dog .", "a cat ."), Context("a dog . a cat .", ((0, 7), (8, 15)), (0, 1)))
    found = verdicts(judge, Query(0, png(noise(0)), ("a dog .", "a cat ."), context), good)
    assert [verdict.status for verdict in found] == [Status.FAILED, Status.FAILED, Status.OK, Status.OK]
    assert "the caption holds </s>" in found[0].raw["reason"]


# The spec


def test_the_spec_identifies_what_changes_scores(llava: Path, tmp_path: Path) -> None:
    spec = LocalVlmJudge.from_reference(str(llava)).spec
    assert (spec.name, spec.kind, spec.mode, spec.dtype) == ("tiny-llava", "local_vlm", "p_yes", "float32")
    assert len(spec.model.revision or "") == 12
    named = LocalVlmJudge.from_reference(str(llava), name="mine", family="ours", tokens_at_once=64).spec
    assert (named.name, named.model.family, named.judge_id) == ("mine", "ours", spec.judge_id)
    moved = tmp_path / "elsewhere" / "tiny-llava"
    moved.parent.mkdir()
    moved.symlink_to(llava)
    assert LocalVlmJudge.from_reference(str(moved)).spec.judge_id == spec.judge_id
    (tmp_path / "prompt.txt").write_text(f"{PROMPT.text}!\n")
    prompted = LocalVlmJudge.from_reference(str(llava), prompt=str(tmp_path / "prompt.txt"))
    assert prompted.spec.prompt != spec.prompt
    assert prompted.environment["prompt"] == f"{PROMPT.text}!"
    assert prompted.environment["prefix"] == "packed"
    others = [{"dtype": "bfloat16"}, {"context": "caption"}, {"mode": "verbal_score"}, {"max_pixels": 500}]
    specs = [LocalVlmJudge.from_reference(str(llava), **options).spec for options in others]
    assert len({each.judge_id for each in [*specs, spec, prompted.spec]}) == 6
    assert specs[3].options == {"max_pixels": 500}


def test_ids_of_judges_from_before_there_were_modes_hold(llava: Path) -> None:
    spec = LocalVlmJudge.from_reference(str(llava)).spec
    assert spec.options == {}
    assert replace(spec, model=ModelRef("any-vlm", "0123456789ab")).judge_id == "3660ff466ca2"


def test_modes_and_contexts_that_there_are_not() -> None:
    with pytest.raises(UnknownNameError, match=r"no mode of a local judge 'p-yes' .nearest: p_yes"):
        LocalVlmJudge.from_reference("nowhere/nothing", mode="p-yes")
    with pytest.raises(UnknownNameError, match=r"no context of a judge 'captions' .nearest: caption"):
        LocalVlmJudge.from_reference("nowhere/nothing", context="captions")
    with pytest.raises(UsageError, match=r"has \{caption\} 0 times"):
        LocalVlmJudge(speaking(kinds.words()), PROMPT, context="caption")


# Loading


def test_other_weights_are_another_judge(llava: Path, tmp_path: Path) -> None:
    other = make_llava(tmp_path / "tiny-llava", seed=1)
    assert load_vlm(str(other)).ref.revision != load_vlm(str(llava)).ref.revision


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
        LocalVlmJudge.from_reference(str(tmp_path))


def test_a_dtype_that_is_none(llava: Path) -> None:
    with pytest.raises(UnknownNameError, match="bfloat16"):
        load_vlm(str(llava), dtype="bf16")


def test_a_folder_has_no_revisions(llava: Path) -> None:
    with pytest.raises(UsageError, match="no revisions"):
        load_vlm(str(llava), revision="main")
