# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash
#
# Debian's libvirt and QEMU in a kernel of the lab: what is needed around them.

PATH=$PATH:/usr/sbin:/usr/bin

tick()
{
	echo "# $(cut -d ' ' -f 1 /proc/uptime) s after power-on: $*"
}

# libvirt_start UUID [ADDRESS]: the daemon, listening on an address if there is one.  LIBVIRT_PORT: not
# on libvirt's own port.
libvirt_start()
{
	mkdir -p /etc/libvirt/qemu /var/lib/libvirt/qemu /var/cache/libvirt /var/log/libvirt/qemu \
		/run/libvirt
	ln -sf /run /var/run
	printf '%s\n' root:x:0:0:root:/:/bin/sh libvirt-qemu:x:64055:64055::/:/bin/sh >/etc/passwd
	printf '%s\n' root:x:0: kvm:x:106: libvirt-qemu:x:64055: >/etc/group
	cat >/etc/libvirt/libvirtd.conf <<-END
		host_uuid = "$1"
		listen_tls = 0
		listen_tcp = 1
		tcp_port = "${LIBVIRT_PORT:-16509}"
		auth_tcp = "none"
		listen_addr = "${2:-127.0.0.1}"
		log_outputs = "${LIBVIRT_LOG:-3:file:/var/log/libvirt/libvirtd.log}"
	END
	cat >/etc/libvirt/qemu.conf <<-END
		user = "root"
		group = "root"
		dynamic_ownership = 0
		security_driver = "none"
		stdio_handler = "file"
		namespaces = []
		cgroup_controllers = []
		keepalive_interval = 1
		keepalive_count = 3
	END
	# The package's; it does nothing where there is no nestctl to call.
	mkdir -p /etc/libvirt/hooks/qemu.d
	[ ! -f /lab/qemu-hook ] || cp /lab/qemu-hook /etc/libvirt/hooks/qemu.d/nestctl
	[ ! -f /lab/qemu-hook ] || chmod +x /etc/libvirt/hooks/qemu.d/nestctl
	rm -f /run/libvirt/libvirt-sock
	/usr/sbin/libvirtd --listen >/var/log/libvirt/output 2>&1 &
	libvirtd=$!
	tries=600
	until [ -S /run/libvirt/libvirt-sock ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] && kill -0 $libvirtd || { libvirt_says; return 1; }
		sleep 0.1
	done
}

libvirt_says()
{
	tail -n 40 /var/log/libvirt/libvirtd.log /var/log/libvirt/output /var/log/libvirt/qemu/*
}

# domain NAME MIB [WORDS...]: its XML.  What the guest says is in /run/NAME.serial.  VIRT=qemu: without
# KVM; GUEST: another place of it; DISK: XML of a disk, or of another device.
domain()
{
	name=$1 mib=$2
	shift 2
	cat <<-END
		<domain type='${VIRT:-kvm}'>
		  <name>$name</name>
		  <memory unit='MiB'>$mib</memory>
		  <vcpu>1</vcpu>
		  <os>
		    <type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type>
		    <kernel>${GUEST:-/lab/move-guest}</kernel>
		    <cmdline>$*</cmdline>
		  </os>
		  <features><acpi/><apic/></features>
		  ${CPU:-<cpu mode='host-passthrough'/>}
		  <on_crash>destroy</on_crash>
		  <devices>
		    <emulator>/usr/bin/qemu-system-x86_64</emulator>
		    <serial type='file'><source path='/run/$name.serial' append='on'/></serial>
		    <controller type='usb' model='none'/>
		    <memballoon model='none'/>
		    $DISK
		    <video><model type='none'/></video>
		  </devices>
		</domain>
	END
}

# A card on a bridge; none where DISK is not it.
MAC=52:54:00:98:00:02
# shellcheck disable=SC2034 # for the tests
NIC="<interface type='bridge'><mac address='$MAC'/><source bridge='br0'/><model type='rtl8139'/><rom enabled='no'/></interface>"

bridge_up()
{
	ip link add br0 type bridge && ip link set br0 up
}

# The card comes, now or some day, and is a port of the bridge: what udev and the network's configuration do.
card_is_port()
{
	until [ -e /sys/class/net/eth0 ]; do sleep 0.02; done
	ip link set dev eth0 up master br0
}

# answered NAME [SECONDS]: the station outside has answered 20 more requests of a VM, one after the other.
answered()
{
	left=$((${2:-20} * 10)) was=
	while [ -z "$was" ] || [ $(($(heartbeat_field "$1" answered) - was)) -lt 20 ] ||
		[ "$(heartbeat_field "$1" lost)" != 0x0 ]; do
		left=$((left - 1))
		[ $left -gt 0 ] || { echo "the station does not answer $1: $(heartbeat "$1")"; return 1; }
		sleep 0.1
		# Before it has the station's address a line has none of this.
		[ -n "$was" ] || ! heartbeat "$1" | grep -q ' answered=' ||
			was=$(($(heartbeat_field "$1" answered)))
	done
	heartbeat "$1"
}

# gaps NAME KHZ: what a VM has lost between two answers, each time
gaps()
{
	sed -n 's/^HB .* lost=\([0-9a-f]*\) gap=\([0-9a-f]*\) bad=.*/\1 \2/p' "/run/$1.serial" |
		while read -r lost gap; do
			[ "$lost" = 0 ] || echo "$((0x$lost)) lost in $((0x$gap / $2)) ms"
		done
}

# echoes_for SECONDS ADDRESS: a VM answers as long, and nothing is lost.
echoes_for()
{
	echoes "$2" >/tmp/echoes 2>&1 &
	peer_pid=$!
	sleep "$1"
	kill -TERM $peer_pid
	wait $peer_pid && grep ' 0 lost' /tmp/echoes
}

DATA=/dev/disk/by-id/lab-data

# data_links: what udev makes on a machine that has it; the data disk when it is there
data_links()
{
	tries=1800
	until data=$(find_disk -d) && [ -b "${data}2" ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.1
	done
	mkdir -p "${DATA%/*}"
	for part in 1 2; do ln -sf "$data$part" "$DATA-part$part" || return 1; done
	echo "$data"
}

# disk PATH [FORMAT]: XML of the guest's disk
disk()
{
	type=file attribute=file
	[ ! -b "$1" ] || type=block attribute=dev
	echo "<disk type='$type' device='disk'><driver name='qemu' type='${2:-raw}' cache='none'/>" \
		"<source $attribute='$1'/><target dev='hda' bus='ide'/></disk>"
}

# disk_says NAME [SECONDS]: it has read all of its disk since, nothing was bad or refused.
disk_says()
{
	dscans=$(heartbeat_field "$1" dscans) left=$((${2:-60} * 10))
	while now=$(heartbeat_field "$1" dscans) && [ $((now)) -lt $((dscans + 2)) ]; do
		left=$((left - 1))
		[ $left -gt 0 ] || { echo "the disk of $1 does not go on: $(heartbeat "$1")"; return 1; }
		sleep 0.1
	done
	heartbeat "$1"
	[ "$(heartbeat_field "$1" dbad) $(heartbeat_field "$1" derr)" = "0x0 0x0" ]
}

# disk_waits NAME: nothing is answered, nothing is refused, and the guest goes on.
disk_waits()
{
	writes=$(heartbeat_field "$1" dwrites)
	[ $(($(heartbeat_field "$1" derr))) = 0 ] && guest_says "$1" &&
		[ $(($(heartbeat_field "$1" dwrites) - writes)) -le 1 ] &&
		[ $(($(heartbeat_field "$1" derr))) = 0 ]
}

# disk_grows NAME [SECONDS]: it has written to where it had not yet.
disk_grows()
{
	dblocks=$(heartbeat_field "$1" dblocks) left=$((${2:-60} * 10))
	until [ $(($(heartbeat_field "$1" dblocks))) -ge $((dblocks + 2)) ]; do
		left=$((left - 1))
		[ $left -gt 0 ] || { echo "the disk of $1 does not grow: $(heartbeat "$1")"; return 1; }
		sleep 0.1
	done
}

# Words of a guest with such an image: each block of its needs a cluster of its own, now and then tables.
# shellcheck disable=SC2034 # for the tests
QCOW2="disk=16 stride=16 grow=256"

# What an image has before its guest writes to it.
image_content()
{
	seq 1 1000000 | head -c 1048576 >"$1" && truncate -s 16M "$1"
}

# image PATH: one in qcow2, with a snapshot of what it has.
image()
{
	image_content /run/content &&
		qemu-img convert -f raw -O qcow2 -o cluster_size=4k /run/content "$1" &&
		qemu-img snapshot -c before "$1"
}

# image_is_whole PATH: nobody has it, its tables are right, and it has what no guest has written.
image_is_whole()
{
	image_content /run/content && qemu-img check "$1" &&
		qemu-img convert -l before -O raw "$1" /run/now && cmp -n 1048576 /run/content /run/now &&
		qemu-img convert -f qcow2 -O raw "$1" /run/now &&
		cmp -n 61440 /run/content /run/now 4096 4096
}

# image_is_locked PATH: by a QEMU that writes to it
image_is_locked()
{
	! qemu-img info "$1" >/run/info 2>&1 && grep -i lock /run/info
}

# has_open NAME PATH: its QEMU has that file open.
has_open()
{
	# shellcheck disable=SC2012 # numbers
	ls -l /proc/"$(qemu_of "$1")"/fd | sed -n 's/.* -> //p' | grep -qx "$(readlink -f "$2")"
}

# qemu_of NAME: its process, if this kernel runs it
qemu_of()
{
	grep -ls "guest=$1[,]" /proc/[0-9]*/cmdline | sed 's,/proc/\(.*\)/cmdline,\1,'
}

# qemus: names of VMs that this kernel runs
qemus()
{
	for vm in vm1 vm2 vm3; do
		[ -z "$(qemu_of $vm)" ] || printf '%s ' $vm
	done
}

# heartbeat NAME: the last complete line of a guest
heartbeat()
{
	grep -s '^HB .* bad=[0-9a-f]*$' "/run/$1.serial" | tail -1
}

# heartbeat_field NAME FIELD: as a hexadecimal number, 0x0 before the first line
heartbeat_field()
{
	value=$(heartbeat "$1" | sed "s/.* $2=\([0-9a-f]*\).*/\1/")
	echo "0x${value:-0}"
}

# guest_says NAME [SECONDS]: it has looked at all of its memory since, and nothing was bad.
guest_says()
{
	scans=$(heartbeat_field "$1" scans) left=$((${2:-60} * 10))
	while now=$(heartbeat_field "$1" scans) && [ $((now)) -lt $((scans + 2)) ]; do
		left=$((left - 1))
		[ $left -gt 0 ] || { echo "$1 does not go on: $(heartbeat "$1")"; return 1; }
		sleep 0.1
	done
	heartbeat "$1"
	[ "$(heartbeat_field "$1" bad)" = 0x0 ]
}
