"""A text model as the method of planting."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import alignbench
from alignbench.registry import build_text_model
from alignbench.store import Dataset
from alignbench.types import ErrorType, ModelRef, Pair, Situated, TextModel
from generation.injection.again import provenance_of
from generation.injection.answer import METHOD, PLANTED_BY
from generation.injection.asking import TRIES, Asking, Made, Question, question_of
from generation.injection.by_rules import Control
from generation.injection.plant import Caption
from generation.injection.source import captions
from generation.notebook import Notebook
from generation.purse import Purse

_LIBRARIES = ("torch", "transformers", "openai")


@contextmanager
def by_text_model(
    reference: str, options: Mapping[str, Any], out: Path, *, seed: int = 0, max_cost: float | None = None
) -> Iterator[ByTextModel]:
    """The method for the dataset `out`, with the model loaded and its notebook open beside where the dataset will be.

    Raises:
        AlignbenchError: The model cannot be loaded, or another process has the notebook open.
    """
    model = build_text_model(reference, **options)
    with Notebook(notebook_of(out)) as notebook:
        asked_for = {"model": reference, "options": dict(options)}
        yield ByTextModel(model, asked_for, notebook, Purse(max_cost), seed)


def notebook_of(out: Path) -> Path:
    """Where the answers that went into a dataset are kept."""
    return out.with_name(f"{out.name}.answers.jsonl")


class ByTextModel:
    """Asks a text model for each error, and checks that it changed one place of one sentence.

    That the new words are false of the image is the model's word alone.

    Args:
        model: The model.
        asked_for: How it was named, `model` and `options`, for the provenance.
        notebook: Where its answers are kept.
        purse: What may be spent.
        seed: Of the draw of sentences, and of the model's own.
    """

    def __init__(
        self, model: TextModel, asked_for: Mapping[str, Any], notebook: Notebook, purse: Purse, seed: int = 0
    ) -> None:
        ref = model.model
        self.producer = ModelRef(f"{PLANTED_BY}{ref.name}", ref.revision, ref.family or ref.name, ref.provider)
        self._model, self._asked_for, self._seed, self._purse = model, dict(asked_for), seed, purse
        self._notebook = notebook
        self._asking: Asking | None = None
        self._made: dict[tuple[str, ErrorType], Made] = {}

    @property
    def asked(self) -> int:
        """Questions put to the model in this call."""
        return self._asking.asked if self._asking else 0

    @property
    def useless(self) -> Mapping[str, int]:
        """Answers that could not be used, by reason."""
        return self._asking.useless if self._asking else {}

    @property
    def spent_usd(self) -> float | None:
        """What this call spent; null where nothing costs money."""
        return self._purse.spent

    def offers(self, pair_id: str, caption: Caption, types: Sequence[ErrorType]) -> frozenset[ErrorType]:
        """The types of errors that the model could be asked to plant into a caption."""
        return frozenset(t for t in types if question_of(pair_id, caption, t, self._seed) is not None)

    def pool(self, per_type: int, types: int, captions: int) -> int:
        """How many captions are chosen for each type: some more than wanted, as answers may be of no use."""
        return min(per_type * TRIES, max(1, math.ceil(captions / types)))

    def prepare(
        self,
        dataset: Dataset,
        chosen: Mapping[str, Sequence[ErrorType]],
        per_type: int,
        told: Callable[[int, int, int], None],
    ) -> None:
        """Ask for what is chosen, until there are `per_type` errors of each type or no captions left.

        Raises:
            BudgetError: The money is spent; what was answered is kept.
        """
        pool: dict[ErrorType, list[Question]] = {}
        for pair, sentences in captions(dataset):
            for error_type in chosen.get(pair.pair_id, ()):
                question = question_of(pair.pair_id, Caption.of(pair, sentences), error_type, self._seed)
                if question is not None:
                    pool.setdefault(error_type, []).append(question)
        for questions in pool.values():
            questions.sort(key=lambda question: question.seed)
        self._asking = Asking(self._model, self._notebook, self._purse, told)
        for made in self._asking.plant(dict(sorted(pool.items())), per_type):
            self._made[made.question.pair_id, made.question.error_type] = made

    def has(self, pair_id: str, error_type: ErrorType) -> bool:
        """Whether an error was planted into that pair's caption."""
        return (pair_id, error_type) in self._made

    def made(self, pair: Pair, caption: Caption, error_type: ErrorType) -> Control | None:
        """The control pair of a pair; null where the model's answer was of no use, or was not needed."""
        made = self._made.get((pair.pair_id, error_type))
        if made is None:
            return None
        planted = provenance_of(pair, caption, made.planted, method=METHOD, seed=made.question.seed)
        return Control(
            made.planted,
            {
                "model": self._asked_for,
                "prompt": made.question.prompt,
                "seed": made.question.seed,
                "made": dict(made.told),
                "versions": self._versions(),
                "planted": planted,
            },
        )

    def _versions(self) -> dict[str, str]:
        told = self._model.environment if isinstance(self._model, Situated) else {}
        return {"alignbench": alignbench.__version__, **{name: told[name] for name in _LIBRARIES if name in told}}
