"""`alignbench label agreement`: how far annotators agree, and what is known of each."""

from __future__ import annotations

from pathlib import Path

import click

from alignbench.cli.arguments import PATH, resampling_options
from alignbench.cli.output import aligned, json_option, say


@click.command()
@click.argument("dataset", type=PATH)
@click.option("--out", type=PATH, metavar="DIR", help="Write all of it to this folder, too.")
@resampling_options
@json_option
def agreement(*, dataset: Path, out: Path | None, seed: int, replicates: int, as_json: bool) -> None:
    """Tell how far the annotators of DATASET agree: on labels, error types and marked words.

    Fleiss' kappa and Krippendorff's alpha of all sentences, of each producer and each error type; the character F1 of
    marked words; then every annotator's labels, speed and agreement with the others, and what looks suspicious. With
    --out: agreement.json, annotators.csv, and fleiss_by_model.csv and fleiss_per_item.csv as AlignBench published them.
    """
    from alignbench.labelling.agreement.report import report_of
    from alignbench.report import agreement as report
    from alignbench.store import Dataset

    found = report_of(Dataset.open(dataset), seed=seed, replicates=replicates)
    said, annotators = found.said["agreement"], found.said["annotators"]
    lines = [report.NOTHING] if said is None else [*aligned(report.agreement_rows(said)), *report.agreement_notes(said)]
    if annotators:
        lines += ["", *aligned(report.annotator_rows(annotators)), *report.suspicion_lines(annotators)]
    if out is not None:
        found.write(out)
        lines += [f"written to {out}"]
    say(found.said, lines, as_json=as_json)
