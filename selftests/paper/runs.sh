# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash
#
# The workloads, the same at L1 and at L2: fixed amounts, sized for the emulator.
# run_workloads writes a line "NAME/RUN INSTRUCTIONS STATUS" for each run to
# runs.txt; the host below notes its counters before and after.

# Run 1 is the first one after the guest's boot.
RUNS="1 2"
# MiB of L1 and L2 alike: the kernel's page allocator goes by the size of memory.
# shellcheck disable=SC2034 # for those who read this file
GUEST_MEM=256
TEXT=/tmp/paper/text

prepare_workloads()
{
	mkdir -p /tmp/paper/build
	nvx-paper text 512 >$TEXT || return 1
	{
		echo "all:$(for i in $(seq 4); do echo " unit$i.o"; done | tr -d '\n')"
		printf 'unit%%.o: /paper/unit.c\n\t/paper/tcc -c -o $@ $<\n'
	} >/tmp/paper/Makefile
	disk=$(find_disk)
}

# command_of NAME: what to run.
command_of()
{
	case $1 in
	null)	echo /bin/true ;;
	sieve)	echo /bin/nvx-paper sieve 800 ;;
	gzip)	echo /paper/gzip -6 -c $TEXT ;;
	sha256)	echo "/paper/sha256sum$(for _ in $(seq 16); do printf ' %s' $TEXT; done)" ;;
	chase)	echo /bin/nvx-paper chase 8 4000000 ;;
	stream)	echo /bin/nvx-paper stream 4 20 ;;
	touch)	echo /bin/nvx-paper touch 16 1 ;;
	churn)	echo /bin/nvx-paper churn 40 ;;
	build)	echo /paper/make -s -B -f /tmp/paper/Makefile -C /tmp/paper/build ;;
	read)	echo /bin/nvx-paper read "$disk" 8 4 ;;
	direct)	echo /bin/nvx-paper direct "$disk" 40 60 ;;
	sleep)	echo /bin/nvx-paper sleep 100 1000 ;;
	esac
}

run_workloads()
{
	prepare_workloads || return 1
	for name in null $WORKLOADS; do
		for run in $RUNS; do
			# shellcheck disable=SC2046 # words of the command
			nvx-paper run "$name/$run" $(command_of "$name") >>runs.txt || return 1
		done
	done
}
