#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Structures that dt lays open against the truth of the image's builder."""
import subprocess

import common


def fields(test, *args, codes=(0, 3)):
    """Member path -> its field."""
    rows = test.run("dt", *args, codes=codes)
    return {r["field"]["name"]: r["field"] for r in rows}


def find(found, *names):
    """The first of the names that this kernel's layout has."""
    for name in names:
        if name in found:
            return found[name]
    return {}


def number(field):
    value = field.get("number")
    return None if value is None else common.number(value)


def check_process(test, process):
    found = fields(test, "_EPROCESS", "--address", "0x" + process["eprocess"])
    what = "EPROCESS of %d: " % process["pid"]
    expected = {
        "UniqueProcessId": process["pid"],
        "InheritedFromUniqueProcessId": process["ppid"],
        "ActiveThreads": process["active_threads"],
        "Peb": int(process["peb"] or "0", 16),
        "ObjectTable": int(process["object_table"] or "0", 16),
        "Pcb.DirectoryTableBase": int(process["dtb_field"], 16),
        "CreateTime.QuadPart": process["create_time"],
    }
    for name, value in expected.items():
        test.equal(what + name, number(find(found, name)), value)
    test.equal(what + "ImageFileName", found["ImageFileName"]["value"],
               '"%s"' % process["image_file_name"])
    test.equal(what + "an array of bytes has no elements",
               "ImageFileName[0]" in found, False)


def check_vad(test, vad):
    found = fields(test, "_MMVAD_SHORT", "--address", "0x" + vad["vad"])
    what = "VAD %s: " % vad["vad"]
    flags = find(found, "u.VadFlags.Protection", "u1.VadFlags.Protection")
    test.equal(what + "Protection", number(flags), vad["protection_mm"])
    test.equal(what + "bits of Protection", flags.get("bit_length"), 5)
    private = find(found, "u.VadFlags.PrivateMemory",
                   "u1.VadFlags.PrivateMemory")
    test.equal(what + "PrivateMemory", number(private), int(vad["private"]))


def check_section(test, section):
    found = fields(test, "_CONTROL_AREA", "--address",
                   "0x" + section["control_area"], "--depth", "1",
                   "--member", "Segment*")
    what = "control area %s: " % section["control_area"]
    test.equal(what + "Segment", number(found["Segment"]),
               int(section["segment"], 16))
    test.equal(what + "Segment->ControlArea",
               number(found["Segment->ControlArea"]),
               int(section["control_area"], 16))
    test.equal(what + "TotalNumberOfPtes",
               number(found["Segment->TotalNumberOfPtes"]),
               section["pages"] & 0xffffffff)
    test.equal(what + "nothing else", [n for n in found
                                       if not n.startswith("Segment")], [])


def check_names(test, process):
    """A UNICODE_STRING in user space, with the process that it is of."""
    found = fields(test, "_RTL_USER_PROCESS_PARAMETERS", "--address",
                   "0x" + process["process_parameters"], "--pid",
                   str(process["pid"]))
    test.equal("CommandLine", found["CommandLine"].get("value"),
               '"%s"' % process["command_line"])


def check_addresses(test, process):
    """Symbols, and numbers as WinDbg prints them, are addresses too."""
    eprocess = process["eprocess"]
    want = fields(test, "_EPROCESS", "--address", "0x" + eprocess)
    for spelling in (eprocess, eprocess[:8] + "`" + eprocess[8:]):
        test.equal("dt _EPROCESS " + spelling,
                   fields(test, "_EPROCESS", spelling), want)
    system = [p for p in test.manifest["processes"] if p["pid"] == 4][0]
    for spelling in ("PsInitialSystemProcess", "nt!PsInitialSystemProcess",
                     "nt!PsInitialSystemProcess+0"):
        found = fields(test, "_LIST_ENTRY", spelling)
        test.equal(spelling, number(found["Flink"]),
                   int(system["eprocess"], 16))


def check_refused(test):
    for args in (["_NO_SUCH_TYPE"], ["_PEB", "--address", "0x1000"],
                 ["_LIST_ENTRY", "NoSuchSymbol"], ["_LIST_ENTRY", "12z"],
                 ["_LIST_ENTRY", "PsActiveProcessHead+x"]):
        done = subprocess.run(
            [test.vadose, "-s", test.profiles, "-f", test.image, "-q", "dt",
             *args], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            timeout=300)
        test.equal("exit status of dt " + " ".join(args), done.returncode, 64)


def check(test):
    columns = test.manifest["vad_columns"]
    users = [p for p in test.manifest["processes"]
             if p["process_parameters"] and not p["exited"]]
    for process in users[:4]:
        check_process(test, process)
    check_names(test, users[-1])
    check_addresses(test, users[0])
    for listed in users[-1]["vads"][:6]:
        check_vad(test, dict(zip(columns, listed)))
    for section in [s for s in test.manifest["sections"]
                    if s["kind"] == "pagefile"][:4]:
        check_section(test, section)
    layout = fields(test, "_LIST_ENTRY", codes=(0,))
    test.equal("layout alone", {n: (number({"number": f["offset"]}),
                                    "value" in f)
                                for n, f in layout.items()},
               {"Flink": (0, False), "Blink": (8, False)})
    check_refused(test)


common.main(check)
