# SPDX-License-Identifier: GPL-2.0-only
"""The emulated machine: Bochs or QEMU, with its serial lines on pseudo terminals."""

import ctypes
import glob
import os
import pty
import re
import shutil
import signal
import subprocess
import termios
import tty

from .common import LabError, need_file

IPS = 500_000_000
# Of more than the second figure it swaps what the machine has touched to a file.
BOCHS_MAX_MEM = 3072
BOCHS_HOST_MEM = 2048
LOG_LIMIT = 256 << 10

BOCHSRC = """\
cpu: model={model}, count={count}, ips={ips}, reset_on_triple_fault=0, ignore_bad_msrs=1{more}
memory: guest={mem}, host={host}
romimage: file=/usr/share/bochs/BIOS-bochs-latest, options=fastboot
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15
ata0-master: type=cdrom, path={iso}, status=inserted
{disks}boot: cdrom
com1: enabled=1, mode=term, dev={tty}
{com2}{card}clock: sync=none, time0=1700000000
{parts}port_e9_hack: enabled={e9}
log: {log}
panic: action=fatal
error: action=report
info: action=ignore
debug: action=ignore
"""

# Register, no type, reset value, reserved bits, ignored ones; each in two halves.
MSR = "{index:x} 0 {high:x} {low:x} 0 0 ffffffff ffffffff\n"

# What only one of the two builds has, and the other refuses.
WITH_DEBUGGER = """\
display_library: rfb, options="timeout=0"
sound: driver=dummy
speaker: enabled=0
magic_break: enabled={magic}
"""
WITHOUT_DEBUGGER = """\
display_library: nogui
"""

# The third slot is device 4, where QEMU has it, too.
CARD = """\
pci: enabled=1, chipset=i440fx, slot3=e1000
e1000: enabled=1, mac={mac}, ethmod=slirp, ethdev=none, script={station}
"""
CARD_MAC = "52:54:00:12:34:56"
# What is at the other end of its cable: both emulators have it from libslirp.
STATION_NET = "10.98.0.0"
STATION = "10.98.0.254"
STATION_CONF = f"""\
# slirp config
restricted = 1
net = {STATION_NET}
mask = 255.255.255.0
host = {STATION}
dns = 10.98.0.253
dhcpstart = 10.98.0.200
ipv6_enabled = 0
"""

DISK_SLOTS = ("ata0-slave", "ata1-master", "ata1-slave")


def host_has_vmx():
    """True if QEMU on this host can give a guest VMX."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    try:
        with open("/sys/module/kvm_intel/parameters/nested", encoding="ascii") as stream:
            return stream.read().strip() in ("Y", "1")
    except FileNotFoundError:
        return False


def pick_backend(name):
    """Resolve `auto`: real VMX when the host has it, emulated VMX otherwise."""
    if name != "auto":
        return name
    return "qemu" if host_has_vmx() else "bochs"


def die_with_parent():
    """Run in the child: a killed lab must not leave a machine behind."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def open_line():
    """A serial line: our end and the machine's."""
    ours, machines = pty.openpty()
    tty.setraw(machines, termios.TCSANOW)
    return ours, machines


class Machine:
    """One power-on.  Subclasses say which command emulates it."""

    backend = ""

    # Instructions in an emulated second, which is also the rate of the TSC.
    ips = IPS
    # Each CPU is a core of its own.
    cores = False
    # A network card, and a station that answers ARP and ICMP echo requests.
    e1000 = False

    def __init__(self, work, iso, disks, mem, cpus):
        self.work, self.iso, self.disks = work, iso, disks
        self.mem, self.cpus = mem, cpus
        self.log = os.path.join(work, self.backend + ".log")
        self.output = os.path.join(work, self.backend + ".out")
        self.console, self._tty = open_line()
        self.tty_name = os.ttyname(self._tty)
        # COM2, of machines that have it.
        self.serial2 = self._tty2 = None
        self._process = None

    def add_serial2(self):
        """Give the machine a second serial line, before it starts."""
        self.serial2, self._tty2 = open_line()

    @property
    def tty2_name(self):
        """Terminal of the second serial line, '' without one."""
        return "" if self._tty2 is None else os.ttyname(self._tty2)

    def command(self):
        """Command line of the emulator."""
        raise NotImplementedError

    def start(self):
        """Power on."""
        argv = self.command()
        if not shutil.which(argv[0]):
            raise LabError(f"{argv[0]} is not installed; install the packages that "
                           "`scripts/lab packages` prints")
        with open(self.output, "wb") as output:
            # pylint: disable=subprocess-popen-preexec-fn # the lab has no threads
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                cwd=self.work, env={**os.environ, **self.environment()},
                start_new_session=True, preexec_fn=die_with_parent)

    def environment(self):
        """Variables for the emulator."""
        return {}

    def exit_status(self):
        """Exit status of the emulator, None while it runs."""
        return self._process.poll() if self._process else None

    def cpu_seconds(self):
        """CPU time that the emulator has used, None when it is gone."""
        try:
            with open(f"/proc/{self._process.pid}/stat", encoding="ascii",
                      errors="replace") as stream:
                words = stream.read().rpartition(")")[2].split()
        except (AttributeError, OSError):
            return None
        # utime and stime, fields 14 and 15; the command in field 2 is cut off.
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def send(self, text):
        """Type on the serial line."""
        os.write(self.console, text.encode())

    def kill(self):
        """Power off hard; safe to call at any time and more than once."""
        if self._process and self._process.poll() is None:
            for number in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(self._process.pid, number)
                    self._process.wait(3)
                    break
                except subprocess.TimeoutExpired:
                    continue
                except ProcessLookupError:
                    break
        if self.console is not None:
            for line in (self.console, self._tty, self.serial2, self._tty2):
                if line is not None:
                    os.close(line)
            self.console = self.serial2 = self._tty2 = None
        for disk in self.disks:
            for lock in glob.glob(glob.escape(disk) + ".lock"):
                os.unlink(lock)

    def ticks(self):
        """Emulated time at the end, None where nobody counts it."""
        return None

    def log_text(self):
        """What the emulator said last, for the report."""
        text = ""
        for path in (self.log, self.output):
            if os.path.exists(path):
                with open(path, "rb") as stream:
                    stream.seek(max(0, os.path.getsize(path) - LOG_LIMIT))
                    text += stream.read().decode("utf-8", "replace")
        return text


class Bochs(Machine):
    """VMX in software: slow, deterministic with one CPU, needs nothing of the host."""

    backend = "bochs"
    # A profile run traces so many times, each between two magic breaks.
    traces = 0
    # What is written to port E9 is said.
    e9 = False
    emulator = None

    def command(self):
        if self.mem > BOCHS_MAX_MEM:
            raise LabError(f"{self.mem} MiB: Bochs gives a machine {BOCHS_MAX_MEM} MiB at most")
        need_file("/usr/share/bochs/BIOS-bochs-latest", "bochsbios")
        need_file("/usr/share/bochs/VGABIOS-lgpl-latest", "vgabios")
        disks = "".join(f"{slot}: type=disk, path={path}, mode=flat, cylinders=0\n"
                        for slot, path in zip(DISK_SLOTS, self.disks))
        config = os.path.join(self.work, "bochsrc")
        with open(config, "w", encoding="utf-8") as stream:
            stream.write(BOCHSRC.format(count=self.count(), ips=self.ips, mem=self.mem,
                                        host=min(self.mem, BOCHS_HOST_MEM), iso=self.iso,
                                        disks=disks, tty=self.tty_name, com2=self.com2(),
                                        card=self.card(), log=self.log,
                                        model=self.emulator.cpu, more=self.cpu_settings(),
                                        parts=self.parts(), e9=int(self.e9)))
        if not self.emulator.debugger:
            return [self.emulator.program, "-q", "-f", config]
        script = os.path.join(self.work, "bochs.rc")
        with open(script, "w", encoding="ascii") as stream:
            stream.write("c\ntrace on\nc\ntrace off\n" * self.traces + "c\n")
        return [self.emulator.program, "-q", "-f", config, "-rc", script]

    @property
    def trace(self):
        """File that a trace is in: the debugger writes it among all else that it says."""
        return self.output if self.emulator.debugger else os.path.join(self.work, "trace")

    def environment(self):
        variables = {"BX_KVM": "1"} if self.emulator.x2apic else {}
        if self.traces and not self.emulator.debugger:
            variables["BX_TRACE"] = self.trace
        return variables

    def cpu_settings(self):
        """Further settings of the CPU: features, and registers in a file."""
        features = self.emulator.left_out()
        text = f', exclude_features="{features}"' if features else ""
        msrs = self.emulator.msrs()
        if not msrs:
            return text
        path = os.path.join(self.work, "msrs")
        with open(path, "w", encoding="ascii") as stream:
            stream.writelines(MSR.format(index=index, high=value >> 32, low=value & 0xffffffff)
                              for index, value in msrs.items())
        return text + f", msrs={path}"

    def count(self):
        """CPUs: so many threads of one core, or packages, cores and threads of a core."""
        return f"1:{self.cpus}:1" if self.cores else str(self.cpus)

    def com2(self):
        """The line of the configuration for the second serial line."""
        return f"com2: enabled=1, mode=term, dev={self.tty2_name}\n" if self.tty2_name else ""

    def card(self):
        """Lines of the configuration for the network card."""
        if not self.e1000:
            return ""
        path = os.path.join(self.work, "station")
        with open(path, "w", encoding="ascii") as stream:
            stream.write(STATION_CONF)
        return CARD.format(mac=CARD_MAC, station=path)

    def parts(self):
        """Lines of the configuration that depend on the build."""
        return WITH_DEBUGGER.format(magic=int(self.traces > 0)) if self.emulator.debugger \
            else WITHOUT_DEBUGGER

    def cmdline(self):
        """Kernel words that this machine needs."""
        words = f"tsc_early_khz={self.ips // 1000}"
        # A CPU that waits in MWAIT does not see what another one writes there: it sleeps
        # until its next timer interrupt.
        return words if self.cpus == 1 else words + " idle=halt"

    def ticks(self):
        """Emulated time of the last line in the log: of power-off, in a machine that did."""
        found = re.findall(r"^(\d{11,})[a-z]\[", self.log_text(), re.MULTILINE)
        return max(map(int, found), default=None)

    def fatal(self):
        """Why the machine stopped by itself, or an empty string."""
        text = self.log_text()
        if "exception with no resolution" in text or "riple fault" in text:
            return "triple-fault"
        return ""


class Qemu(Machine):
    """QEMU with the host's VMX through KVM, or with TCG (which has no VMX)."""

    backend = "qemu"

    def command(self):
        accel = ["-accel", "kvm", "-cpu", "host"] if host_has_vmx() else \
                ["-accel", "tcg", "-cpu", "max"]
        argv = ["qemu-system-x86_64", "-M", "pc", *accel, "-m", str(self.mem),
                "-smp", f"{self.cpus},sockets=1,cores={self.cpus}" if self.cores else str(self.cpus),
                "-nodefaults", "-no-user-config", "-display", "none",
                "-no-reboot", "-d", "cpu_reset", "-D", self.log,
                "-chardev", f"serial,id=console,path={self.tty_name}",
                "-serial", "chardev:console", "-boot", "d",
                "-drive", f"file={self.iso},if=ide,index=0,media=cdrom,readonly=on"]
        if self.tty2_name:
            argv += ["-chardev", f"serial,id=serial2,path={self.tty2_name}",
                     "-serial", "chardev:serial2"]
        if self.e1000:
            argv += ["-netdev", f"user,id=station,net={STATION_NET}/24,host={STATION},restrict=on",
                     "-device", f"e1000,addr=4,mac={CARD_MAC},romfile=,netdev=station"]
        for index, path in enumerate(self.disks, 1):
            argv += ["-drive", f"file={path},format=raw,if=ide,index={index},file.locking=off"]
        return argv

    @staticmethod
    def cmdline():
        """No extra kernel words."""
        return ""

    def fatal(self):
        """With -no-reboot a triple fault ends QEMU; the log has a reset for it."""
        return "triple-fault" if "Triple fault" in self.log_text() else ""


BACKENDS = {"bochs": Bochs, "qemu": Qemu}

