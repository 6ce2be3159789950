#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Both directions say the same: each frame that vadpages --all finds behind a page of
a process leads ptov back to that page, and to no other; also in files that grew,
and without a PFN database.

usage: ptov_views.py VADOSE MKSCENE SOURCE
"""
import collections
import json
import pathlib
import subprocess
import sys
import tempfile

vadose, mkscene = (str(pathlib.Path(p).resolve()) for p in sys.argv[1:3])
source = pathlib.Path(sys.argv[3])
SCENES = (("family", "606FF669409B00F7FC8C61A9C16701291"),
          ("family", "339E74133576439CBCDF7E0229DA37731"),
          ("hostile/nonsense/pfn-database",
           "606FF669409B00F7FC8C61A9C16701291"))
PAGE = 4096
BATCH = 250
failures = 0


def rows(image, kind, *words):
    done = subprocess.run(
        [vadose, "-s", source / "profiles", "-f", image, "-q", "-r", "ndjson",
         *words], capture_output=True, check=False)
    if done.returncode not in (0, 3):
        raise SystemExit(f"{words[0]}: exit {done.returncode}: "
                         f"{done.stderr.decode()}")
    records = (json.loads(line) for line in done.stdout.splitlines())
    return [r for r in records if r["kind"] == kind]


def forward(image):
    found = collections.defaultdict(set)
    for row in rows(image, "page", "vadpages", "--all"):
        page = row["page"]
        if "pa" not in page or page["state"] == "out-of-image":
            continue
        for offset in range(0, page["size"], PAGE):
            found[int(page["pa"], 16) + offset].add(
                (row["process"]["pid"], int(page["va"], 16) + offset,
                 page["state"]))
    return found


def backward(image, frames):
    found = collections.defaultdict(set)
    for i in range(0, len(frames), BATCH):
        for row in rows(image, "mapping", "ptov",
                        *(hex(f) for f in frames[i:i + BATCH])):
            mapping = row["mapping"]
            if mapping["space"] == "user":
                found[int(mapping["pa"], 16)].add(
                    (row["process"]["pid"], int(mapping["va"], 16),
                     mapping["state"]))
    return found


def check(scene, kernel, image):
    global failures
    subprocess.run([mkscene, "-p", source / "profiles", "-k", kernel, "-r",
                    image, source / "images" / f"{scene}.scene"], check=True)
    there = forward(image)
    back = backward(image, sorted(there))
    untouched = sum(s == "untouched" for p in there.values() for _, _, s in p)
    if len(there) < 500 or untouched < 50:
        failures += 1
        print(f"FAIL {scene}: only {len(there)} frames, {untouched} untouched")
    for pa in sorted(there):
        if there[pa] != back[pa]:
            failures += 1
            if failures < 20:
                print(f"FAIL {scene} {kernel[:8]}: {pa:#x}: missing "
                      f"{sorted(there[pa] - back[pa])}, too many "
                      f"{sorted(back[pa] - there[pa])}")


with tempfile.TemporaryDirectory() as work:
    for case in SCENES:
        check(*case, pathlib.Path(work) / "scene.raw")
print(f"{len(SCENES)} images, {failures} failures")
sys.exit(1 if failures else 0)
