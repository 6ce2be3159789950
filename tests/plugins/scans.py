#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Scans of physical memory find what a look at every byte of the file finds, the
first ones where there are too many, and the same with any number of threads; a file of 64 GB
takes no more memory than a small one.

usage: scans.py VADOSE MKSCENE SOURCE
"""
import fnmatch
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

vadose, mkscene = (str(pathlib.Path(p).resolve()) for p in sys.argv[1:3])
source = pathlib.Path(sys.argv[3])
KERNEL = "35A038B1F6E2E8CAF642111E6EC66F571"
PAGE = 4096
failures = 0


def expect(condition, what):
    global failures
    if not condition:
        failures += 1
        print("FAIL", what)


def plant(path):
    """Pages at the end of memory: noise with words at awkward places."""
    noise = random.Random(4)
    with open(path, "r+b") as f:
        f.seek(0, 2)
        start = f.tell() - 64 * PAGE
        f.seek(start)
        expect(not f.read().strip(b"\0"), "the scene's last pages are in use")
        pages = bytearray(noise.randbytes(64 * PAGE))
        for at, text in (
                (0, b"Zebra"), (PAGE - 5, b"Zebra"), (2 * PAGE - 2, b"Zebra"),
                (5 * PAGE + 7, b"ZebraZebraZebra"),
                (6 * PAGE, "Zebra".encode("utf-16-le")),
                (7 * PAGE - 10, "Zebra".encode("utf-16-le")),
                (8 * PAGE - 6, "Zebra".encode("utf-16-le")),
                (9 * PAGE + 100, b"aaaaaaaaaa"), (20 * PAGE - 3, b"aaaaaa"),
                (10 * PAGE + 1, b"\xff" * 40), (30 * PAGE, b"Z"),
                (11 * PAGE, b"\0" * PAGE)):
            pages[at:at + len(text)] = text
        f.seek(start)
        f.write(pages)


def every(data, needles):
    """(address, kind) of each place."""
    found = []
    for kind, needle in needles:
        at = data.find(needle)
        while at >= 0:
            found.append((at, kind))
            at = data.find(needle, at + 1)
    order = ["address", "text", "utf-16", "bytes"]
    return sorted(found, key=lambda f: (f[0], order.index(f[1])))


def rows(image, *args, threads="2", status=(0,)):
    done = subprocess.run(
        [vadose, "-q", "-s", str(source / "profiles"), "-f", str(image), "-r",
         "ndjson", "-j", threads, *args], capture_output=True, timeout=120)
    expect(done.returncode in status, f"{args}: {done.returncode} "
           f"{done.stderr.decode()}")
    return done.stdout


def records(text, kind):
    found = [json.loads(line) for line in text.splitlines()]
    return [r for r in found if r["kind"] == kind]


def check_whoshares(image, data):
    for what, needles in (
            ("Zebra", [("text", b"Zebra"),
                       ("utf-16", "Zebra".encode("utf-16-le"))]),
            ("text:Z", [("text", b"Z"), ("utf-16", b"Z\0")]),
            ("text:aaaa", [("text", b"aaaa"), ("utf-16", b"a\0" * 4)]),
            ("hex:5a65627261", [("bytes", b"Zebra")]),
            ("hex:ffffffffffffff", [("bytes", b"\xff" * 7)]),
            ("hex:00ff00ff00ff00ff00", [("bytes", b"\0\xff" * 4 + b"\0")]),
            ("nowhere at all", [("text", b"nowhere at all")])):
        want = every(data, needles)
        out = rows(image, "whoshares", what, "--max-hits", "1000000")
        hits = [(int(r["hit"]["physical"], 16), r["hit"]["match"])
                for r in records(out, "shared_memory")]
        expect(sorted(set(hits)) == sorted(set(want)),
               f"{what}: {hits[:9]} instead of {want[:9]}")
        for threads in ("1", "3"):
            expect(out.replace(b'"threads":2', b'"threads":' + threads.encode())
                   == rows(image, "whoshares", what, "--max-hits", "1000000",
                           threads=threads), f"{what}: -j{threads}")
    expect(len(every(data, [("text", b"Zebra")])) >= 5, "nothing was planted")
    # By the rarest byte, and with none that is rare.
    for what, needle in (("hex:ffff", b"\xff\xff"), ("hex:41", b"A")):
        first = [at for at, _ in every(data, [("bytes", needle)])[:20]]
        out = rows(image, "whoshares", what, "--max-hits", "20", status=(3,))
        hits = {int(r["hit"]["physical"], 16)
                for r in records(out, "shared_memory")}
        expect(sorted(hits) == first, f"{what}: not the first 20")
        expect(b'"hits_cut"' in out, f"{what}: cut in silence")


def check_poolscan(image):
    # Partial: scenes have no table of big allocations.
    def hits(*args):
        return records(rows(image, "poolscan", *args, status=(0, 3)),
                       "pool_hit")

    everything = hits("--all", "--tag", "*")
    expect(len({r["pool"]["tag"] for r in everything}) > 5, "few tags")
    for globs in (["MmSt"], ["mmca", "Proc"], ["*St"], ["?ad*"], ["vad*"],
                  ["Vad "], ["M*"], ["F?l*"], ["Mm"], ["nosuch"]):
        args = [a for g in globs for a in ("--tag", g)]
        got = hits("--all", *args)
        want = [r for r in everything if any(
            fnmatch.fnmatchcase(r["pool"]["tag"].lower(), g.lower())
            for g in globs)]
        expect(got == want, f"--tag {globs}: {len(got)} rows instead of "
               f"{len(want)}")
    plain = hits("--all")
    want = [r for r in everything if r["pool"]["content"] != "other"]
    expect(plain == want, f"without --tag {len(plain)} rows instead of "
           f"{len(want)}")


def peak(image, *args):
    """Rows of one run, and its peak memory in KiB."""
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            [vadose, "-q", "-s", str(source / "profiles"), "-f", str(image),
             "-r", "ndjson", "-j2", *args], stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        expect(process.returncode in (0, 3), f"{args}: {process.returncode}")
        out.seek(0)
        kept = [json.loads(line) for line in out.read().splitlines()]
    rows = [{k: v for k, v in r.items() if k not in ("id", "image")}
            for r in kept if not r["kind"].startswith("run_")]
    return rows, usage.ru_maxrss


def check_big(image):
    """64 GB of which little is there: the same rows in as much memory."""
    jobs = (["pslist"], ["sharedmem"], ["psscan"], ["poolscan"],
            ["whoshares", "Zebra"])
    before = [peak(image, *job) for job in jobs]
    try:
        os.truncate(image, 64 << 30)
    except OSError as e:
        print("no file of 64 GB here:", e)
        return
    for job, (rows, memory) in zip(jobs, before):
        got, more = peak(image, *job)
        expect(got == rows, f"{job}: other rows of 64 GB")
        expect(more < memory + (64 << 10), f"{job}: {more} KiB instead of "
               f"{memory}")


def main():
    with tempfile.TemporaryDirectory() as temp:
        image = pathlib.Path(temp) / "scene.raw"
        subprocess.run([mkscene, "-p", str(source / "profiles"), "-k", KERNEL,
                        "-r", str(image), str(source / "images/family.scene")],
                       check=True)
        plant(image)
        check_whoshares(image, image.read_bytes())
        check_poolscan(image)
        check_big(image)
    print("scans:", "FAILED" if failures else "ok")
    sys.exit(failures != 0)


main()
