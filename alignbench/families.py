"""Which producers are a judge's own: the same model, or one of its lineage."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple, Self

from alignbench.errors import UnknownNameError, UsageError
from alignbench.types import ModelRef

SHIPPED = Path(__file__).parent / "families.yaml"
_FAMILIES, _MODELS = "families", "models"
_FORM = "write `families:` or `models:`, and under it lines such as `llama: [llama-4*, my-llama]`"
_DATE_AT_THE_END = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8})$")
_BETWEEN = re.compile(r"[\s_:@-]+")
_WILDCARDS = re.compile(r"[*?\[]")


class Kinship(StrEnum):
    """What a producer is to a judge that it is own to."""

    SELF = "self"
    FAMILY = "family"


class _Table(NamedTuple):
    """What a file says: by spelling or pattern, what each means."""

    families: Mapping[str, str]
    models: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Families:
    """Lineages and names of models, by the shipped table and one of the user's own.

    Attributes:
        theirs: What the user's file says; empty where there is none.
        shipped: What families.yaml says.
    """

    theirs: _Table
    shipped: _Table

    @classmethod
    def read(cls, path: Path | None = None) -> Self:
        """The shipped table, and over it the one at `path`: what it says of a name goes first.

        Raises:
            UsageError: The file cannot be read, or an entry is not what it must be.
        """
        return cls(_read(path) if path else _Table({}, {}), _read(SHIPPED))

    def name_of(self, model: ModelRef) -> str:
        """The one name of a model that goes by several; that of a model in no table is what it is called itself."""
        spellings = _spellings(model.name)
        name = _look_up(self.shipped.models, spellings) or spellings[0]
        return _look_up(self.theirs.models, (*spellings, name)) or name

    def family_of(self, model: ModelRef) -> str:
        """The lineage of a model.

        What the user's file says goes first, then what the model carries, then the shipped table; a model that none of
        them knows is a lineage of its own. A family that is only the model's own name, as an import gives it to names
        it does not know, says nothing.
        """
        spellings = (self.name_of(model), *_spellings(model.name))
        carried = _plain(model.family) if model.family else None
        said = (
            _look_up(self.theirs.families, spellings),
            carried if carried not in spellings else None,
            _look_up(self.shipped.families, spellings),
            carried,
        )
        return next((family for family in said if family), spellings[0])

    def kinship(self, judge: ModelRef, producer: ModelRef) -> Kinship | None:
        """Whether a producer is the judge's own model, or of its lineage; null where it is neither."""
        if self.name_of(judge) == self.name_of(producer):
            return Kinship.SELF
        return Kinship.FAMILY if self.family_of(judge) == self.family_of(producer) else None


def _plain(name: str) -> str:
    return _DATE_AT_THE_END.sub("", _BETWEEN.sub("-", name.strip().casefold()))


def _spellings(name: str) -> tuple[str, ...]:
    # The last part of the name, as in ORG/NAME, then all of it.
    plain = _plain(name)
    return (plain.rpartition("/")[2], plain) if not plain.endswith("/") else (plain,)


def _look_up(table: Mapping[str, str], spellings: tuple[str, ...]) -> str | None:
    for spelling in spellings:
        if spelling in table:
            return table[spelling]
    fitting = [pattern for pattern in table if any(fnmatchcase(spelling, pattern) for spelling in spellings)]
    return table[max(fitting, key=len)] if fitting else None


def _read(path: Path) -> _Table:
    said = _parse(path)
    unknown = [str(key) for key in said if key not in (_FAMILIES, _MODELS)]
    if unknown:
        raise UnknownNameError.of("part", unknown[0], (_FAMILIES, _MODELS), f"mend {path}: {_FORM}")
    return _Table(*(_part(path, part, said.get(part)) for part in (_FAMILIES, _MODELS)))


def _parse(path: Path) -> Mapping[Any, Any]:
    import yaml

    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the families file {path} cannot be read: {error}; give the path of a .yaml file") from error
    except yaml.YAMLError as error:
        raise UsageError(f"the families file {path} is not YAML: {error}; {_FORM}") from error
    if not isinstance(said, dict):
        raise UsageError(f"the families file {path} holds {said!r:.40}, but must hold a mapping; {_FORM}")
    return said


def _part(path: Path, part: str, said: Any) -> dict[str, str]:
    if said is None:
        return {}
    if not isinstance(said, dict):
        raise UsageError(f"`{part}` in {path} is {said!r:.40}, but must be a mapping; {_FORM}")
    table: dict[str, str] = {}
    for pattern, meant in _entries(path, part, said):
        if table.setdefault(pattern, meant) != meant:
            raise UsageError(f"`{pattern}` stands twice under `{part}` in {path}, for {table[pattern]} and for {meant}")
    return table


def _entries(path: Path, part: str, said: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    for name, listed in said.items():
        entry = f"`{name}` under `{part}` in {path}"
        if not isinstance(name, str) or not name.strip() or _WILDCARDS.search(name):
            raise UsageError(f"{entry} is no name: it must be text without * ? [; put a number in quotes")
        if not isinstance(listed, list):
            raise UsageError(f"{entry} is {listed!r:.40}, but must be a list of names or patterns; {_FORM}")
        meant = _plain(name)
        if part == _MODELS:
            yield meant, meant
        for pattern in listed:
            if not isinstance(pattern, str) or not pattern.strip():
                raise UsageError(f"{entry} lists {pattern!r}, but names and patterns are text; put it in quotes")
            yield _plain(pattern), meant
