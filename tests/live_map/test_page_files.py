"""The page's files as they are served, and what stands in them."""

import gzip
import re
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from haulcast.errors import SettingError
from haulcast.live_map.page_files import WEB, routes
from haulcast.settings import Settings

OWN_MODULES = sorted(WEB.glob("*.js"))
MODULE_LINES, FIRST_LOAD_BYTES, VENDORED_BYTES = 400, 1_100_000, 3_500_000


def _client(**settings) -> TestClient:
    return TestClient(Starlette(routes=routes(Settings(**settings))))


def test_the_page_and_its_files_have_their_types() -> None:
    """`/` is the page; modules are JavaScript, or no browser would run them; what is not there is 404, and nothing above the folder is."""
    client = _client()
    assert client.get("/").headers["content-type"].startswith("text/html")
    for path in ("app.js", "vendor/maplibre-gl.mjs"):
        assert client.get(f"/{path}").headers["content-type"].startswith("text/javascript")
    assert client.get("/vendor/basemap.json").headers["content-type"] == "application/json"
    assert [client.get(path).status_code for path in ("/no.js", "/..%2fpage_files.py", "/vendor")] == [
        404
    ] * 3
    assert [client.post(path).status_code for path in ("/", "/no.js")] == [405, 404]


def test_a_file_is_compressed_and_asked_for_once() -> None:
    """With gzip it is the same file, smaller; with its ETag there is nothing to send."""
    client = _client()
    plain = client.get("/app.js", headers={"Accept-Encoding": "identity"})
    packed = client.get("/app.js", headers={"Accept-Encoding": "gzip"})
    assert packed.content == plain.content == (WEB / "app.js").read_bytes()
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 2
    again = client.get("/app.js", headers={"If-None-Match": packed.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "no-cache" in again.headers["cache-control"]


def test_a_style_of_ones_own_widens_the_policy_by_its_hosts_only() -> None:
    """The page is told of the style; scripts stay the hub's own."""
    plain = _client().get("/").headers["content-security-policy"]
    client = _client(
        map_style_url='https://maps.example/style.json?a="1',
        map_origins="https://tiles.example, http://localhost:8080/x",
    )
    policy = client.get("/").headers["content-security-policy"]
    assert (
        '<meta name="map-style" content="https://maps.example/style.json?a=&quot;1">' in client.get("/").text
    )
    hosts = "http://localhost:8080 https://maps.example https://tiles.example"
    assert f"connect-src 'self' {hosts};" in policy
    assert "script-src 'self';" in policy
    assert "https:" not in plain
    assert "unsafe" not in policy + plain


@pytest.mark.parametrize(
    "url", ["style.json", "ftp://maps.example/x", "https://", "https://a b/", "https://a;script-src *"]
)
def test_an_address_that_is_none_stops_the_start(url) -> None:
    """And could not smuggle a directive into the policy."""
    with pytest.raises(SettingError, match="map_style_url"):
        routes(Settings(map_style_url=url))


def _archive(folder: Path, content: bytes = b"PMTiles\x03" + bytes(range(200))) -> Path:
    file = folder / "bay & area.pmtiles"
    file.write_bytes(content)
    return file


def test_an_archive_of_tiles_is_served_in_ranges(tmp_path) -> None:
    """The page is told its name, not its path; a range is 206, what is beyond the end is 416, no other method is taken."""
    file = _archive(tmp_path)
    client = _client(map_tiles=str(file))
    page = client.get("/")
    assert '<meta name="map-tiles" content="map.pmtiles">' in page.text
    assert str(tmp_path) not in page.text
    assert page.headers["content-security-policy"] == _client().get("/").headers["content-security-policy"]
    whole = client.get("/map.pmtiles")
    assert (whole.status_code, whole.content) == (200, file.read_bytes())
    part = client.get("/map.pmtiles", headers={"Range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, file.read_bytes()[5:10])
    assert part.headers["etag"] == whole.headers["etag"]
    assert client.get("/map.pmtiles", headers={"Range": "bytes=9999-10000"}).status_code == 416
    assert client.post("/map.pmtiles").status_code == 405
    file.unlink()
    assert client.get("/map.pmtiles").status_code == 404


def test_tiles_from_elsewhere_widen_the_policy_by_their_host(tmp_path) -> None:
    """An archive or images at an address are the page's business; no file is served then, as by default."""
    client = _client(map_tiles="https://tiles.example/{z}/{x}/{y}.png")
    assert '<meta name="map-tiles" content="https://tiles.example/{z}/{x}/{y}.png">' in client.get("/").text
    assert "connect-src 'self' https://tiles.example;" in client.get("/").headers["content-security-policy"]
    assert [one.get("/map.pmtiles").status_code for one in (client, _client())] == [404, 404]
    with pytest.raises(SettingError, match="map_tiles"):
        routes(Settings(map_tiles="ftp://tiles.example/x.pmtiles"))


@pytest.mark.parametrize("content", [b"", b"PMTiles\x02 of long ago", b"SQLite format 3"])
def test_what_is_no_archive_stops_the_start(tmp_path, content) -> None:
    """And so does a file that is not there."""
    with pytest.raises(SettingError, match="map_tiles"):
        routes(Settings(map_tiles=str(_archive(tmp_path, content))))
    with pytest.raises(SettingError, match="No such file"):
        routes(Settings(map_tiles=str(tmp_path / "none.pmtiles")))


@pytest.mark.parametrize("path", OWN_MODULES, ids=lambda path: path.name)
def test_a_module_is_short_and_makes_no_markup_of_text(path: Path) -> None:
    """What users write becomes text nodes; nothing is evaluated."""
    text = path.read_text()
    assert len(text.splitlines()) <= MODULE_LINES
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text
    )
    for name in re.findall(r'from "\./([^"]+)"', text):
        assert (WEB / name).is_file()


def test_every_module_is_used() -> None:
    """The page reaches each one from app.js."""
    reached, waiting = set(), ["app.js"]
    while waiting:
        name = waiting.pop()
        reached.add(name)
        found = re.findall(r'(?:from|import) "\./([\w.-]+\.js)"', (WEB / name).read_text())
        waiting += [other for other in found if other not in reached]
    assert reached == {path.name for path in OWN_MODULES}


def test_the_page_stays_small() -> None:
    """A first visit, compressed, and all that is vendored, with the licence of each package."""
    files = [path for path in WEB.rglob("*") if path.is_file()]
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) < FIRST_LOAD_BYTES
    vendored = WEB / "vendor"
    assert sum(path.stat().st_size for path in vendored.iterdir()) < VENDORED_BYTES
    licences = (vendored / "LICENSES.md").read_text()
    packages = re.findall(
        r"^\[([\w-]+)\]$", (WEB.parents[3] / "vendoring/packages.toml").read_text(), re.MULTILINE
    )
    assert all(f"## {name}\n" in licences for name in packages)
