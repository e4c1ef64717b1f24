"""A disk that forgets at a power cut what was never forced onto it.

`kill -9` says nothing about syncing: what the process has written stands in the page cache, and survives. This keeps,
beside the files of a process, what they held when it last called `fsync` or `fdatasync` on them, and puts that back
after a cut. The process itself runs unchanged and needs no rights: a seccomp filter has the kernel tell us of these
calls, and hold them until we have made the copy (`seccomp_unotify(2)`, Linux 5.14).

What a cut leaves, as a journalling file system may: names, creations, renames and removals as they were; of each
file's content what was synced. A file that was never synced is empty. A file that was opened with `O_SYNC` keeps what
was written to it. That a file's *name* may be lost too, when its folder was not synced, is not played through.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import select
import shutil
import socket
import struct
import subprocess
import sys
import threading
from stat import S_ISREG
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class _Machine(NamedTuple):
    audit: int
    seccomp: int
    fsync: int
    fdatasync: int
    openat: int


#: What the kernel calls these system calls, by machine: <asm/unistd.h>, and AUDIT_ARCH_… of <linux/audit.h>.
_MACHINES = {
    "x86_64": _Machine(0xC000003E, 317, 74, 75, 257),
    "aarch64": _Machine(0xC00000B7, 277, 82, 83, 56),
}

_O_SYNC = 0x101000
_AT_FDCWD = 2**32 - 100
_PATH_BYTES = 4096

# <linux/seccomp.h>
_SET_MODE_FILTER, _NEW_LISTENER = 1, 1 << 3
_RET_NOTIFY, _RET_ALLOW = 0x7FC00000, 0x7FFF0000
_RECEIVE, _SEND, _ADD_FD = 0xC0502100, 0xC0182101, 0x40182103
_CONTINUE, _ADD_FD_AND_SEND = 1, 2
_PR_SET_NO_NEW_PRIVS = 38

_NOTICE = struct.Struct("=QIIiIQ6Q")
_ANSWER = struct.Struct("=QqiI")
_ADDED = struct.Struct("=QIIII")

_libc = ctypes.CDLL(None, use_errno=True)


def is_available() -> bool:
    """Whether this machine can do it: Linux on a processor whose numbers stand above."""
    return sys.platform == "linux" and platform.machine() in _MACHINES


class Cut(NamedTuple):
    """What a power cut took."""

    files: tuple[str, ...]
    """The files that lost something."""
    lost_bytes: int
    """How many bytes fewer they have."""


class Disk:
    """Keeps what processes under it have synced."""

    def __init__(self, shadow: Path) -> None:
        """`shadow` is a folder for the copies; memory (`/dev/shm`) will do."""
        shadow.mkdir(parents=True, exist_ok=True)
        self._shadow = shadow
        #: Open files of every inode that we know something of, so that no number is used again while we do.
        self._pins: dict[tuple[int, int], int] = {}
        self._always: set[tuple[int, int]] = set()
        self._watch: threading.Thread | None = None
        self._lock = threading.Lock()
        #: How many times something was synced.
        self.syncs = 0
        #: What we could not follow; empty, or the disk's word is worth nothing.
        self.trouble: list[str] = []

    def run(self, command: Sequence[str | Path]) -> subprocess.Popen[bytes]:
        """Start a process, and watch what it syncs until it ends."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            launch = [sys.executable, __file__, str(theirs.fileno()), *map(str, command)]
            process = subprocess.Popen(launch, pass_fds=[theirs.fileno()])
            theirs.close()
            _, fds, _, _ = socket.recv_fds(ours, 1, 1)
        if not fds:
            raise OSError(f"no notices of system calls on this kernel: {process.wait()}")
        self._watch = threading.Thread(target=self._follow, args=(fds[0],), daemon=True)
        self._watch.start()
        return process

    def cut(self, folder: Path) -> Cut:
        """The power failed: the files in `folder` are what was synced. Its process must be dead."""
        if self._watch is not None:
            self._watch.join(10)
        if self.trouble:
            raise RuntimeError(f"not everything that was synced is known: {self.trouble[:3]}")
        cuts = {file: lost for file in _files(folder) if (lost := self._restore(file)) is not None}
        return Cut(tuple(str(file.relative_to(folder)) for file in cuts), sum(cuts.values()))

    def settle(self, folder: Path) -> None:
        """Take everything in `folder` as synced now. Only while its process writes nothing."""
        for file in _files(folder):
            with self._lock:
                fd = os.open(file, os.O_RDONLY)
                inode = self._pin(fd)
                if inode is not None:
                    self._copy(inode, fd)

    def close(self) -> None:
        """Forget everything."""
        for fd in self._pins.values():
            os.close(fd)
        self._pins.clear()
        shutil.rmtree(self._shadow, ignore_errors=True)

    def _restore(self, file: Path) -> int | None:
        """Put back what was synced of a file; how many bytes fewer it has, or None where nothing was lost."""
        stat = file.stat()
        inode = (stat.st_dev, stat.st_ino)
        if inode in self._always:
            return None
        kept = self._copy_of(inode).read_bytes() if inode in self._pins else b""
        if file.read_bytes() == kept:
            return None
        file.write_bytes(kept)
        return max(0, stat.st_size - len(kept))

    def _copy_of(self, inode: tuple[int, int]) -> Path:
        return self._shadow / f"{inode[0]}-{inode[1]}"

    def _follow(self, listener: int) -> None:
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        try:
            while True:
                if any(event & select.POLLHUP for _, event in poll.poll()):
                    return
                notice = ctypes.create_string_buffer(_NOTICE.size)
                if _ioctl(listener, _RECEIVE, notice) == 0:
                    with self._lock:
                        self._heed(listener, notice.raw)
        finally:
            os.close(listener)

    def _heed(self, listener: int, notice: bytes) -> None:
        call_id, pid, _, number, _, _, *arguments = _NOTICE.unpack(notice)
        try:
            if number == _MACHINES[platform.machine()].openat:
                self._open(listener, call_id, pid, arguments)
                return
            self._synced(pid, arguments[0] & 0xFFFFFFFF)
        except (ProcessLookupError, FileNotFoundError):
            pass  # it died meanwhile, in mid-call
        except OSError as error:
            self.trouble.append(str(error))
        answer = _ANSWER.pack(call_id, 0, 0, _CONTINUE)
        _ioctl(listener, _SEND, ctypes.create_string_buffer(answer, len(answer)))

    def _synced(self, pid: int, number: int) -> None:
        """A file is about to be synced: from here on this much of it survives."""
        fd = os.open(f"/proc/{pid}/fd/{number}", os.O_RDONLY)
        inode = self._pin(fd)
        if inode is not None:
            self._drop_removed()
            self._copy(inode, fd)
            self.syncs += 1

    def _pin(self, fd: int) -> tuple[int, int] | None:
        """Keep a file open from now on; None, and close it, where there is nothing to copy of it."""
        stat = os.fstat(fd)
        inode = (stat.st_dev, stat.st_ino)
        if not S_ISREG(stat.st_mode) or inode in self._always:
            os.close(fd)
            return None
        if inode in self._pins:
            os.close(self._pins[inode])
        self._pins[inode] = fd
        return inode

    def _copy(self, inode: tuple[int, int], fd: int) -> None:
        draft = self._copy_of(inode).with_suffix(".draft")
        with draft.open("wb") as copy:
            at = 0
            while sent := os.sendfile(copy.fileno(), fd, at, 1 << 24):
                at += sent
        draft.rename(self._copy_of(inode))

    def _open(self, listener: int, call_id: int, pid: int, arguments: list[int]) -> None:
        """A file is about to be opened with `O_SYNC`: open it for the process, so that we know which it is."""
        folder, where, flags, mode = arguments[:4]
        path = _text_at(pid, where)
        if folder & 0xFFFFFFFF != _AT_FDCWD and not path.startswith("/"):
            path = f"/proc/{pid}/fd/{folder & 0xFFFFFFFF}/{path}"
        elif not path.startswith("/"):
            path = f"/proc/{pid}/cwd/{path}"
        try:
            fd = os.open(path, flags & 0xFFFFFFFF, mode & 0o7777)
        except OSError as error:
            answer = _ANSWER.pack(call_id, 0, -(error.errno or errno.EIO), 0)
            _ioctl(listener, _SEND, ctypes.create_string_buffer(answer, len(answer)))
            return
        stat = os.fstat(fd)
        inode = (stat.st_dev, stat.st_ino)
        self._always.add(inode)
        self._pins.setdefault(inode, os.dup(fd))
        added = _ADDED.pack(call_id, _ADD_FD_AND_SEND, fd, 0, flags & os.O_CLOEXEC)
        _ioctl(listener, _ADD_FD, ctypes.create_string_buffer(added, len(added)))
        os.close(fd)
        self.syncs += 1

    def _drop_removed(self) -> None:
        """Let go of files that no folder names any more, now and then."""
        if self.syncs % 64:
            return
        for inode, fd in list(self._pins.items()):
            if os.fstat(fd).st_nlink == 0:
                os.close(self._pins.pop(inode))
                self._always.discard(inode)
                self._copy_of(inode).unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


def _text_at(pid: int, address: int) -> str:
    """The string at an address of a process."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        raw = memory.read(_PATH_BYTES)
    return os.fsdecode(raw.partition(b"\0")[0])


def _ioctl(fd: int, request: int, argument: ctypes.Array[ctypes.c_char]) -> int:
    result: int = _libc.ioctl(fd, ctypes.c_ulong(request), argument)
    return result


def _filter() -> bytes:
    """The filter's program (classic BPF): notices of syncs, and of opening with `O_SYNC`."""
    machine = _MACHINES[platform.machine()]
    load, equal, mask, give = 0x20, 0x15, 0x54, 0x06
    lines = [
        (load, 0, 0, 4),  # the machine
        (equal, 0, 7, machine.audit),
        (load, 0, 0, 0),  # the call
        (equal, 6, 0, machine.fsync),
        (equal, 5, 0, machine.fdatasync),
        (equal, 0, 3, machine.openat),
        (load, 0, 0, 32),  # its third argument, the flags; machines here are little-endian
        (mask, 0, 0, _O_SYNC),
        (equal, 1, 0, _O_SYNC),
        (give, 0, 0, _RET_ALLOW),
        (give, 0, 0, _RET_NOTIFY),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def _launch(channel: int, command: list[str]) -> None:
    """Become `command`, with notices of its system calls going to the other end of `channel`."""
    program = ctypes.create_string_buffer(_filter())
    header = struct.pack("@HxxxxxxP", len(_filter()) // 8, ctypes.addressof(program))
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    number = ctypes.c_long(_MACHINES[platform.machine()].seccomp)
    listener = _libc.syscall(number, _SET_MODE_FILTER, _NEW_LISTENER, ctypes.create_string_buffer(header, len(header)))
    if listener < 0:
        sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")
    with socket.socket(fileno=channel) as socket_:
        socket.send_fds(socket_, [b"."], [listener])
    os.close(listener)
    os.execv(command[0], command)


if __name__ == "__main__":
    _launch(int(sys.argv[1]), sys.argv[2:])
