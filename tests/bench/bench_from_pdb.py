#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""from-pdb --all on whole kernels: no slower than `llvm-pdbutil dump -types
-publics` of the same file (best of several runs, in turns), and peak memory
below four times the file.

bench_from_pdb.py VADOSE MEASURE
"""
import os
import shutil
import subprocess
import sys

ROUNDS = 7


def run(measure, *args):
    """(seconds, peak resident KiB) of one run."""
    r = subprocess.run([measure, *args], capture_output=True, text=True)
    if r.returncode:
        sys.exit('%s: exit status %d\n%s' % (args[0], r.returncode, r.stderr))
    seconds, peak = r.stdout.split()
    return float(seconds), int(peak)


def main():
    root = os.path.join(os.environ.get('VDS_SHARED_DATA', ''), 'pdb',
                        'kernel-clones')
    tool = shutil.which('llvm-pdbutil-14') or shutil.which('llvm-pdbutil')
    if not os.path.isdir(root):
        print('skipped: no kernel clones in', root)
        return 77
    if not tool:
        print('skipped: no llvm-pdbutil (package llvm-14)')
        return 77
    vadose, measure = sys.argv[1:3]
    worse = 0
    print('%-12s %9s %9s %9s %9s %6s' % ('kernel', 'KiB', 'from-pdb',
                                         'pdbutil', 'peak KiB', 'x'))
    for name in sorted(os.listdir(root)):
        path = os.path.join(root, name)
        size = os.path.getsize(path)
        ours, theirs, peak = [], [], 0
        for _ in range(ROUNDS):
            seconds, rss = run(measure, vadose, 'profile', 'from-pdb', path,
                               '--all')
            ours.append(seconds)
            peak = max(peak, rss)
            theirs.append(run(measure, tool, 'dump', '-types', '-publics',
                              path)[0])
        slow, big = min(ours) > min(theirs), peak * 1024 >= 4 * size
        worse += slow or big
        print('%-12s %9d %8.3fs %8.3fs %9d %6.2f%s%s' % (
            name.split('-')[0], size // 1024, min(ours), min(theirs), peak,
            peak * 1024 / size, ' SLOWER' if slow else '',
            ' TOO MUCH MEMORY' if big else ''))
    return 1 if worse else 0


if __name__ == '__main__':
    sys.exit(main())
