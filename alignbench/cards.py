"""Where the texts of data_cards/ are: beside the packages in a clone, within this one in a wheel."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent


def card_file(name: str) -> Path:
    """The file `name` of data_cards/.

    Raises:
        FileNotFoundError: There is none; the installation is not whole.
    """
    for folder in (_HERE / "data_cards", _HERE.parent / "data_cards"):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"alignbench is not installed whole: it lacks data_cards/{name}")
