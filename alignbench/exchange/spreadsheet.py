"""Text that a spreadsheet shows as it is, and takes for no formula."""

from __future__ import annotations

_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
_GUARD = "'"


def guarded(text: str) -> str:
    """The text as a cell of a CSV file: an apostrophe goes before what a spreadsheet would compute.

    Excel, LibreOffice and Google Sheets run cells that begin with these characters
    (https://owasp.org/www-community/attacks/CSV_Injection).
    """
    return _GUARD + text if text.startswith(_BEGINS_FORMULA) else text


def unguarded(cell: str) -> str:
    """The text that `guarded` made this cell of; any other cell as it is."""
    return cell[1:] if cell.startswith(_GUARD) and cell[1:].startswith(_BEGINS_FORMULA) else cell
