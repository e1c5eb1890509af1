"""Reads a price file: YAML, checked field by field, with errors that name the line."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from alignbench.backends.api.image_tokens import check_image_rule
from alignbench.errors import UnknownNameError, UsageError

_TOP = ("dated", "prices")
_AMOUNTS = ("input", "output", "cached", "cache_write", "batch_cached", "batch_factor", "text_output", "per_image")
_ALLOWED = {"batch_factor": "a share from 0 to 1", "per_image": "dollars an image, 0 or more"}
_TEXTS = ("image_rule", "source")
_FIELDS = (*_AMOUNTS, "cache_minimum", *_TEXTS, "read")
_NEEDED = ("input", "output")
_EXAMPLE = "`prices: {api.example.com: {model-name: {input: 0.15, output: 0.6}}}`"


@dataclass(frozen=True, slots=True)
class PriceFile:
    """What a price file says: `entries` holds the fields of each price by `HOST/MODEL`."""

    dated: str
    entries: Mapping[str, Mapping[str, Any]]


def read_price_file(path: Path) -> PriceFile:
    """Read a price file.

    Raises:
        UsageError: It cannot be read, is not YAML, or a line of it says something else than it may.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the price file {path} cannot be read: {error}; give the path of a .yaml file") from error
    try:
        top = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise UsageError(f"the price file {path} is not YAML: {error}") from error
    return _Reader(path).read(top)


class _Reader:
    """Walks the nodes of one file, because only they know their lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._loader = yaml.SafeLoader("")

    def read(self, top: yaml.Node | None) -> PriceFile:
        if top is None:
            raise UsageError(f"the price file {self._path} is empty; it needs `dated` and {_EXAMPLE}")
        said = self._mapping(top, "the file", f"`dated` and {_EXAMPLE}")
        self._check_names(said, _TOP, "field")
        for name in _TOP:
            if name not in said:
                raise self._wrong(top, f"there is no `{name}`; a price file needs `dated: YYYY-MM-DD` and {_EXAMPLE}")
        entries = {}
        for host, models in self._mapping(said["prices"][1], "`prices`", "hosts").items():
            for model, (_, entry) in self._mapping(models[1], f"the host {host!r}", "models").items():
                entries[f"{host}/{model}"] = self._entry(entry, f"{host}/{model}")
        return PriceFile(self._date(said["dated"][1], "dated"), entries)

    def _entry(self, node: yaml.Node, key: str) -> dict[str, Any]:
        said = self._mapping(node, f"the price of {key}", "fields such as `input: 0.15`")
        self._check_names(said, _FIELDS, "field of a price")
        for name in _NEEDED:
            if name not in said:
                raise self._wrong(node, f"the price of {key} has no `{name}`; give dollars per million tokens")
        return {name: self._field(name, value) for name, (_, value) in said.items()}

    def _field(self, name: str, node: yaml.Node) -> Any:
        value = self._value(node)
        if value is None and name not in _NEEDED:
            return 1.0 if name == "batch_factor" else None
        if name in _AMOUNTS:
            return self._amount(name, node, value)
        if name == "read":
            return self._date(node, name)
        if name == "cache_minimum":
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise self._wrong(node, f"`{name}` is {value!r}, but must be a whole number of tokens, 0 or more")
            return value
        if not isinstance(value, str):
            raise self._wrong(node, f"`{name}` is {value!r}, but must be text; put it in quotes")
        if name == "image_rule":
            self._check_rule(node, value)
        return value

    def _amount(self, name: str, node: yaml.Node, value: Any) -> float:
        most = 1.0 if name == "batch_factor" else float("inf")
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 <= value <= most or value == float("inf"):
            allowed = _ALLOWED.get(name, "dollars per million tokens, 0 or more")
            raise self._wrong(node, f"`{name}` is {value!r}, but must be {allowed}")
        return float(value)

    def _date(self, node: yaml.Node, name: str) -> str:
        value = self._value(node)
        try:
            return datetime.date.fromisoformat(str(value)).isoformat()
        except ValueError:
            raise self._wrong(node, f"`{name}` is {value!r}, but must be a day such as 2026-01-31") from None

    def _check_rule(self, node: yaml.Node, rule: str) -> None:
        try:
            check_image_rule(rule)
        except UsageError as error:
            raise self._wrong(node, str(error)) from error

    def _check_names(self, said: Mapping[str, tuple[yaml.Node, yaml.Node]], known: tuple[str, ...], what: str) -> None:
        for name, (node, _) in said.items():
            if name not in known:
                then = f"mend line {self._line(node)} of the price file {self._path}"
                raise UnknownNameError.of(what, name, known, then)

    def _mapping(self, node: yaml.Node, what: str, of: str) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Each key's text with the nodes of key and value; YAML itself would let the last of two equal keys win."""
        if not isinstance(node, yaml.MappingNode):
            raise self._wrong(node, f"{what} must be a mapping of {of}")
        said: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if not name:
                raise self._wrong(key, f"{what} has a key that is not a name")
            if name in said:
                raise self._wrong(key, f"{name!r} stands here again, first in line {self._line(said[name][0])}")
            said[name] = (key, value)
        return said

    def _value(self, node: yaml.Node) -> Any:
        return self._loader.construct_object(node, deep=True)

    def _line(self, node: yaml.Node) -> int:
        return int(node.start_mark.line) + 1

    def _wrong(self, node: yaml.Node, message: str) -> UsageError:
        return UsageError(f"the price file {self._path}, line {self._line(node)}: {message}")
