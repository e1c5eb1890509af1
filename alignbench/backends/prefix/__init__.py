"""Asks a vision-language model many things about one image at the cost of one image.

`engine.py` finds out how a model can be asked and asks it, `tokens.py` splits prompts into what they share and the
rest, `cache.py` feeds the rest behind the shared part, `chunks.py` bounds how much at a time, `decoding.py` writes.
"""

from alignbench.backends.prefix.decoding import Generated as Generated
from alignbench.backends.prefix.engine import Distributions as Distributions
from alignbench.backends.prefix.engine import SharedPrefix as SharedPrefix

__all__ = ["Distributions", "Generated", "SharedPrefix"]
