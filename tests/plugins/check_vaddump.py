#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What vaddump writes: the image's bytes where the truth says that a page is
resident, zeros and a reason elsewhere; no file is ever written over."""
import os
import subprocess
import tempfile

import common
from common import truth_module


def frames(test, process):
    """Address of each listed page -> its physical address, or None."""
    columns = test.manifest["page_columns"]
    sections = truth_module.Sections(test.manifest)
    vads = truth_module.Vads(test.manifest, process)
    for listed in process["pages"]:
        page = dict(zip(columns, listed))
        vad = vads.at(int(page["va"], 16))
        if vad is None or page["state"] in ("device", "large"):
            continue
        state, pa = truth_module.expected_page(page, vads, sections)
        yield (int(page["va"], 16), int(vad["start"], 16), state,
               int(pa, 16) if pa else None)


def absent_at(row, va):
    for text in row["dump"].get("absent", []):
        where, why = text.split(" ")
        start, end = (int(x, 16) for x in where.split("-"))
        if start <= va <= end:
            return why
    return None


def check_bytes(test, process, rows, image):
    by_start = {int(r["vad"]["start"], 16): r for r in rows}
    for va, start, state, pa in frames(test, process):
        row, offset = by_start[start], va - start
        what = "PID %d page %x" % (process["pid"], va)
        if pa is not None and state in ("present", "transition"):
            with open(row["dump"]["path"], "rb") as file:
                file.seek(offset)
                got = file.read(4096)
            image.seek(pa)
            test.equal(what + ": bytes", got == image.read(4096), True)
        elif state in ("pagefile", "file") and \
                not row["dump"].get("absent_truncated"):
            test.equal(what + ": why absent", absent_at(row, va), state)


def check_manifest(test, row):
    """Beside the bytes: every absent range, which add up to what is missing."""
    missing, lines = row["dump"]["bytes_unreadable"], []
    test.equal("manifest", "manifest" in row["dump"], missing > 0)
    if not missing:
        return
    with open(row["dump"]["manifest"]) as file:
        lines = file.read().splitlines()
    total, last = 0, -1
    for line in lines:
        start, end = (int(x, 16) for x in line.split(" ")[0].split("-"))
        test.equal("order of " + line, start > last, True)
        last = end
        if not line.endswith(" left-out"):
            total += end + 1 - start
    test.equal("manifest of " + row["dump"]["manifest"], total, missing)
    test.equal("ranges in the row", lines[:len(row["dump"]["absent"])],
               row["dump"]["absent"])


def check_cut(test, rows, folder, process):
    """What --max leaves out stands in the manifest too."""
    long = {r["vad"]["node"]: r["vad"] for r in rows
            if r["dump"]["size"] > 8192}
    cut = test.run("vaddump", "--dump", folder, "--pid", str(process["pid"]),
                   "--max", "8K", codes=(0, 3))
    found = {}
    for row in cut:
        if "manifest" not in row["dump"]:
            continue
        with open(row["dump"]["manifest"]) as file:
            found[row["vad"]["node"]] = [
                line for line in file.read().splitlines()
                if line.endswith(" left-out")]
    test.equal("VADs that are longer", len(long) > 0, True)
    for node, vad in long.items():
        test.equal("left out of " + node, found.get(node),
                   ["%016x-%016x left-out" % (int(vad["start"], 16) + 8192,
                                              int(vad["end"], 16))])


def check(test):
    process = [p for p in test.manifest["processes"]
               if not p["exited"] and len(p["pages"]) > 50][-1]
    with tempfile.TemporaryDirectory() as parent, \
            open(test.image, "rb") as image:
        # It is made.
        folder = os.path.join(parent, "new")
        args = ["vaddump", "--dump", folder, "--pid", str(process["pid"])]
        rows = test.run(*args, codes=(0, 3))
        test.equal("number of rows", len(rows), len(process["vads"]))
        written = sorted(r["dump"][kind] for r in rows
                         for kind in ("path", "manifest")
                         if kind in r["dump"])
        test.equal("files", sorted(os.path.join(folder, f)
                                   for f in os.listdir(folder)), written)
        for row in rows:
            if "path" in row["dump"]:
                test.equal("size of " + row["dump"]["path"],
                           os.stat(row["dump"]["path"]).st_size,
                           row["dump"]["size"])
            check_manifest(test, row)
        check_bytes(test, process, rows, image)
        check_cut(test, rows, os.path.join(parent, "short"), process)
        before = {f: os.stat(f).st_mtime_ns for f in written}
        done = subprocess.run(
            [test.vadose, "-s", test.profiles, "-f", test.image, "-q", *args],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=300)
        test.equal("exit status over existing files", done.returncode, 73)
        test.equal("existing files", {f: os.stat(f).st_mtime_ns
                                      for f in written}, before)


common.main(check)
