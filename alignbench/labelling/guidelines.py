"""The guidelines that annotators work by: data_cards/annotation_guidelines.md and data_cards/error_types.md."""

from __future__ import annotations

import hashlib

from alignbench.cards import card_file

_FILES = ("annotation_guidelines.md", "error_types.md")


def guideline_text() -> str:
    """What annotators read, as Markdown: the guidelines, then the error types."""
    return "\n".join(card_file(name).read_text(encoding="utf-8") for name in _FILES)


def fingerprint() -> str:
    """Twelve hex digits of the sha256 over the guidelines; it is another one whenever a word of them changes."""
    return hashlib.sha256(guideline_text().encode()).hexdigest()[:12]
