# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# Sourced by lib.sh, and by installed.sh on the machine that has been booted from the root.

# All files but those of apt, dpkg, logs, indices of modules, and DKMS' own key.
inventory()
{
	(cd "${1:-$root}" && find . -xdev \( -path ./proc -o -path ./tmp -o -path ./var/log \
		-o -path ./var/lib/dpkg -o -path ./var/lib/apt -o -path ./var/cache/apt \
		-o -path ./var/cache/debconf -o -path ./var/cache/ldconfig \
		-o -name 'modules.*' -o -path './var/lib/dkms/mok.*' \) -prune -o -print | sort)
}
