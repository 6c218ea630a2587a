# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# A fresh Debian in a directory, and the packages in it.  Whoever sources this has set top, out (what
# is left of a run), root (below it), debian (name of the release), and passed, failed, number to 0.

# shellcheck disable=SC2154 # the sourcing script has set them
archives=$top/build/cache/apt/$debian
. "$top/selftests/deb/inventory.sh"

# check TEXT COMMAND...: one line of TAP, with the end of the log if it failed.
check()
{
	local text=$1 log

	shift
	number=$((number + 1))
	log=$out/$number.log
	if "$@" >"$log" 2>&1; then
		echo "ok $number - $text"
		passed=$((passed + 1))
	else
		echo "not ok $number - $text"
		tail -n 20 "$log" | sed 's/^/#   /'
		failed=$((failed + 1))
	fi
}

inside()
{
	unshare --mount --pid --fork --mount-proc="$root/proc" \
		chroot "$root" env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin "$@"
}

apt()
{
	inside apt-get -q -y --no-install-recommends "$@"
}

# make_root [PACKAGE,...]
make_root()
{
	rm -rf "$root"
	mkdir -p "$archives"
	mmdebstrap --mode=root --variant=minbase "--include=ca-certificates${1:+,$1}" \
		--setup-hook='mkdir -p "$1/var/cache/apt/archives"' \
		--setup-hook="find '$archives' -name '*.deb' -exec cp -t \"\$1/var/cache/apt/archives\" {} +" \
		--customize-hook="find \"\$1/var/cache/apt/archives\" -name '*.deb' -exec cp -n -t '$archives' {} +" \
		--skip=essential/unlink,download/empty "$debian" "$root" \
		"$(host_sources)" || return
	cp /etc/resolv.conf "$root/etc/resolv.conf"
}

# Debian's archive as this machine reaches it, or as anybody does.
host_sources()
{
	local file=/etc/apt/sources.list.d/debian.sources ours=$out/debian.sources

	if [ -e $file ]; then
		sed "s/bookworm/$debian/g" $file >"$ours"
	else
		ours=$out/sources.list
		sed -n "/ bookworm\(-updates\|-security\)\? /s/bookworm/$debian/p" \
			/etc/apt/sources.list >"$ours"
	fi
	echo "$ours"
}

# install_needs PACKAGE...: what the packages need: it is there before, so that what they leave can be
# told.
install_needs()
{
	apt update || return
	apt install dkms libc6-dev openssl python3-jsonschema rsync patch xz-utils libjson-c5 \
		"$([ "$debian" = bookworm ] && echo libelf1 || echo libelf1t64)" "$@" || return
	find "$root/var/cache/apt/archives" -name '*.deb' -exec cp -n -t "$archives" {} +
}

# install_debs DIRECTORY VERSION [PAGE]: by the command of the manual.
install_debs()
{
	local tree=$root/tmp/tree

	rm -rf "$tree"
	mkdir -p "$tree/build/deb" && cp "$1"/nestcloud-*_"$2"_*.deb "$tree/build/deb" || return
	if [ "${3:-}" = quick-start ]; then
		documented "On a machine" quick-start
	else
		documented "Debian packages"
	fi | grep "^ *apt install" >"$root/tmp/install" && as_shown install
}

# as_shown FILE: commands of the manual, in a tree, with apt not asking.
as_shown()
{
	printf '%s\n' 'APT::Get::Assume-Yes "true";' 'APT::Install-Recommends "false";' \
		>"$root/tmp/apt.conf"
	inside env APT_CONFIG=/tmp/apt.conf PATH=/tmp/bin:/usr/sbin:/usr/bin \
		sh -exc 'mkdir -p /tmp/tree && cd /tmp/tree && . "/tmp/$0"' "$1"
}

# documented TITLE [PAGE]: the commands that a section of a page shows, by default of packages.
documented()
{
	awk -v title="$1" '
		/^[-=~]+$/ { inside = last == title }
		inside && /^    / { print; found = 1 }
		{ last = $0 }
		END { exit !found }' "$top/Documentation/${2:-packages}.rst" | sed 's/sudo //g'
}
