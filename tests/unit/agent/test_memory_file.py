"""The memory's file: whole or not at all, for its owner alone, and never a crash."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lbmesh.agent.memory_file import FILE_NAME, Recalled, confirm_memory, read_memory, write_memory
from lbmesh.control.memory import MEMORY_BYTES_MAX, Memory, RememberedReplica
from lbmesh.model.address import Address
from lbmesh.model.health import Availability
from lbmesh.model.service import ReplicaId

DOWN = RememberedReplica(ReplicaId("shop", Address("10.0.0.1", 80)), Availability.DOWN, 1000.0, "connection refused")
MEMORY = Memory("lb-a", "zone-a", (("shop", "f" * 16),), (DOWN,), (Address("10.1.0.2", 7946),))


def read(state_dir: Path) -> Recalled | str | None:
    return read_memory(state_dir, "lb-a", "zone-a")


def test_what_was_written_is_read_by_its_owner_alone(tmp_path: Path) -> None:
    for _ in range(2):
        write_memory(tmp_path, MEMORY)
    assert [(file.name, file.stat().st_mode & 0o777) for file in tmp_path.iterdir()] == [(FILE_NAME, 0o600)]
    found = read(tmp_path)
    assert isinstance(found, Recalled)
    assert found.memory == MEMORY
    assert found.age_s < 60


def test_a_draft_of_any_kind_left_behind_is_replaced(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("precious")
    (tmp_path / "memory.new").symlink_to(other)
    write_memory(tmp_path, MEMORY)
    assert other.read_text() == "precious"
    assert isinstance(read(tmp_path), Recalled)


def test_nothing_there_is_nothing_remembered(tmp_path: Path) -> None:
    assert read(tmp_path) is None
    assert read(tmp_path / "missing") is None


def test_its_age_counts_from_when_it_was_last_confirmed(tmp_path: Path) -> None:
    write_memory(tmp_path, MEMORY)
    os.utime(tmp_path / FILE_NAME, (1.0, 1.0))
    found = read(tmp_path)
    assert isinstance(found, Recalled)
    assert found.age_s > 1e9
    confirm_memory(tmp_path)
    found = read(tmp_path)
    assert isinstance(found, Recalled)
    assert found.age_s < 60


def _torn(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-7])


def _edited(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b"down", b"up"))


def _older(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b"memory 1", b"memory 0", 1))


def _oversized(file: Path) -> None:
    os.truncate(file, 100 * MEMORY_BYTES_MAX)


def _link(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))
    file.symlink_to("elsewhere")


def _pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o600)


def _directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _writable(file: Path) -> None:
    file.chmod(0o602)


def _foreign(file: Path) -> None:
    write_memory(file.parent, Memory("lb-b", "zone-a", (), (), ()))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_torn, "checksum"),
        (_edited, "checksum"),
        (_older, "format 0"),
        (_oversized, "larger than"),
        (_link, "cannot be read"),
        (_pipe, "not a plain file"),
        (_directory, "not a plain file"),
        (_writable, "others may write"),
        (_foreign, 'belongs to node "lb-b"'),
    ],
)
def test_what_cannot_be_trusted_is_not_used_and_says_why(
    tmp_path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    write_memory(tmp_path, MEMORY)
    spoil(tmp_path / FILE_NAME)
    found = read(tmp_path)
    assert isinstance(found, str)
    assert reason in found


def test_a_directory_that_takes_nothing_raises_and_keeps_what_it_has(tmp_path: Path) -> None:
    write_memory(tmp_path, MEMORY)
    with pytest.raises(OSError):
        write_memory(tmp_path / "missing", MEMORY)
    (tmp_path / "memory.new").mkdir()
    with pytest.raises(OSError):
        write_memory(tmp_path, Memory("lb-a", "zone-a", (), (), ()))
    found = read(tmp_path)
    assert isinstance(found, Recalled)
    assert found.memory == MEMORY


def test_a_full_disk_raises_and_keeps_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on the size of files (setrlimit) would end this process by a signal; /dev/full refuses as a disk does."""
    write_memory(tmp_path, MEMORY)
    really_open = os.open

    def open_full(path: str | Path, flags: int, mode: int = 0o600) -> int:
        return really_open("/dev/full", os.O_WRONLY) if str(path).endswith(".new") else really_open(path, flags, mode)

    monkeypatch.setattr("os.open", open_full)
    with pytest.raises(OSError, match="No space left"):
        write_memory(tmp_path, Memory("lb-a", "zone-a", (), (), ()))
    found = read(tmp_path)
    assert isinstance(found, Recalled)
    assert found.memory == MEMORY
