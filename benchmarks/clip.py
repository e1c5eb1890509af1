"""Times the CLIP judge against scoring pair by pair, as torchmetrics' CLIPScore does, on one model and its pictures."""

from __future__ import annotations

import argparse
import io
import json
import statistics
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import open_clip
import torch
from PIL import Image as Pillow

from alignbench.backends.clip.load import Clip
from alignbench.decode import decode
from alignbench.types import ModelRef, Query
from judges.clip import ClipJudge

ARCHITECTURE = "ViT-B-32"
SIDE = 1024
# Table 1 of arXiv 2511.20515 has 5.55 sentences a caption; 16 words and a full stop are about 22 tokens.
SENTENCES, WORDS = 5.55, 16
GOAL, AGREE = 4, 1e-6
_VOCABULARY = (
    "a the of on in with and to is are left right front behind small large wooden metal red blue green white dark "
    "table window street building person man woman child dog car tree sign bottle plate shirt hat light shadow "
    "holding standing sitting wearing looking placed visible slightly several two three background foreground"
).split()


class Round(NamedTuple):
    """Processor seconds of both ways over the same queries, and the largest difference of a cosine."""

    pairwise: float
    alignbench: float
    max_abs_diff: float


def random_clip() -> Clip:
    """The real architecture with random weights."""
    torch.manual_seed(0)
    model, _, prepare = open_clip.create_model_and_transforms(ARCHITECTURE)
    tokenizer = open_clip.get_tokenizer(ARCHITECTURE)
    return Clip(model.eval(), prepare, tokenizer, ModelRef(ARCHITECTURE), "float32", "cpu", "")


def photograph_like(rng: np.random.Generator) -> bytes:
    """A JPEG of `SIDE` x `SIDE` pixels: soft colours with some grain."""
    coarse = Pillow.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).resize((SIDE, SIDE))
    grain = rng.normal(0, 4, (SIDE, SIDE, 1))
    encoded = io.BytesIO()
    Pillow.fromarray(np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8)).save(encoded, "JPEG", quality=90)
    return encoded.getvalue()


def caption_like(rng: np.random.Generator) -> tuple[str, ...]:
    """The sentences of a caption."""
    lengths = np.clip(rng.normal(WORDS, 5, 1 + rng.binomial(9, (SENTENCES - 1) / 9)), 4, 40).astype(int)
    return tuple(" ".join(rng.choice(_VOCABULARY, length)) + "." for length in lengths)


@torch.inference_mode()
def pair_by_pair(clip: Clip, queries: Sequence[Query]) -> list[float]:
    """The cosine of every pair, each with its own image and a full row of 77 columns, an image's pairs in a batch.

    The picture is decoded once an image, which torchmetrics leaves to its user.
    """
    scores = []
    for query in queries:
        picture = decode(query.image)
        pixels = torch.stack([clip.prepare(picture) for _ in query.sentences])
        images = clip.model.encode_image(pixels, normalize=True)
        texts = clip.model.encode_text(clip.tokenizer(list(query.sentences)), normalize=True)
        scores += (images * texts).sum(1).tolist()
    return scores


def judged(judge: ClipJudge, queries: Sequence[Query]) -> list[float]:
    """The scores of the judge, in the order of the queries and their sentences."""
    answers = sorted(judge.judge(queries), key=lambda answer: answer[:2])
    return [answer.verdict.score for answer in answers if answer.verdict.score is not None]


def race(clip: Clip, queries: Sequence[Query]) -> Round:
    """Both ways over the same queries; a new judge remembers nothing."""
    judge = ClipJudge(clip, workers=1)
    began = time.process_time()
    expected = pair_by_pair(clip, queries)
    between = time.process_time()
    found = judged(judge, queries)
    ended = time.process_time()
    return Round(between - began, ended - between, float(np.abs(np.subtract(expected, found)).max()))


def main() -> int:
    """Run some rounds; 1 where the goal is missed or a cosine differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute")
    images, rounds = (16, 1) if parser.parse_args().quick else (24, 5)
    torch.set_num_threads(1)
    clip, rng = random_clip(), np.random.default_rng(0)
    queries = [Query(number, photograph_like(rng), caption_like(rng)) for number in range(images)]
    race(clip, queries[:1])  # what happens only once is not timed
    found = [race(clip, queries) for _ in range(rounds)]
    sentences = sum(len(query.sentences) for query in queries)
    ratio = statistics.median(each.pairwise / each.alignbench for each in found)
    differs = max(each.max_abs_diff for each in found)
    print(f"{ratio:.2f} times pair by pair, goal {GOAL}; cosines differ by at most {differs:.1e}, allowed {AGREE}")
    detail = {
        "architecture": ARCHITECTURE,
        "images": images,
        "sentences": sentences,
        "rounds": rounds,
        "pairwise_ms": round(1e3 * statistics.median(each.pairwise for each in found) / sentences, 1),
        "alignbench_ms": round(1e3 * statistics.median(each.alignbench for each in found) / sentences, 1),
    }
    summary = {"benchmark": "clip", "ratio": round(ratio, 2), "goal": GOAL, "max_abs_diff": differs, "detail": detail}
    print(json.dumps(summary))
    return int(ratio < GOAL or differs > AGREE)


if __name__ == "__main__":
    raise SystemExit(main())
