"""The shared prefix, on random models of every architecture: it changes what an answer costs, never the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

import alignbench
from alignbench.backends.prefix import Generated, SharedPrefix
from alignbench.backends.prefix.cache import Prefilled
from alignbench.backends.prefix.chunks import fits_batch, fits_packed
from alignbench.backends.prefix.tokens import Row, _around_the_image, split
from alignbench.backends.vlm import Vlm, load_vlm
from alignbench.errors import UsageError
from tests.tiny_models import noise
from tests.tiny_vlms import MAKERS, make_gemma3, make_llava, make_qwen, make_qwen3_5

EMBEDDED = Path(alignbench.__file__).parent / "embedded" / "scenes-b"
BUILDERS: dict[str, Callable[[Path], Path]] = {**MAKERS, "fast_vlm": lambda folder: EMBEDDED}
ASKED = "Is this sentence true of the image ? Sentence : "
PROMPTS = [
    ASKED + "a red dog .",
    ASKED + "there are two blue cat on left or a dog is to be seen in red .",
    ASKED + "red",
    ASKED + "a cat on the left .",
]
MANY = [f"{ASKED} there are {number} red dog" for number in range(10)]
PATHS = [(), (9,), (9, 11), (12, 9), (9, 12, 13)]
SIZES = [(48, 64), (70, 40), (40, 40)]


@pytest.fixture(scope="module", params=BUILDERS)
def vlm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Vlm:
    return load_vlm(str(BUILDERS[request.param](tmp_path_factory.mktemp("models") / request.param)), device="cpu")


@pytest.fixture(scope="module")
def shared(vlm: Vlm) -> SharedPrefix:
    return SharedPrefix(vlm)


@pytest.fixture
def llava(tmp_path: Path) -> Vlm:
    return load_vlm(str(make_llava(tmp_path / "llava")), device="cpu")


@pytest.fixture
def qwen3_5(tmp_path: Path) -> Vlm:
    return load_vlm(str(make_qwen3_5(tmp_path / "qwen3_5")), device="cpu")


def vocabulary(vlm: Vlm) -> range:
    return range(vlm.model.config.get_text_config().vocab_size)


@torch.inference_mode()
def naive(vlm: Vlm, image: Any, prompt: str, path: tuple[int, ...] = ()) -> torch.Tensor:
    """Probabilities of the next token, with everything anew and nothing kept."""
    inputs = vlm.encode([image], [prompt])
    shape = inputs["input_ids"].shape
    for name, value in inputs.items():
        if value.shape == shape:
            kind = torch.tensor([path]) if name == "input_ids" else value[:, -1:].expand(1, len(path))
            inputs[name] = torch.cat([value, kind.to(value.dtype)], 1)
    return vlm.model(**inputs, use_cache=False).logits[0, -1].double().softmax(-1)


def naive_of_all(vlm: Vlm, image: Any, prompts: Sequence[str], paths: Sequence[tuple[int, ...]]) -> torch.Tensor:
    return torch.stack([torch.stack([naive(vlm, image, prompt, path) for path in paths]) for prompt in prompts])


def probabilities(
    shared: SharedPrefix, vlm: Vlm, image: Any, prompts: Sequence[str], paths: Any = ((),)
) -> torch.Tensor:
    return shared.distributions(image, prompts, vocabulary(vlm), paths).log_probabilities.exp()


class Watch:
    """The shapes of what a model is fed, call by call; runs out of memory where told to."""

    def __init__(self, full: Callable[[int, int], bool] = lambda call, tokens: False) -> None:
        self.prefixes: list[int] = []
        self.fed: list[tuple[int, int]] = []
        self.alone = 0
        self.failed = 0
        self._full = full

    def __call__(self, model: Any, args: Any, kwargs: Any) -> None:
        rows, columns = kwargs["input_ids"].shape
        cache = kwargs.get("past_key_values")
        if cache is None:
            self.alone += 1
        elif cache.get_seq_length() == 0:
            self.prefixes.append(columns)
        elif self._full(self.failed, rows * columns):
            self.failed += 1
            raise torch.OutOfMemoryError("full")
        else:
            self.fed.append((rows, columns))


@pytest.fixture
def watch(vlm: Vlm) -> Iterator[Watch]:
    watch = Watch()
    handle = vlm.model.register_forward_pre_hook(watch, with_kwargs=True)
    yield watch
    handle.remove()


# Every architecture


def test_the_way_that_is_taken(vlm: Vlm, shared: SharedPrefix) -> None:
    hybrid = vlm.model.config.model_type in {"gemma3", "qwen3_5"}
    assert shared.way == ("expanded" if hybrid else "packed")


def test_answers_are_those_of_one_prompt_at_a_time(vlm: Vlm, shared: SharedPrefix) -> None:
    for number, size in enumerate(SIZES):
        image = noise(number, size)
        found = probabilities(shared, vlm, image, PROMPTS, PATHS)
        assert torch.allclose(found, naive_of_all(vlm, image, PROMPTS, PATHS), rtol=0, atol=1e-5)


def test_copies_of_the_prefix_give_the_same_where_packing_is_the_first_choice(
    vlm: Vlm, shared: SharedPrefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed, written = probabilities(shared, vlm, noise(0), PROMPTS, PATHS), shared.generate(noise(0), PROMPTS, 4)
    monkeypatch.setattr(shared, "way", "expanded")
    assert torch.allclose(probabilities(shared, vlm, noise(0), PROMPTS, PATHS), packed, rtol=0, atol=1e-5)
    assert shared.generate(noise(0), PROMPTS, 4) == written


def test_the_prompts_and_the_images_matter(vlm: Vlm, shared: SharedPrefix) -> None:
    one, other = (probabilities(shared, vlm, noise(number), PROMPTS)[:, 0] for number in range(2))
    assert (one - other).abs().amax(-1).min() > 1e-3
    assert min((one[a] - one[b]).abs().max() for a in range(4) for b in range(a)) > 1e-3


def test_the_image_is_encoded_once(vlm: Vlm, shared: SharedPrefix, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    encode = vlm.model.model.get_image_features
    monkeypatch.setattr(
        vlm.model.model, "get_image_features", lambda *args, **more: (calls.append(1), encode(*args, **more))[1]
    )
    shared.distributions(noise(0), PROMPTS, [0], PATHS)
    assert len(calls) == 1
    shared.generate(noise(0), PROMPTS, 3)
    assert len(calls) == 2


def test_the_prefix_goes_through_the_model_once(vlm: Vlm, shared: SharedPrefix, watch: Watch) -> None:
    parts = split(vlm, noise(0), PROMPTS)
    assert parts.shared >= len(vlm.encode([noise(0)], [ASKED])["input_ids"][0]) - 2
    shared.distributions(noise(0), PROMPTS, [0])
    assert watch.prefixes == [parts.shared]
    suffixes = [len(suffix) for suffix in parts.suffixes]
    assert watch.fed == ([(1, sum(suffixes))] if shared.way == "packed" else [(4, max(suffixes))])


def test_branches_are_all_that_is_fed_behind_a_suffix(
    vlm: Vlm, shared: SharedPrefix, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "way", "expanded")
    suffixes = [len(suffix) for suffix in split(vlm, noise(0), PROMPTS).suffixes]
    counts = [(suffixes.count(length), length) for length in dict.fromkeys(suffixes)]
    for paths, branching, longest in ((PATHS, 3, 3), ([(9,), (11, 12)], 2, 2)):
        watch.fed.clear()
        found = probabilities(shared, vlm, noise(0), PROMPTS, paths)
        assert watch.fed == [fed for count, length in counts for fed in ((count, length), (count * branching, longest))]
        assert torch.allclose(found, naive_of_all(vlm, noise(0), PROMPTS, paths), rtol=0, atol=1e-5)
    watch.fed.clear()
    shared.distributions(noise(0), PROMPTS, [0], [(), (9,), (9, 11)])
    assert watch.fed == [(4, max(suffixes) + 2)], "a single branch goes with the suffix"


def test_tokens_are_counted(vlm: Vlm, shared: SharedPrefix) -> None:
    lengths = shared.distributions(noise(1, (70, 40)), PROMPTS, [0]).lengths
    assert lengths == [vlm.encode([noise(1, (70, 40))], [prompt])["input_ids"].shape[1] for prompt in PROMPTS]


def test_chunks_change_nothing(vlm: Vlm, shared: SharedPrefix, watch: Watch) -> None:
    whole = probabilities(shared, vlm, noise(0), PROMPTS, PATHS)
    few = SharedPrefix(vlm, tokens_at_once=40)
    watch.fed.clear()
    assert torch.allclose(probabilities(few, vlm, noise(0), PROMPTS, PATHS), whole, rtol=0, atol=1e-5)
    assert len(watch.fed) > 1
    assert all(rows * columns <= 40 or rows == 1 for rows, columns in watch.fed)


def test_one_prompt_and_prompts_that_differ_from_the_start(vlm: Vlm, shared: SharedPrefix) -> None:
    for prompts in ([PROMPTS[1]], ["a dog .", "Is a cat red ?"], ["red", "red dog", "red"]):
        found = probabilities(shared, vlm, noise(0), prompts)
        assert torch.allclose(found, naive_of_all(vlm, noise(0), prompts, [()]), rtol=0, atol=1e-5)


def test_generation_is_that_of_transformers(vlm: Vlm, shared: SharedPrefix) -> None:
    ends = sorted(vlm.end_tokens())
    for number, size in enumerate(SIZES[:2]):
        image = noise(number, size)
        found = shared.generate(image, PROMPTS, 8)
        for prompt, answer in zip(PROMPTS, found, strict=True):
            inputs = vlm.encode([image], [prompt])
            ids = vlm.model.generate(**inputs, do_sample=False, max_new_tokens=8, eos_token_id=ends, pad_token_id=0)
            said = ids[0, inputs["input_ids"].shape[1] :].tolist()
            text = vlm.tokenizer.decode(said, skip_special_tokens=True).strip()
            assert answer == Generated(text, len(said), said[-1] in ends, inputs["input_ids"].shape[1])
            assert list(answer.said) == said


@pytest.mark.parametrize("way", ["packed", "expanded", "plain"])
def test_the_tokens_of_an_answer_have_the_probability_that_they_had(llava: Vlm, way: str) -> None:
    shared = SharedPrefix(llava)
    shared.way = way
    for prompt, answer in zip(PROMPTS, shared.generate(noise(0), PROMPTS, 5), strict=True):
        assert len(answer.said) == answer.tokens
        for place, token in enumerate(answer.said):
            before = tuple(answer.said[:place])
            found = shared.distributions(noise(0), [prompt], [token], [before]).log_probabilities.item()
            assert token.log_probability == pytest.approx(found, abs=1e-4)


def test_answers_end_where_the_model_ends_them(vlm: Vlm, shared: SharedPrefix, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = shared.generate(noise(0), PROMPTS, 8)
    likeliest = probabilities(shared, vlm, noise(0), PROMPTS)[:, 0].argmax(-1)
    monkeypatch.setattr(vlm.model.generation_config, "eos_token_id", likeliest[0].item())
    cut = shared.generate(noise(0), PROMPTS, 8)
    assert (cut[0].tokens, cut[0].finished) == (1, True)
    assert len({answer.tokens for answer in whole + cut}) > 1


# Ways


@pytest.mark.parametrize("make", [make_gemma3, make_qwen3_5])
def test_a_wrong_way_is_found_out(
    make: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm = load_vlm(str(make(tmp_path / "hybrid")), device="cpu")
    monkeypatch.setattr(Prefilled, "can_be_packed", True)
    assert SharedPrefix(vlm).way == "expanded"


def test_a_lost_shift_of_positions_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vlm = load_vlm(str(make_qwen(tmp_path / "qwen")), device="cpu")
    monkeypatch.setattr("alignbench.backends.prefix.cache._forget_shift", lambda model: 0)
    with pytest.warns(UserWarning, match=r"packed: probabilities differ by .*; expanded: probabilities differ by "):
        assert SharedPrefix(vlm).way == "plain"


def test_a_model_that_sees_the_text_before_the_image_is_asked_the_plain_way(llava: Vlm) -> None:
    parts = "{% for message in messages %}{{ message['content'][1]['text'] }}<image>{% endfor %}"
    llava.front.chat_template = llava.tokenizer.chat_template = parts + "<assistant>"
    with pytest.warns(UserWarning, match="llava encodes an image anew for every sentence"):
        plain = SharedPrefix(llava)
    assert plain.way == "plain"
    found = probabilities(plain, llava, noise(0), PROMPTS, PATHS)
    assert torch.allclose(found, naive_of_all(llava, noise(0), PROMPTS, PATHS), rtol=0, atol=1e-5)
    answer = plain.generate(noise(0), PROMPTS[:1], 4)[0]
    assert answer.tokens == 4 or answer.finished
    assert answer.prompt_tokens == plain.distributions(noise(0), PROMPTS[:1], [0]).lengths[0]


def test_the_plain_way_sets_the_defaults_of_the_model_aside(llava: Vlm, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = SharedPrefix(llava)
    expected = shared.generate(noise(0), PROMPTS, 4)
    monkeypatch.setattr(shared, "way", "plain")
    monkeypatch.setattr(llava.model.generation_config, "repetition_penalty", 50.0)
    assert shared.generate(noise(0), PROMPTS, 4) == expected
    assert llava.model.generation_config.repetition_penalty == 50.0


def test_eager_attention_is_packed_too(llava: Vlm) -> None:
    llava.model.set_attn_implementation("eager")
    shared = SharedPrefix(llava)
    assert shared.way == "packed"
    found = probabilities(shared, llava, noise(0), PROMPTS, PATHS)
    assert torch.allclose(found, naive_of_all(llava, noise(0), PROMPTS, PATHS), rtol=0, atol=1e-5)


def test_another_dtype(tmp_path: Path) -> None:
    vlm = load_vlm(str(make_llava(tmp_path / "llava")), device="cpu", dtype="bfloat16")
    shared = SharedPrefix(vlm)
    assert shared.way == "packed"
    found = probabilities(shared, vlm, noise(0), PROMPTS, PATHS)
    assert torch.allclose(found, naive_of_all(vlm, noise(0), PROMPTS, PATHS), rtol=0, atol=0.05)


def test_a_model_without_a_chat_template(llava: Vlm) -> None:
    llava.front.chat_template = None
    with pytest.raises(UsageError, match="llava cannot be asked about an image"):
        SharedPrefix(llava)


# Tokens


def test_paths_are_answered_in_their_order(llava: Vlm) -> None:
    shared = SharedPrefix(llava)
    paths = [(9, 11), (), (9, 11), (9,)]
    found = shared.distributions(noise(0), PROMPTS, [3, 1], paths).log_probabilities
    assert (found.shape, found.dtype) == ((4, 4, 2), torch.float64)
    assert torch.equal(found[:, 0], found[:, 2])
    expected = naive_of_all(llava, noise(0), PROMPTS, paths)[..., [3, 1]]
    assert torch.allclose(found.exp(), expected, rtol=0, atol=1e-5)


def test_an_image_is_written_into_texts_that_go_on_as_the_first() -> None:
    text, prepared = [1, 6, 30, 5], [1, 7, 6, 6, 8, 30, 5]
    assert _around_the_image(prepared, [text, [1, 6, 30, 9, 5]]) == [prepared, [1, 7, 6, 6, 8, 30, 9, 5]]
    assert _around_the_image(prepared, [text, [1, 6, 31, 5]]) is None
    assert _around_the_image(prepared, [text, [2, 6, 30, 5]]) is None
    assert _around_the_image([1, 30, 6, 6], [[1, 30, 6], [1, 30, 6]]) is None


# Memory


@pytest.mark.parametrize("make", [make_llava, make_gemma3])
@pytest.mark.parametrize("ask", ["distributions", "branches", "generate"])
def test_where_memory_runs_out_fewer_go_at_once(make: Callable[[Path], Path], ask: str, tmp_path: Path) -> None:
    vlm = load_vlm(str(make(tmp_path / "tiny")), device="cpu")

    def answers(shared: SharedPrefix) -> Any:
        if ask == "generate":
            return shared.generate(noise(0), MANY, 3)
        return probabilities(shared, vlm, noise(0), MANY, PATHS if ask == "branches" else [()])

    expected = answers(SharedPrefix(vlm))
    shared = SharedPrefix(vlm)
    watch = Watch(full=lambda failed, tokens: failed < 2 and tokens > 4)
    vlm.model.register_forward_pre_hook(watch, with_kwargs=True)
    found = answers(shared)
    assert watch.failed == 2
    assert len(watch.prefixes) == 1
    assert found == expected if ask == "generate" else torch.allclose(found, expected, rtol=0, atol=1e-5)
    watch.fed.clear()
    answers(shared)
    assert watch.failed == 2
    assert len(watch.fed) > 1


def test_where_no_branch_fits_beside_the_suffixes_fewer_of_these_are_kept(tmp_path: Path) -> None:
    vlm = load_vlm(str(make_gemma3(tmp_path / "gemma3")), device="cpu")
    shared, prefix = SharedPrefix(vlm), split(vlm, noise(0), MANY).shared
    expected = probabilities(shared, vlm, noise(0), MANY, PATHS)
    kept: list[int] = []

    def hook(model: Any, args: Any, kwargs: Any) -> None:
        before = kwargs["past_key_values"].get_seq_length()
        if before == prefix:
            kept.append(len(kwargs["input_ids"]))
        elif before > prefix and kept[-1] > 2:
            raise torch.OutOfMemoryError("full")

    vlm.model.register_forward_pre_hook(hook, with_kwargs=True)
    assert torch.allclose(probabilities(shared, vlm, noise(0), MANY, PATHS), expected, rtol=0, atol=1e-5)
    assert kept[0] > 2 and kept[-1] <= 2


@pytest.mark.parametrize("make", [make_llava, make_gemma3])
def test_a_prompt_that_does_not_fit_alone(make: Callable[[Path], Path], tmp_path: Path) -> None:
    vlm = load_vlm(str(make(tmp_path / "tiny")), device="cpu")
    shared = SharedPrefix(vlm)
    watch = Watch(full=lambda failed, tokens: True)
    vlm.model.register_forward_pre_hook(watch, with_kwargs=True)
    with pytest.raises(torch.OutOfMemoryError):
        shared.distributions(noise(0), MANY[:4], [0])
    assert watch.failed >= 2
    assert not watch.fed


def test_no_memory_at_the_start_is_not_a_reason_for_another_way(llava: Vlm) -> None:
    llava.model.register_forward_pre_hook(Watch(full=lambda failed, tokens: True), with_kwargs=True)
    with pytest.raises(torch.OutOfMemoryError):
        SharedPrefix(llava)


def test_masks_copies_and_logits_are_bounded(llava: Vlm) -> None:
    def most(fits: Any, rows: list[Row], at_once: int) -> int:
        return max(count for count in range(1, len(rows) + 1) if fits(rows[:count], at_once))

    rows = [Row(number, [9] * 4, [3], [0]) for number in range(100)]
    short, long = (Prefilled(llava.model, None, tokens, tokens) for tokens in (50, 10_000))
    assert most(fits_packed(short), rows, 64) == 16
    assert most(fits_packed(short, grown=4), rows, 64) == 8
    assert most(fits_packed(long), rows, 64) == 3
    assert most(fits_batch(short), rows, 64) == 2
    assert most(fits_batch(short), rows, 128) == 4
    assert most(fits_batch(short, grown=20), rows, 128) == 3
    llava.model.config.text_config.vocab_size = 1 << 18
    assert most(fits_packed(short), rows, 64) == 4
    assert most(fits_batch(Prefilled(llava.model, None, 5, 5)), rows, 64) == 4
    assert most(fits_packed(short), rows, 32) == 2


# Images


def test_a_bound_on_the_pixels_where_the_front_end_has_one(tmp_path: Path) -> None:
    folder = str(make_qwen(tmp_path / "qwen"))
    free, bound = load_vlm(folder, device="cpu"), load_vlm(folder, device="cpu", max_pixels=1024)
    assert free.environment["max_pixels"] == "4096"
    assert bound.environment["max_pixels"] == "1024"
    image = noise(0, (64, 64))
    assert free.encode([image], ["red"])["image_grid_thw"].tolist() == [[1, 8, 8]]
    assert bound.encode([image], ["red"])["image_grid_thw"].tolist() == [[1, 4, 4]]
    assert load_vlm(folder, device="cpu", max_pixels=256).encode([image], ["red"])["pixel_values"].shape[0] == 4


def test_a_bound_on_the_pixels_where_it_has_none(llava: Vlm, tmp_path: Path) -> None:
    bound = load_vlm(str(make_llava(tmp_path / "bound")), device="cpu", max_pixels=32 * 16)
    assert llava.environment["max_pixels"] == "set by the front end alone"
    assert bound.environment["max_pixels"] == "512"
    image = noise(0, (64, 32))
    smaller = image.resize((16, 32), resample=3)
    seen, wanted, free = (
        vlm.encode([picture], ["red"])["pixel_values"]
        for vlm, picture in ((bound, image), (llava, smaller), (llava, image))
    )
    assert torch.equal(seen, wanted)
    assert not torch.equal(seen, free)


def test_a_bound_must_leave_a_pixel(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        load_vlm(str(make_llava(tmp_path / "llava")), device="cpu", max_pixels=0)
