#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Opens machines of builds of which only published layouts are known.

usage: published_layouts.py VADOSE ISF2YAML MKSCENE SOURCE_ROOT SHARED_DATA WORK

A kernel of such a build is made up: its published types, and of a real kernel
(22000) the types that nobody published and the symbols. mkscene builds a
machine with it. vadose then gets the machine and the published layouts only,
and must give the rows that it gives with the made-up kernel's own profile.
Exit status 77: there is no such data here.
"""
import lzma
import os
import shutil
import re
import subprocess
import sys

REAL = "0CE4A95C0CD782A7596B034D8648E585-1"
# Published in part, and the rest of them is needed to build a machine.
PARTIAL = {"_TOKEN", "_SECTION"}
BUILDS = "22631", "26100"


def blocks(text):
    """Top-level type -> its lines, with those of its anonymous types."""
    body = re.split(r"\n(?=[a-z]+:)", text[text.index("\ntypes:\n") + 8:])[0]
    out, name = {}, None
    for line in body.split("\n"):
        head = re.match(r"^  ([^ #].*?):\s*$", line)
        if head:
            name = head.group(1)
        if name and line and not line.startswith("  #"):
            out.setdefault(name, []).append(line)
    return out


def make_kernel(published, real, build, partial):
    types = {k: v for k, v in blocks(published).items()
             if k.split(".")[0] not in partial}
    known = {k.split(".")[0] for k in types}
    for name, lines in blocks(real).items():
        if name.split(".")[0] not in known:
            types[name] = lines
    symbols = next(part for part in re.split(r"\n(?=[a-z]+:)", real)
                   if part.startswith("symbols:"))
    lines = ["format: vadose-profile/1", "pdb: ntkrnlmp.pdb",
             "guid: '11112222333344445555666677778888'", "age: 1",
             "arch: x64", f"build: {build}", "confidence: symbols", "types:"]
    for name in sorted(types):
        lines += types[name]
    return "\n".join(lines) + "\n" + symbols.rstrip("\n") + "\n"


def build_machine(mkscene, source, work, published, real, build):
    """Takes types from the real kernel until nothing is missing."""
    partial = set(PARTIAL)
    kernel = os.path.join(work, f"kernel-{build}.yaml")
    image = os.path.join(work, f"machine-{build}.raw")
    for _ in range(16):
        with open(kernel, "w", encoding="utf-8") as f:
            f.write(make_kernel(published, real, build, partial))
        run = subprocess.run(
            [mkscene, "-p", kernel, "-b", build, "-r", image,
             os.path.join(source, "images", "demo.scene")],
            capture_output=True, text=True)
        if not run.returncode:
            return kernel, image
        lacks = re.search(r"has no (_[A-Z0-9_]+)", run.stderr)
        if not lacks or lacks.group(1) in partial:
            break
        partial.add(lacks.group(1))
    sys.exit(f"mkscene: {run.stderr}")


def rows(vadose, image, plugin, *profile):
    run = subprocess.run([vadose, "-q", "-f", image, "-r", "csv", *profile,
                          plugin], capture_output=True, text=True,
                         env=dict(os.environ, VADOSE_PROFILE_PATH=""))
    if run.returncode:
        print(run.stderr)
    return run.returncode, run.stdout


def main():
    vadose, isf2yaml, mkscene, source, shared, work = sys.argv[1:]
    isf = os.path.join(shared, "isf", REAL + ".json.xz")
    if not os.path.exists(isf):
        print(f"skipped: no {isf}")
        return 77
    os.makedirs(work, exist_ok=True)
    full = os.path.join(work, "real.yaml")
    # Unpacked here: a build may lack liblzma.
    plain = os.path.join(work, REAL + ".json")
    with lzma.open(isf) as packed, open(plain, "wb") as out:
        shutil.copyfileobj(packed, out)
    subprocess.run([isf2yaml, plain, full], check=True)
    with open(full, encoding="utf-8") as f:
        real = f.read()
    ok = True
    for build in BUILDS:
        layouts = os.path.join(source, "profiles", "published",
                               f"ntkrnlmp-{build}.yaml")
        with open(layouts, encoding="utf-8") as f:
            published = f.read()
        kernel, image = build_machine(mkscene, source, work, published, real,
                                      build)
        for plugin in "pslist", "vadinfo", "sharedmem":
            want = rows(vadose, image, plugin, "--profile", kernel)
            got = rows(vadose, image, plugin, "-s",
                       os.path.join(source, "profiles"))
            same = want == got and want[0] == 0 and want[1].count("\n") > 10
            print(f"{build} {plugin}: {want[1].count(chr(10))} lines, "
                  f"{'same' if same else 'DIFFERENT'}")
            ok &= same
        os.unlink(image)
    return 0 if ok else 1


sys.exit(main())
