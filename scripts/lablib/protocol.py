# SPDX-License-Identifier: GPL-2.0-only
"""One power-on without machine, files and clock: lines and times in, actions and verdicts out.

All times are seconds of some clock that never stops (@now) and of CPU time that the
machine has used (@cpu), None when it is gone.
"""

import dataclasses
import enum
import re

from .common import LabError

# How long a live guest may take to answer, and to save what a test left.
PONG_SECONDS = 12
STOP_SECONDS = 20
# From the end of a test to the start of the next one.
BETWEEN_SECONDS = 10
PANIC_QUIET_SECONDS = 1.5
# A machine that gets no CPU is not late, but for this much wall time.
WALL_FACTOR = 4
WAKE_SECONDS = 2
PANIC = "Kernel panic - not syncing"


@dataclasses.dataclass(frozen=True)
class Send:
    """Type on the serial line."""

    text: str


@dataclasses.dataclass(frozen=True)
class Say:
    """Tell whoever watches."""

    text: str


@dataclasses.dataclass(frozen=True)
class Keep:
    """Save what the console has said since the start of a test, or between tests (None)."""

    test: object
    lines: tuple


@dataclasses.dataclass(frozen=True)
class Shell:
    """The serial line is a shell's now: give it to the user."""


@dataclasses.dataclass(frozen=True)
class Ending:
    """How a test ended; verdict '' = as what it has left says."""

    verdict: str
    reason: str
    seconds: float = 0
    cpu: float = 0


@dataclasses.dataclass(frozen=True)
class Limits:
    """Seconds that things may take."""

    # From power-on to the first test.
    boot: float
    # Multiplies all of them, for a slow machine.
    factor: float = 1
    # When the time of the whole run is over, and how long it was; None = never.
    end: float = None
    run: float = 0


class Phase(enum.Enum):
    """What is waited for."""

    RUNNING = 1
    # The kernel has panicked: the rest of what it says.
    PANIC = 2
    # A test took too long: an answer of the guest.
    PING = 3
    # The test is being stopped: its end.
    STOPPING = 4
    OVER = 5


class Protocol:
    """What the lab makes of one power-on with some tests."""

    def __init__(self, tests, limits, number, log):
        self.tests = {test.name: test for test in tests}
        self.limits, self.number, self.log = limits, number, log
        self.phase = Phase.RUNNING
        self.current = None
        # Test -> Ending.
        self.verdicts = {}
        self.ready_seconds = None
        # The guest is through with its tests and switches off.
        self.finished = False
        # The last line with something in it, and the CPU time of the machine when last seen.
        self.last, self.cpu = "", 0
        # The test has announced that the machine goes down and comes back.
        self._restarting = False
        # The test sleeps, and typing is what wakes its machine: when next.
        self._wake_at = 0
        self._started = self._heard = self._deadline = 0
        self._test_start = self._test_cpu = 0
        self._test_end, self._test_end_cpu = None, 0
        self._reason = ""
        self._recent, self._recent2 = [], []
        self._actions = []

    # ---- what comes in; each returns the actions to take, in order

    def start(self, now):
        """Power on."""
        self._started = self._heard = now
        return self._taken()

    def hear(self, now, cpu, line):
        """The console has a line."""
        self._seen(cpu)
        self._heard = now
        self._recent.append(line)
        self.last = line.strip() or self.last
        mark = line[len("@lab "):] if line.startswith("@lab ") else ""
        if self.phase is Phase.RUNNING:
            self._line(now, mark, line)
        elif self.phase is Phase.PING and mark.startswith("pong"):
            self._stop_test(now)
        elif self.phase is Phase.STOPPING and mark.startswith(self._reason):
            self.phase = Phase.OVER
        return self._taken()

    def hear_second(self, line):
        """The second serial line has a line: it says nothing about the machine's tests."""
        self._recent2.append(line)

    def tick(self, now, cpu):
        """Time has passed; often enough."""
        self._seen(cpu)
        if self.phase is Phase.PANIC:
            if now - self._heard >= PANIC_QUIET_SECONDS or now >= self._deadline:
                self._fatal(now, "panic", self._reason)
        elif self.phase is Phase.PING:
            if now >= self._deadline:
                self._no_answer(now)
        elif self.phase is Phase.STOPPING:
            if now >= self._deadline:
                self.phase = Phase.OVER
        elif self.phase is Phase.RUNNING:
            self._wake(now)
            self._check_time(now, cpu)
        return self._taken()

    def machine_ended(self, now, status, verdict):
        """The emulator is gone: by power-off, by itself for a reason (@verdict), or who knows."""
        if self.phase is Phase.PANIC:
            self._fatal(now, "panic", self._reason)
        elif self.phase is Phase.PING:
            self._no_answer(now)
        elif self.phase is Phase.RUNNING and not self.finished:
            reason = "the CPU shut down after a triple fault" if verdict else \
                f"the machine ended with status {status} before the result"
            self._fatal(now, verdict or "lost", reason)
        self.phase = Phase.OVER
        return self._taken()

    def finish(self):
        """Nothing more is wanted of this power-on."""
        self.finished = True
        self.phase = Phase.OVER

    # ---- what it looks like from outside

    @property
    def over(self):
        """Nothing more is to be had of this power-on."""
        return self.phase is Phase.OVER

    def stage(self, now):
        """What the machine does now, in a few words."""
        if self.current:
            return f"test {self.current.name} {now - self._test_start:.0f} s"
        return "tests" if self.ready_seconds is not None else \
            f"boot {self.number} {now - self._started:.0f} s"

    # ---- inside

    def _taken(self):
        actions, self._actions = self._actions, []
        return actions

    def _do(self, action):
        self._actions.append(action)

    def _seen(self, cpu):
        self.cpu = cpu or self.cpu

    def _line(self, now, mark, line):
        if mark:
            self._mark(now, mark.split())
        elif PANIC in line and not self._restarting:
            self._reason = line[line.index(PANIC):]
            self._expect(now, Phase.PANIC, STOP_SECONDS)

    def _mark(self, now, words):
        """One `@lab` line of the guest."""
        what = words[0] if words else ""
        if what == "test" and words[2:]:
            self._test_mark(now, words[1], words[2])
        elif what == "ready":
            if self.ready_seconds is None:
                self.ready_seconds = now - self._started
        elif what == "broken:":
            raise LabError("the guest says: " + " ".join(words))
        elif what in ("wake", "awake"):
            self._wake_at = now + WAKE_SECONDS if what == "wake" else 0
        elif what == "shell":
            self._do(Shell())
        elif what == "done":
            self.finished = True

    def _test_mark(self, now, name, what):
        if what == "start":
            if name not in self.tests:
                raise LabError(f"the guest runs the test '{name}', which it was not given")
            self.current = self.tests[name]
            self._test_start, self._test_cpu = now, self.cpu
            self._recent.clear()
            self._recent2.clear()
            self._do(Say(f"test {name} ..."))
        elif what in ("restarts", "resumes"):
            self._restarting = what == "restarts"
            self._do(Say(f"test {name} {what}"))
        elif what == "end":
            self._set_verdict(now, "", self._unsaid())

    def _unsaid(self):
        """Why the console was not what the test asks for, or an empty string."""
        if not self.current:
            return ""
        for want, lines, what in ((self.current.console, self._recent, "the console"),
                                  (self.current.serial2, self._recent2, "the second serial line")):
            if want and not any(re.search(want, line) for line in lines):
                return f"{what} did not say '{want}'"
        return ""

    def _set_verdict(self, now, verdict, reason):
        """Note how the current test ended."""
        if self.current is None or self.current.name in self.verdicts:
            return
        name, seconds = self.current.name, now - self._test_start
        self.verdicts[name] = Ending(verdict, reason, seconds, self.cpu - self._test_cpu)
        self._do(Say(f"test {name} {verdict or 'ended'} after {seconds:.1f} s"
                     f"{': ' if reason else ''}{reason}"))
        self.current = None
        self._test_end, self._test_end_cpu = now, self.cpu

    def _fatal(self, now, verdict, reason):
        """The machine cannot go on."""
        if self.current is None and not self.finished:
            raise LabError(f"boot {self.number}: {verdict} with no test running: {reason}; "
                           f"see {self.log}")
        self._do(Keep(self.current and self.current.name, tuple(self._recent)))
        self._set_verdict(now, verdict, reason)
        self.phase = Phase.OVER

    def _wake(self, now):
        if self._wake_at and now > self._wake_at:
            self._do(Send("\n"))
            self._wake_at = now + WAKE_SECONDS

    def _check_time(self, now, cpu):
        """Enforce the limits."""
        limits = self.limits
        if self.finished and now - self._heard > STOP_SECONDS:
            self.phase = Phase.OVER
        elif limits.end is not None and now > limits.end:
            self._set_verdict(now, "timeout", f"the run took longer than {limits.run} s")
            self.phase = Phase.OVER
        elif self.current:
            if self._late(now, cpu, self._test_start, self._test_cpu, self._test_limit()):
                self._do(Send("ping\n"))
                self._expect(now, Phase.PING, PONG_SECONDS)
        elif self._test_end is not None:
            if not self.finished and self._late(now, cpu, self._test_end, self._test_end_cpu,
                                                BETWEEN_SECONDS * limits.factor):
                self._do(Say(f"boot {self.number} is stuck since its last test, which left "
                             "something behind"))
                self.phase = Phase.OVER
        elif self.ready_seconds is None:
            self._check_boot(now, cpu)

    def _check_boot(self, now, cpu):
        if self._late(now, cpu, self._started, 0, self.limits.boot * self.limits.factor):
            raise LabError(f"boot {self.number}: no test started within "
                           f"{now - self._started:.0f} s; last line: '{self.last}'; "
                           f"see {self.log}")

    def _test_limit(self):
        return self.current.timeout * self.limits.factor

    @staticmethod
    def _late(now, cpu, wall_start, cpu_start, limit):
        """True when the machine has computed for @limit seconds, or never will."""
        wall = now - wall_start
        return wall > limit and (cpu is None or cpu - cpu_start > limit or
                                 wall > WALL_FACTOR * limit)

    def _expect(self, now, phase, seconds):
        self.phase = phase
        self._deadline = now + seconds * self.limits.factor

    def _no_answer(self, now):
        """The guest was asked and says nothing."""
        self._set_verdict(now, "hang", f"not ready after {self._test_limit():.0f} s and the "
                          "guest does not answer on its console")
        self.phase = Phase.OVER

    def _stop_test(self, now):
        """A test ran too long in a guest that lives: have its files saved."""
        self._reason = f"test {self.current.name} end"
        self._set_verdict(now, "timeout", f"not ready after {self._test_limit():.0f} s")
        self._do(Send("stop\n"))
        self._expect(now, Phase.STOPPING, STOP_SECONDS)
