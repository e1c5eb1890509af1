"""How many errors planted by rules are true after all, as the offline world's exact labeller decides; one JSON line.

Every change that the rules offer is planted into true descriptions of random scenes: as they are, and with the definite
article taken at its word (`inject --definite`). Sentences beyond the world's grammar, as most texts are, cannot be
decided and are counted. Added sentences, which any caption can carry, are left out: the world knows no walrus.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from alignbench.text import split_sentences
from alignbench.types import ErrorType, Label
from generation.injection.plant import Caption, Planted, plant
from generation.injection.rules import RULES, changes
from generation.scenes.labeller import judge_sentence
from generation.scenes.world import Scene, random_scene
from generation.scenes.writer import describe

TYPES = tuple(each for each in RULES if each is not ErrorType.ILLUSION)
GOAL = 0.0


class Found(NamedTuple):
    """What the labeller says of the sentences with a planted error, by type; `agreed` on type and place."""

    labels: Counter[tuple[ErrorType, Label]]
    agreed: int

    def count(self, label: Label) -> int:
        """How many sentences have a label."""
        return sum(n for (_, found), n in self.labels.items() if found is label)


def described(rng: random.Random) -> tuple[Scene, Caption]:
    """A random scene and a true description of it."""
    scene = random_scene(rng)
    text = " ".join(statement.text for statement in describe(scene, rng))
    ranges = tuple(split_sentences(text))
    return scene, Caption(text, ranges, (True,) * len(ranges))


def planted_in(caption: Caption, *, definite: bool) -> Iterator[Planted]:
    """Every change of a caption, planted; those after which it falls into other sentences are dropped, as ever."""
    for found in changes(caption, TYPES, definite=definite).values():
        for index, edit in found:
            planted = plant(caption, index, edit)
            if planted is not None:
                yield planted


def decide(captions: int, seed: int, *, definite: bool) -> Found:
    """What becomes of all changes of so many descriptions."""
    rng, labels, agreed = random.Random(seed), Counter[tuple[ErrorType, Label]](), 0
    for _ in range(captions):
        scene, caption = described(rng)
        for planted in planted_in(caption, definite=definite):
            judged = judge_sentence(scene, planted.text[slice(*planted.ranges[planted.index])])
            labels[planted.error_type, judged.label] += 1
            agreed += judged.error_types == (planted.error_type,) and any(
                max(span.start, planted.span.start) < min(span.end, planted.span.end) for span in judged.spans
            )
    return Found(labels, agreed)


def main() -> int:
    """Print the counts and the JSON line; 1 where a rule that is to be certain is not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer descriptions")
    captions = 300 if parser.parse_args().quick else 1500
    detail = {}
    for name, definite in (("strict", False), ("definite", True)):
        found = decide(captions, seed=4, definite=definite)
        true, false = found.count(Label.CORRECT), found.count(Label.INCORRECT)
        detail[name] = {
            "decided": true + false,
            "true": true,
            "agreed": found.agreed,
            "undecided": found.count(Label.UNKNOWN),
            "true_by_type": {t.value: found.labels[t, Label.CORRECT] for t in TYPES},
            "false_by_type": {t.value: found.labels[t, Label.INCORRECT] for t in TYPES},
        }
        print(
            f"{name}: of {true + false:,} planted sentences that can be decided, in {captions:,} descriptions, "
            f"{true:,} are true; type and place are the labeller's in {found.agreed:,} of {false:,}; "
            f"{found.count(Label.UNKNOWN):,} are beyond the grammar"
        )
    share = detail["strict"]["true"] / detail["strict"]["decided"]
    print(json.dumps({"benchmark": "injection", "ratio": share, "goal": GOAL, "max_abs_diff": None, "detail": detail}))
    return int(share > GOAL)


if __name__ == "__main__":
    sys.exit(main())
