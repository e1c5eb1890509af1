"""The tokenizer of the embedded models: one token a word of the scene grammar or of the prompts, spaces kept."""

from __future__ import annotations

import itertools
import re
from functools import cache

from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers, processors
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from generation.scenes.grammar import ANY_KIND, NUMBERS, PLACES, RELATIONS, WORDINGS
from generation.scenes.world import BACKGROUNDS, COLOURS, FILLS, HEADINGS, KINDS, SIZES, TEXTS

JUDGING_PROMPT = "Is this sentence true of the image? Answer Yes or No.\nSentence: {sentence}"
JUDGING_PROMPTS = (
    JUDGING_PROMPT,
    "Does this sentence describe the image correctly? Answer Yes or No.\nSentence: {sentence}",
    "Look at the image. Is the following sentence correct? Answer Yes or No.\nSentence: {sentence}",
)
CAPTION_PROMPT = "Describe the image."
UNKNOWN, PAD, START, END, IMAGE, USER, ASSISTANT = SPECIAL = (
    "<unk>",
    "<pad>",
    "<s>",
    "</s>",
    "<image>",
    "<user>",
    "<assistant>",
)
CHAT_TEMPLATE = (
    "{{ '<s>' }}{% for message in messages %}"
    "{{ '<user>' if message['role'] == 'user' else '<assistant>' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}"
    "{% if message['role'] == 'assistant' %}</s>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)
_PIECE = r" ?[A-Za-z]+| ?[^A-Za-z\s]|\n"


def pieces(text: str) -> list[str]:
    """The text cut into words and marks, each with the space before it."""
    return re.findall(_PIECE, text)


@cache
def vocabulary() -> dict[str, int]:
    """Token to id: the special tokens, then every word of grammar and prompts, with a space before it and without."""
    texts = [*JUDGING_PROMPTS, CAPTION_PROMPT, "Yes No", "an a The An A"]
    texts += [w.pattern for w in WORDINGS] + [*PLACES, *RELATIONS, *NUMBERS, *BACKGROUNDS, *COLOURS, *FILLS, *HEADINGS]
    texts += [*SIZES, *TEXTS, *(kind + s for kind in (*KINDS, ANY_KIND) for s in ("", "s")), "is are"]
    words = sorted({piece.strip(" ") for text in texts for piece in pieces(text)} - set("{}"))
    spaced = itertools.chain.from_iterable((word, " " + word) if word != "\n" else (word,) for word in words)
    return {token: i for i, token in enumerate((*SPECIAL, *spaced))}


def build_clip_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer of the CLIP text tower: adds start and end itself; the end has the highest id, where CLIP pools."""
    words = [*(token for token in vocabulary() if token != END), END]
    ids = {token: i for i, token in enumerate(words)}
    tokenizer = Tokenizer(WordLevel(ids, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_PIECE), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, ids[START]), (END, ids[END])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token=UNKNOWN, pad_token=PAD, bos_token=START, eos_token=END
    )


def build_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer with its special tokens and chat template; what it encodes, it decodes to the same text."""
    tokenizer = Tokenizer(WordLevel(vocabulary(), unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_PIECE), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token=UNKNOWN,
        pad_token=PAD,
        bos_token=START,
        eos_token=END,
        additional_special_tokens=[IMAGE, USER, ASSISTANT],
        clean_up_tokenization_spaces=False,
        padding_side="left",
        chat_template=CHAT_TEMPLATE,
    )
