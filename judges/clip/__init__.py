"""A CLIP model as a judge: the cosine of image and sentence, by any model of open_clip.

`judge.py` runs it, `load.py` finds and loads the model, `images.py` prepares images beside it, `text.py` encodes
sentences.
"""

from judges.clip.judge import ClipJudge as ClipJudge

__all__ = ["ClipJudge"]
