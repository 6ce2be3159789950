#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Containers with parameters chosen at random decode to what was put in.

usage: property.py VADOSE [--seeds N] [--first N]

Each seed makes one container; `vadose hash` must agree with the truth under both
policies. A failure names the seed: --first SEED --seeds 1 --keep DIR makes it
again.
"""
import argparse
import hashlib
import os
import pathlib
import random
import subprocess
import sys
import tempfile

import aff4maker
import others


def hashes(vadose, path):
    done = subprocess.run([vadose, "-f", path, "hash"], capture_output=True,
                          text=True, timeout=60)
    found = {}
    for line in done.stdout.splitlines():
        words = line.split()
        found[words[0]] = words[1], int(words[2])
    return found, "exit %d: %s" % (done.returncode, done.stderr.strip())


def check(vadose, path, zero, spec):
    """None, or what is wrong."""
    got, said = hashes(vadose, path)
    for name, truth in (("stream-zero", zero), ("stream-spec", spec)):
        want = hashlib.sha256(truth).hexdigest(), len(truth)
        if got.get(name) != want:
            return "%s is %s, not %s; %s" % (name, got.get(name), want, said)
    return None


def one_aff4(vadose, seed, folder, codecs):
    rng = random.Random(seed)
    maker = rng.choice([aff4maker.make, aff4maker.make, aff4maker.make_odd])
    volume, memory, what = maker(rng, codecs)
    path = folder / ("%d.aff4" % seed)
    if rng.random() < 0.15:
        what += " folder"
        volume.foldered(path)
    else:
        path.write_bytes(volume.zipped())
    return what, check(vadose, path, bytes(memory.zero), bytes(memory.spec))


def one_set(vadose, seed, folder, codecs):
    """Any part finds the others; without one of them it names what lacks."""
    rng = random.Random(seed)
    maker = rng.choice([aff4maker.make_split, aff4maker.make_striped])
    volumes, memory, what = maker(rng, codecs)
    folder = folder / str(seed)
    folder.mkdir()
    for name, volume in volumes.items():
        (folder / name).write_bytes(volume.zipped())
    wrong = None
    for name in volumes:
        wrong = wrong or check(vadose, folder / name, bytes(memory.zero),
                               bytes(memory.spec))
    # Without a volume that holds a bevy.
    needed = [n for n, v in volumes.items()
              if any(m.endswith("00000000") for m in v.members)]
    lost = rng.choice(needed)
    (folder / lost).unlink()
    for name in volumes:
        got, said = (name != lost and hashes(vadose, folder / name)) or \
            ({}, "exit 4 volume")
        if "stream-zero" in got or "exit 4" not in said or \
                "volume" not in said:
            wrong = wrong or "%s without %s: %s" % (name, lost, said)
    return what, wrong


def one_other(vadose, seed, folder, lacks):
    rng = random.Random(seed)
    name = rng.choice([n for n in others.MAKERS
                       if others.NEEDS.get(n) not in lacks])
    ranges = others.Ranges(rng)
    data, more = others.MAKERS[name](rng, ranges)
    path = folder / ("%d%s" % (seed, more.get("suffix", "")))
    path.write_bytes(data)
    for suffix, beside in more.get("beside", {}).items():
        path.with_suffix(suffix).write_bytes(beside)
    whole = bytes(ranges.whole)
    return name, check(vadose, path, whole, whole)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("vadose")
    parser.add_argument("--seeds", type=int, default=90)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep")
    args = parser.parse_args()
    lacks = os.environ.get("VDS_LACKS", "").split()
    codecs = [c for c in ("zlib", "deflate", "snappy", "lz4", "stored")
              if c not in lacks]
    bad = 0
    with tempfile.TemporaryDirectory() as temp:
        folder = pathlib.Path(args.keep or temp)
        for seed in range(args.first, args.first + args.seeds):
            if seed % 3 == 2 or "serd" in lacks:
                what, wrong = one_other(args.vadose, seed, folder, lacks)
            elif seed % 6 == 4:
                what, wrong = one_set(args.vadose, seed, folder, codecs)
            else:
                what, wrong = one_aff4(args.vadose, seed, folder, codecs)
            if wrong:
                bad += 1
                print("FAIL seed %d (%s): %s" % (seed, what, wrong))
    print("%d of %d containers decode to the truth" % (args.seeds - bad,
                                                    args.seeds))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
