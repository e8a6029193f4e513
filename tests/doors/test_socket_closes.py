"""What a shell counts of the sockets that ended."""

from hypothesis import given
from hypothesis import strategies as st

from haulcast.doors.close_codes import CloseCode
from haulcast.doors.open_sockets import GONE, KNOWN_CODES, OTHER, OpenSockets


@given(st.lists(st.none() | st.sampled_from([*CloseCode, 1001, 1015]) | st.integers(0, 65_535)))
def test_every_end_counts_once_and_peers_make_no_codes_up(codes):
    """Gone without a word is 1006; whatever codes peers send, there are no more counters than codes with a meaning."""
    sockets = OpenSockets()
    for code in codes:
        sockets.ended(code)
    assert sockets.closes.total() == len(codes)
    assert sockets.closes.keys() <= KNOWN_CODES | {OTHER}
    for code in CloseCode:
        assert sockets.closes[code] == codes.count(code)
    assert sockets.closes[GONE] == codes.count(None) + codes.count(GONE)
