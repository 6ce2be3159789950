#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares vds_page_at() and vds_process_read() with the images' truth.

Usage: compare.py PAGE_PROBE; images and symbol tables come from
$VDS_SHARED_DATA. Exits 77 (skipped) where they or their tools are missing.
"""
import collections
import json
import lzma
import os
import shutil
import subprocess
import sys
import tempfile

IMAGES = ["basic-7601", "basic-9600", "basic-22000", "nopsb-17763",
          "injection-19041", "seeddoc-18362"]
# proto_states letter -> state of a page that is found through its prototype.
PROTO = {"V": "present", "T": "transition", "P": "pagefile",
         "Z": "demand-zero", "S": "file"}
SOFT = ("demand-zero", "guard", "no-access", "decommitted")


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def plain_table(shared, isf, folder):
    """The symbol table, unpacked: a build may lack liblzma."""
    plain = os.path.join(folder, isf[:-len(".xz")])
    if not os.path.exists(plain):
        with lzma.open(os.path.join(shared, "isf", isf)) as packed, \
                open(plain, "wb") as out:
            shutil.copyfileobj(packed, out)
    return plain


def proto_state(manifest, sections, vad, va):
    if not vad or vad["section"] is None or vad["view_page"] is None:
        return None
    section = sections[vad["section"]]
    page = (va - int(vad["start"], 16)) // 4096 + vad["view_page"]
    states = section.get("proto_states")
    return states[page] if states and page < len(states) else None


def judge(row, letter, got):
    """True if the answer says what the row says."""
    state, via = got["state"], got["via"]
    if (int(got["pte"], 16) != int(row["pte"], 16) or
            int(got["pte_pa"], 16) != int(row["pte_pa"], 16)):
        return False
    kind = row["state"]
    same = row["pa"] is not None and int(got["pa"], 16) == int(row["pa"], 16)
    if kind in ("shared", "cow", "valid-private", "kuser"):
        if kind in ("shared", "cow") and got["private"] != str(int(kind == "cow")):
            return False
        return state == "present" and via == "0" and same
    if kind == "large":
        return state == "present" and same and got["size"] == "200000"
    if kind == "device":
        return state == "out-of-image" and same
    if kind == "transition":
        return state == "transition" and same
    if kind == "pagefile":
        return state == "pagefile"
    if kind == "demand-zero":
        return state in SOFT
    if kind in ("proto", "proto-lookup"):
        # Of a sparse prototype array (the CFG bitmap) one page exists.
        want = PROTO.get(letter, "unreadable-prototype")
        return state == want and via == ("2" if kind == "proto" else "3")
    return False


def compare(name, probe, manifest):
    sections = {s["id"]: s for s in manifest["sections"]}
    queries, checks = [], []
    for process in manifest["processes"]:
        vads = [dict(zip(manifest["vad_columns"], v)) for v in process["vads"]]
        for r in process["pages"]:
            row = dict(zip(manifest["page_columns"], r))
            va = int(row["va"], 16)
            vad = next((v for v in vads if int(v["start"], 16) <= va <=
                        int(v["end"], 16)), None)
            queries.append(f"{process['eprocess']} {row['va']} 0")
            checks.append((process, row,
                           proto_state(manifest, sections, vad, va)))
    for p in manifest["expect"].get("probes", []):
        if not p["hex"]:
            continue
        owner = next((x["eprocess"] for x in manifest["processes"]
                      if x["pid"] == p["pid"]), "0")
        queries.append(f"{owner} {p['va']} {len(p['hex']) // 2}")
        checks.append((None, p, None))
    run = subprocess.run(probe, input="\n".join(queries),
                         capture_output=True, text=True)
    answers = run.stdout.splitlines()
    if run.returncode or len(answers) != len(queries):
        print(f"{name}: {len(answers)} answers to {len(queries)} questions:",
              run.stderr)
        return False
    good, bad = collections.Counter(), 0
    for line, (process, row, letter) in zip(answers, checks):
        got = dict(w.split("=", 1) for w in line.split(" ") if "=" in w)
        if process is None:
            ok, kind = got.get("hex") == row["hex"], "probe"
        else:
            ok, kind = judge(row, letter, got), row["state"]
        if ok:
            good[kind] += 1
        else:
            bad += 1
            print(f"{name}: {process and process['pid']}: {row} (prototype "
                  f"{letter}): got {line}")
    print(f"{name}: {sum(good.values())} pages agree ({dict(good)}), {bad} don't")
    return not bad and good["shared"] > 0


def unpack(archive, to):
    subprocess.run(["tar", "-C", to, "-xf", archive], check=True)


def main():
    probe = sys.argv[1]
    shared = os.environ.get("VDS_SHARED_DATA", "")
    if not os.path.isdir(os.path.join(shared, "images")):
        skip(f"no images in {shared or '$VDS_SHARED_DATA'}")
    if not shutil.which("zstd"):
        skip("zstd is missing")
    ok = True
    for name in IMAGES:
        with tempfile.TemporaryDirectory() as tmp:
            unpack(os.path.join(shared, "images", name + ".tar.zst"), tmp)
            with open(os.path.join(tmp, name + ".manifest.json")) as f:
                manifest = json.load(f)
            isf = "{guid}-{age}.json.xz".format(**manifest["isf"])
            ok &= compare(name, [probe, os.path.join(tmp, name + ".raw"),
                                 plain_table(shared, isf, tmp),
                                 os.path.join(tmp, "profile.yaml")],
                          manifest)
    return 0 if ok else 1


sys.exit(main())
