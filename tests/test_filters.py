"""What the filters of a recipe find, and what they let pass."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers as hf
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageDraw

from alignbench.errors import ImageError, MissingDependencyError, UnknownNameError, UsageError
from alignbench.types import Status
from generation import parts
from generation.filters.black import BlackFilter
from generation.filters.duplicate import DuplicateFilter
from generation.filters.refusal import RefusalFilter
from generation.filters.short import ShortFilter
from generation.filters.unsafe import UnsafeFilter
from generation.perceptual import distance, fingerprint
from generation.protocols import Candidate, Filter, Finding, Site
from tests.tiny_models import noise

ROOT = Path(__file__).parent.parent
SITE = Site(Path("nowhere"), Path("nowhere"))
HEAVY = {
    "torch",
    "transformers",
    "open_clip",
    "datasets",
    "diffusers",
    "imagehash",
    "pandas",
    "scipy.fftpack",
    "sklearn",
}
OPTIONS = {"unsafe": {"model"}}


def pictured(picture: Pillow.Image, name: str = "p", cluster: str = "c", producer: str | None = "m") -> Candidate:
    return Candidate(name, cluster, producer, picture=lambda: picture)


def captioned(caption: str) -> Candidate:
    return Candidate("row", "cluster", "model", caption=caption)


def said(finding: Finding | None) -> Finding:
    assert finding is not None
    return finding


def broken() -> Pillow.Image:
    raise ImageError("no image")


def landscape(seed: int, size: int = 256) -> Pillow.Image:
    """Soft shapes, as in a photograph."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Pillow.fromarray(coarse).resize((size, size), Pillow.Resampling.BICUBIC)


# All of them


def test_importing_a_filter_loads_no_model_library() -> None:
    modules = sorted({target.partition(":")[0] for target in parts.FILTERS.values()} | {"generation.near_duplicates"})
    code = f"import importlib, json, sys\nfor name in {modules!r}: importlib.import_module(name)\n"
    code += "print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert set(json.loads(done.stdout)) & HEAVY == set()


@pytest.mark.parametrize("name", parts.FILTERS)
def test_a_recipe_can_tell_the_options_of_each(name: str) -> None:
    options = parts.options_of(parts.FILTERS[name])
    assert {key for key, each in options.items() if each.default is each.empty} == OPTIONS.get(name, set())


@pytest.mark.parametrize("kind", [BlackFilter, DuplicateFilter])
def test_filters_of_pictures_say_nothing_of_captions(kind: type[Filter]) -> None:
    assert kind.from_options(SITE).look(captioned("a dog")) is None


@pytest.mark.parametrize("kind", [RefusalFilter, ShortFilter])
def test_filters_of_captions_say_nothing_of_pictures(kind: type[Filter]) -> None:
    assert kind.from_options(SITE).look(pictured(noise(0))) is None


@pytest.mark.parametrize("kind", [BlackFilter, DuplicateFilter])
def test_a_picture_that_cannot_be_decoded_has_a_status(kind: type[Filter]) -> None:
    found = said(kind.from_options(SITE).look(Candidate("p", "c", "m", picture=broken)))
    assert (found.passed, found.status, found.reason) == (False, Status.IMAGE_UNREADABLE, "no image")


# Pictures of one colour


@pytest.mark.parametrize("size", [(1, 1), (63, 64), (512, 512), (1000, 10), (3, 4000)])
@pytest.mark.parametrize("colour", [(0, 0, 0), (128, 128, 128), (255, 255, 255), (200, 30, 30)])
def test_a_picture_of_one_colour(size: tuple[int, int], colour: tuple[int, int, int]) -> None:
    found = said(BlackFilter.from_options(SITE).look(pictured(Pillow.new("RGB", size, colour))))
    assert (found.passed, found.value, found.status) == (False, 1.0, Status.FILTERED)
    only_black = said(BlackFilter.from_options(SITE, colours="black").look(pictured(Pillow.new("RGB", size, colour))))
    assert only_black.passed is (colour != (0, 0, 0))
    assert only_black.value == 1.0


def test_a_little_grain_hides_no_colour() -> None:
    grain = np.random.default_rng(0).normal(128, 6, (512, 512, 3))
    found = said(BlackFilter.from_options(SITE).look(pictured(Pillow.fromarray(grain.clip(0, 255).astype(np.uint8)))))
    assert not found.passed
    assert found.reason is not None
    assert found.reason.startswith("100.0% of it is of one colour, #")


@pytest.mark.parametrize("ground", ["black", "white", "grey"])
@pytest.mark.parametrize(("size", "mark"), [(224, 14), (512, 24), (1024, 48)])
def test_a_small_thing_on_an_empty_ground_is_a_picture(ground: str, size: int, mark: int) -> None:
    picture = Pillow.new("RGB", (size, size), ground)
    ImageDraw.Draw(picture).rectangle((40, 60, 40 + mark, 60 + mark), fill="red")
    assert said(BlackFilter.from_options(SITE).look(pictured(picture))).passed


def test_pictures_with_content_pass() -> None:
    black = BlackFilter.from_options(SITE)
    for picture in (noise(0), landscape(0), landscape(1).point(lambda value: value // 8)):
        found = said(black.look(pictured(picture)))
        assert found.passed
        assert found.value is not None
        assert found.value < 0.9


def test_what_counts_as_one_colour_can_be_set() -> None:
    half = Pillow.new("RGB", (64, 64), "black")
    half.paste((9, 9, 9), (0, 0, 64, 20))
    assert said(BlackFilter.from_options(SITE).look(pictured(half))).value == pytest.approx(44 / 64)
    assert said(BlackFilter.from_options(SITE).look(pictured(half))).passed
    assert not said(BlackFilter.from_options(SITE, within=9).look(pictured(half))).passed
    assert not said(BlackFilter.from_options(SITE, share=0.6).look(pictured(half))).passed


# Copies


def test_the_fingerprint_of_a_picture_outlives_size_and_encoding() -> None:
    picture = landscape(3)
    assert distance(fingerprint(picture), fingerprint(picture.resize((199, 301)))) <= 4
    picture.save(encoded := io.BytesIO(), "JPEG", quality=60)
    assert distance(fingerprint(picture), fingerprint(Pillow.open(encoded))) <= 4
    assert distance(fingerprint(picture), fingerprint(landscape(4))) >= 16
    assert 0 <= fingerprint(picture) < 2**64


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_the_distance_counts_bits(first: int, second: int) -> None:
    assert distance(first, second) == sum((first >> bit ^ second >> bit) & 1 for bit in range(64))


def test_a_copy_names_the_picture_it_is_like() -> None:
    copies = DuplicateFilter.from_options(SITE)
    first = said(copies.look(pictured(landscape(0), "one", "a")))
    assert (first.passed, first.value) == (True, None)
    second = said(copies.look(pictured(landscape(1), "two", "b")))
    assert second.passed
    assert second.value is not None
    assert second.value > 4
    copy = said(copies.look(pictured(landscape(0, 200), "three", "c")))
    assert (copy.passed, copy.status) == (False, Status.FILTERED)
    assert copy.reason is not None
    assert "it looks like one" in copy.reason


def test_pictures_of_one_cluster_or_of_two_producers_are_no_copies() -> None:
    copies = DuplicateFilter.from_options(SITE)
    same = landscape(0)
    for name, cluster, producer in (("1", "a", "m"), ("2", "a", "m"), ("3", "b", "n"), ("4", "c", None)):
        assert said(copies.look(pictured(same, name, cluster, producer))).passed
    assert not said(copies.look(pictured(same, "5", "b", "m"))).passed
    assert not said(copies.look(pictured(same, "6", "d", None))).passed


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=12), st.integers(0, 31))
def test_the_nearest_is_that_of_a_plain_search(shown: list[tuple[int, int]], bound: int) -> None:
    copies, seen = DuplicateFilter.from_options(SITE, distance=bound), []
    for place, (seed, cluster) in enumerate(shown):
        found = said(copies.look(pictured(PICTURES[seed], str(place), str(cluster))))
        mark = fingerprint(PICTURES[seed])
        nearest = min((distance(mark, other) for other, where in seen if where != cluster), default=None)
        assert found.value == nearest
        assert found.passed is (nearest is None or nearest > bound)
        seen.append((mark, cluster))


PICTURES = [landscape(seed, 40) for seed in range(5)] + [landscape(0, 60), landscape(1, 39)]


def test_many_pictures_are_remembered() -> None:
    copies = DuplicateFilter.from_options(SITE)
    for seed in range(1100):
        copies.look(pictured(noise(seed, (32, 32)), str(seed), str(seed)))
    found = said(copies.look(pictured(noise(1050, (32, 32)), "again", "again")))
    assert found.reason == "it looks like 1050: 0 of 64 bits differ"


def test_a_filter_for_copies_needs_its_package_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imagehash", None)
    with pytest.raises(MissingDependencyError, match=r"'imagehash'.*pip install 'alignbench\[generate\]'"):
        DuplicateFilter.from_options(SITE)


# Unsafe pictures


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random ViT with three labels."""
    return save_classifier(tmp_path_factory.mktemp("classifiers") / "tiny", ["normal", "NSFW", "drawing"])


def save_classifier(folder: Path, labels: Sequence[str], **more: str) -> Path:
    torch.manual_seed(0)
    config = hf.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=16,
        id2label=dict(enumerate(labels)), label2id={label: place for place, label in enumerate(labels)}, **more,
    )  # fmt: skip
    model = hf.ViTForImageClassification(config)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.ndim > 1:
                torch.nn.init.normal_(weights, std=0.3)
    model.save_pretrained(folder)
    hf.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def wanted(folder: Path, picture: Pillow.Image) -> list[float]:
    """The probabilities by the library's own pipeline."""
    named = hf.pipeline("image-classification", str(folder), top_k=3, device="cpu")(picture)
    return [next(each["score"] for each in named if each["label"] == label) for label in ("normal", "NSFW", "drawing")]


def test_the_probability_of_the_labels_decides(classifier: Path) -> None:
    site = Site(classifier.parent, classifier.parent)
    pictures = [noise(1), landscape(0), landscape(1), landscape(2), Pillow.new("RGB", (40, 50), "white")]
    by_pipeline = [wanted(classifier, picture) for picture in pictures]
    bound = float(np.median([nsfw for _, nsfw, _ in by_pipeline])) + 1e-4
    unsafe = UnsafeFilter.from_options(site, model="tiny", labels="nsfw", above=bound)
    two = UnsafeFilter.from_options(site, model=str(classifier), labels=["NSFW", "drawing"], above=0)
    for picture, (_, nsfw, drawing) in zip(pictures, by_pipeline, strict=True):
        found = said(unsafe.look(pictured(picture)))
        assert found.value == pytest.approx(nsfw, abs=1e-5)
        assert found.passed is (nsfw <= bound)
        either = said(two.look(pictured(picture)))
        assert either.value == pytest.approx(nsfw + drawing, abs=1e-5)
        assert (either.passed, either.status) == (False, Status.UNSAFE)
        assert either.reason is not None
        assert "NSFW or drawing with a probability of" in either.reason
    assert len({nsfw <= bound for _, nsfw, _ in by_pipeline}) == 2
    assert unsafe.look(captioned("a dog")) is None


def test_a_classifier_of_several_labels_at_once_counts_the_highest(tmp_path: Path) -> None:
    folder = save_classifier(tmp_path / "several", ["a", "b", "c"], problem_type="multi_label_classification")
    picture = landscape(0)
    each = [
        said(UnsafeFilter.from_options(SITE, model=str(folder), labels=label).look(pictured(picture))).value
        for label in ("a", "b", "c")
    ]
    assert all(value is not None for value in each)
    model = hf.ViTForImageClassification.from_pretrained(folder).eval()
    pixels = hf.AutoImageProcessor.from_pretrained(folder)(images=picture, return_tensors="pt")
    assert each == pytest.approx(model(**pixels).logits[0].sigmoid().tolist(), abs=1e-5)
    both = UnsafeFilter.from_options(SITE, model=str(folder), labels=["a", "b"])
    assert said(both.look(pictured(picture))).value == max(each[:2])


def test_a_probability_that_is_no_number_is_a_status(tmp_path: Path, classifier: Path) -> None:
    unsafe = UnsafeFilter.from_options(SITE, model=str(classifier))
    unsafe.look(pictured(noise(0)))
    assert unsafe._classifier is not None
    unsafe._classifier.model.classifier.weight.data[:] = float("nan")
    assert said(unsafe.look(pictured(noise(0)))).status is Status.NOT_FINITE


def test_only_safetensors_are_loaded(tmp_path: Path, classifier: Path) -> None:
    for path in classifier.iterdir():
        if path.suffix != ".safetensors":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    torch.save(hf.ViTForImageClassification.from_pretrained(classifier).state_dict(), tmp_path / "pytorch_model.bin")
    unsafe = UnsafeFilter.from_options(SITE, model=str(tmp_path))
    with pytest.raises(UsageError, match="cannot be loaded as a classifier of images"):
        unsafe.look(pictured(noise(0)))


def test_a_classifier_that_is_not_there(classifier: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"label of .* 'porn' \(known: NSFW, drawing, normal\)"):
        UnsafeFilter.from_options(SITE, model=str(classifier), labels="porn")
    with pytest.raises(UsageError, match="there is no model folder"):
        UnsafeFilter.from_options(SITE, model="./nowhere")
    with pytest.raises(UsageError, match="cannot be loaded"):
        UnsafeFilter.from_options(SITE, model=str(tmp_path))
    with pytest.raises(UsageError, match="has no revisions"):
        UnsafeFilter.from_options(SITE, model=str(classifier), revision="main")


# Captions


def test_refusals_have_their_status() -> None:
    refusals = RefusalFilter.from_options(SITE)
    assert said(refusals.look(captioned("A dog on a mat."))) == Finding(passed=True)
    found = said(refusals.look(captioned("I'm sorry, but I can't help with that.")))
    assert (found.passed, found.status) == (False, Status.REFUSED)
    assert found.reason == "it declines: \"I'm sorry, but I can't help with that.\""


@pytest.mark.parametrize(
    ("caption", "options", "value", "reason"),
    [
        ("A dog.", {}, 2, "it has 2 words where 5 are the fewest"),
        ("Dog", {}, 1, "it has 1 word where 5 are the fewest"),
        ("  ", {}, 0, "it has 0 words where 5 are the fewest"),
        ("A dog on a mat.", {}, 5, None),
        ("A dog on a mat.", {"sentences": 2}, 1, "it has 1 sentence where 2 are the fewest"),
        ("A dog on a mat. It sleeps.", {"sentences": 2}, 7, None),
        ("A dog on a mat. It sleeps.", {"most_sentences": 1}, 2, "it has 2 sentences where 1 are the most"),
        ("A dog on a mat. It sleeps.", {"most_words": 6}, 7, "it has 7 words where 6 are the most"),
        ("A dog on a mat. It sleeps.", {"most_words": 7, "most_sentences": 2}, 7, None),
    ],
)
def test_captions_out_of_bounds(caption: str, options: dict[str, int], value: float, reason: str | None) -> None:
    found = said(ShortFilter.from_options(SITE, **options).look(captioned(caption)))
    assert (found.passed, found.value, found.reason) == (reason is None, value, reason)
    assert found.status is Status.FILTERED


# Options


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("black", {"share": 0.4}),
        ("black", {"share": 1.1}),
        ("black", {"share": "0.9"}),
        ("black", {"share": float("nan")}),
        ("black", {"within": -1}),
        ("black", {"within": True}),
        ("black", {"colours": "blak"}),
        ("black", {"colours": 3}),
        ("duplicate", {"distance": -1}),
        ("duplicate", {"distance": 32}),
        ("duplicate", {"distance": 2.5}),
        ("duplicate", {"distance": True}),
        ("unsafe", {"model": "a/b", "above": 2}),
        ("unsafe", {"model": ""}),
        ("unsafe", {"model": 3}),
        ("unsafe", {"model": "a/b", "labels": []}),
        ("unsafe", {"model": "a/b", "labels": [1]}),
        ("short", {"words": 0}),
        ("short", {"sentences": "2"}),
        ("short", {"most_words": 0}),
        ("short", {"words": 9, "most_words": 8}),
        ("short", {"sentences": 2, "most_sentences": 1}),
    ],
)
def test_options_that_make_no_sense(name: str, options: dict[str, object]) -> None:
    with pytest.raises(UsageError) as raised:
        parts.filter_(name, SITE, options)
    assert next(reversed(options)) in str(raised.value)
