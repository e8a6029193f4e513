"""A model that was written is read back to the last bit, and nothing else is taken for one."""

import hashlib
import io
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import CARD, rows_of, stump

from geo.availability import NAMES
from haulcast.availability import model_file
from haulcast.availability.model_file import ModelFileError, read_model, write_model

MADE_MS = 1_790_000_000_000
WHOLE = model_file._bytes_of(stump(2.0, -1.0))


def _rewritten(path, change):
    """The file with its arrays changed; its checksum."""
    with np.load(path) as found:
        columns = change(dict(found))
    file = io.BytesIO()
    np.savez(file, **columns)
    path.write_bytes(file.getvalue())
    return hashlib.sha256(file.getvalue()).hexdigest()


@pytest.fixture
def written(tmp_path):
    return write_model(tmp_path, stump(2.0, -1.0), CARD, MADE_MS)


def test_what_was_written_predicts_the_same(tmp_path, written):
    """Bit by bit; the card beside it says version and checksum, and no other file is left."""
    model = read_model(tmp_path / written.file, written.checksum)
    for mine, theirs in zip(
        model.probabilities(rows_of()), stump(2.0, -1.0).probabilities(rows_of()), strict=True
    ):
        assert np.array_equal(mine, theirs)
    assert model.on_duty.trees.checksum == stump(2.0, -1.0).on_duty.trees.checksum
    card = orjson.loads((tmp_path / f"{written.version}.json").read_bytes())
    assert (
        card
        == written.card
        == {**CARD, "version": written.version, "made": "2026-09-21T14:13:20Z", "checksum": written.checksum}
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{written.version}.json", written.file]


def test_the_same_model_has_the_same_checksum_and_another_one_another(tmp_path, written):
    """A version names what is in the file."""
    assert write_model(tmp_path / "a" / "b", stump(2.0, -1.0), CARD, MADE_MS).checksum == written.checksum
    assert write_model(tmp_path, stump(2.0, -1.5), CARD, MADE_MS).version != written.version


def test_a_missing_file_is_said(tmp_path, written):
    """With its path."""
    (tmp_path / written.file).unlink()
    with pytest.raises(ModelFileError, match=r"npz is not there"):
        read_model(tmp_path / written.file, written.checksum)
    with pytest.raises(ModelFileError, match=r"cannot be read: Is a directory"):
        read_model(tmp_path, written.checksum)


def test_a_changed_file_is_refused(tmp_path, written):
    """One bit is enough, and so is a wrong checksum in the database."""
    path = tmp_path / written.file
    data = bytearray(path.read_bytes())
    with pytest.raises(ModelFileError, match="changed or cut short"):
        read_model(path, "0" * 64)
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match="changed or cut short"):
        read_model(path, written.checksum)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_refused(tmp_path, written, share):
    """By its checksum; and by what is in it where the checksum is of the part."""
    path = tmp_path / written.file
    data = path.read_bytes()[: int(share * path.stat().st_size)]
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match="changed or cut short"):
        read_model(path, written.checksum)
    with pytest.raises(ModelFileError, match="holds no model"):
        read_model(path, hashlib.sha256(data).hexdigest())


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4), st.floats(0, 1)
)
def test_whatever_is_in_a_file_it_is_a_model_or_an_error_that_is_said(harms, share):
    """Any bytes changed and any part cut off, under a checksum that is right."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.npz"
        data = bytearray(WHOLE)
        for place, byte in harms:
            data[int(place * len(data))] = byte
        path.write_bytes(data[: len(data) - int(share**8 * len(data))])
        checksum = hashlib.sha256(path.read_bytes()).hexdigest()
        with suppress(ModelFileError):
            assert read_model(path, checksum).names == NAMES


class _Trap:
    def __reduce__(self):
        return pytest.fail, ("a pickle was run",)


def test_a_pickle_is_never_run(tmp_path, written):
    """Neither as an array of the file nor as the file."""
    path = tmp_path / written.file
    checksum = _rewritten(
        path, lambda columns: {**columns, "on_duty.trees.value": np.array([_Trap()], object)}
    )
    with pytest.raises(ModelFileError, match="holds no model: Object arrays cannot be loaded"):
        read_model(path, checksum)
    np.save(path.with_suffix(".npy"), np.array([_Trap()], object), allow_pickle=True)
    data = path.with_suffix(".npy").read_bytes()
    with pytest.raises(ModelFileError, match="holds no model"):
        read_model(path.with_suffix(".npy"), hashlib.sha256(data).hexdigest())


def test_other_features_are_named(tmp_path, written):
    """Those that are gone and those that are new; or that they stand in another order."""
    path = tmp_path / written.file

    def renamed(columns):
        names = columns["names"].tolist()
        return {**columns, "names": np.array(["mood", *names[1:]])}

    with pytest.raises(
        ModelFileError, match=r"other features \(no longer made: mood; not learned: on_duty\): train anew"
    ):
        read_model(path, _rewritten(path, renamed))
    checksum = _rewritten(path, lambda columns: {**columns, "names": np.array([*stump(1, 1).names][::-1])})
    with pytest.raises(ModelFileError, match="in another order"):
        read_model(path, checksum)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda columns: {**columns, "format": np.array(2)}, "is of format 2, and this version reads 1"),
        (
            lambda columns: {name: columns[name] for name in columns if name != "free.trees.left"},
            "free.trees.left",
        ),
        (
            lambda columns: {**columns, "on_duty.trees.value": columns["on_duty.trees.value"].astype("f2")},
            "on_duty.trees.value is float16 of 1 dimensions",
        ),
        (
            lambda columns: {**columns, "on_duty.calibration.weights": np.zeros(3)},
            "on_duty.calibration.weights is float64 of 1 dimensions; float64 of 2 is needed",
        ),
        (lambda columns: {"x": np.zeros(1)}, "format"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, written, change, said):
    """What is other is said."""
    path = tmp_path / written.file
    with pytest.raises(ModelFileError, match=said):
        read_model(path, _rewritten(path, change))


def test_a_file_that_is_too_large_is_not_read(tmp_path, written, monkeypatch):
    """Its size is said."""
    monkeypatch.setattr(model_file, "MOST_BYTES", 100)
    with pytest.raises(ModelFileError, match="bytes; allowed are 100"):
        read_model(tmp_path / written.file, written.checksum)


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path):
    """And nothing half is left."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelFileError, match=r"no model can be written to .*: Not a directory"):
        write_model(tmp_path / "file" / "models", stump(1.0, 1.0), CARD, MADE_MS)


def test_the_file_is_a_plain_npz(tmp_path, written):
    """So that anybody can look into it."""
    with zipfile.ZipFile(tmp_path / written.file) as found:
        assert {
            "format.npy",
            "names.npy",
            "on_duty.trees.feature.npy",
            "free.calibration.weights.npy",
        } <= set(found.namelist())
