#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times the main job on 300 processes of 400 VADs (images/scale.scene).

  sharedmem.py VADOSE MKSCENE SCENE PROFILES WORK

Fails if AFF4 takes more than twice as long as raw. Prints medians of whole
processes, in CPU seconds (user + system, which other
work on the machine disturbs least) and wall seconds, peak memory, and the cost
per VAD beyond a fixed start-up of 30 ms.
"""
import json
import os
import resource
import statistics
import subprocess
import sys
import time

RUNS = 7
KERNEL = "35A038B1F6E2E8CAF642111E6EC66F571"     # 10.0.18362.30


def run(argv):
    """One run: (cpu seconds, wall seconds, peak memory in KiB)."""
    start = time.monotonic()
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 3):
        sys.exit("%s: exit status %d" % (" ".join(argv), process.returncode))
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss


def median(argv):
    run(argv)
    runs = [run(argv) for _ in range(RUNS)]
    return [statistics.median(r[i] for r in runs) for i in range(3)]


def count_vads(base, work):
    """By way of a file: a child starts with its parent's peak memory."""
    rows = os.path.join(work, "vads.ndjson")
    subprocess.run(base + ["-r", "ndjson", "-o", rows, "vadinfo"], check=False)
    with open(rows, "rb") as f:
        f.seek(-2000, os.SEEK_END)
        return json.loads(f.read().splitlines()[-1])["run"]["rows"]["vad"]


def main():
    vadose, mkscene, scene, profiles, work = sys.argv[1:]
    os.makedirs(work, exist_ok=True)
    image = os.path.join(work, "scale.raw")
    subprocess.run([mkscene, "-p", profiles, "-k", KERNEL, "-r", image, scene],
                   check=True)
    base = [vadose, "-q", "-s", profiles, "-f", image]
    vads = count_vads(base, work)
    # The same image as AFF4, by our own writer (zlib, 32 KiB chunks).
    aff4 = os.path.join(work, "scale.aff4")
    if os.path.exists(aff4):
        os.unlink(aff4)
    subprocess.run(base + ["convert", "--to", "aff4", aff4], check=True)
    packed = base[:-1] + [aff4]
    jobs = {
        "info": ["-j1", "info"],
        "vadinfo": ["-j1", "vadinfo"],
        "sharedmem --verify=none": ["-j1", "sharedmem", "--verify=none"],
        "the same, 2 threads": ["-j2", "sharedmem", "--verify=none"],
        "the same, ndjson": ["-j1", "-r", "ndjson", "sharedmem",
                             "--verify=none"],
        "sharedmem": ["-j1", "sharedmem"],
        "sharedmem --pages": ["-j1", "sharedmem", "--pages"],
        "AFF4: sharedmem --verify=none": ["-j1", "sharedmem", "--verify=none"],
        "AFF4: sharedmem": ["-j1", "sharedmem"],
    }
    print("%d VADs, medians of %d runs" % (vads, RUNS))
    print("us per VAD: CPU time beyond a start-up of 30 ms, over the VADs")
    print("%-30s %9s %9s %8s %12s" % ("", "cpu s", "wall s", "MB", "us per VAD"))
    results = {}
    for name, args in jobs.items():
        command = (packed if name.startswith("AFF4") else base) + args
        cpu, wall, peak = results[name] = median(command)
        print("%-30s %9.3f %9.3f %8.1f %12.3f" %
              (name, cpu, wall, peak / 1024, max(cpu - 0.030, 0) / vads * 1e6))
    failed = False
    for name in ("sharedmem --verify=none", "sharedmem"):
        ratio = results["AFF4: " + name][1] / results[name][1]
        failed |= ratio > 2
        print("%s: AFF4 takes %.2f times as long as raw (at most 2)" %
              (name, ratio))
    sys.exit(failed)


if __name__ == "__main__":
    main()
