"""What the Hub calls a licence, and what those who use what is under it must be told."""

from __future__ import annotations

from functools import cache

from alignbench.publish.terms.licences import Licence, LicenceTable
from alignbench.types import ModelRef

HUB = frozenset(
    """
    apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
    afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5
    cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
    cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
    cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0
    lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl apple-ascl apple-amlr mpl-2.0 odc-by odbl
    openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr deepfloyd-if-license
    fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 grok2-community gemma
    """.split()
)
"""The ids that its cards take (https://huggingface.co/docs/hub/repositories-licenses)."""
_OTHER, _UNKNOWN = "other", "unknown"


def hub_licence(licence: str | None) -> str:
    """The Hub's id of a licence: `other` where it has none, `unknown` where the licence is not known."""
    if licence is None:
        return _UNKNOWN
    found = known(licence)
    name = (found.hub or found.name) if found else licence.lower()
    return name if name in HUB else _OTHER


def known(licence: str | None) -> Licence | None:
    """The licence of the shipped table that goes by this id, name or address; null where none does."""
    return _table().find(licence)


def licence_of(model: ModelRef) -> Licence | None:
    """The licence or terms that a model is known to be under; null where nobody said."""
    return _table().of_model(model)


@cache
def _table() -> LicenceTable:
    return LicenceTable.shipped()
