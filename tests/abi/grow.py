#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""plugin.h as a later minor might have it: grow.py IN OUT"""
import re
import sys


def grow(text):
    minor = int(re.search(r"#define VDS_ABI_MINOR (\d+)", text)[1])
    text = text.replace(f"VDS_ABI_MINOR {minor}", f"VDS_ABI_MINOR {minor + 1}")
    for name in ("vds_column", "vds_option", "vds_plugin"):
        text, count = re.subn(
            r"(\nstruct %s \{\n.*?)(\n\};)" % name,
            r"\1\n\tconst char *later;\n\tuint64_t much[8];\2", text,
            count=1, flags=re.S)
        assert count, name
    return text


with open(sys.argv[1], encoding="utf-8") as source:
    grown = grow(source.read())
with open(sys.argv[2], "w", encoding="utf-8") as out:
    out.write(grown)
