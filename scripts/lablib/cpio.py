# SPDX-License-Identifier: GPL-2.0-only
"""Write initramfs archives (cpio, format newc) without root and without temporary trees."""

import os
import stat


class Archive:
    """A growing set of guest paths; parents appear by themselves."""

    def __init__(self):
        self._entries = {}

    def _parents(self, path):
        parent = os.path.dirname(path)
        if parent and parent not in self._entries:
            self._parents(parent)
            self._entries[parent] = (stat.S_IFDIR | 0o755, b"", 0)

    def _add(self, path, mode, data, rdev=0):
        path = path.lstrip("/")
        self._parents(path)
        self._entries[path] = (mode, data, rdev)

    def directory(self, path):
        """Add an empty directory."""
        self._add(path, stat.S_IFDIR | 0o755, b"")

    def text(self, path, text, mode=0o755):
        """Add a file with the given contents."""
        self._add(path, stat.S_IFREG | mode, text.encode())

    def symlink(self, path, target):
        """Add a symbolic link."""
        self._add(path, stat.S_IFLNK | 0o777, target.encode())

    def device(self, path, major, minor):
        """Add a character device node."""
        self._add(path, stat.S_IFCHR | 0o600, b"", (major, minor))

    def file(self, path, source):
        """Add a copy of a host file."""
        with open(source, "rb") as stream:
            mode = 0o755 if os.fstat(stream.fileno()).st_mode & 0o111 else 0o644
            self._add(path, stat.S_IFREG | mode, stream.read())

    def tree(self, path, source):
        """Add a host directory with all below it."""
        for name in sorted(os.listdir(source)):
            below = os.path.join(source, name)
            if os.path.isdir(below):
                self.tree(os.path.join(path, name), below)
            else:
                self.file(os.path.join(path, name), below)

    def __contains__(self, path):
        return path.lstrip("/") in self._entries

    def write(self, target):
        """Write the archive; equal contents give equal bytes."""
        with open(target, "wb") as stream:
            inode = 0
            for path in sorted(self._entries):
                inode += 1
                mode, data, rdev = self._entries[path]
                stream.write(_member(path, inode, mode, data, rdev or (0, 0)))
            end = _member("TRAILER!!!", 0, 0, b"", (0, 0))
            # Archives are joined to one initramfs: keep each a multiple of 512.
            stream.write(end)
            stream.write(bytes(-stream.tell() % 512))


def _member(path, inode, mode, data, rdev):
    links = 2 if stat.S_ISDIR(mode) else 1
    name = path.encode() + b"\0"
    numbers = (inode, mode, 0, 0, links, 0, len(data), 0, 0, *rdev, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % number for number in numbers) + name
    head += bytes(-len(head) % 4)
    return head + data + bytes(-len(data) % 4)
