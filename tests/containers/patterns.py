#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Patterns that AFF4 gives for lost pages reach no page walk and no scan: rows
of a volume in which pages are UnreadableData or UnknownData are those of a LiME
file without these pages.

usage: patterns.py VADOSE MKSCENE
"""
import argparse
import os
import pathlib
import random
import struct
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent /
                       "golden"))
import aff4maker  # noqa: E402
import run as golden  # noqa: E402
from same_rows import KERNEL, PAGE, Memory, runs_of_pages  # noqa: E402

# Walks from lists, walks of page tables, scans of physical memory.
PLUGINS = (["pslist"], ["vadinfo"], ["sharedmem"], ["psscan"], ["poolscan"],
           ["bigpools"], ["memusage"], ["ldrmodules"], ["findings"],
           ["vadpages", "--pid", "4"])


def write_lime(memory, lost, path):
    with open(path, "wb") as out:
        number = 0
        while number < memory.pages:
            first = number
            while number < memory.pages and number not in lost:
                number += 1
            if number > first:
                out.write(struct.pack("<IIQQQ", 0x4c694d45, 1, first * PAGE,
                                      number * PAGE - 1, 0))
                out.write(memory.data[first * PAGE:number * PAGE])
            number += number in lost


def write_aff4(rng, memory, lost, path):
    volume = aff4maker.Volume(rng, "S")
    data, pieces = bytearray(), []
    for first, last, zero in runs_of_pages(memory):
        for number in range(first, last):
            pa = number * PAGE
            if number in lost:
                pieces.append((pa, PAGE, rng.choice(["UnreadableData",
                                                     "UnknownData"]), pa))
            elif zero:
                pieces.append((pa, PAGE, "Zero", 0))
            else:
                pieces.append((pa, PAGE, "data", len(data)))
                data += memory.page(number)
    urns = {"data": volume.urn + "/PhysicalMemory/data"}
    stream = aff4maker.Stream(rng, urns["data"], "S", "zlib", bytes(data))
    stream.describe(volume.turtle, volume.urn)
    volume.put(stream.urn, stream.segments)
    name = volume.urn + "/PhysicalMemory"
    volume.put(name, aff4maker.make_map(rng, "S", pieces, urns))
    aff4maker.describe_map(volume, name, len(memory.data), stream.urn)
    path.write_bytes(volume.zipped())


def rows_of(bench, image, plugin):
    done = bench.run(image, ["-r", "ndjson", *plugin])
    # Notes about the archive are the container's own.
    lines = [l for l in done.stdout.split(b"\n")
             if l and b'"kind":"run_' not in l and b'"aff4_' not in l and
             b'"zip_' not in l]
    text = done.stdout + done.stderr
    leaked = b"UNREADABLEDATA" in text or b"UNKNOWNUNKNOWN" in text
    return done.returncode, lines, leaked


def check_seed(bench, memory, seed):
    rng = random.Random(seed)
    filled = [n for n in range(memory.pages)
              if memory.page(n) != memory.zero]
    lost = set(rng.sample(filled, len(filled) // 20))
    lime = bench.folder / ("%d.lime" % seed)
    aff4 = bench.folder / ("%d.aff4" % seed)
    write_lime(memory, lost, lime)
    write_aff4(rng, memory, lost, aff4)
    bad = rows = 0
    for plugin in PLUGINS:
        want = rows_of(bench, lime, plugin)
        got = rows_of(bench, aff4, plugin)
        rows += len(want[1])
        if got != want or got[2]:
            bad += 1
            print("FAIL seed %d %s: status %d and %d rows, not %d and %d" % (
                seed, plugin[0], got[0], len(got[1]), want[0], len(want[1])))
            for a, b in zip(got[1], want[1]):
                if a != b:
                    print("", a[:500], b[:500], sep="\n  ")
                    break
    print("seed %d: %d pages lost, %d rows" % (seed, len(lost), rows))
    return bad == 0 and rows > 0


def main():
    parser = argparse.ArgumentParser()
    for name in ("vadose", "mkscene"):
        parser.add_argument(name)
    if "serd" in os.environ.get("VDS_LACKS", "").split():
        print("skipped: this build lacks serd")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        bench = golden.Bench(parser.parse_args(), folder)
        memory = Memory(bench.image("family", KERNEL))
        return 0 if all([check_seed(bench, memory, seed)
                         for seed in (1, 2)]) else 1


if __name__ == "__main__":
    sys.exit(main())
