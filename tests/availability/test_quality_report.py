"""The page about how good predictions were, and the command that writes it."""

import argparse
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from monitored import DAY_MS, NOW_MS, World, outcomes

from haulcast.availability.alerts import Alert
from haulcast.availability.figures import Bin
from haulcast.availability.reliability_plot import reliability_plot
from haulcast.commands import availability_report
from haulcast.errors import RequestError
from haulcast.settings import Settings

SPAN = {"begin_ms": NOW_MS - 10 * DAY_MS, "end_ms": NOW_MS}


def test_a_plot_has_its_dots_where_they_belong():
    """XML that can be read; a dot a bin at (said, came), 0 at the left and at the bottom, none outside."""
    bins = [Bin(10, 0.0, 0.0), Bin(10, 0.5, 0.25), Bin(5, 1.0, 1.0)]
    drawn = ET.fromstring(reliability_plot(bins))
    dots = [
        (float(dot.get("cx")), float(dot.get("cy")))
        for dot in drawn.iter("{http://www.w3.org/2000/svg}circle")
    ]
    (left, bottom), middle, (right, top) = dots
    assert middle == ((left + right) / 2, bottom + (top - bottom) / 4)
    *_, width, height = map(float, drawn.get("viewBox").split())
    assert 0 < left < right < width
    assert 0 < top < bottom < height
    assert len(ET.fromstring(reliability_plot([]))) > 0


class _Reader(HTMLParser):
    """Tags balance, nothing is fetched; the cells of all tables."""

    def __init__(self):
        super().__init__()
        self.open, self.rows, self.outside = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in {"meta", "rect", "path"}:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        self.outside += [value for name, value in attrs if name in {"src", "href"}]
        assert tag != "script"

    def handle_endtag(self, tag):
        if tag not in {"meta", "rect", "path"}:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.rows[-1].append(data.strip())


def _read(text):
    reader = _Reader()
    reader.feed(text)
    assert not reader.open
    assert not reader.outside
    return reader


async def _report(database, out, **more):
    values = {"fleet": "acme", "out": out, **SPAN, **more}
    return await availability_report.run(argparse.Namespace(**values), Settings(), database)


async def test_the_page_says_what_was(database, tmp_path, capsys):
    """All figures of the span and of no other, by question, basis, model and day, with alerts; ids of users are text and no markup."""
    world = World(database)
    for day, right in ((3, 0.9), (2, 0.7)):
        await world.settled(
            "acme", outcomes(100, right, from_ms=NOW_MS - day * DAY_MS, seed=day, version=f"<v{day}>", basis="own" if day == 3 else "model")
        )  # fmt: skip
    await world.settled("acme", outcomes(50, 1.0, from_ms=NOW_MS - 20 * DAY_MS, horizon_s=3_600))
    await world.settled("other", outcomes(50, 1.0, from_ms=NOW_MS - DAY_MS))
    await world.store.put_alert("acme", Alert("on_duty", 900, NOW_MS - DAY_MS, None, 0.7, 0.75, 300))
    over = Alert("free", 900, NOW_MS - 9 * DAY_MS, None, 0.7, 0.75, 300)
    for one in (over, replace(over, end_ms=NOW_MS - 8 * DAY_MS)):
        await world.store.put_alert("acme", one)
    assert await _report(database, tmp_path / "page.html") == 0
    text = (tmp_path / "page.html").read_text()
    reader = _read(text)
    assert "200 sampled predictions of 100 drivers" in text
    whole = next(row for row in reader.rows if row[:2] == ["15", "200"])
    assert whole[4] == "80.0 %"
    by_group = {(row[0], row[1]): row[6] for row in reader.rows if row[0] in {"own", "model", "<v2>", "<v3>"}}
    assert by_group["own", "On duty"] == by_group["<v3>", "On duty"] == "90.0 %"
    assert by_group["model", "On duty"] == by_group["<v2>", "On duty"] == "70.0 %"
    days = [row for row in reader.rows if re.fullmatch(r"\d{4}-\d\d-\d\d", row[0])]
    assert [row[1:3] for row in days] == [["100", "90.0 %"], ["100", "70.0 %"]]
    assert [row[1:4] for row in reader.rows if "lasts" in row] == [["lasts", "On duty", "15"]]
    assert [row[2:4] for row in reader.rows if row[5:] == ["300"]] == [
        ["On duty and free", "15"],
        ["On duty", "15"],
    ]
    assert len(re.findall("<svg", text)) == 2
    assert capsys.readouterr().out.strip().endswith("page.html")


async def test_the_command_says_what_is_wrong(database, tmp_path, capsys):
    """Nothing known yet: says so, 1, and no file; a span that is none; a folder that is not there."""
    world = World(database)
    assert await _report(database, tmp_path / "page.html") == 1
    assert "nothing is known" in capsys.readouterr().out
    assert not (tmp_path / "page.html").exists()
    with pytest.raises(RequestError, match="--from"):
        await _report(database, tmp_path / "page.html", begin_ms=NOW_MS)
    await world.settled("acme", outcomes(1, 1.0, from_ms=NOW_MS - DAY_MS))
    with pytest.raises(RequestError, match="cannot be written: No such file"):
        await _report(database, tmp_path / "none" / "page.html")
    assert await _report(database, tmp_path / "one.html", end_ms=None, begin_ms=0) == 0
    parser = argparse.ArgumentParser()
    availability_report.add_arguments(parser)
    asked = parser.parse_args(["--out", "x.html", "--from", "2026-11-22T08:00Z"])
    assert (asked.begin_ms, asked.end_ms) == (1_795_334_400_000, None)
