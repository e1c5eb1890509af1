"""A vision-language model on this machine as a judge: what it says of each sentence of an image.

`judge.py` runs it, `modes.py` says what each mode asks and how its answer becomes a score, `tokens.py` how a tokenizer
spells the answers, `left_over.py` warns where most of the probability goes to what is no answer. `quotes.py` reads
which words a model quotes as wrong, and `evidence.py` says how sure it was of them.
"""

from judges.local_vlm.judge import LocalVlmJudge as LocalVlmJudge

__all__ = ["LocalVlmJudge"]
