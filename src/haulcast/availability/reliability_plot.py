"""A reliability plot as inline SVG: how often it came true, over how probable it was said to be."""

from collections.abc import Sequence
from typing import Final

from haulcast.availability.figures import Bin, wilson

SIDE: Final = 180
LEFT: Final = 34
BELOW: Final = 30
TICKS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)


def reliability_plot(bins: Sequence[Bin]) -> str:
    """An `<svg>` with a dot a bin, its Wilson bounds as if its outcomes were independent, and the line on which all would be right."""
    marks = [
        f'<path d="M{_x(0):.1f},{_y(0):.1f}L{_x(1):.1f},{_y(1):.1f}" stroke="#9aa7b2" stroke-dasharray="4 3"/>'
    ]
    for one in bins:
        low, high = wilson(one.share, one.n)
        x = _x(one.p)
        marks.append(f'<path d="M{x:.1f},{_y(low):.1f}V{_y(high):.1f}" stroke="#8db4dd" stroke-width="2"/>')
    dots = (
        f'<circle cx="{_x(one.p):.1f}" cy="{_y(one.share):.1f}" r="3" fill="#0b5cad">'
        f"<title>said {one.p:.3f}, came {one.share:.3f}, n = {one.n}</title></circle>"
        for one in bins
    )
    ends = f"{LEFT + SIDE + 6} {SIDE + BELOW + 6}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {ends}" width="{LEFT + SIDE + 6}" height="{SIDE + BELOW + 6}" role="img" '
        f'aria-label="reliability plot of {len(bins)} bins" font-size="10" fill="none">'
        f'<rect x="{LEFT}" y="6" width="{SIDE}" height="{SIDE}" stroke="#d9e0e6"/>{"".join(_ticks())}{"".join(marks)}{"".join(dots)}</svg>'
    )


def _ticks() -> list[str]:
    return [
        text
        for tick in TICKS
        for text in (
            f'<text x="{_x(tick):.1f}" y="{SIDE + 20}" text-anchor="middle" fill="#56636e">{tick:g}</text>',
            f'<text x="{LEFT - 5}" y="{_y(tick) + 3:.1f}" text-anchor="end" fill="#56636e">{tick:g}</text>',
        )
    ]


def _x(p: float) -> float:
    return LEFT + SIDE * p


def _y(share: float) -> float:
    return 6 + SIDE * (1 - share)
