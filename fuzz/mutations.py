"""Changes of good input: of a JSON text by values, which stays JSON (out of range, of another type, moved, doubled, nested, renamed, left out), and of bytes."""

import random
from collections.abc import Callable
from typing import Any

import orjson

STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 5e-324, 1.7976931348623157e308, -0.0, 2**31, 2**53 + 1, -(2**63), 2**64 - 1, 90, 180.0000001,
    -90.5, 360, 1e17, "", " ", ".", "..", "\u0000", "\u202e", "\ud7ff", "x" * 129, "NaN", "1e999", "2026-02-30", "24:00", "UTC",
    [], {}, [[]], [None], [[[[0, 0]]]], {"ids": []}, {"type": "Polygon"}, "Point", "polyline", "\U0001f69a",
)  # fmt: skip
"""Values at which readers break."""
DEEPEST = 200

Node = Any  # an object or a list


def mutated(text: bytes, chance: random.Random) -> bytes:
    """The text with one to four changes; a text that is no JSON object or list becomes one around it."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        document = {"fixes": text.decode("utf-8", "replace")}
    holder: Node = [document]
    for _ in range(chance.randint(1, 4)):
        chance.choice(_CHANGES)(*_chosen(holder, chance), chance)
    try:
        return orjson.dumps(holder[0] if holder else None)
    except TypeError:  # more levels than it writes
        return text


def changed_bytes(data: bytes, chance: random.Random) -> bytes:
    """The bytes with some overwritten, doubled, or cut off."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed) + 1)
        choice = chance.randrange(4)
        if choice == 0:
            changed[at : at + 1] = chance.randbytes(chance.choice((1, 2, 8)))
        elif choice == 1:
            changed[at:at] = changed[at : at + chance.choice((1, 10, 100))] * chance.choice((1, 20))
        elif choice == 2:
            del changed[at : at + chance.choice((1, 5, 50))]
        else:
            changed[at:at] = chance.choice(
                (b"-", b"9" * 20, b"1e400", b"nan", b"\0", b"\xff", b"%00", b"[[", b"<a>", b"&")
            )
    return bytes(changed)


def _chosen(holder: Node, chance: random.Random) -> tuple[Node, Any]:
    """A place in the document: an object or list that is not empty, and one of its keys."""
    node: Node = holder or [None]
    while True:
        key = chance.choice(list(node) if isinstance(node, dict) else range(len(node)))
        child = node[key]
        if not isinstance(child, dict | list) or not child or chance.random() < 0.2:
            return node, key
        node = child


def _replace(node: Any, key: Any, chance: random.Random) -> None:
    node[key] = orjson.loads(orjson.dumps(chance.choice(STRANGE)))


def _nudge(node: Any, key: Any, chance: random.Random) -> None:
    value = node[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        _replace(node, key, chance)
    else:
        node[key] = chance.choice((-value, value + 1, value * 1e-7, value * 1e9, value // 3, str(value)))


def _remove(node: Any, key: Any, _chance: random.Random) -> None:
    if len(node) > 1:
        del node[key]


def _double(node: Any, key: Any, chance: random.Random) -> None:
    if isinstance(node, list):
        node.extend([node[key]] * chance.choice((1, 2, 40)))
    else:
        node[str(key) + chance.choice(("_", "2", "\u0000"))] = node[key]


def _rename(node: Any, key: Any, chance: random.Random) -> None:
    if isinstance(node, dict):
        node[chance.choice((*node, "type", "id", "coordinates", ""))] = node.pop(key)
    else:
        node[key], node[0] = node[0], node[key]


def _nest(node: Any, key: Any, chance: random.Random) -> None:
    value = node[key]
    for _ in range(chance.choice((1, 2, 70, DEEPEST))):
        value = [value] if chance.random() < 0.5 else {"a": value}
    node[key] = value


_CHANGES: tuple[Callable[[Any, Any, random.Random], None], ...] = (
    _replace,
    _nudge,
    _remove,
    _double,
    _rename,
    _nest,
)
