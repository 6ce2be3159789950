#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Machines whose memory was overwritten at random, and every plugin on them.

usage: images.py [--seed N] [--seconds N] [--only SEED] VADOSE MKSCENE [SCENE]

Runs until the time is over, from seed to seed; what a seed does to which machine
is always the same, so --only SEED shows it again. A run fails if it ends by a
signal or an unknown status, takes more than 2 seconds or 256 MB (a sanitized
program: 60 seconds), or prints what isn't whole NDJSON. By hand only: it takes
as long as one likes.
"""
import argparse
import json
import os
import pathlib
import random
import resource
import struct
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
KERNELS = ["339E74133576439CBCDF7E0229DA37731",     # 7601
           "169C65213E3E42DDBEB4E3AC66312B821",     # 9600
           "35A038B1F6E2E8CAF642111E6EC66F571",     # 18362
           "606FF669409B00F7FC8C61A9C16701291",     # 19041
           "0CE4A95C0CD782A7596B034D8648E5851"]     # 22000
SCENE = SOURCE / "images" / "hostile" / "nonsense" / "base.scene"
PAGE = 4096
# Complete, partial, no kernel any more, another kernel than any.
CODES = (0, 3, 4, 69)
VALUES = [0, 1, 0xffffffff, 0x7fffffff, 0xffffffffffffffff, 1 << 63,
          0x4141414141414141, 0xffff800000000000, 0x7ffe0000, 0xfff]
NEEDS = {
    "dt": ["_EPROCESS", "--address", "0xffffc50b90009040", "--depth", "2"],
    "memread": ["0x7ffe0000", "--pid", "1200"],
    "pfn": ["0x1ad", "0x106"],
    "pool": ["0xffffc50b90003690", "0xffffc50b90009040"],
    "ptov": ["0x1ad000"],
    "sectiondump": ["--dump", "dump", "--name", "*Bench"],
    "vaddump": ["--dump", "dump", "--pid", "1200", "--max", "64K"],
    "vtop": ["0x7ffe0000", "--pid", "1200"],
    "whoshares": ["text:scene page: apiset 0"],
}
MORE = {"findings": ["--min-severity", "info"], "pslist": ["--crossview"],
        "poolscan": ["--all"], "sections": ["--all"],
        "vmmap": ["--regions"], "vadpages": ["--all", "--pid", "1200"]}


class Machine:
    """An image, and the places in it that hold anything."""

    def __init__(self, mkscene, scene, kernel, folder):
        self.path = pathlib.Path(folder) / f"{kernel}.raw"
        subprocess.run([mkscene, "-p", SOURCE / "profiles", "-k", kernel,
                        "-r", self.path, scene], check=True)
        self.pages = []
        with open(self.path, "rb") as file:
            for number in range(os.path.getsize(self.path) // PAGE):
                if any(file.read(PAGE)):
                    self.pages.append(number)

    def read(self, at, size):
        with open(self.path, "rb") as file:
            file.seek(at)
            return file.read(size)

    def write(self, at, data):
        with open(self.path, "r+b") as file:
            file.seek(at)
            file.write(data)


def place(rng, machine):
    return rng.choice(machine.pages) * PAGE + rng.randrange(PAGE // 8) * 8


def damage(rng, machine):
    """One change; returns how to undo it."""
    at = place(rng, machine)
    how = rng.randrange(8)
    if how < 2:         # a pointer from elsewhere
        data = machine.read(place(rng, machine), 8)
    elif how < 4:
        data = struct.pack("<Q", rng.choice(VALUES))
    elif how == 4:      # off by a little
        value = struct.unpack("<Q", machine.read(at, 8))[0]
        data = struct.pack("<Q", (value + rng.choice(
            (-16, -8, -1, 1, 8, 16, 4096))) % (1 << 64))
    elif how == 5:      # a bit
        value = struct.unpack("<Q", machine.read(at, 8))[0]
        data = struct.pack("<Q", value ^ 1 << rng.randrange(64))
    elif how == 6:      # a page that is another
        at -= at % PAGE
        data = machine.read(rng.choice(machine.pages) * PAGE, PAGE)
    else:               # a page that is lost
        at -= at % PAGE
        data = bytes(PAGE)
    old = machine.read(at, len(data))
    machine.write(at, data)
    return at, old


def plugins(vadose):
    schema = json.loads(subprocess.run([vadose, "schema"], check=True,
                                       capture_output=True).stdout)
    names = [d.split(".", 1)[1] for d in schema["$defs"]
             if d.startswith("plugin.")]
    return [[n, *NEEDS.get(n, [])] for n in names] + \
        [[n, *words] for n, words in MORE.items()]


class Attack:
    def __init__(self, args, folder):
        self.vadose, self.folder = os.path.abspath(args.vadose), folder
        self.sanitized = b"__asan_init" in open(args.vadose, "rb").read()
        self.seconds = 60 if self.sanitized else 2
        self.runs = self.failures = 0

    def limit(self):
        resource.setrlimit(resource.RLIMIT_CPU,
                           (self.seconds, self.seconds + 1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if not self.sanitized:
            resource.setrlimit(resource.RLIMIT_DATA, (256 << 20, 256 << 20))

    def wrong(self, done):
        """What is wrong with this run, or None."""
        if done.returncode not in CODES:
            return "exit %d: %s" % (done.returncode,
                                    done.stderr[-3000:].decode("utf-8", "replace"))
        try:
            rows = [json.loads(line) for line in done.stdout.splitlines()]
        except ValueError as why:
            return "no JSON: %s" % why
        if not rows:
            return None if done.returncode in (4, 69) else "no record"
        if rows[-1]["kind"] != "run_end":
            return "no run_end"
        if rows[-1]["run"]["exit_code"] != done.returncode:
            return "run_end says %s" % rows[-1]["run"]
        return None

    def ask(self, seed, machine, words):
        dump = os.path.join(self.folder, "dump")
        subprocess.run(["rm", "-rf", dump], check=True)
        done = subprocess.run(
            [self.vadose, "-q", "-s", SOURCE / "profiles", "-f",
             machine.path, "-r", "ndjson", *words], cwd=self.folder,
            capture_output=True, preexec_fn=self.limit)
        self.runs += 1
        wrong = self.wrong(done)
        if wrong:
            self.failures += 1
            print("FAIL seed %d: %s: %s" % (seed, " ".join(words), wrong),
                  flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("vadose")
    parser.add_argument("mkscene")
    parser.add_argument("scene", nargs="?", default=SCENE)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        attack = Attack(args, folder)
        machines = [Machine(args.mkscene, args.scene, kernel, folder)
                    for kernel in KERNELS]
        everything = plugins(args.vadose)
        end, seed = time.time() + args.seconds, args.seed
        seeds = 0
        while time.time() < end:
            if args.only is not None:
                seed, end = args.only, 0
            rng = random.Random(seed)
            machine = rng.choice(machines)
            undo = [damage(rng, machine)
                    for _ in range(rng.choice((1, 2, 4, 8, 16, 64)))]
            for words in everything:
                attack.ask(seed, machine, words)
            for at, old in reversed(undo):
                machine.write(at, old)
            seed += 1
            seeds += 1
    print("%d machines, %d runs, %d failures; the next seed is %d" %
          (seeds, attack.runs, attack.failures, seed))
    return 1 if attack.failures or not attack.runs else 0


if __name__ == "__main__":
    sys.exit(main())
