#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""-r sic, byte for byte, against what the truth of an image makes SiC print."""
import os
import subprocess
import sys

program, isf2yaml, shared, work, truth_folder, *images = sys.argv[1:]
sys.path.insert(0, truth_folder)
import truth  # noqa: E402

os.makedirs(work, exist_ok=True)
failed = False
for name in images:
    where, manifest = truth.unpack(shared, work, name)
    kernel = "%s-%d" % (manifest["isf"]["guid"].upper(),
                        manifest["isf"]["age"])
    profile = truth.make_profile(isf2yaml, shared, work, kernel)
    processes = {p["eprocess"]: p for p in manifest["processes"]}
    expected = []
    regions = manifest["sharedmem"]["by_first_prototype_pte"]
    for key in sorted(regions):
        views = regions[key]
        if len(views) < 2:
            continue
        views = sorted(views, reverse=True, key=lambda v: (
            processes[v["eprocess"]]["create_time"], v["pid"],
            int(v["start"], 16)))
        expected.append("ProtoPTE: %s\n" % key.zfill(16))
        for view in views:
            process = processes[view["eprocess"]]
            expected.append(
                "  Name: %s (PID: %d, EPROCESS: %s) at %s-%s\n" % (
                    process["name"].lower(), view["pid"],
                    view["eprocess"].zfill(16), view["start"].zfill(16),
                    view["end_last_page"].zfill(16)))
    got = subprocess.run(
        [program, "-q", "-f", os.path.join(where, name + ".raw"),
         "--profile", profile, "-r", "sic", "sharedmem"],
        text=True, capture_output=True).stdout
    same = got == "".join(expected) and len(expected) > 50
    print(name, len(expected), "lines:", "ok" if same else "FAIL")
    if not same:
        failed = True
        for line, wanted in zip(got.splitlines(True), expected):
            if line != wanted:
                print(" got     ", line, " expected", wanted, sep="")
                break
sys.exit(failed)
