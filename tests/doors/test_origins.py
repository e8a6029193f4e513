"""Which origins a setting may name, and which handshakes they let in."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulcast.doors.origins import Origins
from haulcast.errors import ForbiddenError, SettingError


@pytest.mark.parametrize(
    "origin", ["map.example", "https://", "https://map.example/", "https://map.example/x", "null"]
)
def test_what_is_no_origin_stops_the_start(origin) -> None:
    """A path or a missing scheme would never match anything."""
    with pytest.raises(SettingError, match="allowed_origins"):
        Origins(("https://good.example", origin))


@given(origin=st.text(max_size=60), host=st.text(max_size=60))
def test_any_text_is_judged(origin, host) -> None:
    """Whatever stands in the headers, it is let in or refused."""
    with contextlib.suppress(ForbiddenError):
        Origins().check({"origin": origin, "host": host})


@pytest.mark.parametrize(
    ("origin", "host", "comes_in"),
    [
        ("http://hub:8000", "hub:8001", True),
        ("https://HUB", "hub", True),
        ("http://[::1]:8000", "[::1]:8001", True),
        ("http://hub.evil", "hub", False),
        ("http://evil", "", False),
        ("http://hub@evil", "hub", False),
        ("http://[", "hub", False),
        ("", "", False),
    ],
)
def test_our_own_host_has_any_port(origin, host, comes_in) -> None:
    """The page comes from one port and its sockets go to the other."""
    if comes_in:
        Origins().check({"origin": origin, "host": host})
    else:
        with pytest.raises(ForbiddenError):
            Origins().check({"origin": origin, "host": host})
