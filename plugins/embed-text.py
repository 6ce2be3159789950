#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a C array of a text file: embed-text.py FILE NAME HEADER OUT.c"""
import sys

source, name, header, target = sys.argv[1:]
with open(source, "rb") as f:
    data = f.read()
with open(target, "w", encoding="ascii") as out:
    out.write(f'#include "{header}"\n\nconst char {name}[] = {{\n')
    for i in range(0, len(data), 16):
        out.write("\t" + ", ".join(str(b) for b in data[i:i + 16]) + ",\n")
    out.write(f"\t0,\n}};\nconst size_t {name}_len = {len(data)};\n")
