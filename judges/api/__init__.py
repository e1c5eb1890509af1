"""A vision-language model behind an API as a judge: asked over the chat completions protocol, one request a sentence.

`judge.py` runs it, `settings.py` says what is asked for, `modes.py` what each mode asks and how its answer is read,
`probe.py` finds out what an endpoint honours, `estimate.py` what judging would cost.
"""

from judges.api.judge import ApiJudge as ApiJudge

__all__ = ["ApiJudge"]
