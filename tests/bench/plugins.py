#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every plugin beside vadinfo, and scans beside reading the file.

  plugins.py VADOSE MKSCENE DENSE SOURCE WORK [MIB]

First each plugin on 300 processes of 400 VADs with modules and handles: its
processor time over that of vadinfo in the same round. Then the scans on MIB
(2048) of dense memory: processor and wall time over that of reading the file with
pread(2), by as many threads, and wall time over that of one thread (a plain read). Each number is the least of all rounds, since other
work on the machine only adds. WORK is left as it is made; it is used again if it is
there.
"""
import json
import os
import subprocess
import sys
import time

ROUNDS = 7
KERNEL = "35A038B1F6E2E8CAF642111E6EC66F571"     # 10.0.18362.30
THREADS = str(os.cpu_count())
# Bytes to files: what they take is what they write.
WRITERS = {"vaddump", "sectiondump"}
SCANS = [["psscan"], ["poolscan"], ["poolscan", "--tag", "MmSt"],
         ["whoshares", "Kernel32"], ["whoshares", "password"],
         ["whoshares", "hex:90909090cc"], ["ptov", "0x1000000"]]


def measure(argv):
    """(processor seconds, wall seconds) of one run."""
    start = time.monotonic()
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 3):
        sys.exit("%s: exit status %d" % (" ".join(argv), process.returncode))
    return usage.ru_utime + usage.ru_stime, wall


def rounds(jobs):
    """The least times of each job; jobs take turns."""
    best = {}
    for _ in range(ROUNDS):
        for name, argv in jobs.items():
            got = measure(argv)
            old = best.get(name, got)
            best[name] = tuple(map(min, old, got))
    return best


def arguments(base):
    """What plugins need beside their name: things that are there."""
    def first(*args):
        text = subprocess.run(base + ["-r", "ndjson", "--limit", "9", *args],
                              capture_output=True, text=True).stdout
        records = [json.loads(line) for line in text.splitlines()]
        return [r for r in records if r["kind"] not in
                ("run_start", "note", "run_end")][-1]
    eprocess = first("pslist")["process"]["eprocess"]
    page = first("vadpages")["page"]["va"]
    return {
        "dt": ["_EPROCESS", "--address", eprocess],
        "memread": [page], "vtop": [page], "pfn": ["1"], "pool": [eprocess],
        "ptov": ["0x1000000"], "whoshares": ["Kernel32"],
    }


def walks(base, scene):
    names = [line.split()[0] for line in subprocess.run(
        [base[0], "plugins"], capture_output=True, text=True,
        check=True).stdout.splitlines() if "built in" in line]
    base = base + ["-j1", "-f", scene]
    needs = arguments(base)
    jobs = {"vadinfo": base + ["vadinfo"]}
    for name in sorted(set(names) - WRITERS):
        jobs[name] = base + [name, *needs.get(name, [])]
    jobs["pslist --crossview"] = base + ["pslist", "--crossview"]
    best = rounds(jobs)
    print("%-32s %8s %8s  (one thread)" % ("plugin", "cpu s", "/vadinfo"))
    for name, (cpu, _) in sorted(best.items(), key=lambda b: -b[1][0]):
        print("%-32s %8.3f %8.2f" % (name, cpu, cpu / best["vadinfo"][0]))


def scans(base, dense, image):
    jobs = {"reading": [dense, "read", image, THREADS],
            "reading, one thread": [dense, "read", image, "1"]}
    for args in SCANS:
        jobs[" ".join(args)] = base + ["-j" + THREADS, "-f", image, *args]
    best = rounds(jobs)
    size = os.path.getsize(image)
    print("\n%-32s %8s %8s %8s %8s %8s %8s  (%s threads, %d MiB)" % (
        "scan", "cpu s", "/reading", "wall s", "/reading", "/one", "GB/s",
        THREADS, size >> 20))
    cpu_read, wall_read = best["reading"]
    wall_one = best["reading, one thread"][1]
    for name, (cpu, wall) in best.items():
        print("%-32s %8.3f %8.2f %8.3f %8.2f %8.2f %8.2f" % (
            name, cpu, cpu / cpu_read, wall, wall / wall_read,
            wall / wall_one, size / wall / 1e9))


def main():
    vadose, mkscene, dense, source, work = sys.argv[1:6]
    size = int(sys.argv[6] if len(sys.argv) > 6 else 2048) << 20
    profiles = os.path.join(source, "profiles")
    scene, image = (os.path.join(work, name) for name in
                    ("busy.raw", "dense.raw"))
    os.makedirs(work, exist_ok=True)
    if not os.path.exists(scene):
        subprocess.run([mkscene, "-p", profiles, "-k", KERNEL, "-r", scene,
                        os.path.join(source, "tests/bench/busy.scene")],
                       check=True)
    if not os.path.exists(image) or os.path.getsize(image) != size:
        subprocess.run(["cp", "--sparse=always", scene, image], check=True)
        subprocess.run([dense, "fill", image, str(size)], check=True)
    base = [vadose, "-q", "-s", profiles]
    walks(base, scene)
    scans(base, dense, image)


if __name__ == "__main__":
    main()
