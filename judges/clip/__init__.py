"""A CLIP model as a judge: the cosine of image and sentence, by any model of open_clip.

`judge.py` runs it, `images.py` prepares the queries' images beside it, `remembered.py` keeps vectors of sentences; what
loads the model and encodes is `alignbench.backends.clip`.
"""

from judges.clip.judge import ClipJudge as ClipJudge

__all__ = ["ClipJudge"]
