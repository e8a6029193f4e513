"""`/v1/vehicles/{id}/track`: a vehicle's way in a span as a file, written while it is read."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from geo.positions import PositionBatch
from geo.track_thinning import MOST_TOLERANCE_M
from haulcast.doors.problems import problem_response
from haulcast.doors.time_fields import Span, wants_iso
from haulcast.errors import RequestError
from haulcast.reports.history_reader import HistoryReader
from haulcast.reports.report_fields import number_asked_for
from haulcast.reports.track_csv import CsvTrack
from haulcast.reports.track_encoders import TrackEncoder
from haulcast.reports.track_features import GeojsonTrack, MovingFeaturesTrack
from haulcast.reports.track_gpx import GpxTrack
from haulcast.reports.track_pieces import TrackPieces

FORMATS: dict[str, Callable[[str, bool], TrackEncoder]] = {
    "geojson": lambda vehicle, iso: GeojsonTrack(vehicle, iso=iso),
    "gpx": lambda vehicle, _: GpxTrack(vehicle),
    "csv": lambda _, __: CsvTrack(),
    "mf-json": lambda vehicle, _: MovingFeaturesTrack(vehicle),
}
_OF_MEDIA_TYPES = {
    "application/geo+json": "geojson",
    "application/json": "geojson",
    "application/gpx+xml": "gpx",
    "text/csv": "csv",
    "application/*": "geojson",
    "text/*": "csv",
    "*/*": "geojson",
}
USUAL_GAP_S = 600.0
MOST_GAP_S = 86_400.0


def format_asked_for(request: Request) -> str | None:
    """`format` of the query, else the first of the best types that Accept names; None: none of those there are.

    Raises:
        RequestError: a format that is unknown.
    """
    name = request.query_params.get("format")
    if name is not None:
        if name not in FORMATS:
            allowed = ", ".join(FORMATS)
            raise RequestError(
                "bad_format", f"format is {name[:80]!r}; allowed are {allowed}", field="format"
            )
        return name
    weighed = []
    for place, text in enumerate(request.headers.get("accept", "*/*").lower().split(",")):
        media_type, *parameters = (part.strip() for part in text.split(";"))
        weight = _weight(parameters)
        if media_type in _OF_MEDIA_TYPES and weight > 0:
            weighed.append((-weight, place, _OF_MEDIA_TYPES[media_type]))
    return min(weighed)[2] if weighed else None


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            text = value.strip()
            return float(text) if text.replace(".", "", 1).isdecimal() and text.isascii() else 0.0
    return 1.0


async def track_response(
    request: Request, reader: HistoryReader, fleet: str, vehicle: str, span: Span
) -> Response:
    """The track as a stream. What is wrong is said before it begins; a store that fails later breaks it off.

    Raises:
        RequestError: a wrong field.
        NotFoundError: no such vehicle.
        StoreError: the store cannot be reached.
    """
    name = format_asked_for(request)
    if name is None:
        detail = f"none of what Accept names is there; there are {', '.join(sorted(_OF_MEDIA_TYPES))}"
        return problem_response(406, "not_acceptable", detail)
    gap_ms = int(1000 * number_asked_for(request, "gap_s", USUAL_GAP_S, 1.0, MOST_GAP_S))
    pieces = TrackPieces(gap_ms, number_asked_for(request, "thin", None, 0.0, MOST_TOLERANCE_M))
    encoder = FORMATS[name](vehicle, wants_iso(request))
    headers = {"Vary": "Accept"}
    if encoder.file_ending:
        file_name = quote(f"{vehicle}.{encoder.file_ending}", safe="")
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{file_name}"
    if request.method == "HEAD":
        await reader.require(fleet, vehicle)
        return Response(headers={**headers, "Content-Type": encoder.media_type})
    portions = reader.portions(fleet, vehicle, span)
    first = await anext(portions)
    body = _written(reader, first, portions, pieces, encoder)
    return StreamingResponse(body, headers={**headers, "Content-Type": encoder.media_type})


async def _written(
    reader: HistoryReader,
    first: PositionBatch,
    others: AsyncIterator[PositionBatch],
    pieces: TrackPieces,
    encoder: TrackEncoder,
) -> AsyncIterator[bytes]:
    yield encoder.head()
    yield await reader.computed(partial(_text, first, pieces, encoder))
    async for portion in others:
        yield await reader.computed(partial(_text, portion, pieces, encoder))
    yield encoder.tail()


def _text(portion: PositionBatch, pieces: TrackPieces, encoder: TrackEncoder) -> bytes:
    return encoder.add(pieces.add(portion))
