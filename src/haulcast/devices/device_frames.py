"""The codec of the device socket: a tick's frames to one batch, and the replies to bytes.

Plain JSON frames and binary records are read as arrays. A JSON frame of another form is read by itself, so one bad
frame never spoils the others, and its sender hears which field is wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson
import structlog
from numpy.typing import NDArray

from geo.fix_text import read_plain_fixes
from geo.positions import PositionBatch, concatenate, from_columns, position_batch
from haulcast.doors import wire
from haulcast.doors.request_fields import MOST_ATTRIBUTE_LEVELS, is_nested_deeper
from haulcast.errors import FrameError, HaulcastError
from haulcast.positions.inbox import WaitingFrames

ATTRIBUTES_BYTES = 8_192
REQUIRED = ("seq", "time_ms", "lat", "lon")
OPTIONAL = ("speed_mps", "heading_deg", "accuracy_m", "altitude_m")
COLUMN_OF = {"lat": "lat_deg", "lon": "lon_deg"}
RANGES = {
    "seq": (0, wire.MAX_SEQ),
    "time_ms": (-(10**17), 10**17),
    "speed_mps": (0.0, np.inf),
    "heading_deg": (0.0, 360.0),
    "accuracy_m": (0.0, np.inf),
}
"""Allowed values; coordinates are the filter's business, which has a reason for each way they can be wrong."""


log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BadFrame:
    """A frame that could not be read: its index among the tick's frames, and what its sender is told."""

    frame: int
    error: FrameError


class TokenFrame(FrameError):  # noqa: N818 - no error, but it takes their way
    """No fixes but a newer token; it goes with the frames that hold no fixes, because nobody else is asked about it."""

    def __init__(self, token: str) -> None:
        super().__init__("token", "a newer token", field="type")
        self.token = token


@dataclass(frozen=True, slots=True)
class _Part:
    """Fixes that were read in one go, and the frame that each came from."""

    frame: NDArray[np.int64]
    batch: PositionBatch


def decode_frames(
    frames: WaitingFrames, received_ms: int, most_fixes: int
) -> tuple[PositionBatch, list[BadFrame]]:
    """All fixes of a tick's frames in order of arrival, and the frames that could not be read.

    A mistake of ours in reading one frame costs that frame only: then each is read by itself.

    Args:
        frames: text and binary frames of any vehicles.
        received_ms: what `received_ms` of each fix becomes.
        most_fixes: fixes allowed in a frame.
    """
    try:
        return _decode_together(frames, received_ms, most_fixes)
    except Exception:  # the others' next acks would cover what is lost here
        log.exception("frames_not_decoded", frames=len(frames.tags), hint="each is read by itself now")
    batches, bad = [position_batch(0)], []
    for i, (tag, payload) in enumerate(zip(frames.tags, frames.payloads, strict=True)):
        try:
            batch, errors = _decode_together(WaitingFrames([tag], [payload]), received_ms, most_fixes)
        except Exception as error:  # noqa: BLE001  logged
            log.warning("frame_not_decoded", row=tag if tag >= 0 else -1 - tag, error=repr(error))
            bad.append(
                BadFrame(i, FrameError("unreadable", "the hub fails to read this frame; its log says why"))
            )
        else:
            batches.append(batch)
            bad += [BadFrame(i, each.error) for each in errors]
    return concatenate(batches), bad


def _decode_together(
    frames: WaitingFrames, received_ms: int, most_fixes: int
) -> tuple[PositionBatch, list[BadFrame]]:
    tags = np.array(frames.tags, np.int64)
    is_text = tags >= 0
    rows = np.where(is_text, tags, -1 - tags).astype(np.int32)
    parts: list[_Part] = []
    bad: list[BadFrame] = []
    texts = np.flatnonzero(is_text)
    if len(texts):
        _read_texts(frames.payloads, texts, most_fixes, parts, bad)
    if len(texts) < len(tags):
        _read_binaries(frames.payloads, np.flatnonzero(~is_text), most_fixes, parts, bad)
    if not parts:
        return position_batch(0), bad
    batch, frame = parts[0].batch, parts[0].frame
    if len(parts) > 1:
        frame = np.concatenate([part.frame for part in parts])
        order = np.argsort(frame, kind="stable")
        batch, frame = concatenate([part.batch for part in parts]).take(order), frame[order]
    batch.row[:] = rows[frame]
    batch.received_ms[:] = received_ms
    return batch, bad


def _read_texts(
    payloads: list[bytes], texts: NDArray[np.int64], most_fixes: int, parts: list[_Part], bad: list[BadFrame]
) -> None:
    chosen = payloads if len(texts) == len(payloads) else [payloads[i] for i in texts]
    plain = read_plain_fixes(chosen, most_fixes)
    place = np.repeat(
        np.arange(len(chosen)), np.maximum(plain.fixes, 0)
    )  # of each fix's frame among the texts
    attributes, spoilt = _check_attributes(plain.attributes)
    others = np.union1d(np.flatnonzero(plain.fixes < 0), place[spoilt])
    size = len(place)
    if size:
        columns = (np.empty(size, np.int32), plain.seq, plain.time_ms, np.empty(size, np.int64))
        batch = from_columns((*columns, *plain.values), attributes)
        if spoilt:
            kept = np.flatnonzero(~np.isin(place, others))
            batch, place = batch.take(kept), place[kept]
        parts.append(_Part(texts[place], batch))
    for i in others:
        frame = int(texts[i])
        try:
            batch = read_text_frame(payloads[frame], most_fixes)
        except FrameError as error:
            bad.append(BadFrame(frame, error))
        else:
            parts.append(_Part(np.full(len(batch), frame), batch))


def _check_attributes(texts: Mapping[int, bytes]) -> tuple[dict[int, bytes], list[int]]:
    """Those that are JSON objects of a fair size, and the indices of the others."""
    checked: dict[int, bytes] = {}
    spoilt: list[int] = []
    for i, text in texts.items():
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            spoilt.append(i)
            continue
        has_levels = text.count(b"{") + text.count(b"[") > MOST_ATTRIBUTE_LEVELS  # most have not: no walk
        if has_levels and is_nested_deeper(value):
            spoilt.append(i)
            continue
        checked[i] = orjson.dumps(value)
        if len(checked[i]) > ATTRIBUTES_BYTES:
            spoilt.append(i)
    return checked, spoilt


def read_text_frame(payload: bytes, most_fixes: int) -> PositionBatch:
    """One JSON frame of any form; row and received_ms are left for the caller.

    Raises:
        FrameError: bad_json, missing_field, unknown_field, wrong_type, out_of_range or too_many_fixes.
        TokenFrame: it is a newer token.
    """
    try:
        frame = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise FrameError("bad_json", f"the frame is not JSON: {error}") from error
    if not isinstance(frame, dict):
        raise FrameError("wrong_type", "a frame is one JSON object: a fix, or {'fixes': [...]}")
    if frame.get("type") == "token" and frame.keys() == {"type", "token"}:
        if not isinstance(frame["token"], str) or not frame["token"]:
            raise FrameError("wrong_type", "token must be a JWT as text", field="token")
        raise TokenFrame(frame["token"])
    fixes = [frame]
    if "fixes" in frame:
        fixes = frame["fixes"]
        if len(frame) > 1:
            other = next(name for name in frame if name != "fixes")
            raise FrameError("unknown_field", "beside fixes nothing else may stand", field=other)
        if not isinstance(fixes, list) or not fixes:
            raise FrameError("wrong_type", f"fixes must be a list of 1 to {most_fixes} fixes", field="fixes")
        if len(fixes) > most_fixes:
            raise FrameError("too_many_fixes", f"{len(fixes)} fixes; allowed are {most_fixes}", field="fixes")
    batch = position_batch(len(fixes))
    attributes: dict[int, bytes] = {}
    for i, fix in enumerate(fixes):
        _read_fix(fix, i, batch, attributes, f"fixes[{i}]." if "fixes" in frame else "")
    return replace(batch, attributes=attributes)


def _read_fix(fix: Any, i: int, batch: PositionBatch, attributes: dict[int, bytes], place: str) -> None:
    if not isinstance(fix, dict):
        raise FrameError("wrong_type", "a fix is a JSON object", field=place.rstrip("."))
    for name in fix:
        if name not in REQUIRED and name not in OPTIONAL and name != "attributes":
            allowed = ", ".join((*REQUIRED, *OPTIONAL, "attributes"))
            raise FrameError("unknown_field", f"known fields are {allowed}", field=place + name[:64])
    for name in (*REQUIRED, *OPTIONAL):
        value = fix.get(name)
        if value is None:
            if name in REQUIRED:
                raise FrameError(
                    "missing_field", f"a fix must have {', '.join(REQUIRED)}", field=place + name
                )
            continue
        getattr(batch, COLUMN_OF.get(name, name))[i] = _checked(name, value, place)
    kept = fix.get("attributes")
    if kept is not None:
        attributes[i] = _read_attributes(kept, place)


def _checked(name: str, value: Any, place: str) -> float:
    kinds: tuple[type, ...] = (int,) if name in {"seq", "time_ms"} else (int, float)
    if type(value) not in kinds:  # bool is an int to isinstance
        wanted = "an integer" if kinds == (int,) else "a number"
        raise FrameError("wrong_type", f"{name} must be {wanted}", field=place + name)
    least, most = RANGES.get(name, (-np.inf, np.inf))
    if not least <= value <= most:
        raise FrameError("out_of_range", f"{name} must be from {least} to {most}", field=place + name)
    return 0.0 if name == "heading_deg" and value == 360 else float(value) if float in kinds else value


def _read_attributes(value: Any, place: str) -> bytes:
    if not isinstance(value, dict):
        raise FrameError("wrong_type", "attributes must be a JSON object", field=place + "attributes")
    if is_nested_deeper(value):
        reason = f"attributes have more levels than the {MOST_ATTRIBUTE_LEVELS} that are allowed"
        raise FrameError("out_of_range", reason, field=place + "attributes")
    text = orjson.dumps(value)
    if len(text) > ATTRIBUTES_BYTES:
        raise FrameError(
            "out_of_range",
            f"attributes have {len(text)} bytes; allowed are {ATTRIBUTES_BYTES}",
            field=place + "attributes",
        )
    return text


def _read_binaries(
    payloads: list[bytes],
    binaries: NDArray[np.int64],
    most_fixes: int,
    parts: list[_Part],
    bad: list[BadFrame],
) -> None:
    size = wire.DEVICE_RECORD.itemsize
    sizes = np.fromiter((len(payloads[i]) for i in binaries), np.int64, len(binaries))
    is_good = (sizes > 0) & (sizes % size == 0) & (sizes <= most_fixes * size)
    bad.extend(
        BadFrame(int(i), _size_error(int(n), most_fixes))
        for i, n in zip(binaries[~is_good], sizes[~is_good], strict=True)
    )
    good = binaries[is_good]
    if not len(good):
        return
    records = np.frombuffer(b"".join([payloads[i] for i in good]), wire.DEVICE_RECORD)
    frame = np.repeat(good, sizes[is_good] // size)
    wrong = _wrong_records(records)
    if wrong:
        spoilt = {int(frame[i]): (i, name) for name, index in reversed(wrong.items()) for i in index[::-1]}
        bad.extend(
            BadFrame(f, _value_error(name, int(i - np.searchsorted(frame, f))))
            for f, (i, name) in spoilt.items()
        )
        kept = ~np.isin(frame, list(spoilt))
        records, frame = records[kept], frame[kept]
    if len(records):
        parts.append(_Part(frame, _from_records(records)))


def _wrong_records(records: NDArray[np.void]) -> dict[str, NDArray[np.int64]]:
    """Which records have which field out of its range; NaN is unknown and allowed but where the filter says otherwise."""
    heading = records["heading_deg"]
    checks = {
        "seq": records["seq"] > wire.MAX_SEQ,
        "time_ms": np.abs(records["time_ms"]) > RANGES["time_ms"][1],
        "speed_mps": records["speed_mps"] < 0,
        "heading_deg": (heading < 0) | (heading > 360),
        "accuracy_m": records["accuracy_m"] < 0,
    }
    return {name: np.flatnonzero(is_wrong) for name, is_wrong in checks.items() if is_wrong.any()}


def _from_records(records: NDArray[np.void]) -> PositionBatch:
    batch = position_batch(len(records))
    for name in records.dtype.names or ():
        getattr(batch, COLUMN_OF.get(name, name))[:] = records[name]
    batch.heading_deg[batch.heading_deg == 360] = 0  # a full turn is north
    return batch


def _size_error(size: int, most_fixes: int) -> FrameError:
    record = wire.DEVICE_RECORD.itemsize
    if size > most_fixes * record and size % record == 0:
        return FrameError("too_many_fixes", f"{size // record} fixes; allowed are {most_fixes}")
    return FrameError("bad_binary", f"{size} bytes; a binary frame is one or more records of {record} bytes")


def _value_error(name: str, place: int) -> FrameError:
    least, most = RANGES[name]
    return FrameError(
        "out_of_range", f"{name} must be from {least} to {most}", field=f"fixes[{place}].{name}"
    )


def ack_text(seq: int) -> bytes:
    """The ack of a JSON connection."""
    return b'{"type":"ack","seq":%d}' % seq


def ack_binary(seq: int) -> bytes:
    """The ack of a binary connection, 16 bytes."""
    return np.array((wire.REPLY_ACK, 0, seq), wire.ACK_REPLY).tobytes()


def resend_text(seq: int) -> bytes:
    """The word of a JSON connection that all fixes after this sequence have to come again."""
    return b'{"type":"resend","seq":%d}' % seq


def resend_binary(seq: int) -> bytes:
    """The same on a binary connection, 16 bytes."""
    return np.array((wire.REPLY_RESEND, 0, seq), wire.RESEND_REPLY).tobytes()


def reject_text(seqs: NDArray[np.int64], reasons: NDArray[np.uint32]) -> bytes:
    """The reject of a JSON connection: every sequence with the names of all its reasons."""
    rejects = [
        {"seq": int(seq), "reasons": wire.reason_names(int(bits))}
        for seq, bits in zip(seqs, reasons, strict=True)
    ]
    return orjson.dumps({"type": "reject", "rejects": rejects})


def reject_binary(seqs: NDArray[np.int64], reasons: NDArray[np.uint32]) -> bytes:
    """The reject of a binary connection: a header and one record a fix."""
    records = np.zeros(len(seqs), wire.REJECT_RECORD)
    records["seq"], records["reasons"] = seqs, reasons
    return np.array((wire.REPLY_REJECT, len(seqs)), wire.REPLY_HEADER).tobytes() + records.tobytes()


def welcome_text(vehicle: str, seq: int, time_ms: int) -> bytes:
    """The first frame that a device hears."""
    return orjson.dumps({"type": "welcome", "vehicle": vehicle, "seq": seq, "time_ms": time_ms})


def error_text(error: HaulcastError) -> bytes:
    """What was wrong with a frame, with its code, its field and the reason."""
    return orjson.dumps({"type": "error", **error.as_fields()})
