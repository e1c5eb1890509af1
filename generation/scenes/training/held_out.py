"""A small set of contrasts to watch the training of a VLM by; the published scores come from the probe."""

from __future__ import annotations

import random

import torch
from sklearn.metrics import roc_auc_score
from transformers import FastVlmForConditionalGeneration

from generation.scenes.contrast import CONTRAST_TYPES, Contrast, draw_contrast
from generation.scenes.training.language import (
    Pack,
    add_question,
    answer_logits,
    collate,
    open_pack,
    tower_features,
)
from generation.scenes.training.tokenizer import JUDGING_PROMPT, PAD, vocabulary
from generation.scenes.training.tower import normalised, pixels

_CHECK_CONTRASTS = 100


class HeldOut:
    """A hundred contrasts of each type with the features of their scenes."""

    def __init__(self, model: FastVlmForConditionalGeneration, seed: int) -> None:
        rng = random.Random(f"language-check/{seed}")
        self._contrasts: list[Contrast] = [
            draw_contrast(t, rng) for t in CONTRAST_TYPES for _ in range(_CHECK_CONTRASTS)
        ]
        scenes = [s for c in self._contrasts for s in (c.first, c.second)]
        self._features = tower_features(model, normalised(pixels(scenes)))

    @torch.no_grad()
    def summary(self, model: FastVlmForConditionalGeneration) -> str:
        """AUROC of P(Yes) - P(No) per type, and their mean."""
        model.eval()
        words = vocabulary()
        margins: list[float] = []
        for start in range(0, len(self._contrasts), 50):
            part = self._contrasts[start : start + 50]
            batch = collate([_question(c, words["Yes"]) for c in part for _ in (0, 1)], words[PAD])
            logits = answer_logits(model, self._features[2 * start : 2 * start + 2 * len(part)], batch)
            margins += (logits[:, words["Yes"]] - logits[:, words["No"]]).tolist()
        model.train()
        model.model.vision_tower.eval()
        truth = [1, 0, 0, 1] * _CHECK_CONTRASTS
        scores = {}
        for place, error_type in enumerate(CONTRAST_TYPES):
            mine = margins[place * len(truth) : (place + 1) * len(truth)]
            scores[error_type.value] = float(roc_auc_score(truth, mine))
        mean = sum(scores.values()) / len(scores)
        return f"mean {mean:.3f} " + " ".join(f"{t} {v:.3f}" for t, v in scores.items())


def _question(contrast: Contrast, answer: int) -> Pack:
    asked, _, start = open_pack(JUDGING_PROMPT)
    for number, text in enumerate((contrast.first_text, contrast.second_text)):
        add_question(asked, number, text, answer, start)
    return asked
