# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash
#
# The computation that l2linux.sh compares between the levels: several
# processes, pipes, and data that goes through memory twice.

checksum()
{
	seq 1 60000 >/tmp/checksum-data
	sort -n -r /tmp/checksum-data | sha256sum | cut -d ' ' -f 1
	rm -f /tmp/checksum-data
}
