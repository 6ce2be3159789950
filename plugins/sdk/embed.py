#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the files of the plugin template as C strings: embed.py OUT.c FILE..."""
import pathlib
import sys

target, files = sys.argv[1], sys.argv[2:]
with open(target, "w", encoding="ascii") as out:
    out.write('#include "cli/template.h"\n'
              "const struct vds_template vds_templates[] = {\n")
    for name in files:
        path = pathlib.Path(name)
        out.write(f'\t{{"{path.name}",\n')
        for line in path.read_text().splitlines(keepends=True):
            line = (line.replace("\\", "\\\\").replace('"', '\\"')
                    .replace("\t", "\\t").replace("\n", "\\n"))
            out.write(f'\t "{line}"\n')
        out.write("\t},\n")
    out.write("};\nconst size_t vds_num_templates =\n"
              "\tsizeof(vds_templates) / sizeof(vds_templates[0]);\n")
