# SPDX-License-Identifier: GPL-2.0-only
"""What the machine boots from: initramfs, boot CD, disk with QEMU."""

import os
import shlex
import shutil
import struct

from .common import (CACHE, GUEST, LabError, TOP, UsageError, cache_lock, file_digest,
                     need_file, new_directory, run_tool, text_digest)
from .cpio import Archive

RESULTS_MAGIC = b"NVXLABRS"
DATA_MAGIC = b"NVXLABDA"
SEGMENT = 65536
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"

BUSYBOX = "/bin/busybox"
QEMU = "/usr/bin/qemu-system-x86_64"
# What QEMU loads by itself for -M microvm with -kernel: firmware and option ROMs.
FIRMWARE = {
    "/usr/share/seabios/bios-microvm.bin": "seabios",
    "/usr/share/seabios/bios-256k.bin": "seabios",
    "/usr/share/qemu/linuxboot_dma.bin": "qemu-system-data",
    "/usr/share/qemu/pvh.bin": "qemu-system-data",
    "/usr/share/qemu/kvmvapic.bin": "qemu-system-data",
}

DISK_MODULES = ("ata_piix", "sd_mod")
ROOT_MODULES = ("ext4",)
VM_MODULES = ("virtio_mmio", "virtio_blk")
KVM_NEEDS = "kvm"

# Bochs 2.7 gives the compacted XSAVE area the size of the standard one (CPUID
# 0DH.1:EBX), for which Linux turns all of XSAVE off: leave out what compacts.
L0_CMDLINE = ("console=ttyS0,115200 nokaslr mitigations=off tsc=reliable no_timer_check quiet "
              "cryptomgr.notests edd=off random.trust_cpu=off clearcpuid=rdrand,rdseed,xsaves,xsavec "
              "panic=0 oops=continue")

# What a kernel does against attackers, and what costs an emulated machine time.
L0_OFF = ("nokaslr", "mitigations=off")


def l0_cmdline(defaults):
    """Command line of L0; @defaults: with KASLR and mitigations."""
    words = L0_CMDLINE.split()
    return " ".join(word for word in words if not defaults or word not in L0_OFF)


def join_words(*lines):
    """One kernel command line; of several clearcpuid= the kernel takes only the last."""
    words = " ".join(lines).split()
    cleared = [word.partition("=")[2] for word in words if word.startswith("clearcpuid=")]
    words = [word for word in words if not word.startswith("clearcpuid=")]
    return " ".join(words + ["clearcpuid=" + ",".join(cleared)] * bool(cleared))


def busybox_tree(archive):
    """Add busybox, a link for each of its applets and the first device node."""
    need_file(BUSYBOX, "busybox-static")
    archive.file("bin/busybox", BUSYBOX)
    for applet in run_tool([BUSYBOX, "--list"]).split():
        if applet != "busybox":
            archive.symlink("bin/" + applet, "busybox")
    for name in ("dev", "proc", "sys", "tmp", "results"):
        archive.directory(name)
    archive.device("dev/console", 5, 1)


def add_modules(archive, kernel, names, order_file):
    """Add modules with their needs and the order in which to load them."""
    order = kernel.module_order(names)
    for name in order:
        path = f"lab/modules/{name}.ko"
        if path not in archive:
            archive.file(path, kernel.module_file(name))
    archive.text(order_file, "".join(name + "\n" for name in order), 0o644)


def add_kvm(archive, kernel, variant):
    """Add kvm.ko and kvm-intel.ko of one variant and what they need."""
    for path in kernel.kvm_modules(variant):
        archive.file("lab/kvm/" + os.path.basename(path).replace("kvm_intel", "kvm-intel"), path)
    order = [name for name in kernel.module_order(["kvm"]) if name != "kvm"]
    add_modules(archive, kernel, order, "lab/kvm/order")


def add_file(archive, spec):
    """Add HOST[:GUEST] of tests.cfg; shared libraries of a program come along."""
    source, _, target = spec.partition(":")
    path = source if os.path.isabs(source) else os.path.join(TOP, source)
    target = target or "/bin/" + os.path.basename(source)
    if not os.path.exists(path):
        raise LabError(f"{source} is missing: run `scripts/build-all` first (it builds the test "
                       "programs)" if source.startswith("build/") else
                       f"{source} is missing: tests.cfg names it as a file of a test "
                       "(libvirt's: `scripts/install-deps vms` installs it)")
    if os.path.isdir(path):
        archive.tree(target, path)
        return
    archive.file(target, path)
    for library in shared_libraries(path):
        if library not in archive:
            archive.file(library, library)


def shared_libraries(path):
    """Files that the dynamic loader needs for @path; none for a static program."""
    if not has_interpreter(path):
        return []
    found = []
    for line in run_tool(["ldd", path], what=f"libraries of {path}").splitlines():
        words = line.replace("=>", " ").split()
        paths = [word for word in words if word.startswith("/")]
        if "not found" in line:
            raise LabError(f"{path}: shared library {words[0]} is not installed")
        if paths:
            found.append(paths[0] if len(paths) == 1 else paths[-1])
    return found


def has_interpreter(path):
    """True for a dynamically linked x86-64 ELF program."""
    with open(path, "rb") as stream:
        head = stream.read(64)
        if len(head) < 64 or head[:5] != b"\x7fELF\x02":
            return False
        table, = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        stream.seek(table)
        headers = stream.read(size * count)
    return any(struct.unpack_from("<I", headers, index * size)[0] == 3
               for index in range(count))


def shell_assignments(values):
    """A file that a guest's shell sources."""
    return "".join(f"export {key}={shlex.quote(value)}\n" for key, value in values.items())


def vm_overlay(kernel, files, values, level, nested=None):
    """What one run adds to the initramfs of L1 (level 1) or L2 (level 2)."""
    archive = Archive()
    archive.file("init", os.path.join(GUEST, "vm-init"))
    archive.file("lab/lib.sh", os.path.join(GUEST, "lib.sh"))
    archive.text("lab/run.env", shell_assignments(values), 0o644)
    if level == 1:
        add_kvm(archive, kernel, values["KMOD"])
    for spec in files:
        add_file(archive, spec)
    if nested:
        archive.file("lab/next.cpio", nested)
    return archive


def second_initrd(kernel, files, values, target, modules=()):
    """Initramfs of a kernel that boots beside L0: KVM, disk, and an init of the test's.

    @modules: more of them, in lab/modules/order-more.
    """
    archive = Archive()
    busybox_tree(archive)
    archive.file("lab/lib.sh", os.path.join(GUEST, "lib.sh"))
    archive.text("lab/run.env", shell_assignments(values), 0o644)
    archive.text("lab/level.env", "LEVEL=0\n", 0o644)
    add_kvm(archive, kernel, values["KMOD"])
    add_modules(archive, kernel, DISK_MODULES, "lab/modules/order")
    if modules:
        add_modules(archive, kernel, modules, "lab/modules/order-more")
    for spec in files:
        add_file(archive, spec)
    archive.write(target)


def root_disk(kernel):
    """Path of the cached disk image with QEMU and the kernel for L1 and L2."""
    sources = [need_file(QEMU, "qemu-system-x86"), need_file(BUSYBOX, "busybox-static")]
    sources += [need_file(path, package) for path, package in FIRMWARE.items()]
    key = text_digest(kernel.release, kernel.version, file_digest(__file__),
                      *[f"{path} {file_digest(path)}" for path in sources],
                      *sorted(shared_libraries(QEMU)))
    target = os.path.join(CACHE, "images", f"root-{kernel.release}-{key}")
    image = os.path.join(target, "root.img")
    if os.path.exists(image):
        return image
    with cache_lock():
        if not os.path.exists(image):
            with new_directory(target) as temp:
                build_root_disk(kernel, sources, temp)
    return image


def build_root_disk(kernel, sources, temp):
    """Fill a directory and let mke2fs turn it into an image: no mount, no root."""
    tree = os.path.join(temp, "tree")
    for path in [*sources, *shared_libraries(QEMU)]:
        copy = tree + path
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        shutil.copy(path, copy)
    for name in ("dev", "proc", "sys", "tmp", "run", "lab"):
        os.makedirs(os.path.join(tree, name), exist_ok=True)
    os.symlink("busybox", os.path.join(tree, "bin", "sh"))
    vm_kernel(kernel, os.path.join(tree, "lab", "vmlinuz"))
    for level in ("l1", "l2"):
        archive = Archive()
        busybox_tree(archive)
        modules = VM_MODULES + (ROOT_MODULES if level == "l1" else ())
        add_modules(archive, kernel, modules, "lab/modules/order")
        archive.write(os.path.join(tree, "lab", level + ".cpio"))
    size = sum(os.path.getsize(os.path.join(top, name))
               for top, _, names in os.walk(tree) for name in names)
    mib = size * 11 // 10 // (1 << 20) + 16
    run_tool(["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal,^metadata_csum,^resize_inode",
              "-m", "0", "-d", tree, os.path.join(temp, "root.img"), f"{mib}M"],
             what="making the root disk")
    shutil.rmtree(tree)


def vm_kernel(kernel, target):
    """The kernel that QEMU boots as L1 and L2.

    Unpacking zstd costs the emulated machine 18 s a boot: give QEMU the ELF
    file then.  LZ4 (6.1) unpacks as fast as QEMU loads the larger ELF file.
    """
    with open(kernel.vmlinuz, "rb") as stream:
        image = stream.read()
    sectors = image[0x1f1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    begin = (sectors + 1) * 512 + offset
    payload = image[begin:begin + length]
    if not payload.startswith(ZSTD_MAGIC):
        shutil.copy(kernel.vmlinuz, target)
        return
    packed = target + ".zst"
    with open(packed, "wb") as stream:
        # The last four bytes are the unpacked size, which is not part of the stream.
        stream.write(payload[:-4])
    run_tool(["zstd", "-q", "-d", "-o", target, packed], what=f"unpacking {kernel.vmlinuz}")
    os.unlink(packed)


def boot_iso(kernel, initrd, cmdline, target):
    """A CD that boots @kernel with isolinux."""
    work = target + ".tree"
    shutil.rmtree(work, ignore_errors=True)
    loader = os.path.join(work, "isolinux")
    os.makedirs(loader)
    shutil.copy(need_file("/usr/lib/ISOLINUX/isolinux.bin", "isolinux"), loader)
    shutil.copy(need_file("/usr/lib/syslinux/modules/bios/ldlinux.c32", "syslinux-common"), loader)
    with open(os.path.join(loader, "isolinux.cfg"), "w", encoding="ascii") as stream:
        stream.write(f"default lab\nlabel lab\n kernel /vmlinuz\n"
                     f" append initrd=/initrd {cmdline}\n")
    # A debug kernel may be on another file system.
    shutil.copy(kernel.vmlinuz, os.path.join(work, "vmlinuz"))
    os.link(initrd, os.path.join(work, "initrd"))
    run_tool(["genisoimage", "-quiet", "-o", target, "-b", "isolinux/isolinux.bin",
              "-c", "isolinux/boot.cat", "-no-emul-boot", "-boot-load-size", "4",
              "-boot-info-table", "-J", "-R", work], what="making the boot CD")
    shutil.rmtree(work)


def results_disk(path):
    """An empty disk for the results, marked so that the guest finds it."""
    with open(path, "wb") as stream:
        stream.write(RESULTS_MAGIC)
        stream.truncate(256 << 20)


def data_disk(path, mib):
    """A disk with two empty partitions of the same size, marked so that the guest finds it."""
    sectors = (mib << 11) // 2 - (1 << 11)
    with open(path, "wb") as stream:
        stream.write(DATA_MAGIC)
        stream.seek(446)
        for first in (1 << 11, (1 << 11) + sectors):
            # Not active, type Linux, addressed by block.
            stream.write(struct.pack("<4B4BII", 0, 0, 0, 0, 0x83, 0, 0, 0, first, sectors))
        stream.seek(510)
        stream.write(b"\x55\xaa")
        # Bochs shows whole cylinders only.
        stream.truncate((mib + 1) << 20)


def files_disk(files, target):
    """A disk that is an archive of a test's files and nothing else: `cpio -i </dev/sdb`.

    What is in the initramfs takes the end of RAM, and what the kernel itself allocates at
    boot then lies below it, in blocks of memory that tests take away.
    """
    archive = Archive()
    for spec in files:
        add_file(archive, spec)
    archive.write(target)
    # Bochs shows whole cylinders only.
    os.truncate(target, os.path.getsize(target) + (1 << 20))


def sparse_copy(source, target):
    """A copy of a disk's image that a machine may write to; without its holes."""
    path = os.path.join(TOP, source)
    if not os.path.exists(path):
        raise LabError(f"{source} is missing: tests.cfg names it as a disk of a test "
                       "(selftests/deb/boot makes those of installed Debians, and runs their tests)")
    run_tool(["cp", "--sparse=always", "--reflink=auto", path, target], what=f"copying {source}")


def check_name(name):
    """A test's name becomes a file name and a word of the guest's shell."""
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise UsageError(f"'{name}' cannot name a test: letters, digits and .-_ only")
    return name
