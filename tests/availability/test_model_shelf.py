"""What is promoted is in force without a restart; what cannot be read is said once, and the last good model stays."""

import asyncio

import numpy as np
import pytest
from small_models import CARD, rows_of, stump
from structlog.testing import capture_logs

from haulcast.availability import model_loading
from haulcast.availability.model_file import write_model
from haulcast.availability.model_loading import ModelShelf, models_folder
from haulcast.availability.model_registry import ModelEntry
from haulcast.availability.model_registry_postgres import PostgresModelRegistry
from haulcast.availability.open_models import open_models
from haulcast.errors import StoreError
from haulcast.settings import Settings


@pytest.fixture
def registry(database):
    return PostgresModelRegistry(database)


@pytest.fixture
def shelf(registry, tmp_path):
    return ModelShelf(registry, tmp_path)


async def staged(registry, folder, above, fleet="acme", card=CARD):
    """A model that says so; its entry."""
    made_ms = 1_790_000_000_000 + round(above * 1_000)
    written = write_model(folder, stump(0.0, above), card, made_ms)
    entry = ModelEntry(fleet, written.version, made_ms, written.file, written.checksum, written.card)
    await registry.add(entry)
    return entry


def says(shelf, fleet="acme"):
    return shelf.current(fleet).model.on_duty.trees.scores(rows_of())[-1]


async def test_the_shelf_follows_promotions_and_rollbacks(registry, shelf, tmp_path):
    """Fleet by fleet; with what the model was learned by; and what is not live any more is gone."""
    first, second = [await staged(registry, tmp_path, above) for above in (1.0, 2.0)]
    await shelf.look()
    assert shelf.current("acme") is None
    await registry.promote("acme", first.version, 1)
    await shelf.look()
    loaded = shelf.current("acme")
    assert (loaded.version, loaded.origin, loaded.zone_s) == (first.version, (37.8, -122.4), -28_800.0)
    assert (says(shelf), shelf.current("other"), shelf.fleets()) == (1.0, None, ["acme"])
    await registry.promote("acme", second.version, 2)
    await shelf.look()
    assert says(shelf) == 2.0
    assert np.all(
        loaded.model.on_duty.trees.scores(rows_of())[-1] == 1.0
    )  # who has the old one keeps it whole
    await registry.rollback("acme")
    await shelf.look()
    assert says(shelf) == 1.0
    again = shelf.current("acme")
    await shelf.look()
    assert shelf.current("acme") is again
    async with registry._database.connection() as connection:
        await connection.execute("UPDATE availability_models SET status = 'retired'")
    await shelf.look()
    assert (shelf.current("acme"), shelf.fleets()) == (None, [])


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda path: path.unlink(), "is not there"),
        (lambda path: path.write_bytes(path.read_bytes()[:-10]), "changed or cut short"),
        (lambda path: path.write_bytes(b""), "changed or cut short"),
    ],
)
async def test_a_bad_file_leaves_the_last_good_model(registry, shelf, tmp_path, harm, said):
    """It is logged once and not at each look; when the file has come right it is taken."""
    first, second = [await staged(registry, tmp_path, above) for above in (1.0, 2.0)]
    await registry.promote("acme", first.version, 1)
    await shelf.look()
    path = tmp_path / second.file
    whole = path.read_bytes()
    harm(path)
    await registry.promote("acme", second.version, 2)
    with capture_logs() as logs:
        await shelf.look()
        await shelf.look()
    [line] = logs
    assert (line["event"], line["fleet"], line["kept"]) == ("model_not_loaded", "acme", first.version)
    assert said in line["reason"]
    assert says(shelf) == 1.0
    path.write_bytes(whole)
    await shelf.look()
    assert says(shelf) == 2.0


async def test_one_fleets_bad_model_is_no_matter_to_another(registry, shelf, tmp_path):
    """A wrong checksum in the registry, a card that says too little: the others are loaded."""
    good = await staged(registry, tmp_path, 1.0)
    bare = await staged(registry, tmp_path, 2.0, "bare", {"options": {"zone_s": 0.0}})
    await registry.add(ModelEntry("wrong", "v", 1, good.file, "0" * 64, CARD))
    await registry.add(ModelEntry("out", "v", 1, "../../../etc/passwd", "0" * 64, CARD))
    for fleet, version in (("acme", good.version), ("bare", bare.version), ("wrong", "v"), ("out", "v")):
        await registry.promote(fleet, version, 1)
    with capture_logs() as logs:
        await shelf.look()
    reasons = {line["fleet"]: line["reason"] for line in logs if line["event"] == "model_not_loaded"}
    assert "does not say from where places were measured" in reasons["bare"]
    assert "changed or cut short" in reasons["wrong"]
    assert f"{tmp_path / 'passwd'} is not there" in reasons["out"]
    assert [says(shelf), *(shelf.current(fleet) for fleet in ("bare", "wrong", "out"))] == [
        1.0,
        None,
        None,
        None,
    ]


async def test_it_looks_by_itself_and_over_a_database_that_is_away(
    registry, shelf, tmp_path, wait_until, monkeypatch
):
    """While the registry cannot be reached the model stays, and the log says so once; afterwards it goes on."""
    monkeypatch.setattr(model_loading, "LOOK_EVERY_S", 0.005)
    first, second = [await staged(registry, tmp_path, above) for above in (1.0, 2.0)]
    await registry.promote("acme", first.version, 1)
    asked, live = [], registry.live

    async def away():
        asked.append(1)
        raise StoreError("database_unreachable", "it is away")

    with capture_logs() as logs:
        running = asyncio.create_task(shelf.run())
        await wait_until(lambda: shelf.current("acme") is not None)
        monkeypatch.setattr(registry, "live", away)
        await wait_until(lambda: len(asked) >= 3)
        assert says(shelf) == 1.0
        monkeypatch.setattr(registry, "live", live)
        await registry.promote("acme", second.version, 2)
        await wait_until(lambda: says(shelf) == 2.0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert [line["event"] for line in logs] == ["model_loaded", "models_not_looked_for", "model_loaded"]


def test_models_lie_beside_the_data_unless_it_is_said_where():
    """`models_dir`, or a folder of `data_dir`."""
    assert str(models_folder(Settings(data_dir="/data"))) == "/data/models"
    assert str(models_folder(Settings(data_dir="/data", models_dir="/models"))) == "/models"


async def test_a_hub_has_its_models_from_the_start(registry, database, tmp_path, wait_until, monkeypatch):
    """And those that are promoted later; nothing is left running."""
    monkeypatch.setattr(model_loading, "LOOK_EVERY_S", 0.005)
    first, second = [await staged(registry, tmp_path, above) for above in (1.0, 2.0)]
    await registry.promote("acme", first.version, 1)
    async with open_models(Settings(models_dir=str(tmp_path)), database) as shelf:
        assert says(shelf) == 1.0
        await registry.promote("acme", second.version, 2)
        await wait_until(lambda: says(shelf) == 2.0)
    assert "availability models" not in {task.get_name() for task in asyncio.all_tasks()}
