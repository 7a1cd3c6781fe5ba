"""What was read of the objects of a lake in a bucket, kept on this disk: blocks of files that never change.

    blocks/<md5>.data     the object, with holes where nothing was read
    blocks/<md5>.sums     a checksum for each block; 0: not read yet

A name says what is in it, so nothing here is ever out of date. A damaged block is read again from the store.
"""

import os
import zlib
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from addon.storage.folders import entries, make_folder

BLOCK_BYTES: Final = 64 * 2**10  # a request takes longer than these bytes; a column of a row group has several of them
MOST_BYTES: Final = 10 * 2**30
_KEPT_SHARE: Final = 0.8  # of MOST_BYTES, once it is full

Fetch = Callable[[int, int], bytes]  # start and length of bytes of the object


class BlockCache:
    """The blocks of all objects of one lake. Threads and processes may share its folder."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        """Raises OSError."""
        self._folder = folder
        # md5 -> number of the file on the disk, and 1 for each of its blocks whose checksum was right
        self._good: dict[str, tuple[int, bytearray]] = {}
        make_folder(folder)
        self._make_room(most_bytes)

    def read(self, md5: str, size: int, start: int, length: int, fetch: Fetch) -> bytes:
        """Bytes of an object of `size` bytes; what is not here comes from `fetch`, which may raise. Raises OSError."""
        end = min(start + length, size)
        if start >= end:
            return b""
        data = os.open(self._folder / f"{md5}.data", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        sums = os.open(self._folder / f"{md5}.sums", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            first, last = start // BLOCK_BYTES, (end - 1) // BLOCK_BYTES
            good = self._good_blocks(md5, size, data, sums)
            if 0 in good[first : last + 1]:
                self._check(data, sums, good, first, last)
            for begin, stop in _runs(good, first, last):
                _fill(data, sums, good, begin, stop, size, fetch)
            return os.pread(data, end - start, start)
        finally:
            os.close(data)
            os.close(sums)

    def _good_blocks(self, md5: str, size: int, data: int, sums: int) -> bytearray:
        """Another process may have removed the file to make room: what was good in it is not in its successor."""
        number = os.fstat(data).st_ino
        known = self._good.get(md5)
        if known is None or known[0] != number:
            os.utime(sums)  # used last
            known = self._good[md5] = number, bytearray(-(-size // BLOCK_BYTES))
        return known[1]

    def _check(self, data: int, sums: int, good: bytearray, first: int, last: int) -> None:
        known = array("I", os.pread(sums, 4 * (last + 1 - first), 4 * first).ljust(4 * (last + 1 - first), b"\0"))
        for number, expected in enumerate(known, first):
            if expected and not good[number]:
                good[number] = _sum(os.pread(data, BLOCK_BYTES, number * BLOCK_BYTES)) == expected

    def _make_room(self, most_bytes: int) -> None:
        """Removes what was used least recently. Another process may still read it: it then reads from the store."""
        files = [(entry.stat(), Path(entry.path)) for entry in entries(self._folder) if entry.is_file()]
        used = sum(found.st_blocks * 512 for found, _ in files)
        if used <= most_bytes:
            return
        used_at = {path.stem: found.st_mtime for found, path in files if path.suffix == ".sums"}
        for found, path in sorted(files, key=lambda each: (used_at.get(each[1].stem, 0.0), each[1].suffix)):
            if used <= most_bytes * _KEPT_SHARE:
                break
            path.with_suffix(".sums").unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            used -= found.st_blocks * 512


def _runs(good: bytearray, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Blocks beside each other that are missing, as (first, one after the last)."""
    begin = None
    for number in range(first, last + 2):
        if number <= last and not good[number]:
            begin = number if begin is None else begin
        elif begin is not None:
            yield begin, number
            begin = None


def _fill(data: int, sums: int, good: bytearray, begin: int, stop: int, size: int, fetch: Fetch) -> None:
    start = begin * BLOCK_BYTES
    fetched = fetch(start, min(stop * BLOCK_BYTES, size) - start)
    os.pwrite(data, fetched, start)
    blocks = (fetched[at : at + BLOCK_BYTES] for at in range(0, len(fetched), BLOCK_BYTES))
    os.pwrite(sums, array("I", map(_sum, blocks)).tobytes(), 4 * begin)
    good[begin:stop] = b"\1" * (stop - begin)


def _sum(block: bytes) -> int:
    """Never 0, which stands for a block that is missing."""
    return zlib.crc32(block) or 1
