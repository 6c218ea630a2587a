#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A Debian with the packages, made by selftests/deb/boot on a disk, takes the machine over and boots;
# then this script, started once more by its systemd, does in it what the manual's quick start shows,
# with an L1 and its L2 in between, and looks for what the purge has left.

. /lab/lib.sh
. /lab/restart.sh
. /lab/tap.sh
. /lab/l1-lib.sh
. /lab/inventory.sh

# Where the disk is before it is the root, and the root afterwards.
DEBIAN=/debian
ROOT=/proc/1/root
VIRT=$ROOT/var/lib/libvirt/l1

tick()
{
	echo "# $(cut -d ' ' -f 1 /proc/uptime) s after power-on: $*"
}

# ---- before

# The lab's own userland, for systemd to run from /run, where it leaves nothing.
stage_lab()
{
	mkdir -p $DEBIAN && mount -t ext4 "$(findfs LABEL=debian)" $DEBIAN &&
		mount -t tmpfs -o mode=755 run $DEBIAN/run || return 1
	mkdir -p $DEBIAN/run/lab $DEBIAN/run/systemd/system/multi-user.target.wants || return 1
	cp -a /bin /lab /init $DEBIAN/run/lab || return 1
	(cd $DEBIAN/run/lab && mkdir -p dev proc sys tmp results) || return 1
	cat >$DEBIAN/run/systemd/system/lab.service <<-END
		[Unit]
		Description=The rest of the lab's test
		After=multi-user.target
		[Service]
		ExecStart=/run/lab/bin/busybox chroot /run/lab /init
		StandardInput=null
		KillMode=process
	END
	ln -s ../lab.service $DEBIAN/run/systemd/system/multi-user.target.wants/
}

# switch_root empties the initramfs, but for what is mounted there.
hand_over()
{
	printf '%s\n' '#!/bin/sh' "exec switch_root $DEBIAN /sbin/init" >/tmp/next-init
	chmod +x /tmp/next-init
}

# ---- in it

# By its path: of a program that busybox has itself its chroot would run that.
deb()
{
	chroot $ROOT /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C \
		TERM=dumb "$@"
}

up()
{
	state=$(deb systemctl is-system-running --wait)
	echo "systemd: $state"
	deb systemctl list-units --failed --no-legend --plain
	[ "$state" = running ]
}

# loaded ours|stock: what KVM the kernel has, and modprobe would load
loaded()
{
	[ -d /sys/module/kvm_intel ] || return 1
	case $1 in
	ours)	[ -e /sys/module/kvm_intel/parameters/nvx_features ] ;;
	stock)	[ ! -e /sys/module/kvm_intel/parameters/nvx_features ] ;;
	esac
}

# soon COMMAND...: within some seconds, as udev works beside
soon()
{
	for _ in $(seq 100); do
		"$@" && return
		sleep 0.2
	done
	return 1
}

# A section's commands, as the manual shows them; root needs no sudo, and nothing is asked.
shown()
{
	awk '/^[-=~]+$/ { inside = last == "On a machine" }
		inside && /^    / { sub(/^ */, ""); sub(/^sudo /, ""); print }
		{ last = $0 }' /lab/quick-start.rst | grep "^$1"
}

# good STATUS COMMAND: one of the section's
good()
{
	[ -n "$2" ] || { echo "the quick start does not show it"; return 1; }
	deb env APT_CONFIG=/run/lab/apt.conf sh -c "$2"
	rc=$?
	echo "status $rc"
	case ",$1," in
	*,$rc,*)	return 0 ;;
	esac
	return 1
}

# quick [STATUS] WORDS: what the section shows that begins so
quick()
{
	wanted=0
	case $1 in
	[0-9]*)	wanted=$1; shift ;;
	esac
	command=$(shown "$*\$")
	check "${command:-$*}" good "$wanted" "$command"
	sed 's/^/#   /' /tmp/tap.out
}

# An L1 with the modules that DKMS has built for this kernel, which is L1's, too.
make_l1()
{
	mkdir -p stage/lab/kvm $VIRT || return 1
	for name in kvm kvm-intel; do
		file=$(deb modinfo -F filename $name)
		case $file in
		*/updates/dkms/*.xz)	deb xz -dc "$file" ;;
		*/updates/dkms/*)	deb cat "$file" ;;
		*)			echo "$name: $file" >&2; false ;;
		esac >stage/lab/kvm/$name.ko || return 1
	done
	L1_VALUES=KMOD=nvx l1_files &&
		cp /var/lib/libvirt/l1/* $VIRT/ && l1_xml deb >$ROOT/run/l1.xml
}

# Its console, from when it starts.
watch()
{
	tty=$(deb virsh ttyconsole l1) || return 1
	cat "$ROOT$tty" >console.log &
}

libvirt_says()
{
	tail -n 20 $ROOT/var/log/libvirt/qemu/l1.log
}

# counter NAME: of nvx, as nestctl says it
counter()
{
	deb nestctl stats | awk -v name="$1" '$1 == name { print $2 }'
}

moved()
{
	before=$(counter fast_entry)
	l1_goes_on console.log "$(l1_round console.log)" || return 1
	after=$(counter fast_entry)
	echo "short VM-entries: $before, then $after"
	[ "${after:-0}" -gt "${before:-0}" ]
}

# Events that trace-cmd can read, of L1 and its L2s; of seconds it would report for minutes.
traced()
{
	deb trace-cmd record -e nvx -o /run/nvx.dat sleep 0.2 >record 2>&1 || { cat record; return 1; }
	deb trace-cmd report -i /run/nvx.dat >events 2>&1 || { cat events; return 1; }
	grep -m 3 nvx_fast: events
	for event in "entry " "exit "; do
		echo "$event: $(grep -c "nvx_fast: .*vcpu [0-9]* $event" events)"
		grep -q "nvx_fast: .*vcpu [0-9]* $event" events || return 1
	done
	! grep -i "failed to parse" events
}

is()
{
	echo "'$1', wanted '$2'"
	[ "$1" = "$2" ]
}

refused()
{
	said=$(deb nestctl unload 2>&1) && return 1
	echo "$said"
	echo "$said" | grep -q l1
}

# What was not there before the packages came, nor was made by the machine as it booted and ran VMs;
# of what the packages had brought, all.
residue()
{
	inventory $ROOT | sort >after
	deb sh -c 'cd "/run/lab$0" && L=/run/lab/lab && of_root() { grep -vE "^\./(run|dev|sys)/"; } &&
		sort -u $L/before booted >known &&
		comm -13 known after | grep -vE "^\./(var/lib|var/cache)/libvirt/" | of_root >left
		comm -13 $L/before $L/installed | comm -12 - after | of_root >>left
		comm -23 $L/before after | of_root >lost' "$PWD"
	echo "$(wc -l <after) files, before $(wc -l </lab/before), with the packages $(wc -l </lab/installed)"
	sed 's/^/left: /' left
	sed 's/^/lost: /' lost
	[ -s after ] && [ -s known ] && [ ! -s left ] && [ ! -s lost ]
}

units()
{
	deb systemctl list-unit-files --no-legend --plain 'nestcloud*'
	deb systemctl list-units --all --no-legend --plain 'nestcloud*'
	[ -z "$(deb systemctl list-unit-files --no-legend --plain 'nestcloud*')" ] &&
		! grep -qr nestc $ROOT/etc/systemd $ROOT/etc/libvirt && [ ! -e $ROOT/etc/nestctl ]
}

no_modules()
{
	deb dkms status
	[ -z "$(deb dkms status)" ] && [ ! -d /sys/module/vmm_refresh ] || return 1
	for name in kvm kvm-intel; do
		deb modinfo -F filename $name
		case $(deb modinfo -F filename $name) in
		*/kernel/arch/x86/kvm/*)	;;
		*)				return 1 ;;
		esac
	done
}

# ---- the pool, at each boot

UNIT=nestcloud-pool.service

# A machine that starts anew: the emulator's firmware survives no other reset.
reboot_debian()
{
	deb nestctl pool list >pool
	cat $ROOT/proc/sys/kernel/random/boot_id >boot_id
	echo "tap_count=$tap_count tap_failed=$tap_failed" >tap
	echo pci >/sys/kernel/reboot/type
	machine_restarts
	deb systemctl reboot
	sleep 60
	echo "the machine goes on after it should have been reset"
	exit 1
}

boot_is_new()
{
	cat boot_id $ROOT/proc/sys/kernel/random/boot_id
	[ -s boot_id ] && ! cmp -s boot_id $ROOT/proc/sys/kernel/random/boot_id
}

# unit WORD STATE: what systemctl WORD says of the pool's
unit()
{
	said=$(deb systemctl "$1" $UNIT)
	is "$said" "$2"
}

pool_is_back()
{
	deb systemctl status --no-pager $UNIT
	deb nestctl pool list | diff pool - && grep -q "256 MiB  here" pool
}

pool_ends()
{
	start=$(awk '{ print $1 }' pool)
	deb nestctl pool delete "$start" && is "$(deb nestctl pool list)" "there is no pool" &&
		deb modprobe -r vmm-refresh
}

make_pool()
{
	check "its pool's unit is off" unit is-enabled disabled
	check "vmm-refresh is installed" deb modprobe vmm-refresh
	check "a pool" deb nestctl pool create 256M
	check "is saved for the next boot" deb nestctl pool save
	check "its unit is switched on" deb systemctl enable $UNIT
}

# The file that it reads is the purge's.
use_pool()
{
	check "the machine has booted anew" boot_is_new
	check "its unit has run" unit is-active active
	check "the pool is where it was" pool_is_back
	cat /tmp/tap.out
	check "starting it anew changes nothing" deb systemctl restart $UNIT
	check "the pool is there" pool_is_back
	check "its unit is switched off" deb systemctl disable --now $UNIT
	check "and is" unit is-enabled disabled
	check "the pool becomes memory again" pool_ends
}

run_l1()
{
	failed_before=$tap_failed
	check "kernel and initramfs of an L1, with nvx" make_l1
	check "virsh define" deb virsh define /run/l1.xml
	check "virsh start" deb virsh start l1
	tick "the domain has started"
	check "its console" watch
	# Nothing more comes of it, and there is much to wait for.
	[ "$tap_failed" = "$failed_before" ] || return
	check "its L2s find their memory right" l1_goes_on console.log 0
	tick "an L2 has run"
	check "L1 has nvx" is "$(l1_modules console.log)" nvx
	quick nestctl features
	quick nestctl stats
	check "the counters move" moved
	cat /tmp/tap.out
	check "trace-cmd shows its short VM-entries and exits" traced
	cat /tmp/tap.out
	check "with a VM that runs nothing is unloaded, and it is named" refused
	check "virsh destroy" deb virsh destroy l1
	check "virsh undefine" deb virsh undefine l1
}

# The lab boots, Debian takes over (2), and both once more.
case $STAGE in
1|3)
	stage_lab || exit 1
	machine_restarts
	hand_over
	exit 0
	;;
4)
	# shellcheck disable=SC1091 # written before the reboot
	. ./tap
	;;
esac
check "Debian is up, and no unit has failed" up
cat /tmp/tap.out
tick "$(deb uname -r), $(grep PRETTY_NAME $ROOT/etc/os-release)"
if [ "$STAGE" = 2 ]; then
	make_pool
	reboot_debian
fi
use_pool
tick "with a pool, and without"
echo 'APT::Get::Assume-Yes "true";' >$ROOT/run/lab/apt.conf
check "at boot it has taken the packages' KVM" soon loaded ours
check "and goes back to the distribution's" deb nestctl unload
check "which is loaded" loaded stock
# What has come since the packages were installed is the machine's own.
inventory $ROOT | sort >booted.all
deb sh -c 'cd "/run/lab$0" && comm -13 /run/lab/lab/installed booted.all >booted' "$PWD"
quick 0,1,2 nestctl doctor
quick nestctl load --dry-run
check "the dry run has changed nothing" loaded stock
quick nestctl load
check "nvx is loaded" loaded ours
quick nestctl status
run_l1
quick nestctl unload
check "the distribution's KVM is loaded" loaded stock
tick "unloaded"
quick apt purge '.*'
tick "purged"
check "no file is left, and none is lost" residue
sed 's/^/# /' /tmp/tap.out
check "no unit, no hook of libvirt's, no file of the pool" units
check "no module" no_modules
check "the distribution's KVM is still loaded" loaded stock
check "no unit has failed" up
rm -f booted.all after known tap
tap_end
