"""A disk that forgets keeps what was synced, and that alone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from .disk import Cut, Disk, is_available

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(not is_available(), reason="NOT TESTED: no notices of system calls on this machine")

_WRITER = """
import os, sys
folder = sys.argv[1]
def path(name): return os.path.join(folder, name)
def write(name, text, flags=0):
    fd = os.open(path(name), os.O_WRONLY | os.O_CREAT | flags, 0o600)
    os.write(fd, text)
    return fd
os.close(write("never", b"lost"))
fd = write("grown", b"kept")
os.fsync(fd)
os.write(fd, b" and lost")
fd = write("changed", b"before")
os.fdatasync(fd)
os.pwrite(fd, b"after!", 0)
os.close(write("through", b"kept, too", os.O_SYNC))
os.fsync(write("draft", b"renamed"))
os.rename(path("draft"), path("final"))
os.unlink(path("grown")) if len(sys.argv) > 2 else None
os.fsync(write("grown", b"anew")) if len(sys.argv) > 2 else None
print("written", flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path / "shadow")
    yield disk
    disk.close()


def test_what_was_not_synced_is_gone(disk: Disk, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    assert disk.run([sys.executable, "-c", _WRITER, store]).wait(20) == -9
    assert (store / "grown").read_bytes() == b"kept and lost"
    assert disk.cut(store) == Cut(("changed", "grown", "never"), lost_bytes=len("lost") + len(" and lost"))
    left = {file.name: file.read_bytes() for file in store.iterdir()}
    assert left == {
        "never": b"",
        "grown": b"kept",
        "changed": b"before",
        "through": b"kept, too",
        "final": b"renamed",
    }


def test_a_file_made_anew_is_another_file(disk: Disk, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    disk.run([sys.executable, "-c", _WRITER, store, "anew"]).wait(20)
    disk.cut(store)
    assert (store / "grown").read_bytes() == b"anew"


def test_what_was_there_before_is_kept_once_settled(disk: Disk, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (store / "old").write_bytes(b"old")
    disk.settle(store)
    with (store / "old").open("ab") as file:
        file.write(b" and new")
    assert disk.cut(store) == Cut(("old",), lost_bytes=len(" and new"))
    assert (store / "old").read_bytes() == b"old"
