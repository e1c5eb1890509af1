"""Writes the held-out probe of the embedded models: a dataset of contrasts, one producer an error type.

    python -m generation.scenes.probe --out PROBE
    alignbench judge PROBE --judge scenes-a --judge ngram --out RUNS
    alignbench evaluate PROBE RUNS --out REPORT

Every text is once true and once false, every image has one true and one false sentence, and each comes first as often
as the other: a judge that looks at the words, the image or the order alone scores one half by construction.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

from alignbench.store import DatasetWriter, image_of, sentence_id_of
from alignbench.types import Direction, ErrorType, Image, ModelRef, Origin, Pair, Sentence
from generation.scenes.contrast import CONTRAST_TYPES, Contrast, draw_contrast
from generation.scenes.labeller import judge_sentence
from generation.scenes.render import render
from generation.scenes.world import Scene

CONTRASTS = 500


def probe_contrasts(error_type: ErrorType, count: int) -> Iterator[Contrast]:
    """The first `count` contrasts of the probe, from a stream that no training draws from."""
    for number in range(count):
        yield draw_contrast(error_type, random.Random(f"probe/{error_type}/{number}"))


def write_probe(out: Path, contrasts: int = CONTRASTS) -> None:
    """Write the probe with that many contrasts a type, so twice as many incorrect sentences.

    Raises:
        DatasetError: `out` exists.
        StorageError: The disk refused a write.
    """
    with DatasetWriter(out, name="scenes-probe") as writer:
        for error_type in CONTRAST_TYPES:
            for number, contrast in enumerate(probe_contrasts(error_type, contrasts)):
                cluster = f"{error_type}-{number}"
                for side, scene in (("first", contrast.first), ("second", contrast.second)):
                    image = _image(scene)
                    writer.add_image(image)
                    writer.add_pair(*_pair(f"{cluster}-{side}", cluster, image, scene, contrast))


def _image(scene: Scene) -> Image:
    provenance = {"scene": scene.to_json()}
    return image_of(
        render(scene), source="scenes-probe", origin=Origin.GENERATED, licence="CC0-1.0", provenance=provenance
    )


def _pair(pair_id: str, cluster: str, image: Image, scene: Scene, contrast: Contrast) -> tuple[Pair, list[Sentence]]:
    producer = ModelRef(contrast.error_type.value, family="contrast")
    texts = (contrast.first_text, contrast.second_text)
    caption = " ".join(texts)
    pair = Pair(pair_id, image.image_key, caption, producer, Direction.IMAGE_TO_TEXT, None, cluster)
    sentences, at = [], 0
    for index, text in enumerate(texts):
        found = judge_sentence(scene, text)
        place = (index, at, at + len(text), text, found.label, found.error_types, found.spans)
        sentences.append(Sentence(sentence_id_of(pair_id, index), pair_id, *place))
        at += len(text) + 1
    return pair, sentences


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--contrasts", type=int, default=CONTRASTS, help="contrasts a type (default: %(default)s)")
    given = parser.parse_args()
    write_probe(given.out, given.contrasts)


if __name__ == "__main__":
    main()
