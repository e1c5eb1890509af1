"""The local writer of texts as an adapter, on random models of two real classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from alignbench import registry
from alignbench.backends.decoding import Continuation, Decoding
from alignbench.errors import UnknownNameError, UsageError
from alignbench.types import Billed, ModelRef, Situated, Status, TextModel, TextTask, Written
from generation.continuations import judged
from generation.text_model import LanguageModel, LocalTextModel, load_language_model
from tests.tiny_language_models import make_llama, make_qwen2

DRAWING = {"temperature": 1.0, "max_new_tokens": 12}


@pytest.fixture(scope="module", params=[make_llama, make_qwen2], ids=lambda make: make.__name__)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    make: Callable[[Path], Path] = request.param
    return make(tmp_path_factory.mktemp("models") / "tiny-lm")


@pytest.fixture(scope="module")
def drawing(folder: Path) -> TextModel:
    return registry.build_text_model(f"local_llm:{folder}", family="tiny", **DRAWING)


def tasks(count: int) -> list[TextTask]:
    prompts = ["Describe the image .", "Is there a dog on the left ?"]
    return [TextTask(number, prompts[number % 2], 7 + number) for number in range(count)]


def text_of(written: Written) -> str:
    return written.text if written.text is not None else written.provenance.get("text", "")


def test_every_text_is_finished_or_a_status_and_tells_how_it_was_made(drawing: TextModel) -> None:
    found = list(drawing.write(tasks(60)))
    assert [each.number for each in found] == list(range(60))
    assert {Status.OK, Status.RUN_ON} <= {each.status for each in found} <= {Status.OK, Status.RUN_ON, Status.EMPTY}
    told = {"decoding": {**DRAWING, "top_p": 1.0}, "dtype": "float32", "device": "cpu", "chat_template": True}
    for each in found:
        assert told.items() <= each.provenance.items()
        assert (each.text is None) == (each.status is not Status.OK)
        assert (each.status is Status.RUN_ON) == (each.provenance.get("reason") == "no end after 12 tokens")


def test_a_result_depends_on_its_task_alone(drawing: TextModel, folder: Path) -> None:
    given = tasks(8)
    together = list(drawing.write(given))
    assert len({text_of(each) for each in together}) > 3
    assert list(drawing.write(given[::-1])) == together[::-1]
    before = torch.random.get_rng_state()
    fresh = registry.build_text_model(f"local_llm:{folder}", **DRAWING)
    assert [next(fresh.write([task])) for task in given] == together
    assert torch.equal(torch.random.get_rng_state(), before)


def test_greedy_takes_the_likeliest_after_the_chat_template(folder: Path) -> None:
    loaded = load_language_model(str(folder), device="cpu")
    ids = loaded.tokenizer("<s><user>Describe the image .<assistant>", add_special_tokens=False, return_tensors="pt")
    with torch.inference_mode():
        first = int(loaded.model(**{k: ids[k] for k in ("input_ids", "attention_mask")}).logits[0, -1].argmax())
    (written,) = LocalTextModel(loaded, Decoding(max_new_tokens=1)).write(tasks(1))
    assert text_of(written) == loaded.tokenizer.decode([first], skip_special_tokens=True)


def test_without_a_template_it_writes_on_from_the_prompt(tmp_path: Path) -> None:
    folder = make_llama(tmp_path / "base", template=False)
    loaded = load_language_model(str(folder), device="cpu")
    assert loaded.tokenizer.decode(loaded.encode("Describe the image")["input_ids"][0]).endswith("Describe the image")
    (written,) = LocalTextModel(loaded, Decoding(max_new_tokens=4)).write(tasks(1))
    assert written.provenance["chat_template"] is False


def test_tasks_are_pulled_one_by_one(drawing: TextModel) -> None:
    pulled = []

    def given() -> Iterator[TextTask]:
        for task in tasks(5):
            pulled.append(task.number)
            yield task

    results = drawing.write(given())
    next(results)
    assert pulled == [0]
    next(results)
    assert pulled == [0, 1]


def test_who_writes_is_the_folder_and_its_weights(drawing: TextModel, folder: Path, tmp_path: Path) -> None:
    assert drawing.model == ModelRef("tiny-lm", drawing.model.revision, "tiny")
    other = registry.build_text_model(f"local_llm:{make_llama(tmp_path / 'tiny-lm', seed=1)}", name="other")
    assert other.model.name == "other" and other.model.revision != drawing.model.revision
    assert isinstance(drawing, Situated) and drawing.environment["device"] == "cpu"
    assert not isinstance(drawing, Billed)


def test_a_model_that_cannot_end(folder: Path) -> None:
    loaded = load_language_model(str(folder), device="cpu")
    loaded.model.generation_config.eos_token_id = None
    loaded.tokenizer.eos_token = None
    with pytest.raises(UsageError, match="no token that ends a text"):
        LocalTextModel(loaded, Decoding())


def test_a_row_that_finds_no_room_is_a_status_and_the_next_goes_on(folder: Path) -> None:
    loaded = load_language_model(str(folder), device="cpu")

    class Small(LanguageModel):
        def encode(self, prompt: str) -> dict[str, torch.Tensor]:
            if "dog" in prompt:
                raise torch.OutOfMemoryError("tried to allocate 99 GiB\nsecond line")
            return super().encode(prompt)

    small = Small(loaded.model, loaded.tokenizer, loaded.ref, loaded.dtype, loaded.device)
    found = list(LocalTextModel(small, Decoding(max_new_tokens=4)).write(tasks(3)))
    assert [each.status is Status.FAILED for each in found] == [False, True, False]
    assert found[1].provenance["reason"].endswith("no room for the row: tried to allocate 99 GiB")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"temperature": -1}, "temperature=-1"),
        ({"dtype": "float7"}, "there is no dtype 'float7'"),
        ({"device": "warp"}, "cannot use the device 'warp'"),
        ({"batch": 2}, "there is no option of local_llm 'batch'"),
    ],
    ids=str,
)
def test_options_that_make_no_sense(folder: Path, options: dict[str, object], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        registry.build_text_model(f"local_llm:{folder}", **options)


def test_what_is_no_model(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(UsageError, match="there is no model folder"):
        registry.build_text_model("local_llm:/nowhere")
    with pytest.raises(UsageError, match="cannot be loaded as a language model"):
        registry.build_text_model(f"local_llm:{tmp_path}")
    with pytest.raises(UsageError, match="has no revisions"):
        registry.build_text_model(f"local_llm:{folder}", revision="main")
    with pytest.raises(UnknownNameError, match="local_llm"):
        registry.build_text_model("local_lm:x")


def test_weights_that_are_a_pickle_are_refused(folder: Path, tmp_path: Path) -> None:
    loaded = load_language_model(str(folder), device="cpu")
    pickled = tmp_path / "pickled"
    loaded.model.config.save_pretrained(pickled)
    loaded.tokenizer.save_pretrained(pickled)
    torch.save(loaded.model.state_dict(), pickled / "pytorch_model.bin")
    with pytest.raises(UsageError, match="cannot be loaded as a language model"):
        registry.build_text_model(f"local_llm:{pickled}")


@pytest.mark.parametrize(
    ("text", "finished", "status"),
    [
        ("A dog.", True, Status.OK),
        ("A dog.", False, Status.RUN_ON),
        ("", True, Status.EMPTY),
        ("", False, Status.RUN_ON),
        ("I'm sorry, but I can't help with that.", True, Status.REFUSED),
        ("I'm sorry, but I can't help with that.", False, Status.RUN_ON),
    ],
)
def test_verdicts(text: str, finished: bool, status: Status) -> None:
    found, told = judged(Continuation(text, 3, finished))
    assert found is status
    assert told.get("text", "") == ("" if status is Status.OK else text)
    assert ("reason" in told) == (status is not Status.OK)
