"""The ways in which a string can be read: as it stands, and with what was escaped in it written out."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from urllib.parse import unquote

# Both take each character once, also where a quote is never closed or a million backslashes stand in a row.
_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)', re.DOTALL)
_CODE = re.compile(r"(?<!\\)\\+(?:u\{?([0-9a-fA-F]{4})\}?|x([0-9a-fA-F]{2}))")
_PERCENT = re.compile(r"%[0-9a-fA-F]{2}")
_DEPTH = 4
# Base64 of visible ASCII: the first of every four characters stands for six bits of 0x20 to 0x7f.
_QUADS = "(?:[I-Za-f][A-Za-z0-9+/_-]{3}){5}"
_CODED = re.compile(_QUADS + r"[A-Za-z0-9+/_-]*")
_HEX = re.compile(r"[0-9a-fA-F]+")
_URL_SAFE = str.maketrans("-_", "+/")

ESCAPED = r"\\|%[0-9a-fA-F]{2}"
"""Marks, for RE2, the strings that have another reading than that as they stand."""
CODED = _QUADS
"""Marks, for RE2, the strings that may have base64 in them."""


def readings(text: str) -> Iterator[str]:
    r"""The readings of a string: as it stands, with JSON's escapes and `\u0073`, and with `%2F`, written out.

    JSON within JSON is written out too. A string that has escapes of JSON is not read as it stands: there, `\n` before
    a word and a path of Windows look alike.
    """
    yield _written_out(text, _DEPTH)
    plain = _CODE.sub(_character, text)
    if plain != text:
        yield plain
    if _PERCENT.search(text):
        yield unquote(text, errors="replace")


def decoded(text: str) -> Iterator[str]:
    """What is base64 of at least fifteen visible characters in a string, decoded; sums in hexadecimals are none."""
    for run in _CODED.findall(text):
        if _HEX.fullmatch(run):
            continue
        whole = run.translate(_URL_SAFE)[: len(run) // 4 * 4]
        rest = run.translate(_URL_SAFE)[len(whole) :]
        try:
            said = base64.b64decode(whole + (rest + "=" * (4 - len(rest)) if len(rest) > 1 else ""))
        except binascii.Error:
            continue
        visible = said.decode("ascii", "ignore")
        if len(visible) == len(said):
            yield visible


def literal(text: str) -> str:
    """The pattern, for RE2, of exactly this text: its bytes, which is what RE2 is given."""
    return "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else rf"\x{byte:02x}" for byte in text.encode())


def _written_out(text: str, depth: int) -> str:
    if "\\" not in text or not depth:
        return text
    return _LITERAL.sub(lambda found: _literal(found[0], depth), text)


def _literal(quoted: str, depth: int) -> str:
    if "\\" not in quoted:
        return quoted
    try:
        said = json.loads(quoted, strict=False)
    except ValueError:
        return quoted
    return f'"{_written_out(said, depth - 1)}"'


def _character(found: re.Match[str]) -> str:
    return chr(int(found[1] or found[2], 16))
