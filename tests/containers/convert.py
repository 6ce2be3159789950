#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`vadose convert`: what it writes is read by a reader that shares no line with
it, runs that end early leave nothing under the final name, and `hash --verify`
tells a whole volume from a damaged one.

usage: convert.py VADOSE
"""
import argparse
import hashlib
import json
import os
import pathlib
import random
import re
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib

import aff4maker

FAILURES = []


def expect(truth, *what):
    if not truth:
        FAILURES.append(what)
        print("FAIL", *what)


class Bench:
    def __init__(self, vadose, folder):
        self.vadose, self.folder = vadose, folder

    def run(self, image, *args, **how):
        return subprocess.run([self.vadose, "-f", image, *args],
                              capture_output=True, text=True, timeout=120,
                              **how)

    def hashes(self, image):
        done = self.run(image, "-q", "hash")
        return {line.split()[0]: line.split()[1]
                for line in done.stdout.splitlines()}

    def convert(self, image, to, out, **how):
        return self.run(image, "convert", "--to", to, out, **how)


def read_aff4(path):
    """(zero, spec): the stream of a volume as `convert` writes it, and no more
    than that: by the Standard's words, zipfile and regular expressions."""
    z = zipfile.ZipFile(path)
    expect(z.testzip() is None, "CRC of", path)
    turtle = z.read("information.turtle").decode()
    volume = z.read("container.description").decode()
    expect(z.comment.decode() == volume, "comment", z.comment)
    number = lambda name: int(re.search(r'aff4:%s "(\d+)"' % name,
                                        turtle).group(1))
    size = int(re.search(r'<%s/PhysicalMemory> a aff4:Map ;.*?aff4:size '
                         r'"(\d+)"' % volume, turtle, re.S).group(1))
    chunk, chunks = number("chunkSize"), number("chunksInSegment")
    data = bytearray()
    names = sorted(n for n in z.namelist() if
                   re.fullmatch(r"PhysicalMemory/data/\d{8}", n))
    for name in names:
        bevy, index = z.read(name), z.read(name + ".index")
        expect(len(index) // 12 <= chunks, name)
        for offset, length in struct.iter_unpack("<QI", index):
            part = bevy[offset:offset + length]
            data += part if length == chunk else zlib.decompress(part)
    idx = z.read("PhysicalMemory/idx").decode().splitlines()
    zero, spec = bytearray(size), bytearray(size)
    for pa, length, at, line in struct.iter_unpack(
            "<QQQI", z.read("PhysicalMemory/map")):
        urn = idx[line]
        fill = what = bytes(length)
        if urn == volume + "/PhysicalMemory/data":
            fill = what = data[at:at + length]
        elif "SymbolicStream" in urn:
            fill = what = bytes([int(urn[-2:], 16)]) * length
        elif urn.endswith("#UnreadableData"):
            what = aff4maker.pattern(b"UNREADABLEDATA", at, length)
        elif urn.endswith("#UnknownData"):
            what = aff4maker.pattern(b"UNKNOWN", at, length)
        else:
            expect(urn.endswith("#Zero"), urn)
        zero[pa:pa + length], spec[pa:pa + length] = fill, what
    return bytes(zero), bytes(spec)


def read_lime(path):
    data, at, out = path.read_bytes(), 0, bytearray()
    while at < len(data):
        magic, version, first, last, zero = struct.unpack_from("<IIQQQ", data,
                                                               at)
        expect((magic, version, zero) == (0x4c694d45, 1, 0), "LiME", at)
        size = last - first + 1
        out = out.ljust(first, b"\0") + data[at + 32:at + 32 + size]
        at += 32 + size
    return bytes(out)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def check_content(bench):
    """From AFF4 volumes with all kinds of ranges to each target."""
    for seed in range(12):
        volume, memory, what = aff4maker.make(random.Random(seed),
                                              ["zlib", "stored"])
        source = bench.folder / ("%d.aff4" % seed)
        source.write_bytes(volume.zipped())
        zero, spec = bytes(memory.zero), bytes(memory.spec)
        for to in ("raw", "lime", "aff4"):
            out = bench.folder / ("out." + to)
            done = bench.convert(source, to, out)
            expect(done.returncode == 0, seed, what, to, done.stderr)
            if done.returncode:
                continue
            if to == "raw":
                expect(out.read_bytes() == zero, seed, what, to)
            elif to == "lime":
                expect(read_lime(out).ljust(len(zero), b"\0") == zero, seed,
                       what, to)
            else:
                expect(read_aff4(out) == (zero, spec), seed, what, to)
                found = bench.hashes(out)
                expect(found.get("stream-zero") == sha256(zero) and
                       found.get("stream-spec") == sha256(spec), seed, found)
            out.unlink()


def check_info(bench):
    """The container, its ranges with their kinds, and what it says of itself;
    there is no kernel in it, which is status 4."""
    kinds = {"data": "data", "FF": "data", "61": "data", "Zero": "zero",
             "UnknownData": "unreadable", "UnreadableData": "unreadable"}
    names = {"S": "standard", "R": "scudette", "E": "evimetry"}
    for seed in range(20, 32):
        volume, memory, what = aff4maker.make(random.Random(seed),
                                              ["zlib", "stored"])
        source = bench.folder / ("%d.aff4" % seed)
        source.write_bytes(volume.zipped())
        want, pos = [], 0
        for pa, length, target, _ in memory.pieces:
            for start, end, kind in ((pos, pa, "absent"),
                                     (pa, pa + length, kinds[target])):
                if start < end and want and want[-1][2] == kind:
                    want[-1] = (want[-1][0], end, kind)
                elif start < end:
                    want.append((start, end, kind))
            pos = pa + length
        done = bench.run(source, "-q", "-r", "ndjson", "info")
        image = json.loads(done.stdout.splitlines()[1])["image"]
        got = [(int(r[:14], 16), int(r[15:29], 16) + 1, r[30:])
               for r in image["runs"]]
        expect(done.returncode == 4 and got == want, seed, what, got, want)
        expect(image["format"] == "aff4" and
               image["dialect"] == names[what[0]], seed, what, image)
        expect("volume=" + volume.urn in image["metadata"], image)
        with zipfile.ZipFile(source) as z:
            if "version.txt" in z.namelist():
                expect("tool=maker 1" in image["metadata"], image)
        for kind in ("data", "zero", "unreadable", "absent"):
            expect(image["bytes"][kind] == sum(
                e - s for s, e, k in want if k == kind), seed, kind, image)


def check_verify(bench):
    rng = random.Random(1)
    source = bench.folder / "plain.raw"
    source.write_bytes(rng.randbytes(1 << 20) + bytes(1 << 20))
    out = bench.folder / "whole.aff4"
    bench.convert(source, "aff4", out)
    done = bench.run(out, "hash", "--verify")
    lines = [line.split()[:2] for line in done.stdout.splitlines()]
    expect(done.returncode == 0 and lines == [["equal", "hash"],
                                              ["equal", "members"]], done)
    data = bytearray(out.read_bytes())
    data[1 << 19] ^= 1
    damaged = bench.folder / "damaged.aff4"
    damaged.write_bytes(data)
    done = bench.run(damaged, "hash", "--verify")
    lines = [line.split()[:2] for line in done.stdout.splitlines()]
    expect(done.returncode == 3 and lines == [["differs", "hash"],
                                              ["differs", "member"],
                                              ["differs", "members"]], done)
    done = bench.run(source, "hash", "--verify")
    expect(done.returncode == 0 and "nothing to verify" in done.stderr, done)


def leavings(folder, name):
    return [p.name for p in folder.iterdir() if p.name.startswith(name)]


def check_interrupted(bench):
    """A signal in the midst of it; the temporary file tells when that is."""
    source = bench.folder / "large.raw"
    block = random.Random(2).randbytes(8 << 20)
    with open(source, "wb") as out:
        for _ in range(16):
            out.write(block)
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
        for to in ("aff4", "lime"):
            out = bench.folder / ("cut." + to)
            process = subprocess.Popen(
                [bench.vadose, "-f", source, "convert", "--to", to, out],
                stderr=subprocess.PIPE, text=True)
            while not leavings(bench.folder, out.name) and \
                    process.poll() is None:
                time.sleep(0.001)
            process.send_signal(sig)
            said = process.communicate(timeout=60)[1]
            if process.returncode == 0:
                print("%s: done before %s" % (out.name, sig.name))
                out.unlink()
                continue
            expect(not out.exists(), sig.name, to)
            left = leavings(bench.folder, out.name)
            if sig == signal.SIGKILL:
                for name in left:
                    (bench.folder / name).unlink()
                continue
            expect(not left and "interrupted" in said, sig.name, to, left,
                   said)
    source.unlink()


def check_full(bench):
    """No room: 73, and nothing left. A limit of the file size stands for it."""
    source = bench.folder / "noise.raw"
    source.write_bytes(random.Random(3).randbytes(4 << 20))
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE,
                                       (1 << 20, 1 << 20))
    for to in ("raw", "lime", "aff4"):
        out = bench.folder / ("full." + to)
        done = bench.convert(source, to, out, preexec_fn=limit)
        expect(done.returncode == 73 and str(out) in done.stderr and
               not leavings(bench.folder, out.name), to, done)
        out.write_bytes(b"evidence")
        done = bench.convert(source, to, out)
        expect(done.returncode == 73 and out.read_bytes() == b"evidence", to,
               done)
    done = bench.convert(source, "raw", source)
    expect(done.returncode == 73 and source.stat().st_size == 4 << 20, done)
    done = bench.convert(source, "raw", bench.folder / "nosuch" / "x")
    expect(done.returncode == 73, done)
    done = bench.convert(source, "vhd", bench.folder / "x")
    expect(done.returncode == 64, done)
    done = bench.run(source, "--progress", "always", "convert", "--to", "raw",
                     bench.folder / "shown.raw")
    expect(done.returncode == 0 and "converting: " in done.stderr and
           "%" in done.stderr, done)


def check_sparse(bench):
    """Gaps take no room on disk, in any target."""
    source = bench.folder / "gaps.lime"
    page = b"page" * 1024
    with open(source, "wb") as out:
        for pa in (0, 1 << 30):
            out.write(struct.pack("<IIQQQ", 0x4c694d45, 1, pa, pa + 4095, 0) +
                      page)
    for to in ("raw", "lime", "aff4"):
        out = bench.folder / ("gaps." + to + ".out")
        bench.convert(source, to, out)
        expect(out.stat().st_blocks * 512 < 1 << 20, to, out.stat())
        if to == "raw":
            expect(out.stat().st_size == (1 << 30) + 4096, to)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("vadose")
    args = parser.parse_args()
    if "serd" in os.environ.get("VDS_LACKS", "").split():
        print("skipped: this build lacks serd")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(args.vadose, pathlib.Path(folder))
        for check in (check_content, check_info, check_verify, check_interrupted,
                      check_full, check_sparse):
            check(bench)
    print("%d failures" % len(FAILURES))
    return 1 if FAILURES else 0


if __name__ == "__main__":
    sys.exit(main())
