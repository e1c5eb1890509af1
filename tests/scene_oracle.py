"""A second, slow reading of scene sentences, by words alone: what the labeller is held against."""

from __future__ import annotations

import re

from generation.scenes.world import Scene

COLOURS = {"red", "green", "blue", "yellow", "purple", "orange"}
SIZES = {"small", "large"}
FILLS = {"solid", "hollow"}
KINDS = {"circle", "square", "triangle", "star", "arrow", "sign", "object"}
NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4}
HEADINGS = {"left", "right", "up", "down"}
SLOT_WORDS = (
    COLOURS,
    SIZES,
    FILLS,
    KINDS - {"object"},
    set(NUMBERS),
    HEADINGS,
    {"white", "gray", "black"},
    {"A", "B", "K", "X", "GO", "NO", "UP", "HI", "CAT", "SUN"},
)


def table(scene: Scene) -> list[dict[str, object]]:
    """One row a thing: its words, and where it is by row and column."""
    rows: list[dict[str, object]] = []
    for thing in scene.things:
        words = {thing.kind, "object", thing.colour, thing.size, thing.fill} - {None}
        across, down = "left middle right".split()[thing.cell % 3], "top middle bottom".split()[thing.cell // 3]
        rows.append({"words": words, "x": across, "y": down, "heading": thing.heading, "text": thing.text})
    return rows


def true(scene: Scene, sentence: str) -> bool:  # noqa: PLR0911 - one reading a form
    """Whether a sentence of the grammar is true of a scene, found by looking for its key words."""
    rows = table(scene)
    text = sentence.rstrip(".")
    words = text.replace('"', "").split()
    if "background" in words:
        return scene.background in words
    for phrase, compare in _RELATIONS.items():
        if f" {phrase} " in text:
            one, other = text.split(f" {phrase} ")
            return any(compare(a, b) for a in _those(rows, one) for b in _those(rows, other))
    quoted = re.search(r'"(\w+)"', text)
    if quoted:
        return any(row["text"] == quoted.group(1) for row in _those(rows, text[: quoted.start()]))
    if words[-1] in HEADINGS and words[-2] in {"points", "pointing", "faces"}:
        return any(row["heading"] == words[-1] for row in _those(rows, " ".join(words[:-2])))
    counts = [w for w in words if w in NUMBERS]
    if counts:
        return len(_those(rows, text)) == NUMBERS[counts[0]]
    place = re.search(r" (in|on|at) the ((top|bottom|left|right|center).*)$", text)
    if place:
        there = place.group(2).split()
        return any(_in_place(row, there) for row in _those(rows, text[: place.start()]))
    return bool(_those(rows, text))


_DOWN, _ACROSS = ("top", "middle", "bottom"), ("left", "middle", "right")
_RELATIONS = {
    "to the left of": lambda a, b: _ACROSS.index(a["x"]) < _ACROSS.index(b["x"]),
    "to the right of": lambda a, b: _ACROSS.index(a["x"]) > _ACROSS.index(b["x"]),
    "above": lambda a, b: _DOWN.index(a["y"]) < _DOWN.index(b["y"]),
    "below": lambda a, b: _DOWN.index(a["y"]) > _DOWN.index(b["y"]),
}


def _those(rows: list[dict[str, object]], phrase: str) -> list[dict[str, object]]:
    said = {w.removesuffix("s") if w.removesuffix("s") in KINDS else w for w in phrase.lower().split()}
    wanted = said & (COLOURS | SIZES | FILLS | KINDS)
    return [row for row in rows if wanted <= row["words"]]  # type: ignore[operator]


def _in_place(row: dict[str, object], there: list[str]) -> bool:
    if there == ["center"]:
        return row["x"] == "middle" and row["y"] == "middle"
    return all(word in (row["x"], row["y"]) for word in there if word not in {"corner", "side"})
