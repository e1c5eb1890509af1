"""What differs between two JSON values, each difference with its path."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple


class _Absent:
    """Neither null nor anything else that JSON can say."""

    def __repr__(self) -> str:
        return "(nothing)"


ABSENT = _Absent()
_LONGEST = 60


class JsonChange(NamedTuple):
    """A place whose value differs; `before` or `after` is `ABSENT` where the place itself is new or gone."""

    path: str
    before: Any
    after: Any

    def line(self) -> str:
        """The difference in one line."""
        return f"{self.path}: {_shown(self.before)} -> {_shown(self.after)}"

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values: a side that is absent has no key."""
        sides = {"before": self.before, "after": self.after}
        return {"path": self.path} | {name: said for name, said in sides.items() if said is not ABSENT}


def json_changes(before: Any, after: Any, path: str = "") -> Iterator[JsonChange]:
    """Every place where the two differ, objects and lists taken apart.

    Objects in a list are matched by their `name` where all of them have one, all different; other lists by place.
    """
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*before, *(key for key in after if key not in before)]:
            where = f"{path}.{key}" if path else str(key)
            yield from json_changes(before.get(key, ABSENT), after.get(key, ABSENT), where)
    elif isinstance(before, list) and isinstance(after, list):
        old, new = _by_name(before), _by_name(after)
        if old is None or new is None:
            old, new = dict(enumerate(before)), dict(enumerate(after))
        for key in [*old, *(key for key in new if key not in old)]:
            yield from json_changes(old.get(key, ABSENT), new.get(key, ABSENT), f"{path}[{key}]")
    elif type(before) is not type(after) or before != after:
        yield JsonChange(path, before, after)


def _by_name(values: Sequence[Any]) -> dict[Any, Any] | None:
    names = [value.get("name") if isinstance(value, Mapping) else None for value in values]
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        return None
    return dict(zip(names, values, strict=True))


def _shown(value: Any) -> str:
    if value is ABSENT:
        return repr(value)
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
