"""Writes the card of a published dataset from its facts and from what its publisher says, and from nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml

from alignbench.cards import card_file
from alignbench.errors import MissingDependencyError
from alignbench.publish.card.limits import limits_of
from alignbench.publish.card.markdown import Written, code, coded, fenced, link, plain, prose
from alignbench.publish.card.tables import number, tables_of
from alignbench.publish.terms.licence_names import hub_licence
from alignbench.publish.terms.publication import Publication

if TYPE_CHECKING:
    from jinja2 import Template

Json = Mapping[str, Any]

TEMPLATE = "README.md.j2"
PLACE = "ORG/NAME"
"""What stands for the name on the Hub while there is none."""
_GAP = re.compile(r"\n{3,}")
_TAGS = ("alignbench", "image-captioning", "hallucination", "image-text-alignment", "evaluation")
_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))


def card_of(facts: Json, publication: Publication, loading: Json) -> str:
    """The README.md of a Hub folder.

    The same arguments give the same text. Whatever a value holds, it shows as text: no markup, no HTML, no new cell.

    Args:
        facts: What `alignbench.publish.card.facts.facts_of` returned, or facts.json says.
        publication: What the publisher says.
        loading: What `front_matter` of `alignbench.publish.folder` says: `configs` and `dataset_info`.

    Raises:
        MissingDependencyError: jinja2 is not installed.
    """
    repo = facts["repo"] or PLACE
    text = _template().render(
        front=Written(_front(facts, publication, loading)),
        facts=facts,
        publication=publication,
        tables=tables_of(facts, loading),
        limits=limits_of(facts),
        configs=[said["config_name"] for said in loading["dataset_info"]],
        split=next(iter(facts["splits"])),
        repo=Written(repo),
        name=Written(repo.rpartition("/")[2]),
        address=Written(f"hf://datasets/{repo}"),
    )
    return _GAP.sub("\n\n", text).rstrip("\n") + "\n"


def _front(facts: Json, publication: Publication, loading: Json) -> str:
    licence = hub_licence(publication.licence)
    said = {
        "pretty_name": publication.title,
        "language": [publication.language.partition("-")[0]],
        "license": licence,
        **({"license_name": publication.licence} if licence == "other" and publication.licence else {}),
        "task_categories": ["image-text-to-text"],
        "tags": list(_TAGS),
        "size_categories": [_size(facts["counts"]["sentences"])],
        **loading,
    }
    return yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=120).rstrip("\n")


def _size(sentences: int) -> str:
    return next((name for bound, name in _SIZES if sentences < bound), "n>10M")


@cache
def _template() -> Template:
    try:
        from jinja2 import Environment, StrictUndefined
    except ModuleNotFoundError as error:
        raise MissingDependencyError.of("jinja2", "hub") from error

    def shown(value: object) -> str:
        # A None or a float that gets here is a defect of ours and must not reach a reader.
        if isinstance(value, Written):
            return value
        if isinstance(value, str):
            return plain(value)
        if type(value) is int:
            return number(value)
        raise TypeError(f"a card shows text, not {value!r}")

    # It makes markdown, not HTML: `shown` escapes both, which the engine's own escaping would not.
    made = Environment(
        autoescape=False,  # noqa: S701 - see above
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"code": code, "coded": coded, "fenced": fenced, "link": link, "listed": _listed, "prose": prose}
    return made.from_string(card_file(TEMPLATE).read_text(encoding="utf-8"))


def _listed(counts: Mapping[str, int]) -> Written:
    """Names with their counts, as in `one (3), another (1)`."""
    return Written(", ".join(f"{plain(name)} ({number(count)})" for name, count in counts.items() if count))
