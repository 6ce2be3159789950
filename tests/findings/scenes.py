#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each scene of images/findings brings the finding that it says, about the
process that it says, and its harmless twin brings none above info.

  scenes.py VADOSE MKSCENE PROFILES SCENES docs/findings.md [--all]
"""
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

# Kernels of different families: every scene on the first and on one of the
# others (where VDS_BRIEF is set, on that one only); with --all on each of ALL.
KERNELS = ["606FF669409B00F7FC8C61A9C16701291",     # 10.0.19041.3570
           "339E74133576439CBCDF7E0229DA37731",     # 6.1.7601.24540
           "0CE4A95C0CD782A7596B034D8648E5851",     # 10.0.22000.2538
           "published/ntkrnlmp-26100"]              # no symbols
ALL = KERNELS + [
    "3844DBB920174967BE7AA4A2C20430FA2",            # 7601
    "22597D0B40394E23936F6A24C6C52D5B1",            # 6.3.9600.19913
    "3C77A20382CE4024A425C6A53F4B167F1",            # 10240
    "517E128F7B7C4EA79491DE6B9B9CE1901",            # 10.0.14393.4583
    "1E158A6041094205BE17F93E54DD5E511",            # 17134
    "8B11040A5928757B11390AC78F6B69251",            # 10.0.17763.379
    "35A038B1F6E2E8CAF642111E6EC66F571",            # 10.0.18362.30
    "C2EADB24A615E9472CE47C8ADD31F1301",            # 10.0.20348.288
    "published/ntkrnlmp-22621"]                     # no symbols
# What a kernel has no place for: AppContainers and lists of system views in
# Windows 7; a VAD of KUSER_SHARED_DATA before 17134, where scenes have none.
SEVEN = {"cross-container-writable", "unlinked-vad-benign", "same-frame-benign"}
# What is published of 26100 knows no threads, and nothing of clones.
LACKS = {ALL[1]: SEVEN, ALL[4]: SEVEN, ALL[5]: {"same-frame-benign"},
         ALL[6]: {"same-frame-benign"}, ALL[7]: {"same-frame-benign"},
         ALL[3]: {"injected-thread", "private-thread", "lsass-clone",
                  "same-frame-clone-benign"}}
failures = 0
seen = set()        # rules that some scene brings


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


def without_record(vadose, profiles, image, ids):
    """Those of the ids that no record of what findings may rest on has."""
    for plugin in ("vadinfo", "sharedmem", "pslist", "malfind", "ldrmodules",
                   "modified"):
        if not ids:
            break
        run = subprocess.run([vadose, "-q", "-s", profiles, "-f", image, "-r",
                              "ndjson", plugin], stdout=subprocess.PIPE,
                             check=False)
        ids = ids - {json.loads(line)["id"]
                     for line in run.stdout.splitlines()}
    return ids


def expectations(scene):
    """Lines of a scene: expect finding RULE PID, expect info RULE PID TEXT,
    expect reason RULE PID TEXT."""
    out = {"finding": [], "info": [], "reason": []}
    with open(scene, encoding="utf-8") as f:
        for line in f:
            words = shlex.split(line, posix=True) \
                if line.startswith("expect ") else []
            if len(words) >= 4:
                out[words[1]].append((words[2], int(words[3]),
                                      words[4] if len(words) > 4 else ""))
    return out


def check(vadose, mkscene, profiles, scene, kernel, folder):
    name = os.path.basename(scene)[:-len(".scene")]
    where = "%s on %s" % (name, kernel)
    image = os.path.join(folder, name + ".raw")
    expected = expectations(scene)
    source = ["-p", profiles, "-k", kernel]
    if kernel.startswith("published/"):
        # 22000 lends what is not published.
        source = ["-p", os.path.join(profiles, kernel + ".yaml"), "-o",
                  profiles, "-k", KERNELS[2]]
    subprocess.run([mkscene, *source, "-r", image, scene], check=True)
    rows = findings(vadose, profiles, image, "--min-severity", "info")
    loud = [r for r in rows if r["severity"] != "info"]

    def about(some, rule, pid):
        return [r for r in some if r["rule"]["id"] == rule and
                r.get("process", {}).get("pid") == pid]

    for rule, pid, _ in expected["finding"]:
        if not about(loud, rule, pid):
            fail("%s: no %s about PID %d" % (where, rule, pid))
    for rule, pid, text in expected["info"]:
        quiet = [r for r in about(rows, rule, pid) if r["severity"] == "info"]
        if not [r for r in quiet if text in r["message"]]:
            fail("%s: no %s about PID %d for info: %s" %
                 (where, rule, pid, [r["message"] for r in quiet]))
    for rule, pid, text in expected["reason"]:
        if not [r for r in about(loud, rule, pid)
                if [w for w in r["why"] if text in w]]:
            fail("%s: %s about PID %d does not say '%s'" %
                 (where, rule, pid, text))
    for row in rows:
        total = sum(int(line.split()[0]) for line in row["why"])
        if total != row["score"]:
            fail("%s: %s weighs %d, its reasons %d" %
                 (where, row["rule"]["id"], row["score"], total))
        if not row.get("evidence"):
            fail("%s: %s rests on nothing" % (where, row["rule"]["id"]))
    if not expected["finding"] and loud:
        fail("%s: %s" % (where, [(r["rule"]["id"], r["severity"], r["message"])
                                 for r in loud]))
    if rows:
        missing = without_record(vadose, profiles, image, {
            e for r in rows for e in r.get("evidence", [])})
        if missing:
            fail("%s: evidence that no record has: %s" % (where, missing))
    os.unlink(image)
    seen.update(r["rule"]["id"] for r in loud)


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
    if [(r["score"], r["severity"]) for r in rows] != [(117, "critical")]:
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
    subprocess.run([mkscene, "-p", profiles, "-k", KERNELS[0], "-r", image,
                    os.path.join(scenes, "cross-session-writable.scene")],
                   check=True)
    for glob, count in (("*\\nobody.exe", 1), ("*\\no.exe|*\\HELPER.exe", 0)):
        if len(with_rules("  cross-boundary-writable: {except: '%s'}\n" %
                          glob)) != count:
            fail("rules: except %s" % glob)


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


def check_complete(scenes, docs):
    """Each rule has a scene that brings it and one that looks like it, and
    both stand with it in the documentation."""
    with open(os.path.join(scenes, "../../plugins/findings.yaml"),
              encoding="utf-8") as f:
        text = f.read()
    rules = {line.strip()[:-1] for line in text.split("rules:\n")[1].split("\n")
             if line.startswith("  ") and line[2] != " "}
    if seen - rules or rules - seen:
        fail("rules without a scene: %s" % sorted(rules ^ seen))
    with open(docs, encoding="utf-8") as f:
        parts = f.read().split("\n### ")
    described = {part.split("\n")[0]: part for part in parts[1:]}
    if set(described) != rules:
        fail("docs: rules %s" % sorted(set(described) ^ rules))
    stated = dict(re.findall(r"(?m)^  ([a-z-]+):\n(?:    .*\n)*?"
                             r"    params: ({.*})$", text))
    named = set()
    for rule, part in described.items():
        if stated[rule] != "{}" and \
                "Parameters: `%s`." % stated[rule] not in " ".join(part.split()):
            fail("docs: %s has other parameters" % rule)
        names = set(re.findall(r"`([a-z0-9-]+)\.scene`", part))
        named |= names
        brings = {n for n in names if not n.endswith("-benign")}
        if not brings or brings == names:
            fail("docs: %s names the scenes %s" % (rule, sorted(names)))
        for name in brings:
            path = os.path.join(scenes, name + ".scene")
            if not [1 for r, _, _ in expectations(path)["finding"]
                    if r == rule]:
                fail("docs: %s does not bring %s" % (name, rule))
    there = {e[:-len(".scene")] for e in os.listdir(scenes)} - {"base"}
    if named != there:
        fail("docs: scenes %s" % sorted(named ^ there))


def main():
    vadose, mkscene, profiles, scenes, docs = sys.argv[1:6]
    everywhere = "--all" in sys.argv
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        entries = sorted(os.listdir(scenes))
        for i, entry in enumerate(entries):
            name = entry[:-len(".scene")]
            if name == "base":
                continue
            other = KERNELS[1 + i // 2 % 3]
            kernels = ALL if everywhere else [KERNELS[0], other]
            if "VDS_BRIEF" in os.environ and name not in LACKS.get(other, ()):
                kernels = [other]
            for kernel in kernels:
                if name in LACKS.get(kernel, ()):
                    continue
                check(vadose, mkscene, profiles,
                      os.path.join(scenes, entry), kernel, folder)
                count += 1
        check_complete(scenes, docs)
        check_rules(vadose, mkscene, profiles, scenes, folder)
        check_fail_on(vadose, mkscene, profiles, scenes, folder)
    print("%d scenes, %d failures" % (count, failures))
    sys.exit(1 if failures or not count else 0)


if __name__ == "__main__":
    main()
