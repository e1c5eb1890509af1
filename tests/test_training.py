"""The training scripts run, and what they save is loaded by the judges like any other model."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from alignbench.registry import build_judge
from alignbench.types import Query
from generation.scenes.render import render
from generation.scenes.training.contrastive import save_clip, train_clip
from generation.scenes.training.language import (
    WISHES,
    Course,
    LanguageShape,
    answer_logits,
    build_vlm,
    collate,
    pack,
    tower_features,
)
from generation.scenes.training.tokenizer import END, build_clip_tokenizer, build_tokenizer, pieces, vocabulary
from generation.scenes.training.tower import TowerShape, normalised, pixels, training_scenes
from generation.scenes.training.vlm import VlmPlan, train_vlm

TOWER, LANGUAGE = TowerShape((8, 8, 8, 16)), LanguageShape(16, 1, 2)
TEXT = 'The sign reads "GO". There are two small hollow circles.'


def judged(reference: str) -> float:
    (scene,) = training_scenes(0, 1)
    query = Query(0, render(scene), ("There is a red circle.",))
    (answer,) = build_judge(reference).judge([query])
    assert answer.verdict.score is not None
    return answer.verdict.score


@pytest.mark.filterwarnings("ignore:.* of its probability:UserWarning")  # so short a training leaves much
def test_a_vlm_is_trained_saved_and_gone_on_with(tmp_path: Path) -> None:
    courses = (Course("0", 2, 4, easy_steps=1, batch=2), Course("0-second", 1, 1, batch=2))
    plan = VlmPlan(TOWER, LANGUAGE, 0, tower_steps=1, tower_images=130, language_images=8, courses=courses)
    lines: list[str] = []
    train_vlm(plan, tmp_path / "whole", lines.append)
    assert sum("held-out AUROC" in line for line in lines) == 2 and any("tower held out" in line for line in lines)
    assert 0 <= judged(f"local_vlm:{tmp_path / 'whole'}") <= 1
    train_vlm(plan, tmp_path / "second", lines.append, begun=tmp_path / "whole", course=1)
    assert lines[-1].startswith("course 1 step 1")


def test_a_clip_is_trained_and_saved(tmp_path: Path) -> None:
    lines: list[str] = []
    train_clip(1, lines.append, lambda model: save_clip(model, tmp_path / "clip"))
    assert "held-out AUROC" in lines[-1]
    assert -1 <= judged(f"clip:local-dir:{tmp_path / 'clip'}") <= 1


def test_tokenizers_give_back_the_text_and_know_every_word() -> None:
    words = vocabulary()
    assert set(pieces(TEXT)) <= set(words)
    plain = build_tokenizer()
    assert plain.decode(plain(TEXT).input_ids) == TEXT
    clip = build_clip_tokenizer()
    ids = clip(TEXT).input_ids
    assert ids[-1] == clip.convert_tokens_to_ids(END) == max(clip.get_vocab().values()) > max(ids[:-1])


def test_the_branches_of_a_pack_do_not_see_each_other() -> None:
    """Each answer of a pack is what the model says when that question is asked alone."""
    torch.manual_seed(0)
    model = build_vlm(TOWER, LANGUAGE).eval()
    model.set_attn_implementation("eager")
    (scene,) = training_scenes(3, 1)
    whole = pack(scene, random.Random(0), WISHES)
    features = tower_features(model, normalised(pixels([scene])))
    with torch.no_grad():
        together = answer_logits(model, features, collate([whole], 0))
        alone = []
        for branch in dict.fromkeys(b for b, t in zip(whole.branches, whole.targets, strict=True) if t >= 0):
            kept = [i for i, b in enumerate(whole.branches) if b in {0, branch} or (b == 1 and branch < 98)]
            part = type(whole)(*([getattr(whole, name)[i] for i in kept] for name in whole.__slots__))
            alone.append(answer_logits(model, features, collate([part], 0)))
    np.testing.assert_allclose(together.numpy(), torch.cat(alone).numpy(), atol=1e-5)


@pytest.mark.parametrize("most", [1, 4])
def test_training_scenes_are_the_same_for_a_seed(most: int) -> None:
    assert training_scenes(1, 20, 1, most) == training_scenes(1, 20, 1, most)
    assert set(training_scenes(1, 20, 1, most)).isdisjoint(training_scenes(2, 20, 1, most))
