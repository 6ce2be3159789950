#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The PAE kernel of Windows XP SP3, whose old type stream llvm-pdbutil can't
read, against the facts that another reader took from it.

compare_layouts.py PDB2YAML
"""
import csv
import os
import subprocess
import sys

import profile_yaml

SKIP = 77
PDB = 'pdb/kernel-xpsp3-x86pae/ntkrnlpa.pdb'


def find(types, name, path):
    """(offset, bit) of a member by its path in dots, or None."""
    at = 0
    for part in path.split('.'):
        member = types.get(name, (None, 0, {}))[2].get(part)
        if member is None:
            return None
        at += member[0]
        name = member[2]
    return at, member[1]


def main():
    shared = os.environ.get('VDS_SHARED_DATA', '')
    facts = os.path.join(shared, 'layouts', 'layouts.csv')
    pdb = os.path.join(shared, PDB)
    if not os.path.isfile(facts) or not os.path.isfile(pdb):
        print('skipped: no', facts, 'or no', pdb)
        return SKIP
    out = subprocess.run([sys.argv[1], pdb], capture_output=True,
                         check=True).stdout.decode()
    _, text, error = next(profile_yaml.documents(out))
    if error:
        print('FAIL', error)
        return 1
    types = profile_yaml.load(text)['types']
    fields, structs, bad = 0, set(), 0
    with open(facts, newline='') as f:
        for row in csv.DictReader(f):
            if row['arch'] != 'x86pae' or row['source_kinds'] != 'PDB':
                continue
            bit = (int(row['bit_pos']), int(row['bit_len'])) \
                if row['bit_len'] else None
            expected = int(row['offset'], 16), bit
            got = find(types, row['struct'], row['field'])
            size = types.get(row['struct'], (None, None))[1]
            if got != expected or size != int(row['size'], 16):
                print('FAIL', row['struct'], row['field'], got, expected,
                      size, row['size'])
                bad += 1
            fields += 1
            structs.add(row['struct'])
    print('%d fields of %d structures, %d wrong' % (fields, len(structs), bad))
    return 1 if bad or fields < 300 else 0


if __name__ == '__main__':
    sys.exit(main())
