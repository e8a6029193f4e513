"""The exception tree: drawn as it is, blame in the type, fields that machines can rely on."""

import re

import pytest

from haulcast import errors
from haulcast.errors import ClientError, FrameError, HaulcastError, HubError, SettingError

DRAWN = re.compile(
    r"^[ │├└─]*(?P<name>\w+Error)\b *(?:\((?P<builtin>\w+)\))? *(?P<status>\d{3})?", re.MULTILINE
)
CLASSES = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, HaulcastError)
}


def _indent(line: str) -> int:
    return len(re.match(r"[ │├└─]*", line).group())


def test_the_drawn_tree_is_the_real_one() -> None:
    """The docstring's tree has every class, once, under its real parent, with its real builtin kind and HTTP status."""
    above: list[tuple[int, str]] = []
    drawn = set()
    for line in filter(DRAWN.match, errors.__doc__.splitlines()[2:]):
        name, builtin, status = DRAWN.match(line).group("name", "builtin", "status")
        if name not in CLASSES:
            continue
        above = [(indent, parent) for indent, parent in above if indent < _indent(line)]
        parents = [parent for _, parent in above[-1:]] + ([builtin] if builtin else [])
        if parents:
            assert [base.__name__ for base in CLASSES[name].__bases__] == parents
        if status:
            assert CLASSES[name].http_status == int(status)
        drawn.add(name)
        above.append((_indent(line), name))
    assert drawn == CLASSES.keys()


@pytest.mark.parametrize("kind", [kind for kind in CLASSES.values() if kind is not HaulcastError])
def test_every_error_has_one_to_blame(kind: type[HaulcastError]) -> None:
    """An error is theirs (4xx) or ours (5xx), never both."""
    assert issubclass(kind, ClientError) != issubclass(kind, HubError)
    assert kind.http_status // 100 == (4 if issubclass(kind, ClientError) else 5)


def test_an_error_says_what_where_and_why() -> None:
    """Code, reason and field go out as they came in; without a field there is none."""
    error = FrameError("missing_field", "lat is missing", field="lat")
    assert error.as_fields() == {"code": "missing_field", "reason": "lat is missing", "field": "lat"}
    assert "field" not in FrameError("bad_json", "not JSON").as_fields()
    assert str(error) == "lat is missing"


def test_an_error_of_a_builtin_kind_is_caught_as_one() -> None:
    """Whoever catches ValueError gets a wrong setting too."""
    with pytest.raises(ValueError, match="no such thing"):
        raise SettingError("unknown_setting", "no such thing")
