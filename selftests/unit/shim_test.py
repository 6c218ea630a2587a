#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Compile and run shim_unit.c: the shim's pure parts on the build machine."""

import glob
import os
import re
import subprocess
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCES = ('selftests/unit/shim_unit.c', 'arch/x86/shim/semantics.c',
           'arch/x86/shim/borrow.c', 'arch/x86/refresh/tables.c',
           'arch/x86/refresh/controls.c')
FLAGS = ('-std=gnu11', '-D_GNU_SOURCE', '-O1', '-g', '-Wall', '-Werror',
         '-fsanitize=address,undefined', '-fno-sanitize-recover',
         '-I' + os.path.join(TOP, 'include'))


class Shim(unittest.TestCase):
    """Every line of the program is a test."""

    def run_program(self, at_least, *sources):
        """Compile, run, and look at each line."""
        with tempfile.TemporaryDirectory() as directory:
            program = os.path.join(directory, 'unit')
            subprocess.run(['gcc', *FLAGS, '-o', program, *sources], cwd=TOP, check=True)
            result = subprocess.run([program], capture_output=True, text=True, check=False)
        lines = result.stdout.splitlines()
        bad = [line for line in lines if line.startswith('not ok')]
        self.assertEqual(bad, [], result.stderr)
        self.assertEqual(result.returncode, 0, result.stdout[-500:] + result.stderr)
        self.assertGreaterEqual(sum(line.startswith('ok ') for line in lines), at_least)

    def test_all(self):
        """Rules of the architecture, tables, descriptors."""
        self.run_program(135, *SOURCES)

    def test_pv_page(self):
        """The shim page against a model, with a shim that leaves at any step."""
        self.run_program(13, 'selftests/unit/shim_page_unit.c')

    def test_operands(self):
        """Page walks while another CPU changes the page tables."""
        self.run_program(31, 'selftests/unit/shim_mem_unit.c', 'arch/x86/shim/semantics.c')

    def test_flush(self):
        """What a launch and a return drop, on a model of a TLB."""
        self.run_program(39, 'selftests/unit/shim_flush_unit.c')

    def test_policy(self):
        """Whatever happens, nobody gets a bare CPU while there are two partitions."""
        self.run_program(81, '-include', 'selftests/unit/shim_ops_fake.h',
                         'selftests/unit/shim_policy_unit.c',
                         *(f'arch/x86/shim/{name}.c' for name in
                           ('exit', 'policy', 'cpu', 'ipi', 'apic_hw', 'leave', 'init', 'trap', 'host', 'machine',
                            'insn', 'guest', 'borrow', 'semantics', 'flush', 'park', 'world', 'ept',
                            'owner', 'apic', 'ioapic', 'msrs', 'vmcs_class')))

    def test_forget(self):
        """What a kernel leaves in a CPU that is to run another one."""
        self.run_program(24, '-include', 'selftests/unit/shim_ops_fake.h',
                         'selftests/unit/shim_forget_unit.c', 'arch/x86/shim/forget.c')

    def test_vmcs(self):
        """Hosts that spoil their VMCSs: what the shim writes goes where it belongs, or nowhere."""
        self.run_program(47, '-include', 'selftests/unit/shim_ops_fake.h',
                         'selftests/unit/shim_vmcs_unit.c',
                         *(f'arch/x86/shim/{name}.c' for name in
                           ('exit', 'policy', 'cpu', 'ipi', 'apic_hw', 'leave', 'init', 'trap', 'host', 'machine',
                            'insn', 'guest', 'borrow', 'semantics', 'flush', 'park', 'world', 'ept', 'shadow',
                            'shim_page', 'owner', 'apic', 'ioapic', 'msrs', 'vmcs_class', 'denied')))

    def test_cpus(self):
        """CPUs that ask each other, park and give up at the same time."""
        self.run_program(17, '-include', 'selftests/unit/shim_ops_fake.h',
                         'selftests/unit/shim_cpus_unit.c',
                         *(f'arch/x86/shim/{name}.c' for name in
                           ('cpu', 'park', 'policy', 'part_call', 'world', 'inherit', 'ept', 'owner',
                            'apic', 'ioapic', 'pool', 'denied')))

    def test_apic(self):
        """Modes of a local APIC: each transition, and what is a register in each."""
        self.run_program(52, '-include', 'selftests/unit/shim_ops_fake.h',
                         'selftests/unit/shim_apic_unit.c',
                         *(f'arch/x86/shim/{name}.c' for name in
                           ('apic_hw', 'apic_mmio', 'part_msr', 'msrs', 'icr', 'apic')))

    def test_ways_out(self):
        """Each function that can give a CPU away asks policy.c."""
        ways = re.compile(r'\b(?:vmxoff|shut_down|shim_send_init)\(|leaving = true')
        found = set()
        for path in glob.glob(os.path.join(TOP, 'arch/x86/shim/*.c')):
            with open(path, encoding='utf-8') as file:
                functions = re.findall(r'^\w[^;{}]*?(\w+)\([^;{}]*\)\n{\n(.*?)^}', file.read(),
                                       re.M | re.S)
            found |= {name for name, body in functions
                      if ways.search(body) and 'policy_may_give()' not in body}
        # It enters VMX operation again at once.
        self.assertEqual(found, {'change_vmxon_region'})

    def test_calls_get_there(self):
        """Each call that part_call.c serves is one that exit.c passes on to it."""
        def text(*path):
            with open(os.path.join(TOP, *path), encoding='utf-8') as file:
                return file.read()

        numbers = {name: int(number, 16) for name, number in re.findall(
            r'#define (SHIM_CALL_\w+)\s+\(SHIM_CALL \| (0x[0-9a-f]+)\)',
            text('include', 'refresh', 'shim.h'))}
        first, last = re.search(r'call >= (\w+) && call <= (\w+)\)\n\t\tr\[R_RAX\] = handle_part_call',
                                text('arch', 'x86', 'shim', 'exit.c')).groups()
        served = set(re.findall(r'(?:call == |case )(SHIM_CALL_\w+)',
                                text('arch', 'x86', 'shim', 'part_call.c')))
        self.assertGreater(len(served), 12)
        self.assertEqual({name for name in served
                          if not numbers[first] <= numbers[name] <= numbers[last]}, set())

    def test_indirect_branches(self):
        """A guest could have trained them: the image has none."""
        with tempfile.TemporaryDirectory() as out:
            subprocess.run(['make', '-s', '-C', 'arch/x86/shim', 'OUT=' + out], cwd=TOP,
                           check=True)
            code = subprocess.run(['objdump', '-d', os.path.join(out, 'shim.elf')],
                                  capture_output=True, text=True, check=True).stdout
        self.assertGreater(len(re.findall(r'\tcall ', code)), 100)
        self.assertEqual(re.findall(r'.*\t(?:notrack )?(?:call|jmp) +\*.*', code), [])


if __name__ == '__main__':
    unittest.main()
