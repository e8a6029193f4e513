"""The headers of every HTTP answer that tell browsers what this site does not do (OWASP Secure Headers Project)."""

from collections.abc import Mapping
from typing import Final

# connect-src 'self' is the page's own host, its sockets too (CSP 3); worker-src is for the map's own worker
CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)

_ALWAYS: Final = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def security_headers(hsts_s: int = 0) -> Mapping[str, str]:
    """By lower-case name; Strict-Transport-Security only where TLS is known to be in front."""
    if not hsts_s:
        return _ALWAYS
    return {**_ALWAYS, "strict-transport-security": f"max-age={hsts_s}"}
