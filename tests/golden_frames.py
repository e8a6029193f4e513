"""Real requests of each app, from their documentation, with the fixes that they must give: `tests/frames/*.json`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FRAMES = Path(__file__).parent / "frames"


@dataclass(frozen=True)
class GoldenFrame:
    """One request, and what it must become."""

    name: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    device: str
    fixes: list[dict[str, Any]]
    answer: str

    @property
    def protocol(self) -> str:
        return self.path.partition("?")[0]

    @property
    def query(self) -> str:
        return self.path.partition("?")[2]


def _read(file: Path) -> GoldenFrame:
    given = json.loads(file.read_text())
    del given["what"]
    body = given.pop("body", "")
    text = body if isinstance(body, str) else json.dumps(body)
    return GoldenFrame(name=file.stem, body=text.encode(), **given)


GOLDEN_FRAMES = [_read(file) for file in sorted(FRAMES.glob("*.json"))]
