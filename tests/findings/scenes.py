#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each scene of images/findings brings the finding that it says, about the
process that it says, and its harmless twin brings none above info.

  scenes.py VADOSE MKSCENE PROFILES SCENES
"""
import json
import os
import subprocess
import sys
import tempfile

# Kernels of different families; every scene on the first, some on the others.
KERNELS = ["606FF669409B00F7FC8C61A9C16701291",     # 10.0.19041.3570
           "339E74133576439CBCDF7E0229DA37731",     # 6.1.7601.24540
           "0CE4A95C0CD782A7596B034D8648E5851"]     # 10.0.22000.2538
ELSEWHERE = {"injected-section", "unlinked-vad", "patched-code", "ghosted",
             "hidden-process", "herpaderped-benign", "private-pe"}
failures = 0


def fail(text):
    global failures
    failures += 1
    print("FAIL", text)


def findings(vadose, profiles, image, *options):
    run = subprocess.run([vadose, "-q", "-s", profiles, "-f", image, "-r",
                          "ndjson", "findings", *options],
                         stdout=subprocess.PIPE, check=False)
    records = [json.loads(line) for line in run.stdout.splitlines()]
    if run.returncode not in (0, 3) or records[-1]["kind"] != "run_end":
        fail("%s: exit status %d" % (image, run.returncode))
    return [r for r in records if r["kind"] == "finding"]


def ids(vadose, profiles, image):
    """Record ids of what findings may rest on."""
    out = set()
    for plugin in ("sharedmem", "pslist", "vadinfo"):
        run = subprocess.run([vadose, "-q", "-s", profiles, "-f", image, "-r",
                              "ndjson", plugin], stdout=subprocess.PIPE,
                             check=False)
        out |= {json.loads(line)["id"] for line in run.stdout.splitlines()}
    return out


def check(vadose, mkscene, profiles, scene, kernel, folder):
    name = os.path.basename(scene)[:-len(".scene")]
    image = os.path.join(folder, name + ".raw")
    with open(scene, encoding="utf-8") as f:
        wanted = [line.split()[2:] for line in f
                  if line.startswith("expect finding ")]
    subprocess.run([mkscene, "-p", profiles, "-k", kernel, "-r", image, scene],
                   check=True)
    rows = findings(vadose, profiles, image)
    for rule, pid in wanted:
        found = [r for r in rows if r["rule"]["id"] == rule and
                 r.get("process", {}).get("pid") == int(pid)]
        if not found:
            fail("%s: no %s about PID %s" % (name, rule, pid))
    for row in rows:
        total = sum(int(line.split()[0]) for line in row["why"])
        if total != row["score"]:
            fail("%s: %s weighs %d, its reasons %d" %
                 (name, row["rule"]["id"], row["score"], total))
    if not wanted and rows:
        fail("%s: %s" % (name, [(r["rule"]["id"], r["severity"], r["message"])
                                for r in rows]))
    if rows:
        missing = {e for r in rows for e in r.get("evidence", [])} - \
            ids(vadose, profiles, image)
        if missing:
            fail("%s: evidence that no record has: %s" % (name, missing))
    os.unlink(image)


def check_rules(vadose, mkscene, profiles, scenes, folder):
    """A file of rules changes weights, and only what exists."""
    image = os.path.join(folder, "rules.raw")
    subprocess.run([mkscene, "-p", profiles, "-k", KERNELS[0], "-r", image,
                    os.path.join(scenes, "injected-section.scene")],
                   check=True)
    rules = os.path.join(folder, "rules.yaml")

    def with_rules(text):
        with open(rules, "w", encoding="utf-8") as f:
            f.write("vadose-rules: 1\nrules:\n" + text)
        return findings(vadose, profiles, image, "--rules", rules)

    rows = with_rules("  rw-here-rx-there: {score: 90, params: {proven: 7}}\n")
    if [(r["score"], r["severity"]) for r in rows] != [(107, "critical")]:
        fail("rules: weights are not taken: %s" % rows)
    if with_rules("  rw-here-rx-there: {enabled: false}\n"):
        fail("rules: a rule can't be switched off")
    for bad in ("  no-such-rule: {score: 1}\n",
                "  rw-here-rx-there: {weight: 1}\n",
                "  rw-here-rx-there: {params: {nothing: 1}}\n",
                "  rw-here-rx-there: &a {score: 1}\n", "  - 1\n"):
        with open(rules, "w", encoding="utf-8") as f:
            f.write("vadose-rules: 1\nrules:\n" + bad)
        run = subprocess.run([vadose, "-q", "-s", profiles, "-f", image,
                              "findings", "--rules", rules],
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True, check=False)
        if run.returncode == 0 or "rules.yaml:" not in run.stderr:
            fail("rules: accepted %r (%d %s)" % (bad, run.returncode,
                                                 run.stderr))


def check_fail_on(vadose, mkscene, profiles, scenes, folder):
    """A high finding: --fail-on says so up to high, and no further."""
    image = os.path.join(folder, "fail.raw")
    subprocess.run([mkscene, "-p", profiles, "-k", KERNELS[0], "-r", image,
                    os.path.join(scenes, "rwx-shared.scene")], check=True)
    for how, want in (("rows", 2), ("info", 2), ("high", 2), ("critical", 0)):
        status = subprocess.run([vadose, "-q", "-s", profiles, "-f", image,
                                 "--fail-on", how, "findings"],
                                stdout=subprocess.DEVNULL,
                                check=False).returncode
        if status != want:
            fail("--fail-on %s: exit status %d" % (how, status))


def main():
    vadose, mkscene, profiles, scenes = sys.argv[1:]
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        for entry in sorted(os.listdir(scenes)):
            name = entry[:-len(".scene")]
            if name == "base":
                continue
            for kernel in KERNELS[:3 if name in ELSEWHERE else 1]:
                check(vadose, mkscene, profiles,
                      os.path.join(scenes, entry), kernel, folder)
                count += 1
        check_rules(vadose, mkscene, profiles, scenes, folder)
        check_fail_on(vadose, mkscene, profiles, scenes, folder)
    print("%d scenes, %d failures" % (count, failures))
    sys.exit(1 if failures or not count else 0)


if __name__ == "__main__":
    main()
