"""Crowds of annotators whose honesty, skill and habits are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from alignbench.labelling.agreement.standing_votes import Frame, StandingVotes
from tests.oracles import BoolArray, FloatArray, IntArray

CORRECT, INCORRECT, UNKNOWN = range(3)
TEXT = "The small dog that sits on the red chair by the window looks at a ball."
SECOND = 1_000_000


@dataclass(frozen=True)
class Answers:
    """What every annotator of a crowd does with every sentence, (annotators, sentences) each.

    Attributes:
        cluster: (sentences,)
        truth: (sentences,)
        label: 0 correct, 1 incorrect, 2 unknown.
        time: In microseconds.
        seconds: How long each took.
        start: Where the mark of an incorrect one begins.
        end: Where it ends.
    """

    cluster: IntArray
    truth: IntArray
    label: IntArray
    time: IntArray
    seconds: FloatArray
    start: IntArray
    end: IntArray


def honest_crowd(
    seed: int,
    *,
    skills: Sequence[float] = (0.75, 0.78, 0.8, 0.82, 0.85, 0.8),
    images: int = 60,
    per_image: int = 5,
    wrong: float = 0.3,
    icc: float = 0.4,
) -> Answers:
    """Annotators who read: each is right as often as their skill says, less often on hard sentences.

    Images differ in how many of their sentences are wrong, sentences in how hard they are; who errs on an incorrect
    sentence says unknown now and then. Reading takes 10 s in the middle, log-normal with a spread of 0.6. Words are
    marked near the true place.
    """
    rng = np.random.default_rng(seed)
    n, annotators = images * per_image, len(skills)
    cluster = np.repeat(np.arange(images), per_image)
    strength = (1 - icc) / icc
    share = rng.beta(strength * wrong, strength * (1 - wrong), images)
    truth = (rng.random(n) < share[cluster]).astype(int)
    logit = np.log(np.array(skills) / (1 - np.array(skills)))[:, None] - rng.normal(0, 0.7, n) + 0.2
    right = rng.random((annotators, n)) < 1 / (1 + np.exp(-logit))
    label = np.where(right, truth, 1 - truth)
    label = np.where(~right & (rng.random(label.shape) < 0.2), UNKNOWN, label)
    seconds = rng.lognormal(np.log(10), 0.6, (annotators, n))
    begin = rng.integers(0, 10**6, (annotators, 1))
    time = ((begin + np.cumsum(seconds + rng.exponential(2, seconds.shape), axis=1)) * SECOND).astype(np.int64)
    place = rng.integers(0, len(TEXT) - 24, n)
    start = np.clip(place + rng.integers(-6, 7, label.shape), 0, None)
    end = start + rng.integers(3, 16, label.shape)
    return Answers(cluster, truth, label, time, seconds, start, end)


def with_cheat(answers: Answers, cheat: str, seed: int = 0) -> Answers:
    """The crowd with its last annotator replaced by one who does not read."""
    rng = np.random.default_rng(seed)
    label, time, seconds, start, end = (
        part.copy() for part in (answers.label, answers.time, answers.seconds, answers.start, answers.end)
    )
    n = label.shape[1]
    if cheat == "constant":
        label[-1] = CORRECT
    elif cheat == "random":
        label[-1] = rng.integers(0, 2, n)
    elif cheat == "copy":
        label[-1], start[-1], end[-1] = label[0], start[0], end[0]
        time[-1] = time[0] + 3600 * SECOND
    elif cheat == "hasty":
        seconds[-1] = 0.3
        time[-1] = time[-1, 0] + np.arange(n) * 300_000
    elif cheat == "untimed":
        seconds[-1] = np.nan
        time[-1] = time[-1, 0] + np.arange(n) * 300_000
    elif cheat == "same marks":
        start[-1], end[-1] = 0, len(TEXT)
    elif cheat == "gives up":
        label[-1, n // 2 :] = CORRECT
    return replace(answers, label=label, time=time, seconds=seconds, start=start, end=end)


def arrays_of(answers: Answers, keep: BoolArray | None = None) -> tuple[Frame, StandingVotes]:
    """The crowd as its label events would be read; (annotators, sentences) `keep` says who saw what."""
    annotators, n = answers.label.shape
    who, sentence = np.nonzero(np.ones((annotators, n), bool) if keep is None else keep)
    label = answers.label[who, sentence]
    marked = np.flatnonzero(label == INCORRECT)
    kinds = np.zeros((who.size, 9), bool)
    kinds[marked, 0] = True
    votes = StandingVotes(
        annotators=tuple(f"annotator-{place}" for place in range(annotators)),
        sentence=sentence,
        annotator=who,
        label=label,
        time=answers.time[who, sentence],
        seconds=answers.seconds[who, sentence],
        kinds=kinds,
        mark_vote=marked,
        mark_start=answers.start[who, sentence][marked],
        mark_end=answers.end[who, sentence][marked],
        mark_kind=np.zeros(marked.size, int),
    )
    frame = Frame(
        sentence_ids=pa.array([str(place) for place in range(n)]),
        text=pa.chunked_array([[TEXT] * n]),
        producer=np.zeros(n, int),
        producers=("producer",),
        cluster=answers.cluster,
        stratum=np.zeros(int(answers.cluster.max()) + 1, int),
        counts=np.zeros((n, 3), int),
        published=np.full(n, np.nan),
    )
    return frame, votes
