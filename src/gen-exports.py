#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the version script: what src/include/vadose/ marks VDS_EXPORT."""
import pathlib
import re
import sys

out, headers = sys.argv[1], sys.argv[2:]
names = set()
for header in headers:
    text = pathlib.Path(header).read_text()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    text = re.sub(r"^[ \t]*#(?:.*\\\n)*.*$", "", text, flags=re.M)
    for match in re.finditer(r"\bVDS_EXPORT\b([^;{]*)[;{]", text):
        name = re.search(r"(\w+)\s*(?:\(|$)", match.group(1).strip())
        names.add(name.group(1))
lines = "".join(f"    {name};\n" for name in sorted(names))
pathlib.Path(out).write_text("VADOSE_1 {\n  global:\n" + lines +
                             "  local:\n    *;\n};\n")
