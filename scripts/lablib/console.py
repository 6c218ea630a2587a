# SPDX-License-Identifier: GPL-2.0-only
"""The serial lines with wall-clock stamps, and progress for the terminal."""

import os
import select
import sys
import time


class Line:
    """One serial line: a raw log of it, and its lines as they get complete."""

    def __init__(self, path):
        self._raw = open(path, "ab")
        self._partial = b""

    def read(self, fd, seconds):
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
        return [text_of(line) for line in whole]

    def close(self):
        """No more is to come; the line that was not complete, if there is one."""
        self._raw.close()
        rest, self._partial = self._partial, b""
        return [text_of(rest)] if rest else []


def text_of(line):
    """What a line of bytes says."""
    return line.decode("utf-8", "replace").rstrip("\r")


class Console:
    """Read a machine's serial lines; keep a raw log of each and a stamped log of all."""

    def __init__(self, run_directory, start):
        self._start = start
        self._directory = run_directory
        self._first = Line(os.path.join(run_directory, "console.log"))
        self._second = None
        self._stamped = open(os.path.join(run_directory, "console.stamped.log"), "a",
                             encoding="utf-8")

    def note(self, text):
        """Write a line of the lab's own into the stamped log."""
        self._stamp("== ", [text])

    def lines(self, fd, seconds):
        """Complete lines of the console that arrive on @fd within @seconds."""
        return self._stamp("", self._first.read(fd, seconds))

    def second_lines(self, fd):
        """Complete lines of the second serial line that are there on @fd."""
        if self._second is None:
            self._second = Line(os.path.join(self._directory, "serial2.log"))
        return self._stamp("serial2: ", self._second.read(fd, 0))

    def _stamp(self, whose, lines):
        for text in lines:
            self._stamped.write(f"{time.monotonic() - self._start:8.2f} {whose}{text}\n")
        if lines:
            self._stamped.flush()
        return lines

    def close(self):
        """Flush the rest."""
        self._stamp("", self._first.close())
        if self._second:
            self._stamp("serial2: ", self._second.close())
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
