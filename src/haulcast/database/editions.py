"""Editions: names for the states of what is stored, so that an edit can say which state it was made on."""

from datetime import datetime

from haulcast.errors import PreconditionError


def edition_of(version: int, created: datetime) -> str:
    """Names this state of a thing and no other, also after the thing was deleted and made anew."""
    return f"{version}-{int(created.timestamp() * 1_000_000):x}"


def other_edition(name: str, edition: str | None) -> PreconditionError:
    """An edit was made on another state than there is; None: there is none."""
    now = "does not exist" if edition is None else f'is at edition "{edition}"'
    reason = f"{name} {now}; read it again and repeat the edit"
    return PreconditionError("other_edition", reason, field="If-Match")
