"""A CLIP model for whoever compares images and texts: the judge, the domains of images, the likeness of prompts.

`load.py` finds and loads the model, `images.py` prepares and encodes images, `text.py` encodes texts.
"""

from alignbench.backends.clip.images import encode_images as encode_images
from alignbench.backends.clip.load import Clip as Clip
from alignbench.backends.clip.load import load_clip as load_clip
from alignbench.backends.clip.text import TextTower as TextTower

__all__ = ["Clip", "TextTower", "encode_images", "load_clip"]
