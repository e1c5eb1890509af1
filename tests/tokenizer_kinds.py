"""Small tokenizers of the kinds that vision-language models have, trained or written out on the spot."""

from __future__ import annotations

import transformers as hf
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

_SPECIAL = ["<pad>", "<s>", "</s>", "<unk>", "<user>", "<assistant>", "<image>"]
_TEMPLATE = (
    "{{ '<s>' }}{% for message in messages %}<user>{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
_WORDS = (
    "Yes No yes no YES NO Is this sentence true of the image ? Answer or . Sentence : How sure are you that is it an a "
    "with one whole number from ( certainly false ) to , and nothing else red blue dog cat yesterday nothing 5th 3D"
).split()
_TEXTS = [f"is {' '.join(_WORDS)}", "Yes No yes no\nYes\nNo", *_WORDS, *map(str, range(101))]
_TEXTS += [f"is {number}" for number in range(101)]


def _finished(tokenizer: Tokenizer) -> hf.PreTrainedTokenizerFast:
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=["<user>", "<assistant>", "<image>"],
        chat_template=_TEMPLATE,
    )


def _byte_level(*before: pre_tokenizers.PreTokenizer, use_regex: bool = True) -> hf.PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    split = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*before, split])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=2000, special_tokens=_SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(_TEXTS, trainer)
    return _finished(tokenizer)


def single_digits() -> hf.PreTrainedTokenizerFast:
    """Bytes, every digit a token of its own, as Qwen's and SmolLM's tokenizers have it."""
    return _byte_level(pre_tokenizers.Digits(individual_digits=True))


def three_digits() -> hf.PreTrainedTokenizerFast:
    """Bytes, up to three digits a token and never a space before them, as Llama 3 has it."""
    pattern = Regex(r" ?[A-Za-z]+|\p{N}{1,3}|[^\sA-Za-z0-9]+|\s+")
    return _byte_level(pre_tokenizers.Split(pattern, "isolated"), use_regex=False)


def spaced_numbers() -> hf.PreTrainedTokenizerFast:
    """Bytes, numbers with the space before them as one token, as GPT-2 has it."""
    return _byte_level()


def sentencepiece() -> hf.PreTrainedTokenizerFast:
    """Merges with a space written before every text, single digits and bytes for the rest, as Llama 2 has it."""
    words = [word for word in dict.fromkeys(_WORDS) if word.isalpha()]
    merges = [("\u2581", "\u2581")]
    for word in words:
        merges += [(word[:end], word[end]) for end in range(1, len(word))] + [("\u2581", word)]
    pieces = [*_SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581", *"0123456789", *"".join(words)]
    pieces += ["".join(pair) for pair in merges]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    model = models.BPE(vocabulary, list(dict.fromkeys(merges)), unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return _finished(tokenizer)


def unigram() -> hf.PreTrainedTokenizerFast:
    """Pieces by likelihood, whole numbers among them, as T5 has it."""
    likely = [f"\u2581{text}" for text in (*_WORDS, *map(str, range(101)))] + ["Yes", "No", *map(str, range(10))]
    scores = dict.fromkeys(_SPECIAL, 0.0) | dict.fromkeys("\u2581" + "".join(_WORDS), -12.0)
    scores |= dict.fromkeys(likely, -6.0)
    tokenizer = Tokenizer(models.Unigram(list(scores.items()), unk_id=_SPECIAL.index("<unk>"), byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return _finished(tokenizer)


def words(*more: str) -> hf.PreTrainedTokenizerFast:
    """One token a word, and no other words than these."""
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys([*_SPECIAL, *_WORDS, *more]))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return _finished(tokenizer)
