# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash
#
# The VM with Redis, in whatever kernel it runs.

# How long each stretch of time is that is looked at, in seconds of the machine.
LOOK=${LOOK:-2}
# What the VM says by its channel.
LINES=/run/redis.lines

REDIS_APPEND="console=ttyS0 quiet nokaslr mitigations=off tsc=reliable no_timer_check cryptomgr.notests random.trust_cpu=off panic=-1"

redis_domain()
{
	cat <<-END
		<domain type='kvm'>
		  <name>redis</name>
		  <memory unit='MiB'>128</memory>
		  <vcpu>1</vcpu>
		  <os>
		    <type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type>
		    <kernel>/redis/vmlinuz</kernel>
		    <initrd>/redis/initrd</initrd>
		    <cmdline>$REDIS_APPEND</cmdline>
		  </os>
		  <features><acpi/><apic/></features>
		  <cpu mode='host-passthrough'/>
		  <on_reboot>destroy</on_reboot>
		  <on_crash>destroy</on_crash>
		  <devices>
		    <emulator>/usr/bin/qemu-system-x86_64</emulator>
		    <serial type='file'><source path='/run/redis.serial' append='on'/></serial>
		    <channel type='file'>
		      <source path='$LINES' append='on'/>
		      <target type='virtio' name='ycsb'/>
		    </channel>
		    <controller type='usb' model='none'/>
		    <memballoon model='none'/>
		    <video><model type='none'/></video>
		  </devices>
		</domain>
	END
}

# What the VM says, each line with its time, in a file.
redis_follow()
{
	: >>$LINES
	tsc-stamp $LINES >"$1" &
	follower=$!
}

redis_unfollow()
{
	kill "$follower"
}

# redis_lines FILE: how many intervals there are.
redis_lines()
{
	grep -c ' YCSB ' "$1"
}

# redis_comes FILE SECONDS: it says what it does.
redis_comes()
{
	n=$(redis_lines "$1") left=$(($2 * 10))
	until [ "$(redis_lines "$1")" -ge $((n + 3)) ]; do
		left=$((left - 1))
		[ $left -gt 0 ] || { cat "${LINES%.lines}.serial"; libvirt_says; return 1; }
		sleep 0.1
	done
}

# mark PHASE does|done: with the clock of all kernels.
mark()
{
	echo "mark $*" | tsc-stamp
}

# look PHASE [SECONDS]: a stretch of time in which nothing else is done.
look()
{
	mark "$1" does
	sleep "${2:-$LOOK}"
	mark "$1" "done"
}
