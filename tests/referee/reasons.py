# SPDX-License-Identifier: Apache-2.0
"""Why a row of Volatility differs from vadose's. Each reason is looked up in
the image's bytes before it is given; a row that none fits has no reason."""
import functools
import re

CUT = (1 << 48) - 1
# What the second of a handle table's upper pages begins with: 512 pages of 256.
SECOND_UPPER = 512 * 256 * 4
KERNEL_PID = 4

UNLISTED = "not on PsActiveProcessHead, the only list that Volatility walks"
REUSED = "the parent began after its child: another process got its ID"
SECOND_TABLE = "handle behind the first upper table: Volatility counts anew"
NAME_CUT = "Volatility has the 14 characters of EPROCESS.ImageFileName"
TYPE_ZERO = "TypeIndex is stored as 0, by the cookie; Volatility drops these"
ATTRIBUTES = "entry with attribute bits, which Volatility takes for the pointer's"
NOT_VALID = "the PTE of the first page isn't valid, nor does Volatility look " \
            "into the prototype PTE"
NO_HEADER = "the first page doesn't begin with MZ"
EMPTY = "no byte of it but zeros is in the image; Volatility hides these"
ODD_NAME = "psxview drops names of other than letters, dots and blanks"
THREADS = "vadose takes threads from the CID table, Volatility from pool"
NO_BASE = "SectionBaseAddress is 0: there is no main image to look for"
NO_FILE = "EPROCESS.ImageFilePointer is 0: no file that could be deleted"
PRIVATE = "private memory that begins with MZ is no image VAD (see malfind)"
WOW64 = "in the lists of the 32-bit loader, which Volatility doesn't read"
BROKE = "Volatility stops with an error: %s"
NO_MEMBER = "EPROCESS.ImageFilePointer isn't in this kernel; vadose asks the " \
            "section"


class Facts:
    def __init__(self, referee, plugin, theirs, mine, records, broke):
        self.referee, self.plugin, self.broke = referee, plugin, broke
        self.theirs, self.mine, self.records = theirs, mine, records

    def explain(self):
        """(who alone has it, the row, why or "") of each row of one side."""
        look = getattr(self, "why_" + self.plugin, lambda side, row: "")
        for side, rows in (("Volatility", self.theirs - self.mine),
                           ("vadose", self.mine - self.theirs)):
            for row in rows.elements():
                why = look(side, row)
                if not why and side == "vadose" and self.unlisted(row):
                    why = UNLISTED
                if not why and side == "vadose" and self.broke:
                    why = BROKE % self.broke
                yield side, row, why

    @functools.cached_property
    def processes(self):
        return {row["process"]["pid"]: row["process"]
                for row in self.referee.ours(["pslist"])}

    def unlisted(self, row):
        if self.plugin in ("modules", "bigpools", "filescan", "poolscanner"):
            return False
        pid = row[1] if self.plugin == "psxview" else row[0]
        process = self.processes.get(pid)
        return process and "active_links" not in process["sources"]

    def bytes_at(self, pid, va, size):
        """What is there, "" for what isn't."""
        rows = self.referee.ours(["memread", hex(va), "--pid", str(pid),
                                  "--size", str(size)])
        return "".join(r["memory"].get("bytes", "") for r in rows)

    def why_pstree(self, side, row):
        parents = {r[0]: r[1] for r in self.mine}
        told = {r[0]: self.records[r]["tree"].get("parent")
                for r in self.mine}
        pid, seen = row[0], set()
        while pid in told and pid not in seen:
            if told[pid] == "reused":
                return REUSED
            if self.unlisted((pid,)):
                return UNLISTED
            seen.add(pid)
            pid = parents[pid]
        return ""

    def why_handles(self, side, row):
        pid, value, body, kind, access, name = row
        other = self.mine if side == "Volatility" else self.theirs
        for o in other:
            if o[0] != pid or o[2:5] != row[2:5]:
                continue
            if o[1] == value and kind == "Process":
                names = sorted((name, o[5]), key=len)
                short, rest = names[0].split(" Pid ")
                if len(short) == 14 and names[1].startswith(short) and \
                        names[1].endswith(rest):
                    return NAME_CUT
            if max(o[1], value) >= SECOND_UPPER > min(o[1], value):
                return SECOND_TABLE
        if side != "vadose":
            return ""
        if self.records[row]["handle"].get("attributes"):
            return ATTRIBUTES
        return TYPE_ZERO if self.type_index(body) == "00" else ""

    def type_index(self, body):
        at = {r["field"]["name"]: int(r["field"]["offset"], 16)
              for r in self.referee.ours(["dt", "_OBJECT_HEADER"])}
        return self.bytes_at(KERNEL_PID, (body | ~CUT & (1 << 64) - 1) -
                             at["Body"] + at["TypeIndex"], 1)

    def why_dlllist(self, side, row):
        return WOW64 if self.is_wow64(row) else ""

    def is_wow64(self, row):
        """Is this base in the lists of the 32-bit loader?"""
        return any(mine[:2] == row[:2] and
                   "wow64" in record["module"].get("loader", ())
                   for mine, record in self.records.items() if mine)

    def why_ldrmodules(self, side, row):
        if self.is_wow64(row):
            return WOW64
        if side != "vadose":
            vads = self.referee.ours(["vadinfo", "--pid", str(row[0])])
            return PRIVATE if any(int(v["vad"]["start"], 16) == row[1] and
                                  v["vad"]["private"] for v in vads) else ""
        rows = self.referee.ours(["vtop", hex(row[1]), "--pid", str(row[0])])
        if any(r["translation"].get("via") != "hardware" for r in rows):
            return NOT_VALID
        return "" if self.bytes_at(row[0], row[1], 2) == "4d5a" else NO_HEADER

    def why_malfind(self, side, row):
        if side == "Volatility":
            return ""
        data = self.bytes_at(row[0], row[1], min(row[2] + 1 - row[1],
                                                 16 << 20))
        return EMPTY if not data.strip("0") else ""

    def why_psxview(self, side, row):
        other = self.mine if side == "Volatility" else self.theirs
        if any(o[:4] == row[:4] and o[4] != row[4] for o in other):
            return THREADS
        name = self.processes.get(row[1], {}).get("image_file_name", "")
        return "" if re.fullmatch("[A-Za-z. ]*", name) else ODD_NAME

    def why_hollowprocesses(self, side, row):
        return NO_BASE if side == "Volatility" and \
            self.is_zero(row[0], "SectionBaseAddress") else ""

    def is_zero(self, pid, member):
        rows = self.referee.ours(["dt", "_EPROCESS", "--address",
                                  self.processes[pid]["eprocess"],
                                  "--member", member])
        return [int(r["field"]["value"], 16) for r in rows] == [0]

    def why_processghosting(self, side, row):
        members = {r["field"]["name"]
                   for r in self.referee.ours(["dt", "_EPROCESS"])}
        if side == "vadose" and "ImageFilePointer" not in members:
            return NO_MEMBER
        if side == "Volatility" and self.is_zero(row[0], "ImageFilePointer"):
            return NO_FILE
        return ""
