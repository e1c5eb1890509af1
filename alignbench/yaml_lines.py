"""Reads YAML that people write, so that whatever is wrong in it can be told with its line."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic_core import ErrorDetails

Problem = tuple[int, str]
"""A line, counted from 1, and what is wrong there."""
_DEEPEST = 100


class YamlError(Exception):
    """What is wrong with a document, all of it; whoever reads the file says which file it is."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(listed(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML document as nodes, which know their lines, with its values."""

    root: yaml.Node | None
    value: Any

    def line_of(self, where: Iterable[int | str]) -> int:
        """The line on which what these keys and places lead to begins; that of the last of them that is there."""
        line, node = 1, self.root
        for part in where:
            if isinstance(node, yaml.MappingNode):
                found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
                if found is None:
                    return line
                line, node = _line(found[0].start_mark), found[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                line = _line(node.start_mark)
        return line


def parse(text: str) -> Document:
    """The document that `text` is.

    Raises:
        YamlError: It is no YAML, has an alias, or names a key twice, which YAML allows but nobody means.
    """
    try:
        aliases = list(_aliases(text))
        if aliases:
            raise YamlError([(line, "aliases (*name) are not allowed") for line in aliases])
        document = Document(yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        line, problem = _line(getattr(error, "problem_mark", None)), getattr(error, "problem", None) or error
        raise YamlError([(line, f"not YAML that can be read: {problem}")]) from error
    repeated = [
        (_line(key.start_mark), f"the key {key.value!r} stands here again") for key in _repeated_keys(document.root)
    ]
    if repeated:
        raise YamlError(repeated)
    return document


def listed(problems: Iterable[Problem]) -> str:
    """The problems in the order of their lines, one a line."""
    return "\n".join(f"  line {line}: {problem}" for line, problem in sorted(problems))


def told(document: Document, error: ErrorDetails, where: Sequence[int | str], allowed: Collection[str]) -> Problem:
    """An error of pydantic in words of the file.

    Args:
        document: What pydantic was given.
        error: What it said.
        where: The keys and places that lead to what it is about.
        allowed: The keys that may stand there.
    """
    line, place = document.line_of(where), ".".join(str(part) for part in where)
    if error["type"] == "extra_forbidden":
        return line, f"unknown key {place!r} ({nearest(str(error['loc'][-1]), allowed)})"
    if error["type"] == "missing":
        return line, f"the key {place!r} is missing"
    given = f", got {error['input']!r}" if isinstance(error["input"], str | int | float) and place else ""
    given = "" if error["type"] in {"unlisted", "lacking"} else given
    message = error["msg"][0].lower() + error["msg"][1:]
    return line, f"{place}: {message}{given}" if place else message


def nearest(given: str, known: Collection[str]) -> str:
    """The known names most like the one given, or all of them, in words."""
    if not known:
        return "it takes none"
    near = difflib.get_close_matches(given, known, n=3, cutoff=0.5)
    return f"nearest: {', '.join(near)}" if near else f"allowed: {', '.join(sorted(known))}"


def _aliases(text: str) -> Iterator[int]:
    """The line of every alias; stops at nesting that nobody writes, over which a parser would take for ever."""
    depth = 0
    for event in yaml.parse(text):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise YamlError([(_line(event.start_mark), f"not YAML that can be read: nested over {_DEEPEST} deep")])
        if isinstance(event, yaml.AliasEvent):
            yield _line(event.start_mark)


def _line(mark: Any) -> int:
    return mark.line + 1 if mark else 1


def _repeated_keys(node: yaml.Node | None) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value]
        yield from (key for place, (key, _) in enumerate(node.value) if key.value in keys[:place])
        children: Sequence[yaml.Node] = [value for _, value in node.value]
    else:
        children = node.value if isinstance(node, yaml.SequenceNode) else []
    for child in children:
        yield from _repeated_keys(child)
