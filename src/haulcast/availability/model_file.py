"""A learned model as a file of plain arrays, without pickles, and its card beside it; nothing is trusted that is not the file which was written.

`<version>.npz` holds every array of both models by its path (`on_duty.trees.feature`) and the names of the features. `<version>.json` is the card, for
people: the registry has it too. A file appears whole or not at all, and is never changed.
"""

import hashlib
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from geo.availability import NAMES, Trees, trees_of
from haulcast.availability.learning import PLAIN, AvailabilityModel, Calibration, Model
from haulcast.errors import HubError

FORMAT: Final = 1
MOST_BYTES: Final = 256 * 2**20
OUTCOMES: Final = ("on_duty", "free")
_EMPTY_PARTS: Final[Mapping[str, Trees | Calibration]] = {
    "trees": trees_of({"tree_info": []}),
    "calibration": PLAIN,
}  # what their arrays look like


class ModelFileError(HubError, ValueError):
    """A model's file that is missing, is not the one that was written, or does not fit this version; says which, and of what file."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model that was written.

    Attributes:
        version: when it was made, and the begin of its checksum.
        file: its name in the folder.
        checksum: SHA-256 of the file.
        card: as it lies beside it.
    """

    version: str
    file: str
    checksum: str
    card: Mapping[str, Any]


def write_model(folder: Path, model: AvailabilityModel, card: Mapping[str, Any], made_ms: int) -> ModelFile:
    """Write a model and its card; the card gets the version and the checksum.

    Raises:
        ModelFileError: the folder cannot be written to.
    """
    data = _bytes_of(model)
    checksum = hashlib.sha256(data).hexdigest()
    made = datetime.fromtimestamp(made_ms / 1000, UTC)
    version = f"{made:%Y%m%d-%H%M%S}-{checksum[:8]}"
    whole = {"version": version, "made": f"{made:%Y-%m-%dT%H:%M:%SZ}", "checksum": checksum, **card}
    written = ModelFile(version, f"{version}.npz", checksum, whole)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / f"{version}.json", orjson.dumps(whole, option=orjson.OPT_INDENT_2))
        _write(folder / written.file, data)
    except OSError as error:
        reason = f"no model can be written to {folder}: {error.strerror or error}"
        raise ModelFileError("model_unwritable", reason) from error
    return written


def read_model(path: Path, checksum: str) -> AvailabilityModel:
    """The model that was written.

    Raises:
        ModelFileError: there is no such file, it is another one, it holds no model of ours, or one of other features.
    """
    data = _read(path)
    found = hashlib.sha256(data).hexdigest()
    if found != checksum:
        reason = f"model {path} was changed or cut short: its checksum is {found[:12]}..., and was {checksum[:12]}... when it was written"
        raise ModelFileError("model_checksum", reason)
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as columns:
            _check_version(path, columns)
            return AvailabilityModel(_model_of(columns, "on_duty"), _model_of(columns, "free"))
    except ModelFileError:
        raise
    except Exception as error:  # the readers of zip, zlib, npy and its header fail each in their own ways
        raise ModelFileError("model_unreadable", f"model {path} holds no model: {error}") from error


def _bytes_of(model: AvailabilityModel) -> bytes:
    file = io.BytesIO()
    columns = {name: column for outcome in OUTCOMES for name, column in _columns(model, outcome)}
    np.savez_compressed(
        file, allow_pickle=False, format=np.array(FORMAT), names=np.array(model.names), **columns
    )
    return file.getvalue()


def _columns(model: AvailabilityModel, outcome: str) -> Iterator[tuple[str, NDArray[Any]]]:
    for part in _EMPTY_PARTS:
        of = getattr(getattr(model, outcome), part)
        for column in fields(of):
            yield f"{outcome}.{part}.{column.name}", getattr(of, column.name)


def _model_of(columns: Mapping[str, NDArray[Any]], outcome: str) -> Model:
    trees, calibration = (
        {column.name: _like(empty, columns, outcome, part, column.name) for column in fields(empty)}
        for part, empty in _EMPTY_PARTS.items()
    )
    return Model(Trees(**trees), Calibration(**calibration))


def _like(
    empty: Trees | Calibration, columns: Mapping[str, NDArray[Any]], outcome: str, part: str, name: str
) -> Any:
    """One array, of the kind that kernels are compiled for."""
    wanted, found = getattr(empty, name), columns[f"{outcome}.{part}.{name}"]
    if (found.dtype, found.ndim) != (wanted.dtype, wanted.ndim):
        kinds = f"{found.dtype} of {found.ndim} dimensions; {wanted.dtype} of {wanted.ndim}"
        raise ValueError(f"{outcome}.{part}.{name} is {kinds} is needed")
    return found


def _check_version(path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    if int(columns["format"]) != FORMAT:
        reason = (
            f"model {path} is of format {int(columns['format'])}, and this version reads {FORMAT}: train anew"
        )
        raise ModelFileError("model_format", reason)
    names = tuple(columns["names"].tolist())
    if names != NAMES:
        gone, new = [name for name in names if name not in NAMES], [name for name in NAMES if name not in names]  # fmt: skip
        other = "; ".join(
            f"{what} {', '.join(found)}"
            for what, found in (("no longer made:", gone), ("not learned:", new))
            if found
        )
        reason = f"model {path} was learned on other features ({other or 'in another order'}): train anew"
        raise ModelFileError("model_features", reason)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            reason = f"model {path} has {path.stat().st_size:,} bytes; allowed are {MOST_BYTES:,}"
            raise ModelFileError("model_unreadable", reason)
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ModelFileError("model_missing", f"model {path} is not there") from error
    except OSError as error:
        raise ModelFileError("model_unreadable", f"model {path} cannot be read: {error.strerror}") from error


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
