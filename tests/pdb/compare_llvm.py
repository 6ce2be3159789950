#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every real PDB in the test data: read or refused as its list says, and its
layouts and symbols equal to what llvm-pdbutil states of it (with VDS_BRIEF=1,
of each fourth).

compare_llvm.py PDB2YAML
"""
import bisect
import csv
import os
import re
import shutil
import subprocess
import sys

import llvm_dump
import profile_yaml

SKIP = 77
# What is no MSF 7.00 is refused, and the message says so.
REFUSED = {'PDB 2.00 JG': 'PDB 2.00', 'CAB (MSCF)': 'cabextract',
           'portable (BSJB)': 'portable PDB'}


def refusal(row):
    for fmt, text in REFUSED.items():
        if row['fmt'].startswith(fmt.split(' (')[0]):
            return text
    return None if row['fmt'].startswith('MSF') else 'truncated'


def undecorated(name):
    body, at, digits = name.rpartition('@')
    sized = bool(at) and digits.isdigit() and digits.isascii()
    if name[:1] == '@':
        return body[1:] if sized and len(body) > 1 else name
    if name[:1] == '_' and len(name) > 1:
        return (body if sized and len(body) > 1 else name)[1:]
    return name


def moved(omap, at):
    """Where a rearranged image has what was linked to be at @at, or None."""
    i = bisect.bisect_right(omap, (at, 1 << 32)) - 1
    if i < 0 or omap[i][1] in (0, 0x80000000):
        return None
    return omap[i][1] + at - omap[i][0]


def expected_symbols(text, headers, x86, omap):
    rva = llvm_dump.sections(headers)
    out = {}
    for name, public, section, offset in llvm_dump.symbols(text):
        if not 1 <= section <= len(rva):
            continue
        if x86 and public:
            name = undecorated(name)
        at = rva[section - 1] + offset
        if omap:
            at = moved(omap, at)
        if name and at is not None and at < 1 << 32:
            out[name] = min(at, out.get(name, at))
    return out


def same(got, expected):
    """Equal, except where the dump doesn't state a member's type."""
    if got == expected or got is None or expected is None:
        return got == expected
    if not isinstance(got, tuple) or got[0] == 'enum' or \
            got[:2] != expected[:2] or got[2].keys() != expected[2].keys():
        return False
    return all(got[2][k] == e or
               (e[2] == llvm_dump.ANY and got[2][k][:2] == e[:2])
               for k, e in expected[2].items())


def differences(what, got, expected):
    bad = []
    for name in sorted(got.keys() | expected.keys()):
        g, e = got.get(name), expected.get(name)
        if same(g, e):
            continue
        bad.append('%s %s: %s, llvm-pdbutil: %s' % (what, name, g, e))
    return bad


def compare_ids(tool, pdb2yaml, path):
    """Only llvm-pdbutil tells whether an old PDB has this stream at all."""
    status, text = llvm_dump.run(tool, path, '-ids')
    m = re.search(r'Showing ([\d,]+) records', text)
    if status or not m:
        return [], []
    want = m.group(1).replace(',', '')
    got = subprocess.run([pdb2yaml, '--ids', path], capture_output=True,
                         text=True).stdout.strip()
    return ([] if got == want else ['ids: %s, llvm-pdbutil: %s' % (got, want)],
            [want + ' ids'])


def compare(tool, path, profile):
    """(differences, compared what) of one PDB."""
    bad, done = [], []
    x86 = profile['head'].get('arch') == 'x86'
    status, text = llvm_dump.run(tool, path, '-types')
    if status == 0 and 'Showing' in text:
        types = llvm_dump.Types(llvm_dump.parse_types(text), 4 if x86 else 8)
        expected = types.profile()
        got = {k: v for k, v in profile['types'].items() if v[0] != 'base'}
        bad += differences('type', got, expected)
        done.append('%d types' % len(expected))
    status, headers = llvm_dump.run(tool, path, '-section-headers')
    status2, text = llvm_dump.run(tool, path, '-globals', '-publics')
    if status == 0 and status2 == 0:
        expected = expected_symbols(text, headers, x86,
                                    llvm_dump.omap(tool, path))
        bad += differences('symbol', profile['symbols'], expected)
        done.append('%d symbols' % len(expected))
    return bad, done


def main():
    root = os.path.join(os.environ.get('VDS_SHARED_DATA', ''), 'pdb')
    tool = shutil.which('llvm-pdbutil-14') or shutil.which('llvm-pdbutil')
    if not os.path.isfile(os.path.join(root, 'manifest.csv')):
        print('skipped: no PDBs in', root)
        return SKIP
    if not tool:
        print('skipped: no llvm-pdbutil (package llvm-14)')
        return SKIP
    with open(os.path.join(root, 'manifest.csv'), newline='') as f:
        rows = list(csv.DictReader(f))
    paths = {os.path.join(root, r['file']): r for r in rows}
    clones = os.path.join(root, 'kernel-clones')
    for name in sorted(os.listdir(clones)):
        paths[os.path.join(clones, name)] = None
    out = subprocess.run([sys.argv[1], *paths], capture_output=True,
                         check=True).stdout.decode()
    failures = 0
    step = 4 if 'VDS_BRIEF' in os.environ else 1
    for turn, (path, text, error) in enumerate(profile_yaml.documents(out)):
        row = paths.pop(path)
        want = row and refusal(row)
        if want or error:
            ok = want and error and want in error
            print('ok' if ok else 'FAIL', path, error)
            failures += not ok
            continue
        profile = profile_yaml.load(text)
        head = profile['head']
        bad, done = [], []
        if turn % step == 0:
            bad, done = compare(tool, path, profile)
            for a, b in zip((bad, done), compare_ids(tool, sys.argv[1], path)):
                a.extend(b)
        guid = row['guid'] if row else os.path.basename(path).split('-')[1]
        age = row and (row['age_dbi'] or row['age_info']) or '1'
        if (head.get('guid'), head.get('age')) != (guid, age):
            bad.append('identity: %s, wanted %s %s' % (head, guid, age))
        print('FAIL' if bad else 'ok', path, ', '.join(done))
        for line in bad[:10]:
            print('    ', line)
        failures += bool(bad)
    if paths:
        print('FAIL: nothing was said of', *paths)
    return 1 if failures or paths else 0


if __name__ == '__main__':
    sys.exit(main())
