"""Numbers from a dataset and finished runs, without any model."""

from alignbench.evaluate.results import Evaluation as Evaluation
from alignbench.evaluate.results import evaluate as evaluate
from alignbench.evaluate.results import evaluation_of as evaluation_of
