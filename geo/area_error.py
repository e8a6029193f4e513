"""Why an area cannot be used, and where."""


class AreaError(ValueError):
    """An area that cannot be used: the message says what is wrong and what is allowed.

    `place` says where: a path into the GeoJSON (`coordinates[0][3]`), or the position (`lon -122.4, lat 37.7`).
    """

    def __init__(self, reason: str, place: str) -> None:
        super().__init__(f"{reason} at {place}")
        self.reason = reason
        self.place = place
