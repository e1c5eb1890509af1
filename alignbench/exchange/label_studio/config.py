"""The labelling interface of Label Studio, generated from our labels and error types.

One task is one sentence, shown with its image and the whole caption; tasks of a caption follow each other. A `Repeater`
over the sentences of a caption (https://labelstud.io/tags/repeater, in the community edition too) was tried with Label
Studio 1.23.2 and left: it repeats the hotkeys as well, so that one key press labels every sentence of the caption at
once, those on hidden pages included. A task a sentence also gives each sentence its own time and its own "skip".
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as Xml

from alignbench.cards import card_file
from alignbench.types import ErrorType, Label

IMAGE, CAPTION, PLACE, TEXT = "image", "caption", "place", "text"
"""What a task's data must have for the interface to show it."""

LABEL, SPANS, TYPES, COMMENT = "label", "spans", "types", "comment"
"""The names of the questions, as results carry them in `from_name`."""

# The keys that Label Studio itself gives out first; no tool for images takes them.
_LABEL_KEYS = {Label.CORRECT: "q", Label.INCORRECT: "w", Label.UNKNOWN: "e"}
_TYPE_KEYS = "123456789"
# Hues that people with any colour vision tell apart (Okabe and Ito, https://jfly.uni-koeln.de/color/), brown and grey.
_COLOURS = {
    ErrorType.ATTRIBUTE: "#E69F00",
    ErrorType.OBJECT: "#56B4E9",
    ErrorType.ILLUSION: "#D55E00",
    ErrorType.DIRECTION: "#009E73",
    ErrorType.NUMBER: "#F0E442",
    ErrorType.TEXT: "#CC79A7",
    ErrorType.LOCATION: "#0072B2",
    ErrorType.RELATION: "#661100",
    ErrorType.OTHER: "#888888",
}
# Spaces, tabs and line ends stay what they are, on the screen and in what is marked (https://labelstud.io/tags/text).
_STYLE = '[class*="richtext"] { white-space: pre-wrap; }'


def labelling_config() -> str:
    """The XML of the labelling interface: image, caption and a sentence with its label, spans, types and a comment."""
    meanings = _meanings()
    root = Xml.Element("View", style="display: flex; gap: 1em;")
    Xml.SubElement(root, "Style").text = _STYLE
    left = Xml.SubElement(root, "View", style="flex: 1 1 50%;")
    Xml.SubElement(left, "Image", name=IMAGE, value=f"${IMAGE}", zoom="true", zoomControl="true")
    right = Xml.SubElement(root, "View", style="flex: 1 1 50%;")
    _add_guidelines(right, meanings)
    Xml.SubElement(right, "Header", value="The whole caption", size="5")
    _add_text(right, CAPTION, selectionEnabled="false")
    Xml.SubElement(right, "Header", value=f"${PLACE}", size="5")
    _add_text(right, TEXT, saveTextResult="yes", granularity="symbol")
    _add_questions(right, meanings)
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode") + "\n"


def _add_text(parent: Xml.Element, name: str, **more: str) -> None:
    Xml.SubElement(parent, "Text", {"name": name, "value": f"${name}", "valueType": "text", **more})


def _add_questions(parent: Xml.Element, meanings: dict[ErrorType, str]) -> None:
    label = Xml.SubElement(parent, "Choices", name=LABEL, toName=TEXT, choice="single", showInline="true")
    for value in Label:
        Xml.SubElement(label, "Choice", value=value, hotkey=_LABEL_KEYS[value])
    spans = Xml.SubElement(parent, "Labels", name=SPANS, toName=TEXT, choice="single", showInline="true")
    for key, (kind, meaning) in zip(_TYPE_KEYS, meanings.items(), strict=True):
        Xml.SubElement(spans, "Label", value=kind, background=_COLOURS[kind], hotkey=key, hint=meaning)
    shown = Xml.SubElement(
        parent, "View", visibleWhen="choice-selected", whenTagName=LABEL, whenChoiceValue=Label.INCORRECT
    )
    Xml.SubElement(shown, "Header", value="Wrong, but no words to mark: its types", size="6")
    types = Xml.SubElement(shown, "Choices", name=TYPES, toName=TEXT, choice="multiple", showInline="true")
    for kind, meaning in meanings.items():
        Xml.SubElement(types, "Choice", value=kind, hint=meaning)
    hint = "A comment, if you have one; Enter adds it"
    Xml.SubElement(
        parent, "TextArea", name=COMMENT, toName=TEXT, rows="1", maxSubmissions="1", editable="true", placeholder=hint
    )


def _add_guidelines(parent: Xml.Element, meanings: dict[ErrorType, str]) -> None:
    panel = Xml.SubElement(Xml.SubElement(parent, "Collapse"), "Panel", value="Guidelines")
    for line in [*_rules(), *(f"{kind}: {meaning}" for kind, meaning in meanings.items())]:
        Xml.SubElement(panel, "Header", value=line, size="6")


def _rules() -> list[str]:
    """The numbered rules of the guidelines, without their markup."""
    text = card_file("annotation_guidelines.md").read_text(encoding="utf-8")
    return [_plain(rule) for rule in re.findall(r"^(\d+\. .+(?:\n[ ]+.+)*)", text, flags=re.MULTILINE)]


def _meanings() -> dict[ErrorType, str]:
    """What each error type is about, from the table of error_types.md."""
    text = card_file("error_types.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", text, flags=re.MULTILINE))
    return {kind: _plain(rows.get(kind, kind)) for kind in ErrorType}


def _plain(markdown: str) -> str:
    unlinked = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", markdown)
    return " ".join(re.sub(r"[*`]", "", unlinked).split())
