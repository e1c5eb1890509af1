"""Numbers from a dataset and finished runs, without any model."""

from alignbench.evaluate.results import evaluate as evaluate
