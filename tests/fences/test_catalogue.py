"""The catalogue: handles, names, and the frozen set that follows the changes."""

import asyncio
import threading

import numpy as np
import pytest
from fence_app import SQUARE, square

from geo.fence_area import checked_area
from geo.fence_match import match_fences
from haulcast.fences import catalogue as catalogue_module
from haulcast.fences.catalogue import FenceCatalogue

AREA = checked_area(SQUARE, repair=False)


def _catalogue(on_swap=lambda: None, on_tags=lambda _: None) -> FenceCatalogue:
    fleets: dict[str, int] = {}
    return FenceCatalogue(lambda fleet: fleets.setdefault(fleet, len(fleets)), on_swap, on_tags)


async def test_handles_are_never_used_again() -> None:
    """A fence keeps its handle when it changes; one made anew gets a new handle; removed ones keep their names."""
    catalogue = _catalogue()
    catalogue.put("acme", "a", "A", AREA)
    catalogue.put("globex", "a", "Theirs", AREA)
    catalogue.put("acme", "a", "A2", checked_area(square(3), repair=False))
    await catalogue.settled()
    assert catalogue.current.handles.tolist() == [0, 1]
    assert catalogue.current.fleet_number.tolist() == [0, 1]
    assert [catalogue.fleet_of(handle) for handle in (0, 1)] == ["acme", "globex"]
    catalogue.remove("acme", "a")
    catalogue.remove("acme", "never was")
    catalogue.put("acme", "a", "A3", AREA)
    await catalogue.settled()
    assert catalogue.current.handles.tolist() == [1, 2]
    assert [catalogue.name_of(handle) for handle in (0, 1, 2)] == ["A2", "Theirs", "A3"]
    assert catalogue.id_of(0) == "a"


async def test_names_of_removed_fences_are_bounded(monkeypatch) -> None:
    """Making and removing fences for ever does not fill the memory; what is forgotten has no name."""
    monkeypatch.setattr(catalogue_module, "KEPT_REMOVED", 3)
    catalogue = _catalogue()
    for number in range(10):
        catalogue.put("acme", "a", str(number), AREA)
        catalogue.remove("acme", "a")
    assert catalogue.name_of(9) == "9"
    assert (catalogue.name_of(6), catalogue.fleet_of(6)) == ("", "")  # a late event of it hurts nobody


async def test_changes_during_a_build_share_the_next(monkeypatch) -> None:
    """While a set is built the old one stays in force, and all changes meanwhile need one more build only."""
    builds, go = [], threading.Event()
    build = catalogue_module.build_fence_set

    def slow_build(fences, version, since):
        builds.append(len(fences))
        go.wait(10)
        return build(fences, version, since)

    swaps = []
    catalogue = _catalogue(lambda: swaps.append(len(catalogue.current)))
    monkeypatch.setattr(catalogue_module, "build_fence_set", slow_build)
    catalogue.put("acme", "f0", "", AREA)
    first = asyncio.create_task(catalogue.settled())
    while not builds:  # noqa: ASYNC110 - the build is in a thread
        await asyncio.sleep(0)
    for number in range(1, 20):
        catalogue.put("acme", f"f{number}", "", AREA)
    rest = [asyncio.create_task(catalogue.settled()) for _ in range(5)]
    assert len(catalogue.current) == 0
    go.set()
    await asyncio.gather(first, *rest)
    assert builds == [1, 20]
    assert swaps == [1, 20]
    assert catalogue.current.version == 20


async def test_a_waiter_that_gives_up_does_not_stop_the_build() -> None:
    """A cancelled request leaves the build to the others."""
    catalogue = _catalogue()
    catalogue.put("acme", "a", "", AREA)
    leaving, staying = (asyncio.create_task(catalogue.settled()) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await staying
    assert catalogue.current.handles.tolist() == [0]


async def test_a_failed_build_is_told_and_tried_again(monkeypatch) -> None:
    """Who waits hears of it, the old set stays, and the next wait builds anew."""
    catalogue = _catalogue()

    def broken(_fences, _version, _since):
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(catalogue_module, "build_fence_set", broken)
        catalogue.put("acme", "a", "", AREA)
        with pytest.raises(MemoryError):
            await catalogue.settled()
        assert len(catalogue.current) == 0
    await catalogue.settled()
    assert len(catalogue.current) == 1


async def test_what_changes_no_area_builds_nothing() -> None:
    """A new name, or the same area again, keeps the set in force."""
    catalogue = _catalogue()
    catalogue.put("acme", "a", "", AREA)
    await catalogue.settled()
    before = catalogue.current
    catalogue.put("acme", "a", "renamed", checked_area(SQUARE, repair=False))
    await catalogue.settled()
    assert catalogue.current is before
    assert catalogue.name_of(0) == "renamed"


async def test_tags_are_known_and_build_nothing() -> None:
    """Other tags of a known fence are told with its handle and need no set; a new fence's and the same ones are not told."""
    told: list[int] = []
    catalogue = _catalogue(on_tags=told.append)
    catalogue.put("acme", "a", "", AREA, ("depot",))
    await catalogue.put_all("acme", [("b", "", AREA, ("yard", "north"))])
    catalogue.put("globex", "a", "", AREA)
    await catalogue.settled()
    before = catalogue.current
    assert (told, catalogue.tags_of(1), catalogue.find_tags("acme", "a")) == (
        [],
        ("yard", "north"),
        ("depot",),
    )
    assert (catalogue.find_tags("globex", "a"), catalogue.find_tags("acme", "none")) == ((), ())
    catalogue.put("acme", "a", "renamed", AREA, ("depot",))
    await catalogue.put_all("acme", [("b", "", AREA, ("yard",)), ("a", "", AREA, ())])
    await catalogue.settled()
    assert (told, catalogue.current is before) == ([1, 0], True)
    assert (catalogue.tags_of(0), catalogue.tags_of(1)) == ((), ("yard",))
    catalogue.remove("acme", "b")
    assert (catalogue.tags_of(1), catalogue.find_tags("acme", "b"), told) == (("yard",), (), [1, 0])
    assert catalogue.tags_of(catalogue.handle_of("acme", "b")) == ()


async def test_a_few_edits_of_many_fences_are_a_layer(monkeypatch) -> None:
    """While there is a large set, an edit builds no other; the layer is dissolved when it has grown, and no answer changes."""
    monkeypatch.setattr(catalogue_module, "FEW_FENCES", 10)
    monkeypatch.setattr(catalogue_module, "GROWN_EDITS", 5)
    catalogue = _catalogue()
    await catalogue.put_all(
        "acme", [(f"f{i}", "", checked_area(square(i), repair=False), ()) for i in range(40)]
    )
    await catalogue.settled()
    assert len(catalogue.current) == 40
    for i in range(4):
        catalogue.put("acme", f"f{i}", "", checked_area(square(i + 50), repair=False))
        await catalogue.settled()
        assert catalogue.current.edited is not None
    catalogue.remove("acme", "f39")
    await catalogue.settled()
    catalogue.put("acme", "new", "", AREA)  # while the layer is being dissolved
    await catalogue.settled()
    while task := catalogue._dissolving or catalogue._build:
        await asyncio.wait([task])
    assert len(catalogue.current) == 40
    assert len(catalogue._edits) <= 1
    squares = {f"f{i}": i + 50 if i < 4 else i for i in range(39)} | {"new": 0}
    for fence_id, west in squares.items():
        inside = match_fences(
            catalogue.current, np.zeros(1, np.int32), *np.array([[0.5], [west + 0.5]], float)
        )
        found = [catalogue.id_of(int(catalogue.current.handles[i])) for i in inside.fence]
        assert fence_id in found


async def test_the_set_in_force_knows_what_was_edited(monkeypatch) -> None:
    """Since each version the changed, new and removed fences are named, whether they became a layer, a new set or were taken back; a rename is none."""
    monkeypatch.setattr(catalogue_module, "FEW_FENCES", 5)
    catalogue = _catalogue()
    await catalogue.put_all("acme", [(f"f{i}", "", AREA, ()) for i in range(10)])
    await catalogue.settled()
    assert catalogue.current.edited_since(-1) is None
    assert catalogue.current.edited_since(0).tolist() == list(range(10))
    seen = catalogue.current.version
    catalogue.put("acme", "f3", "", checked_area(square(7), repair=False))
    catalogue.put("acme", "f4", "renamed", AREA)
    catalogue.remove("acme", "f8")
    await catalogue.settled()
    catalogue.put("acme", "new", "", AREA)
    await catalogue.settled()
    assert catalogue.current.edited_since(seen).tolist() == [3, 8, 10]
    await catalogue.put_all("acme", [(f"g{i}", "", AREA, ()) for i in range(40)])
    await catalogue.settled()
    assert catalogue.current.edited is None
    assert catalogue.current.edited_since(seen + 3).tolist() == list(range(11, 51))
    await catalogue.put_all(
        "acme", [(f"h{i}", "", AREA, ()) for i in range(catalogue_module.RECENT_EDITS + 1)]
    )
    await catalogue.settled()
    assert catalogue.current.edited_since(seen + 43) is None


async def test_a_large_edit_while_the_layer_is_dissolved_is_kept(monkeypatch) -> None:
    """A set of all fences that comes too late does not take the place of a newer one."""
    monkeypatch.setattr(catalogue_module, "FEW_FENCES", 2)
    monkeypatch.setattr(catalogue_module, "GROWN_EDITS", 1)
    late, build = threading.Event(), catalogue_module.build_fence_set

    def late_at_second(fences, version, since):
        if version == 9:
            late.wait(10)
        return build(fences, version, since)

    catalogue = _catalogue()
    await catalogue.put_all("acme", [(f"f{i}", "", AREA, ()) for i in range(8)])
    await catalogue.settled()
    monkeypatch.setattr(catalogue_module, "build_fence_set", late_at_second)
    catalogue.put("acme", "one", "", AREA)  # a layer, and its end begins
    await catalogue.settled()
    dissolving = catalogue._dissolving
    await catalogue.put_all("acme", [(f"g{i}", "", AREA, ()) for i in range(30)])
    await catalogue.settled()
    late.set()
    await asyncio.wait([dissolving])
    catalogue.remove("acme", "f0")
    await catalogue.settled()
    assert len(catalogue.current) == 8 + 1 + 30 - 1
