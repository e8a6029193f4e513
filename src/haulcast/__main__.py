"""`haulcast COMMAND`: each command is a file of its own in `haulcast.commands`."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from haulcast import __version__
from haulcast.errors import HaulcastError

COMMANDS = {
    "serve": "run the hub",
    "demo": "run the hub with a simulated fleet and a page to watch it",
    "token": "make a token for a device, a viewer, a dispatcher or an admin",
    "fences": "import fences from a file",
    "replay": "send a recorded day to a hub, each vehicle over its own socket",
    "simulate": "send a simulated fleet to a hub",
    "watch": "watch a fleet in the terminal",
    "playback": "watch a fleet's past in the terminal",
    "travel": "learn travel times from the history",
    "availability": "learn who will be free, and say which model is in force",
}


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="haulcast", description="A real-time fleet server for freight.")
    parser.add_argument("--version", action="version", version=f"haulcast {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, what in COMMANDS.items():
        command = commands.add_parser(name, help=what, description=what)
        if name == chosen:  # only the command that runs is imported: the others cost start-up time
            module = importlib.import_module(f"haulcast.commands.{name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, 1 for an error of ours or theirs, 2 for a wrong call."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    chosen = next((word for word in given if not word.startswith("-")), None)
    parsed = _parser(chosen).parse_args(given)
    try:
        return int(parsed.run(parsed))
    except HaulcastError as error:
        print(f"haulcast {parsed.command}: {error.reason}", file=sys.stderr)  # noqa: T201 - the command's own voice
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
