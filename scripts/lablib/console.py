# SPDX-License-Identifier: GPL-2.0-only
"""The serial line as lines with wall-clock stamps, and progress for the terminal."""

import os
import select
import sys
import time


class Console:
    """Read a machine's serial line; keep a raw log and a stamped log."""

    def __init__(self, run_directory, start):
        self._start = start
        self._raw = open(os.path.join(run_directory, "console.log"), "ab")
        self._stamped = open(os.path.join(run_directory, "console.stamped.log"), "a",
                             encoding="utf-8")
        self._partial = b""

    def note(self, text):
        """Write a line of the lab's own into the stamped log."""
        self._stamped.write(f"{time.monotonic() - self._start:8.2f} == {text}\n")
        self._stamped.flush()

    def lines(self, fd, seconds):
        """Complete lines that arrive on @fd within @seconds."""
        readable, _, _ = select.select([fd], [], [], seconds)
        if not readable:
            return []
        try:
            data = os.read(fd, 65536)
        except OSError:
            return []
        self._raw.write(data)
        self._raw.flush()
        *whole, self._partial = (self._partial + data).split(b"\n")
        return [self._stamp(line) for line in whole]

    def _stamp(self, line):
        text = line.decode("utf-8", "replace").rstrip("\r")
        self._stamped.write(f"{time.monotonic() - self._start:8.2f} {text}\n")
        self._stamped.flush()
        return text

    def close(self):
        """Flush the rest."""
        if self._partial:
            self._stamp(self._partial)
        self._raw.close()
        self._stamped.close()


class Progress:
    """One rewriting line on a terminal, few plain lines elsewhere."""

    def __init__(self, start, stream=sys.stderr):
        self._stream = stream
        self._start = start
        self._tty = stream.isatty()
        self._drawn = 0.0

    def _clear(self):
        if self._tty:
            self._stream.write("\r\x1b[K")

    def line(self, text):
        """Print something that stays."""
        self._clear()
        print(f"[{time.monotonic() - self._start:6.1f}] {text}", file=self._stream, flush=True)

    def status(self, stage, last):
        """Show what happens now."""
        now = time.monotonic()
        if not self._tty or now - self._drawn < 0.2:
            return
        self._drawn = now
        width = os.get_terminal_size(self._stream.fileno()).columns - 1
        text = f"[{now - self._start:6.1f}] {stage}: {last}"
        self._clear()
        self._stream.write(text[:max(width, 20)])
        self._stream.flush()

    def end(self):
        """Leave a clean line."""
        self._clear()
