"""Trains the language model of a VLM on the features of a frozen tower: to judge sentences, to write captions.

One pack an image: the image tokens once, then every judging question and a caption as branches that see the image (and
the questions their shared instruction) but not each other. That is one forward pass where a plain batch takes eleven.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional
from transformers import FastVlmConfig, FastVlmForConditionalGeneration, LlamaConfig, TimmWrapperConfig

from alignbench.types import ErrorType, Label
from generation.scenes.contrast import CONTRAST_TYPES, contrast_of
from generation.scenes.grammar import alternatives, say, slots_of, with_slot
from generation.scenes.labeller import judge_sentence
from generation.scenes.training.tokenizer import (
    ASSISTANT,
    CAPTION_PROMPT,
    END,
    IMAGE,
    JUDGING_PROMPTS,
    PAD,
    START,
    USER,
    pieces,
    vocabulary,
)
from generation.scenes.training.tower import GRID, TowerShape, schedule
from generation.scenes.world import Scene
from generation.scenes.writer import describe

IMAGE_TOKENS = GRID * GRID
_IGNORE = -100
_PREFIX, _INSTRUCTION, _CAPTION, _PADDING = 0, 1, 98, 99
_CONTRASTS = 4
_CAPTION_WEIGHT = 0.4
# Types that few scenes can show are asked for more often, so that each is met about as often as the others.
WISHES = {ErrorType.TEXT: 2.5, ErrorType.DIRECTION: 2.0, ErrorType.RELATION: 1.5, ErrorType.ILLUSION: 0.7}


@dataclass(frozen=True, slots=True)
class LanguageShape:
    """Width, depth and heads of the Llama text model."""

    width: int
    layers: int
    heads: int


def build_vlm(tower: TowerShape, language: LanguageShape) -> FastVlmForConditionalGeneration:
    """The VLM with random weights, in the stock class that `AutoModelForImageTextToText` gives for its config."""
    words = vocabulary()
    vision = TimmWrapperConfig(architecture="resnet18", do_pooling=False, model_args=tower.timm_arguments)
    vision.hidden_size = tower.channels[-1]
    text = LlamaConfig(
        vocab_size=len(words),
        hidden_size=language.width,
        intermediate_size=3 * language.width,
        num_hidden_layers=language.layers,
        num_attention_heads=language.heads,
        num_key_value_heads=language.heads,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=words[START],
        eos_token_id=words[END],
        pad_token_id=words[PAD],
    )
    config = FastVlmConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=words[IMAGE],
        image_seq_length=IMAGE_TOKENS,
        tie_word_embeddings=True,
    )
    return FastVlmForConditionalGeneration(config)


@dataclass(slots=True)
class Pack:
    """One image's token ids with, for each, its branch, its position and the token to predict (-100 for none)."""

    ids: list[int] = field(default_factory=list)
    branches: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)

    def add(self, ids: Sequence[int], branch: int, start: int, targets: Sequence[int] | None = None) -> int:
        """Append a run of tokens at positions from `start`; returns the position after it."""
        self.ids += ids
        self.branches += [branch] * len(ids)
        self.positions += range(start, start + len(ids))
        self.targets += targets or [_IGNORE] * len(ids)
        return start + len(ids)


def judged_sentences(scene: Scene, rng: random.Random, wishes: Mapping[ErrorType, float]) -> list[tuple[str, bool]]:
    """Sentences with their truth, one true and one false of each contrast, and a true statement with an edit of it.

    `wishes` are the weights of the contrasts' types, 1 where not given.
    """
    judged: list[tuple[str, bool]] = []
    weights = [wishes.get(t, 1.0) for t in CONTRAST_TYPES]
    while len(judged) < 2 * _CONTRASTS:
        contrast = contrast_of(rng.choices(CONTRAST_TYPES, weights)[0], rng, scene)
        if contrast:
            own = contrast.first == scene
            judged += [(contrast.first_text, own), (contrast.second_text, not own)]
    statement = rng.choice(describe(scene, rng))
    slot = rng.choice(slots_of(statement.claim))
    others = alternatives(statement.claim, slot)
    if others:
        text = say(with_slot(statement.claim, slot, rng.choice(others)), statement.wording).text
        judged += [(statement.text, True), (text, judge_sentence(scene, text).label is Label.CORRECT)]
    return judged


def open_pack(prompt: str) -> tuple[Pack, int, int]:
    """A pack with the image and the instruction of a judging prompt, and the positions behind each of the two."""
    made, words = Pack(), vocabulary()
    seen = made.add([words[START], words[USER], *[words[IMAGE]] * IMAGE_TOKENS], _PREFIX, 0)
    instruction = [words[p] for p in pieces(prompt.split("{sentence}", maxsplit=1)[0].rstrip(" "))]
    return made, seen, made.add(instruction, _INSTRUCTION, seen)


def add_question(made: Pack, number: int, sentence: str, answer: int, start: int) -> None:
    """Add the `number`-th sentence at positions from `start`, with the token to predict where the answer begins."""
    words = vocabulary()
    ids = [*(words[p] for p in pieces(" " + sentence)), words[ASSISTANT]]
    made.add(ids, _INSTRUCTION + 1 + number, start, [*[_IGNORE] * (len(ids) - 1), answer])


def pack(scene: Scene, rng: random.Random, wishes: Mapping[ErrorType, float]) -> Pack:
    """The training pack of a scene, drawn anew at each call."""
    words = vocabulary()
    made, seen, asked = open_pack(JUDGING_PROMPTS[0] if rng.random() < 0.6 else rng.choice(JUDGING_PROMPTS[1:]))
    for number, (sentence, true) in enumerate(judged_sentences(scene, rng, wishes)):
        add_question(made, number, sentence, words["Yes" if true else "No"], asked)
    told = [words[p] for p in pieces(" ".join(s.text for s in describe(scene, rng)))]
    request = [*(words[p] for p in pieces(CAPTION_PROMPT)), words[ASSISTANT]]
    made.add([*request, *told], _CAPTION, seen, [*[_IGNORE] * (len(request) - 1), *told, words[END]])
    return made


@dataclass(frozen=True, slots=True)
class Batch:
    """Packs padded to one length s: ids, positions and targets (b, s), what to add to attention scores (b, 1, s, s)."""

    ids: Tensor
    positions: Tensor
    targets: Tensor
    hidden: Tensor


def collate(packs: Sequence[Pack], pad: int) -> Batch:
    """The packs as tensors."""
    longest = max(len(p.ids) for p in packs)

    def padded(rows: list[list[int]], fill: int) -> Tensor:
        return torch.tensor([row + [fill] * (longest - len(row)) for row in rows])

    branches = padded([p.branches for p in packs], _PADDING)
    asker, seen = branches[:, :, None], branches[:, None, :]
    question = (asker > _INSTRUCTION) & (asker < _CAPTION)
    visible = (asker == seen) | (seen == _PREFIX) | ((seen == _INSTRUCTION) & question)
    visible &= torch.ones(longest, longest, dtype=torch.bool).tril()
    return Batch(
        padded([p.ids for p in packs], pad),
        padded([p.positions for p in packs], 0),
        padded([p.targets for p in packs], _IGNORE),
        torch.zeros(visible.shape).masked_fill(~visible, -1e9)[:, None],
    )


def answer_logits(model: FastVlmForConditionalGeneration, features: Tensor, batch: Batch) -> Tensor:
    """Logits (t, v) at the t places of a batch that have a target, given (b, c, 8, 8) features of the tower."""
    tokens = model.model.multi_modal_projector(features.flatten(2).transpose(1, 2))  # (b, 64, width)
    embedded = model.get_input_embeddings()(batch.ids)
    places = (batch.ids == model.config.image_token_index)[..., None]
    hidden = model.model.language_model(
        inputs_embeds=embedded.masked_scatter(places, tokens.to(embedded.dtype)),
        attention_mask=batch.hidden,
        position_ids=batch.positions,
        use_cache=False,
    ).last_hidden_state
    logits: Tensor = model.lm_head(hidden[batch.targets != _IGNORE])
    return logits.float()


def losses(
    model: FastVlmForConditionalGeneration, features: Tensor, batch: Batch, answers: Tensor
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the answers and of the caption words."""
    targets = batch.targets[batch.targets != _IGNORE]
    each = functional.cross_entropy(answer_logits(model, features, batch), targets, reduction="none")
    answer = torch.isin(targets, answers)
    return each[answer].mean(), each[~answer].mean()


@torch.no_grad()
def tower_features(model: FastVlmForConditionalGeneration, images: Tensor) -> Tensor:
    """Features (n, c, 8, 8) of normalised pixels, in evaluation mode."""
    tower = model.model.vision_tower.eval()
    return torch.cat([tower(part, return_dict=True).last_hidden_state for part in images.split(256)])


@dataclass(frozen=True, slots=True)
class Course:
    """One stretch of training: `steps` of a learning-rate schedule made for `horizon` of them.

    The first `easy_steps` take easy scenes only. `wishes` are the weights of the error types asked about.
    """

    seed: str
    steps: int
    horizon: int
    easy_steps: int = 0
    peak: float = 1.5e-3
    batch: int = 32
    wishes: Mapping[ErrorType, float] = field(default_factory=lambda: WISHES)


def train_language(
    model: FastVlmForConditionalGeneration,
    scenes: Sequence[Scene],
    features: Tensor,
    course: Course,
    easy: int,
    log: Callable[[str], None],
    every: Callable[[int], None],
) -> None:
    """Train all but the tower on scenes with (n, c, 8, 8) features, the first `easy` of which are easy ones.

    `every` is called with the number of each step.
    """
    rng, words = random.Random(f"packs/{course.seed}"), vocabulary()
    trained = [p for n, p in model.named_parameters() if "vision_tower" not in n]
    optimiser = torch.optim.AdamW(trained, lr=course.peak, weight_decay=0.05, betas=(0.9, 0.95))
    answers = torch.tensor([words["Yes"], words["No"]])
    model.train()
    model.model.vision_tower.eval()
    model.set_attn_implementation("eager")  # with a 4-D mask, faster on a CPU than the fused kernel
    began = time.monotonic()
    for step in range(course.steps):
        for group in optimiser.param_groups:
            group["lr"] = schedule(step, course.horizon, course.peak)
        pool = easy if step < course.easy_steps else len(scenes)
        rows = [rng.randrange(pool) for _ in range(course.batch)]
        made = collate([pack(scenes[i], rng, course.wishes) for i in rows], words[PAD])
        with torch.autocast("cpu", torch.bfloat16):
            judging, caption = losses(model, features[rows].float(), made, answers)
        optimiser.zero_grad()
        (judging + _CAPTION_WEIGHT * caption).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        if step % 20 == 0:
            seconds = time.monotonic() - began
            log(f"step {step} judging {judging.item():.3f} caption {caption.item():.3f} seconds {seconds:.0f}")
        every(step)
