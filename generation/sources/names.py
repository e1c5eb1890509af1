"""File names as text that people can read and every format can hold."""

from __future__ import annotations


def shown(name: str) -> str:
    r"""A file name or address as printable Unicode text; two different ones never look alike.

    What cannot be printed is written as in a Python string: a newline as `\n`, a byte that is no UTF-8 as `\xe9`, and
    a backslash as two. Everything else stays, also how a letter is composed.
    """
    return "".join(char if char.isprintable() and char != "\\" else _escaped(char) for char in name)


def _escaped(char: str) -> str:
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) - 0xDC00:02x}"  # how Python spells a byte of a file name that is no UTF-8
    return char.encode("unicode_escape").decode("ascii")
