#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an intruder could write into the structures that memory.py compares:
the program ends soon, in little memory, in whole records.

usage: memory_forged.py VADOSE PROFILES SHARED_DATA WORK IMAGE
"""
import json
import os
import resource
import subprocess
import sys
import tempfile

import truth as base

SECONDS, MEMORY_KB = 10, 256 << 10
ONES = (1 << 64) - 1


class Forger:
    def __init__(self, vadose, profiles, image, folder):
        self.command = [vadose, "-q", "-s", profiles, "-r", "ndjson", "-f"]
        self.image = os.path.join(folder, "forged.raw")
        subprocess.run(["cp", "--sparse=always", image, self.image],
                       check=True)
        self.original = image
        self.pages = {}

    def run(self, image, *args):
        def limit():
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))

        done = subprocess.run(self.command + [image, *args],
                              capture_output=True, timeout=120,
                              preexec_fn=limit)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        if done.returncode not in (0, 3) or rows[-1]["kind"] != "run_end":
            raise SystemExit("FAIL: %s: exit %d: %s" % (
                args, done.returncode, done.stderr.decode()[-500:]))
        return rows[1:-1], done.returncode

    def physical(self, va):
        page = va & ~0xfff
        if page not in self.pages:
            rows, _ = self.run(self.original, "vtop", "0x%x" % page,
                               "--pid", "4")
            self.pages[page] = int(rows[0]["translation"]["pa"], 16)
        return self.pages[page] + va - page

    def offset(self, kind, member):
        rows, _ = self.run(self.original, "dt", kind)
        return next(int(r["field"]["offset"], 16) for r in rows
                    if r["field"]["name"] == member)

    def poke(self, va, value):
        with open(self.image, "r+b") as file:
            file.seek(self.physical(va))
            file.write((value & ONES).to_bytes(8, "little"))

    def restore(self, va):
        pa = self.physical(va)
        with open(self.original, "rb") as file:
            file.seek(pa)
            old = file.read(8)
        with open(self.image, "r+b") as file:
            file.seek(pa)
            file.write(old)

    def expect(self, what, *args, partial=None):
        rows, code = self.run(self.image, *args)
        if partial is not None and (code == 3) != partial:
            raise SystemExit("FAIL: %s: exit %d" % (what, code))
        print("%s: %d rows, exit %d" % (what, len(rows), code))
        return rows


def forge_cache(f, manifest):
    section = next(s for s in manifest["sections"] if s["shared_cache_map"])
    cache = int(section["shared_cache_map"], 16)
    size = cache + f.offset("_SHARED_CACHE_MAP", "SectionSize")
    vacbs = cache + f.offset("_SHARED_CACHE_MAP", "Vacbs")
    for value in (ONES, (1 << 62) + 1, 1 << 26, 1):
        f.poke(size, value)
        f.expect("section of %#x bytes" % value, "filecache",
                 partial=value != 1)
    # An index of the greatest depth, each table of which is the index.
    f.poke(size, 1 << 62)
    for at in range(0, 256, 8):
        f.poke(cache + 0x100 + at, cache + 0x100)
    f.poke(vacbs, cache + 0x100)
    f.expect("an index that leads to itself", "filecache", partial=True)
    for at in range(0, 256, 8):
        f.restore(cache + 0x100 + at)
    f.poke(vacbs, 0xdead)
    f.restore(size)
    f.expect("an index at no address", "filecache", partial=True)
    f.restore(vacbs)


def forge_pfn(f, manifest):
    rows, _ = f.run(f.original, "pfn", *(
        "0x" + frame for frame in
        list(manifest["sections"][0]["frames"].values())[:8]))
    entry = int(rows[0]["pfn"]["entry"], 16)
    before, _ = f.run(f.original, "memusage")
    for value in (ONES, 0x4141414141414141, 0xfffff68000000000):
        for at in range(0, 48 * 40, 8):
            f.poke(entry + at, value)
        f.expect("frames that are %#x" % value, "memusage")
        f.expect("one of them", "pfn", "0x" + list(
            manifest["sections"][0]["frames"].values())[0])
        f.expect("pool by them", "poolscan")
        f.expect("whose they are", "whoshares", "0x%s000" % list(
            manifest["sections"][0]["frames"].values())[0])
    print("%d owners before" % len(before))


def main():
    vadose, profiles, shared, work, name = sys.argv[1:6]
    os.makedirs(work, exist_ok=True)
    where, manifest = base.unpack(shared, work, name)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        f = Forger(vadose, profiles, os.path.join(where, name + ".raw"),
                   folder)
        forge_cache(f, manifest)
        forge_pfn(f, manifest)
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    if used > MEMORY_KB and "VDS_SANITIZED" not in os.environ:
        raise SystemExit("FAIL: %d KB of memory" % used)


if __name__ == "__main__":
    main()
