#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares what vadose says about an image with the truth that its independent
builder wrote down: every process, every VAD with every column, every view,
every listed page, every probe of bytes.

usage: truth.py VADOSE ISF2YAML SHARED_DATA WORK_DIR IMAGE
       truth.py VADOSE ISF2YAML SHARED_DATA WORK_DIR RECIPE MKSCENE KERNEL BUILD

IMAGE is the name of an archive in SHARED_DATA/images; it is unpacked (sparse)
into WORK_DIR once. With a RECIPE the image is built, for the kernel whose
symbol table in SHARED_DATA/isf is called KERNEL. Exit status 77: there is no
such data here.

On an intact image nothing may differ. On a hostile one (expect.fault) a row may
be missing or differ only where the fault makes it so, and each such allowance
is written down in hostile.py; whatever is there must still be true.
"""
import datetime
import json
import lzma
import os
import re
import shutil
import subprocess
import sys
import tempfile

import hostile

VAD_TYPES = {
    "VadDevicePhysicalMemory": "physical",
    "VadImageMap": "image",
    "VadAwe": "awe",
    "VadWriteWatch": "write-watch",
    "VadLargePages": "large-pages",
    "VadRotatePhysical": "rotate",
    "VadLargePageSection": "large-section",
}
EPOCH_1601 = 116444736000000000
MAX_REPORT = 40


def addr(text):
    """A manifest address as a record has it; None for none."""
    return None if text is None else "0x%016x" % int(text, 16)


def pointer(text):
    """As addr(), where 0 means that there is none."""
    return None if text is None or int(text, 16) == 0 else addr(text)


def filetime(ticks):
    if not ticks:
        return None
    seconds, rest = divmod(ticks - EPOCH_1601, 10000000)
    when = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    return when.strftime("%Y-%m-%dT%H:%M:%S") + ".%07dZ" % rest


class Volume:
    """The truth names mapped files without their volume; the names of file
    handles have it."""

    def __init__(self, manifest):
        self.prefix = None
        for process in manifest["processes"]:
            for handle in process["handles"]:
                name = handle.get("name") or ""
                if handle["type"] == "File" and name.startswith("\\Device\\"):
                    self.prefix = "\\".join(name.split("\\")[:3])
                    return

    def strip(self, path):
        if not self.prefix and path:
            # No handle names it: any volume will do, but one.
            found = re.match(r"\\Device\\HarddiskVolume\d+(?=\\)", path)
            self.prefix = found.group(0) if found else None
        if self.prefix and path and path.startswith(self.prefix + "\\"):
            return path[len(self.prefix):]
        return path


class Failures:
    def __init__(self):
        self.count = 0

    def add(self, text):
        self.count += 1
        if self.count <= MAX_REPORT:
            print("FAIL: " + text)

    def equal(self, what, got, expected):
        if got != expected:
            self.add("%s: %r instead of %r" % (what, got, expected))


class Runner:
    """Runs vadose over one file of one image."""

    def __init__(self, vadose, profile, image):
        self.vadose, self.profile, self.image = vadose, profile, image
        self.notes = {}

    def run(self, *args, codes=(0,)):
        """Records of one run, its run_start and run_end; checks the frame."""
        command = [self.vadose, "-f", self.image, "-r", "ndjson"]
        if self.profile:
            command += ["--profile", self.profile]
        done = subprocess.run(command + list(args), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=300)
        if done.returncode not in codes:
            raise SystemExit("FAIL: %s: exit %d: %s" % (
                " ".join(args), done.returncode,
                done.stderr.decode("utf-8", "replace")[-2000:]))
        text = done.stdout.decode("utf-8")
        if text and not text.endswith("\n"):
            raise SystemExit("FAIL: no final newline")
        records = [json.loads(line) for line in text.splitlines()]
        if not records:
            return done.returncode, [], None, None
        if records[0]["kind"] != "run_start" or records[-1]["kind"] != "run_end":
            raise SystemExit("FAIL: %s: no run_start or run_end" % args[0])
        rows = [r for r in records[1:-1] if r["kind"] != "note"]
        self.notes[args[0]] = [r for r in records if r["kind"] == "note"]
        self.stderr = done.stderr.decode("utf-8", "replace")
        return done.returncode, rows, records[0], records[-1]


    def finds_kernel(self):
        """False if vadose says why it can't read the image (exit 4)."""
        done = subprocess.run(
            [self.vadose, "-f", self.image, "--profile", self.profile,
             "pslist"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            timeout=300)
        if done.returncode in (0, 3):
            return True
        message = done.stderr.decode("utf-8", "strict").strip()
        lines = [m for m in message.splitlines() if m.startswith("vadose: ")]
        if done.returncode != 4 or not lines:
            raise SystemExit("FAIL: exit %d: %s" % (done.returncode, message))
        print(os.path.basename(self.image) + ": refused: " + message)
        return False


def best_name(truth):
    """Names come from the most trusted source: the image file's, if any. (The
    truth's own `name` is that of ImageFileName, in full.)"""
    if truth["path"]:
        return truth["path"].rsplit("\\", 1)[1]
    return truth["name"]


def expected_process(truth):
    return {
        "pid": truth["pid"],
        "ppid": truth["ppid"],
        "name": best_name(truth),
        "image_file_name": truth["image_file_name"],
        "path": truth["path"],
        "eprocess": addr(truth["eprocess"]),
        "dtb": addr(truth["dtb"]),
        "user_dtb": pointer(truth.get("user_dtb", "0")),
        "start": filetime(truth["create_time"]),
        "exit": filetime(truth["exit_time"]),
        "exited": truth["exited"],
        "session": truth["session"],
        "wow64": truth["wow64"],
        "threads": truth["active_threads"],
        "peb": pointer(truth["peb"]),
        "image_base": pointer(truth.get("image_base")),
        "object_table": pointer(truth["object_table"]),
        "vad_root": pointer(truth["vad_root"]),
        "vad_count": truth["vad_count"],
    }


def check_pslist(runner, manifest, rules, failures):
    _, rows, _, _ = runner.run("pslist", codes=rules.codes)
    volume = Volume(manifest)
    found = {}
    order = []
    for row in rows:
        process = row["process"]
        if process["eprocess"] in found:
            failures.add("process %s twice" % process["eprocess"])
        found[process["eprocess"]] = row
        order.append((process["pid"], process.get("start", ""),
                      process["eprocess"]))
    failures.equal("order of processes", order, sorted(order))
    for truth in manifest["processes"]:
        row = found.pop(addr(truth["eprocess"]), None)
        what = "process %d (%s)" % (truth["pid"], truth["name"])
        if row is None:
            if not rules.process_may_be_missing(truth):
                failures.add(what + ": missing")
            continue
        process = row["process"]
        for name, value in expected_process(truth).items():
            if rules.process_may_differ(truth, name, row) or \
                    name == "image_base" and name not in truth:
                continue
            got = process.get(name)
            if name == "path":
                got = volume.strip(got)
            failures.equal("%s: %s" % (what, name), got, value)
        listed = set(process["sources"]) & {"active_links", "active_blinks"}
        if truth["hidden"]:
            failures.equal(what + ": lists that it is in", listed, set())
        elif not rules.process_may_differ(truth, "sources", row):
            failures.equal(what + ": lists that it is in", listed,
                           {"active_links", "active_blinks"})
    for eprocess in found:
        failures.add("process %s is not in the truth" % eprocess)
    return len(rows)


class Sections:
    def __init__(self, manifest):
        self.by_id = {s["id"]: s for s in manifest["sections"]}

    def of(self, vad):
        return self.by_id.get(vad["section"])


def level_of(vad, nodes):
    level = 0
    while vad["parent"] in nodes and level <= len(nodes):
        vad = nodes[vad["parent"]]
        level += 1
    return level


def expected_vad(vad, nodes, sections):
    start, end = int(vad["start"], 16), int(vad["end"], 16)
    kind = VAD_TYPES.get(vad["type"])
    if kind is None:
        kind = "private" if vad["private"] else "mapped"
    ret = {
        "vad.node": addr(vad["vad"]),
        "vad.start": addr(vad["start"]),
        "vad.end": addr(vad["end"]),
        "vad.size": end - start + 1,
        "vad.tag": vad["tag"],
        "vad.type": kind,
        "vad.protection_raw": vad["protection_mm"],
        "vad.protection": vad["protection"],
        "vad.private": bool(vad["private"]),
        "vad.commit": vad["commit"],
        "vad.level": level_of(vad, nodes),
        "vad.parent": pointer(vad["parent"]),
        "vad.left": pointer(vad["left"]),
        "vad.right": pointer(vad["right"]),
        "section.control_area": pointer(vad["control_area"]),
        "section.subsection": pointer(vad["subsection"]),
        "section.first_prototype_pte": addr(vad["first_proto"]),
        "section.last_contiguous_pte": addr(vad["last_contiguous"]),
        "section.file": vad["file"],
        "section.backing": None,
        "section.name": None,
        "section.offset": None,
        "section.file_deleted": None,
    }
    section = sections.of(vad)
    if section:
        physical = kind == "physical"
        ret["section.backing"] = "physical" if physical else section["kind"]
        ret["section.name"] = section["name"]
        if not physical:
            ret["section.offset"] = 4096 * vad["view_page"]
        ret["section.file_deleted"] = section["delete_pending"]
    return ret


def get_path(record, path):
    for part in path.split("."):
        record = record.get(part)
        if record is None:
            return None
    return record


def check_vadinfo(runner, manifest, rules, failures):
    _, rows, _, end = runner.run("vadinfo", codes=rules.codes)
    sections = Sections(manifest)
    volume = Volume(manifest)
    columns = manifest["vad_columns"]
    found = {}
    last = {}
    for row in rows:
        key = (row["process"]["eprocess"], row["vad"]["node"])
        if key in found:
            failures.add("VAD %s of %s twice" % (key[1], key[0]))
        found[key] = row
        if row["vad"]["start"] < last.get(key[0], ""):
            if not rules.order_may_differ():
                failures.add("VAD %s is out of order" % key[1])
        last[key[0]] = row["vad"]["start"]
    for process in manifest["processes"]:
        vads = [dict(zip(columns, v)) for v in process["vads"]]
        nodes = {v["vad"]: v for v in vads}
        for vad in vads:
            what = "PID %d VAD %s (%s)" % (process["pid"], vad["vad"],
                                           vad["start"])
            row = found.pop((addr(process["eprocess"]), addr(vad["vad"])),
                            None)
            if row is None:
                if not rules.vad_may_be_missing(process, vad, nodes):
                    failures.add(what + ": missing")
                continue
            for name, value in expected_vad(vad, nodes, sections).items():
                got = get_path(row, name)
                if name == "section.file":
                    got = volume.strip(got)
                if got != value and not rules.vad_may_differ(
                        process, vad, name, row):
                    failures.equal("%s: %s" % (what, name), got, value)
    for key in found:
        failures.add("VAD %s of %s is not in the truth" % (key[1], key[0]))
    return len(rows)


def check_sharedmem(runner, manifest, rules, failures):
    """Views by first prototype PTE and by control area."""
    _, rows, _, _ = runner.run("sharedmem", "--verify", "none",
                               codes=rules.codes)
    for name, where in (("by_first_prototype_pte", "vad.first_prototype_pte"),
                        ("by_control_area", "section.control_area")):
        got = set()
        for row in rows:
            key = get_path(row, where)
            if key is None:
                continue
            got.add((key, row["process"]["pid"], row["process"]["eprocess"],
                     row["vad"]["start"], row["vad"].get("end")))
        expected = set()
        for key, views in manifest["sharedmem"][name].items():
            for view in views:
                expected.add((addr(key), view["pid"], addr(view["eprocess"]),
                              addr(view["start"]), addr(view["end"])))
        for view in sorted(expected - got, key=str):
            if not rules.view_may_be_missing(view):
                failures.add("sharedmem, %s: missing %s" % (name, view))
        for view in sorted(got - expected, key=str):
            if not rules.view_may_be_there(view):
                failures.add("sharedmem, %s: %s is not in the truth" %
                             (name, view))
    return len(rows)


# What a page is whose PTE says no more than "see the prototype PTE": by the
# letter of that one.
PROTO_STATES = {
    "V": "present",
    "T": "transition",
    "P": "pagefile",
    "Z": "demand-zero",
    "S": "file",
}
STATES = {
    "shared": "present",
    "cow": "present",
    "valid-private": "present",
    "large": "present",
    "kuser": "present",
    "device": "out-of-image",
    "transition": "transition",
    "pagefile": "pagefile",
    "demand-zero": "demand-zero",
    "guard": "guard",
    "decommitted": "decommitted",
    "no-access": "no-access",
}
VIA = {
    "proto": "prototype_pte",
    "proto-lookup": "prototype_vad",
    "transition": "pte",
    "pagefile": "pte",
    "demand-zero": "pte",
    "guard": "pte",
    "decommitted": "pte",
    "no-access": "pte",
}


class Vads:
    """The VADs of one process by address."""

    def __init__(self, manifest, process):
        columns = manifest["vad_columns"]
        self.list = [dict(zip(columns, row)) for row in process["vads"]]

    def at(self, va):
        for vad in self.list:
            if int(vad["start"], 16) <= va <= int(vad["end"], 16):
                return vad
        return None


def expected_page(page, vads, sections):
    """State and physical address; None where the truth doesn't say."""
    state = STATES.get(page["state"])
    pa = addr(page["pa"])
    if page["state"] == "demand-zero" and int(page["pte"], 16) >> 5 & 24 == 16:
        return "guard", pa
    if page["state"] not in ("proto", "proto-lookup"):
        return state, pa
    va = int(page["va"], 16)
    vad = vads.at(va)
    section = sections.of(vad)
    letters = section.get("proto_states") if section else None
    if not letters:
        return None, pa
    index = vad["view_page"] + (va - int(vad["start"], 16)) // 4096
    frame = section["frames"].get(str(index))
    if frame is not None:
        pa = "0x%016x" % (int(frame, 16) * 4096)
    return PROTO_STATES[letters[index]], pa


def check_pages(runner, manifest, rules, failures):
    """The table entry behind every listed page, its address, the frame that it
    or its prototype leads to, and what the page is."""
    columns = manifest["page_columns"]
    sections = Sections(manifest)
    count = 0
    for process in manifest["processes"]:
        pages = [dict(zip(columns, p)) for p in process["pages"]]
        vads = Vads(manifest, process)
        if not pages or rules.process_may_be_missing(process):
            continue
        for at in range(0, len(pages), 1000):
            count += check_page_batch(runner, process, pages[at:at + 1000],
                                      vads, sections, rules, failures)
    return count


def check_page_batch(runner, process, pages, vads, sections, rules, failures):
    _, rows, _, _ = runner.run(
        "vtop", "--pid", str(process["pid"]),
        *["0x" + page["va"] for page in pages], codes=(0, 3))
    got = {(r["process"]["pid"], r["translation"]["va"]): r for r in rows}
    for page in pages:
        what = "PID %d page %s (%s)" % (process["pid"], page["va"],
                                        page["state"])
        record = got.get((process["pid"], addr(page["va"])))
        if record is None:
            failures.add(what + ": no translation")
            continue
        row = record["translation"]
        entry = row.get("pde" if page["state"] == "large" else "pte", {})
        failures.equal(what + ": entry at", entry.get("pa"),
                       addr(page["pte_pa"]))
        failures.equal(what + ": entry", entry.get("entry"), addr(page["pte"]))
        if rules.page_may_differ(process, page, row):
            continue
        state, pa = expected_page(page, vads, sections)
        if state:
            failures.equal(what + ": state", row.get("state"), state)
        if pa:
            failures.equal(what + ": PA", row.get("pa"), pa)
        if not pa and row.get("pa"):
            failures.add(what + ": has a PA: " + row["pa"])
        failures.equal(what + ": via", row.get("via"),
                       VIA.get(page["state"], "hardware"))
        vad = vads.at(int(page["va"], 16))
        got_vad = get_path(record, "vad.node")
        if not rules.found_vad_may_differ(process, page):
            failures.equal(what + ": VAD", got_vad,
                           addr(vad["vad"]) if vad else None)
    return len(pages)


def check_probes(runner, manifest, rules, failures):
    probes = (manifest.get("expect") or {}).get("probes") or []
    other = ""
    for probe in probes:
        pid = probe["pid"] if probe["pid"] is not None else 4
        size = len(probe["hex"] or other) // 2
        _, rows, _, _ = runner.run(
            "memread", "--pid", str(pid), "0x" + probe["va"],
            "--size", str(size), codes=rules.codes)
        got = "".join(r["memory"].get("bytes", "?") for r in rows)
        what = "bytes at %s of %d" % (probe["va"], pid)
        if probe["hex"] is not None:
            failures.equal(what, got, probe["hex"])
        elif got == other:
            # The same address in a process that didn't write there.
            failures.add(what + ": the private copy of another process")
        other = got
    return len(probes)


def check_start(runner, manifest, rules, failures):
    """What every run says about the machine first."""
    _, _, start, _ = runner.run("pslist", codes=rules.codes)
    kernel = manifest["kernel"]
    failures.equal("DTB", start["kernel"]["dtb"], addr(kernel["dtb"]))
    failures.equal("kernel base", start["kernel"]["base"],
                   addr(kernel["base"]))
    failures.equal("build", start["os"]["build"], manifest["build"])
    if kernel.get("build_lab"):
        failures.equal("build lab", start["os"].get("build_lab"),
                       kernel["build_lab"])
    failures.equal("PDB", start["kernel"]["pdb"]["guid"],
                   manifest["isf"]["guid"].upper())
    failures.equal("age", start["kernel"]["pdb"]["age"],
                   manifest["isf"]["age"])
    failures.equal("system time", start["@timestamp"],
                   filetime(kernel["system_time"]))


def symbol_table(shared, work, name):
    """The kernel's symbol table as a plain file: unpacked here, so that a build
    without liblzma passes too."""
    table = os.path.join(shared, "isf", name + ".json.xz")
    if not os.path.exists(table):
        print("SKIP: no such test data: " + table)
        sys.exit(77)
    plain = tempfile.NamedTemporaryFile(dir=work, suffix=".json")
    with lzma.open(table) as packed:
        shutil.copyfileobj(packed, plain)
    plain.flush()
    return plain


def make_profile(isf2yaml, shared, work, name):
    """The kernel's profile from its symbol table, once per work folder."""
    path = os.path.join(work, name + ".yaml")
    if not os.path.exists(path):
        handle, temp = tempfile.mkstemp(dir=work, suffix=".yaml")
        os.close(handle)
        with symbol_table(shared, work, name) as table:
            subprocess.run([isf2yaml, table.name, temp], check=True)
        os.rename(temp, path)
    return path


def build_scene(mkscene, shared, work, recipe, kernel, build):
    """Builds the image and its truth; returns their folder and the truth."""
    where = os.path.join(work, os.path.basename(recipe) + "-" + kernel)
    os.makedirs(where, exist_ok=True)
    truth = os.path.join(where, "truth.json")
    with symbol_table(shared, work, kernel) as table:
        subprocess.run([mkscene, "-p", table.name, "-b", build,
                        "-r", os.path.join(where, "scene.raw"),
                        "-l", os.path.join(where, "scene.lime"),
                        "-t", truth, recipe], check=True)
    with open(truth, encoding="utf-8") as file:
        return where, json.load(file)


def unpack(shared, work, name):
    """Unpacks the archive once; returns its manifest."""
    archive = os.path.join(shared, "images", name + ".tar.zst")
    if not os.path.exists(archive):
        print("SKIP: no such test data: " + archive)
        sys.exit(77)
    where = os.path.join(work, name)
    manifest = os.path.join(where, name + ".manifest.json")
    if not os.path.exists(manifest):
        with tempfile.TemporaryDirectory(dir=work) as temp:
            subprocess.run(["tar", "--zstd", "-xSf", archive, "-C", temp],
                           check=True)
            try:
                os.rename(temp, where)
                os.mkdir(temp)
            except OSError:
                pass    # another test was faster
    with open(manifest, encoding="utf-8") as file:
        return where, json.load(file)


def check_info(runner, manifest, rules, failures):
    """The machine's record itself."""
    _, rows, _, _ = runner.run("info", codes=rules.codes)
    failures.equal("number of machines", len(rows), 1)
    record, kernel = rows[0], manifest["kernel"]
    expected = {
        "kernel.dtb": addr(kernel["dtb"]),
        "kernel.base": addr(kernel["base"]),
        "kernel.size": int(kernel["size"], 16),
        "kernel.build": manifest["build"],
        "kernel.pdb.guid": manifest["isf"]["guid"].upper(),
        "kernel.pdb.age": manifest["isf"]["age"],
        "image.system_time": filetime(kernel["system_time"]),
    }
    for name, value in expected.items():
        failures.equal("info: " + name, get_path(record, name), value)
    return len(expected)


def check_file(vadose, profile, path, manifest, rules, failures):
    runner = Runner(vadose, profile, path)
    if rules.kernel_may_be_lost and not runner.finds_kernel():
        return
    check_start(runner, manifest, rules, failures)
    counts = {
        "facts": check_info(runner, manifest, rules, failures),
        "processes": check_pslist(runner, manifest, rules, failures),
        "VADs": check_vadinfo(runner, manifest, rules, failures),
        "views": check_sharedmem(runner, manifest, rules, failures),
        "pages": check_pages(runner, manifest, rules, failures),
        "probes": check_probes(runner, manifest, rules, failures),
    }
    rules.check_notes(runner, failures)
    print(os.path.basename(path) + ": compared " +
          ", ".join("%d %s" % (n, what) for what, n in counts.items()))


def main():
    vadose, isf2yaml, shared, work, name = sys.argv[1:6]
    os.makedirs(work, exist_ok=True)
    if len(sys.argv) > 6:
        mkscene, kernel, build = sys.argv[6:]
        where, manifest = build_scene(mkscene, shared, work, name, kernel,
                                      build)
        rules = hostile.Rules(manifest)
    else:
        where, manifest = unpack(shared, work, name)
        kernel = "%s-%d" % (manifest["isf"]["guid"].upper(),
                            manifest["isf"]["age"])
        rules = hostile.rules_for(name, manifest)
    profile = make_profile(isf2yaml, shared, work, kernel)
    failures = Failures()
    images = [f for f in sorted(os.listdir(where)) if not f.endswith(".json")]
    lacks = os.environ.get("VDS_LACKS", "").split()
    for image in images:
        missing = {"serd", "snappy" if "snappy" in image else "serd"}
        if ".aff4" in image and missing & set(lacks):
            print("%s: skipped, this build lacks %s" %
                  (image, " ".join(sorted(missing & set(lacks)))))
            continue
        check_file(vadose, profile, os.path.join(where, image), manifest,
                   rules, failures)
    if failures.count:
        print("%d differences" % failures.count)
    if not images:
        failures.add("there is no image")
    sys.exit(1 if failures.count else 0)


if __name__ == "__main__":
    main()
