"""Finds the image sources, prompt writers and labellers that a recipe names."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import cast

from generation.protocols import ImageSource, Labeller, PromptWriter

IMAGE_SOURCES: Mapping[str, str] = {"scenes": "generation.scenes.source:ScenesSource"}
PROMPT_WRITERS: Mapping[str, str] = {"scenes": "generation.scenes.source:ScenesPrompts"}
LABELLERS: Mapping[str, str] = {"scenes": "generation.scenes.source:ScenesLabeller"}


def image_source(name: str) -> ImageSource:
    """The image source of that name, one of `IMAGE_SOURCES`."""
    return cast(ImageSource, _build(IMAGE_SOURCES[name]))


def prompt_writer(name: str) -> PromptWriter:
    """The prompt writer of that name, one of `PROMPT_WRITERS`."""
    return cast(PromptWriter, _build(PROMPT_WRITERS[name]))


def labeller(name: str) -> Labeller:
    """The labeller of that name, one of `LABELLERS`."""
    return cast(Labeller, _build(LABELLERS[name]))


def _build(reference: str) -> object:
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)()
