#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Compile and run part_*_unit.c: who owns what while two kernels share the machine."""

import os
import subprocess
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHIM = 'arch/x86/shim/'
UNIT = 'selftests/unit/'
FLAGS = ('-std=gnu11', '-D_GNU_SOURCE', '-O1', '-g', '-Wall', '-Wextra', '-Werror',
         '-Wno-unused-parameter', '-Wno-sign-compare', '-Wno-missing-field-initializers',
         '-fsanitize=address,undefined', '-fno-sanitize-recover')


class Partition(unittest.TestCase):
    """Every line of a program is a test."""

    def run_fuzz(self, name, *parts):
        """A fuzz target without libFuzzer."""
        self.run_program(1, name, 'part_fuzz_main.c', *parts)

    def run_program(self, at_least, *files):
        """Compile with parts of the shim, run, and look at each line."""
        sources = [('' if '/' in name else UNIT if name.startswith('part_') else SHIM) + name
                   for name in (*files, 'denied.c')]
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
        self.run_program(71, 'part_owner_unit.c', 'owner.c', 'vmcs_class.c')

    def test_pool(self):
        """Memory of VMs that is handed over: rows, and both sides asking for anything."""
        self.run_program(20, 'part_pool_unit.c', 'pool.c', 'owner.c')

    def test_ept(self):
        """Tables of an EPT: rows, and random ranges against an array of pages."""
        self.run_program(29, 'part_ept_unit.c', 'ept.c')

    def test_low(self):
        """Memory below 1 MiB of which the first partition keeps a copy."""
        self.run_program(15, 'part_low_unit.c', 'low.c', 'ept.c')

    def test_mmio(self):
        """Instructions that move data to and from devices."""
        self.run_program(89, 'part_mmio_unit.c', 'mmio.c', 'hpet.c')
        self.run_fuzz('part_mmio_fuzz.c', 'mmio.c')

    def test_ports(self):
        """I/O ports, the RTC behind two of them."""
        self.run_program(84, 'part_ports_unit.c', 'ports.c')

    def test_pci(self):
        """PCI configuration space: rows, and random accesses to devices."""
        parts = ('pci.c', 'pci_function.c', 'pci_give.c', 'owner.c', 'ports.c', 'apic.c')
        self.run_program(138, 'part_pci_unit.c', *parts)
        self.run_fuzz('part_pci_fuzz.c', *parts)

    def test_ioapic(self):
        """Redirection entries and messages: rows, and random accesses above hardware."""
        parts = ('ioapic.c', 'apic.c')
        self.run_program(71, 'part_ioapic_unit.c', *parts)
        self.run_fuzz('part_ioapic_fuzz.c', *parts)

    def test_icr(self):
        """Interprocessor interrupts: rows, and random ones on random machines."""
        parts = ('icr.c', 'apic.c')
        self.run_program(79, 'part_icr_unit.c', *parts)
        self.run_fuzz('part_icr_fuzz.c', *parts)

    def test_msrs(self):
        """MSRs of the machine, and the bitmap for them."""
        self.run_program(129, 'part_msrs_unit.c', 'msrs.c')

    def test_link(self):
        """Rings between two kernels: packets and doorbells, and another side that lies."""
        self.run_program(28, 'part_link_unit.c', 'virt/refresh/link_ring.c')
        self.run_fuzz('part_link_fuzz.c', 'virt/refresh/link_ring.c')


if __name__ == '__main__':
    unittest.main()
