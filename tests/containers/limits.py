#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hostile, negative and mutated containers: an answer, in little time and memory.

usage: limits.py VADOSE SHARED_DATA [--mutants N] [--first N]

Every file of hostile-aff4 and negative in the shared data (if they are there),
and mutants of containers that property.py's makers make: bits flipped, bytes
set, cut short. Each run ends by itself with a status of the contract; a refusal
is one line that names the file; no sanitizer complains; less than 256 MB and 2
seconds of processor time are used.
"""
import argparse
import os
import pathlib
import random
import subprocess
import sys
import tempfile

import aff4maker
import others

SANITIZED = "VDS_SANITIZED" in os.environ
SECONDS = 60 if SANITIZED else 2
MEMORY_KB = 256 << 10
PATIENCE = 120      # of the clock: on a busy machine, nothing is proven by it

# Of the hostile ones, those that leave something usable.
USABLE = ("00-", "06-", "07-", "10-", "27-", "36-", "37-", "38-")


def run(command, errors):
    with open(errors, "wb") as out:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                   stderr=out)
    watchdog = subprocess.Popen(
        [sys.executable, "-c", "import os, sys, time\n"
         "time.sleep(%d); os.kill(%d, 9)" % (PATIENCE, process.pid)])
    _, status, usage = os.wait4(process.pid, 0)
    watchdog.kill()
    watchdog.wait()
    said = pathlib.Path(errors).read_text("utf-8", "replace")
    return os.waitstatus_to_exitcode(status), usage, said


def judge(vadose, path, verb, allowed, errors):
    """What is wrong with a run, or None."""
    status, usage, said = run([vadose, "--progress", "never", "-f", path] +
                              verb, errors)
    lines = [l for l in said.splitlines() if l.startswith("vadose: ")]
    if status not in allowed:
        return "exit status %d: %s" % (status, said[-300:])
    if "Sanitizer" in said or "runtime error" in said:
        return said[-3000:]
    if status in (4, 66) and (len(lines) != 1 or (str(path) not in lines[0] and
                                                  "no Windows kernel" not in
                                                  lines[0] and
                                                  "small dump" not in
                                                  lines[0])):
        return "not one line that names the file: %r" % said[-500:]
    seconds = usage.ru_utime + usage.ru_stime
    if seconds > SECONDS:
        return "%.1f seconds" % seconds
    if usage.ru_maxrss > MEMORY_KB and not SANITIZED:
        return "%d KiB" % usage.ru_maxrss
    return None


def check_shared(vadose, shared, temp):
    bad = count = 0
    for folder in ("hostile-aff4", "negative"):
        for path in sorted((shared / "containers" / folder).iterdir()):
            usable = path.name.startswith(USABLE) or path.suffix == ".dmp"
            for verb in (["info"], ["hash"], ["hash", "--verify"],
                         ["convert", "--to", "raw", temp / "out"]):
                allowed = (0, 3, 4) if usable else (4,)
                if path.suffix == ".dmp":   # a kernel without a profile
                    allowed += (69,)
                wrong = judge(vadose, path, verb, allowed, temp / "errors")
                (temp / "out").unlink(missing_ok=True)
                count += 1
                if wrong:
                    bad += 1
                    print("FAIL %s %s: %s" % (path.name, verb[0], wrong))
    print("%d runs on hostile and negative files, %d bad" % (count, bad))
    return bad


def mutate(rng, data):
    """Some faults, near structures more often than in content."""
    data = bytearray(data)
    kind = rng.randrange(4)
    if kind == 0 and data:
        del data[rng.randrange(len(data)):]
        return bytes(data)
    for _ in range(rng.choice([1, 1, 2, 8])):
        if not data:
            break
        edge = rng.random() < 0.6
        at = rng.randrange(min(len(data), 600)) if edge else \
            rng.randrange(len(data))
        if edge and rng.random() < 0.5:
            at = len(data) - 1 - at
        if kind == 1:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            data[at] = rng.choice([0, 1, 0x7f, 0x80, 0xff])
        else:
            value = rng.choice([b"\xff" * 8, bytes(8), b"\xff" * 4,
                                b"\0\0\0\0\0\0\0\x80", b"\0\0\0\0\1\0\0\0"])
            data[at:at + len(value)] = value
    return bytes(data)


def damage_parts(rng, volume):
    """Faults of AFF4 segments, which the zip around them checks."""
    name = rng.choice(sorted(volume.members))
    volume.members[name] = mutate(rng, volume.members[name])
    if rng.random() < 0.4:
        for statements in volume.turtle.subjects.values():
            for i, (predicate, objects) in enumerate(statements):
                if objects[0][0] == "int" and rng.random() < 0.5:
                    value = rng.choice([0, 1, 511, 2 ** 31, 2 ** 32 - 1,
                                        2 ** 52, 2 ** 63 - 1, 2 ** 64])
                    statements[i] = predicate, (("int", value),)
    if rng.random() < 0.2:
        del volume.members[rng.choice(sorted(volume.members))]


def make_mutant(rng, folder, seed, lacks):
    if rng.random() < 0.6 and "serd" not in lacks:
        maker = rng.choice([aff4maker.make, aff4maker.make_odd])
        volume, _, what = maker(rng, [c for c in ("zlib", "deflate", "snappy",
                                                  "lz4", "stored")
                                      if c not in lacks])
        inside = rng.random() < 0.6
        if inside:
            damage_parts(rng, volume)
        data = volume.zipped()
        path = folder / ("%d.aff4" % seed)
        path.write_bytes(data if inside else mutate(rng, data))
        return path, what
    name = rng.choice([n for n in others.MAKERS
                       if others.NEEDS.get(n) not in lacks])
    data, more = others.MAKERS[name](rng, others.Ranges(rng))
    path = folder / ("%d%s" % (seed, more.get("suffix", "")))
    path.write_bytes(data if "beside" in more else mutate(rng, data))
    for suffix, beside in more.get("beside", {}).items():
        path.with_suffix(suffix).write_bytes(mutate(rng, beside))
    return path, name


def check_mutants(vadose, args, temp):
    bad, lacks = 0, os.environ.get("VDS_LACKS", "").split()
    for seed in range(args.first, args.first + args.mutants):
        rng = random.Random(seed)
        path, what = make_mutant(rng, temp, seed, lacks)
        # Raw is what nothing else claims: reading it finds no kernel, 4.
        verb = ["-j2", "info"] if rng.random() < 0.7 else ["hash", "--verify"]
        wrong = judge(vadose, path, verb, (0, 3, 4), temp / "errors")
        if wrong:
            bad += 1
            print("FAIL seed %d (%s): %s" % (seed, what, wrong))
        if not args.keep:
            path.unlink()
    print("%d mutants, %d bad" % (args.mutants, bad))
    return bad


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("vadose")
    parser.add_argument("shared", type=pathlib.Path)
    parser.add_argument("--mutants", type=int, default=120)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep", type=pathlib.Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        temp = args.keep or pathlib.Path(folder)
        bad = check_mutants(args.vadose, args, temp)
        if (args.shared / "containers").exists() and \
                "serd" not in os.environ.get("VDS_LACKS", "").split():
            bad += check_shared(args.vadose, args.shared, temp)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
