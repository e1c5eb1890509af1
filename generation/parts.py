"""Finds the image sources, prompt writers, filters and labellers that a recipe names."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any, cast

from generation.protocols import Filter, ImageSource, Labeller, PromptWriter, Site

IMAGE_SOURCES: Mapping[str, str] = {
    "scenes": "generation.scenes.source:ScenesSource",
    "folder": "generation.sources.folder:FolderSource",
    "table": "generation.sources.table:TableSource",
    "datasets": "generation.sources.datasets_set:DatasetsSource",
    "urls": "generation.sources.urls:UrlSource",
}
PROMPT_WRITERS: Mapping[str, str] = {
    "scenes": "generation.scenes.source:ScenesPrompts",
    "template": "generation.writers.template:TemplateWriter",
    "file": "generation.writers.file:FileWriter",
    "text_model": "generation.writers.text_model:TextModelWriter",
}
FILTERS: Mapping[str, str] = {
    "black": "generation.filters.black:BlackFilter",
    "duplicate": "generation.filters.duplicate:DuplicateFilter",
    "unsafe": "generation.filters.unsafe:UnsafeFilter",
    "refusal": "generation.filters.refusal:RefusalFilter",
    "short": "generation.filters.short:ShortFilter",
}
LABELLERS: Mapping[str, str] = {"scenes": "generation.scenes.source:ScenesLabeller"}


def image_source(name: str, site: Site, options: Mapping[str, Any]) -> ImageSource:
    """The image source of that name, one of `IMAGE_SOURCES`, with the options of a recipe."""
    return cast(ImageSource, find(IMAGE_SOURCES[name]).from_options(site, **options))


def prompt_writer(name: str, site: Site, options: Mapping[str, Any]) -> PromptWriter:
    """The prompt writer of that name, one of `PROMPT_WRITERS`, with the options of a recipe."""
    return cast(PromptWriter, find(PROMPT_WRITERS[name]).from_options(site, **options))


def filter_(name: str, site: Site, options: Mapping[str, Any]) -> Filter:
    """The filter of that name, one of `FILTERS`, with the options of a recipe."""
    return cast(Filter, find(FILTERS[name]).from_options(site, **options))


def labeller(name: str) -> Labeller:
    """The labeller of that name, one of `LABELLERS`."""
    return cast(Labeller, find(LABELLERS[name])())


def options_of(reference: str) -> dict[str, inspect.Parameter]:
    """The options that the class of an image source, prompt writer or filter takes, by name; imports it."""
    parameters = inspect.signature(find(reference).from_options).parameters.values()
    return {each.name: each for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY}


def find(reference: str) -> Any:
    """The class that `module:Class` names; imports it."""
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)
