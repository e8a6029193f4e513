"""Webhooks as JSON: what users may say, and what they are shown."""

import secrets
from typing import Any, Final

from haulcast.doors.request_fields import checked_id, checked_object
from haulcast.errors import RequestError
from haulcast.events.event_api import KINDS
from haulcast.events.event_store import EventFilter
from haulcast.webhooks.allowed_addresses import AllowedAddresses
from haulcast.webhooks.receiver_url import checked_url
from haulcast.webhooks.signatures import secret_of_text, text_of_secret
from haulcast.webhooks.webhook import Webhook, WebhookRecord

MOST_IDS: Final = 1_000
NEW_SECRET_BYTES: Final = 32
OVERLAP_S: Final = 86_400
MOST_OVERLAP_S: Final = 30 * 86_400

_SAID = frozenset({"id", "url", "kinds", "fences", "rules", "vehicles", "paused", "secret"})
_THE_HUBS = frozenset({"pause_reason", "version", "created_at", "updated_at", "old_secret_until_ms"})


def webhook_of_document(
    value: Any, fleet: str, webhook_id: str | None, before: Webhook | None, allowed: AllowedAddresses, now_ms: int
) -> Webhook:  # fmt: skip
    """What a document says, checked. What the hub adds when it shows one is ignored.

    Args:
        value: the document.
        fleet: whose.
        webhook_id: of the path; the document may leave it out, and may not say another.
        before: what there was, whose secret stays if the document has none; with another one both sign for a day.
        allowed: where it may lead.
        now_ms: the time.

    Raises:
        RequestError: a wrong or unknown member.
    """
    said = {
        name: member
        for name, member in checked_object(value, "body", _SAID | _THE_HUBS).items()
        if member is not None and name not in _THE_HUBS
    }
    if webhook_id is not None and said.setdefault("id", webhook_id) != webhook_id:
        raise RequestError("other_id", f"id is not {webhook_id!r}, as the path says", field="id")
    is_paused = said.get("paused", False)
    if not isinstance(is_paused, bool):
        raise RequestError("wrong_type", "paused has to be true or false", field="paused")
    both = () if before is None else before.secrets_at(now_ms)
    old_secret = both[1] if len(both) > 1 else None
    made = Webhook(
        fleet=fleet,
        webhook_id=checked_id(said.get("id")),
        url=checked_url(said.get("url"), allowed),
        asked=EventFilter(
            kinds=_kinds(said.get("kinds")),
            fences=_ids(said.get("fences"), "fences"),
            rules=_ids(said.get("rules"), "rules"),
            vehicles=_ids(said.get("vehicles"), "vehicles"),
        ),
        is_paused=is_paused,
        pause_reason=before.pause_reason if before is not None and before.is_paused and is_paused else "",
        secret=before.secret if before is not None else secrets.token_bytes(NEW_SECRET_BYTES),
        old_secret=old_secret,
        old_secret_until_ms=None if before is None or old_secret is None else before.old_secret_until_ms,
    )
    if "secret" not in said:
        return made
    secret = secret_of_text(said["secret"])
    return with_secret(made, secret, None if before is None else now_ms + OVERLAP_S * 1000)


def with_secret(webhook: Webhook, secret: bytes, both_until_ms: int | None) -> Webhook:
    """The webhook with another secret; the one before signs too until then. The same one changes nothing."""
    if secret == webhook.secret:
        return webhook
    is_first = both_until_ms is None
    return Webhook(
        webhook.fleet, webhook.webhook_id, webhook.url, webhook.asked, webhook.is_paused, secret, webhook.pause_reason,
        old_secret=None if is_first else webhook.secret, old_secret_until_ms=both_until_ms,
    )  # fmt: skip


def said_of(webhook: Webhook) -> dict[str, Any]:
    """What the user said of it, without the secret."""
    asked = webhook.asked
    lists = {"kinds": asked.kinds, "fences": asked.fences, "rules": asked.rules, "vehicles": asked.vehicles}
    return {
        "id": webhook.webhook_id,
        "url": webhook.url,
        **{name: list(texts) for name, texts in lists.items() if texts is not None},
        "paused": webhook.is_paused,
    }


def shown(record: WebhookRecord, now_ms: int, *, with_its_secret: bool = False) -> dict[str, Any]:
    """A webhook for people to read; its secret only right after it was made."""
    webhook = record.webhook
    document = said_of(webhook)
    if webhook.pause_reason:
        document["pause_reason"] = webhook.pause_reason
    if len(webhook.secrets_at(now_ms)) > 1:
        document["old_secret_until_ms"] = webhook.old_secret_until_ms
    if with_its_secret:
        document["secret"] = text_of_secret(webhook.secret)
    times = {"created_at": record.created, "updated_at": record.updated}
    return {**document, "version": record.version, **times}


def _ids(value: Any, field: str) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_IDS:
        reason = f"{field} has to be a list of 1 to {MOST_IDS} ids; leave it out for all"
        raise RequestError("bad_list", reason, field=field)
    return tuple(dict.fromkeys(checked_id(text, field) for text in value))


def _kinds(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not value or any(kind not in KINDS for kind in value):
        reason = f"kinds has to be a list of some of {', '.join(KINDS)}; leave it out for all"
        raise RequestError("bad_list", reason, field="kinds")
    return tuple(dict.fromkeys(value))
