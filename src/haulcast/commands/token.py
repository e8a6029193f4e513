"""`haulcast token`: makes a token and prints it, alone, so that a shell can take it up."""

import argparse
import secrets
from pathlib import Path

from haulcast import clock
from haulcast.doors.socket_session import Claims
from haulcast.doors.tokens import ROLES, TokenBook, read_or_make_secret
from haulcast.logs import configure_logs
from haulcast.settings import read_settings

DAY_MS = 86_400_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--fleet", required=True, help="the fleet that the token opens")
    parser.add_argument("--role", required=True, choices=ROLES, help="what its bearer may do")
    parser.add_argument("--vehicle", help="the vehicle that a device reports for (role device)")
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="a TOML file of settings; HAULCAST_* in the environment win",
    )
    parser.add_argument("--subject", default="", help="whose it is, for the audit log")
    parser.add_argument("--days", type=float, default=365.0, help="how long it lasts (default: %(default)g)")


def run(arguments: argparse.Namespace) -> int:
    """Print a token.

    Raises:
        RequestError: a claim that no hub would take.
        SettingError: there is no secret to sign with.
    """
    settings = read_settings(arguments.config)
    configure_logs(settings)
    now_ms = clock.epoch_ms()
    claims = Claims(
        arguments.fleet,
        arguments.role,
        arguments.vehicle,
        now_ms + round(arguments.days * DAY_MS),
        subject=arguments.subject,
        token_id=secrets.token_hex(8),
        issued_ms=now_ms,
    )
    print(TokenBook(read_or_make_secret(settings)).make(claims))
    return 0
