"""Splits prompts about one image into what they share, the image included, and the rest of each; as tokens."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from PIL import Image as Pillow

from alignbench.backends.vlm import Vlm

Path = tuple[int, ...]
"""Token ids that continue a prompt."""


@dataclass(frozen=True, slots=True)
class Split:
    """Prompts about one image: the model's inputs for the image and all shared tokens, and each prompt's own tokens.

    The prefix is as long as can be, but every prompt keeps at least one token, after which the model can be asked.
    """

    prefix: dict[str, torch.Tensor]
    suffixes: list[list[int]]

    @property
    def shared(self) -> int:
        """How many tokens all prompts begin with."""
        return int(self.prefix["input_ids"].shape[1])

    @property
    def lengths(self) -> list[int]:
        """The tokens of each prompt, those of the image included."""
        return [self.shared + len(suffix) for suffix in self.suffixes]


def split(vlm: Vlm, image: Pillow.Image, prompts: Sequence[str]) -> Split:
    """Prepare the image once, with the first prompt, and tokenise the others around the tokens that it became."""
    first = vlm.encode([image], prompts[:1])
    ids: list[int] = first["input_ids"][0].tolist()
    rows = _around_the_image(ids, [vlm.encode_text(prompt) for prompt in prompts])
    if rows is None:
        others = [vlm.encode([image], [prompt])["input_ids"][0].tolist() for prompt in prompts[1:]]
        rows = [ids, *others]
    shared = min(*(_agreeing(ids, row) for row in rows), *(len(row) - 1 for row in rows))
    prefix = {name: value[:, :shared] if per_token(first, name) else value for name, value in first.items()}
    return Split(prefix, [row[shared:] for row in rows])


def per_token(inputs: dict[str, torch.Tensor], name: str) -> bool:
    """Whether an input of one row has a value a token, as the token ids, their kinds and the attention mask do."""
    return inputs[name].shape == inputs["input_ids"].shape


def _around_the_image(ids: list[int], texts: list[list[int]]) -> list[list[int]] | None:
    """Token ids of every text with the image's tokens in it, or None where they cannot be known this way.

    The front end made `ids` of `texts[0]` by writing, for the image's placeholder, the tokens it takes. The same is
    written into the other texts. They must go on behind the image with the same token as the first, since what a front
    end writes around an image can change how the tokenizer splits the text next to it.
    """
    text = texts[0]
    same = _agreeing(ids, text)
    end = _agreeing(ids[same:][::-1], text[same:][::-1])
    begin, behind = ids[: len(ids) - end], len(text) - end
    if end == 0 or any(other[: behind + 1] != text[: behind + 1] for other in texts):
        return None
    return [begin + other[behind:] for other in texts]


def _agreeing(one: list[int], other: list[int]) -> int:
    """How many tokens at the beginning are the same."""
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


class Row(NamedTuple):
    """Tokens to feed for one prompt, and after which of them, counted from 0, the answers to which paths are read."""

    prompt: int
    tokens: list[int]
    reads: list[int]
    paths: list[int]


@dataclass(frozen=True, slots=True)
class Tree:
    """Paths that begin alike, merged: the token of every node, and its parent node or -1 for the prompt's end."""

    tokens: list[int]
    parents: list[int]
    ends: list[int]
    """The node at which each path ends, -1 where the path is empty."""

    @classmethod
    def of(cls, paths: Sequence[Path]) -> Self:
        """The tree whose branches are the paths; a parent always stands before its children."""
        nodes: dict[Path, int] = {(): -1}
        tree = cls([], [], [])
        for path in paths:
            for length in range(1, len(path) + 1):
                if path[:length] not in nodes:
                    nodes[path[:length]] = len(tree.tokens)
                    tree.tokens.append(path[length - 1])
                    tree.parents.append(nodes[path[: length - 1]])
            tree.ends.append(nodes[path])
        return tree

    def depths(self) -> list[int]:
        """How many tokens after the prompt's end each node stands, at least 1."""
        depths: list[int] = []
        for parent in self.parents:
            depths.append(1 if parent < 0 else depths[parent] + 1)
        return depths

    def sights(self) -> torch.Tensor:
        """Whether a node (row) sees a node (column), (nodes + 1, nodes + 1).

        It sees itself and its ancestors. The last row and column stand for the prompt, which sees no node.
        """
        count = len(self.tokens)
        seen = torch.eye(count + 1, dtype=torch.bool)
        seen[:, -1] = True
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                seen[node] |= seen[parent]
        return seen


def rows_with_trees(suffixes: Sequence[list[int]], tree: Tree) -> list[Row]:
    """A row a prompt: its suffix, then all nodes of the tree."""
    paths = list(range(len(tree.ends)))
    return [
        Row(
            prompt,
            suffix + tree.tokens,
            [len(suffix) - 1 if end < 0 else len(suffix) + end for end in tree.ends],
            paths,
        )
        for prompt, suffix in enumerate(suffixes)
    ]


def branches(paths: Sequence[Path]) -> dict[Path, list[int]]:
    """The paths with which no other begins, and the numbers of the paths that are read on the way of each.

    Args:
        paths: None of them twice.

    Returns:
        Numbers of ever longer paths, the branch itself last.
    """
    found: dict[Path, list[int]] = {}
    for number in sorted(range(len(paths)), key=lambda number: len(paths[number]), reverse=True):
        path = paths[number]
        branch = next((longer for longer in found if longer[: len(path)] == path), path)
        found.setdefault(branch, []).insert(0, number)
    return found


def rows_with_branches(suffixes: Sequence[list[int]], paths: Sequence[Path]) -> list[Row]:
    """A row a prompt and branch of the paths, none of which is there twice; the `reads` of a row increase."""
    return [
        Row(prompt, [*suffix, *branch], [len(suffix) - 1 + len(paths[number]) for number in numbers], numbers)
        for prompt, suffix in enumerate(suffixes)
        for branch, numbers in branches(paths).items()
    ]


def rows_before_branches(suffixes: Sequence[list[int]], paths: Sequence[Path]) -> list[Row]:
    """A row a prompt: its suffix, read where the empty path is among the paths."""
    empty = [number for number, path in enumerate(paths) if not path]
    return [Row(prompt, suffix, [len(suffix) - 1] * len(empty), empty) for prompt, suffix in enumerate(suffixes)]


def rows_of_branches(prompts: Sequence[int], paths: Sequence[Path]) -> list[Row]:
    """A row a prompt and branch, to be fed behind the prompt; short branches come first."""
    rows = []
    for branch, numbers in branches(paths).items():
        read = [number for number in numbers if paths[number]]
        reads = [len(paths[number]) - 1 for number in read]
        rows += [Row(prompt, list(branch), reads, read) for prompt in prompts]
    return sorted(rows, key=lambda row: len(row.tokens))
