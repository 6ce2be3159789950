#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails on any #include "room/file.h" that src/layers.txt does not allow."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
allowed = {}
for line in (root / "src/layers.txt").read_text().splitlines():
    line = line.split("#")[0].strip()
    if line:
        room, rest = line.split(":")
        allowed[room.strip()] = set(rest.split()) | {room.strip()}

bad, files = [], 0
include = re.compile(r'^\s*#\s*include\s*[<"]([a-z_]+)/([^">]+)[">]', re.M)
for path in sorted((root / "src").rglob("*.[ch]")):
    room = path.relative_to(root / "src").parts[0]
    if room not in allowed:
        if room != "include" and path.parent != root / "src":
            bad.append(f"{path}: room {room} is not in src/layers.txt")
        continue
    files += 1
    for match in include.finditer(path.read_text()):
        other = match.group(1)
        if other in allowed and other not in allowed[room]:
            bad.append(f"{path}: {room} must not include {match.group(0).strip()}")
# Built-in plugins live on the public ABI alone.
for path in sorted((root / "plugins").rglob("*.[ch]")):
    files += 1
    for match in include.finditer(path.read_text()):
        if match.group(1) in allowed:
            bad.append(f"{path}: a plugin must not include {match.group(0).strip()}")
print("\n".join(bad) if bad else f"{files} files keep to src/layers.txt")
sys.exit(1 if bad or not files else 0)
