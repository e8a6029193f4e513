"""Every decoder takes what it should or says why not, whatever comes: a small run of what `make fuzz` does for longer."""

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.decoders import DECODERS
from fuzz.mutations import changed_bytes, mutated
from fuzz.seeds import FOUND, seeds

LONGEST_S = 10.0
CHANGED = 150

pytestmark = pytest.mark.filterwarnings(
    "ignore:invalid value encountered in cast"
)  # of a client, and harmless


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    """Kernels are compiled before anything is timed."""
    for name, made in seeds().items():
        DECODERS[name].try_on(made[0])


def _timely(name: str, data: bytes) -> bool:
    begin_s = time.monotonic()
    is_taken = DECODERS[name].try_on(data)
    assert time.monotonic() - begin_s < LONGEST_S, f"{name} takes too long over {data[:2_000]!r}"
    return is_taken


def test_every_decoder_has_seeds_and_the_reverse() -> None:
    """None is forgotten, and what was found belongs to one."""
    assert seeds().keys() == DECODERS.keys()
    assert {folder.name for folder in FOUND.iterdir()} <= DECODERS.keys()


@pytest.mark.parametrize("name", DECODERS)
def test_good_input_is_taken_and_what_was_once_found_is_no_finding(name: str) -> None:
    """Each seed is judged without trouble, and the first is taken."""
    made = seeds()[name]
    assert _timely(name, made[0])
    for data in made:
        _timely(name, data)


@pytest.mark.parametrize("name", DECODERS)
def test_changed_input_is_taken_or_refused(name: str) -> None:
    """Good input with something changed, by values for JSON and by bytes for all, raises only what it should, in time."""
    chance, made = random.Random(name), seeds()[name]
    for _ in range(CHANGED):
        data = chance.choice(made)
        by_value = DECODERS[name].is_json and chance.random() < 0.7
        _timely(name, mutated(data, chance) if by_value else changed_bytes(data, chance))


@pytest.mark.parametrize("name", DECODERS)
@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_taken_or_refused(name: str, data: bytes) -> None:
    """Of bytes and texts of no form at all."""
    DECODERS[name].try_on(data)
