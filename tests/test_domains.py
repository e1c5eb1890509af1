"""Domains: groups of like images, and a draw that gives each as many."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from safetensors.torch import load_file, save_file
from sklearn.metrics import adjusted_rand_score

from alignbench.backends.clip import encode_images, load_clip
from alignbench.decode import decode
from alignbench.errors import RecipeError, UsageError
from alignbench.store import image_of
from alignbench.types import Image, Origin
from generation.domains import draw_domains
from generation.recipe import Domains
from tests.tiny_models import make_clip, png

COLOURS = ("red", "lime", "blue")
SIZES = {"red": 12, "lime": 6, "blue": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("models") / "tiny-clip")


@pytest.fixture(scope="module")
def images() -> list[Image]:
    """Pictures of three colours with a little grain, unlike numbers of each."""
    rng, found = np.random.default_rng(0), []
    for colour in COLOURS:
        for _ in range(SIZES[colour]):
            plain = np.asarray(Pillow.new("RGB", (40, 40), colour), np.float64)
            picture = Pillow.fromarray((plain + rng.normal(0, 9, plain.shape)).clip(0, 255).astype(np.uint8))
            found.append(image_of(png(picture), source="test", origin=Origin.REAL, provenance={"colour": colour}))
    random.Random(1).shuffle(found)
    return found


def chosen(folder: Path, count: int = 3) -> Domains:
    return Domains(count=count, model=f"local-dir:{folder}")


def domains_of(images: list[Image]) -> dict[str, str]:
    return {image.image_key: image.provenance["domain"] for image in images}


def test_like_images_share_a_domain_and_the_largest_is_the_first(folder: Path, images: list[Image]) -> None:
    drawn, record = draw_domains(images, chosen(folder), None, 0)
    assert len(drawn) == len(images)
    assert {image.provenance["colour"]: image.provenance["domain"] for image in drawn} == {
        "red": "domain-01",
        "lime": "domain-02",
        "blue": "domain-03",
    }
    assert record["sizes"] == {
        "domain-01": {"before": 12, "after": 12},
        "domain-02": {"before": 6, "after": 6},
        "domain-03": {"before": 3, "after": 3},
    }
    assert [image.image_key for image in drawn] == sorted(image.image_key for image in images)
    assert all(image.bytes is None for image in drawn)


@pytest.mark.parametrize(
    ("count", "sizes"),
    [
        (3, [1, 1, 1]),
        (9, [3, 3, 3]),
        (13, [5, 5, 3]),
        (15, [6, 6, 3]),
        (19, [10, 6, 3]),
        (21, [12, 6, 3]),
        (99, [12, 6, 3]),
    ],
)
def test_what_a_domain_lacks_is_spread_over_the_others(
    folder: Path, images: list[Image], count: int, sizes: list[int]
) -> None:
    drawn, record = draw_domains(images, chosen(folder), count, 0)
    found = Counter(image.provenance["domain"] for image in drawn)
    assert [found[f"domain-0{place}"] for place in (1, 2, 3)] == sizes
    assert record["images"] == {"before": 21, "after": sum(sizes)}
    assert [each["after"] for each in record["sizes"].values()] == sizes


@pytest.mark.parametrize(("count", "sizes"), [(10, [3, 3, 4]), (11, [3, 4, 4]), (16, [3, 6, 7])])
def test_a_rest_goes_to_domains_that_have_more(folder: Path, images: list[Image], count: int, sizes: list[int]) -> None:
    drawn, _ = draw_domains(images, chosen(folder), count, 0)
    assert sorted(Counter(image.provenance["domain"] for image in drawn).values()) == sizes


def test_the_order_of_the_images_changes_nothing(folder: Path, images: list[Image]) -> None:
    first = draw_domains(images, chosen(folder, 5), 11, 7)
    for seed in range(3):
        again = random.Random(seed).sample(images, len(images))
        assert draw_domains(iter(again), chosen(folder, 5), 11, 7) == first
    assert draw_domains([*images, *images], chosen(folder, 5), 11, 7) == first


def test_another_seed_draws_others(folder: Path, images: list[Image]) -> None:
    drawn = [frozenset(domains_of(draw_domains(images, chosen(folder), 9, seed)[0])) for seed in (0, 1, 2**63 - 1)]
    assert len(set(drawn)) == 3


def test_the_groups_are_those_of_k_means_over_the_vectors(folder: Path, images: list[Image]) -> None:
    drawn, record = draw_domains(images, chosen(folder), None, 0)
    by_key = {image.image_key: decode(image.bytes or b"") for image in images}
    clip = load_clip(f"local-dir:{folder}")
    vectors = encode_images(clip, (by_key[image.image_key] for image in drawn))
    labels = [image.provenance["domain"] for image in drawn]
    centres = {name: vectors[[label == name for label in labels]].mean(0) for name in set(labels)}
    nearest = [min(centres, key=lambda name, at=at: float(((at - centres[name]) ** 2).sum())) for at in vectors]
    assert adjusted_rand_score(labels, nearest) == 1
    inertia = sum(((at - centres[label]) ** 2).sum() for at, label in zip(vectors, labels, strict=True))
    assert record["k_means"]["inertia"] == pytest.approx(inertia, rel=1e-4)


def test_the_record_says_how_the_domains_came_about(folder: Path, images: list[Image]) -> None:
    _, record = draw_domains(images, chosen(folder), 9, 4)
    ref = load_clip(f"local-dir:{folder}").ref
    assert (record["count"], record["seed"], record["unusable"]) == (3, 4, [])
    assert record["model"] == {
        "reference": f"local-dir:{folder}",
        "name": "tiny-clip",
        "revision": ref.revision,
        "dtype": "float32",
        "device": torch.device("cuda" if torch.cuda.is_available() else "cpu").type,
    } | {key: value for key, value in record["model"].items() if key == "device_name"}
    assert set(record["versions"]) == {"open_clip_torch", "scikit-learn", "torch"}
    assert json.loads(json.dumps(record)) == record


def test_a_relative_model_begins_at_the_recipes_folder(folder: Path, images: list[Image]) -> None:
    relative = Domains(count=3, model=f"local-dir:{folder.name}")
    drawn, record = draw_domains(images, relative, 9, 0, folder.parent)
    assert drawn == draw_domains(images, chosen(folder), 9, 0)[0]
    assert record["model"]["reference"] == "local-dir:tiny-clip"
    with pytest.raises(UsageError, match="cannot be loaded as a CLIP model"):
        draw_domains(images, relative, 9, 0, folder)


def test_what_a_source_calls_a_domain_is_kept(folder: Path, images: list[Image]) -> None:
    named = [replace(image, provenance={**image.provenance, "domain": "street"}) for image in images]
    drawn, _ = draw_domains(named, chosen(folder), 3, 0)
    assert {image.provenance["source_domain"] for image in drawn} == {"street"}
    assert {image.provenance["domain"] for image in drawn} == {"domain-01", "domain-02", "domain-03"}


def test_names_have_as_many_digits_as_they_need(folder: Path) -> None:
    rng = np.random.default_rng(0)
    noise = [Pillow.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)) for _ in range(100)]
    images = [image_of(png(picture), source="test", origin=Origin.REAL) for picture in noise]
    drawn, _ = draw_domains(images, chosen(folder, 100), None, 0)
    assert sorted(domains_of(drawn).values()) == [f"domain-{place:03}" for place in range(1, 101)]


def test_an_image_that_cannot_be_decoded_is_told(folder: Path, images: list[Image]) -> None:
    broken = replace(images[0], image_key="broken", bytes=b"no image")
    missing = replace(images[1], image_key="missing", bytes=None)
    drawn, record = draw_domains([broken, *images, missing], chosen(folder), None, 0)
    assert len(drawn) == len(images)
    assert [(each["name"], each["status"]) for each in record["unusable"]] == [
        ("broken", "image_unreadable"),
        ("missing", "image_unreadable"),
    ]
    assert json.loads(json.dumps(record))["images"]["before"] == len(images)


def test_fewer_images_than_domains(folder: Path, images: list[Image]) -> None:
    with pytest.raises(RecipeError, match=r"images.domains.count is 22, but there are 21 .* set it to at most 21"):
        draw_domains(images, chosen(folder, 22), None, 0)
    with pytest.raises(RecipeError, match="but there are 0 images"):
        draw_domains([], chosen(folder), None, 0)


def test_images_that_look_the_same(folder: Path, images: list[Image]) -> None:
    same = [replace(images[at % 2], image_key=f"copy-{at}") for at in range(8)]
    drawn, _ = draw_domains(same, chosen(folder, 2), 4, 0)
    assert Counter(domains_of(drawn).values()) == {"domain-01": 2, "domain-02": 2}
    with pytest.raises(RecipeError, match=r"only 2 groups of these images apart; set it to at most 2"):
        draw_domains(same, chosen(folder, 3), 4, 0)


def test_a_model_that_makes_no_numbers(folder: Path, images: list[Image], tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(tmp_path / "open_clip_model.safetensors")
    weights["visual.proj"][:] = float("nan")
    save_file(weights, tmp_path / "open_clip_model.safetensors")
    with pytest.raises(UsageError, match="makes no numbers of images"):
        draw_domains(images, chosen(tmp_path), None, 0)


class _Counted(bytes):
    """Bytes that count how many of them there are."""

    alive = most = 0

    def __init__(self, *_: object) -> None:
        _Counted.alive += 1
        _Counted.most = max(_Counted.most, _Counted.alive)

    def __del__(self) -> None:
        _Counted.alive -= 1


def test_bytes_are_let_go_as_the_model_sees_them(folder: Path, images: list[Image]) -> None:
    counted = (
        replace(images[at % len(images)], image_key=f"{at:03}", bytes=_Counted(images[at % len(images)].bytes or b""))
        for at in range(60)
    )
    drawn, _ = draw_domains(counted, chosen(folder), 9, 0)
    assert len(drawn) == 9
    assert 8 <= _Counted.most <= 3 * 8
    assert _Counted.alive == 0
