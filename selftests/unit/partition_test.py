#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Compile and run part_*_unit.c: who owns what while two kernels share the machine."""

import os
import subprocess
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHIM = 'arch/x86/shim/'
FLAGS = ('-std=gnu11', '-D_GNU_SOURCE', '-O1', '-g', '-Wall', '-Wextra', '-Werror',
         '-Wno-unused-parameter', '-Wno-sign-compare', '-Wno-missing-field-initializers',
         '-fsanitize=address,undefined', '-fno-sanitize-recover')


class Partition(unittest.TestCase):
    """Every line of a program is a test."""

    def run_program(self, at_least, name, *parts):
        """Compile with parts of the shim, run, and look at each line."""
        sources = ['selftests/unit/' + name] + [SHIM + part for part in ('denied.c',) + parts]
        with tempfile.TemporaryDirectory() as directory:
            program = os.path.join(directory, 'unit')
            subprocess.run(['gcc', *FLAGS, '-o', program, *sources], cwd=TOP, check=True)
            result = subprocess.run([program], capture_output=True, text=True, check=False)
        lines = result.stdout.splitlines()
        bad = [line for line in lines if line.startswith('not ok')]
        self.assertEqual(bad, [], result.stdout[:500] + result.stderr)
        self.assertEqual(result.returncode, 0, result.stdout[-500:] + result.stderr)
        self.assertEqual(lines[-1], f'1..{sum(line.startswith("ok ") for line in lines)}')
        self.assertGreaterEqual(sum(line.startswith('ok ') for line in lines), at_least)

    def test_memory(self):
        """Owners of pages, addresses in VMCSs."""
        self.run_program(67, 'part_owner_unit.c', 'owner.c', 'vmcs_class.c')

    def test_ports(self):
        """I/O ports, the RTC behind two of them."""
        self.run_program(84, 'part_ports_unit.c', 'ports.c')


if __name__ == '__main__':
    unittest.main()
