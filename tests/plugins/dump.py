#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sharedmem --dump DIR: each file against the frames that the truth of
images/pages.scene names, and its map against both.

usage: dump.py VADOSE MKSCENE SOURCE KERNEL...
"""
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import tempfile

PAGE = 4096
NAME = re.compile(r"section\.[0-9a-f]{16}(\.[A-Za-z0-9._-]{1,80})?\.bin")
failures = []


def expect(condition, *what):
    if not condition:
        failures.append(" ".join(map(str, what))[:600])


class Case:
    def __init__(self, argv, folder):
        self.vadose, self.mkscene = map(os.path.abspath, argv[1:3])
        self.source, self.folder = pathlib.Path(argv[3]), folder
        self.runs = 0

    def build(self, scene, kernel):
        """A LiME image, whose holes are holes, and a raw one to compare with."""
        self.image = os.path.join(self.folder, "scene.lime")
        raw = os.path.join(self.folder, "scene.raw")
        truth = os.path.join(self.folder, "scene.json")
        subprocess.run([self.mkscene, "-p", self.source / "profiles", "-k",
                        kernel, "-l", self.image, "-r", raw, "-t", truth,
                        self.source / "images" / f"{scene}.scene"], check=True)
        self.raw = open(raw, "rb")
        return json.loads(pathlib.Path(truth).read_text())

    def dump(self, *args, status=(0, 3), **how):
        """A fresh folder with the files, and the rows."""
        self.runs += 1
        where = os.path.join(self.folder, f"dump{self.runs}")
        done = subprocess.run(
            [self.vadose, "-q", "-s", self.source / "profiles", "-f",
             self.image, "-r", "ndjson", "sharedmem", "--dump", where, *args],
            capture_output=True, timeout=120, **how)
        expect(done.returncode in status, args, done.returncode, done.stderr)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        return where, [r for r in rows if r["kind"] == "section_dump"]

    def frame(self, pa):
        self.raw.seek(pa)
        return self.raw.read(PAGE)


def pages_of(row):
    first = row["map"]["offset"] // PAGE
    return range(first, first + -(-row["map"]["length"] // PAGE))


def check_section(case, section, rows, lost):
    """The map leaves no gap, tells frames truly, and the file has them."""
    label, end = section["label"], 0
    size = rows[0]["dump"]["size"]
    path = rows[0]["dump"].get("path")
    body = pathlib.Path(path).read_bytes() if path else bytes(size)
    expect(len(body) == size, label, len(body), size)
    missing = present = 0
    for row in rows:
        entry = row["map"]
        expect(entry["offset"] == end, label, "a gap before", entry)
        end += entry["length"]
        source = entry["source"]
        missing += entry["length"] if source == "missing" else 0
        for page in pages_of(row):
            frame = section["frames"].get(str(page))
            got = body[page * PAGE:(page + 1) * PAGE]
            if source in ("missing", "zero"):
                expect(not any(got), label, page, "is not empty")
                expect(lost or not frame, label, page, "is missing")
                continue
            present += PAGE
            at = int(entry["frame"], 16) + \
                (page - entry["offset"] // PAGE) * PAGE
            expect(at >> 12 == int(frame, 16), label, page, hex(at), frame)
            expect(got == case.frame(at), label, page, "has other bytes")
            expect((source == "prototype") != lost, label, page, source)
    expect(end == section["pages"] * PAGE, label, "ends at", end)
    expect(present == rows[0]["dump"]["bytes_present"] and
           missing == rows[0]["dump"]["bytes_missing"], label, rows[0]["dump"])
    if path:
        blocks = os.stat(path).st_blocks * 512
        expect(blocks <= present + 16 * PAGE, label, "is not sparse:", blocks)


def check_origins(truth, by_area):
    """What the map says where it had to ask somebody else."""
    areas = {s["label"]: "0x" + s["control_area"] for s in truth["sections"]}

    def entries(label, **wanted):
        return [r for r in by_area[areas[label]] if
                all(r["map"].get(k) == v for k, v in wanted.items())]

    # Pages 0 and 2 are mapped by two and the PFN database is silent; 8 to 11
    # by one, and it agrees; 1 and 3 it gives to others.
    expect([r["map"]["offset"] for r in entries("lost", source="views")] ==
           [0, 2 * PAGE], "views of lost")
    expect([(r["map"]["offset"], r["process"]["pid"]) for r in
            entries("lost", source="pfn")] == [(8 * PAGE, 600),
                                               (10 * PAGE, 700)], "lost")
    expect(all(r["map"]["source"] == "missing"
               for r in by_area[areas["lostclones"]]), "copies of clones")
    out = [r["map"] for r in entries("plain", state="pagefile")]
    expect(len(out) == 1 and out[0]["length"] == 4 * PAGE and
           out[0]["pagefile"]["offset"] % PAGE == 0 and
           "number" in out[0]["pagefile"], out)


def check_kernel(case, kernel):
    truth = case.build("pages", kernel)
    where, rows = case.dump()
    by_area = {}
    for row in rows:
        by_area.setdefault(row["section"]["id"], []).append(row)
    lost = {fault[1] for fault in truth["expect"]["faults"]
            if fault[0] == "protos-paged"}
    for section in truth["sections"]:
        check_section(case, section, by_area["0x" + section["control_area"]],
                      section["label"] in lost)
    expect(len(by_area) == len(truth["sections"]), len(by_area), "sections")
    files = [r[0]["dump"]["path"] for r in by_area.values()
             if "path" in r[0]["dump"]]
    expect(sorted(os.path.join(where, f) for f in os.listdir(where)) ==
           sorted(files), "files and rows differ")
    check_origins(truth, by_area)
    texts = {"data": [(0, b"A file that was open, "), (0x5ff8, b"read by t")],
             "plain": [(0x14000, b"shared memory without a name")]}
    for section in truth["sections"]:
        for at, text in texts.get(section["label"], []):
            path = by_area["0x" + section["control_area"]][0]["dump"]["path"]
            body = pathlib.Path(path).read_bytes()
            expect(body[at:at + len(text)] == text, path, at)
    return truth, by_area


def check_options(case):
    _, rows = case.dump("--name", "*data.bin", "--limit-size", "12K")
    expect(rows[0]["dump"]["bytes_present"] == 3 * PAGE and
           [r["map"]["length"] for r in rows
            if r["map"]["state"] == "left-out"], "--limit-size")
    where, rows = case.dump("--name", "*library.dll", "--copies")
    copies = [(r["map"]["offset"] // PAGE, r["process"]["pid"])
              for r in rows if r["map"]["source"] == "copy"]
    # Both pages that are on disk only; 600 has a copy of the second.
    expect(copies == [(13, 600)], "--copies", copies)
    where, rows = case.dump("--name", "*lostclones*", "--copies")
    expect({(r["map"]["source"], r["map"].get("views")) for r in rows} ==
           {("copy", 2)}, "--copies of clones")
    where, rows = case.dump("--min-views", "4")
    expect({r["section"].get("file", "")[-7:] for r in rows} ==
           {"app.exe", "ary.dll", ""}, "--min-views")
    case.dump("--backing", "physical", status=(64,))
    # A write that fails leaves nothing behind.
    where, _ = case.dump(
        "--name", "*library.dll", status=(73,), preexec_fn=lambda: (
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
            resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))))
    expect(not os.listdir(where), "half a file:", os.listdir(where))


def check_sources(case, kernel):
    """--sources: whose sections; one that only a handle leads to, too."""
    truth = case.build("family", kernel)
    areas = {s["label"]: "0x" + s["control_area"] for s in truth["sections"]}
    _, rows = case.dump()
    usual = {r["section"]["id"] for r in rows}
    expect(areas["lonely"] not in usual and areas["bench"] in usual, "usual")
    _, rows = case.dump("--sources", "vad,handles")
    expect({r["section"]["id"] for r in rows} > usual and
           any(r["section"]["id"] == areas["lonely"] for r in rows),
           "--sources vad,handles")
    _, rows = case.dump("--sources", "handles")
    expect({r["section"]["id"] for r in rows} == {areas["lonely"]},
           "--sources handles", {r["section"].get("name") for r in rows})


def check_names(case, kernel):
    case.build("hostile/names", kernel)
    where, rows = case.dump()
    names = os.listdir(where)
    expect(rows and all(NAME.fullmatch(name) for name in names), names)
    expect(len({n.lower() for n in names}) == len(names), "a collision")


def check_hostile(case, kernel):
    """Impossible sizes, loops, wild pointers: all ends, and most is there."""
    for fault in ("subsection-huge", "subsection-cycle", "protos-paged",
                  "frame-beyond", "dtb-wild", "truncated", "vad-endvpn"):
        case.build("hostile/" + fault, kernel)
        _, rows = case.dump("--copies")
        expect(len({r["section"]["id"] for r in rows}) > 5, fault, len(rows))
        for plugin in (["sharedpages", "--min-views", "1"],
                       ["modified", "--all"]):
            done = subprocess.run(
                [case.vadose, "-q", "-s", case.source / "profiles", "-f",
                 case.image, "-r", "ndjson", *plugin], capture_output=True,
                timeout=60)
            expect(done.returncode in (0, 3), fault, plugin, done.stderr)


def main():
    kernels = {}
    with tempfile.TemporaryDirectory() as folder:
        case = Case(sys.argv, folder)
        table = case.source / "tests/golden/kernels.txt"
        for line in table.read_text().splitlines():
            words = line.split("#")[0].split()
            if words:
                kernels[words[0]] = "".join(words[1:3])
        for kernel in sys.argv[4:]:
            check_kernel(case, kernels[kernel])
        check_options(case)
        check_sources(case, kernels[sys.argv[4]])
        check_names(case, kernels[sys.argv[4]])
        check_hostile(case, kernels[sys.argv[4]])
    for text in failures[:30]:
        print("FAIL", text)
    print("dump:", len(sys.argv) - 4, "kernels,", len(failures), "differences")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
