"""What every benchmark prints besides its own figures: machine, versions, seed, every run, minimum and spread."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("haulcast", "numpy", "numba", "picows", "uvloop", "orjson", "websockets", "h3", "shapely")


def machine() -> dict[str, Any]:
    """Processor, cores and Python, as far as the system tells."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def commit() -> str:
    """The short id of the commit that runs, if this is a checkout."""
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip()


def spread_of(runs: Sequence[Mapping[str, float]], keys: Sequence[str]) -> dict[str, dict[str, float]]:
    """Minimum, median and maximum of each key over the runs."""
    return {
        key: {"minimum": min(values), "median": statistics.median(values), "maximum": max(values)}
        for key in keys
        if (values := [run[key] for run in runs])
    }


def report(
    figures: Mapping[str, Any], runs: Sequence[Mapping[str, float]], keys: Sequence[str], seed: int
) -> None:
    """Print one JSON object on the last line: each key's median, then the rest."""
    spread = spread_of(runs, keys)
    whole = {
        **{key: values["median"] for key, values in spread.items()},
        **figures,
        "spread": spread,
        "runs": list(runs),
        "seed": seed,
        "machine": machine(),
        "versions": {name: version(name) for name in PACKAGES},
        "commit": commit(),
    }
    print(json.dumps(whole))
    sys.stdout.flush()


def arguments_of(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Add what all benchmarks take, and parse."""
    parser.add_argument("--repetitions", type=int, default=3, help="runs, each reported")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--json", action="store_true", help="accepted for uniformity: the last line is always JSON"
    )
    return parser.parse_args()


def say(text: str) -> None:
    """Progress for people, on standard error."""
    print(text, file=sys.stderr, flush=True)
