"""The encoder of polylines, number by number as it is documented."""

from collections.abc import Sequence


def encoded(units: Sequence[tuple[int, int]]) -> str:
    """The polyline of positions, longitude and latitude, in whole units of its precision."""
    text, before = "", (0, 0)
    for lon, lat in units:
        for difference in (lat - before[1], lon - before[0]):
            rest = ~(difference << 1) if difference < 0 else difference << 1
            while rest >= 32:
                text += chr((rest & 31 | 32) + 63)
                rest >>= 5
            text += chr(rest + 63)
        before = lon, lat
    return text
