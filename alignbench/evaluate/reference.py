"""What the results say of a published table."""

from __future__ import annotations

from typing import Any

import numpy as np

from alignbench.analysis.normalisation import normalised
from alignbench.literature import ReferenceTable, read_reference
from alignbench.literature.tables import PublishedRatios
from alignbench.metrics import FloatArray


def reference_entry(name: str) -> dict[str, Any]:
    """A published table, to be laid beside the judges of the results: producers of one name belong together.

    Args:
        name: Of the table.

    Returns:
        `name`, `title`, `source`, `note` and `producers` of the table, and
        `judges`: `[{"name", "parameters", "label", "published": true, "by_producer": {producer: AUROC}, "average",
        "self_producer"}]`, the label being the name with the size, which no two share;
        `normalised`: `{label: {producer: ratio}}`, computed from the table;
        `published_normalised`: `[{"judge": label, "producer", "published", "recomputed"}]`, or null where none were
        published; `recomputed` is null where the table does not have the captions, so that the ratio is published only;
        `deviations`: `[{"judge": label, "printed", "mean"}]`, averages that are not those of their row.

    Raises:
        UnknownNameError: There is no such table.
    """
    table = read_reference(name)
    ratios = normalised(table.aurocs, np.ones(len(table.producers), np.bool_))
    return {
        "name": table.name,
        "title": table.title,
        "source": f"arXiv {table.arxiv}; {table.source}",
        "note": table.note,
        "producers": list(table.producers),
        "judges": [
            {
                "name": row.name,
                "parameters": row.parameters,
                "label": row.label,
                "published": True,
                "by_producer": _by_producer(table, aurocs),
                "average": row.average,
                "self_producer": row.self_producer,
            }
            for row, aurocs in zip(table.judges, table.aurocs, strict=True)
        ],
        "normalised": {
            row.label: _by_producer(table, values) for row, values in zip(table.judges, ratios, strict=True)
        },
        "published_normalised": None if table.ratios is None else _beside(table.ratios, table, ratios),
        "deviations": [
            {"judge": row.label, "printed": row.average, "mean": float(aurocs.mean())}
            for row, aurocs, deviates in zip(table.judges, table.aurocs, table.deviating(), strict=True)
            if deviates
        ],
    }


def _by_producer(table: ReferenceTable, values: FloatArray) -> dict[str, float]:
    return dict(zip(table.producers, values.tolist(), strict=True))


def _beside(printed: PublishedRatios, table: ReferenceTable, ratios: FloatArray) -> list[dict[str, Any]]:
    row = {judge.label: place for place, judge in enumerate(table.judges)}
    column = {producer: place for place, producer in enumerate(table.producers)}
    return [
        {
            "judge": judge,
            "producer": producer,
            "published": float(value),
            "recomputed": float(ratios[row[judge], column[producer]]) if producer in column else None,
        }
        for judge, values in zip(printed.judges, printed.values, strict=True)
        for producer, value in zip(printed.producers, values, strict=True)
    ]
