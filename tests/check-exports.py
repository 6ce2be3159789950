#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
The library exports exactly what the public headers declare. The headers are
read as the compiler sees them, not as the version script's generator does.
"""
import os
import pathlib
import re
import subprocess
import sys

library, include = sys.argv[1], pathlib.Path(sys.argv[2])
headers = sorted((include / "vadose").glob("*.h"))
source = "".join(f"#include <vadose/{h.name}>\n" for h in headers)
cc = os.environ.get("CC", "cc").split()
text = subprocess.run(cc + ["-E", "-P", "-I", str(include), "-"], input=source,
                      text=True, capture_output=True, check=True).stdout
mark = r'__attribute__\s*\(\(visibility\("default"\)\)\)'
declared = set()
for declaration in re.split(r"[;{}]", text):
    if not re.search(mark, declaration):
        continue
    rest = re.sub(r"__attribute__\s*\(\(.*?\)\)\)?", "", declaration)
    before = rest.split("(")[0].split()
    declared.add(before[-1].lstrip("*"))
table = subprocess.run(["nm", "-D", "--defined-only", library], text=True,
                       capture_output=True, check=True).stdout
exported = {line.split()[-1].split("@")[0] for line in table.splitlines()}
exported.discard("VADOSE_1")
for name in sorted(exported - declared):
    print(f"exported, but in no public header: {name}")
for name in sorted(declared - exported):
    print(f"declared in a public header, but not exported: {name}")
print(f"{len(declared)} declared, {len(exported)} exported")
sys.exit(declared != exported or not declared)
