#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
A plugin that was built against ABI 1.0 gives the rows of vadinfo; one of a later
minor is refused.

usage: check.py VADOSE MKSCENE SOURCE FOLDER_OF_MODULES
"""
import json
import pathlib
import subprocess
import sys
import tempfile

vadose, mkscene = (str(pathlib.Path(p).resolve()) for p in sys.argv[1:3])
source, folder = pathlib.Path(sys.argv[3]), sys.argv[4]
KERNEL = "35A038B1F6E2E8CAF642111E6EC66F571"


def run(image, *args):
    done = subprocess.run(
        [vadose, "-q", "-p", folder, "-s", source / "profiles", "-f", image,
         "-r", "ndjson", *args], capture_output=True, text=True, timeout=60)
    return done, [json.loads(line) for line in done.stdout.splitlines()]


def facts(records, kind):
    rows = []
    for r in (r for r in records if r["kind"] == kind):
        section = r.get("section", {})
        rows.append((r["process"]["pid"], r["process"].get("name"),
                     r["vad"]["start"], r["vad"]["end"],
                     r["vad"]["protection"], section.get("control_area"),
                     section.get("file")))
    return sorted(rows, key=str)


def main():
    with tempfile.TemporaryDirectory() as temp:
        image = pathlib.Path(temp) / "scene.raw"
        subprocess.run([mkscene, "-p", source / "profiles", "-k", KERNEL, "-r",
                        image, source / "images/family.scene"], check=True)
        done, records = run(image, "probe_1_0")
        assert done.returncode == 0, done.stderr
        old = facts(records, "old_vad")
        want = facts(run(image, "vadinfo")[1], "vad")
        assert len(old) > 50 and old == want, "other rows than vadinfo"
        done, records = run(image, "probe_1_0", "--kind", "mapped",
                            "--min-size", "64K")
        some = facts(records, "old_vad")
        assert 0 < len(some) < len(old), "its options do nothing"
        done, records = run(image, "probe_1_1")
        assert done.returncode == 5 and "built for plugin ABI 1.1" in \
            done.stderr and "update vadose" in done.stderr, done.stderr
    print("abi: ok")


main()
