# SPDX-License-Identifier: Apache-2.0
"""Compares vadose's records with the truth that mkscene writes beside an image.

The truth comes from the recipe, the records from the image: nothing is shared
between the two but the kernel's profile. Addresses in the truth are hex without
0x; `null` means absent.
"""
import datetime

EPOCH = datetime.datetime(1601, 1, 1)


def address(text):
    """A truth's address as vadose prints it, or None."""
    return f"0x{int(text, 16):016x}" if text not in (None, "0") else None


def filetime(value):
    if not value:
        return None
    when = EPOCH + datetime.timedelta(seconds=value // 10**7)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{value % 10**7:07}Z"


class Differences:
    """Collects what differs, and says it in a few lines."""

    def __init__(self, title):
        self.title, self.lines = title, []

    def check(self, what, want, got):
        if want != got:
            self.lines.append(f"{what}: want {want!r}, got {got!r}")

    def check_sets(self, what, want, got):
        for name, items in (("missing", want - got), ("not in truth", got - want)):
            for item in sorted(items, key=str)[:3]:
                self.lines.append(f"{what}: {name}: {item}")
            if len(items) > 3:
                self.lines.append(f"{what}: {name}: {len(items) - 3} more")


def compare_processes(truth, records):
    out = Differences("pslist")
    rows = {r["process"]["eprocess"]: r["process"] for r in records
            if r["kind"] == "process"}
    want = {address(p["eprocess"]) for p in truth["processes"]}
    out.check_sets("EPROCESS", want, set(rows))
    for p in truth["processes"]:
        row = rows.get(address(p["eprocess"]))
        if row is None:
            continue
        pid = p["pid"]
        for key, value in (
                ("pid", pid), ("ppid", p["ppid"] or row.get("ppid")),
                ("dtb", address(p["dtb"])), ("exited", p["exited"]),
                ("threads", p["active_threads"]), ("wow64", p["wow64"]),
                ("start", filetime(p["create_time"])),
                ("exit", filetime(p["exit_time"])),
                ("vad_root", address(p["vad_root"])),
                ("peb", address(p["peb"]))):
            out.check(f"PID {pid}: {key}", value, row.get(key))
        if pid != 4 and not p["minimal"]:
            out.check(f"PID {pid}: session", p["session"], row.get("session"))
        if p["hidden"]:
            out.check(f"PID {pid}: listed", False,
                      "active_links" in row["sources"])
        if p["path"] and not p["exited"]:
            out.check(f"PID {pid}: name", p["path"].split("\\")[-1],
                      row["name"])
    return out


def compare_vads(truth, records):
    out = Differences("vadinfo")
    columns = {name: i for i, name in enumerate(truth["vad_columns"])}
    want, got = {}, {}
    for p in truth["processes"]:
        for row in p["vads"]:
            v = {name: row[i] for name, i in columns.items()}
            want[(p["pid"], address(v["vad"]))] = {
                "start": address(v["start"]), "end": address(v["end"]),
                "tag": v["tag"], "protection_raw": v["protection_mm"],
                "private": bool(v["private"]), "commit": v["commit"],
                "left": address(v["left"]), "right": address(v["right"]),
                "control_area": address(v["control_area"]),
                "subsection": address(v["subsection"]),
                "first_prototype_pte": address(v["first_proto"]),
                "last_contiguous_pte": address(v["last_contiguous"]),
                "file": v["file"],
            }
    for r in records:
        if r["kind"] != "vad":
            continue
        vad, section = r["vad"], r.get("section", {})
        merged = {**section, **vad}
        key = (r["process"]["pid"], vad["node"])
        got[key] = {name: merged.get(name) for name in
                    next(iter(want.values()), {})}
        # Paths begin with the volume's device, which a truth leaves out.
        if got[key].get("file") and want.get(key, {}).get("file"):
            if got[key]["file"].endswith(want[key]["file"]):
                got[key]["file"] = want[key]["file"]
    out.check_sets("VAD", set(want), set(got))
    for key in want.keys() & got.keys():
        for name, value in want[key].items():
            out.check(f"PID {key[0]}: VAD {key[1]}: {name}", value,
                      got[key][name])
    return out


def compare_views(truth, records):
    out = Differences("sharedmem")
    want = {(address(proto), o["pid"], address(o["start"]), address(o["end"]))
            for proto, owners in
            truth["sharedmem"]["by_first_prototype_pte"].items()
            for o in owners}
    # Views of kernel space are no VADs, and not in that table.
    records = [r for r in records if r["kind"] == "sharedmem_view" and
               r["view"]["space"] == "process"]
    got = {(r["vad"]["first_prototype_pte"], r["process"]["pid"],
            r["vad"]["start"], r["vad"]["end"]) for r in records}
    out.check_sets("view", want, got)
    unlinked = {(o["pid"], address(o["start"])) for owners in
                truth["sharedmem"]["by_first_prototype_pte"].values()
                for o in owners if o.get("unlinked")}
    out.check_sets("view by the list alone", unlinked, {
        (r["process"]["pid"], r["vad"]["start"]) for r in records
        if r["sharing"].get("sources") == ["view_list"]})
    files = {address(s["control_area"]): s["file"] for s in truth["sections"]
             if not s["file_pointer_null"]}
    names = {address(s["control_area"]): s["name"] for s in truth["sections"]}
    for r in records:
        section = r["section"]
        area = section["control_area"]
        if files.get(area):
            out.check(f"{area}: file", True,
                      section.get("file", "").endswith(files[area]))
        out.check(f"{area}: name", names.get(area), section.get("name"))
    return out


COMPARE = {"pslist": compare_processes, "vadinfo": compare_vads,
           "sharedmem": compare_views}
