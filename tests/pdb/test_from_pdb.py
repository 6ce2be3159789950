#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`vadose profile from-pdb`: where its text goes, what it leaves out, how it
refuses.

test_from_pdb.py VADOSE
"""
import os
import subprocess
import sys
import tempfile
import unittest

import profile_yaml

VADOSE = sys.argv.pop(1)
SHARED = os.path.join(os.environ.get('VDS_SHARED_DATA', ''), 'pdb')
CORPUS = os.path.join(os.environ.get('VDS_SOURCE_ROOT', '.'), 'tests', 'fuzz',
                      'corpus', 'pdb')


class FromPdb(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)

    def run_it(self, *args, status=0):
        r = subprocess.run([VADOSE, 'profile', 'from-pdb', *args],
                           capture_output=True, text=True, timeout=60)
        self.assertEqual(r.returncode, status, r.stderr)
        if status:
            self.assertEqual(r.stdout, '')
            self.assertEqual(r.stderr.count('vadose: '),
                             2 if status == 64 else 1)
        return r

    def out(self):
        return os.path.join(self.dir.name, 'out.yaml')

    def test_writes_all_of_a_small_one(self):
        pdb = os.path.join(CORPUS, 'lld')
        text = self.run_it('--all', pdb, '--pdb', 'small.pdb').stdout
        profile = profile_yaml.load(text)
        self.assertEqual(profile['head']['pdb'], 'small.pdb')
        self.assertEqual(profile['types']['all'][1], 0x48)
        self.assertEqual(profile['types']['all'][2]['b'],
                         (0x1c, (3, 29), 'unsigned int'))
        self.assertEqual(profile['types']['color'][2]['GREEN'], -1)
        self.assertIn('main_of', profile['symbols'])
        self.run_it('--all', pdb, '--pdb=small.pdb', '-o', self.out())
        with open(self.out()) as f:
            self.assertEqual(f.read(), text)
        self.assertEqual(os.listdir(self.dir.name), ['out.yaml'])

    def test_trims_to_what_the_engine_uses(self):
        folder = os.path.join(SHARED, 'kernel-clones')
        if not os.path.isdir(folder):
            self.skipTest('no kernel clones')
        pdb = os.path.join(folder, sorted(os.listdir(folder))[-1])
        full = profile_yaml.load(self.run_it('--all', pdb).stdout)
        few = profile_yaml.load(self.run_it(pdb).stdout)
        self.assertLess(len(few['symbols']), len(full['symbols']) // 20)
        self.assertIn('PsActiveProcessHead', few['symbols'])
        for name in ('_EPROCESS', '_MMVAD_SHORT', '_MMPTE'):
            self.assertEqual(few['types'][name], full['types'][name])
        for name, rva in few['symbols'].items():
            self.assertEqual(full['symbols'][name], rva)

    def test_says_what_is_wrong(self):
        for name, text in (('jg', 'PDB 2.00 (JG)'), ('cab', 'cabextract'),
                           ('cab', 'expand.exe'),
                           ('portable', 'portable PDB'),
                           ('truncated', 'truncated: 5956 bytes'),
                           ('huge-stream', 'runs past its end'),
                           ('far-block', 'block 1073741824 of'),
                           ('no-streams', 'stream 1: there is none')):
            path = os.path.join(CORPUS, name)
            r = self.run_it(path, '-o', self.out(), status=4)
            self.assertIn(text, r.stderr)
            self.assertIn('vadose: ' + path + ': ', r.stderr)
            self.assertEqual(os.listdir(self.dir.name), [])

    def test_refuses_nonsense(self):
        pdb = os.path.join(CORPUS, 'lld')
        self.run_it(status=64)
        self.run_it(pdb, pdb, status=64)
        self.run_it(pdb, '--nonsense', status=64)
        self.run_it(pdb, '--pdb', status=64)
        self.run_it(os.path.join(self.dir.name, 'nothing.pdb'), status=66)
        self.run_it(self.dir.name, status=66)
        self.run_it(pdb, '-o', '/nowhere/x.yaml', status=73)


if __name__ == '__main__':
    unittest.main()
