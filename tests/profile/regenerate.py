#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Packs made again must be the packs that are checked in, byte for byte.

regenerate.py VADOSE. Makes those of which all symbol tables lie loose in the
shared data; with VDS_ALL_TABLES set, all of them, from the big archive (this
takes a minute of processor time and 1.2 GB of disk).
"""
import filecmp
import os
import subprocess
import sys
import tempfile

vadose = sys.argv[1]
root = os.path.join(os.environ['VDS_SOURCE_ROOT'], 'profiles')
shared = os.environ['VDS_SHARED_DATA']
tables = os.path.join(shared, 'isf')
if not os.path.isdir(tables):
    print(f'SKIP: no symbol tables in {tables}')
    sys.exit(77)

with open(os.path.join(root, 'kernels.txt'), encoding='ascii') as f:
    kernels = [line.split() for line in f if line[0] != '#']
builds = {}
for guid, build in kernels:
    parts = build.split('.')
    number = parts[2] if len(parts) > 2 else parts[0]
    builds.setdefault(number, []).append((guid, build))

with tempfile.TemporaryDirectory() as temp:
    if os.environ.get('VDS_ALL_TABLES'):
        subprocess.run(['tar', '-I', 'zstd -d --long=30', '-C', temp, '-xf',
                        os.path.join(tables, 'isf-kernels.tar.zst')],
                       check=True)
        tables = temp
    suffix = '.json' if tables == temp else '.json.xz'
    chosen = {number: entries for number, entries in builds.items()
              if all(os.path.exists(os.path.join(tables, guid + suffix))
                     for guid, _ in entries)}
    # In reverse: the order of the list must not matter.
    listing = os.path.join(temp, 'list')
    with open(listing, 'w', encoding='ascii') as f:
        for number in sorted(chosen, reverse=True):
            for entry in reversed(chosen[number]):
                f.write(' '.join(entry) + '\n')
    out = os.path.join(temp, 'out')
    os.mkdir(out)
    made = subprocess.run([vadose, 'profile', 'pack', listing, tables, '-q',
                           '-o', out], capture_output=True, text=True)
    if made.returncode and 'liblzma' in made.stderr:
        print('SKIP: built without liblzma')
        sys.exit(77)
    if made.returncode:
        sys.exit(made.stderr)
    bad = [number for number in chosen if not filecmp.cmp(
        os.path.join(out, f'ntkrnlmp-{number}.yaml'),
        os.path.join(root, f'ntkrnlmp-{number}.yaml'), shallow=False)]
    with open(os.path.join(root, 'index'), encoding='ascii') as f:
        index = set(f)
    with open(os.path.join(out, 'index'), encoding='ascii') as f:
        bad += sorted(set(f) - index)
print(f'{len(chosen)} packs of {len(builds)} made again', 'bad:' if bad else '',
      *bad)
sys.exit(1 if bad or not chosen else 0)
