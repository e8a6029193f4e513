"""Every decoder that strangers reach, as a function of bytes; each says by returning that the bytes were taken or properly refused.

Whatever else it raises is a finding. Besides not crashing, a decoder keeps its word: what it takes has the shape that its callers rely
on, and what it writes down of it can be read again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
import numpy as np
import orjson

from geo.area_error import AreaError
from geo.polyline import decoded_polyline
from geo.positions import COLUMNS, PositionBatch
from haulcast.client.live_frames import read_map_bytes
from haulcast.devices.device_frames import decode_frames
from haulcast.doors.request_fields import checked_attributes
from haulcast.doors.tokens import TokenBook
from haulcast.errors import ClientError, FrameError, RequestError, TokenError
from haulcast.fences.fence_features import fence_of_feature
from haulcast.fences.fence_import import (
    ImportedFences,
    read_collection,
    read_gpx,
    read_kml,
    read_lines,
    read_wkt,
)
from haulcast.live_map.view import read_command
from haulcast.phones.osmand_frames import decode_osmand
from haulcast.phones.overland_frames import decode_overland
from haulcast.phones.owntracks_frames import decode_owntracks
from haulcast.phones.plain_frames import decode_plain
from haulcast.phones.report_body import expanded
from haulcast.phones.reported_fix import ReportedFix, batch_of
from haulcast.positions.inbox import WaitingFrames
from haulcast.rules.rule_documents import document_of_rule, rule_of_document
from haulcast.rules.schedule_documents import document_of_schedule, schedule_of_document

MOST_FIXES = 1_000
MOST_BODY_BYTES = 65_536
NOW_MS = 1_790_000_000_000
SECRET = b"0123456789abcdef0123456789abcdef"
SIZES = {"radius_m": 100.0, "width_m": 500.0}

_BOOK = TokenBook(SECRET)


class BrokenWordError(Exception):
    """A decoder took something and did not keep its word about it."""


@dataclass(frozen=True, slots=True)
class Decoder:
    """One decoder.

    Attributes:
        read: raises only what is a finding.
        refusals: how it says that it does not take something.
        is_json: whether changing JSON values makes better input than changing bytes.
    """

    read: Callable[[bytes], None]
    refusals: tuple[type[Exception], ...]
    is_json: bool = False

    def try_on(self, data: bytes) -> bool:
        """Whether the bytes were taken.

        Raises:
            Exception: a finding.
        """
        try:
            self.read(data)
        except self.refusals as error:
            if not str(error):
                raise BrokenWordError("a refusal says nothing") from error
            return False
        return True


def _keep(is_kept: object, promise: str) -> None:
    if not is_kept:
        raise BrokenWordError(promise)


def _check_batch(batch: PositionBatch) -> None:
    sizes = {len(getattr(batch, name)) for name in COLUMNS}
    _keep(len(sizes) == 1, "columns have one length")
    _keep(all(0 <= i < len(batch) for i in batch.attributes), "attributes belong to a fix")
    for text in batch.attributes.values():
        _keep(isinstance(orjson.loads(text), dict), "attributes are an object")


def _device_text(data: bytes) -> None:
    """Beside a good frame, which nothing may spoil."""
    good = b'{"seq":1,"time_ms":1790000000000,"lat":1.5,"lon":2.5}'
    batch, bad = decode_frames(WaitingFrames([0, 1, 0], [good, data, good]), NOW_MS, MOST_FIXES)
    _check_batch(batch)
    _keep((batch.row == 0).sum() == 2, "a bad frame spoils no other")
    _keep(len(bad) <= 1 and all(one.frame == 1 for one in bad), "the bad frame is named")
    _keep(bool(bad) != bool((batch.row == 1).any()), "a frame is taken whole or refused")
    if bad:
        raise bad[0].error


def _device_binary(data: bytes) -> None:
    batch, bad = decode_frames(WaitingFrames([-1], [data]), NOW_MS, MOST_FIXES)
    _check_batch(batch)
    _keep(bool(bad) != bool(len(batch)), "a frame is taken whole or refused")
    if bad:
        raise bad[0].error


def _live_command(data: bytes) -> None:
    read_command(data, 50.0)


def _map_frame(data: bytes) -> None:
    frame = read_map_bytes(data)
    _keep(len({len(column) for column in frame.columns.values()}) == 1, "columns have one length")


def _check_fixes(fixes: Sequence[ReportedFix]) -> None:
    """As `phones.submissions` does with what a decoder gives."""
    _keep(len(fixes) <= MOST_FIXES, "no more fixes than allowed")
    if fixes:
        _check_batch(batch_of(fixes, 0, NOW_MS))


def _osmand_query(data: bytes) -> None:
    query = data.decode("latin-1")  # as a server hands a query on
    _check_fixes(decode_osmand(query, "", b"", MOST_FIXES, "knots").fixes)


def _osmand_form(data: bytes) -> None:
    form = "application/x-www-form-urlencoded"
    _check_fixes(decode_osmand("", form, data, MOST_FIXES, "knots").fixes)


def _osmand_json(data: bytes) -> None:
    _check_fixes(decode_osmand("", "application/json", data, MOST_FIXES, "knots").fixes)


def _owntracks(data: bytes) -> None:
    report = decode_owntracks(data, "truck-7")
    _check_fixes([] if report.fix is None else [report.fix])


def _overland(data: bytes) -> None:
    _check_fixes(decode_overland(data, MOST_FIXES).fixes)


def _plain(data: bytes) -> None:
    _check_fixes(decode_plain(data, MOST_FIXES))


def _gzip(data: bytes) -> None:
    _keep(len(expanded(data, "gzip", MOST_BODY_BYTES)) <= MOST_BODY_BYTES, "no more bytes than allowed")


def _fences(read: Callable[..., ImportedFences]) -> Callable[[bytes], None]:
    """Strict and repairing; what is taken comes back as it was stored."""

    def both(data: bytes) -> None:
        for repair in (False, True):
            found = read(data, repair=repair, sizes=SIZES)
            for error in found.errors:
                _keep(error["code"] and error["reason"], "an error has a code and a reason")
            for draft, area in found.fences:
                _keep(not area_is_empty(area), "an area is not empty")
                stored = orjson.loads(draft.area)
                metres = {name: stored.pop(name) for name in SIZES if name in stored}
                feature = {"type": "Feature", "id": draft.fence_id, "geometry": stored, "properties": metres}
                again, _ = fence_of_feature(feature, repair=False)
                _keep(again.area == draft.area, "a stored fence is read as it was written")

    return both


def area_is_empty(area: Any) -> bool:
    """Of shapely's areas; circles and corridors never are."""
    return bool(getattr(area, "is_empty", False))


def _polyline(data: bytes) -> None:
    text = data[1:].decode("utf-8", "surrogateescape")
    line = decoded_polyline(text, 5 + (data[:1] < b"n"))
    _keep(np.isfinite(line).all(), "positions are numbers")
    _keep((np.abs(line) <= [180.0, 90.0]).all(), "positions are on Earth")


def _token(data: bytes) -> None:
    _BOOK.verify(data.decode("latin-1"), NOW_MS)  # as a header is handed on


def _claims(data: bytes) -> None:
    """A token of a good signature that says whatever it likes."""
    try:
        body = orjson.loads(data)
        signed = jwt.encode(body, SECRET, algorithm="HS256")
    except (ValueError, TypeError) as error:
        raise TokenError("bad_token", "nobody can sign this") from error
    claims = _BOOK.verify(signed, NOW_MS)
    _keep(isinstance(claims.fleet, str) and claims.fleet, "claims name a fleet")


def _document(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise RequestError("bad_json", "not JSON") from error


def _rule(data: bytes) -> None:
    rule = rule_of_document(_document(data), "acme", None)
    document = orjson.dumps(document_of_rule(rule))
    _keep(rule_of_document(orjson.loads(document), "acme") == rule, "a stored rule is read as it was written")


def _schedule(data: bytes) -> None:
    schedule = schedule_of_document(_document(data))
    document = orjson.dumps(document_of_schedule(schedule))
    _keep(schedule_of_document(orjson.loads(document)) == schedule, "a stored schedule is read as it was")
    schedule.is_on(NOW_MS)
    schedule.next_begin(NOW_MS)


def _attributes(data: bytes) -> None:
    orjson.dumps(checked_attributes(_document(data)))


DECODERS: Mapping[str, Decoder] = {
    "device_text": Decoder(_device_text, (FrameError,), is_json=True),
    "device_binary": Decoder(_device_binary, (FrameError,)),
    "live_command": Decoder(_live_command, (FrameError, RequestError), is_json=True),
    "map_frame": Decoder(_map_frame, (FrameError,)),
    "osmand_query": Decoder(_osmand_query, (RequestError,)),
    "osmand_form": Decoder(_osmand_form, (RequestError,)),
    "osmand_json": Decoder(_osmand_json, (RequestError,), is_json=True),
    "owntracks": Decoder(_owntracks, (RequestError,), is_json=True),
    "overland": Decoder(_overland, (RequestError,), is_json=True),
    "plain_fixes": Decoder(_plain, (RequestError,), is_json=True),
    "gzip_body": Decoder(_gzip, (ClientError,)),
    "geojson": Decoder(_fences(read_collection), (ClientError,), is_json=True),
    "geojson_lines": Decoder(_fences(read_lines), (ClientError,), is_json=True),
    "kml": Decoder(_fences(read_kml), (ClientError,)),
    "gpx": Decoder(_fences(read_gpx), (ClientError,)),
    "wkt": Decoder(_fences(read_wkt), (ClientError,)),
    "polyline": Decoder(_polyline, (AreaError,)),
    "token": Decoder(_token, (TokenError,)),
    "claims": Decoder(_claims, (TokenError,), is_json=True),
    "rule": Decoder(_rule, (RequestError,), is_json=True),
    "schedule": Decoder(_schedule, (RequestError,), is_json=True),
    "attributes": Decoder(_attributes, (ClientError,), is_json=True),
}
