"""Text columns to number columns, fast when all is well and precise about the line when not."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from haulcast.errors import RequestError


def numbers(texts: Sequence[str], name: str, where: str, first_line: int) -> NDArray[np.float64]:
    """A column of texts as numbers; an empty text is NaN.

    Args:
        texts: one a line.
        name: the column, for the error.
        where: the file, for the error.
        first_line: line number of the first text.

    Raises:
        RequestError: names the file, the line, the column and the text.
    """
    try:
        return np.array(texts, dtype=np.float64)
    except ValueError:
        return np.array([_number(text, name, where, first_line + i) for i, text in enumerate(texts)])


def times_ms(seconds: NDArray[np.float64], factor: int, where: str, first_line: int) -> NDArray[np.int64]:
    """Times as whole milliseconds; `factor` is 1000 for seconds, 1 for milliseconds.

    Raises:
        RequestError: a time that is missing.
    """
    missing = ~np.isfinite(seconds)
    if missing.any():
        raise RequestError(
            "bad_recording", f"{where}:{first_line + int(missing.argmax())}: the time is missing"
        )
    return np.rint(seconds * factor).astype(np.int64)


def _number(text: str, name: str, where: str, line: int) -> float:
    if not text.strip():
        return float("nan")
    try:
        return float(text)
    except ValueError:
        raise RequestError(
            "bad_recording", f"{where}:{line}: {name} is {text!r}; it has to be a number"
        ) from None
