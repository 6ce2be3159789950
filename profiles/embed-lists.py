#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes types.txt and symbols.txt as C arrays: embed-lists.py TYPES SYMBOLS OUT.c"""
import sys


def names(path):
    with open(path, encoding="ascii") as f:
        lines = (line.split("#")[0].strip() for line in f)
        return sorted({line for line in lines if line})


def array(out, what, items):
    out.write(f"const char *const vds_trim_{what}[] = {{\n")
    for item in items:
        out.write(f'\t"{item}",\n')
    out.write(f"}};\nconst size_t vds_num_trim_{what} = {len(items)};\n")


types, symbols, target = sys.argv[1:]
with open(target, "w", encoding="ascii") as out:
    out.write('#include "profile/trim_lists.h"\n')
    array(out, "types", names(types))
    array(out, "symbols", names(symbols))
