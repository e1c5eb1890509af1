"""Finds pictures that an image classifier holds to be unsafe."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from PIL import Image as Pillow

from alignbench.errors import MissingDependencyError, UnknownNameError, UsageError
from alignbench.types import Status
from generation.filters.options import number
from generation.filters.seeing import seen
from generation.protocols import Candidate, Finding, Site

if TYPE_CHECKING:
    import torch


class UnsafeFilter:
    """Finds pictures whose probability of the labels that count as unsafe is above a bound; their status is `unsafe`.

    What is measured is that probability: the sum over the labels, or for a classifier of several labels at once the
    highest. One picture goes through the model at a time. The weights, safetensors only, are loaded when the first
    picture comes; the labels are looked up before.

    Args:
        source: A folder that `save_pretrained` wrote, or `ORG/NAME` on the hub.
        revision: Of a hub model: a branch, tag or commit.
        labels: Which of the classifier's labels count as unsafe.
        above: The bound, 0 to 1.

    Raises:
        UsageError: No such classifier, no such label, or a bound out of its range.
        MissingDependencyError: transformers is not installed.
    """

    def __init__(self, source: str, revision: str | None, labels: Sequence[str], above: float) -> None:
        self._above = number("unsafe", "above", above, 0, 1)
        self._source, self._revision = source, revision
        self._labels = tuple(dict.fromkeys(labels))
        config = _configuration(source, revision)
        self._places = _places(source, config.label2id, self._labels)
        self._several = config.problem_type == "multi_label_classification"
        self._classifier: _Classifier | None = None

    @classmethod
    def from_options(
        cls,
        site: Site,
        *,
        model: str,
        labels: str | list[str] = "nsfw",
        above: float = 0.5,
        revision: str | None = None,
    ) -> Self:
        """The filter; `model` may be a path that begins at the recipe's folder, `labels` one label or several."""
        (source,) = _texts("model", [model])
        beside = site.recipe_folder / source
        wanted = _texts("labels", labels if isinstance(labels, list) else [labels])
        return cls(str(beside) if beside.is_dir() else source, revision, wanted, above)

    def look(self, candidate: Candidate) -> Finding | None:
        """How likely the picture is to be unsafe; null for a caption."""
        picture = seen(candidate)
        if not isinstance(picture, Pillow.Image):
            return picture
        self._classifier = self._classifier or _load(self._source, self._revision)
        shares = self._classifier.shares(picture, several=self._several)
        likely = [shares[place] for place in self._places]
        if not all(map(math.isfinite, shares)):
            return Finding(passed=False, reason="the classifier makes no numbers of it", status=Status.NOT_FINITE)
        value = max(likely) if self._several else min(1.0, math.fsum(likely))
        if value <= self._above:
            return Finding(passed=True, value=value)
        reason = f"{self._source} holds it to be {' or '.join(self._labels)} with a probability of {value:.2f}"
        return Finding(passed=False, value=value, reason=reason, status=Status.UNSAFE)


def _texts(option: str, given: Sequence[object]) -> list[str]:
    texts = [each for each in given if isinstance(each, str) and each]
    if not texts or len(texts) < len(given):
        raise UsageError(f"the option {option} of the filter unsafe has no text in {list(given)!r}; mend the recipe")
    return texts


class _Classifier(NamedTuple):
    model: Any
    front: Any
    device: str

    def shares(self, picture: Pillow.Image, *, several: bool) -> list[float]:
        """The probability of each label."""
        import torch

        pixels = self.front(images=picture, return_tensors="pt").to(self.device)
        with torch.inference_mode():
            logits: torch.Tensor = self.model(**pixels).logits[0].float()
        shares: list[float] = (logits.sigmoid() if several else logits.softmax(0)).tolist()
        return shares


def _configuration(source: str, revision: str | None) -> Any:
    transformers, loading = _libraries()
    loading.check_source(source, revision)
    with loading.loading(source, "classifier of images"):
        return transformers.AutoConfig.from_pretrained(source, revision=revision, trust_remote_code=False)


def _load(source: str, revision: str | None) -> _Classifier:
    transformers, loading = _libraries()
    device = loading.device_of(None)
    with loading.loading(source, "classifier of images"):
        front = transformers.AutoImageProcessor.from_pretrained(source, revision=revision, trust_remote_code=False)
        model = transformers.AutoModelForImageClassification.from_pretrained(
            source, revision=revision, trust_remote_code=False, use_safetensors=True
        )
    return _Classifier(model.eval().to(device), front, device)


def _libraries() -> tuple[Any, Any]:
    try:
        import transformers

        from alignbench.backends import loading
    except ModuleNotFoundError as error:
        raise MissingDependencyError.of(error.name or "transformers", "vlm") from error
    return transformers, loading


def _places(source: str, known: Mapping[str, int], labels: Sequence[str]) -> list[int]:
    """Where the labels stand among the classifier's, whatever their case."""
    places = {str(label).casefold(): place for label, place in known.items()}
    for label in labels:
        if label.casefold() not in places:
            raise UnknownNameError.of(f"label of {source}", label, known, "mend the option labels of the filter unsafe")
    return [places[label.casefold()] for label in labels]
