"""Prompts by a language model, of which every answer is kept before it is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, Self

from pydantic import JsonValue

from alignbench import registry
from alignbench.errors import UsageError
from alignbench.types import Billed, Status, Stoppable, TextModel, TextTask, Written
from generation.notebook import Notebook
from generation.prompts import read_prompt
from generation.protocols import Prompt, Site, Unusable
from generation.sources.options import text
from generation.writers.asking import Ask, Unread, check_instruction, questions, read_answer
from generation.writers.aspects import check_names, check_sentences, check_stress

_ROUND = 32
_PATIENCE = 1000


class TextModelWriter:
    """Asks a model for one prompt at a time, each with its own seed, setting and aspects to stress.

    The model is loaded when the first answer is lacking. An answer goes to `answers.jsonl` in the writer's own folder
    before it is used and is never asked for again; one that did not come is. A prompt's provenance has its `domain`,
    `theme`, the aspects `stressed`, the `request`, the `seed`, the `model` with what it said of its answer (`made`).

    Args:
        model: The model, as `registry.build_text_model` takes it.
        options: Options of its adapter.
        instruction: What it is asked, with `{theme}` in it, and `{aspects}` and `{sentences}` where they belong.
        themes: The settings, which take turns; null for those of the template writer.
        stress: The aspects that each prompt is to stress; null for a few, drawn for each.
        sentences: The fewest and the most sentences that are asked for.
        folder: Where the answers are kept.
    """

    def __init__(
        self,
        model: str,
        options: Mapping[str, Any],
        instruction: str,
        themes: tuple[str, ...] | None,
        stress: tuple[str, ...] | None,
        sentences: tuple[int, int],
        *,
        folder: Path,
    ) -> None:
        self._asked_of, self._folder = (model, dict(options)), folder
        self._asking = (instruction, themes, stress, sentences)
        self._model: TextModel | None = None
        self._limit: float | None = None
        self._stopped = False

    @classmethod
    def from_options(
        cls,
        site: Site,
        *,
        model: str,
        options: Mapping[str, Any] | None = None,
        instruction: str = "scene",
        themes: Sequence[str] | None = None,
        stress: Sequence[str] | None = None,
        sentences: int | Sequence[int] = (3, 6),
    ) -> Self:
        """The writer; `instruction` is a file beside the recipe, or the name of a shipped one.

        Raises:
            UsageError: There is no such file, aspect or length, or the instruction has no place for the theme.
        """
        told = check_instruction(read_prompt(text("instruction", instruction), site.recipe_folder))
        if not isinstance(options, Mapping | None):
            raise UsageError(f"the option 'options' holds those of the model by their names, not {options!r}")
        chosen = check_names("themes", themes)
        stressed, length = check_stress(stress), check_sentences(sentences)
        return cls(text("model", model), options or {}, told, chosen, stressed, length, folder=site.folder)

    @property
    def spent_usd(self) -> float:
        """What the model spent; 0 for one that costs nothing."""
        worker = self._worker
        return worker.spent_usd if isinstance(worker, Billed) else 0.0

    def limit_cost(self, usd: float) -> None:
        """Let the model spend no more, where it costs money; see `Billed`.

        Raises:
            UsageError: The model is loaded and does not know what an answer costs; else `prompts` raises it.
        """
        self._limit = usd
        worker = self._worker
        if isinstance(worker, Billed):
            worker.limit_cost(usd)

    def stop(self) -> None:
        """Ask no more; see `Stoppable`."""
        self._stopped = True
        worker = self._worker
        if isinstance(worker, Stoppable):
            worker.stop()

    def prompts(self, count: int | None, seed: int) -> Iterator[Prompt | Unusable]:
        """Yield `count` prompts of the seed, in the order of the questions, and what cannot be used between them.

        After a thousand answers in a row without a new prompt it ends with fewer.

        Raises:
            UsageError: There is no count, or the model cannot be built.
            BudgetError: The model may spend no more; its answers are kept.
            KeyboardInterrupt: It was stopped; its answers are kept.
            RunError: Another process asks into the same folder.
        """
        if count is None:
            raise UsageError("there is no end to prompts by a model; say how many under `count`")
        asks, made, in_vain = questions(*self._asking, seed), set[str](), 0
        with Notebook(self._folder / "answers.jsonl") as notebook:
            while len(made) < count and in_vain < _PATIENCE:
                self._go_on()
                together = list(islice(asks, min(_ROUND, count - len(made))))
                for ask, answer in self._answers(notebook, together):
                    prompt = self._read(ask, answer, made)
                    in_vain = in_vain + 1 if isinstance(prompt, Unusable) else 0
                    if isinstance(prompt, Prompt):
                        made.add(prompt.text)
                    yield prompt

    def _answers(self, notebook: Notebook, asks: Sequence[Ask]) -> Iterator[tuple[Ask, Mapping[str, Any]]]:
        """The answers in the order of the questions; those that the notebook lacks are asked for together."""
        keys = {ask.number: ask.key(self._asked_of) for ask in asks}
        lost: dict[int, dict[str, Any]] = {}
        lacking = [ask for ask in asks if keys[ask.number] not in notebook]
        if lacking:
            for written in self._ask(lacking):
                answer = self._kept(written)
                if written.status is Status.FAILED:
                    lost[written.number] = answer
                else:
                    notebook.put(keys[written.number], answer)
        unanswered = {"status": Status.FAILED, "made": {"reason": "the model gave no answer"}}
        for ask in asks:
            found = notebook.get(keys[ask.number]) or lost.get(ask.number, unanswered)
            yield ask, found if isinstance(found, dict) else unanswered

    def _ask(self, asks: Sequence[Ask]) -> Iterator[Written]:
        tasks = (TextTask(ask.number, ask.text, ask.seed) for ask in asks if not self._stopped)
        yield from self._loaded().write(tasks)
        self._go_on()

    def _go_on(self) -> None:
        if self._stopped:
            raise KeyboardInterrupt

    @property
    def _worker(self) -> object:
        """The model, as what may be `Billed` and `Stoppable`; null before it is loaded."""
        return self._model

    def _loaded(self) -> TextModel:
        if self._model is None:
            reference, options = self._asked_of
            self._model = registry.build_text_model(reference, **options)
            if self._limit is not None:
                self.limit_cost(self._limit)
            if self._stopped:
                self.stop()
        return self._model

    def _kept(self, written: Written) -> dict[str, JsonValue]:
        made, model = dict(written.provenance), asdict(self._loaded().model)
        return {"status": str(written.status), "text": written.text, "made": made, "model": model}

    def _read(self, ask: Ask, answer: Mapping[str, Any], made: set[str]) -> Prompt | Unusable:
        name = f"answer {ask.number + 1}, {ask.domain}"
        if answer["status"] != Status.OK:
            return Unusable(name, Status(answer["status"]), str(answer["made"].get("reason", "no reason given")))
        found = read_answer(answer["text"] or "")
        if isinstance(found, Unread):
            return Unusable(name, found.status, found.reason)
        if found in made:
            return Unusable(found, Status.FILTERED, "the model wrote it before")
        told = {"domain": ask.domain, "theme": ask.theme, "stressed": list(ask.aspects), "request": ask.text}
        return Prompt(found, {**told, "seed": ask.seed, "model": answer["model"], "made": answer["made"]})
