"""The limits of a dataset that its own numbers show, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]

FEW_CLUSTERS = 100
"""With fewer clusters intervals are wide and few judges can be told apart."""
TENTATIVE = 0.667
"""Below this Krippendorff (2004, Content Analysis, 2nd ed., p. 241) would draw no conclusion from labels."""
_WHOLE = 0.99


def limits_of(facts: Json) -> list[str]:
    """One sentence a limit; none where the numbers show none."""
    counts = facts["counts"]
    return [
        *_images(counts),
        *_labels(counts),
        *_agreement(facts["agreement"]),
        *_clusters(counts),
        *_producers(facts["evaluation"]),
        *_controls(facts["evaluation"]),
        *_coverage(facts["evaluation"]),
    ]


def _images(counts: Json) -> Iterator[str]:
    if counts["images_missing"]:
        yield (
            f"{counts['images_missing']:,} of {counts['images']:,} images are not in the dataset, because they may not "
            "be passed on or could not be had; `image_key` and `url` say which they are. Their sentences cannot be "
            "judged without them: `alignbench attach-images` puts them in."
        )


def _labels(counts: Json) -> Iterator[str]:
    if counts["unlabelled"]:
        yield f"{counts['unlabelled']:,} of {counts['sentences']:,} sentences have no label, and count nowhere."
    if counts["unknown"]:
        yield (
            f"{counts['unknown']:,} of {counts['sentences']:,} sentences are `unknown`: the image, or those who "
            "labelled it, do not decide them. They are left out of every score."
        )
    if counts["incorrect_without_span"]:
        yield (
            f"{counts['incorrect_without_span']:,} of {counts['incorrect']:,} incorrect sentences have no span: they "
            "are known to be wrong, but not where."
        )


def _agreement(agreement: Json | None) -> Iterator[str]:
    alpha = agreement["krippendorff_alpha"] if agreement else None
    if alpha and alpha["value"] is not None and alpha["value"] < TENTATIVE:
        yield (
            f"Annotators agree little: Krippendorff's alpha is {alpha['value']:.3f}, below the {TENTATIVE} under which "
            "labels are commonly held to be too uncertain for conclusions."
        )


def _clusters(counts: Json) -> Iterator[str]:
    if counts["clusters"] < FEW_CLUSTERS:
        yield (
            f"There are only {counts['clusters']:,} independent clusters (source images, prompts): intervals are wide, "
            "and few judges can be told apart."
        )


def _producers(evaluation: Json | None) -> Iterator[str]:
    for name, size in (evaluation["producers"] if evaluation else {}).items():
        if not size["in_macro"]:
            yield (
                f"{name} has only {size['correct']:,} correct and {size['incorrect']:,} incorrect sentences, and is "
                "not in the mean over producers."
            )


def _controls(evaluation: Json | None) -> Iterator[str]:
    above = [
        f"{judge['name']} {judge['auroc']['value']:.3f}"
        for judge in (evaluation["judges"] if evaluation else ())
        if judge["control"] is not None and (judge["auroc"]["low"] or 0) > 0.5
    ]
    if above:
        yield (
            f"Controls that do not see the right image score above chance ({', '.join(above)}): part of the errors can "
            "be told from the words or their place alone. A judge has to beat them to have looked."
        )


def _coverage(evaluation: Json | None) -> Iterator[str]:
    for judge in evaluation["judges"] if evaluation else ():
        if judge["coverage"] < _WHOLE:
            yield f"{judge['name']} has a score for only {judge['coverage']:.1%} of the labelled sentences: no rank."
