#!/bin/sh
# Is the plugin accepted, are its records declared well, and does it run? Set
# VADOSE_TEST_IMAGE to an image (and VADOSE_PROFILE_PATH to the folder of its
# kernel's profile) to run it.
set -eu
vadose=$1
dir=$2
line=$("$vadose" plugins -p "$dir" | grep '^@NAME@ ')
echo "$line"
case $line in
*REFUSED*) exit 1 ;;
esac
"$vadose" -p "$dir" schema @NAME@ >/dev/null
[ -n "${VADOSE_TEST_IMAGE:-}" ] || exit 0
status=0
"$vadose" -q -p "$dir" -f "$VADOSE_TEST_IMAGE" -r ndjson -o "$dir/rows.ndjson" \
	@NAME@ || status=$?
[ $status = 0 ] || [ $status = 3 ]	# 3: partial, some pages weren't there
tail -n 1 "$dir/rows.ndjson" | grep -q '"kind":"run_end"'
