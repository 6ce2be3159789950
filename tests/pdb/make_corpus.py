#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the seeds of the PDB fuzz targets: a small program, compiled and
linked, its PDB taken apart into streams, and those put into files of small
blocks, sound and damaged. Run by hand; the result is committed.

make_corpus.py TESTS/FUZZ/CORPUS
"""
import os
import re
import struct
import subprocess
import sys
import tempfile

import llvm_dump

SOURCE = '''
typedef unsigned short wchar_t;
struct later; enum color { RED, GREEN = -1, BLUE = 70000 };
struct inner { struct later *next; char name[3][2]; };
struct all {
    struct inner in; struct all *self; enum color color;
    unsigned a : 3, b : 29; const volatile int *p; wchar_t w[4];
    union { long long whole; struct { int low, high; } part; } u;
    int (*call)(struct all *, int); struct { char x; } many[2]; char tail[0];
};
struct all g_all; union u2 { float f; double d; } g_u2; static int s_int;
int main_of(struct all *a) { return a->a + s_int++; }
'''


def msf(streams, block=512):
    """An MSF file; a stream is bytes, or None if there is none."""
    blocks, numbers, sizes = [], [], []
    for s in streams:
        sizes.append(0xffffffff if s is None else len(s))
        for at in range(0, len(s or b''), block):
            numbers.append(3 + len(blocks))
            blocks.append(s[at:at + block].ljust(block, b'\0'))
    directory = struct.pack('<%dI' % (1 + len(sizes) + len(numbers)),
                            len(sizes), *sizes, *numbers)
    first = 3 + len(blocks)
    parts = [directory[i:i + block].ljust(block, b'\0')
             for i in range(0, len(directory), block)]
    blocks += parts
    blocks.append(struct.pack('<%dI' % len(parts), *range(
        first, first + len(parts))).ljust(block, b'\0'))
    head = b'Microsoft C/C++ MSF 7.00\r\n\x1aDS\0\0\0' + struct.pack(
        '<IIIIII', block, 1, 3 + len(blocks), len(directory), 0,
        2 + len(blocks))
    return head.ljust(3 * block, b'\0') + b''.join(blocks)


def build(folder):
    source = os.path.join(folder, 'x.c')
    with open(source, 'w') as f:
        f.write(SOURCE)
    subprocess.run(['clang-14', '--target=x86_64-pc-windows-msvc', '-g',
                    '-gcodeview', '-w', '-c', source, '-o', source + '.obj'],
                   check=True)
    pdb = os.path.join(folder, 'x.pdb')
    subprocess.run(['lld-link-14', '/dll', '/noentry', '/nodefaultlib',
                    '/debug', '/pdb:' + pdb, '/export:main_of',
                    '/out:' + os.path.join(folder, 'x.dll'),
                    source + '.obj'], check=True)
    return pdb


def stream(pdb, number):
    return llvm_dump.stream('llvm-pdbutil-14', pdb, number)


def put(root, target, name, data):
    folder = os.path.join(root, target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), 'wb') as f:
        f.write(data)


def patched(data, at, value):
    return data[:at] + struct.pack('<I', value) + data[at + 4:]


def without_modules(dbi):
    """The header and the debug header alone: paths of objects are noise."""
    sizes = struct.unpack_from('<5i', dbi, 24)
    tail = dbi[64 + sum(sizes) + struct.unpack_from('<i', dbi, 52)[0]:]
    head = bytearray(dbi[:64])
    head[24:44] = bytes(20)
    head[52:56] = bytes(4)
    return bytes(head) + tail


def main():
    root = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        pdb = build(folder)
        info, tpi, dbi = (stream(pdb, i)[:28 if i == 1 else None]
                          for i in (1, 2, 3))
        gs, ps, ss = struct.unpack_from('<H2xH2xH', dbi, 12)
        listing = llvm_dump.run('llvm-pdbutil-14', pdb, '-streams')[1]
        sections = int(re.search(r'Stream +(\d+) .*Section Header Data',
                                 listing).group(1))
        g, p, s, headers = (stream(pdb, i) for i in (gs, ps, ss, sections))
    # Buckets of the hash tables are not read.
    g = g[:16 + struct.unpack_from('<I', g, 8)[0]]
    bytes_p = 16 + struct.unpack_from('<I', p, 28 + 8)[0]
    p = struct.pack('<I', bytes_p) + p[4:28 + bytes_p]
    dbi = without_modules(dbi)
    small = bytearray(dbi)
    struct.pack_into('<H', small, 12, 4)
    struct.pack_into('<H', small, 16, 5)
    struct.pack_into('<H', small, 20, 6)
    struct.pack_into('<H', small, 64 + 10, 7)
    whole = [b'', info, tpi, bytes(small), g, p, s, headers]
    good = msf(whole)
    put(root, 'pdb', 'lld', good)
    put(root, 'pdb', 'deleted-streams', msf([None] * 9))
    put(root, 'pdb', 'no-streams', msf([]))
    put(root, 'pdb', 'truncated', good[:-700])
    block, at_map = struct.unpack_from('<I16xI', good, 32)
    at = struct.unpack_from('<I', good, at_map * block)[0] * block  # directory
    put(root, 'pdb', 'loop', patched(good, at + 4 + 8 * 4 + 8, 4))
    put(root, 'pdb', 'far-block', patched(good, at + 4 + 8 * 4 + 8, 1 << 30))
    put(root, 'pdb', 'huge-stream', patched(good, at + 12, 0xfffffff0))
    for name, text in (('jg', b'Microsoft C/C++ program database 2.00\r\n\x1aJG'),
                       ('cab', b'MSCF\0\0\0\0'), ('portable', b'BSJB\1\0\1\0')):
        put(root, 'pdb', name, text)
    put(root, 'pdb_tpi', 'lld', tpi)
    put(root, 'pdb_tpi', 'old-version', patched(tpi, 0, 19990903))
    # A pointer to itself, an array of itself, a list that goes on in itself.
    loops = struct.pack('<HHII', 10, 0x1002, 0x1000, 0x1000c) + \
        struct.pack('<HHIIHBB', 14, 0x1503, 0x1001, 0x23, 8, 0, 0xf1) + \
        struct.pack('<HHHHI', 10, 0x1203, 0x1404, 0, 0x1002) + \
        struct.pack('<HHHHIIIH4s', 24, 0x1505, 1, 0, 0x1002, 0, 0, 8,
                    b'ab\0\xf1') + \
        struct.pack('<HHIH', 8, 0x1001, 0x1004, 1)
    put(root, 'pdb_tpi', 'loops', struct.pack(
        '<5I', 20040203, 56, 0x1000, 0x1005, len(loops)).ljust(56, b'\0') +
        loops)
    put(root, 'pdb_dbi', 'lld', bytes(small))
    put(root, 'pdb_dbi', 'short', dbi[:40])
    put(root, 'pdb_dbi', 'old', patched(dbi, 0, 0x12345678))
    put(root, 'pdb_dbi', 'big-substream', patched(dbi, 28, 0x7fffffff))
    omap = struct.pack('<6I', 0, 0, 0x1000, 0x5000, 0x1010, 0)
    put(root, 'pdb_symbols', 'lld', struct.pack(
        '<4H', len(p), len(g), 0, len(headers)) + p + g + headers + s)
    put(root, 'pdb_symbols', 'omap', struct.pack(
        '<4H', len(p), len(g), len(omap), len(headers)) + p + g + omap +
        headers + s)
    put(root, 'pdb_symbols', 'far-record', struct.pack(
        '<4H', len(p), 0, 0, 0) + patched(p, 28 + 16, 0x7fffffff) + s)


if __name__ == '__main__':
    main()
