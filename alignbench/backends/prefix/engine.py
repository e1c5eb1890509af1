"""Asks a vision-language model many things about one image at the cost of one image."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from PIL import Image as Pillow

from alignbench.backends.prefix.cache import Batch, Packed, Prefilled
from alignbench.backends.prefix.chunks import Chunks, fits_batch, fits_packed
from alignbench.backends.prefix.decoding import (
    Generated,
    Said,
    Token,
    as_generated,
    greedy,
    greedy_plain,
    of_one_length,
)
from alignbench.backends.prefix.tokens import (
    Path,
    Row,
    Tree,
    branches,
    per_token,
    rows_before_branches,
    rows_of_branches,
    rows_with_branches,
    rows_with_trees,
    split,
)
from alignbench.backends.vlm import Vlm
from alignbench.errors import UsageError

_TOLERANCE = {"float32": 1e-4, "bfloat16": 0.05, "float16": 0.02}
_PROBES = ("Is it day? Answer Yes or No.", "Is a dog to be seen in the image, on the left? Answer Yes or No.")
_SIZES = ((96, 64), (64, 112))
_UNSUITED = (AttributeError, IndexError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError)


class Distributions(NamedTuple):
    """Natural logs of next-token probabilities, and how many tokens each prompt has, the image's included.

    The logs are of shares of the whole vocabulary: (prompts, paths, wanted), float64, on the CPU.
    """

    log_probabilities: torch.Tensor
    lengths: list[int]


class SharedPrefix:
    """Asks a model about one image with several prompts, of which it sees the image and all they share only once.

    `way` says how. The first that agrees with the plain way on this model is taken, which is found out at the start:

    - packed: all prompts stand in one sequence behind the prefix, apart by a mask; for attention to all keys.
    - expanded: the prefix's cache is copied for every prompt of a batch; for sliding windows and linear attention too.
    - plain: one prompt at a time through the whole model. A warning says why.

    Args:
        vlm: The model.
        tokens_at_once: How many tokens behind the prefix go through the model at a time. It bounds the memory for them:
            a mask of 2,048 cells a token, 2 tokens of copied cache (4 where paths branch) and 16,384 logits. Halved
            where memory runs out.

    Raises:
        UsageError: The model cannot be asked at all, for instance because it has no chat template.
    """

    def __init__(self, vlm: Vlm, tokens_at_once: int = 8192) -> None:
        if tokens_at_once < 1:
            raise UsageError(f"tokens_at_once is {tokens_at_once}; it must be at least 1")
        self._vlm = vlm
        self._chunks = Chunks(tokens_at_once)
        self.way = self._find_way()

    def distributions(
        self,
        image: Pillow.Image,
        prompts: Sequence[str],
        wanted: Sequence[int],
        paths: Sequence[Path] = ((),),
    ) -> Distributions:
        """How likely each wanted token is next, after each prompt followed by each path.

        A prompt's answers do not depend on the other prompts and paths beyond rounding.

        Args:
            image: The picture that all prompts are about.
            prompts: The user's turn after the image, at least one.
            wanted: Token ids.
            paths: Token ids with which the answer begins; the empty path is the place right after the prompt.

        Raises:
            torch.OutOfMemoryError: A single prompt does not fit into memory.
        """
        distinct = list(dict.fromkeys(paths))
        with torch.inference_mode():
            found = self._ask(self.way, image, prompts, wanted, distinct)
        return found._replace(log_probabilities=found.log_probabilities[:, [distinct.index(path) for path in paths]])

    def generate(self, image: Pillow.Image, prompts: Sequence[str], max_new_tokens: int) -> list[Generated]:
        """The answer to each prompt, of the likeliest token at each step; the model's own defaults are set aside.

        Raises:
            torch.OutOfMemoryError: A single prompt does not fit into memory.
        """
        ends = self._vlm.end_tokens()
        with torch.inference_mode():
            if self.way == "plain":
                answers = [greedy_plain(self._vlm, image, prompt, ends, max_new_tokens) for prompt in prompts]
            else:
                answers = self._say(image, prompts, ends, max_new_tokens)
        return [as_generated(self._vlm, said, ends) for said in answers]

    def _find_way(self) -> str:
        reasons = []
        with torch.inference_mode():
            try:
                plain = self._probe("plain")
            except torch.OutOfMemoryError:
                raise
            except _UNSUITED as error:
                raise UsageError(f"{self._vlm.ref.name} cannot be asked about an image: {error}") from error
            for way in ("packed", "expanded"):
                try:
                    difference = (self._probe(way) - plain).abs().max().item()
                except torch.OutOfMemoryError:
                    raise
                except _UNSUITED as error:
                    reasons.append(f"{way}: {type(error).__name__}: {error}")
                    continue
                if difference <= _TOLERANCE[self._vlm.dtype]:
                    return way
                reasons.append(f"{way}: probabilities differ by {difference:.1g}")
        reason = "; ".join(reasons)
        warnings.warn(f"{self._vlm.ref.name} encodes an image anew for every sentence ({reason})", stacklevel=3)
        return "plain"

    def _probe(self, way: str) -> torch.Tensor:
        """Probabilities of all tokens for two images of different sizes, prompts of different lengths and paths."""
        one, other = self._vlm.tokenizer(_PROBES[0], add_special_tokens=False)["input_ids"][:2]
        everything = range(self._vlm.model.config.get_text_config(decoder=True).vocab_size)
        trees: list[list[Path]] = [[(), (one,), (other, one)], [()]]
        found = [
            self._ask(way, _picture(size), _PROBES, everything, paths).log_probabilities.flatten()
            for size, paths in zip(_SIZES, trees, strict=True)
        ]
        return torch.cat(found).exp()

    def _ask(
        self, way: str, image: Pillow.Image, prompts: Sequence[str], wanted: Sequence[int], paths: Sequence[Path]
    ) -> Distributions:
        """`distributions` in one way, for distinct paths."""
        answers = torch.empty(len(prompts), len(paths), len(wanted), dtype=torch.float64)
        columns = torch.tensor(wanted, device=self._vlm.model.device)
        if way == "plain":
            lengths = []
            for number, prompt in enumerate(prompts):
                inputs = self._vlm.encode([image], [prompt])
                lengths.append(inputs["input_ids"].shape[1])
                for row in rows_with_branches([inputs["input_ids"][0].tolist()], paths):
                    answers[number, row.paths] = _log_probabilities(self._whole(inputs, row), columns)
            return Distributions(answers, lengths)
        parts = split(self._vlm, image, prompts)
        prefilled = self._prefill(way, parts.prefix)
        for rows, found in self._forward(way, prefilled, parts.suffixes, paths, columns):
            places = [(row.prompt, path) for row in rows for path in row.paths]
            answers[[prompt for prompt, _ in places], [path for _, path in places]] = found
        return Distributions(answers, parts.lengths)

    def _prefill(self, way: str, prefix: dict[str, torch.Tensor]) -> Prefilled:
        prefilled = Prefilled.run(self._vlm.model, prefix)
        if way == "packed" and not prefilled.can_be_packed:
            raise ValueError("not every layer attends to all keys with a mask")
        return prefilled

    def _forward(
        self,
        way: str,
        prefilled: Prefilled,
        suffixes: Sequence[list[int]],
        paths: Sequence[Path],
        columns: torch.Tensor,
    ) -> Iterable[tuple[Sequence[Row], torch.Tensor]]:
        """Chunks of rows and the log-probabilities at their reads, (reads, wanted)."""
        if way == "packed":
            tree = Tree.of(paths)
            return self._chunks.run(
                rows_with_trees(suffixes, tree),
                fits_packed(prefilled),
                lambda rows: _log_probabilities(Packed(prefilled, tree).feed(rows), columns),
            )
        if len(branches(paths)) > 1:
            return self._branch(prefilled, suffixes, paths, columns)
        return self._chunks.run(
            sorted(rows_with_branches(suffixes, paths), key=lambda row: len(row.tokens)),
            fits_batch(prefilled),
            lambda rows: _log_probabilities(Batch(prefilled, [0] * len(rows)).feed(rows), columns),
        )

    def _branch(
        self, prefilled: Prefilled, suffixes: Sequence[list[int]], paths: Sequence[Path], columns: torch.Tensor
    ) -> Iterator[tuple[Sequence[Row], torch.Tensor]]:
        """As `_forward`, each suffix fed once and copied for the branches, which are all that is fed behind it."""

        def ask(rows: Sequence[Row]) -> list[tuple[Sequence[Row], torch.Tensor]]:
            batch, place = Batch(prefilled, [0] * len(rows)), {row.prompt: place for place, row in enumerate(rows)}
            ends = _log_probabilities(batch.feed(rows), columns)
            grown = batch.prefilled()
            behind = self._chunks.run(
                rows_of_branches(list(place), paths),
                fits_batch(grown),
                lambda some: _log_probabilities(Batch(grown, [place[row.prompt] for row in some]).feed(some), columns),
            )
            return [(rows, ends), *behind]

        for group in of_one_length(rows_before_branches(suffixes, paths)):
            for _, found in self._chunks.run(group, fits_batch(prefilled), ask):
                yield from found

    def _whole(self, inputs: dict[str, torch.Tensor], row: Row) -> torch.Tensor:
        """Logits of one prompt with all of its tokens, nothing shared, (reads, vocabulary)."""
        more = len(row.tokens) - inputs["input_ids"].shape[1]
        longer = {
            name: torch.cat([value, value[:, -1:].expand(1, more)], 1) if per_token(inputs, name) else value
            for name, value in inputs.items()
        }
        longer["input_ids"] = self._vlm.place(torch.tensor([row.tokens]))
        reads = self._vlm.place(torch.tensor(row.reads))
        logits: torch.Tensor = self._vlm.model(**longer, use_cache=False, logits_to_keep=reads).logits
        return logits[0]

    def _say(
        self, image: Pillow.Image, prompts: Sequence[str], ends: frozenset[int], max_new_tokens: int
    ) -> list[Said]:
        """Each answer."""
        parts = split(self._vlm, image, prompts)
        prefilled = self._prefill(self.way, parts.prefix)
        rows = [Row(number, suffix, [len(suffix) - 1], [0]) for number, suffix in enumerate(parts.suffixes)]
        packed = self.way == "packed"
        fits = (fits_packed if packed else fits_batch)(prefilled, max_new_tokens)
        said: dict[int, list[Token]] = {}
        for group in [rows] if packed else of_one_length(rows):
            answers = self._chunks.run(
                group,
                fits,
                lambda some: greedy(
                    Packed(prefilled) if packed else Batch(prefilled, [0] * len(some)), some, ends, max_new_tokens
                ),
            )
            for _, found in answers:
                said.update(found)
        return [Said(said[number], length) for number, length in enumerate(parts.lengths)]


def _log_probabilities(logits: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Natural logs of the shares of the columns in the whole vocabulary, (rows, columns), float64, on the CPU."""
    precise = torch.float32 if logits.device.type == "mps" else torch.float64
    parts = []
    for some in logits.split(64):
        exact = some.to(precise)
        parts.append((exact[:, columns] - exact.logsumexp(-1, keepdim=True)).cpu().double())
    return torch.cat(parts)


def _picture(size: tuple[int, int]) -> Pillow.Image:
    """A picture whose parts all differ."""
    slope = Pillow.linear_gradient("L")
    return Pillow.merge("RGB", (slope, slope.rotate(90), Pillow.radial_gradient("L"))).resize(size)
