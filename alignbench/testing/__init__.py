"""For authors of judges: what every judge keeps to, as tests that pytest runs on yours.

In a test file of your own:

    from alignbench.testing import JudgeContract

    class TestMine(JudgeContract):
        reference = "mykind:model"

See `JudgeContract` for what is checked and what can be set. This is the only part of alignbench that needs pytest.
"""

from __future__ import annotations

import pytest

# Before the import, so that a failing check shows its values.
pytest.register_assert_rewrite("alignbench.testing.contract")

from alignbench.testing.contract import JudgeContract as JudgeContract  # noqa: E402

__all__ = ["JudgeContract"]
