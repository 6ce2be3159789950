#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plugins about processes and their modules, against the truth of an image.

usage: processes.py VADOSE PROFILES SHARED_DATA WORK_DIR IMAGE

IMAGE is the name of an archive in SHARED_DATA/images. Exit status 77: there is
no such data here.
"""
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent /
                       "truth"))
import truth  # noqa: E402

MAX_REPORT = 20


class Check:
    def __init__(self, vadose, profiles, image, manifest):
        self.command = [vadose, "-q", "-s", profiles, "-f", image]
        self.manifest = manifest
        self.problems = 0

    def fail(self, text):
        self.problems += 1
        if self.problems <= MAX_REPORT:
            print("FAIL " + text)

    def same(self, what, got, want):
        """Two sets of rows: what lacks, and what is too much."""
        for title, rows in (("lacks", want - got), ("invents", got - want)):
            for row in sorted(rows, key=repr):
                self.fail(f"{what} {title} {row}")

    def rows(self, *arguments, notes=None):
        """The plugin's rows; -j1 and -j2 print the same bytes."""
        outputs = []
        for threads in ("-j1", "-j2"):
            done = subprocess.run(
                [*self.command, threads, "-r", "ndjson", *arguments],
                capture_output=True, timeout=300)
            if done.returncode not in (0, 3):
                sys.exit(f"{arguments}: exit {done.returncode}: "
                         f"{done.stderr.decode(errors='replace')}")
            outputs.append(done.stdout)
        if outputs[0] != outputs[1]:
            self.fail(f"{arguments}: -j1 and -j2 differ")
        records = [json.loads(line) for line in outputs[0].splitlines()]
        for record in records:
            if record["kind"] == "note" and notes is None:
                self.fail(f"{arguments}: {record['note']}")
        return [r for r in records
                if r["kind"] not in ("run_start", "note", "run_end")]


def addr(text):
    return "0x%016x" % int(text, 16)


def vads(process, columns):
    return [dict(zip(columns, vad)) for vad in process["vads"]]


def check_dlllist(check):
    """Every module of the truth, in order of load; nothing else."""
    listed = {}
    for row in check.rows("dlllist"):
        module = row["module"]
        # The images have no 32-bit PEBs: that list can't be read.
        if module["loader"] == "wow64" and "base" not in module:
            continue
        listed.setdefault(row["process"]["pid"], []).append(
            (module["base"], module["size"], module["name"], module["path"],
             module.get("load_time")))
    for process in check.manifest["processes"]:
        want = [(addr(d["base"]), int(d["size"], 16), d["name"], d["path"],
                 truth.filetime(d["load_time"])) for d in process["dlls"]]
        got = listed.pop(process["pid"], [])
        if got != want:
            check.fail(f"dlllist of {process['pid']}: {got}, not {want}")
    for pid in listed:
        check.fail(f"dlllist invents process {pid}")


def check_ldrmodules(check):
    """All image VADs and all listed modules, in which lists, and mapped."""
    want = set()
    for process in check.manifest["processes"]:
        listed = {addr(d["base"]): d["path"] for d in process["dlls"]}
        mapped = {addr(v["start"]) for v in
                  vads(process, check.manifest["vad_columns"])
                  if v["type"] == "VadImageMap"}
        want |= {(process["pid"], base, base in mapped, listed.get(base))
                 for base in mapped | set(listed)}
    rows = check.rows("ldrmodules")
    got = {(r["process"]["pid"], r["module"]["base"], r["module"]["mapped"],
            r["module"].get("path")) for r in rows}
    check.same("ldrmodules", got, want)
    for row in rows:
        module = row["module"]
        inside = module.get("in_load"), module.get("in_memory")
        if inside[0] != inside[1] or \
                bool(inside[0]) != ("path" in module):
            check.fail(f"ldrmodules: {module}")
        if module.get("path") and module["mapped"] and \
                not module["same_name"]:
            check.fail(f"ldrmodules: other name: {row}")


def check_psscan(check):
    """All processes, also exited and hidden ones, where they are."""
    want = {(p["pid"], p["ppid"], addr(p["eprocess"]),
             addr(p["eprocess_pa"]), truth.filetime(p["create_time"]),
             truth.filetime(p["exit_time"]), p["hidden"])
            for p in check.manifest["processes"]}
    rows = check.rows("psscan")
    got = {(p["pid"], p["ppid"], p.get("eprocess"), p["eprocess_pa"],
            p.get("start"), p.get("exit"), p["hidden"])
           for p in (r["process"] for r in rows)}
    check.same("psscan", got, want)
    if len(rows) != len(want):
        check.fail(f"psscan: {len(rows)} rows, not {len(want)}")
    names = {p["pid"]: p["image_file_name"]
             for p in check.manifest["processes"]}
    for row in rows:
        process = row["process"]
        if process["image_file_name"] != names[process["pid"]]:
            check.fail(f"psscan: name of {process}")
        if "pool" not in process["sources"] or \
                row["scan"]["type"] != "verified":
            check.fail(f"psscan: {row}")


def tree_of(processes):
    """pid -> (depth, what became of the parent), by the rules of pstree."""
    known = {p["pid"]: p for p in processes}
    result = {}

    def look(process):
        pid = process["pid"]
        if pid in result:
            return result[pid]
        parent = known.get(process["ppid"])
        if not process["ppid"]:
            result[pid] = 0, None
        elif parent is None:
            result[pid] = 0, "gone"
        elif parent["create_time"] > process["create_time"] > 0:
            result[pid] = 0, "reused"
        else:
            result[pid] = (look(parent)[0] + 1,
                           "exited" if parent["exited"] else "running")
        return result[pid]

    for process in processes:
        look(process)
    return result


def check_pstree(check):
    """Depths and parents; a child comes below its parent."""
    want = tree_of(check.manifest["processes"])
    path = []
    got = {}
    for row in check.rows("pstree"):
        process, tree = row["process"], row["tree"]
        got[process["pid"]] = tree["depth"], tree.get("parent")
        del path[tree["depth"]:]
        if tree.get("ancestors", []) != path[::-1]:
            check.fail(f"pstree: {process['pid']}: {tree} below {path}")
        path.append(process["pid"])
    check.same("pstree", set(got.items()), set(want.items()))


def check_crossview(check):
    """Who saw which process: a hidden one is missing where it was unlinked."""
    truths = {addr(p["eprocess"]): p for p in check.manifest["processes"]}
    pids = {p["pid"] for p in check.manifest["processes"]}
    rows = check.rows("pslist", "--crossview")
    check.same("crossview", {r["process"]["eprocess"] for r in rows},
               set(truths))
    for row in rows:
        process = truths[row["process"]["eprocess"]]
        seen, alive = row["seen"], not process["exited"]
        want = {"active_links": not process["hidden"],
                "active_blinks": not process["hidden"],
                "cid_table": True, "pool": True, "handle_tables": alive,
                # The builder gives some TIDs away twice; the PID has won.
                "threads": any(t["tid"] not in pids
                               for t in process["threads"]),
                "initial": process["pid"] == 4}
        for source, value in want.items():
            if seen.get(source) != value:
                check.fail(f"crossview: {process['pid']}: {source} is "
                           f"{seen.get(source)}")
        words = {s for s, value in seen.items() if value}
        if words != set(row["process"]["sources"]):
            check.fail(f"crossview: {process['pid']}: {words}, but "
                       f"{row['process']['sources']}")
        if any(v["section"] is not None for v in
               vads(process, check.manifest["vad_columns"])) and \
                not seen["views"]:
            check.fail(f"crossview: {process['pid']}: no views")


def check_hollow(check):
    """The planted images, and not one row more."""
    expect = check.manifest.get("expect") or {}
    want = set()
    if "hollowed" in expect:
        planted = expect["hollowed"]
        for kind in "main_unmapped", "peb_base_no_image":
            want.add((planted["pid"], kind, addr(planted["base"]), True))
    if "ghosted" in expect:
        planted = expect["ghosted"]
        want.add((planted["pid"], "file_deleted", addr(planted["image_base"]),
                  True))
    rows = check.rows("hollow")
    check.same("hollow", {(r["process"]["pid"], r["hollow"]["kind"],
                           r["vad"]["start"], r["hollow"]["main"])
                          for r in rows}, want)
    for row in rows:
        if row["process"]["pid"] == expect["hollowed"]["pid"] and \
                not row["hollow"]["bytes"].startswith(
                    expect["hollowed"]["first_bytes"]):
            check.fail(f"hollow: {row}")


def mappers(rows):
    """pa -> {(pid, va)}; each row counts the distinct processes."""
    result = {}
    for row in rows:
        found = result.setdefault(row["hit"]["physical"], set())
        if "process" in row:
            found.add((row["process"]["pid"], row["hit"]["va"]))
    for row in rows:
        pids = {pid for pid, _ in result[row["hit"]["physical"]]}
        assert row["hit"]["processes"] == len(pids), row
    return result


def check_whoshares(check):
    """Planted bytes are found, with all who map them and nobody else."""
    expect = check.manifest.get("expect") or {}
    if "rw_rx_section" not in expect:
        return
    planted = expect["rw_rx_section"]
    views = check.manifest["sharedmem"]["by_first_prototype_pte"]
    want = {(v["pid"], addr(v["start"])) for v in views[planted["proto"]]}
    found = mappers(check.rows("whoshares", "hex:" + planted["first_bytes"]))
    first = min(found)
    check.same("whoshares", found[first], want)
    for arguments in ([first], [addr(planted["writer"]["va"]), "--va", "--pid",
                                str(planted["writer"]["pid"])]):
        found = mappers(check.rows("whoshares", *arguments))
        check.same(f"whoshares {arguments}", found.get(first, set()), want)
    patched = expect["patched_cow"]
    found = mappers(check.rows("whoshares", "hex:" + patched["bytes"]))
    at = "0x%016x" % (int(patched["private_pa"], 16) + patched["offset"])
    where = "0x%016x" % (int(patched["va"], 16) + patched["offset"])
    if found.get(at) != {(patched["pid"], where)}:
        check.fail(f"whoshares: {found}, not {patched}")


CHECKS = [check_dlllist, check_ldrmodules, check_psscan, check_pstree,
          check_crossview, check_hollow, check_whoshares]


def main():
    vadose, profiles, shared, work, name = sys.argv[1:]
    os.makedirs(work, exist_ok=True)
    where, manifest = truth.unpack(shared, work, name)
    image = os.path.join(where, name + ".raw")
    check = Check(vadose, profiles, image, manifest)
    for function in CHECKS:
        function(check)
    print(f"{name}: {len(CHECKS)} plugins, {check.problems} differences")
    sys.exit(check.problems > 0)


if __name__ == "__main__":
    main()
