"""alignbench measures how well a judge can tell, sentence by sentence, whether a caption is true of an image.

The names below are loaded when they are first used, so that `import alignbench` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alignbench.errors import AlignbenchError
    from alignbench.metrics import auroc
    from alignbench.registry import build_judge
    from alignbench.run import run_judge
    from alignbench.store import Dataset, image_of, sentence_id_of
    from alignbench.text import split_sentences
    from alignbench.types import (
        Answer,
        Context,
        Direction,
        ErrorType,
        Image,
        Judge,
        JudgeSpec,
        Judgment,
        Label,
        Mark,
        ModelRef,
        Origin,
        Pair,
        Query,
        Sentence,
        Span,
        Status,
        Usage,
        Verdict,
        Votes,
    )
    from alignbench.writer import DatasetWriter

__version__ = "0.1.0"

__all__ = [
    "AlignbenchError",
    "Answer",
    "Context",
    "Dataset",
    "DatasetWriter",
    "Direction",
    "ErrorType",
    "Image",
    "Judge",
    "JudgeSpec",
    "Judgment",
    "Label",
    "Mark",
    "ModelRef",
    "Origin",
    "Pair",
    "Query",
    "Sentence",
    "Span",
    "Status",
    "Usage",
    "Verdict",
    "Votes",
    "__version__",
    "auroc",
    "build_judge",
    "image_of",
    "run_judge",
    "sentence_id_of",
    "split_sentences",
]

_NOT_IN_TYPES = {
    "AlignbenchError": "errors",
    "Dataset": "store",
    "DatasetWriter": "writer",
    "auroc": "metrics",
    "build_judge": "registry",
    "image_of": "store",
    "run_judge": "run",
    "sentence_id_of": "store",
    "split_sentences": "text",
}


def __getattr__(name: str) -> Any:
    """Load a public name from the module that defines it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_NOT_IN_TYPES.get(name, 'types')}"), name)


def __dir__() -> list[str]:
    return __all__
