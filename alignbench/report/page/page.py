"""Puts the page together: one file that asks nobody for anything and runs nothing but its own script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence

from alignbench.evaluate import Evaluation
from alignbench.report.figures import Drawn
from alignbench.report.leaderboard import title
from alignbench.report.page import facts
from alignbench.report.page.browser import browse
from alignbench.report.page.headline import headline
from alignbench.report.page.sections import sections
from alignbench.report.page.templates import HERE, environment
from alignbench.report.table import Table

LIMIT = 200


def page(evaluation: Evaluation, drawn: Sequence[Drawn], tables: Mapping[str, Table], limit: int = LIMIT) -> str:
    """The report as one HTML document; the same arguments give the same text.

    Args:
        evaluation: What is reported.
        drawn: Figures; their SVG goes in as it is, everything else is escaped.
        tables: Tables by name.
        limit: How many sentences its browser holds at most.

    Raises:
        MissingDependencyError: jinja2 is not installed.
        DatasetError: The dataset cannot be read.
    """
    results = evaluation.results
    style, script = (_source(name) for name in ("page.css", "page.js"))
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            policy=_policy(style, script),
            style=style,
            script=script,
            title=title(results),
            dataset=results["dataset"],
            headline=headline(results),
            counts=facts.counts(results),
            sections=sections(results, drawn, tables),
            browser=browse(evaluation, limit),
            identities=facts.identities(evaluation.judged),
            left_out=facts.left_out(results),
            signature=facts.signature(results),
            reference=results.get("reference"),
        )
    )


def _source(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """The content-security-policy: what is not one of these two texts or a picture in the page itself does not run."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
