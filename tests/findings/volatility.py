#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""malfind, ldrmodules, hollow and findings beside Volatility 3's malfind,
ldrmodules, hollowprocesses and processghosting: the same rows, or a reason that
the bytes give (docs/findings.md).

  volatility.py VADOSE MKSCENE PROFILES SCENES RECORDS
  volatility.py ... --live VOLATILITY3 SYMBOLS [--record] [IMAGE...]

Without --live the answers are those that Volatility gave once (RECORDS). With
it, the checkout VOLATILITY3 answers anew, about the scenes or, if there are any,
about the IMAGEs; --record keeps what it says about the scenes. Volatility's processghosting can't
print what it finds (its column is declared as text, and gets a number), so its
generator is asked.
"""
import csv
import io
import json
import os
import re
import subprocess
import sys
import tempfile

KERNEL = "606FF669409B00F7FC8C61A9C16701291"     # 10.0.19041.3570
SCENES = ["doppelganged", "ghosted", "herpaderped", "hollowed",
          "injected-section", "injected-late", "private-pe", "private-pe-late",
          "private-pe-benign", "private-thread", "rwx-shared",
          "stomped-module", "unlinked-module", "unlinked-wow64-benign"]
PLUGINS = ("malfind", "ldrmodules", "processghosting", "hollowprocesses")
failures = 0
reasons = {}


def fail(text):
    global failures
    failures += 1
    print("FAIL", text)


def because(reason):
    reasons[reason] = reasons.get(reason, 0) + 1


# Volatility, as a library: one context per image.

def volatility_rows(folder, symbols, image):
    sys.path.insert(0, folder)
    import volatility3.plugins
    import volatility3.symbols
    from volatility3 import framework
    from volatility3.framework import automagic, constants, contexts, plugins
    constants.OFFLINE = True
    constants.CACHE_PATH = os.path.join(tempfile.gettempdir(), "vadose-vol3")
    os.makedirs(constants.CACHE_PATH, exist_ok=True)
    volatility3.symbols.__path__ = [symbols] + constants.SYMBOL_BASEPATHS
    framework.import_files(volatility3.plugins, True)
    known = framework.list_plugins()
    out = {}
    for name, cls in (("malfind", "malfind.Malfind"),
                      ("ldrmodules", "ldrmodules.LdrModules"),
                      ("processghosting", "processghosting.ProcessGhosting"),
                      ("hollowprocesses", "hollowprocesses.HollowProcesses")):
        context = contexts.Context()
        available = automagic.available(context)
        plugin = known["windows." + cls]
        chosen = automagic.choose_automagic(available, plugin)
        context.config["automagic.LayerStacker.single_location"] = \
            "file://" + os.path.abspath(image)
        built = plugins.construct_plugin(context, chosen, plugin, "plugins",
                                         lambda *_: None, None)
        rows = []
        grid = built.run()
        try:
            grid.populate(lambda node, _: rows.append(list(node.values)), None)
        except TypeError:
            # The rows that the grid refuses.
            from volatility3.plugins.windows import pslist
            kernel = context.modules[built.config["kernel"]]
            listed = pslist.PsList.list_processes(
                context=context, layer_name=kernel.layer_name,
                symbol_table=kernel.symbol_table_name,
                filter_func=pslist.PsList.create_active_process_filter())
            rows = [list(values) for _, values in built._generator(listed)]
        out[name] = [short(name, row) for row in rows]
        out[name] = sorted(r for r in out[name] if r)
    return out


def leaf(path):
    return path.split("\\")[-1].lower()


def short(name, row):
    if name == "malfind":
        return [int(row[0]), "%x" % int(row[2])]
    if name == "ldrmodules":
        file = row[6] if isinstance(row[6], str) else ""
        return [int(row[0]), leaf(file) or "%x" % int(row[2])] + \
            [int(bool(v)) for v in row[3:6]]
    if name == "processghosting":
        return [int(row[0]), "%x" % int(row[2])]
    note = str(row[2])
    base = re.findall(r"0x([0-9a-f]+)", note)[-1]
    kind = "base" if "ImageBaseAddress" in note else \
        "unmapped" if "no VAD" in note else \
        "program" if "process executable" in note else "library"
    return [int(row[0]), kind, base]


# vadose.

class Image:
    def __init__(self, vadose, profiles, path):
        self.command = [vadose, "-q", "-s", profiles, "-f", path, "-r", "csv"]
        self.vads, self.pages = {}, {}
        for r in self.rows("vadinfo"):
            self.vads[int(r["process.pid"]), int(r["vad.start"], 16)] = r

    def rows(self, *args):
        text = subprocess.run(self.command + list(args), check=False,
                              stdout=subprocess.PIPE, text=True).stdout
        return list(csv.DictReader(io.StringIO(text)))

    def via(self, pid, va):
        """How the page at @va was found: "hardware", by a prototype, ..."""
        if pid not in self.pages:
            self.pages[pid] = self.rows("vadpages", "--pid", str(pid))
        for r in self.pages[pid]:
            first = hexes(r, "page.va")
            if first <= va < first + int(r["page.count"]) * 4096:
                return r["page.via"]
        return ""


def hexes(row, name):
    return int(row[name], 16)


def compare_malfind(where, image, theirs):
    """Volatility: private VADs with the tag VadS, and shared ones that are no
    image, if their initial protection has both WRITE and EXECUTE."""
    theirs = {(pid, int(start, 16)) for pid, start in theirs}
    ours = {(int(r["process.pid"]), hexes(r, "vad.start")): r
            for r in image.rows("malfind", "--shared")}
    for key in theirs - set(ours):
        fail("%s: malfind: only Volatility has %s" % (where, key))
    for key in set(ours) - theirs:
        protection = image.vads[key]["vad.protection"]
        if "EXECUTE" not in protection:
            if int(ours[key]["region.executable_pages"]) > 0:
                because("malfind: made executable after it was allocated")
                continue
        elif "WRITE" not in protection:
            because("malfind: executable, and never writable")
            continue
        elif ours[key]["vad.tag"] != "VadS":
            because("malfind: a private VAD with another tag than VadS")
            continue
        elif not ours[key]["region.bytes"] or \
                not ours[key]["region.bytes"].strip("0"):
            because("malfind: nothing of it is in memory but zeros")
            continue
        fail("%s: malfind: only vadose has %s" % (where, key))


def compare_ldrmodules(where, image, theirs):
    """Volatility: each VAD that begins with MZ, against the native lists. By
    file name: where a scene's images lie is nobody's concern."""
    theirs = {(r[0], r[1]): tuple(r[2:]) for r in theirs}
    ours = {}
    for r in image.rows("ldrmodules"):
        if r["module.mapped"] == "true":
            ours[int(r["process.pid"]), leaf(r["section.file"]) or
                 "%x" % hexes(r, "module.base")] = r
    # Without a name in the control area, Volatility has none; the VAD may.
    bases = {(k[0], "%x" % hexes(r, "module.base")): k
             for k, r in ours.items()}
    theirs = {bases.get(k, k): flags for k, flags in theirs.items()}
    others = {(k[0], leaf(v["section.file"]) or "%x" % k[1])
              for k, v in image.vads.items() if v["vad.type"] != "image"}
    for key in set(theirs) - set(ours):
        if key in others:
            because("ldrmodules: begins with MZ, and is no image VAD")
        else:
            fail("%s: ldrmodules: only Volatility has %s" % (where, key))
    unlisted = {int(r["process.pid"]) for r in image.rows("pslist")
                if "active_links" not in r["process.sources"]}
    for key in set(ours) - set(theirs):
        via = image.via(key[0], hexes(ours[key], "module.base"))
        if key[0] in unlisted:
            because("ldrmodules: the process is hidden from the list")
        elif via != "hardware":
            because("ldrmodules: the first page is not in the process's own "
                    "tables (prototypes are not resolved)")
        else:
            fail("%s: ldrmodules: only vadose has %s" % (where, key))
    for key in set(ours) & set(theirs):
        names = ("in_load", "in_init", "in_memory")
        for name, other in zip(names, theirs[key]):
            mine = ours[key]["module." + name]
            if mine == ("true" if other else "false"):
                continue
            if mine == "":
                because("ldrmodules: a list that could not be read to its end")
            elif mine == "true" and ours[key]["module.loader"] != "native":
                because("ldrmodules: in the list of the 32-bit loader")
            else:
                fail("%s: ldrmodules: %s %s %s, Volatility %s" %
                     (where, key, name, mine, bool(other)))


def compare_ghosting(where, image, theirs):
    """Volatility: ImageFilePointer is 0, or its file's DeletePending is set."""
    theirs = {pid for pid, _ in theirs}
    found = {int(r["process.pid"]) for r in image.rows(
        "findings", "--min-severity", "info")
        if r["rule.id"] in ("ghosted-image", "no-image-file")
        and "not the process's own" not in r["why"]}
    files = {int(r["process.pid"]): r for r in image.rows("pslist")}
    for pid in theirs - found:
        images = [v for k, v in image.vads.items()
                  if k[0] == pid and v["vad.type"] == "image"]
        path = files.get(pid, {}).get("process.path", "")
        if not [v for v in images if path and v["section.file"] == path]:
            because("processghosting: a process whose program is not mapped")
        else:
            fail("%s: processghosting: only Volatility has PID %d" %
                 (where, pid))
    if found - theirs and [r for r in image.rows("dt", "_EPROCESS")
                           if "ImageFilePointer" in r.values()]:
        fail("%s: processghosting: only vadose has PIDs %s" %
             (where, found - theirs))
    elif found - theirs:
        because("processghosting: asks EPROCESS.ImageFilePointer, which this "
                "Windows has not")


def compare_hollow(where, image, theirs):
    """Volatility: PEB.ImageBaseAddress, VADs of the program and libraries."""
    rows = image.rows("hollow")
    kinds = {}
    for r in rows:
        kinds.setdefault((int(r["process.pid"]), r["hollow.kind"]),
                         set()).add(hexes(r, "vad.start"))
    for pid, kind, base in theirs:
        base = int(base, 16)
        mine = {"base": ("base_moved", "peb_base_no_image"),
                "unmapped": ("main_unmapped",),
                "program": ("main_unmapped", "odd_protection"),
                "library": ()}[kind]
        if [1 for k in mine if (pid, k) in kinds]:
            continue
        if kind == "library" and [k for k in ("module_no_image",
                                              "odd_protection")
                                  if base in kinds.get((pid, k), ())]:
            continue
        if kind in ("base", "unmapped") and base == 0:
            because("hollowprocesses: a process that was made without a program")
            continue
        fail("%s: hollowprocesses: only Volatility has %s" %
             (where, (pid, kind, hex(base))))
    noted = {t[0] for t in theirs}
    for pid in {k[0] for k in kinds if k[1] in ("main_unmapped", "base_moved")
                } - noted:
        because("hollowprocesses: fewer than three libraries are listed")


COMPARE = {"malfind": compare_malfind, "ldrmodules": compare_ldrmodules,
           "processghosting": compare_ghosting,
           "hollowprocesses": compare_hollow}


def compare(where, image, theirs):
    for name in PLUGINS:
        COMPARE[name](where, image, theirs[name])


def main():
    args = sys.argv[1:]
    vadose, mkscene, profiles, scenes, records = args[:5]
    live = args[6:8] if args[5:6] == ["--live"] else None
    images = [a for a in args[8:] if a != "--record"]
    with open(records, encoding="utf-8") as f:
        recorded = json.load(f)
    answers = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in [] if images else SCENES:
            path = os.path.join(folder, name + ".raw")
            subprocess.run([mkscene, "-p", profiles, "-k", KERNEL, "-r", path,
                            os.path.join(scenes, name + ".scene")], check=True)
            answers[name] = volatility_rows(*live, path) if live else \
                recorded["scenes"][name]
            compare(name, Image(vadose, profiles, path), answers[name])
            os.unlink(path)
    for path in images:
        compare(os.path.basename(path), Image(vadose, profiles, path),
                volatility_rows(*live, path))
    if "--record" in args:
        recorded["scenes"] = answers
        with open(records, "w", encoding="utf-8") as f:
            json.dump(recorded, f, separators=(",", ":"))
            f.write("\n")
    for reason in sorted(reasons):
        print("%4d  %s" % (reasons[reason], reason))
    print("%d images, %d failures" % (len(images or SCENES), failures))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
