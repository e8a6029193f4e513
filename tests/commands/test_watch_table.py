"""The table of `haulcast watch`."""

from io import StringIO
from math import nan

from rich.console import Console

from haulcast.client import Cluster, Connection, Event, LiveClient, PlaybackTime, Vehicle
from haulcast.commands.watch import Seen, lines_of, table_of


def shown(live: LiveClient, seen: Seen) -> str:
    """The table as text."""
    console = Console(file=StringIO(), width=140)
    console.print(table_of(live, seen, 12_000, 2))
    return console.file.getvalue()


def test_newest_vehicles_first_with_their_last_event() -> None:
    """Rows are limited, unknown is empty, and the caption counts all and says how fresh it is."""
    live, seen = LiveClient("ws://nowhere", "token"), Seen()
    live.vehicles.update(
        old=Vehicle(1_000, 1, 1, nan, nan),
        new=Vehicle(11_000, 37.5, -122.5, 13.44, 90),
        mid=Vehicle(9_000, 2, 2, 0, 0),
    )
    seen.note(Connection(True))
    seen.note(Event("e", 1, "enter", "moved", 1, "new", "depot", "Depot", 1, 0, 0, 1, None, {}))
    text = shown(live, seen)
    assert text.index("new") < text.index("mid")
    assert "old" not in text.replace("is old", "")
    assert all(part in text for part in ("13.4", "90", "1.0", "enter Depot", "live: 3 vehicles", "1 events"))
    seen.note(Connection(False, "4000"))
    assert "reconnecting (4000)" in shown(live, seen)


def test_clusters_have_a_table_of_their_own() -> None:
    """Largest first."""
    live = LiveClient("ws://nowhere", "token")
    live.clusters.update(small=Cluster(1, 1, 2, nan), large=Cluster(1, 1, 31, 9.0))
    text = shown(live, Seen())
    assert text.index("large") < text.index("small")


def test_an_event_of_a_rule_is_a_line_with_its_rule_and_the_other_vehicle() -> None:
    """Fields apart by tabs, empty where they do not apply; the table names the other vehicle when there is no fence."""
    said = Event(
        "e",
        1,
        "near",
        "moved",
        1,
        "new",
        "",
        "",
        0,
        0,
        0,
        1,
        None,
        {},
        rule="convoy",
        other="mid",
        distance_m=400.0,
    )
    (line,) = lines_of(said)
    assert line.split("\t")[3:] == ["near", "", "", "convoy", "mid"]
    live, seen = LiveClient("ws://nowhere", "token"), Seen()
    live.vehicles["new"] = Vehicle(11_000, 37.5, -122.5, nan, nan)
    seen.note(said)
    assert "near mid" in shown(live, seen)


def test_what_is_played_says_which_moment_it_is() -> None:
    """The caption has the moment, state and speed, and the line of a pipe too; without a connection it says that instead."""
    live, seen, played = LiveClient("ws://nowhere", "token"), Seen(), PlaybackTime(0, 60.0, "playing")
    seen.note(Connection(True))
    seen.note(played)
    assert "1970-01-01T00:00:00.000+00:00, playing at speed 60: 0 vehicles" in shown(live, seen)
    assert lines_of(played) == ["time\t1970-01-01T00:00:00.000+00:00\t60\tplaying"]
    seen.note(Connection(False, "4000"))
    assert "reconnecting (4000)" in shown(live, seen)
