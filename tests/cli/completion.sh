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

refuses() {
	local refused=$1
	shift
	COMP_WORDS=("$vadose" "$@")
	COMP_CWORD=$#
	_vadose
	case " ${COMPREPLY[*]} " in
	*" $refused "*)
		echo "FAIL: '$*' offers $refused: ${COMPREPLY[*]}"
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
offers vad.start -f x vadinfo --fields vad.st
offers vad.size,vad.start -f x vadinfo --fields vad.size,vad.st
offers vad.size,-vad.start -f x vadinfo --sort vad.size,-vad.st
offers critical --fail-on ''
offers new plugin ''
offers from-pdb profile fr
offers aff4 -f x convert --to ''
# The shell takes --name=value apart.
offers ndjson --renderer = nd
offers csv --renderer =
offers sharedmem --file = image.raw share
offers --min-views --file = image.raw sharedmem --min
refuses README.md --pid ''
refuses REFUSED ''

# What is found in folders is offered as what is built in, with -p or without.
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
cat >"$temp/mine.lua" <<'END'
plugin = { name = "mine", version = "1", summary = "s", record = "r",
  columns = {{ name = "ours.pid", kind = "int" }},
  options = {{ name = "depth", kind = "uint" }} }
function on_process() end
END
echo 'x = = 1' >"$temp/broken.lua"
touch "$temp/a memory.raw"
if [[ " ${VDS_LACKS-} " != *" lua "* ]]; then
	offers mine -p "$temp" mi
	offers --depth --plugin-dir = "$temp" -f x mine --dep
	offers ours.pid -p "$temp" -f x mine --sort ou
	offers mine -p "$temp" schema mi
	VADOSE_PLUGIN_PATH=$temp offers mine mi
fi
refuses broken -p "$temp" br
COMP_WORDS=("$vadose" -f "$temp/a")
COMP_CWORD=2
_vadose
[[ ${#COMPREPLY[@]} = 1 && ${COMPREPLY[0]} == "$temp/a memory.raw" ]] || {
	echo "FAIL: a name with a space in it: ${COMPREPLY[*]}"
	failures=1
}
exit $failures
