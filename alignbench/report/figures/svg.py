"""Turns matplotlib's SVG into one that a page with a strict content-security-policy can hold, in light and dark."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from xml.etree import ElementTree

from alignbench.report.figures.labels import Shown
from alignbench.report.figures.sheet import Sketch
from alignbench.report.figures.style import INK

Element = ElementTree.Element

_FONT = "sans-serif"
_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
_REFERENCE = re.compile(r"^url\(#(.+)\)$")
# Presentation attributes; the rest of matplotlib's styles says nothing more.
_ATTRIBUTES = frozenset(
    "fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-dasharray stroke-dashoffset stroke-linecap "
    "stroke-linejoin stroke-miterlimit opacity font-size font-weight font-style text-anchor".split()
)
_GEOMETRY = frozenset("d x y x1 x2 y1 y2 cx cy r width height transform viewBox points".split())
_DEFAULTS = {("stroke-dashoffset", "0"), ("font-style", "normal"), ("text-anchor", "start"), ("stroke-width", "1")}


class Drawn(NamedTuple):
    """A figure as SVG.

    Attributes:
        name: Of its files; every id in the SVG begins with it.
        title: One line.
        caption: What it shows, what it rests on, what to beware of.
        svg: One element, for a file of its own or inside a page. Without style sheets, style attributes, scripts or
            references outside; as wide as its surroundings; its ink is the colour of the text around it.
    """

    name: str
    title: str
    caption: str
    svg: str


def drawn(name: str, sketch: Sketch) -> Drawn:
    """The figure as SVG; the same figure gives the same bytes."""
    text = io.StringIO()
    # Without a date or a version; matplotlib leaves out what is None.
    unsaid = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    sketch.figure.savefig(text, format="svg", metadata=unsaid)
    root = ElementTree.fromstring(text.getvalue())  # noqa: S314  of matplotlib, nobody else's
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    _drop(root, "metadata", "style")
    for element in root.iter():
        _restyle(element, name)
    for text_element in list(root.iter("text")):
        _reshow(text_element, sketch.shown)
    _forget_ids(root)
    _describe(root, name, sketch)
    return Drawn(name, sketch.title, sketch.caption, ElementTree.tostring(root, encoding="unicode"))


def _drop(element: Element, *tags: str) -> None:
    for child in list(element):
        if child.tag in tags:
            element.remove(child)
        else:
            _drop(child, *tags)


def _restyle(element: Element, name: str) -> None:
    said = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
    said |= {key: value for key, value in _declarations(said.pop("style", "")) if key in _ATTRIBUTES}
    element.attrib.clear()
    for key, value in said.items():
        if (key, value) not in _DEFAULTS and not value.startswith("rotate(-0 "):
            element.set(key, _value(key, value, name))
    element.text = (element.text or "").strip() or None
    element.tail = None


def _declarations(style: str) -> Iterator[tuple[str, str]]:
    for declaration in filter(None, (part.strip() for part in style.split(";"))):
        key, _, value = declaration.partition(":")
        yield key.strip(), value.strip()


def _value(key: str, value: str, name: str) -> str:
    if key in _GEOMETRY or key == "stroke-dasharray":
        return " ".join(_NUMBER.sub(_rounded, value).split())
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return f"#{name}-{value.removeprefix('#')}"
    if value == INK:
        return "currentColor"
    return _REFERENCE.sub(rf"url(#{name}-\1)", value).removesuffix("px")


def _rounded(number: re.Match[str]) -> str:
    # A hundredth of a point is finer than any screen.
    short = f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
    return "0" if short == "-0" else short


def _reshow(element: Element, shown: Mapping[str, Shown]) -> None:
    there = shown.get(element.text or "")
    if there is not None:
        element.text = there.text
        if there.full:
            # First among the children, or browsers do not show it.
            title = ElementTree.Element("title")
            title.text, title.tail = there.full, there.text
            element.text = None
            element.insert(0, title)


def _forget_ids(root: Element) -> None:
    # Matplotlib names every group; only what is referred to needs a name.
    used = {value.removeprefix("#") for element in root.iter() if (value := element.get("href"))}
    for element in root.iter():
        used |= {found[1] for value in element.attrib.values() if (found := _REFERENCE.match(value))}
    for element in root.iter():
        if element.get("id") not in used:
            element.attrib.pop("id", None)
    _unwrap(root)


def _unwrap(element: Element) -> None:
    # A group without attributes is nothing but its children.
    children: list[Element] = []
    for child in list(element):
        _unwrap(child)
        children += list(child) if child.tag == "g" and not child.attrib else [child]
    element[:] = children


def _describe(root: Element, name: str, sketch: Sketch) -> None:
    view = root.attrib["viewBox"]
    root.attrib.clear()
    root.attrib |= {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": view,
        "role": "img",
        "aria-labelledby": f"{name}-title {name}-desc",
        "font-family": _FONT,
        # What matplotlib says in its style sheet.
        "stroke-linejoin": "round",
        "stroke-linecap": "butt",
    }
    for place, (tag, text) in enumerate((("title", sketch.title), ("desc", sketch.caption))):
        element = ElementTree.Element(tag, {"id": f"{name}-{tag}"})
        element.text = text
        root.insert(place, element)
