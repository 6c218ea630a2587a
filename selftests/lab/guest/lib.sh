# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash
#
# Functions for test scripts; sourced at every level (L0, L1, L2).
# $LEVEL is the level of this machine, $KMOD the KVM modules in use.

. /lab/run.env
. /lab/level.env

# The first bytes of the disk that takes the results.
RESULTS_MAGIC=NVXLABRS

mount_basics()
{
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mount -t devtmpfs dev /dev
	mount -t tmpfs tmp /tmp
	mount -t debugfs debugfs /sys/kernel/debug
}

# Load the modules that a file lists, one name a line, in that order.
insmod_list()
{
	while read -r module; do
		[ -d "/sys/module/$module" ] && continue
		insmod "/lab/modules/$module.ko" || echo "cannot load $module" >&2
	done <"$1"
}

# Load modules that the test's section names; their needs come first.
load_modules()
{
	[ $# -eq 0 ] || insmod_list "/lab/test/$TESTNAME/modules"
}

# Print the disk with the results magic (-v: the first other one, -a: that is a cpio archive, -d: for data).
find_disk()
{
	for disk in /dev/sd? /dev/vd?; do
		[ -b "$disk" ] || continue
		case "$1$(head -c 8 "$disk")" in
		-a070701*)		echo "$disk"; return 0 ;;
		-a*)			;;
		-dNVXLABDA)		echo "$disk"; return 0 ;;
		-d*)			;;
		"-v$RESULTS_MAGIC")	;;
		-v* | "$RESULTS_MAGIC")	echo "$disk"; return 0 ;;
		esac
	done
	return 1
}

# Mount the disk that holds QEMU at /r.
mount_root()
{
	mkdir -p /r
	mount -t ext4 -o ro,noload "$1" /r || return 1
	mount -t proc proc /r/proc
	mount -t sysfs sysfs /r/sys
	mount -t devtmpfs dev /r/dev
	mount -t tmpfs tmp /r/tmp
	mount -t tmpfs run /r/run
}

# kvm_load [PARAM=VALUE...]: load KVM with nested=1.  A parameter of kvm.ko is
# written kvm.PARAM=VALUE, all others belong to kvm-intel.ko.
kvm_load()
{
	kvm_words='' intel_words='nested=1'
	# shellcheck disable=SC2153 # KPARAMS comes from run.env
	for word in $KPARAMS "$@"; do
		case $word in
		kvm.*)	kvm_words="$kvm_words ${word#kvm.}" ;;
		*)	intel_words="$intel_words ${word#kvm_intel.}" ;;
		esac
	done
	kvm_unload || return 1
	insmod_list /lab/kvm/order
	# shellcheck disable=SC2086 # lists of parameters
	if ! insmod /lab/kvm/kvm.ko $kvm_words ||
		! insmod /lab/kvm/kvm-intel.ko $intel_words; then
		echo "cannot load KVM ($KMOD) with:$kvm_words $intel_words"
		return 1
	fi
}

# Is a feature of nvx in effect?
feature()
{
	tr , '\n' </sys/module/kvm_intel/parameters/nvx_features | grep -qx "$1"
}

# The counters of nvx end with the module: keep them for the lab to look at.
note_counters()
{
	[ ! -d /sys/kernel/debug/kvm/nvx ] ||
		grep . /sys/kernel/debug/kvm/nvx/* >>"$RESULTS/.counters"
}

kvm_unload()
{
	note_counters
	for module in kvm_intel kvm; do
		[ ! -d /sys/module/$module ] || rmmod $module || return 1
	done
}

# Called in L0 for each request of L1; a test defines its own.
l1_cmd()
{
	:
}

# l0_call CMD ARGS...: let L0 run `l1_cmd CMD ARGS` and wait for its end.
l0_call()
{
	stty -echo </dev/ttyS0
	echo "@l0 $*" >/dev/ttyS0
	read -r answer </dev/ttyS0
	[ "$answer" = ok ]
}

# l1_boot TAG [-cpu CPU] [-m MIB] [-smp N] [-disk] SCRIPT
l1_boot()
{
	[ "$LEVEL" = 0 ] || { echo "l1_boot works in L0 only"; return 1; }
	vm_boot 1 "$@"
}

# l2_boot TAG [-cpu CPU] [-m MIB] [-smp N] SCRIPT
l2_boot()
{
	[ "$LEVEL" = 1 ] || { echo "l2_boot works in L1 only"; return 1; }
	vm_boot 2 "$@"
}

# Boot Linux one level up under QEMU from the root disk and run a script in it.
# Files that the script leaves in /results come back to $RESULTS/lN/TAG.
vm_boot()
{
	vm=l$1 vm_tag=$2
	shift 2
	vm_options "$@" || return 1
	vm_dir=$RESULTS/$vm vm_work=/r/tmp/$vm-$vm_tag
	[ -x /r/usr/bin/qemu-system-x86_64 ] ||
		{ echo "${vm}_boot: no QEMU at /r; add 'root' to the needs of the test"; return 1; }
	rm -rf "$vm_work"
	mkdir -p "$vm_dir/$vm_tag" "$vm_work"
	vm_initrd >"$vm_work/initrd" || return 1
	vm_pad_initrd
	truncate -s 64M "$vm_work/results"
	printf %s $RESULTS_MAGIC | dd of="$vm_work/results" conv=notrunc 2>/dev/null
	mkfifo "$vm_work/in"
	vm_run
	vm_results
	rm -rf "$vm_work"
	vm_verdict
}

# A test may run the machine in pieces instead.
vm_run()
{
	vm_qemu 7<>"$vm_work/in"
}

vm_options()
{
	vm_cpu=host vm_mem=256 vm_smp=1 vm_disk='' vm_append='' vm_qemu_words=''
	while [ $# -gt 1 ]; do
		case $1 in
		-disk)	vm_disk=1; shift; continue ;;
		-cpu)	vm_cpu=$2 ;;
		-m)	vm_mem=$2 ;;
		-smp)	vm_smp=$2 ;;
		-append) vm_append=$2 ;;
		-qemu)	vm_qemu_words=$2 ;;
		*)	echo "${vm}_boot: unknown option $1"; return 1 ;;
		esac
		shift 2
	done
	vm_script=$1
	[ -f "$vm_script" ] || { echo "${vm}_boot: no script '$vm_script'"; return 1; }
}

# The initramfs of the next level: base, overlay of the run, and this boot.
vm_initrd()
{
	mkdir -p "$vm_work/stage/lab"
	cp "$vm_script" "$vm_work/stage/lab/script"
	echo "LEVEL=${vm#l} TAG=$vm_tag VM_DISK=$vm_disk" >"$vm_work/stage/lab/level.env"
	cat "/r/lab/$vm.cpio" /lab/next.cpio
	(cd "$vm_work/stage" && find . | cpio -o -H newc 2>/dev/null)
}

# QEMU puts the initrd at the end of memory, page-aligned, and for microvm takes
# no account of the ACPI tables that the firmware keeps there: what is free of
# the last page is all they have.  An initrd of whole pages leaves one.
vm_pad_initrd()
{
	bytes=$(wc -c <"$vm_work/initrd")
	truncate -s $(((bytes + 4095) / 4096 * 4096)) "$vm_work/initrd"
}

vm_qemu()
{
	set -- -M microvm,rtc=on,pit=on,pic=on,isa-serial=on -enable-kvm \
		-cpu "$vm_cpu" -m "$vm_mem" -smp "$vm_smp" \
		-nodefaults -no-user-config -nographic -no-reboot -serial stdio \
		-kernel /lab/vmlinuz -initrd "${vm_work#/r}/initrd" \
		-append "console=ttyS0 nokaslr mitigations=off tsc=reliable no_timer_check quiet cryptomgr.notests reboot=t panic=-1 $vm_append" \
		-drive "file=${vm_work#/r}/results,format=raw,if=none,id=out,file.locking=off" \
		-device virtio-blk-device,drive=out
	[ -z "$vm_disk" ] || set -- "$@" \
		-drive "file=$(root_disk),format=raw,if=none,id=root,readonly=on,file.locking=off" \
		-device virtio-blk-device,drive=root
	# shellcheck disable=SC2086 # a list of options
	chroot /r /usr/bin/qemu-system-x86_64 "$@" $vm_qemu_words <"$vm_work/in" 2>&1 |
		vm_console >"$vm_dir/$vm_tag.console"
}

# Unpack what the VM left: the second sector of its results disk says how many
# 64 KiB blocks of tar follow the first (tar itself would read on to the end).
vm_results()
{
	blocks=$(dd if="$vm_work/results" bs=512 skip=1 count=1 2>/dev/null | tr -dc 0-9)
	[ "${blocks:-0}" -gt 0 ] || return
	dd if="$vm_work/results" bs=64k skip=1 count="$blocks" 2>/dev/null |
		tar -x -C "$vm_dir/$vm_tag"
}

root_disk()
{
	while read -r device directory _; do
		[ "$directory" != /r ] || echo "$device"
	done </proc/mounts
}

# Copy the console of the VM and serve its requests.  Runs in a subshell: the
# variables that l1_cmd sets do not reach the test.
vm_console()
{
	return_char=$(printf '\r')
	while read -r line; do
		line=${line%"$return_char"}
		echo "$line"
		case $line in
		'@l0 '*)
			# shellcheck disable=SC2086 # words of the request
			l1_cmd ${line#@l0 } >&2
			echo ok >&7
			;;
		esac
	done
}

vm_verdict()
{
	[ -f "$vm_dir/$vm_tag/.status" ] || {
		echo "${vm}_boot $vm_tag: the machine ended without a result; last lines of its console:"
		tail -n 5 "$vm_dir/$vm_tag.console"
		return 125
	}
	return "$(cat "$vm_dir/$vm_tag/.status")"
}
