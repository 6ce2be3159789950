# SPDX-License-Identifier: Apache-2.0
"""What the tests of single plugins share: an image of the shared data, its
truth, and runs of vadose on it with the profiles of profiles/.

usage: check_NAME.py VADOSE PROFILES SHARED_DATA WORK_DIR IMAGE

Exit status 77: there is no such data here.
"""
import json
import os
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent /
                       "truth"))
import truth as truth_module  # noqa: E402

addr = truth_module.addr


def number(value):
    return int(value, 16) if isinstance(value, str) else value


class Test:
    def __init__(self, vadose, profiles, shared, work, name):
        os.makedirs(work, exist_ok=True)
        self.vadose, self.profiles, self.work = vadose, profiles, work
        self.where, self.manifest = truth_module.unpack(shared, work, name)
        self.image = os.path.join(self.where, name + ".raw")
        self.failures = 0
        self.compared = 0
        self.notes = []

    def run(self, *args, codes=(0,)):
        """The rows of one run."""
        done = subprocess.run(
            [self.vadose, "-s", self.profiles, "-f", self.image, "-q",
             "-r", "ndjson", *args], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=300)
        if done.returncode not in codes:
            raise SystemExit("FAIL: %s: exit %d: %s" % (
                " ".join(args), done.returncode,
                done.stderr.decode("utf-8", "replace")[-2000:]))
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        self.notes = [r["note"]["kind"] for r in rows if r["kind"] == "note"]
        return [r for r in rows[1:-1] if r["kind"] != "note"]

    def equal(self, what, got, expected):
        self.compared += 1
        if got != expected:
            self.failures += 1
            if self.failures <= 40:
                print("FAIL: %s: %r instead of %r" % (what, got, expected))


def main(check):
    test = Test(*sys.argv[1:6])
    check(test)
    print("compared %d values, %d differ" % (test.compared, test.failures))
    sys.exit(1 if test.failures or not test.compared else 0)
