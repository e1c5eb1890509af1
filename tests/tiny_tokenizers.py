"""Tokenizers of a few words, and their chat template."""

from __future__ import annotations

import json

import transformers as hf
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

WORDS = (
    "is this sentence true of the image ? answer yes no Yes No . : Sentence Is Answer or a red blue dog cat there are "
    "two on left Describe What to be seen in Or"
).split()


NAMES = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
TURNS = ["<user>", "<assistant>"]


def word_tokenizer(image: str, *more: str, shown: str | None = None, **named: str) -> hf.PreTrainedTokenizerFast:
    """One token a word; `image`, `more` and the values of `named` are special.

    Args:
        image: The placeholder of an image.
        more: Other special tokens.
        shown: What the chat template writes for an image, by default the placeholder.
        named: Special tokens that are attributes of the tokenizer, by their names.
    """
    marks = list(dict.fromkeys([image, *more, *named.values()]))
    vocabulary = [*NAMES.values(), *TURNS, *marks, *dict.fromkeys(WORDS)]
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(vocabulary)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        additional_special_tokens=[*TURNS, *(mark for mark in marks if mark not in named.values())],
        chat_template=_template(shown or image),
        **NAMES,
        **named,
    )


def byte_tokenizer(image: str, *more: str, shown: str | None = None) -> hf.PreTrainedTokenizerFast:
    """Bytes merged into the words, as Qwen's tokenizers do; some classes load with no other kind."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=1000,
        special_tokens=[*NAMES.values(), *TURNS, image, *more],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    trained.train_from_iterator([" ".join([*WORDS, *WORDS])], trainer)
    learned = json.loads(trained.to_str())["model"]
    return hf.Qwen3_5Tokenizer(
        vocab=learned["vocab"],
        merges=[tuple(pair) for pair in learned["merges"]],
        additional_special_tokens=[*TURNS, image, *more],
        chat_template=_template(shown or image),
        **NAMES,
    )


def _template(shown: str) -> str:
    return (
        "{{ '<s>' }}{% for message in messages %}<user>{% for part in message['content'] %}"
        "{% if part['type'] == 'image' %}" + shown + "{% else %}{{ part['text'] }}{% endif %}"
        "{% endfor %}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
    )
