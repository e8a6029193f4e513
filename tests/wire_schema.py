"""`wire_schema(name)`: what docs/asyncapi.yaml says a JSON frame looks like, to hold real frames against."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match

DOCS = Path(__file__).parents[1] / "docs"


@cache
def read_asyncapi() -> Mapping[str, Any]:
    """docs/asyncapi.yaml."""
    return yaml.safe_load((DOCS / "asyncapi.yaml").read_text())


def _validator(message: str) -> Draft7Validator:
    schema = {"$ref": f"#/components/messages/{message}/payload", "components": read_asyncapi()["components"]}
    return Draft7Validator(schema)


@dataclass(frozen=True)
class WireSchema:
    """The JSON messages that a frame may be."""

    validators: Mapping[str, Draft7Validator]

    def validate(self, frame: Any) -> str:
        """The name of the message that this frame is.

        Raises:
            ValueError: it is none; says for each message why not.
        """
        why_not = []
        for name, validator in self.validators.items():
            error = best_match(validator.iter_errors(frame))
            if error is None:
                return name
            why_not.append(f"not {name}: {error.json_path} {error.message}")
        raise ValueError("\n".join([f"{frame!r} is no message of docs/asyncapi.yaml", *why_not]))


@cache
def find_wire_schema(name: str) -> WireSchema:
    """By a message's name (`event`), or by an operation's (`toLive`) for all of its JSON messages."""
    spec = read_asyncapi()
    operation = spec["operations"].get(name)
    names = [ref["$ref"].rpartition("/")[2] for ref in operation["messages"]] if operation else [name]
    texts = [text for text in names if "contentType" not in spec["components"]["messages"][text]]
    return WireSchema({text: _validator(text) for text in texts})


@pytest.fixture(scope="session")
def wire_schema() -> Callable[[str], WireSchema]:
    """`wire_schema("toLive").validate(frame)`."""
    return find_wire_schema
