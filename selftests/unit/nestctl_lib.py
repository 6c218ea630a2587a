# SPDX-License-Identifier: GPL-2.0-only
"""Made-up machines for the tests of nestctl, and nestctl with sanitizers."""

import contextlib
import fcntl
import functools
import glob
import json
import os
import signal
import subprocess
import tempfile
import unittest

import jsonschema

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OUT = os.path.join(TOP, "build", "check", "nestctl")
PROGRAM = os.path.join(OUT, "nestctl")
# The same before a made-up /dev/vmm-refresh.
FAKE = os.path.join(OUT, "nestctl-fake")
SANITIZE = "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover"
SCHEMAS = os.path.join(TOP, "Documentation", "schema")
RELEASE = "6.1.0-56-cloud-amd64"
STOCK = f"lib/modules/{RELEASE}/kernel/arch/x86/kvm"
NVX = f"lib/modules/{RELEASE}/updates/nvx"

OK, REFUSED, UNKNOWN, FAILED, BROKEN, USAGE = 0, 1, 2, 3, 4, 64

# A shell has what it starts in the background ignore these; nestctl leaves it at that.
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def alone():
    """Programs of tests run side by side, and share what they compile."""
    os.makedirs(OUT, exist_ok=True)
    with open(os.path.join(OUT, ".lock"), "w", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def compile_if_old(output, sources, *words):
    """gcc, if one of the sources has changed; nobody ever meets half a file."""
    with alone():
        if os.path.exists(output) and \
                os.path.getmtime(output) > max(map(os.path.getmtime, [*sources, __file__])):
            return
        subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
                        f"-I{TOP}/include/uapi", "-o", output + ".new", *sources, *words],
                       check=True)
        os.rename(output + ".new", output)


@functools.lru_cache(None)
def build():
    """Once for each program of tests; make knows what has changed."""
    with alone():
        subprocess.run(["make", "-s", "-C", os.path.join(TOP, "tools", "nestctl"), "O=" + OUT,
                        "CFLAGS=" + SANITIZE, "all"], check=True)


@functools.lru_cache(None)
def build_fake():
    """What changes a machine changes only files then."""
    build()
    objects = set(glob.glob(OUT + "/*.o")) - {OUT + "/device.o"}
    compile_if_old(FAKE, [f"{TOP}/selftests/unit/nestctl_device_fake.c", *sorted(objects)],
                   *SANITIZE.split(), "-ljson-c", "-lelf", "-lz")


def bzimage(init_size=64 << 20, version=0x20f, magic=b"HdrS", xloadflags=0x7f, relocatable=1,
            alignment=2 << 20, cmdline_size=2047, jump=0x6a, sectors=1, initrd_max=0x7fffffff,
            release=b"6.12.5-cloud-amd64 (x) #1", kernel=b"kernel" * 100):
    """A kernel's image: its header, its version, something to load."""
    image = bytearray(0x400 if sectors else 5 * 0x200)
    image[0x1f1] = sectors
    image[0x201] = jump
    for offset, size, value in ((0x206, 2, version), (0x22c, 4, initrd_max), (0x230, 4, alignment),
                                (0x236, 2, xloadflags), (0x238, 4, cmdline_size),
                                (0x260, 4, init_size)):
        image[offset:offset + size] = value.to_bytes(size, "little")
    image[0x202:0x206] = magic
    image[0x234] = relocatable
    if release:
        image[0x20e:0x210] = (0x100).to_bytes(2, "little")
        image[0x300:0x300 + len(release)] = release
    return bytes(image) + kernel


def elf(modinfo, build_id):
    """A relocatable object with the two sections that matter."""
    return assembled(tuple(modinfo), build_id)


@functools.lru_cache(None)
def assembled(modinfo, build_id):
    """The same file is wanted for one made-up machine after another."""
    note = bytes.fromhex(build_id)
    source = ['.section .modinfo,"a"']
    source += [f'.asciz "{line}"' for line in modinfo]
    source += ['.section .note.gnu.build-id,"a",@note',
               f'.long 4, {len(note)}, 3', '.asciz "GNU"',
               ".byte " + ",".join(map(str, note))]
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "module.o")
        subprocess.run(["as", "-o", path, "-"], input="\n".join(source) + "\n", text=True,
                       check=True)
        with open(path, "rb") as file:
            return file.read()


def note_of(build_id):
    """The same note as the kernel shows it."""
    note = bytes.fromhex(build_id)
    return b"".join(n.to_bytes(4, "little") for n in (4, len(note), 3)) + b"GNU\0" + note


class Machine:
    """A root directory with just the files that nestctl looks at."""

    def __init__(self, root):
        self.root = root
        # Looking for leaks takes longer than all else.
        self.leaks = False
        self.program = PROGRAM
        self.write("proc/sys/kernel/osrelease", RELEASE + "\n")

    def path(self, path):
        return os.path.join(self.root, path)

    def write(self, path, data):
        path = self.path(path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data if isinstance(data, bytes) else data.encode())

    def link(self, path, target):
        path = self.path(path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(target, path)

    def remove(self, path):
        subprocess.run(["rm", "-r", self.path(path)], check=True)

    def install(self, place, name, build_id, *modinfo, release=RELEASE):
        """A module's file."""
        lines = [f"vermagic={release} SMP preempt mod_unload modversions ", *modinfo]
        self.write(f"{place}/{name}.ko", elf(lines, build_id))

    def load(self, name, build_id=None, users=0, **params):
        """A module that is loaded."""
        self.write(f"sys/module/{name}/refcnt", f"{users}\n")
        self.write(f"sys/module/{name}/initstate", "live\n")
        if build_id:
            self.write(f"sys/module/{name}/notes/.note.gnu.build-id", note_of(build_id))
        for key, value in params.items():
            self.write(f"sys/module/{name}/parameters/{key}", f"{value}\n")

    def process(self, pid, command, *links, cmdline=()):
        """A process with these descriptors."""
        self.write(f"proc/{pid}/comm", command + "\n")
        self.write(f"proc/{pid}/cmdline", "".join(word + "\0" for word in cmdline))
        os.makedirs(self.path(f"proc/{pid}/fd"))
        for i, target in enumerate(links):
            self.link(f"proc/{pid}/fd/{i}", target)

    def run(self, *words, **options):
        """nestctl on this machine."""
        (build_fake if self.program == FAKE else build)()
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C", "TERM": "xterm",
               "ASAN_OPTIONS": f"detect_leaks={int(self.leaks)}",
               **options.pop("env", {})}
        command, *rest = words
        return subprocess.run([self.program, command, "--root", self.root, *rest], env=env,
                              capture_output=True, text=True, check=False, **options)


class Test(unittest.TestCase):
    """With a machine, and checks of what all commands promise."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.machine = Machine(directory.name)

    def ask(self, status, *words, **options):
        """Run it and return its text."""
        result = self.machine.run(*words, **options)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        self.assertNotIn("\033", result.stdout)
        return result.stdout

    def ask_json(self, status, *words, **options):
        """Run it with --json, look whether the answer is what the schema says."""
        result = self.machine.run(*words, "--json", **options)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        report = json.loads(result.stdout)
        path = os.path.join(SCHEMAS, report["schema"] + ".json")
        with open(path, encoding="utf-8") as file:
            schema = json.load(file)
        jsonschema.Draft7Validator.check_schema(schema)
        jsonschema.validate(report, schema)
        return report

    def refused(self, status, text, *words, **options):
        """One line on stderr that says why."""
        result = self.machine.run(*words, **options)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        self.assertIn(text, result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        return result.stdout
