# SPDX-License-Identifier: GPL-2.0-only
"""An interactive shell in L0: join the terminal and the serial line."""

import os
import select
import sys
import termios
import tty

from .runner import Boot

QUIT = b"\x1d"


class ShellBoot(Boot):
    """A power-on whose console belongs to the user once the shell is there."""

    def shell(self):
        """The guest is ready; until the shell ends nothing is late."""
        self.run.progress.end()
        print("shell in L0: `. /lab/lib.sh` gives kvm_load, l1_boot ...; "
              "exit or Ctrl-] ends it", file=sys.stderr)
        relay(self.machine)
        self.protocol.finish()


def relay(machine):
    """Copy bytes both ways until the guest ends or the user types Ctrl-]."""
    keyboard = sys.stdin.fileno()
    saved = termios.tcgetattr(keyboard) if os.isatty(keyboard) else None
    sources = [keyboard, machine.console]
    try:
        if saved:
            tty.setraw(keyboard)
        while machine.exit_status() is None:
            readable, _, _ = select.select(sources, [], [], 0.2)
            if machine.console in readable:
                os.write(sys.stdout.fileno(), os.read(machine.console, 4096))
            if keyboard in readable:
                typed = os.read(keyboard, 256)
                if not typed:
                    sources.remove(keyboard)
                if QUIT in typed:
                    return
                os.write(machine.console, typed)
    except OSError:
        pass
    finally:
        if saved:
            termios.tcsetattr(keyboard, termios.TCSADRAIN, saved)
