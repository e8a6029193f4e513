"""The models in force, in memory: looked for every few seconds, read in a thread, and swapped while others predict."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from haulcast.availability.learning import AvailabilityModel
from haulcast.availability.model_file import ModelFileError, read_model
from haulcast.availability.model_registry import ModelEntry, ModelRegistry
from haulcast.errors import StoreError
from haulcast.settings import Settings

LOOK_EVERY_S: Final = 10.0

log = structlog.get_logger("haulcast.availability")


def models_folder(settings: Settings) -> Path:
    """Where models lie."""
    return Path(settings.models_dir) if settings.models_dir else Path(settings.data_dir) / "models"


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in force.

    Attributes:
        version: of its fleet's models.
        model: itself.
        origin: (lat_deg, lon_deg) that places were measured from as it was learned; they have to be when it is asked.
        zone_s: local time less UTC, likewise.
    """

    version: str
    model: AvailabilityModel
    origin: tuple[float, float]
    zone_s: float


class ModelShelf:
    """The models of all fleets. What cannot be read is logged once, and the last one that could be stays.

    Args:
        registry: says which are in force.
        folder: where their files are.
    """

    def __init__(self, registry: ModelRegistry, folder: Path) -> None:
        self._registry = registry
        self._folder = folder
        self._loaded: dict[str, LoadedModel] = {}
        self._told: dict[str, str] = {}  # of each fleet what is wrong with its model

    def current(self, fleet: str) -> LoadedModel | None:
        """A fleet's model; None: it has none."""
        return self._loaded.get(fleet)

    def fleets(self) -> list[str]:
        """Those that have a model."""
        return sorted(self._loaded)

    async def look(self) -> None:
        """Take over what was promoted or rolled back since the last time.

        Raises:
            StoreError: the registry cannot be reached.
        """
        live = await self._registry.live()
        for fleet in [fleet for fleet in self._loaded if fleet not in live]:
            del self._loaded[fleet]
        for fleet, entry in live.items():
            loaded = self._loaded.get(fleet)
            if loaded is None or loaded.version != entry.version:
                await self._load(entry)
            else:
                self._told.pop(fleet, None)

    async def _load(self, entry: ModelEntry) -> None:
        before = self._loaded.get(entry.fleet)
        try:
            loaded = await asyncio.to_thread(load, self._folder, entry)
        except ModelFileError as error:
            if self._told.get(entry.fleet) != error.reason:
                kept = None if before is None else before.version
                log.warning("model_not_loaded", fleet=entry.fleet, reason=error.reason, kept=kept)
            self._told[entry.fleet] = error.reason
            return
        self._told.pop(entry.fleet, None)
        self._loaded[entry.fleet] = loaded
        log.info(
            "model_loaded", fleet=entry.fleet, version=entry.version,
            before=None if before is None else before.version,
        )  # fmt: skip

    async def run(self) -> None:
        """Look for ever."""
        is_away = False
        while True:
            try:
                await self.look()
                is_away = False
            except StoreError as error:
                if not is_away:
                    log.warning("models_not_looked_for", reason=error.reason)
                is_away = True
            except Exception:
                log.exception("models_not_looked_for")
            await asyncio.sleep(LOOK_EVERY_S)


def load(folder: Path, entry: ModelEntry) -> LoadedModel:
    """The model of an entry; it blocks.

    Raises:
        ModelFileError: its file or its card is not usable.
    """
    path = folder / Path(entry.file).name  # never out of the folder
    model = read_model(path, entry.checksum)
    try:
        lat_deg, lon_deg = entry.card["options"]["origin"]
        return LoadedModel(
            entry.version, model, (float(lat_deg), float(lon_deg)), float(entry.card["options"]["zone_s"])
        )
    except (KeyError, TypeError, ValueError) as error:
        reason = f"the card of model {path} does not say from where places were measured: {error!r}"
        raise ModelFileError("model_card", reason) from error
