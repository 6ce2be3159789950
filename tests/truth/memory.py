#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pool, page frames and the cache of an image against its truth.

usage: memory.py VADOSE PROFILES SHARED_DATA WORK IMAGE
"""
import os
import sys

import truth as base


class Machine:
    """One image, its truth, and the program to run on it."""

    def __init__(self, vadose, profiles, image, manifest):
        self.command = [vadose, "-f", image, "-q", "-s", profiles]
        self.manifest, self.image = manifest, image
        self.failures = base.Failures()
        self.runner = base.Runner(vadose, None, image)
        self.profiles = profiles

    def rows(self, *args, codes=(0,)):
        _, rows, _, _ = self.runner.run("-s", self.profiles, *args,
                                        codes=codes)
        return rows


def check_bigpools(m):
    rows = m.rows("bigpools", "--free")
    m.failures.equal("used slots of the table", len(rows),
                     m.manifest["kernel"]["bigpool_entries"])
    return len(rows)


def check_pool(m):
    """Objects lie in blocks with the tags that their makers use."""
    places = {int(p["eprocess"], 16): ("Proc",)
              for p in m.manifest["processes"]}
    for section in m.manifest["sections"]:
        tag = "MmCi" if section["kind"] == "image" else "MmCa"
        places[int(section["control_area"], 16)] = (tag,)
        places[int(section["segment"], 16)] = ("MmSm",)
        for part in section["subsections"]:
            if part["base"] and not section["sparse"]:
                places[int(part["base"], 16)] = ("MmSt",)
    addresses = sorted(places)
    rows = m.rows("pool", *("0x%x" % a for a in addresses))
    m.failures.equal("number of answers", len(rows), len(addresses))
    for row, address in zip(rows, addresses):
        m.failures.equal("query", row["query"]["address"], "0x%016x" % address)
        block = row.get("pool", {})
        if "address" not in block:
            m.failures.add("no block at 0x%x" % address)
            continue
        start = int(block["address"], 16)
        if not start <= address < start + block["size"]:
            m.failures.add("0x%x is not in its block" % address)
        if block["tag"] not in places[address]:
            m.failures.add("0x%x: tag %r instead of %r" %
                           (address, block["tag"], places[address]))
    return len(rows)


def check_pfn(m):
    """Pages of sections, and of the tables that lead to them."""
    frames = {}
    for section in m.manifest["sections"]:
        for page, frame in section["frames"].items():
            frames[int(frame, 16)] = ("section", section["control_area"],
                                      int(page))
    for process in m.manifest["processes"]:
        if not process["exited"]:
            frames[int(process["dtb"], 16) >> 12] = (
                "page-table", process["pid"], None)
        for va, state, pa, _, _ in process["pages"]:
            if state in ("valid-private", "cow") and not process["hidden"]:
                frames[int(pa, 16) >> 12] = ("process", process["pid"],
                                             int(va, 16) & ~0xfff)
    order = sorted(frames)
    rows = m.rows("pfn", *(str(f) for f in order))
    m.failures.equal("number of frames", len(rows), len(order))
    for row, frame in zip(rows, order):
        kind, owner, place = frames[frame]
        what = "frame 0x%x (%s)" % (frame, kind)
        m.failures.equal(what, row.get("owner", {}).get("kind"), kind)
        if kind == "section":
            m.failures.equal(what, row["section"]["control_area"],
                             "0x%016x" % int(owner, 16))
            m.failures.equal(what, row["section"]["page"], place)
        else:
            m.failures.equal(what, row["process"]["pid"], owner)
        if kind == "process":
            m.failures.equal(what, row["owner"]["va"], "0x%016x" % place)
    return len(rows)


def check_poolscan(m):
    """What lists and trees lead to is found without them."""
    objects = {"process": set(), "vad": set(), "control-area": set(),
               "segment": set(), "file": set(), "section": set()}
    for process in m.manifest["processes"]:
        objects["process"].add(process["eprocess"])
        objects["vad"].update(vad[2] for vad in process["vads"])
    for section in m.manifest["sections"]:
        objects["control-area"].add(section["control_area"])
        objects["segment"].add(section["segment"])
        objects["section"].update(o["va"] for o in section["objects"])
        if section["file_object"]:
            objects["file"].add(section["file_object"])
    found = {}
    rows = m.rows("poolscan")
    for row in rows:
        found.setdefault(row["pool"]["content"], set()).add(
            int(row["pool"]["object"], 16))
    for content, expected in objects.items():
        blocks = set(found.get(content, ()))
        wanted = {int(a, 16) for a in expected}
        if content == "vad" and "hollowed" in m.manifest["expect"]:
            # The unmapped image's VAD is in no tree, but its memory stands.
            blocks &= wanted
        m.failures.equal("blocks of " + content, sorted(blocks),
                         sorted(wanted))
    return len(rows)


def check_memusage(m):
    """Sections own the frames that the truth gives them; sums agree."""
    rows = m.rows("memusage")
    sizes = {row["section"]["control_area"]: row["memory"]["size"]
             for row in rows if "control_area" in row.get("section", {})}
    for section in m.manifest["sections"]:
        area = "0x%016x" % int(section["control_area"], 16)
        m.failures.equal("frames of " + area, sizes.pop(area, 0) // 4096,
                         len(section["frames"]))
    m.failures.equal("sections beside", sizes, {})
    # Every page of the image is in one row.
    m.failures.equal("sum of all", sum(row["memory"]["size"] for row in rows),
                     os.path.getsize(m.image))
    rows = [row for row in rows if row["owner"]["kind"] != "no-entry"]
    for row in rows:
        memory = row["memory"]
        total = sum(memory[key] for key in (
            "active", "standby", "modified", "modified_no_write",
            "transition", "free", "zeroed", "bad"))
        m.failures.equal("sum of lists", total, memory["size"])
    return len(rows) + check_sums(m, rows)


def check_sums(m, rows):
    """The same pages by file, by process and by list."""
    def size_by(rows, key):
        sums = {}
        for row in rows:
            sums[key(row)] = sums.get(key(row), 0) + row["memory"]["size"]
        return sums

    def by_file(row):
        return row["owner"]["kind"], row.get("section", {}).get("file")

    def by_process(row):
        kind, who = row["owner"]["kind"], row.get("process", {}).get("eprocess")
        return ("process" if kind == "page-table" and who else kind), who

    for by, key in ("file", by_file), ("process", by_process):
        got = [r for r in m.rows("memusage", "--by", by)
               if r["owner"]["kind"] != "no-entry"]
        m.failures.equal("sums by " + by, size_by(got, key),
                         size_by(rows, key))
        m.failures.equal("rows by " + by, len(got), len(size_by(got, key)))
    for owner in [], ["--owner", "section"]:
        got = {r["memory"]["list"]: r["memory"]["size"]
               for r in m.rows("memusage", "--by", "list", *owner)
               if "list" in r["memory"]}
        want = {name.replace("_", "-"): sum(
            r["memory"][name] for r in rows
            if not owner or r["owner"]["kind"] == owner[1])
                for name in ("active", "standby", "modified",
                             "modified_no_write", "transition", "free",
                             "zeroed", "bad")}
        m.failures.equal("sums by list", got, want)
    return len(rows)


def check_fileobj(m):
    found = {row["file"]["object"]: row["file"] for row in m.rows("fileobj")}
    files = [s for s in m.manifest["sections"] if s["file_object"]]
    for section in files:
        row = found.get("0x%016x" % int(section["file_object"], 16), {})
        kind = "image" if section["kind"] == "image" else "data"
        for key, value in ((kind + "_control_area", section["control_area"]),
                           ("section_object_pointers",
                            section["section_object_pointers"]),
                           ("shared_cache_map", section["shared_cache_map"])):
            m.failures.equal("%s of %s" % (key, section["file"]),
                             int(row.get(key, "0"), 16),
                             int(value or "0", 16))
        m.failures.equal("delete pending", row.get("delete_pending"),
                         section["delete_pending"])
        if not row.get("name", "").endswith(section["file"]):
            m.failures.add("name %r instead of %r" %
                           (row.get("name"), section["file"]))
    m.failures.equal("file objects", len(found), len(files))
    return len(files)


def check_filecache(m):
    """Each view of a cached file, and as many pages as are resident."""
    cached = [s for s in m.manifest["sections"] if s["shared_cache_map"]]
    rows = m.rows("filecache")
    for section in cached:
        mine = [r for r in rows if int(r["cache"]["map"], 16) ==
                int(section["shared_cache_map"], 16)]
        m.failures.equal("views of " + section["file"],
                         [r["view"]["offset"] for r in mine],
                         list(range(0, section["pages"] * 4096, 262144)))
        states = section["proto_states"]
        for row in mine:
            first = row["view"]["offset"] // 4096
            m.failures.equal("valid pages", row["view"]["valid_pages"],
                             states[first:first + 64].count("V"))
    m.failures.equal("cached files", len({r["cache"]["map"] for r in rows}),
                     len(cached))
    return len(rows)


def pages_of_sections(m):
    """(section, page) -> {(pid, va, state of the process's own PTE)}"""
    pages = {}
    for process in m.manifest["processes"]:
        vads = [(int(v[0], 16), int(v[1], 16), v) for v in process["vads"]]
        for va, state, _, _, _ in process["pages"]:
            va = int(va, 16)
            for start, end, vad in vads:
                if start <= va <= end and vad[14] is not None and vad[19] is not None:
                    key = (vad[14], vad[19] + (va - start) // 4096)
                    pages.setdefault(key, set()).add(
                        (process["pid"], va, state))
    return pages


def check_whoshares(m):
    """A frame of a section: whoever has its PTE, and whoever might."""
    how = {"shared": "page-table", "proto": "prototype",
           "proto-lookup": "prototype"}
    exited = {p["pid"] for p in m.manifest["processes"] if p["exited"]}
    pages = sorted(pages_of_sections(m).items(),
                   key=lambda item: (-len(item[1]), item[0]))
    compared = 0
    for (section, page), owners in pages[:6]:
        section = m.manifest["sections"][section]
        frame = section["frames"].get(str(page))
        if not frame:
            continue
        rows = m.rows("whoshares", "0x%s123" % frame)
        found = {(r["process"]["pid"], int(r["hit"]["va"], 16)):
                 r["hit"]["how"] for r in rows if "process" in r}
        # A cached file is mapped once more, by the system.
        views = len([r for r in rows if "process" not in r])
        # Windows 7 keeps no list of the cache's views with the section.
        if views or m.manifest["build"] >= 9600:
            m.failures.equal("views of the cache", views,
                             1 if section["shared_cache_map"] else 0)
        for pid, va, state in owners:
            if pid in exited:
                continue
            m.failures.equal("frame %s of %s, PID %d" %
                             (frame, section["control_area"], pid),
                             found.pop((pid, va + 0x123), None),
                             how.get(state))
            compared += 1
        # What the truth doesn't list was never touched.
        for key, value in found.items():
            m.failures.equal("frame %s, %r" % (frame, key), value,
                             "untouched")
        for row in rows:
            m.failures.equal("section", row["section"]["control_area"],
                             "0x%016x" % int(section["control_area"], 16))
    return compared + check_not_resident(m) + check_addresses(m)


def views_of(m, section, page):
    """{(pid, va)}: each view that shows the page, unless it has a copy."""
    own, views = set(), set()
    for process in m.manifest["processes"]:
        own |= {(process["pid"], int(p[0], 16)) for p in process["pages"]
                if not p[1].startswith(("shared", "proto"))}
        for vad in process["vads"]:
            start, end = int(vad[0], 16), int(vad[1], 16)
            va = start + (page - (vad[19] or 0)) * 4096
            if vad[14] == section and vad[19] is not None and \
                    start <= va <= end and not process["exited"]:
                views.add((process["pid"], va))
    return views - own


def check_not_resident(m):
    """An address whose page is nowhere in memory: why, and who else shows it."""
    compared = 0
    for section in m.manifest["sections"]:
        states = section.get("proto_states") or ""
        for state, word in ("P", "pagefile"), ("S", "file"):
            page = states.find(state)
            views = page >= 0 and views_of(m, section["id"], page)
            if not views or section["kind"] == "image":
                continue
            pid, va = min(views)
            rows = m.rows("whoshares", "0x%x" % (va + 5), "--pid", str(pid),
                          codes=(3,))
            what = "page %d of %s" % (page, section["control_area"])
            m.failures.equal("views of " + what, sorted(
                (r["process"]["pid"], int(r["hit"]["va"], 16) - 5)
                for r in rows), sorted(views))
            for row in rows:
                m.failures.equal(what, [row["hit"].get(k) for k in (
                    "how", "state", "match", "physical")],
                    ["view", word, "virtual", None])
                m.failures.equal(what, row["section"]["page"], page)
                m.failures.equal(what, row["hit"]["processes"],
                                 len({pid for pid, _ in views}))
                m.failures.equal(what, row["unreadable"], ["hit.physical"])
                compared += 1
    if not compared:
        m.failures.add("no page was in a page file")
    return compared


def check_addresses(m):
    """How an address is taken, and what is said of one that leads nowhere."""
    process, page = next(
        (process, page) for process in m.manifest["processes"]
        for page in process["pages"] if page[1] == "valid-private" and
        not process["hidden"] and not process["exited"])
    va, frame = "0x" + page[0], "0x" + page[2]
    chosen = ["--pid", str(process["pid"])]
    beyond = "0x%x" % (1 << 46)
    asked = [
        (["va:" + va, *chosen], "virtual", frame, "page-table", None),
        ([va, *chosen], "virtual", frame, "page-table", None),
        ([va, "--va", *chosen], "virtual", frame, "page-table", None),
        ([frame], "physical", frame, "page-table", None),
        (["pa:" + frame, *chosen], "physical", frame, "page-table", None),
        (["pa:" + beyond], "physical", beyond, "none", "out-of-image"),
        (["0x1000", *chosen], "virtual", None, "none", "no-vad"),
        (["va:0x1000"], "virtual", None, "none", "no-vad"),
        (["0x1000"], "physical", "0x1000", "none", None),
        (["0xffff800000000000"], "virtual", None, "none", "not mapped"),
    ]
    for words, match, physical, how, state in asked:
        rows = m.rows("whoshares", *words)
        hit = rows[0]["hit"] if len(rows) == 1 else {}
        got = (hit.get("match"), int(hit.get("physical", "0"), 16),
               hit.get("how"), hit.get("state"))
        m.failures.equal("whoshares %s" % words, got,
                         (match, int(physical or "0", 16), how, state))
    return len(asked)


CHECKS = {
    "bigpools": check_bigpools,
    "pool": check_pool,
    "pfn": check_pfn,
    "poolscan": check_poolscan,
    "memusage": check_memusage,
    "fileobj": check_fileobj,
    "filecache": check_filecache,
    "whoshares": check_whoshares,
}


def main():
    vadose, profiles, shared, work, name = sys.argv[1:6]
    os.makedirs(work, exist_ok=True)
    where, manifest = base.unpack(shared, work, name)
    machine = Machine(vadose, profiles, os.path.join(where, name + ".raw"),
                      manifest)
    for what, check in CHECKS.items():
        print("%s: compared %d rows" % (what, check(machine)))
    sys.exit(1 if machine.failures.count else 0)


if __name__ == "__main__":
    main()
