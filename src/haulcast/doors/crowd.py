"""How many connections are open, overall and per address; who would be one too many is cut off before a byte is read."""

from haulcast.doors.addresses import Proxies, counted_as


class Crowd:
    """The open connections of one port.

    Args:
        most: overall.
        most_per_address: of one address, unless it is a trusted proxy, behind which are many.
        proxies: the trusted ones.

    Attributes:
        turned_away: connections that were one too many.
    """

    def __init__(self, most: int, most_per_address: int, proxies: Proxies | None = None) -> None:
        self.turned_away = 0
        self._most = most
        self._most_per_address = most_per_address
        self._proxies = proxies or Proxies()
        self._size = 0
        self._of_address: dict[str, int] = {}

    def __len__(self) -> int:
        return self._size

    def enter(self, address: str) -> bool:
        """Whether there is room for one more; if so it is counted until it leaves."""
        key = counted_as(address)
        here = self._of_address.get(key, 0)
        is_many = here >= self._most_per_address and not self._proxies.are_trusted(address)
        if self._size >= self._most or is_many:
            self.turned_away += 1
            return False
        self._size += 1
        self._of_address[key] = here + 1
        return True

    def leave(self, address: str) -> None:
        """One that had entered is gone."""
        key = counted_as(address)
        self._size -= 1
        left = self._of_address[key] - 1
        if left:
            self._of_address[key] = left
        else:
            del self._of_address[key]
