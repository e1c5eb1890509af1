"""What a forecast takes for granted where nothing can be looked up; each is told with the numbers."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

# Table 1 of AlignBench (arXiv 2511.20515): the mean over its captioners of sentences an image times words a sentence is
# 119, over its image models 67; English has about three words in four tokens.
CAPTION_TOKENS = 160
IMAGE_PROMPT_TOKENS = 90
SIDES = (640, 480)
"""Pixels of a source image: the usual size in COCO, one of the two sources of AlignBench's images."""
PHOTOGRAPH_BYTES = 163_000
"""val2017.zip of COCO has 816 MB and 5,000 images."""
SCENE_BYTES = 940
"""A picture of the offline world, 128 x 128; the mean of 12."""
ROW_BYTES = 1_000
"""Text, labels and provenance of a row; one of the offline benchmark takes 350 with captions a third as long."""
PNG_BYTES_A_PIXEL = 1.5
"""The two photographs that scikit-learn ships have 0.8 to 1.8, by the size they are scaled to."""
CAPTION_LATENCY, IMAGE_LATENCY = 8.0, 40.0
"""Seconds until an API has answered; a guess."""
CAPTIONS_IN_FLIGHT, IMAGES_IN_FLIGHT = 32, 8
"""Requests at a time, where a recipe does not say; the defaults of generation/api."""
IMAGE_SIZE = "1024x1024"
"""What an API is asked to draw, where a recipe does not say; likewise."""
_BYTES_PER_TOKEN = 4
_FRAME_TOKENS = 7
"""Of a chat's turn; https://github.com/openai/openai-cookbook, How_to_count_tokens_with_tiktoken."""


class Text(NamedTuple):
    """A text to write: tokens of what is asked, without an image, and of the answer; whether an image goes with it."""

    prompt: int
    answer: int = CAPTION_TOKENS
    looks: bool = True


def prompt_tokens(text: str) -> int:
    """The tokens of a prompt as a chat's turn, at one for four bytes."""
    return math.ceil(len(text.encode()) / _BYTES_PER_TOKEN) + _FRAME_TOKENS


def pixels(size: object) -> tuple[int, int] | None:
    """Width and height of a size such as `1024x768`; null where it is none."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", size) if isinstance(size, str) else None
    return (int(found[1]), int(found[2])) if found else None
