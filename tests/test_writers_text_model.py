"""Prompts by a language model: what is asked, what is read from answers, and that no answer is asked for twice."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from alignbench.errors import BudgetError, MissingDependencyError, RunError, UsageError
from alignbench.types import Billed, Status, Stoppable
from generation import parts
from generation.prompts import read_prompt, shipped
from generation.protocols import Prompt, Site, Unusable
from generation.writers.asking import Unread, questions, read_answer
from generation.writers.aspects import ASPECTS
from generation.writers.text_model import TextModelWriter
from generation.writers.words import vocabulary
from tests.api_server import Act, ApiServer, Request, fails, refuses, says
from tests.tiny_language_models import make_llama

INSTRUCTION = "Setting: {theme}. Stress {aspects}. Write {sentences} sentences."
# A distribution of somebody else: its model is found by its entry point alone.
ADAPTER = '''
import json
from pathlib import Path
from alignbench.types import ModelRef, Status, Written

CALLS = Path(__file__).with_name("calls.jsonl")

class Teller:
    """Tells what its name says, a row each by the number; backwards where asked."""
    def __init__(self, name, order):
        self.name, self.order, self.model = name, order, ModelRef(name, "1")
    @classmethod
    def from_reference(cls, model, *, order=1):
        return cls(model, order)
    def write(self, tasks):
        for task in list(tasks)[:: self.order]:
            with CALLS.open("a") as file:
                file.write(json.dumps([task.number, task.seed, task.prompt]) + "\\n")
            yield self.answer(task)
    def answer(self, task):
        if self.name == "odd" and task.number % 2:
            return Written(task.number, status=Status.RUN_ON, provenance={"reason": "no end", "text": "and and"})
        if self.name == "shaky" and task.number % 2 and not CALLS.with_name("steady").exists():
            return Written(task.number, status=Status.FAILED, provenance={"reason": "the line is dead"})
        said = {"dull": "A cat sits.", "listing": "1. A cat.\\n2. A dog."}
        return Written(task.number, said.get(self.name, f"Cat {task.number} sits."), provenance={"tokens": 3})
'''


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")


def site(folder: Path) -> Site:
    return Site(folder, folder / "own")


def writer(folder: Path, **options: Any) -> TextModelWriter:
    return TextModelWriter.from_options(site(folder), **options)


def texts(found: list[Prompt | Unusable]) -> list[str]:
    return [each.text for each in found if isinstance(each, Prompt)]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    (folder / "tellers-1.0.dist-info").mkdir(parents=True)
    (folder / "tellers.py").write_text(ADAPTER)
    (folder / "tellers-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: tellers\nVersion: 1.0\n")
    (folder / "tellers-1.0.dist-info" / "entry_points.txt").write_text(
        "[alignbench.text_models]\nteller = tellers:Teller\n"
    )
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "tellers", raising=False)
    return folder / "calls.jsonl"


def asked(calls: Path) -> list[list[Any]]:
    return [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []


# --- what is asked


def test_questions_differ_and_a_seed_gives_them_again() -> None:
    first = list(islice(questions(INSTRUCTION, None, None, (3, 6), 5), 1007))
    assert first == list(islice(questions(INSTRUCTION, None, None, (3, 6), 5), 1007))
    assert [ask.number for ask in first] == list(range(1007))
    assert len({ask.text for ask in first}) > 1000 and len({ask.seed for ask in first}) == 1007
    assert {ask.domain for ask in first[:24]} == vocabulary().settings.keys()
    assert all(0 <= ask.seed < 2**31 and "{" not in ask.text for ask in first)
    assert {len(ask.aspects) for ask in first} == {2, 3}
    assert first[0].text != next(questions(INSTRUCTION, None, None, (3, 6), 6)).text


def test_themes_take_turns_and_braces_in_them_stay() -> None:
    themes = ["a {aspects} moon", "Mars"]
    first = list(islice(questions(INSTRUCTION, themes, ["text"], (4, 4), 0), 10))
    assert all({first[n].theme, first[n + 1].theme} == set(themes) for n in range(0, 10, 2))
    said = f"text ({ASPECTS['text']})"
    moon = next(ask for ask in first if "moon" in ask.theme)
    assert moon.text == f"Setting: a {{aspects}} moon. Stress {said}. Write 4 sentences."
    assert (moon.domain, moon.aspects) == ("a {aspects} moon", ("text",))


def test_the_shipped_instructions() -> None:
    assert shipped() == ["brief", "detailed", "plain", "scene"]
    for name in shipped():
        text = read_prompt(name, Path("/nowhere"))
        assert text == read_prompt(f"{name}.txt", Path("/nowhere")) and text.isascii() and len(text) > 20
    assert "five to eight sentences" in read_prompt("detailed", Path())
    assert all(part in read_prompt("scene", Path()) for part in ("{theme}", "{aspects}", "{sentences}"))


def test_an_instruction_beside_the_recipe_wins(tmp_path: Path) -> None:
    (tmp_path / "scene").write_text("\ufeff Mine: {theme} \n")
    assert read_prompt("scene", tmp_path) == "Mine: {theme}"
    assert read_prompt("scene.txt", tmp_path) != "Mine: {theme}"


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b" \n", "is empty"), (b"caf\xe9", "cannot be read as UTF-8"), (b"x" * 100_001, "larger than 100,000 bytes")],
    ids=["blank", "latin", "large"],
)
def test_an_instruction_that_is_none(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "mine.txt").write_bytes(content)
    with pytest.raises(UsageError, match=problem):
        read_prompt("mine.txt", tmp_path)


@pytest.mark.parametrize("name", ["nope", "../prompts/scene", "/scene", ""])
def test_no_such_instruction(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"there is no instruction .*shipped one \(brief, detailed, plain, scene\)"):
        read_prompt(name, tmp_path)


# --- what is read from an answer

PLAIN = 'A red cat sits on the left side. It looks at a sign that reads "OPEN".'


@pytest.mark.parametrize(
    "answer",
    [
        PLAIN,
        f"  {PLAIN}\n",
        PLAIN.replace(". ", ".\n"),
        f"\u201c{PLAIN}\u201d",
        f"Prompt: {PLAIN}",
        f"**Prompt:** {PLAIN}",
        f"Image prompt 1: {PLAIN}",
        f"1. {PLAIN}",
        f"- {PLAIN}",
        f"Here is a prompt for you:\n\n{PLAIN}",
        f"```text\n{PLAIN}\n```",
        f"<think>\nOK, a cat.\n\nAnd a sign.\n</think>\n\n{PLAIN}",
        f"**{PLAIN}**",
    ],
)
def test_what_models_put_around_a_prompt_is_taken_off(answer: str) -> None:
    assert read_answer(answer) == PLAIN


@pytest.mark.parametrize(
    "text", ['"OPEN" stands on a red sign. Beside it is one that reads "SHUT"', "2 cats sit. A dog: it lies."]
)
def test_what_belongs_to_a_prompt_stays(text: str) -> None:
    assert read_answer(text) == text


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("", Status.EMPTY),
        ("<think>Hm.</think>", Status.EMPTY),
        ('"..."', Status.EMPTY),
        ("<think>A cat, or", Status.RUN_ON),
        ("One cat.\n\nTwo cats.", Status.UNPARSABLE),
        ("1. A cat.\n2. A dog.", Status.UNPARSABLE),
        ("- A cat.\n- A dog.", Status.UNPARSABLE),
        ("I'm sorry, but I can't help with that.", Status.REFUSED),
    ],
)
def test_an_answer_without_a_prompt_has_a_status(answer: str, status: Status) -> None:
    found = read_answer(answer)
    assert isinstance(found, Unread) and found.status is status


# --- the writer


def test_prompts_tell_how_they_came_about(tmp_path: Path, calls: Path) -> None:
    found = list(writer(tmp_path, model="teller:plain", stress=["text"], themes=["Mars"]).prompts(2, 9))
    assert texts(found) == ["Cat 0 sits.", "Cat 1 sits."]
    assert isinstance(found[0], Prompt)
    told = dict(found[0].provenance)
    (_, seed, request), _ = asked(calls)
    assert told.pop("request") == request and "Setting: Mars." in request
    assert told == {
        "domain": "Mars",
        "theme": "Mars",
        "stressed": ["text"],
        "seed": seed,
        "model": {"name": "plain", "revision": "1", "family": None, "provider": None},
        "made": {"tokens": 3},
    }
    json.dumps(told)


def test_the_order_of_the_answers_does_not_matter(tmp_path: Path, calls: Path) -> None:
    forwards = list(writer(tmp_path / "a", model="teller:plain").prompts(50, 0))
    backwards = list(writer(tmp_path / "b", model="teller:plain", options={"order": -1}).prompts(50, 0))
    assert forwards == backwards and len(texts(forwards)) == 50


def test_what_was_answered_is_never_asked_again(tmp_path: Path, calls: Path) -> None:
    first = list(writer(tmp_path, model="teller:odd").prompts(40, 0))
    assert len(texts(first)) == 40
    assert {each.status for each in first if isinstance(each, Unusable)} == {Status.RUN_ON}
    before = asked(calls)
    assert len({number for number, _, _ in before}) == len(before) == len(first)
    calls.with_name("tellers.py").unlink()
    assert list(writer(tmp_path, model="teller:odd").prompts(40, 0)) == first
    assert list(islice(writer(tmp_path, model="teller:odd").prompts(10_000, 0), 60)) == first[:60]
    assert asked(calls) == before


def test_another_model_option_instruction_or_seed_is_asked_anew(tmp_path: Path, calls: Path) -> None:
    (tmp_path / "mine.txt").write_text(INSTRUCTION)
    list(writer(tmp_path, model="teller:plain").prompts(3, 0))
    changes: list[tuple[dict[str, Any], int]] = [
        ({"model": "teller:other"}, 0),
        ({"model": "teller:plain", "options": {"order": -1}}, 0),
        ({"model": "teller:plain", "instruction": "mine.txt"}, 0),
        ({"model": "teller:plain"}, 1),
    ]
    for count, (options, seed) in enumerate(changes, 2):
        list(writer(tmp_path, **options).prompts(3, seed))
        assert len(asked(calls)) == 3 * count


def test_an_answer_that_did_not_come_is_asked_for_again(tmp_path: Path, calls: Path) -> None:
    first = list(writer(tmp_path, model="teller:shaky").prompts(4, 0))
    lost = [each for each in first if isinstance(each, Unusable)]
    assert {(each.status, each.reason) for each in lost} == {(Status.FAILED, "the line is dead")}
    before = len(asked(calls))
    calls.with_name("steady").touch()
    again = list(writer(tmp_path, model="teller:shaky").prompts(4, 0))
    assert texts(again) == [f"Cat {number} sits." for number in range(4)]
    assert [number for number, _, _ in asked(calls)[before:]] == [1, 3]


@pytest.mark.parametrize(("name", "status"), [("dull", Status.FILTERED), ("listing", Status.UNPARSABLE)])
def test_a_model_that_has_no_more_to_say_ends(tmp_path: Path, calls: Path, name: str, status: Status) -> None:
    found = list(writer(tmp_path, model=f"teller:{name}").prompts(5, 0))
    assert len(texts(found)) == (name == "dull")
    assert len(found) - len(texts(found)) >= 1000
    assert {each.status for each in found if isinstance(each, Unusable)} == {status}


def test_no_more_is_asked_than_is_taken(tmp_path: Path, calls: Path) -> None:
    found = writer(tmp_path, model="teller:plain").prompts(10_000, 0)
    list(islice(found, 5))
    found.close()  # type: ignore[attr-defined]
    assert len(asked(calls)) <= 32
    list(writer(tmp_path, model="teller:plain").prompts(5, 0))
    assert len(asked(calls)) <= 32


def test_a_second_process_is_refused(tmp_path: Path, calls: Path) -> None:
    first = writer(tmp_path, model="teller:plain").prompts(100, 0)
    next(first)
    with pytest.raises(RunError, match="another process"):
        next(writer(tmp_path, model="teller:plain").prompts(100, 0))


def test_stopping(tmp_path: Path, calls: Path) -> None:
    stopped = writer(tmp_path, model="teller:plain")
    assert isinstance(stopped, Stoppable) and isinstance(stopped, Billed)
    found = stopped.prompts(100, 0)
    next(found)
    stopped.stop()
    with pytest.raises(KeyboardInterrupt):
        list(found)
    assert len(asked(calls)) == 32
    assert len(texts(list(writer(tmp_path, model="teller:plain").prompts(100, 0)))) == 100
    assert len(asked(calls)) == 100


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"instruction": "detailed"}, "has no {theme} in it"),
        ({"instruction": "none.txt"}, "there is no instruction 'none.txt'"),
        ({"themes": []}, r"themes is \[\]; it is a list of texts"),
        ({"themes": ["a", " "]}, "none of them blank"),
        ({"stress": ["mood"]}, "there is no aspect 'mood'"),
        ({"sentences": 0}, "sentences is 0"),
        ({"model": 7}, "the option 'model' is a text"),
        ({"options": ["x"]}, "the option 'options' holds"),
    ],
    ids=str,
)
def test_options_that_make_no_sense(tmp_path: Path, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        writer(tmp_path, **{"model": "api:m", **options})


def test_without_a_count_or_a_model(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="say how many under `count`"):
        next(writer(tmp_path, model="api:m").prompts(None, 0))
    with pytest.raises((UsageError, MissingDependencyError), match="nothing"):
        next(writer(tmp_path, model="nothing:m").prompts(1, 0))
    assert set(parts.options_of(parts.PROMPT_WRITERS["text_model"])) == {
        *("model", "options", "instruction", "themes", "stress", "sentences")
    }


def test_no_writer_loads_a_model_library_when_a_recipe_is_checked() -> None:
    names = ["template", "file", "text_model"]
    code = (
        f"from generation import parts; [parts.options_of(parts.PROMPT_WRITERS[name]) for name in {names}]\n"
        "import sys; print([name for name in ('torch', 'transformers', 'pandas', 'openai') if name in sys.modules])"
    )
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


# --- real models


def test_a_local_model(tmp_path: Path) -> None:
    folder = make_llama(tmp_path / "tiny-lm", seed=1)
    options = {"model": f"local_llm:{folder}", "options": {"temperature": 1.0, "max_new_tokens": 40}}
    first = list(writer(tmp_path / "a", **options).prompts(6, 0))
    assert list(writer(tmp_path / "b", **options).prompts(6, 0)) == first
    assert len(set(texts(first))) == 6
    assert {each.status for each in first if isinstance(each, Unusable)} <= {
        Status.RUN_ON,
        Status.EMPTY,
        Status.FILTERED,
    }
    prompt = next(each for each in first if isinstance(each, Prompt))
    assert prompt.provenance["made"]["decoding"] == {"temperature": 1.0, "max_new_tokens": 40, "top_p": 1.0}
    assert prompt.provenance["model"]["name"] == "tiny-lm"
    shutil.rmtree(folder)
    assert list(writer(tmp_path / "a", **options).prompts(6, 0)) == first


def telling(request: Request) -> Act:
    """A cat a question, a refusal to every seventh."""
    if request.number % 7 == 6:
        return refuses()
    return says(f"Cat {abs(hash(request.text)) % 10**9} sits on the left.")


def chat_options(server: ApiServer, tmp_path: Path) -> dict[str, Any]:
    prices = tmp_path / "prices.yaml"
    prices.write_text("dated: 2026-01-01\nprices: {127.0.0.1: {m: {input: 10.0, output: 10.0}}}\n")
    options = {"base_url": server.base_url, "prices": str(prices), "max_tokens": 50, "retries": 1}
    return {"model": "api:m", "options": options}


def test_a_limit_on_money_loses_no_answer(tmp_path: Path) -> None:
    with ApiServer(telling) as server:
        options = chat_options(server, tmp_path)
        poor = writer(tmp_path, **options)
        poor.limit_cost(0.03)
        with pytest.raises(BudgetError):
            list(poor.prompts(60, 0))
        assert 0.01 < poor.spent_usd <= 0.03
        rich = writer(tmp_path, **options)
        found = list(rich.prompts(60, 0))
        assert len(texts(found)) == 60
        assert Status.REFUSED in {each.status for each in found if isinstance(each, Unusable)}
        questions_billed = {body: n for body, n in server.answered.items() if "Setting:" in body}
        assert set(questions_billed.values()) == {1}
        assert rich.spent_usd > 0.03
        assert list(writer(tmp_path, **options).prompts(60, 0)) == found


PROMPTING = """
import json, sys
from pathlib import Path
from generation.protocols import Site
from generation.writers.text_model import TextModelWriter
folder, options = Path(sys.argv[1]), json.loads(sys.argv[2])
for prompt in TextModelWriter.from_options(Site(folder, folder / "own"), **options).prompts(80, 0):
    print(prompt, flush=True)
"""


def test_killed_while_it_asks(tmp_path: Path) -> None:
    root = Path(__file__).parent.parent
    with ApiServer(lambda request: telling(request).after(0.05)) as server:
        options = chat_options(server, tmp_path)
        options["options"]["in_flight"] = 4
        notes = tmp_path / "own" / "answers.jsonl"
        for least in (5, 45):
            command = [sys.executable, "-c", PROMPTING, str(tmp_path), json.dumps(options)]
            child = subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL)
            while child.poll() is None and (not notes.exists() or notes.read_bytes().count(b"\n") < least):
                threading.Event().wait(0.01)
            child.send_signal(signal.SIGKILL)
            child.wait()
            kept = notes.read_bytes().count(b"\n")
            assert least <= kept < 80
        found = list(writer(tmp_path, **options).prompts(80, 0))
        assert len(texts(found)) == 80
        billed = {body: n for body, n in server.answered.items() if "Setting:" in body}
        # What was on its way at a kill is the only thing that anybody can be asked twice.
        assert sum(billed.values()) - len(billed) <= 2 * (4 + 1)


def test_a_dead_endpoint_is_told(tmp_path: Path) -> None:
    with ApiServer(fails(500)) as server:
        options = chat_options(server, tmp_path)
        with pytest.raises((UsageError, RunError)) as told:
            list(writer(tmp_path, **options).prompts(3, 0))
        assert "500" in str(told.value) or "broken" in str(told.value)
