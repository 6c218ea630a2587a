#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The programs of selftests/redis on the build machine: parts, and against a made-up Redis."""

import collections
import os
import socket
import subprocess
import tempfile
import threading
import time
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
REDIS = os.path.join(TOP, "selftests", "redis")
FLAGS = ("-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror",
         "-fsanitize=address,undefined", "-fno-sanitize-recover")


def build(directory, name, *sources, libraries=()):
    """Compile one program with sanitizers; its path."""
    program = os.path.join(directory, name)
    subprocess.run(["gcc", *FLAGS, "-o", program, *sources, *libraries], cwd=REDIS, check=True)
    return program


class FakeRedis(threading.Thread):
    """One connection; @lie changes the answer to a command, None ends the connection."""

    def __init__(self, lie=None):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lie = lie or (lambda number, answer: answer)
        self.records, self.commands = {}, []

    def read(self, stream):
        """One command, a list of words; none at the end."""
        try:
            count = stream.readline()
        except ConnectionError:
            count = b""
        words = []
        if not count:
            return words
        for _ in range(int(count[1:])):
            length = int(stream.readline()[1:])
            words.append(stream.read(length + 2)[:-2])
        return words

    def run(self):
        with self.listener:
            connection = self.listener.accept()[0]
        with connection, connection.makefile("rb") as stream:
            while words := self.read(stream):
                self.commands.append((words[0].decode(), words[1].decode()))
                if words[0] == b"SET":
                    self.records[words[1].decode()] = words[2]
                    answer = b"+OK\r\n"
                else:
                    value = self.records[words[1].decode()]
                    answer = b"$%d\r\n%s\r\n" % (len(value), value)
                answer = self.lie(len(self.commands), answer)
                if answer is None:
                    return
                connection.sendall(answer)


class Programs(unittest.TestCase):
    """Compiled once."""

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.scratch.cleanup)
        cls.client = build(cls.scratch.name, "ycsba", "ycsba.c", "zipf.c", "histogram.c",
                           libraries=("-lhiredis", "-lm"))
        cls.stamp = build(cls.scratch.name, "tsc-stamp", "tsc-stamp.c")

    def run_client(self, server, *options):
        """Status, lines, messages."""
        server.start()
        done = subprocess.run([self.client, f"--port={server.port}", *options], check=False,
                              capture_output=True, text=True, timeout=60)
        return done.returncode, [line.split() for line in done.stdout.splitlines()], done.stderr

    def test_parts(self):
        """Distribution and histogram: each line is a test."""
        program = build(self.scratch.name, "unit", os.path.join(TOP, "selftests/unit/ycsba_unit.c"),
                        libraries=("-lm",))
        for seed in ("1", "7"):
            done = subprocess.run([program, seed], check=False, capture_output=True, text=True)
            lines = done.stdout.splitlines()
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertEqual(sum(line.startswith("ok ") for line in lines), 12)
            self.assertEqual(lines[-1], "1..12")

    def test_load(self):
        """All records are written, then half of the operations read, the hot ones most."""
        server = FakeRedis()
        status, lines, messages = self.run_client(
            server, "--records=100", "--size=64", "--interval=300", "--intervals=3")
        self.assertEqual((status, messages), (0, ""))
        self.assertEqual(server.commands[:100], [("SET", f"user{i:010d}") for i in range(100)])
        self.assertEqual({len(value) for value in server.records.values()}, {64})
        ran = collections.Counter(server.commands[100:])
        total = sum(ran.values())
        self.assertGreater(total, 300)
        reads = sum(count for (word, _), count in ran.items() if word == "GET")
        # Five deviations of a coin that is thrown so often.
        self.assertLess(abs(reads - total / 2), 2.5 * total ** 0.5)
        keys = collections.Counter()
        for (_, key), count in ran.items():
            keys[key] += count
        # Of 100 records the hottest gets 1 of 5.3 operations.
        self.assertLess(abs(keys.most_common(1)[0][1] - total / 5.27), 5 * (0.16 * total) ** 0.5)
        self.check_lines(lines, total, reads)

    def check_lines(self, lines, total, reads):
        """What is printed adds up."""
        self.assertEqual([line[:2] for line in lines], [["YCSB", str(i)] for i in range(3)])
        self.assertEqual(sum(int(line[3]) + int(line[4]) for line in lines), total)
        self.assertEqual(sum(int(line[3]) for line in lines), reads)
        for line in lines:
            took, operations, errors = int(line[2]), int(line[3]) + int(line[4]), line[5]
            self.assertGreaterEqual(took, 300000)
            self.assertEqual(errors, "0")
            times = [int(word) for word in line[6:10]]
            self.assertEqual(times, sorted(times))
            buckets = [word.split(":") for word in line[10].split(",")]
            self.assertEqual(sum(int(count) for _, count in buckets), operations)

    def test_wrong_answers(self):
        """They are counted, not hidden."""
        for lie in (b"$-1\r\n", b"-ERR no\r\n", b"$3\r\nabc\r\n"):
            status, lines, _ = self.run_client(
                FakeRedis(lambda number, answer, lie=lie: lie if number > 20 else answer),
                "--records=20", "--size=8", "--interval=50", "--intervals=2")
            self.assertEqual(status, 0)
            for line in lines:
                self.assertEqual(int(line[5]), int(line[3]) + int(line[4]))

    def test_no_server(self):
        """One message, and status 1."""
        for lie, words in ((lambda number, answer: None if number > 30 else answer, "answer"),
                           (lambda number, answer: b"-OOM\r\n", "refuses to store")):
            status, _, messages = self.run_client(FakeRedis(lie), "--records=20", "--intervals=2")
            self.assertEqual((status, messages.count("\n")), (1, 1))
            self.assertIn(words, messages)
        done = subprocess.run([self.client, "--port=1"], check=False, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("connect", done.stderr)

    def test_usage(self):
        """What makes no sense is refused."""
        for option in ("--records=0", "--records=", "--records=-1", "--size=0", "--interval=x",
                       "--port=70000", "--no", "more"):
            done = subprocess.run([self.client, option], check=False, capture_output=True, text=True)
            self.assertEqual((option, done.returncode), (option, 2))

    def stamps(self, text):
        """[(stamp, line)] of what tsc-stamp has printed; stamps only grow."""
        rows = [line.split(" ", 1) for line in text.splitlines()]
        times = [int(row[0]) for row in rows]
        self.assertEqual(times, sorted(times))
        return [(int(row[0]), row[1]) for row in rows]

    def test_stamp_pipe(self):
        """Lines of a pipe, one without an end and one that is very long."""
        done = subprocess.run([self.stamp], input="one\n\n" + "x" * 9000 + "\nrest", check=True,
                              capture_output=True, text=True)
        self.assertEqual([line for _, line in self.stamps(done.stdout)],
                         ["one", "", "x" * 8192, "x" * 808, "rest"])

    def test_stamp_file(self):
        """A file that grows: a line has the time at which its end came."""
        path = os.path.join(self.scratch.name, "grows")
        with open(path, "w", encoding="ascii") as out, \
                subprocess.Popen([self.stamp, path], stdout=subprocess.PIPE, text=True) as stamp:
            lines = []
            for piece in ("a\n", "b", "c\nd\n"):
                out.write(piece)
                out.flush()
                time.sleep(0.05)
                for _ in range(piece.count("\n")):
                    lines.append(stamp.stdout.readline())
            stamp.terminate()
        rows = self.stamps("".join(lines))
        self.assertEqual([line for _, line in rows], ["a", "bc", "d"])
        # No machine counts less than a million in 50 ms.
        self.assertGreater(rows[1][0] - rows[0][0], 1000000)


if __name__ == "__main__":
    unittest.main()
