#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the bash completion offers: completion.sh VADOSE COMPLETION-FILE
set -u
vadose=$1
. "$2"
failures=0

# offers WORD WORDS...: completing the last of WORDS offers WORD.
offers() {
	local wanted=$1
	shift
	COMP_WORDS=("$vadose" "$@")
	COMP_CWORD=$#
	_vadose
	case " ${COMPREPLY[*]} " in
	*" $wanted "*) ;;
	*)
		echo "FAIL: '$*' doesn't offer $wanted, but: ${COMPREPLY[*]}"
		failures=1
		;;
	esac
}

offers sharedmem -f image.raw share
offers plugins plug
offers info ''
offers ndjson -r nd
offers sic --renderer ''
offers --kernel-base --kern
offers --min-views -f x sharedmem --min
offers --where -f x sharedmem --wh
offers vadinfo schema vad
offers exact --profile-match ''
offers tests -s test
exit $failures
