#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Leaves a kernel out of the profile pack and compares what vadose then says,
by another layout of the same build, with what it says by the exact one.

usage: build_match.py VADOSE PACK_DIR SHARED_DATA WORK_DIR

Exit status 77: there is no such data here.
"""
import csv
import json
import os
import shutil
import subprocess
import sys

# Nothing is to be expected for 7601.24540: the pack has no other layout of it
# that knows the L1TF mitigation, and must say so (exit status 69).
IMAGES = {"basic-9600": 0, "nopsb-17763": 0, "injection-19041": 0,
          "basic-22000": 0, "basic-7601": 69}
# What lists a process is known by fewer symbols.
IGNORED = {"process.sources", "not_in_profile"}


def run(vadose, image, profiles, *args):
    env = dict(os.environ, VADOSE_PROFILE_PATH="")
    return subprocess.run([vadose, "-q", "-f", image, "-s", profiles, *args],
                          capture_output=True, text=True, env=env)


def rows(vadose, image, profiles, plugin):
    """Rows of text."""
    got = run(vadose, image, profiles, "-r", "csv", plugin)
    return got.returncode, [
        {k: v for k, v in row.items() if k not in IGNORED}
        for row in csv.DictReader(got.stdout.splitlines())]


def pack_without(pack, guid, to):
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(pack, to)
    with open(os.path.join(pack, "index")) as f:
        lines = [line for line in f if guid not in line]
    with open(os.path.join(to, "index"), "w") as f:
        f.writelines(lines)


def unpack(shared, work, name):
    image = os.path.join(work, name + ".raw")
    if not os.path.exists(image):
        os.makedirs(work, exist_ok=True)
        subprocess.run(["tar", "-C", work, "-xf", os.path.join(
            shared, "images", name + ".tar.zst")], check=True)
    with open(os.path.join(work, name + ".manifest.json")) as f:
        return image, json.load(f)["isf"]["guid"]


def check_refusals(vadose, image, less, name):
    got = run(vadose, image, less, "--profile-match", "exact", "pslist")
    if got.returncode != 69:
        print(f"{name}: --profile-match=exact: exit {got.returncode}")
        return False
    return True


def compare(vadose, image, pack, less, name):
    ok = True
    for plugin in "pslist", "vadinfo", "sharedmem", "modules":
        code, want = rows(vadose, image, pack, plugin)
        near_code, got = rows(vadose, image, less, plugin)
        same = want and code == near_code and want == got
        print(f"{name} {plugin}: {len(want)} rows, exit {code} and "
              f"{near_code}: {'same' if same else 'DIFFERENT'}")
        if not same:
            for a, b in zip(want, got):
                if a != b:
                    print({k: (a[k], b[k]) for k in a if a[k] != b[k]})
                    break
        ok &= bool(same)
    info = run(vadose, image, less, "-r", "json", "info").stdout
    if '"match":"build"' not in info.replace(" ", ""):
        print(f"{name}: info doesn't say profile.match: build")
        ok = False
    return ok


def main():
    vadose, pack, shared, work = sys.argv[1:]
    if not os.path.isdir(os.path.join(shared, "images")) or \
            not shutil.which("zstd"):
        print("skipped: no shared images, or no zstd")
        return 77
    ok = True
    for name, code in IMAGES.items():
        image, guid = unpack(shared, work, name)
        less = os.path.join(work, "pack")
        pack_without(pack, guid, less)
        if code:
            got = run(vadose, image, less, "pslist").returncode
            print(f"{name}: exit {got}, expected {code}")
            ok &= got == code
        else:
            ok &= compare(vadose, image, pack, less, name)
        ok &= check_refusals(vadose, image, less, name)
        os.unlink(image)
    return 0 if ok else 1


sys.exit(main())
