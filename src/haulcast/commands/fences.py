"""`haulcast fences import`: the areas of a GeoJSON, KML, GPX or WKT file as fences of the token's fleet."""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import orjson

from haulcast.commands.hub_access import HubAccess, read_secret
from haulcast.errors import RequestError
from haulcast.fences.feature_files import Naming, fence_features, read_features
from haulcast.settings import read_settings

ANSWER_TIMEOUT_S = 600.0  # a hundred thousand fences are checked, stored and built before the answer
TOKEN_VARIABLE = "HAULCAST_TOKEN"  # noqa: S105 - the name of a variable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    action = actions.add_parser(
        "import",
        help="create or change fences from a GeoJSON, KML, GPX or WKT file, all or none",
        description=__doc__,
    )
    action.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="GeoJSON; .kml or .kmz; .gpx; or .wkt, one a line, a name and a tab before; plain or gzip",
    )
    action.add_argument(
        "--repair", action="store_true", help="make invalid rings valid instead of refusing them"
    )
    action.add_argument(
        "--skip-wrong", action="store_true", help="import the others of wrong features instead of none"
    )
    action.add_argument(
        "--name-property", default="name", metavar="NAME", help="which property holds the name (%(default)s)"
    )
    action.add_argument(
        "--tag", action="append", default=[], metavar="T", help="a tag for every fence; may be repeated"
    )
    action.add_argument(
        "--radius-m", type=float, metavar="R", help="radius of points that have no radius_m property"
    )
    action.add_argument(
        "--width-m", type=float, metavar="W", help="width of lines that have no width_m property"
    )
    action.add_argument("--url", default="http://localhost:8000", help="the hub (%(default)s)")
    action.add_argument(
        "--token", help=f"of a dispatcher or admin; else {TOKEN_VARIABLE}, else one made here"
    )
    action.add_argument(
        "--fleet", default="demo", help="the fleet of a token made here, with this hub's secret (%(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Import one file; 0 when all of it was taken.

    Raises:
        RequestError: the file cannot be read, or the hub cannot be reached.
        SettingError: there is no token, and no secret to make one.
    """
    naming = Naming(arguments.name_property, tuple(arguments.tag), arguments.radius_m, arguments.width_m)
    features = list(fence_features(read_features(arguments.file), naming))
    asked = {"repair": arguments.repair, "skip_wrong": arguments.skip_wrong}
    answer = send(features, arguments.url, _token(arguments.token, arguments.fleet), asked)
    result = _answer_of(answer)
    for wrong in result.get("errors", []):
        feature = features[wrong["index"]]
        name = feature.get("properties", {}).get("name", "") if isinstance(feature, dict) else ""
        print(f"feature {wrong['index']} ({name}): {wrong['reason']}", file=sys.stderr)
    if answer.status_code != httpx.codes.OK:
        print(result["detail"], file=sys.stderr)
        return 1
    skipped = f", {result['wrong']} skipped" if result["wrong"] else ""
    print(
        f"{result['created']} created, {result['changed']} changed, {result['unchanged']} unchanged{skipped}"
    )
    return 0


def send(features: list[Any], url: str, token: str, asked: Mapping[str, bool]) -> httpx.Response:
    """The hub's answer to the import of features.

    Raises:
        RequestError: the hub cannot be reached.
    """
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
    body = b"\n".join(orjson.dumps(feature) for feature in features)
    address = f"{url.rstrip('/')}/v1/fences:import"
    try:
        return httpx.post(
            address,
            content=body,
            headers=headers,
            params={name: str(flag).lower() for name, flag in asked.items()},
            timeout=ANSWER_TIMEOUT_S,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise RequestError("unreachable", f"{url} does not answer: {error}") from error


def _token(given: str | None, fleet: str) -> str:
    found = given or os.environ.get(TOKEN_VARIABLE)
    return found or HubAccess(read_secret(read_settings()), fleet).user_token("dispatcher")


def _answer_of(answer: httpx.Response) -> dict[str, Any]:
    if answer.headers.get("content-type", "").startswith(("application/json", "application/problem+json")):
        return dict(answer.json())
    return {"detail": f"{answer.url} answered {answer.status_code}; is that a hub?"}
