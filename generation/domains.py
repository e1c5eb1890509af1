"""Groups images by what a CLIP model sees, and draws as many of each group."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from alignbench.decode import decode
from alignbench.errors import ImageError, RecipeError, UsageError
from alignbench.types import Image, Status
from generation.clip_model import load_beside
from generation.protocols import Unusable
from generation.quota import Lot, draw
from generation.recipe import Domains

if TYPE_CHECKING:
    from torch import Tensor

    from alignbench.backends.clip import Clip

_PREPARED = 8
_STARTS, _MOST_ROUNDS = 4, 300


@dataclass(frozen=True, slots=True)
class _Seen:
    """Images without their bytes, in the order of their keys, the unit vector of each, and those without one."""

    images: list[Image] = field(default_factory=list)
    vectors: list[NDArray[np.float32]] = field(default_factory=list)
    unusable: list[Unusable] = field(default_factory=list)


def draw_domains(
    images: Iterable[Image], choice: Domains, count: int | None, seed: int, recipe_folder: Path = Path()
) -> tuple[list[Image], Mapping[str, Any]]:
    """Group images into domains by k-means, and draw `count` of them, as many of each domain.

    What a domain lacks is spread evenly over the others; a null count, or one above what there is, draws all. The
    domains are `domain-01`, `domain-02` and so on, the largest first. The result depends on the images, not on their
    order: each goes through the model alone, and k-means runs on one thread over images sorted by their keys. Another
    kind of device or other versions of the libraries round otherwise, and may put an image between two domains into the
    other one.

    Args:
        images: With their bytes, which are let go as soon as the model has seen them.
        choice: How many domains, and by which model.
        count: How many images to draw.
        seed: Of the first centres and of the draw.
        recipe_folder: Where a relative path of a `local-dir:` model begins.

    Returns:
        The images drawn in the order of their keys, without bytes, their domain in the provenance as `domain`; and what
        is to be recorded, as JSON values: the model, the sizes before and after, the inertia, what could not be used.

    Raises:
        RecipeError: There are fewer images, or images that differ, than domains.
        UsageError: The model cannot be loaded, or gives no numbers.
        MissingDependencyError: open_clip is not installed.
    """
    clip = load_beside(recipe_folder, choice.model, choice.revision)
    seen = _see(clip, images, choice.model)
    grouped = _group(seen, choice.count, seed)
    names = _named(grouped.labels_, choice.count)
    domains = [names[label] for label in grouped.labels_]
    lots = [Lot(image.image_key, domain, "") for image, domain in zip(seen.images, domains, strict=True)]
    places = draw(lots, count, seed)
    record = {
        "count": choice.count,
        "seed": seed,
        "model": _model(clip, choice.model),
        "k_means": {"starts": _STARTS, "rounds": int(grouped.n_iter_), "inertia": float(grouped.inertia_)},
        "images": {"before": len(domains), "after": len(places)},
        "sizes": _sizes(domains, places),
        "unusable": [asdict(each) for each in seen.unusable],
        "versions": {name: version(name) for name in ("open_clip_torch", "scikit-learn", "torch")},
    }
    return [_placed(seen.images[place], domains[place]) for place in places], record


def _see(clip: Clip, images: Iterable[Image], model: str) -> _Seen:
    """Encode every image once; of two with one key the first counts."""
    from alignbench.backends.clip.images import encode_pixels, in_blocks, prepared_ahead, workers_by_default

    def prepare(image: Image) -> Tensor:
        pixels: Tensor = clip.prepare(decode(image.bytes or b""))
        return pixels

    found: dict[str, tuple[Image, NDArray[np.float32] | None, str]] = {}
    for block in prepared_ahead(in_blocks(images, _PREPARED), prepare, workers_by_default()):
        for image, error in block.failed:
            if not isinstance(error, ImageError):
                raise error
            found.setdefault(image.image_key, (replace(image, bytes=None), None, str(error)))
        for image, pixels in zip(block.ready, block.pixels, strict=True):
            if image.image_key not in found:
                (vector,) = encode_pixels(clip, [pixels])
                if not np.isfinite(vector).all():
                    raise UsageError(f"the CLIP model {model} makes no numbers of images; choose another under domains")
                found[image.image_key] = (replace(image, bytes=None), vector, "")
    seen = _Seen()
    for _, (image, vector, reason) in sorted(found.items()):
        if vector is None:
            seen.unusable.append(Unusable(image.image_key, Status.IMAGE_UNREADABLE, reason))
        else:
            seen.images.append(image)
            seen.vectors.append(vector)
    return seen


def _group(seen: _Seen, count: int, seed: int) -> Any:
    """The fitted k-means of the images' vectors, with exactly `count` groups."""
    if len(seen.images) < count:
        raise RecipeError(
            f"images.domains.count is {count}, but there are {len(seen.images)} images that can be used; "
            f"set it to at most {len(seen.images)}, or add images"
        )
    vectors = np.stack(seen.vectors)
    grouping = KMeans(count, init="k-means++", n_init=_STARTS, max_iter=_MOST_ROUNDS, random_state=seed % 2**32)
    # More than one thread would add up the vectors of a group in an order of their own.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = grouping.fit(vectors)
    if (found := len(np.unique(fitted.labels_))) < count:
        raise RecipeError(
            f"images.domains.count is {count}, but the model tells only {found} groups of these images apart; "
            f"set it to at most {found}, or add images that differ more"
        )
    return fitted


def _named(labels: NDArray[np.int32], count: int) -> dict[int, str]:
    """A name for each group: the largest is the first, and of equals the one with the first image."""
    sizes = Counter(labels.tolist())
    first = {label: labels.tolist().index(label) for label in sizes}
    order = sorted(sizes, key=lambda label: (-sizes[label], first[label]))
    digits = max(2, len(str(count)))
    return {label: f"domain-{place:0{digits}}" for place, label in enumerate(order, 1)}


def _model(clip: Clip, reference: str) -> dict[str, str | None]:
    from alignbench.backends.loading import told_of

    ref = {"reference": reference, "name": clip.ref.name, "revision": clip.ref.revision}
    return ref | {"dtype": clip.dtype} | told_of(clip.device)


def _sizes(domains: Sequence[str], places: Sequence[int]) -> dict[str, dict[str, int]]:
    before, after = Counter(domains), Counter(domains[place] for place in places)
    return {name: {"before": before[name], "after": after[name]} for name in sorted(before)}


def _placed(image: Image, domain: str) -> Image:
    """The image with its domain; what its source called so is kept as `source_domain`."""
    told = dict(image.provenance)
    if "domain" in told:
        told["source_domain"] = told["domain"]
    return replace(image, provenance={**told, "domain": domain})
