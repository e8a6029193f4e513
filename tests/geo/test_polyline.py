"""Encoded polylines: what Google documents, a plain encoder's round trip, and texts that are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_polyline import encoded

from geo.area_error import AreaError
from geo.polyline import decoded_polyline


def test_the_documented_example() -> None:
    """The example of Google's documentation gives its three points, in GeoJSON's order."""
    line = decoded_polyline("_p~iF~ps|U_ulLnnqC_mqNvxq`@", 5)
    assert line.tolist() == [[-120.2, 38.5], [-120.95, 40.7], [-126.453, 43.252]]


@given(
    st.sampled_from([5, 6]).flatmap(
        lambda precision: st.tuples(
            st.just(precision),
            st.lists(
                st.tuples(
                    st.integers(-180 * 10**precision, 180 * 10**precision),
                    st.integers(-90 * 10**precision, 90 * 10**precision),
                ),
                max_size=30,
            ),
        )
    )
)
def test_what_a_plain_encoder_writes_is_read_back(case) -> None:
    """Every line on the grid comes back exactly; a cut text gives fewer positions or an error, never others."""
    precision, units = case
    text = encoded(units)
    line = [[lon / 10**precision, lat / 10**precision] for lon, lat in units]
    assert decoded_polyline(text, precision).tolist() == line
    for cut in range(max(0, len(text) - 8), len(text)):
        try:
            read = decoded_polyline(text[:cut], precision).tolist()
        except AreaError as error:
            assert error.place == f"polyline[{cut}]"  # noqa: PT017
        else:
            assert read == line[: len(read)]


@given(st.text(max_size=40), st.sampled_from([5, 6]))
def test_any_text_is_a_line_or_an_error(text, precision) -> None:
    """Nothing but positions on the earth, or an AreaError, comes out."""
    try:
        line = decoded_polyline(text, precision)
    except AreaError:
        return
    assert (abs(line) <= [180, 90]).all()


@pytest.mark.parametrize(
    ("text", "precision", "message"),
    [
        ("_p~iF~ps|U_", 5, r"ends within a number at polyline\[11\]"),
        ("_p~iF", 5, r"ends after a latitude.*at polyline\[5\]"),
        ("_p~iF ~ps|U", 5, r"this is ' ' at polyline\[5\]"),
        ("_p~iF~ps|Uä", 5, r"this is 'ä' at polyline\[10\]"),
        ("??~~~~~~~?", 5, r"a number of 8 characters is out of range.* at polyline\[2\]"),
        (encoded([(0, 0), (0, 38_500_000)]), 5, r"lat 385.0 is outside.*precision 5.*position 1"),
        ("??", 7, "precision is 7; allowed are 5 and 6 at polyline_precision"),
    ],
)
def test_what_is_no_polyline_is_named(text, precision, message) -> None:
    """The character, or the position, and the reason."""
    with pytest.raises(AreaError, match=message):
        decoded_polyline(text, precision)
