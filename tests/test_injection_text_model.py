"""Planting by a text model: what is asked, what of an answer is used, and that no answer is asked for twice."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from alignbench.cli import run
from alignbench.store import Dataset
from alignbench.text import split_sentences
from alignbench.types import Direction, ErrorType, Label, ModelRef, Pair
from alignbench.validate import validate
from generation.assemble import sentences_of
from generation.injection.answer import Useless, UselessError, planted_by, prompt_for
from generation.injection.plant import Caption
from generation.injection.source import captions
from generation.notebook import Notebook
from generation.regenerate import regenerate
from generation.regeneration.models import Permitted
from generation.regeneration.outcome import Again
from tests.api_server import Act, ApiServer, Request, fails, refuses, says
from tests.datasets import make_image, tree, write
from tests.tiny_language_models import make_llama

CAPTIONS = 24
ASKED = "Here is a true caption"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Captions that are correct, one an image."""
    rows = []
    for number in range(CAPTIONS):
        image = make_image(number)
        text = f"Door {number} is red and shut. Two cats sleep there."
        pair = Pair(f"p{number}", image.image_key, text, ModelRef("m"), Direction.IMAGE_TO_TEXT, None, image.image_key)
        sentences = [s.__class__(**_fields(s), label=Label.CORRECT) for s in sentences_of(pair)]
        rows += [image, (pair, sentences)]
    write(tmp_path / "source", *rows)
    return tmp_path / "source"


def _fields(sentence: Any) -> dict[str, Any]:
    return {name: getattr(sentence, name) for name in ("sentence_id", "pair_id", "index", "start", "end", "text")}


def answer_to(prompt: str) -> str:
    """What a good model answers: the first word that it knows, changed."""
    sentence = prompt.partition("Change its sentence\n")[2].partition("\n")[0]
    error_type = prompt.partition('of the type "')[2].partition('"')[0]
    before, after = ("red", "green") if " red " in sentence else ("Two cats", "Three cats")
    return json.dumps({"error_type": error_type, "before": before, "after": after})


def good(request: Request) -> Act:
    return says(answer_to(request.text) if ASKED in request.text else "Hello there.")


def questions(server: ApiServer) -> Counter[str]:
    return Counter(request.text for request in list(server.requests) if ASKED in request.text)


def command(source: Path, out: Path, server: ApiServer, *more: str) -> list[str]:
    named = ["--method", "text-model", "--text-model", "api:writer", "--option", f"base_url={server.base_url}"]
    return ["inject", str(source), "--out", str(out), "--types", "attribute,number", *named, *more]


# --- what of an answer is used

SENTENCE = 'The red door, left of the "red" sign, is shut.'


def say(before: str, after: str, error_type: str = "attribute", **more: str) -> str:
    return json.dumps({"error_type": error_type, "before": before, "after": after, **more})


def planted(answer: str, error_type: ErrorType = ErrorType.ATTRIBUTE) -> tuple[str, str]:
    caption = Caption(f"It is late. {SENTENCE}", tuple(split_sentences(f"It is late. {SENTENCE}")), (True, True))
    made = planted_by(answer, caption, 1, error_type)
    start, end = made.ranges[made.index]
    sentence = made.text[start:end]
    assert made.text.startswith("It is late. ")
    return sentence, sentence[made.span.start : made.span.end]


@pytest.mark.parametrize(
    ("before", "after", "sentence", "wrong"),
    [
        ("shut", "open", 'The red door, left of the "red" sign, is open.', "open"),
        ("red door", "green door", 'The green door, left of the "red" sign, is shut.', "green"),
        ("The red door", "The two green doors", 'The two green doors, left of the "red" sign, is shut.',
         "two green doors"),
        ("is shut", "is shut by a nun", 'The red door, left of the "red" sign, is shut by a nun.', "by a nun"),
        ("red door", "door", 'The door, left of the "red" sign, is shut.', "door"),
        ("door, left", "window, left", 'The red window, left of the "red" sign, is shut.', "window"),
    ],
)  # fmt: skip
def test_the_span_is_what_is_new(before: str, after: str, sentence: str, wrong: str) -> None:
    assert planted(say(before, after)) == (sentence, wrong)
    assert planted(f"```json\n{say(before, after)}\n```") == (sentence, wrong)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("I would rather not.", Useless.NO_JSON),
        ("[" * 100_000, Useless.NO_JSON),
        ("[]", Useless.OTHER_KEYS),
        (say("shut", "open", why="I may"), Useless.OTHER_KEYS),
        ('{"error_type": "attribute", "before": "shut", "after": null}', Useless.OTHER_KEYS),
        (say("shut", "open", "number"), Useless.OTHER_TYPE),
        (say("red", "green"), Useless.BEFORE_NOT_ONCE),
        (say("re", "gree"), Useless.BEFORE_NOT_ONCE),
        (say("blue", "green"), Useless.BEFORE_NOT_ONCE),
        (say("  ", "green"), Useless.BEFORE_NOT_ONCE),
        (say("shut", "Shut!"), Useless.UNCHANGED),
        (say("shut", " "), Useless.UNCHANGED),
        (say("shut", "open " * 30), Useless.TOO_LONG),
        (say("shut", "open\nand shut"), Useless.TOO_LONG),
        (say("shut", "open. It is old. All is well"), Useless.SPLITS_OTHERWISE),
    ],
)
def test_an_answer_of_no_use_says_why(answer: str, why: Useless) -> None:
    with pytest.raises(UselessError) as told:
        planted(answer)
    assert told.value.why is why


def test_the_question_names_caption_sentence_and_type() -> None:
    caption = Caption("It is {late}. A cat sleeps.", ((0, 13), (14, 27)), (True, True))
    asked = prompt_for(caption, 1, ErrorType.OBJECT)
    assert "\nIt is {late}. A cat sleeps.\n" in asked and "\nA cat sleeps.\n" in asked
    assert asked.count('"object"') == 2 and "what a thing is" in asked


# --- a dataset


def test_a_model_plants_and_its_rows_are_made_again(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ApiServer(good) as server:
        assert run([*command(source, tmp_path / "out", server), "--per-type", "5", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["planted"], told["asked"], told["useless"]) == ({"attribute": 5, "number": 5}, 10, {})
        assert set(questions(server).values()) == {1}
        assert list(validate(tmp_path / "out")) == []
        for pair, sentences in captions(Dataset.open(tmp_path / "out")):
            assert pair.producer.name == "planted-writer" and pair.producer.family == "writer"
            (wrong,) = [each for each in sentences if each.label is Label.INCORRECT]
            assert wrong.text[wrong.spans[0].start : wrong.spans[0].end] in ("green", "Three")
            assert pair.provenance["model"]["model"] == "api:writer"
            assert pair.provenance["planted"]["method"] == "text-model" and "alignbench" in pair.provenance["versions"]
        asked = questions(server)
        refused = regenerate(tmp_path / "out", each=9)
        assert {outcome.again for outcome in refused.outcomes} == {Again.API_NOT_ASKED} and questions(server) == asked
        untrusted = regenerate(tmp_path / "out", each=1, permitted=Permitted(ask_apis=True))
        assert untrusted.outcomes[0].again is Again.API_NOT_ASKED and questions(server) == asked
        assert server.base_url in str(untrusted.outcomes[0].reason)
        again = regenerate(
            tmp_path / "out", each=10, permitted=Permitted(ask_apis=True, base_url=server.base_url, max_cost=None)
        )
        assert again.by_producer == {"planted-writer": {"same": 10}}
        assert questions(server) == asked + asked


def test_useless_answers_are_counted_and_other_captions_tried(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def script(request: Request) -> Act:
        if ASKED not in request.text:
            return says("Hello there.")
        number = int(request.text.split("Door ")[1].split(" ")[0])
        acts = {0: says("No."), 1: refuses("I cannot."), 2: fails(400, "no")}
        return acts.get(number % 8, good(request))

    with ApiServer(script) as server:
        assert run([*command(source, tmp_path / "out", server), "--per-type", "6", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["planted"] == {"attribute": 6, "number": 6} and told["short"] == {}
        assert set(told["useless"]) >= {"no_json", "refused"}
        assert told["asked"] == 12 + sum(told["useless"].values())
        asked = questions(server)
        first = tree(tmp_path / "out")
        (tmp_path / "out").rename(tmp_path / "before")
        assert run([*command(source, tmp_path / "out", server), "--per-type", "6"]) == 0
        assert "of no use: " in capsys.readouterr().out
        # What failed is no answer, and is asked again; nothing else is.
        asked_again = questions(server) - asked
        assert all(int(text.split("Door ")[1].split(" ")[0]) % 8 == 2 for text in asked_again)
        assert tree(tmp_path / "out") == first


def test_killed_it_goes_on_where_it_stopped(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def slow(request: Request) -> Act:
        return good(request).after(0.15 if ASKED in request.text else 0.0)

    with ApiServer(slow) as server:
        words = [*command(source, out, server), "--per-type", "10", "--option", "in_flight=2"]
        killed = subprocess.Popen(
            [Path(sys.executable).parent / "alignbench", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        deadline = time.monotonic() + 60
        while questions(server).total() < 8 and time.monotonic() < deadline:
            time.sleep(0.005)
        killed.kill()
        said, _ = killed.communicate()
        assert questions(server).total() >= 8, said
        assert not out.exists()
        with Notebook(tmp_path / "out.answers.jsonl") as notebook:
            kept = len(notebook)
        assert kept > 0
        assert run(words) == 0
        assert len(questions(server)) == 20
        assert questions(server).total() - 20 <= 2, "what was in flight at the kill may be asked again, no more"
    assert Dataset.open(out).counts["pairs"] == 20


def test_the_money_ends_it_and_more_goes_on(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text("dated: 2026-01-01\nprices: {127.0.0.1: {writer: {input: 100.0, output: 100.0}}}\n")
    with ApiServer(good) as server:
        words = [*command(source, tmp_path / "out", server), "--per-type", "6", "--option", f"prices={prices}"]
        words += ["--option", "max_tokens=20", "--option", "in_flight=1"]
        assert run([*words, "--max-cost", "0.1", "--json"]) == 1
        told = json.loads(capsys.readouterr().out)
        assert told["stopped"] and told["digest"] is None and not (tmp_path / "out").exists()
        assert 0 < told["asked"] < 12 and 0 < told["spent_usd"] <= 0.1
        assert run([*words, "--max-cost", "0.1"]) in {0, 1}
        assert "stopped" in capsys.readouterr().out
        assert run([*words, "--max-cost", "100"]) == 0
        assert set(questions(server).values()) == {1} and len(questions(server)) == 12


def test_a_local_model_that_writes_nonsense_is_told(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_llama(tmp_path / "llama")
    words = ["inject", str(source), "--out", str(tmp_path / "out"), "--types", "attribute", "--per-type", "1"]
    words += ["--method", "text-model", "--text-model", f"local_llm:{folder}", "--option", "max_new_tokens=4"]
    assert run(words) == 2
    assert "none of the text model's answers can be used" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
