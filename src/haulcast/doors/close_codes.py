"""Why a socket was closed. 4000-4499: come back later; 4500-4999: don't, something has to change first."""

from enum import IntEnum

COME_BACK_BELOW = 4500


class CloseCode(IntEnum):
    """The WebSocket close codes that Haulcast sends; RFC 6455's own (1000, 1009, ...) keep their meaning."""

    NORMAL = 1000
    TOO_BIG = 1009  # a frame over `frame_bytes`; both shells' libraries send it by themselves
    GOING_AWAY = 4000  # the hub stops or restarts
    OVERLOADED = 4001  # the inbox is full; nothing unacked was taken
    SLOW = 4002  # the subscriber read nothing for too long
    EVENTS_LOST = 4003  # so far behind that fence events it had not seen were dropped; resubscribe
    IDLE = 4004  # no frame and no pong
    TOKEN = 4401  # the token is wrong or has expired; come back with a good one
    REPLACED = 4500  # a newer connection of the same vehicle took over
    BAD_FRAMES = 4501  # too many bad frames in a row
    DELETED = 4502  # the vehicle was deleted
    FORBIDDEN = 4503  # the role may not use this socket


def may_come_back(code: int) -> bool:
    """Whether a client should connect again after this close code (anything but 4500-4999)."""
    return not COME_BACK_BELOW <= code <= 4999
