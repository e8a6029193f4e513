"""The customary port of the OsmAnd protocol, as a second address of the HTTP server."""

from starlette.types import ASGIApp, Receive, Scope, Send


class OsmandPort:
    """Gives what comes in at one port to one application, and everything else to another.

    Args:
        port: of the OsmAnd protocol.
        osmand: the application behind it.
        others: the one behind every other port.
    """

    def __init__(self, port: int, osmand: ASGIApp, others: ASGIApp) -> None:
        self._port = port
        self._osmand = osmand
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse a socket."""
        is_osmand = (scope.get("server") or ("", 0))[1] == self._port
        await (self._osmand if is_osmand else self._others)(scope, receive, send)
