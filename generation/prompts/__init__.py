"""What models are asked: shipped instructions, one a text file, and those that stand beside a recipe."""

from __future__ import annotations

from pathlib import Path

from alignbench.errors import UsageError

_HOME = Path(__file__).parent
_LARGEST = 100_000


def shipped() -> list[str]:
    """The names of the shipped instructions, without `.txt`."""
    return sorted(path.stem for path in _HOME.glob("*.txt"))


def read_prompt(name: str, folder: Path) -> str:
    """The text of an instruction, without blanks around it.

    Args:
        name: A path, which begins at `folder`, or the name of a shipped one, with or without `.txt`; a file wins.
        folder: The recipe's.

    Raises:
        UsageError: There is none of that name, it is empty, no text, or larger than 100 kB.
    """
    beside = folder / name
    if beside.is_file():
        return _read(beside)
    if Path(name).name.removesuffix(".txt") not in shipped() or Path(name).name != name:
        known = ", ".join(shipped())
        raise UsageError(f"there is no instruction {name!r}: neither a file {beside} nor a shipped one ({known})")
    return _read(_HOME / f"{name.removesuffix('.txt')}.txt")


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise UsageError(f"the instruction {path} is larger than {_LARGEST:,} bytes; give a shorter one")
        text = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the instruction {path} cannot be read as UTF-8 text: {error}") from error
    if not text:
        raise UsageError(f"the instruction {path} is empty; write what the model is to do")
    return text
