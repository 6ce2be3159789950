#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""findings on the shared images: what their truth says was planted is found, in
the process where it was, and nothing above info is said of the others.

usage: images.py VADOSE PROFILES SHARED_DATA WORK_DIR IMAGE...

Exit status 77: there are no such images here.
"""
import json
import os
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent /
                       "truth"))
import truth  # noqa: E402

# What the truth calls it -> the rule, and where its process stands.
PLANTED = {
    "rw_rx_section": ("rw-here-rx-there", lambda f: f["executor"]["pid"]),
    "ghosted": ("ghosted-image", lambda f: f["pid"]),
    "hollowed": ("private-executable-pe", lambda f: f["pid"]),
    "hidden": ("hidden-process", lambda f: f["pid"]),
    "patched_cow": ("patched-image-page", lambda f: f["pid"]),
}
failures = 0


def fail(text):
    global failures
    failures += 1
    print("FAIL:", text)


def records(vadose, profiles, image, *args):
    done = subprocess.run(
        [vadose, "-q", "-s", profiles, "-f", image, "-r", "ndjson", *args],
        stdout=subprocess.PIPE, check=False)
    if done.returncode not in (0, 3):
        fail("%s: %s: exit status %d" % (image, args, done.returncode))
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(vadose, profiles, where, name, manifest):
    image = os.path.join(where, name + ".raw")
    rows = [r for r in records(vadose, profiles, image, "findings",
                               "--min-severity", "info")
            if r["kind"] == "finding"]
    loud = {(r["rule"]["id"], r.get("process", {}).get("pid"))
            for r in rows if r["severity"] != "info"}
    wanted = {(rule, pid(manifest["expect"][fact]))
              for fact, (rule, pid) in PLANTED.items()
              if fact in manifest["expect"]}
    for rule, pid in wanted - loud:
        fail("%s: no %s about PID %d" % (name, rule, pid))
    # The planted section is in the hidden process, too.
    planted = {pid for _, pid in wanted}
    for rule, pid in loud - wanted:
        if pid not in planted:
            fail("%s: %s about PID %s" % (name, rule, pid))
    ids = {r["id"] for plugin in ("sharedmem", "pslist", "vadinfo",
                                  "modified", "ldrmodules", "malfind")
           for r in records(vadose, profiles, image, plugin)}
    for row in rows:
        if not row["evidence"] or set(row["evidence"]) - ids:
            fail("%s: %s rests on what no record has" %
                 (name, row["rule"]["id"]))
    return len(wanted)


def main():
    vadose, profiles, shared, work, *names = sys.argv[1:]
    os.makedirs(work, exist_ok=True)
    planted = 0
    for name in names:
        where, manifest = truth.unpack(shared, work, name)
        planted += check(vadose, profiles, where, name, manifest)
    print("%d images, %d planted facts, %d failures" %
          (len(names), planted, failures))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
