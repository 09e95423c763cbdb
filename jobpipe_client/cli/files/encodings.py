"""Detection of files whose text is not UTF-8, or whose lines do not end as they should."""

from __future__ import annotations

import codecs

from jobpipe_client.cli.exits import OperatorError

CR_ALONE = (
    "its lines end with CR alone, as those of Excel for Mac's older CSV: "
    "convert it, for instance with tr '\\r' '\\n' < FILE"
)
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def check_encoding(begin: bytes) -> None:
    """OperatorError if the beginning of a file shows another encoding."""
    found = next((name for mark, name in _MARKS if begin.startswith(mark)), None)
    if found is None and len(begin) > 1 and (begin[0] == 0) != (begin[1] == 0):
        found = "UTF-16LE" if begin[1] == 0 else "UTF-16BE"  # no text begins with NUL
    if found is not None:
        raise OperatorError(
            f"the file is not UTF-8 but {found}, as Excel's Unicode text and PowerShell's > write: "
            f"convert it, for instance with iconv -f {found} -t UTF-8 FILE"
        )


def has_cr_alone(line: bytes) -> bool:
    """Whether the line has a carriage return before its end."""
    return b"\r" in line.rstrip(b"\r\n")
