"""The offline world as the pipeline wants it: a source of images, a writer of prompts, a labeller of sentences."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Self

from alignbench.errors import RecipeError, UsageError
from alignbench.store import image_of
from alignbench.types import Image, Origin, Pair, Sentence
from generation.protocols import Labelled, Prompt, Site
from generation.scenes.labeller import judge_sentence
from generation.scenes.render import render
from generation.scenes.world import Scene, random_scene
from generation.scenes.writer import describe

_FEWEST_THINGS = 2
_MOST_PROMPTED = 3


class ScenesSource:
    """Rendered scenes of two to four things; the scene stands in the image's provenance."""

    @classmethod
    def from_options(cls, site: Site) -> Self:  # noqa: ARG003 - the protocol
        """The source; it has no options."""
        return cls()

    def images(self, count: int | None, seed: int) -> Iterator[Image]:
        """Yield `count` different scenes of the seed; there is no end to them, so that there has to be a count."""
        made: set[str | None] = set()
        rng = random.Random(f"source/{seed}")
        while len(made) < _counted(count):
            scene = random_scene(rng, _FEWEST_THINGS)
            provenance = {"scene": scene.to_json(), "domain": domain_of(scene)}
            image = image_of(
                render(scene), source="scenes", origin=Origin.GENERATED, licence="CC0-1.0", provenance=provenance
            )
            if image.sha256 not in made:
                made.add(image.sha256)
                yield image


class ScenesPrompts:
    """Truthful descriptions of scenes of two or three things, few enough that each thing is named with its place."""

    @classmethod
    def from_options(cls, site: Site) -> Self:  # noqa: ARG003 - the protocol
        """The writer; it has no options."""
        return cls()

    def prompts(self, count: int | None, seed: int) -> Iterator[Prompt]:
        """Yield `count` different prompts of the seed; there is no end to them, so that there has to be a count."""
        made: set[str] = set()
        rng = random.Random(f"prompts/{seed}")
        while len(made) < _counted(count):
            scene = random_scene(rng, _FEWEST_THINGS, _MOST_PROMPTED)
            text = " ".join(statement.text for statement in describe(scene, rng))
            if text not in made:
                made.add(text)
                yield Prompt(text, {"scene": scene.to_json(), "domain": domain_of(scene)})


class ScenesLabeller:
    """Exact labels: each sentence is decided against the scene in the image's provenance."""

    def label(self, image: Image, pair: Pair, sentences: Sequence[Sentence]) -> Labelled:
        """Label the sentences; a true sentence in place of each incorrect one goes to `corrections` by its index.

        Raises:
            RecipeError: The image is no scene.
        """
        if "scene" not in image.provenance:
            raise RecipeError(
                f"the labeller 'scenes' decides sentences about scenes, and the image {image.image_key} of the pair "
                f"{pair.pair_id} is none; take the labeller out of the recipe, and let people label"
            )
        scene = Scene.from_json(image.provenance["scene"])
        labelled, corrections = [], {}
        for sentence in sentences:
            found = judge_sentence(scene, sentence.text)
            labelled.append(replace(sentence, label=found.label, error_types=found.error_types, spans=found.spans))
            if found.correction is not None:
                corrections[str(sentence.index)] = found.correction
        return Labelled(labelled, {"corrections": corrections})


def domain_of(scene: Scene) -> str:
    """What a scene is about: signs, arrows, both, or shapes alone."""
    kinds = {thing.kind for thing in scene.things}
    present = [f"{kind}s" for kind in ("arrow", "sign") if kind in kinds]
    return " and ".join(present) or "shapes"


def _counted(count: int | None) -> int:
    if count is None:
        raise UsageError("there is no end to scenes; say how many under `count`")
    return count
