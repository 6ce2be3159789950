#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every form of crash dump, with page frames chosen at random: the memory that
comes out is what went in, and what was not dumped is absent, not zero.

usage: dump_forms.py VADOSE [SEED]

Written by the published layouts (kdmp-parser's structs, Volatility 3's
crash_common.json, Dump.h), and not by the code under test.
"""
import hashlib
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile

PAGE = 4096
FRAMES = 1500
TURNS = 6


def page_of(frame, salt):
    return hashlib.sha256(b"%d %d" % (frame, salt)).digest() * (PAGE // 32)


def runs_of(frames):
    """[first, count] of neighbours."""
    runs = []
    for frame in frames:
        if runs and sum(runs[-1]) == frame:
            runs[-1][1] += 1
        else:
            runs.append([frame, 1])
    return runs


def header(wide, dump_type):
    data = bytearray(b"PAGE" * (0x800 if wide else 0x400))
    data[4:8] = b"DU64" if wide else b"DUMP"
    struct.pack_into("<II", data, 8, 15, 19041)
    struct.pack_into("<I", data, 0x30 if wide else 0x20,
                     0x8664 if wide else 0x14c)
    struct.pack_into("<I", data, 0xf98 if wide else 0xf88, dump_type)
    return data


def full(rng, wide, frames, _):
    """Runs in any order; the pages follow in that order."""
    data = header(wide, 1)
    runs = runs_of(frames)
    while len(runs) > (42 if wide else 86):
        runs.pop(rng.randrange(len(runs)))
    rng.shuffle(runs)
    pages = sum(count for _, count in runs)
    form, at = ("<QQ", 0x88) if wide else ("<II", 0x64)
    struct.pack_into(form, data, at, len(runs), pages)
    for i, run in enumerate(runs):
        struct.pack_into(form, data, at + struct.calcsize(form) * (i + 1),
                         *run)
    return data, [first + k for first, count in runs for k in range(count)]


def bits_of(frames):
    bitmap = bytearray(frames[-1] // 8 + 1)
    for frame in frames:
        bitmap[frame // 8] |= 1 << frame % 8
    return bytes(bitmap)


def bitmap(rng, wide, frames, dump_type):
    data = header(wide, dump_type)
    bits = frames[-1] + 1 + rng.randrange(40)
    map_bytes = bits_of(frames).ljust((bits + 7) // 8, b"\0")
    first = len(data) + 0x38 + len(map_bytes)
    first += -first % PAGE + PAGE * rng.randrange(3)
    data += rng.choice((b"SDMP", b"FDMP")) + b"DUMP" + b"PAGE" * 6
    data += struct.pack("<QQQ", first, len(frames), bits) + map_bytes
    return data.ljust(first, b"\0"), frames


def old_summary(rng, wide, frames, dump_type):
    data = header(wide, dump_type)
    bits = frames[-1] + 1 + rng.randrange(40)
    map_bytes = bits_of(frames).ljust((bits + 7) // 8, b"\0")
    at = len(data) + (0x28 if wide else 0x20)
    first = at + len(map_bytes)
    first += -first % PAGE
    data += struct.pack("<4s4sIIIII", b"SDMP", b"DUMP", 1, first, bits,
                        len(frames), bits)
    data = data.ljust(at, b"\xcc") + map_bytes
    return data.ljust(first, b"\0"), frames


def listed(rng, wide, frames, dump_type):
    """A list of runs, in any order; frame 0 would end it."""
    data = header(wide, dump_type)
    runs = runs_of([frame for frame in frames if frame])
    rng.shuffle(runs)
    order = [first + k for first, count in runs for k in range(count)]
    table = b"".join(struct.pack("<QQ", *run) for run in runs)
    if dump_type == 10:
        head = struct.pack("<IHHQ", len(runs), 0, 0, len(order))
        table += struct.pack("<QQ", 0x9999, 1)  # behind the total
    else:
        head = bytes(16)
        table += bytes(16)
    size = len(head) + len(table) + 16 * rng.randrange(4)
    first = len(data) + 0x20 + size
    data += struct.pack("<I4s4sIQQ", 0x40, b"RDMP", b"DUMP", 0, size, first)
    data += head + table
    return data.ljust(first, b"\0"), order


FORMS = [(full, True, 1), (full, False, 1), (listed, True, 8),
         (listed, True, 9), (listed, True, 10), (old_summary, True, 2),
         (old_summary, False, 2)]
FORMS += [(bitmap, wide, kind) for wide in (True, False)
          for kind in (2, 5, 6, 7)]


def choose(rng):
    frames, at = [], 0
    while at < FRAMES:
        at += rng.choice((1, 2, 7, 60, 200))
        count = rng.choice((1, 1, 3, 64, 65))
        frames += range(at, at + count)
        at += count
    return frames[:rng.choice((1, 40, len(frames)))] or [1]


def expected(frames, salt, lost):
    """SHA-256 of the zero-filled stream, and its absent bytes."""
    there = sorted(frames[:len(frames) - lost] if lost else frames)
    digest, zero, known = hashlib.sha256(), bytes(PAGE), set(there)
    for frame in range(there[-1] + 1):
        digest.update(page_of(frame, salt) if frame in known else zero)
    return digest.hexdigest(), (there[-1] + 1 - len(known)) * PAGE


def ask(vadose, path):
    done = subprocess.run([vadose, "-f", path, "hash"], capture_output=True,
                          text=True)
    line = re.search(r"stream-zero +(\w+) \d+(?: absent=(\d+))?",
                     done.stdout)
    if done.returncode or not line:
        return done.stderr.strip(), None, done.stderr
    return line[1], int(line[2] or 0), done.stderr


def main():
    vadose = sys.argv[1]
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    rng, failures, checks = random.Random(seed), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "memory.dmp"
        for turn in range(TURNS):
            for write, wide, kind in FORMS:
                data, order = write(rng, wide, choose(rng), kind)
                lost = rng.choice((0, 0, 1, 5)) if len(order) > 9 else 0
                kept = order[:len(order) - lost]
                with open(path, "wb") as out:
                    out.write(data)
                    for frame in kept:
                        out.write(page_of(frame, turn))
                want = expected(order, turn, lost)
                *got, notes = ask(vadose, path)
                checks += 1
                if tuple(got) != want or ("too early" in notes) != bool(lost):
                    failures += 1
                    print(f"FAIL seed {seed}, turn {turn}: {write.__name__} "
                          f"{kind} {'64' if wide else '32'}: {got} {notes}, "
                          f"not {want}, {lost} lost")
    print(f"{checks} dumps, {failures} wrong")
    return 1 if failures or not checks else 0


if __name__ == "__main__":
    sys.exit(main())
