#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""PDBs that clang and lld-link make of real kernels' layouts and symbols: the
profile of such a PDB equals the profile of the symbol table it came from, in
every type and every symbol. One kernel of each Windows build that there is a
table for; all of them with VDS_TEST_ALL=1, two with VDS_BRIEF=1.

Then the kernel clones of the test data, PDBs that somebody else made of such
tables: members, offsets and bits, and addresses, are those of the table. (What
members point to, and whether a nameless type is a union, is not always.)

compare_isf.py PDB2YAML [FILE.json.xz...]
"""
import csv
import os
import re
import shutil
import subprocess
import sys
import tempfile

import from_profile
import profile_yaml

SKIP = 77
KERNELS = 10        # at least
FIRST_RVA = 0x1000  # of the first section; what lies before is no symbol


def tool(name):
    return shutil.which(name + '-14') or shutil.which(name)


def run(*args):
    subprocess.run(args, check=True, stdout=subprocess.DEVNULL)


def make_pdb(texts, asm, folder):
    objects = []
    for i, text in enumerate(texts):
        source = os.path.join(folder, '%d.c' % i)
        with open(source, 'w') as f:
            f.write(text)
        objects.append(source + '.obj')
        run(tool('clang'), '--target=x86_64-pc-windows-msvc', '-g',
            '-gcodeview', '-w', '-fms-extensions', '-c', source, '-o',
            objects[-1])
    source = os.path.join(folder, 'symbols.s')
    with open(source, 'w') as f:
        f.write(asm)
    objects.append(source + '.obj')
    run(tool('clang'), '--target=x86_64-pc-windows-msvc', '-c', source, '-o',
        objects[-1])
    pdb = os.path.join(folder, 'ntkrnlmp.pdb')
    run(tool('lld-link'), '/dll', '/noentry', '/nodefaultlib', '/debug',
        '/pdb:' + pdb, '/out:' + os.path.join(folder, 'x.dll'), *objects)
    return pdb


def without_pads(types):
    out = {}
    for name, (kind, size, members) in types.items():
        if kind in ('struct', 'union'):
            members = {k: v for k, v in members.items()
                       if not re.match(r'__pad\d+$', k)}
        out[name] = (kind, size, members)
    return out


def with_inner(types, names):
    """The types @names, and the nameless ones in them."""
    return {k: v for k, v in types.items()
            if k.split('.')[0] in names and v[0] != 'base'}


def load(pdb2yaml, path):
    """The profile of a file, or an exception."""
    documents = subprocess.run([pdb2yaml, path], check=True,
                               capture_output=True).stdout.decode()
    _, text, error = next(profile_yaml.documents(documents))
    if error:
        raise SystemExit('%s: %s' % (path, error))
    return profile_yaml.load(text)


def check(pdb2yaml, path, folder):
    expected = load(pdb2yaml, path)
    texts, names = from_profile.write_c(expected['types'])
    asm, symbols = from_profile.write_asm(expected['symbols'],
                                             FIRST_RVA)
    pdb = make_pdb(texts, asm, folder)
    got = load(pdb2yaml, pdb)
    bad = []
    a = with_inner(without_pads(got['types']), names)
    b = with_inner(expected['types'], names)
    for n in sorted(a.keys() | b.keys()):
        if a.get(n) != b.get(n):
            bad.append('type %s: %s, table: %s' % (n, a.get(n), b.get(n)))
    for n, rva in symbols.items():
        if got['symbols'].get(n) != rva:
            bad.append('symbol %s: %s, table: %s' % (
                n, got['symbols'].get(n), rva))
    named = [n for n, t in expected['types'].items()
             if '.' not in n and t[0] != 'base']
    if len(names) < 0.98 * len(named):
        bad.append('only %d of %d types could be written as C' % (
            len(names), len(named)))
    return bad, '%d types, %d symbols' % (len(names), len(symbols))


def places(members):
    return {k: v[:2] for k, v in members.items()}


def check_clone(pdb2yaml, pdb, table):
    got, expected = load(pdb2yaml, pdb), load(pdb2yaml, table)
    bad, fields = [], 0
    for name, (kind, size, members) in without_pads(got['types']).items():
        e = expected['types'].get(name)
        if kind == 'base':
            continue
        if not e or (kind == 'enum' and e[2] != members) or \
                (kind != 'enum' and (e[1] != size or
                                     places(e[2]) != places(members))):
            bad.append('type %s: %s, table: %s' % (name, members, e))
        fields += len(members)
    shared = got['symbols'].keys() & expected['symbols'].keys()
    for n in sorted(shared):
        if got['symbols'][n] != expected['symbols'][n]:
            bad.append('symbol %s: %#x, table: %#x' % (
                n, got['symbols'][n], expected['symbols'][n]))
    if len(shared) < 0.9 * len(expected['symbols']) or fields < 1000:
        bad.append('only %d symbols, %d members' % (len(shared), fields))
    return bad, '%d types, %d members, %d symbols' % (
        len(got['types']), fields, len(shared))


def clones(shared):
    """(clone, table) where there are both."""
    root = os.path.join(shared, 'pdb', 'kernel-clones')
    tables = os.listdir(os.path.join(shared, 'isf'))
    for name in sorted(os.listdir(root)) if os.path.isdir(root) else []:
        guid = name.split('-')[1]
        for t in tables:
            if t.startswith(guid + '-'):
                yield os.path.join(root, name), os.path.join(shared, 'isf', t)


def chosen(root):
    """The tables to try: of each build the first."""
    if not os.path.isfile(os.path.join(root, 'index.csv')):
        return []
    builds, everything = {}, []
    with open(os.path.join(root, 'index.csv'), newline='') as f:
        for row in csv.DictReader(f):
            path = os.path.join(root, row['file'])
            if os.path.isfile(path):
                builds.setdefault(row['os_build'].split('.')[2], path)
                everything.append(path)
    if os.environ.get('VDS_TEST_ALL'):
        return sorted(everything)
    paths = [builds[b] for b in sorted(builds, key=int)]
    return [paths[0], paths[-1]] if 'VDS_BRIEF' in os.environ else paths


def main():
    shared = os.environ.get('VDS_SHARED_DATA', '')
    root = os.path.join(shared, 'isf')
    paths = sys.argv[2:]
    both = []
    if not paths:
        paths = chosen(root)
        both = clones(shared) if paths else []
    if not paths:
        print('skipped: no symbol tables in', root)
        return SKIP
    for name in ('clang', 'lld-link'):
        if not tool(name):
            print('skipped: no', name)
            return SKIP
    failures = 0
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            bad, done = check(sys.argv[1], path, folder)
        print('FAIL' if bad else 'ok', os.path.basename(path), done)
        for line in bad[:10]:
            print('    ', line)
        failures += bool(bad)
    for pdb, table in both:
        bad, done = check_clone(sys.argv[1], pdb, table)
        print('FAIL' if bad else 'ok', os.path.basename(pdb), done)
        for line in bad[:10]:
            print('    ', line)
        failures += bool(bad)
    if not sys.argv[2:] and len(paths) < KERNELS and \
            'VDS_BRIEF' not in os.environ:
        print('FAIL: only %d kernels' % len(paths))
        failures += 1
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
