#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plugins about the pages of sections, against the truth of an image.

usage: pages.py VADOSE PROFILES SHARED_DATA WORK_DIR IMAGE
       pages.py VADOSE PROFILES SHARED_DATA WORK_DIR SCENE MKSCENE GUIDAGE

IMAGE is the name of an archive in SHARED_DATA/images. Exit status 77: there is
no such data here.
"""
import json
import os
import subprocess
import sys
import tempfile

from processes import Check, addr, truth, vads

# Letters of proto_states, of both builders.
STATES = {"V": "present", "T": "transition", "P": "pagefile",
          "Z": "demand-zero", "S": "file", "K": "file", ".": "reserved",
          "0": "reserved"}


class Truth:
    """Per page of a section: who shows it, maps it, holds a copy of it. Of each
    process the truth lists the first pages only, so these are lower bounds."""

    def __init__(self, manifest):
        self.sections = {addr(s["control_area"]): s
                         for s in manifest["sections"]}
        self.shown, self.mapped, self.copied = {}, {}, {}
        for process in manifest["processes"]:
            self.add_process(process, vads(process, manifest["vad_columns"]),
                             manifest["page_columns"])

    def add_process(self, process, nodes, columns):
        views = []
        for vad in nodes:
            if vad["control_area"] and vad["first_proto"] and \
                    vad["type"] != "VadDevicePhysicalMemory":
                start, end = int(vad["start"], 16), int(vad["end"], 16)
                views.append((start, end, vad["view_page"] or 0,
                              addr(vad["control_area"])))
                self.show(views[-1])
        for row in process["pages"]:
            page = dict(zip(columns, row))
            target = {"shared": self.mapped, "cow": self.copied}.get(
                page["state"])
            va = int(page["va"], 16)
            for start, end, first, area in views:
                if target is not None and start <= va <= end:
                    key = area, first + ((va - start) >> 12)
                    target.setdefault(key, []).append(process["pid"])

    def show(self, view):
        start, end, first, area = view
        section = self.sections.get(area)
        if section["sparse"]:
            return
        last = min((end - start) >> 12, section["pages"] - first - 1)
        for page in range(first, first + last + 1):
            key = area, page
            self.shown[key] = self.shown.get(key, 0) + 1


def check_sharedpages(check):
    """Each page in one row; state, frame and views as in the truth."""
    want, seen, sparse = Truth(check.manifest), set(), {}
    for row in check.rows("sharedpages", "--min-views", "1"):
        pages, area = row["pages"], row["section"]["id"]
        section = want.sections[area]
        if section["sparse"]:
            sparse.setdefault(area, []).append(pages)
            continue
        for page in range(pages["first"], pages["last"] + 1):
            key = area, page
            if key in seen:
                check.fail(f"sharedpages: {key} twice")
            seen.add(key)
            compare_page(check, want, section, key, pages)
        frame = section["frames"].get(str(pages["first"]))
        if pages.get("frame") != (frame and addr(frame + "000")):
            check.fail(f"sharedpages: frame of {key}: {pages}")
    check.same("sharedpages", seen, set(want.shown))
    for area, rows in sparse.items():
        check_sparse(check, want, area, rows)


def check_sparse(check, want, area, rows):
    """Terabytes in few rows, without a gap; what is mapped stands out."""
    end = 0
    for pages in rows:
        if pages["first"] != end or len(rows) > 1000:
            check.fail(f"sharedpages: {area}: {len(rows)} rows, {pages}")
        end = pages["last"] + 1
    if end != want.sections[area]["pages"]:
        check.fail(f"sharedpages: {area} ends at {end}")
    for key, pids in want.mapped.items():
        rest = {p["state"] for p in rows if key[0] == area and
                p["first"] <= key[1] <= p["last"] and
                not p.get("mapped_pids_truncated") and
                not set(pids) <= set(p.get("mapped_pids", []))}
        if rest:
            check.fail(f"sharedpages: {key} is mapped by {pids}: {rest}")


def compare_page(check, want, section, key, pages):
    mapped, copied = want.mapped.get(key, []), want.copied.get(key, [])
    states = section["proto_states"]
    views = want.shown.get(key)
    expected = {
        "state": STATES[states[key[1]]] if key[1] < len(states) else
        "reserved", "views": views,
        "grade": "hardware" if pages["mapped"] > 1 else
        None if not views or views < 2 else
        "pfn" if "frame" in pages else "structural",
        "pfn_agrees": True if "frame" in pages else None,
    }
    if pages["state"] == "present" and pages["mapped"]:
        # Where the builder emptied a process's image, the counts stayed.
        hollowed = (check.manifest.get("expect") or {}).get("hollowed")
        count = pages.get("share_count", 0)
        expected["share_count"] = count if hollowed and \
            count > pages["mapped"] else pages["mapped"]
    got = {name: pages.get(name) for name in expected}
    if got != expected:
        check.fail(f"sharedpages: {key}: {got}, not {expected}")
    for name, pids in (("mapped", mapped), ("private", copied)):
        listed = set(pages.get(name + "_pids", []))
        if pages[name] < len(pids) or not (
                set(pids) <= listed or pages.get(name + "_pids_truncated")):
            check.fail(f"sharedpages: {key}: {name} by {pids}: {pages}")


def dump(check, folder, status=0):
    """Runs sectiondump into @folder; the rows without their paths."""
    threads = "-j2" if folder.endswith("2") else "-j1"
    done = subprocess.run([*check.command, threads, "-r", "ndjson",
                           "sectiondump", "--dump", folder],
                          capture_output=True, timeout=300)
    if done.returncode != status:
        check.fail(f"sectiondump: exit {done.returncode}, not {status}: "
                   f"{done.stderr.decode(errors='replace')}")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    for row in rows:
        row.get("dump", {}).pop("path", None)
        row.pop("id", None)
    return [r for r in rows if r["kind"] == "section_dump"]


def contents(folder):
    files = {}
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            files[name] = file.read()
    return files


def check_sectiondump(check):
    """Each page of the truth's frames in its file, and nothing else."""
    folders = [os.path.join(check.folder, name) for name in ("1", "2")]
    rows = dump(check, folders[0])
    if dump(check, folders[1]) != rows:
        check.fail("sectiondump: -j1 and -j2 differ")
    files = contents(folders[0])
    if contents(folders[1]) != files:
        check.fail("sectiondump: files of -j1 and -j2 differ")
    dump(check, folders[0], status=73)
    if contents(folders[0]) != files:
        check.fail("sectiondump: wrote over a file")
    shown = {key[0] for key in Truth(check.manifest).shown}
    with open(check.command[-1], "rb") as image:
        for section in check.manifest["sections"]:
            if addr(section["control_area"]) in shown:
                check_content(check, section, files, image)
            else:
                files = {n: b for n, b in files.items()
                         if section["control_area"] not in n}


def check_content(check, section, files, image):
    name = "section." + section["control_area"]
    bodies = [b for n, b in files.items() if n.startswith(name)]
    if len(bodies) != bool(section["frames"]):
        check.fail(f"sectiondump: {len(bodies)} files for {name}")
        return
    for page in range(len(bodies[0]) // 4096 if bodies else 0):
        frame, want = section["frames"].get(str(page)), bytes(4096)
        if frame:
            image.seek(int(frame, 16) << 12)
            want = image.read(4096)
        if bodies[0][page << 12:(page + 1) << 12] != want:
            check.fail(f"sectiondump: {name}: page {page}")


def check_modified(check):
    """The planted patch and nothing else is code that changed."""
    patch = (check.manifest.get("expect") or {}).get("patched_cow")
    rows = [r for r in check.rows("modified")
            if r["change"]["kind"] in ("code", "hook")]
    got = {(r["process"]["pid"], r["change"]["address"], r["change"]["new"],
            r["page"]["frame"], r["page"]["shared_frame"],
            r["change"].get("target")) for r in rows if "new" in r["change"]}
    want = set()
    if patch:
        va = int(patch["va"], 16) + patch["offset"]
        want.add((patch["pid"], "0x%016x" % va, patch["bytes"],
                  addr(patch["private_pa"]), addr(patch["shared_pa"]),
                  "0x00000000deadbeef"))
    check.same("modified", got, want)


CHECKS = [check_sharedpages, check_sectiondump, check_modified]


def build(mkscene, profiles, scene, guidage, folder):
    image = os.path.join(folder, "scene.raw")
    subprocess.run([mkscene, "-p", profiles, "-k", guidage, "-r", image, "-t",
                    image + ".json", scene], check=True)
    with open(image + ".json", encoding="utf-8") as file:
        return image, json.load(file)


def main():
    vadose, profiles, shared, work, name = sys.argv[1:6]
    os.makedirs(work, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        if len(sys.argv) > 6:
            image, manifest = build(sys.argv[6], profiles, name, sys.argv[7],
                                    folder)
        else:
            where, manifest = truth.unpack(shared, work, name)
            image = os.path.join(where, name + ".raw")
        check = Check(vadose, profiles, image, manifest)
        check.folder = folder
        for function in CHECKS:
            function(check)
    print(f"{name}: {len(CHECKS)} plugins, {check.problems} differences")
    sys.exit(check.problems > 0)


if __name__ == "__main__":
    main()
