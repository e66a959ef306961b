#!/usr/bin/env python3
"""A disk that loses what was not synced.

    unsafe_disk.py IMAGE MOUNTPOINT

mounts a FUSE file system with two files. `disk` has the bytes of IMAGE and is meant to lie under a loop device.
Writes to it are kept in memory; a FSYNC (the loop device sends one for each flush of the file system above) takes
them over into IMAGE. `control` takes commands, one a write:

    cut SEED            the power goes: of each sector of 512 bytes any version since the last sync, or the one
                        before, is what IMAGE has from now on; all reads and writes fail (EIO) until the end
    fail sync keep      a sync fails (EIO), what was written since the last one stays readable
    fail sync drop      a sync fails and what was written since the last one is lost, as in a disk's own cache
    fail write          writes fail (EIO)
    fail space          writes fail (ENOSPC), as on a thinly provisioned volume
    heal                nothing fails any more; but IMAGE stays as it was before the first failure, which is what a cut
                        leaves then: a file system over a disk that lost some of its writes is damaged, and that is
                        not what is tested

and tells, when read, what happened so far: writes, syncs, sectors unsynced. The process ends when the file system
is unmounted. It speaks the kernel's FUSE protocol (include/uapi/linux/fuse.h) itself: one file, few
operations, and nothing to install. Root only.
"""

import ctypes
import errno
import mmap
import os
import random
import stat
import struct
import sys

SECTOR = 512
WRITE_MAX = 1 << 20
IN_HEADER = struct.Struct("<IIQQIIIHH")
OUT_HEADER = struct.Struct("<IiQ")
# ino, size, blocks, three times, their nanoseconds, mode, nlink, uid, gid, rdev, blksize, flags
ATTR = struct.Struct("<QQQQQQIIIIIIIIII")
ROOT, DISK, CONTROL = 1, 2, 3
NAMES = {b"disk": DISK, b"control": CONTROL}
# Reads and writes come here at once; nothing is in the page cache of the lower file.
FOPEN_DIRECT_IO = 1
FUSE_BIG_WRITES, FUSE_MAX_PAGES = 1 << 5, 1 << 22
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8


class Refused(Exception):
    """An error number for the kernel."""


class Disk:
    """The bytes: what a reader sees, and what would be left after a power cut."""

    def __init__(self, path):
        self.file = open(path, "r+b")
        self.size = os.fstat(self.file.fileno()).st_size
        self.durable = mmap.mmap(self.file.fileno(), self.size)
        # A private mapping copies a page when it is first written to, so that a large image costs nothing.
        self.current = mmap.mmap(self.file.fileno(), self.size, flags=mmap.MAP_PRIVATE)
        # By sector, every version since the last sync.
        self.versions = {}
        self.writes = self.syncs = 0
        self.fault = None
        self.is_off = False
        self.has_failed = False

    def check_power(self):
        if self.is_off:
            raise Refused(errno.EIO)

    def read(self, at, length):
        self.check_power()
        return self.current[at : at + length]

    def write(self, at, data):
        self.check_power()
        if self.fault == "write":
            raise Refused(errno.EIO)
        if self.fault == "space" or at + len(data) > self.size:
            raise Refused(errno.ENOSPC)
        self.writes += 1
        self.current[at : at + len(data)] = data
        for sector in range(at // SECTOR, -(-(at + len(data)) // SECTOR)):
            start = sector * SECTOR
            self.versions.setdefault(sector, []).append(bytes(self.current[start : start + SECTOR]))

    def sync(self):
        self.check_power()
        if self.fault in ("sync keep", "sync drop"):
            if self.fault == "sync drop":
                self.settle(lambda versions: None)
            raise Refused(errno.EIO)
        self.syncs += 1
        if not self.has_failed:
            self.settle(lambda versions: versions[-1])

    def settle(self, choose):
        """Ends the time since the last sync: each sector becomes what `choose` takes, None is what it was."""
        for sector, versions in self.versions.items():
            place = slice(sector * SECTOR, (sector + 1) * SECTOR)
            chosen = choose(versions)
            if chosen is None:
                self.current[place] = self.durable[place]
            else:
                self.durable[place] = self.current[place] = chosen
        self.versions = {}

    def cut(self, seed):
        coin = random.Random(seed)
        self.settle(lambda versions: None if self.has_failed else coin.choice([None] + versions))
        self.is_off = True

    def command(self, text):
        words = text.decode("ascii", "replace").split()
        if len(words) == 2 and words[0] == "cut":
            self.cut(words[1])
        elif words == ["heal"]:
            self.fault = None
        elif words in (["fail", "sync", "keep"], ["fail", "sync", "drop"], ["fail", "write"], ["fail", "space"]):
            self.fault = " ".join(words[1:])
            self.has_failed = True
        else:
            raise Refused(errno.EINVAL)

    def report(self):
        return f"writes {self.writes}\nsyncs {self.syncs}\nunsynced_sectors {len(self.versions)}\n".encode()


class FileSystem:
    """Answers the kernel's requests, one after the other."""

    def __init__(self, disk):
        self.disk = disk
        self.handlers = {
            1: self.lookup,
            3: lambda node, body: struct.pack("<QII", 0, 0, 0) + self.attributes(node),
            4: lambda node, body: struct.pack("<QII", 0, 0, 0) + self.attributes(node),
            14: lambda node, body: struct.pack("<QII", 0, FOPEN_DIRECT_IO, 0),
            15: self.read,
            16: self.write,
            17: lambda node, body: struct.pack("<QQQQQIIII24x", 0, 0, 0, 2, 0, SECTOR, 255, SECTOR, 0),
            18: lambda node, body: b"",
            20: self.sync,
            25: lambda node, body: b"",
            26: self.init,
            27: lambda node, body: struct.pack("<QII", 0, 0, 0),
            28: lambda node, body: b"",
            29: lambda node, body: b"",
        }

    def init(self, node, body):
        (major,) = struct.unpack_from("<I", body)
        if major != 7:
            raise Refused(errno.EPROTO)
        flags = FUSE_BIG_WRITES | FUSE_MAX_PAGES
        return struct.pack("<IIIIHHIIHHI28x", 7, 31, 1 << 17, flags, 16, 12, WRITE_MAX, 1, WRITE_MAX // 4096, 0, 0)

    def attributes(self, node):
        size = self.disk.size if node == DISK else 0
        mode = stat.S_IFDIR | 0o700 if node == ROOT else stat.S_IFREG | 0o600
        return ATTR.pack(node, size, -(-size // SECTOR), 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def lookup(self, node, body):
        found = NAMES.get(body.rstrip(b"\0"))
        if node != ROOT or found is None:
            raise Refused(errno.ENOENT)
        return struct.pack("<QQQQII", found, 0, 0, 0, 0, 0) + self.attributes(found)

    def read(self, node, body):
        _, at, length = struct.unpack_from("<QQI", body)
        if node == CONTROL:
            return self.disk.report()[at : at + length]
        return bytes(self.disk.read(at, length))

    def write(self, node, body):
        _, at, length = struct.unpack_from("<QQI", body)
        data = body[40 : 40 + length]
        if node == CONTROL:
            self.disk.command(data)
        else:
            self.disk.write(at, data)
        return struct.pack("<II", length, 0)

    def sync(self, node, body):
        if node == DISK:
            self.disk.sync()
        return b""

    def serve(self, device):
        while True:
            try:
                request = os.read(device, WRITE_MAX + 4096)
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return  # unmounted
                if error.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                    continue
                raise
            _, opcode, unique, node, *_ = IN_HEADER.unpack_from(request)
            if opcode in (2, 42, 36):
                continue  # FORGET, BATCH_FORGET, INTERRUPT want no answer
            answer, code = b"", 0
            try:
                handler = self.handlers.get(opcode)
                if handler is None:
                    raise Refused(errno.ENOSYS)
                answer = handler(node, memoryview(request)[IN_HEADER.size :].tobytes())
            except Refused as refused:
                code = -refused.args[0]
            try:
                os.write(device, OUT_HEADER.pack(OUT_HEADER.size + len(answer), code, unique) + answer)
            except OSError as error:
                if error.errno != errno.ENOENT:  # the caller was interrupted
                    raise


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    image, mountpoint = sys.argv[1:]
    disk = Disk(image)
    device = os.open("/dev/fuse", os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
    if libc.mount(b"unsafe_disk", mountpoint.encode(), b"fuse", flags, options) != 0:
        sys.exit(f"cannot mount {mountpoint}: {os.strerror(ctypes.get_errno())}")
    FileSystem(disk).serve(device)


if __name__ == "__main__":
    main()
