# SPDX-License-Identifier: Apache-2.0
# Sourced by ./demo and ./check: installs what tests/packages.txt lists and this
# machine lacks. Needs root, or sudo, only if something is missing.

missing_packages() {
	local name
	grep -v '^#' tests/packages.txt | while read -r name; do
		[ -n "$name" ] || continue
		dpkg-query -W -f='${Status}' "$name" 2>/dev/null |
			grep -q 'ok installed' || echo "$name"
	done
}

install_packages() {
	local missing sudo=
	missing=$(missing_packages)
	[ -n "$missing" ] || return 0
	echo "installing: $(echo $missing)" >&2
	if [ "$(id -u)" != 0 ]; then
		if ! command -v sudo >/dev/null; then
			echo "not root and no sudo: install these packages first:" \
				$missing >&2
			return 1
		fi
		sudo=sudo
	fi
	$sudo apt-get update -qq
	DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq \
		--no-install-recommends $missing >/dev/null
}

# configure DIR [meson options]: sets the build folder up, or keeps it.
configure() {
	local dir=$1
	shift
	if [ -f "$dir/build.ninja" ]; then
		meson configure "$dir" "$@" >/dev/null
	else
		meson setup "$dir" "$@" >"$dir.log" 2>&1 || {
			cat "$dir.log" >&2
			return 1
		}
	fi
}
