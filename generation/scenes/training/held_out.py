"""A small set of contrasts to watch the training of a VLM by; the published scores come from the probe."""

from __future__ import annotations

import random

import torch
from sklearn.metrics import roc_auc_score
from transformers import FastVlmForConditionalGeneration

from generation.scenes.contrast import CONTRAST_TYPES, Contrast, draw_contrast
from generation.scenes.training.language import Pack, answer_logits, collate, tower_features
from generation.scenes.training.tokenizer import (
    ASSISTANT,
    IMAGE,
    JUDGING_PROMPT,
    PAD,
    START,
    USER,
    pieces,
    vocabulary,
)
from generation.scenes.training.tower import GRID, normalised, pixels

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
            batch = collate([_question(c, words) for c in part for _ in (0, 1)], words[PAD])
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


def _question(contrast: Contrast, words: dict[str, int]) -> Pack:
    asked = Pack()
    at = asked.add([words[START], words[USER], *[words[IMAGE]] * (GRID * GRID)], 0, 0)
    at = asked.add([words[p] for p in pieces(JUDGING_PROMPT.split("{sentence}")[0].rstrip(" "))], 1, at)
    for number, text in enumerate((contrast.first_text, contrast.second_text)):
        ids = [*(words[p] for p in pieces(" " + text)), words[ASSISTANT]]
        asked.add(ids, 2 + number, at, [*[-100] * (len(ids) - 1), words["Yes"]])
    return asked
