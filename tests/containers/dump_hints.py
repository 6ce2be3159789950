#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a crash dump's header says is used, and checked.

usage: dump_hints.py VADOSE MKSCENE

A scene becomes a full dump (type 1) whose header is right, and others with one
field that is wrong: the rows stay the same, and a note says what contradicts.
"""
import argparse
import pathlib
import struct
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "golden"))
sys.path.insert(0, str(HERE))
import run as golden  # noqa: E402
import triage_dump as td  # noqa: E402

KERNEL = "19041.928"
SYSTEM_TIME = 0xfffff78000000014
MINUTE = 60 * 10 ** 7
# What is changed in the header (offset, form, value), and the note to expect.
WRONG = (
    ("build", 0x0c, "<I", 18362, "hint_build"),
    ("time", 0xfa8, "<Q", 130000000000000000, "hint_system_time"),
    ("CR3", 0x10, "<Q", 0x3000, "hint_dtb"),
    ("CR3 beyond memory", 0x10, "<Q", 0x7ffffff000, "hint_dtb"),
    ("machine", 0x30, "<I", 0x14c, "hint_machine"),
    ("module list", 0x20, "<Q", 0xfffff80002a01230, "hint_address"),
    ("process list", 0x28, "<Q", 0xfffff80002a01230, "hint_address"),
)
# The same, but nothing is wrong.
RIGHT = (
    ("as it is", 0x38, "<I", 0x1e),
    ("no CR3", 0x10, "<Q", 0x4547415045474150),
    ("PCID and flags of CR3", 0x10, "<Q", 0x80000000001ad002),
    ("an enablement package's build", 0x0c, "<I", 19045),
    ("no time", 0xfa8, "<Q", 0x4547415045474150),
)


class Test:
    def __init__(self, bench):
        self.bench, self.failures, self.checks = bench, 0, 0
        self.raw = bench.image("family", KERNEL)
        self.pages = self.raw.stat().st_size // td.PAGE
        _, info, _ = self.ask(self.raw, "info")
        self.info = info[0]

    def expect(self, what, got, want):
        self.checks += 1
        if got != want:
            self.failures += 1
            print(f"FAIL {what}: {str(got)[:400]}\n  not {str(want)[:400]}")

    def ask(self, image, plugin):
        done = self.bench.run(image, ["-r", "ndjson", plugin])
        rows = golden.records(done.stdout)
        self.message = rows[-1]["run"].get("message") or ""
        return (done.returncode,
                [r for r in rows[1:-1] if r["kind"] != "note"],
                [r["note"]["kind"] for r in rows if r["kind"] == "note"])

    def header(self):
        kernel = self.info["kernel"]
        memory = td.Memory(self.raw, int(kernel["dtb"], 16))
        symbols = td.kernel_symbols(golden.PROFILES, kernel["pdb"]["guid"])
        data = bytearray(b"PAGE" * 0x800)
        data[4:8] = b"DU64"
        base = int(kernel["base"], 16)
        struct.pack_into("<IIQ", data, 8, 15, 19041, int(kernel["dtb"], 16))
        struct.pack_into("<QQII", data, 0x20,
                         base + symbols["PsLoadedModuleList"],
                         base + symbols["PsActiveProcessHead"], 0x8664, 2)
        struct.pack_into("<QQQQ", data, 0x88, 1, self.pages, 0, self.pages)
        struct.pack_into("<I", data, 0xf98, 1)
        struct.pack_into("<Q", data, 0xfa8,
                         memory.u64(SYSTEM_TIME) + 3 * MINUTE)
        return data

    def dump(self, name, changes):
        header = self.header()
        for at, form, value in changes:
            struct.pack_into(form, header, at, value)
        path = self.bench.folder / name
        with open(path, "wb") as out:
            out.write(header)
            out.write(self.raw.read_bytes())
        return path


def same_rows(rows):
    return [{k: v for k, v in r.items() if k not in ("id", "image",
                                                    "@timestamp")}
            for r in rows]


def check(test):
    want = same_rows(test.ask(test.raw, "pslist")[1])
    for name, at, form, value in RIGHT:
        image = test.dump("right.dmp", [(at, form, value)])
        code, rows, notes = test.ask(image, "info")
        test.expect(f"{name}: notes", (code, notes), (0, []))
        test.expect(f"{name}: how", rows[0]["kernel"]["dtb_method"],
                    "low-stub" if name == "no CR3" else "hint")
    test.expect("rows", same_rows(test.ask(image, "pslist")[1]), want)
    for name, at, form, value, kind in WRONG:
        image = test.dump("wrong.dmp", [(at, form, value)])
        code, rows, notes = test.ask(image, "info")
        test.expect(f"wrong {name}: notes", (code, notes), (3, [kind]))
        test.expect(f"wrong {name}: kernel",
                    [rows[0]["kernel"][k] for k in ("base", "build",
                                                    "process_head")],
                    [test.info["kernel"][k] for k in ("base", "build",
                                                      "process_head")])
    # Another machine's memory: no tables of x64 lead to a kernel in it.
    image = test.dump("arm64.dmp", [(0x30, "<I", 0xaa64)])
    with open(image, "r+b") as out:
        out.seek(0x2000)
        out.write(bytes(test.raw.stat().st_size))
    code, rows, _ = test.ask(image, "info")
    test.expect("ARM64", (code, rows[0]["image"]["machine"]), (4, "arm64"))
    test.expect("ARM64: why", "(ARM64); only x64" in test.message, True)


def main():
    parser = argparse.ArgumentParser()
    for name in ("vadose", "mkscene"):
        parser.add_argument(name)
    with tempfile.TemporaryDirectory() as folder:
        test = Test(golden.Bench(parser.parse_args(), folder))
        check(test)
    print(f"{test.checks} checks, {test.failures} failed")
    return 1 if test.failures or not test.checks else 0


if __name__ == "__main__":
    sys.exit(main())
