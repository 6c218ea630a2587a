# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash
#
# A crash kernel for a kernel that is about to panic.

# load_crash_kernel NAMES [WORDS...]: /crash/vmlinuz, with the programs that are here and the command line of this
# kernel, but for crashkernel= and NAMES (with | in between), and with WORDS.
load_crash_kernel()
{
	drop="crashkernel|$1"
	shift
	mkdir -p /tmp/crash/dev
	mknod /tmp/crash/dev/console c 5 1
	for directory in proc sys tmp results; do
		mkdir /tmp/crash/$directory
	done
	{
		(cd /tmp/crash && find . | cpio -o -H newc)
		(cd / && find init bin lab | cpio -o -H newc)
	} >/tmp/crash.cpio 2>/dev/null
	ls -l /tmp/crash.cpio /crash/vmlinuz
	kexec-crash /crash/vmlinuz /tmp/crash.cpio \
		"$(tr ' ' '\n' </proc/cmdline | grep -vE "^($drop)=" | tr '\n' ' ')$*" || return 1
	rm -r /tmp/crash /tmp/crash.cpio
}

# In the crash kernel: the memory of the one before can be read.
dump_is_there()
{
	[ -e /proc/vmcore ] &&
		[ "$(dd if=/proc/vmcore bs=64k count=64 2>/dev/null | wc -c)" = 4194304 ]
}
