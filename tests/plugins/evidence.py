#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every page of every section of images/pages.scene, on many kernels: who maps
it, who has a copy, what the PFN database says, and the grade that follows.

usage: evidence.py VADOSE MKSCENE SOURCE [KERNEL...]

The expectations are worked out here from the truth that the scene's builder
writes, page by page, by the definitions of docs/sharing.md.
"""
import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile

STATES = {"V": "present", "T": "transition", "P": "pagefile",
          "Z": "demand-zero", "S": "file"}
RANK = ["hardware", "pfn", "structural", "metadata", None]
# Builds that have types only: the symbols are those of 22000.
LENDER = "22000"


def addr(text):
    return "0x%016x" % int(text, 16)


class Page:
    """One page of a section and what each view's own entry says of it."""

    def __init__(self, state, frame):
        self.state, self.frame = state, frame   # of the prototype PTE
        self.views = []                         # (PID, entry's state, frame)
        # The PFN database's word on the frame: gone, private, other.
        self.pfn = "right"

    def shared_frame(self, lost):
        """The frame that a reader can know to be the section's."""
        if not lost:
            return self.frame
        frames = [f for _, s, f in self.views
                  if s in ("shared", "cow", "cow-transition")]
        if self.pfn == "right" and self.frame in frames:
            return self.frame
        # Nobody says what the frame is: two that have it in common do.
        common = collections.Counter(frames).most_common(1)
        if self.pfn == "gone" and common and common[0][1] > 1:
            return common[0][0]
        return None

    def expected(self, lost):
        shared = self.shared_frame(lost)
        count = dict.fromkeys(["mapped", "private", "private_paged_out",
                               "untouched", "blocked", "unknown"], 0)
        pids = {"mapped": set(), "private": set()}
        for pid, state, frame in self.views:
            kind = {None: "untouched", "proto": "untouched",
                    "proto-lookup": "untouched", "guard": "blocked",
                    "no-access": "blocked", "lost": "unknown",
                    "cow-pagefile": "private"}.get(state)
            if kind is None:
                private = self.pfn == "private" or state.startswith("cow")
                kind = "mapped" if shared and frame == shared else \
                    "unknown" if lost and not shared and not private else \
                    "private"
            count[kind] += 1
            count["private_paged_out"] += state == "cow-pagefile"
            if kind in pids:
                pids[kind].add(pid)
        known = bool(shared) and self.pfn != "gone"
        agrees = known and self.pfn == "right"
        grade = None if len(self.views) < 2 else \
            "hardware" if count["mapped"] > 1 else "pfn" if agrees else \
            "metadata" if lost else "structural"
        return {**count, "views": len(self.views), "grade": grade,
                "state": "unreadable-prototype" if lost else self.state,
                "frame": shared, "pids": pids,
                "agrees": agrees if known else None}


class Truth:
    def __init__(self, manifest):
        self.lost, self.pages = set(), {}
        sections = {s["label"]: addr(s["control_area"])
                    for s in manifest["sections"]}
        for s in manifest["sections"]:
            for i, letter in enumerate(s["proto_states"]):
                frame = s["frames"].get(str(i))
                self.pages[addr(s["control_area"]), i] = Page(
                    STATES[letter], frame and addr(frame + "000"))
        for process in manifest["processes"]:
            self.add_process(process, manifest)
        for kind, label, *number in manifest["expect"]["faults"]:
            if kind == "protos-paged":
                self.lost.add(sections[label])
            elif kind.startswith("pfn-"):
                self.pages[sections[label], int(number[0])].pfn = kind[4:]

    def add_process(self, process, manifest):
        entries = {}
        for row in process["pages"]:
            page = dict(zip(manifest["page_columns"], row))
            entries[int(page["va"], 16)] = page
        # A table that lies in a hole.
        runs = manifest["runs"]
        holes = [(int(a[1], 16), int(b[0], 16))
                 for a, b in zip(runs, runs[1:])]
        for row in process["vads"]:
            vad = dict(zip(manifest["vad_columns"], row))
            if not vad["control_area"]:
                continue
            start, end = int(vad["start"], 16), int(vad["end"], 16)
            area = addr(vad["control_area"])
            for va in range(start, end, 4096):
                page = self.pages.get(
                    (area, vad["view_page"] + (va - start) // 4096))
                if page is None:
                    continue        # past the section's end
                entry = entries.get(va)
                table = self.table_of(entries, va)
                if any(a <= table < b for a, b in holes):
                    page.views.append((process["pid"], "lost", None))
                elif entry is None:
                    page.views.append((process["pid"], None, None))
                else:
                    page.views.append((process["pid"], entry["state"],
                                       self.frame_of(entry, manifest)))

    @staticmethod
    def table_of(entries, va):
        for other, entry in entries.items():
            if other >> 21 == va >> 21:
                return int(entry["pte_pa"], 16)
        return -1

    @staticmethod
    def frame_of(entry, manifest):
        if entry["pa"]:
            return addr(entry["pa"])
        # In transition: the frame's bits of the entry, whatever the mask.
        return "transition:" + entry["pte"]


def rows(vadose, profiles, image, *args):
    done = subprocess.run([vadose, "-q", "-s", profiles, "-f", image, "-r",
                           "ndjson", *args], capture_output=True, timeout=120)
    if done.returncode not in (0, 3):
        sys.exit(f"{args}: {done.returncode}: {done.stderr.decode()}")
    return [r for r in map(json.loads, done.stdout.splitlines())
            if r["kind"] in ("shared_pages", "sharedmem_view")]


def frames_of(pages):
    """The frame of each page of a row."""
    found = []
    for piece in pages.get("frames", []):
        first, last = (int(x, 16) for x in piece.split("-"))
        found += ["0x%016x" % pa for pa in range(first, last, 4096)]
    return found


def compare(truth, records, fail):
    """Each page in one row, and the row as the truth wants it."""
    seen, best = {}, {}
    for row in records:
        pages, area = row["pages"], row["section"]["id"]
        frames = frames_of(pages)
        for page in range(pages["first"], pages["last"] + 1):
            key = area, page
            if key in seen or key not in truth.pages:
                fail(f"{key}: twice, or not in the section")
                continue
            seen[key] = True
            want = truth.pages[key].expected(area in truth.lost)
            got = {name: pages.get(name) for name in want}
            got["pids"] = {"mapped": set(pages.get("mapped_pids", [])),
                           "private": set(pages.get("private_pids", []))}
            got["agrees"] = pages.get("pfn_agrees")
            got["frame"] = frames[page - pages["first"]] if frames else None
            if got != want:
                fail(f"{key}: {got}, not {want}")
            group = row["sharing"]["group"]
            best[group] = min(best.get(group, 9), RANK.index(want["grade"]))
    shown = {key for key, page in truth.pages.items() if page.views}
    if set(seen) != shown:
        fail(f"pages: {sorted(set(seen) ^ shown)[:4]}")
    return best


def check_groups(truth, views, best, fail):
    """A group's grade is the best of its pages; A by page tables alone."""
    for row in views:
        sharing, area = row["sharing"], row["section"]["id"]
        want = RANK[best[sharing["group"]]]
        if sharing.get("grade") != want:
            fail(f"{area}: graded {sharing.get('grade')}, not {want}")
        pid = row["process"]["pid"]
        first, last = row["section"]["first_page"], row["section"]["last_page"]
        proven = any(
            e["mapped"] > 1 and pid in e["pids"]["mapped"] for e in
            (truth.pages[area, page].expected(area in truth.lost)
             for page in range(first, last + 1)))
        if sharing.get("proven", False) != proven and not any(
                v is not row and v["process"]["pid"] == pid and
                v["section"]["id"] == area for v in views):
            fail(f"{area}: PID {pid}: proven {sharing.get('proven')}")


def main():
    vadose, mkscene, source = sys.argv[1:4]
    source = pathlib.Path(source)
    kernels = {}
    for line in (source / "tests/golden/kernels.txt").read_text().splitlines():
        words = line.split("#")[0].split()
        if words:
            kernels[words[0]] = "".join(words[1:3])
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        for kernel in sys.argv[4:]:
            scene, _, kernel = kernel.rpartition("/")
            name = os.path.join(folder, "pages")
            profile = ["-p", source / "profiles", "-k", kernels.get(kernel)]
            if kernel not in kernels:
                profile = ["-p", source / f"profiles/published/{kernel}.yaml",
                           "-o", source / "profiles", "-k", kernels[LENDER]]
            subprocess.run([mkscene, *profile, "-l", name + ".lime", "-t",
                            name + ".json", source / "images" /
                            f"{scene or 'pages'}.scene"], check=True)
            manifest = json.loads(pathlib.Path(name + ".json").read_text())
            truth = Truth(manifest)
            fail = (lambda text: failures.append(f"{kernel}: {text}"))
            args = vadose, source / "profiles", name + ".lime"
            best = compare(truth, rows(*args, "sharedmem", "--pages",
                                       "--min-views", "1"), fail)
            check_groups(truth, [r for r in rows(*args, "sharedmem")
                                 if r["sharing"]["view_count"] > 1], best,
                         fail)
    for text in failures[:30]:
        print("FAIL", text)
    print(f"evidence: {len(sys.argv) - 4} kernels, {len(failures)} differences")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
