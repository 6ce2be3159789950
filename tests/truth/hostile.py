# SPDX-License-Identifier: Apache-2.0
"""What each hostile image excuses, and which notes it must bring. Nothing else
may be missing or differ."""


class Rules:
    """An intact image: no excuses, no notes."""

    codes = (0,)
    required_notes = ()
    # True: the fault may cost the kernel itself.
    kernel_may_be_lost = False

    def __init__(self, manifest):
        self.manifest = manifest
        self.expect = manifest.get("expect") or {}

    def process_may_be_missing(self, process):
        return False

    def process_may_differ(self, process, name, row):
        return False

    def vad_may_be_missing(self, process, vad, nodes):
        return False

    def vad_may_differ(self, process, vad, name, row):
        return False

    def order_may_differ(self):
        return False

    def view_may_be_missing(self, view):
        return False

    def view_may_be_there(self, view):
        return False

    def page_may_differ(self, process, page, row):
        return False

    def found_vad_may_differ(self, process, page):
        return False

    def check_notes(self, runner, failures):
        kinds = {note_kind(n) for notes in runner.notes.values()
                 for n in notes}
        for kind in self.required_notes:
            if kind not in kinds:
                failures.add("no note of kind %s (there are: %s)" % (
                    kind, ", ".join(sorted(kinds)) or "none"))
        if not self.required_notes and self.codes == (0,) and kinds:
            failures.add("unexpected notes: " + ", ".join(sorted(kinds)))


def note_kind(record):
    return record["note"]["kind"]


class Partial(Rules):
    codes = (0, 3)


class ListLoop(Partial):
    required_notes = ("list_loop",)

    def process_may_differ(self, process, name, row):
        # What can't be reached forward is known from behind only.
        return name == "sources" and process["pid"] not in \
            self.expect["forward_reachable"]


class VadCycle(Partial):
    required_notes = ("vad_cycle",)

    def vad_may_differ(self, process, vad, name, row):
        # The leaf whose left child is the root says so.
        return name == "vad.left" and \
            process["pid"] in self.expect["affected_pids"] and \
            row["vad"].get("left") == "0x%016x" % int(process["vad_root"], 16)


class VadWild(Partial):
    required_notes = ("vad_bad_pointer",)

    def vad_may_differ(self, process, vad, name, row):
        return name in ("vad.left", "vad.right") and \
            vad["vad"] in self.expect["vads"]


class VadEndVpn(Partial):
    required_notes = ("vad_bad_range", "vad_overlap")

    def vad_may_differ(self, process, vad, name, row):
        # An end below the start is reported as such, not printed; one that
        # is merely far away is what the node says, and overlaps the next.
        if vad["vad"] not in self.expect["vads"]:
            return False
        return name in ("vad.end", "vad.size")

    def view_may_be_missing(self, view):
        return self.bad_view(view)

    view_may_be_there = view_may_be_missing

    def page_may_differ(self, process, page, row):
        return process["pid"] in self.expect["affected_pids"]

    def found_vad_may_differ(self, process, page):
        return process["pid"] in self.expect["affected_pids"]

    def bad_view(self, view):
        starts = set()
        columns = self.manifest["vad_columns"]
        for process in self.manifest["processes"]:
            for row in process["vads"]:
                vad = dict(zip(columns, row))
                if vad["vad"] in self.expect["vads"]:
                    starts.add("0x%016x" % int(vad["start"], 16))
        return view[3] in starts


class VadSmear(Partial):
    required_notes = ("vad_not_a_vad", "vad_count_mismatch")

    def lost(self, vad, nodes):
        """In the zeroed page, or below a node that is."""
        for _ in range(len(nodes) + 1):
            if vad["vad"] in self.expect["lost_vads"]:
                return True
            if vad["parent"] not in nodes:
                return False
            vad = nodes[vad["parent"]]
        return False

    def vad_may_be_missing(self, process, vad, nodes):
        return process["pid"] in self.expect["affected_pids"] and \
            self.lost(vad, nodes)

    def view_may_be_missing(self, view):
        return view[1] in self.expect["affected_pids"] and \
            view[3] in self.lost_starts()

    def page_may_differ(self, process, page, row):
        return process["pid"] in self.expect["affected_pids"]

    def found_vad_may_differ(self, process, page):
        return process["pid"] in self.expect["affected_pids"]

    def lost_starts(self):
        columns = self.manifest["vad_columns"]
        ret = set()
        for process in self.manifest["processes"]:
            if process["pid"] not in self.expect["affected_pids"]:
                continue
            vads = [dict(zip(columns, row)) for row in process["vads"]]
            nodes = {v["vad"]: v for v in vads}
            ret |= {"0x%016x" % int(v["start"], 16) for v in vads
                    if self.lost(v, nodes)}
        return ret


class SubsectionCycle(Partial):
    required_notes = ("subsection_cycle",)


class PagedProtos(Partial):
    """Views are still listed; what their untouched pages hold is unknown, and
    so are names whose text or object lay on the lost pages of paged pool."""
    required_notes = ("object_directory_broken",)

    def vad_may_differ(self, process, vad, name, row):
        if name == "section.name":
            return row["section"].get("name") is None
        return name in absent(row)

    def page_may_differ(self, process, page, row):
        return page["state"] in ("proto", "proto-lookup") and \
            row.get("state") == "unreadable-prototype"


class Handles(Partial):
    required_notes = ("handle_table_broken",)


class Names(Partial):
    def process_may_differ(self, process, name, row):
        # The names are the fault: valid UTF-8 or a reason, see json.loads().
        return name in ("name", "path", "image_file_name") and \
            process["pid"] in self.expect["affected_pids"]

    def vad_may_differ(self, process, vad, name, row):
        return name == "section.file" and name in row.get("invalid", [])


class Truncated(Partial):
    """Part of memory is not there: rows may lack, none may be wrong."""

    kernel_may_be_lost = True

    def process_may_be_missing(self, process):
        return True

    def process_may_differ(self, process, name, row):
        if name == "sources":
            return True
        return "process." + name in absent(row) or name == "path" or \
            (name == "name" and
             row["process"].get("name_source") == "image_file_name")

    def vad_may_be_missing(self, process, vad, nodes):
        return True

    def vad_may_differ(self, process, vad, name, row):
        return name in absent(row) or name.startswith("section.") and \
            row.get("section", {}).get(name.split(".")[1]) is None

    def view_may_be_missing(self, view):
        return True


def absent(row):
    return row.get("unreadable", []) + row.get("invalid", [])


BY_NAME = {
    "hostile-apl-loop-19041": ListLoop,
    "hostile-handles-19041": Handles,
    "hostile-lime-overlap-19041": Truncated,
    "hostile-lime-reversed-19041": Truncated,
    "hostile-lime-truncated-19041": Truncated,
    "hostile-names-19041": Names,
    "hostile-paged-protos-19041": PagedProtos,
    "hostile-subsection-cycle-19041": SubsectionCycle,
    "hostile-truncated-19041": Truncated,
    "hostile-vad-cycle-19041": VadCycle,
    "hostile-vad-endvpn-19041": VadEndVpn,
    "hostile-vad-smear-19041": VadSmear,
    "hostile-vad-wild-19041": VadWild,
}


def rules_for(name, manifest):
    fault = (manifest.get("expect") or {}).get("fault")
    if fault and name not in BY_NAME:
        raise SystemExit("FAIL: no rules for the fault of " + name)
    return BY_NAME.get(name, Rules)(manifest)
