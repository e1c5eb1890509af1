"""Images to unit vectors, as the CLIP judge and the domains of images need them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from alignbench.backends.clip import Clip, encode_images, load_clip
from alignbench.backends.clip.images import in_blocks, prepared_ahead
from tests.clip_models import KINDS
from tests.tiny_models import make_clip, noise


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return load_clip(f"local-dir:{make_clip(tmp_path_factory.mktemp('models') / 'tiny-clip')}")


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_are_those_of_one_picture_at_a_time(kind: str, tmp_path: Path) -> None:
    clip = load_clip(f"local-dir:{KINDS[kind][0](tmp_path / kind)}")
    pictures = [noise(seed, (20 + seed, 30)) for seed in range(7)]
    vectors = encode_images(clip, iter(pictures), batch=3)
    assert (vectors.shape, vectors.dtype) == ((7, 16), np.float32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    with torch.inference_mode():
        alone = [clip.model.encode_image(clip.prepare(picture)[None], normalize=True)[0] for picture in pictures]
    assert np.allclose(vectors, torch.stack(alone).numpy(), atol=1e-6)


def test_a_batch_of_one_makes_a_vector_a_function_of_its_picture(clip: Clip) -> None:
    pictures = [noise(seed) for seed in range(5)]
    there, back = encode_images(clip, pictures, batch=1), encode_images(clip, reversed(pictures), batch=1)
    assert (there == back[::-1]).all()


def test_no_pictures_have_no_vectors(clip: Clip) -> None:
    assert encode_images(clip, []).shape == (0, 0)


def test_half_precision_gives_float32(tmp_path: Path) -> None:
    half = load_clip(f"local-dir:{make_clip(tmp_path / 'tiny')}", dtype="bfloat16")
    assert encode_images(half, [noise(0)]).dtype == np.float32


def test_pictures_are_pulled_as_they_are_needed(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    pulled = 0
    ahead = []
    encode = clip.model.encode_image

    def counting(pixels: torch.Tensor, **kwargs: bool) -> torch.Tensor:
        ahead.append(pulled)
        return encode(pixels, **kwargs)

    def pictures() -> Iterator[Pillow.Image]:
        nonlocal pulled
        for seed in range(12):
            pulled += 1
            yield noise(seed)

    monkeypatch.setattr(clip.model, "encode_image", counting)
    encode_images(clip, pictures(), batch=3)
    assert ahead == [6, 9, 12, 12]


def test_what_preparing_raises_is_raised(clip: Clip) -> None:
    with pytest.raises(TypeError):
        encode_images(clip, [noise(0), "no picture"])  # type: ignore[list-item]


def test_a_failure_costs_no_other_its_place() -> None:
    def prepare(number: int) -> torch.Tensor:
        if number % 3 == 0:
            raise ValueError(str(number))
        return torch.tensor(number)

    blocks = list(prepared_ahead(in_blocks(range(1, 8), 3), prepare, 2))
    assert [block.ready for block in blocks] == [[1, 2], [4, 5], [7]]
    assert [[int(pixel) for pixel in block.pixels] for block in blocks] == [[1, 2], [4, 5], [7]]
    assert [[(at, str(error)) for at, error in block.failed] for block in blocks] == [[(3, "3")], [(6, "6")], []]
