#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The 32-bit layouts against what 64-bit kernels' symbols say.

wow64.py VADOSE PROFILES BUILD... Types that kernels have (_PEB32, ...) must be
the same there. The loader's types are laid out anew from the 64-bit ones, with
pointers of four bytes; that must give what the file of their era says.
"""
import pathlib
import re
import subprocess
import sys

vadose, profiles, *builds = sys.argv[1:]
common = pathlib.Path(profiles) / "common"
# Size and alignment of what holds pointers, in 32-bit code.
NARROW = {"_LIST_ENTRY": (8, 4), "_UNICODE_STRING": (8, 4),
          "_RTL_BALANCED_NODE": (12, 4), "_SINGLE_LIST_ENTRY": (4, 4),
          "_LARGE_INTEGER": (8, 8)}
# ULONG_PTR, which a 64-bit symbol tells from nothing else.
POINTER_SIZED = {"OriginalBase"}
# The second half of a union with HashLinks (Windows 7).
INSIDE = {"CheckSum"}


def show(where, name):
    done = subprocess.run([vadose, "profile", "show", "-s", profiles, where,
                           name], capture_output=True, text=True)
    return [(match[2], int(match[1], 16), match[3]) for match in
            re.finditer(r"^ +\+0x([0-9a-f]+) (\S+) +: (.*)$", done.stdout,
                        re.M)]


def narrow(name, kind):
    if name in POINTER_SIZED or kind.startswith("Ptr64"):
        return 4, 4
    if kind in NARROW:
        return NARROW[kind]
    number = re.match(r"(?:Uint|Int|UChar|Char|Wchar)(\d)B", kind)
    size = int(number[1]) if number else 1 if kind.endswith("Char") else 4
    return size, size


def narrowed(members):
    """Offsets of 32-bit code; members of one offset are a union."""
    at, result = 0, {}
    members = [m for m in members if m[0] not in INSIDE]
    for offset in sorted({m[1] for m in members}):
        here = [m for m in members if m[1] == offset and
                not m[2].startswith(("Pos", "["))]
        if not here:
            continue
        sizes = [narrow(name, kind) for name, _, kind in here]
        align = max(a for _, a in sizes)
        at = (at + align - 1) // align * align
        result.update((name, at) for name, _, _ in here)
        at += max(s for s, _ in sizes)
    return result


bad = []
for build in builds:
    era = "7601" if build == "7601" else "9200"
    file = str(common / f"wow64-{era}.yaml")
    for name in ("_PEB32", "_TEB32", "_NT_TIB32"):
        kernel = {m[0]: m[1] for m in show(build, name)}
        ours = show(file, name)
        assert kernel and ours, f"{build}: nothing of {name}"
        bad += [f"{build} {name}.{m[0]}: {m[1]:#x}, not {kernel.get(m[0])}"
                for m in ours if kernel.get(m[0]) != m[1]]
    for name in ("_LDR_DATA_TABLE_ENTRY", "_PEB_LDR_DATA"):
        want = narrowed(show(build, name))
        ours = show(file, name + "32")
        assert want and ours, f"{build}: nothing of {name}"
        bad += [f"{build} {name}32.{m[0]}: {m[1]:#x}, not {want[m[0]]:#x}"
                for m in ours if m[0] in want and want[m[0]] != m[1]]
        known = sum(m[0] in want for m in ours)
        if known < 8:
            bad.append(f"{build} {name}: only {known} members compared")
print("\n".join(bad) or f"{len(builds)} builds agree")
sys.exit(bool(bad))
