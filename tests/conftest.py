"""What holds for every test: no network, no hub, a small dataset for whoever asks."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from alignbench.store import Dataset
from tests.datasets import make_dataset

# Read when huggingface_hub is imported, here and in the processes that tests start.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

# A shell that starts the tests in the background has it ignored, here and in the processes that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@pytest.fixture(autouse=True)
def no_network() -> Iterator[None]:
    """Refuse every connection that leaves this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        outside = isinstance(address, tuple) and address[0] not in _LOOPBACK
        if outside:
            raise RuntimeError(f"a test tried to connect to {address}; tests run without a network")
        connect(self, address)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset folder that no test may change."""
    return make_dataset(tmp_path_factory.mktemp("shared") / "tiny").path


@pytest.fixture
def dataset(tmp_path: Path, tiny: Path) -> Dataset:
    """Four images, two producers, 24 labelled sentences; the test's own."""
    return Dataset.open(shutil.copytree(tiny, tmp_path / "tiny"))
