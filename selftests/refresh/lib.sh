# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash
#
# What the tests of vmm-refresh share.

DEBUG=/sys/kernel/debug/vmm-refresh

# status NAME: one number of refresh-ctl's status line.
status()
{
	refresh-ctl status | tr ' ' '\n' | sed -n "s/^$1=//p"
}

is()
{
	[ "$1" = "$2" ] || { echo "is $1, not $2"; return 1; }
}

at_most()
{
	[ "$1" -le "$2" ] || { echo "is $1, more than $2"; return 1; }
}

# refused STATUS COMMAND...: the command fails with this status.
refused()
{
	want=$1
	shift
	"$@"
	is $? "$want"
}

# exits COLUMN REASON: 2 = the host's, 3 = its guests'.
exits()
{
	awk -v c="$1" -v r="$2" '$1 == r { n = $c } END { print n + 0 }' $DEBUG/exits
}

# apic_id CPU
apic_id()
{
	awk -F: -v n="$1" '/^processor/ { p = $2 } /^apicid/ && p == n { print $2 + 0 }' /proc/cpuinfo
}

host_works()
{
	hostcheck
}

# Nothing differed between before and after a switch, and nothing is left.
no_trace_left()
{
	is "$(status changes)" 0 && is "$(status reserve)" 0 &&
		is "$(status state)" 0
}

# shim_comes_back VM: it has left for a sleep of the machine, VM went on beside it.
shim_comes_back()
{
	check "nothing is left" no_trace_left
	check "virtualize again" refresh-ctl on
	sleep 0.01
	check "the VM's VMCS is borrowed again" [ "$(status installs)" -gt 0 ]
	check "the host works" host_works
	check "devirtualize" refresh-ctl off
	check "the VM runs on" kill -0 "$1"
	kill "$1"
	wait "$1"
	check "a VM after" refresh-vm after 50
	check "unload the module" rmmod vmm_refresh
}
