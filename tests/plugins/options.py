#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The options that all plugins have, on rows of each: --where, --sort, --limit,
--fields, --pid and --process give what can be worked out here from all rows.

usage: options.py VADOSE MKSCENE SOURCE
"""
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile

vadose, mkscene = (str(pathlib.Path(p).resolve()) for p in sys.argv[1:3])
source = pathlib.Path(sys.argv[3])
KERNEL = "35A038B1F6E2E8CAF642111E6EC66F571"
SUBJECTS = {"dt": ["_EPROCESS"], "whoshares": ["MZ"], "pfn": ["0x1ad"],
            "ptov": ["0x1ad000"], "vtop": ["0xfffff78000000000"]}
# They need a folder, or an address of something.
LEFT_OUT = {"vaddump", "sectiondump", "memread", "pool"}
# Rows of no process.
OF_NONE = {"bigpools", "dt", "filecache", "fileobj", "info", "modules",
           "poolscan"}
# What a chosen process maps or holds, with all who share it.
SHARED = {"ca", "sections", "sharedmem", "sharedpages", "whoshares"}
NUMBERS = {"integer", "size", "address", "hex"}
OPERATORS = {"=": lambda a, b: a == b, "!=": lambda a, b: a != b,
             "<": lambda a, b: a < b, ">=": lambda a, b: a >= b}
failures = 0


def expect(condition, what):
    global failures
    if not condition:
        failures += 1
        print("FAIL", what)


def declarations():
    page = subprocess.run([vadose, "plugins", "--markdown"], text=True,
                          capture_output=True, check=True).stdout
    for part in page.split("\n## ")[1:]:
        columns = part[part.index("| column | kind |"):]
        yield part.split()[0], re.findall(
            r"^\| `([a-z0-9_.]+)` \| ([\w/]+) \|", columns, re.M)


def run(image, plugin, *options, renderer="ndjson"):
    return subprocess.run(
        [vadose, "-q", "-s", source / "profiles", "-f", image, "-r", renderer,
         plugin, *SUBJECTS.get(plugin, []), *options],
        capture_output=True, text=True, timeout=120)


def rows(image, plugin, *options):
    done = run(image, plugin, *options)
    expect(done.returncode in (0, 3),
           f"{plugin} {options}: {done.returncode} {done.stderr}")
    return [r for r in map(json.loads, done.stdout.splitlines())
            if r["kind"] not in ("run_start", "run_end", "note")]


def cell(row, path):
    for step in path.split("."):
        row = row.get(step) if isinstance(row, dict) else None
    return row


def number(value):
    return int(value, 16) if isinstance(value, str) else value


def conditions(column, kind, values, chance):
    """Expressions about a column, and what they mean here."""
    yield f"{column} is present", lambda v: v is not None
    yield f"not {column} is present", lambda v: v is None
    there = [v for v in values if v is not None and v != [] and v != ""]
    if not there:
        return
    some = chance.choice(there)
    if kind in NUMBERS:
        one = number(some)
        for op, holds in OPERATORS.items():
            yield (f"{column} {op} {chance.choice([one, hex(one)])}"
                   if one >= 0 else f"{column} {op} {one}",
                   lambda v, h=holds: v is not None and h(number(v), one))
    elif kind == "time":
        yield f"{column} <= {some}", lambda v: v is not None and v <= some
    elif kind == "text" and not re.search(r"['*?]|[^ -~]", some):
        part = some[len(some) // 3:][:4]
        yield (f"{column} = '{some.upper()}'",
               lambda v: v is not None and v.lower() == some.lower())
        yield (f"{column} !~ '{part}'",
               lambda v: v is not None and part.lower() not in v.lower())
        yield (f"{column} ~ '*{part}'",
               lambda v: v is not None and v.lower().endswith(part.lower()))
    elif kind == "integers":
        one = number(chance.choice(some))
        yield (f"{column} = {one}",
               lambda v: v is not None and one in map(number, v))
        yield (f"{column} != {one}",
               lambda v: v is not None and one not in map(number, v))
    elif kind == "yes/no":
        yield column, lambda v: v is True
        yield f"{column} = no", lambda v: v is False
    elif kind == "bytes":
        yield f"{column} = {some}", lambda v: v == some


def check_where(image, plugin, columns, everything, chance):
    column, kind = chance.choice(columns)
    values = [cell(r, column) for r in everything]
    if any(column in r.get("invalid", []) for r in everything):
        return	# printed as nothing, and yet a value
    for text, holds in conditions(column, kind, values, chance):
        want = [r for r, v in zip(everything, values) if holds(v)]
        expect(rows(image, plugin, "--where", text) == want,
               f"{plugin} --where '{text}'")
    # Of several, all have to hold.
    other, more = chance.choice(columns)
    values = [cell(r, other) for r in want]
    text, holds = next(conditions(other, more, values, chance))
    got = rows(image, plugin, "--where", text + " or not " + text, "--where",
               f"{column} is present", "--where", text)
    expect(got == rows(image, plugin, "--where",
                       f"({text}) and {column} is present"),
           f"{plugin} --where twice")


def check_order(image, plugin, columns, everything, chance):
    column, kind = chance.choice(columns)
    for sign in ("", "-"):
        got = rows(image, plugin, "--sort", sign + column)
        expect(sorted(map(str, got)) == sorted(map(str, everything)),
               f"{plugin} --sort {sign}{column}: other rows")
        values = [cell(r, column) for r in got]
        there = [v for v in values if v is not None]
        if any(column in r.get("invalid", []) for r in got):
            continue
        expect(values[:len(there)] == there,
               f"{plugin} --sort {sign}{column}: absent ones go last")
        if kind in NUMBERS | {"time"}:
            there = [number(v) if kind != "time" else v for v in there]
            expect(there == sorted(there, reverse=bool(sign)),
                   f"{plugin} --sort {sign}{column}: {there[:9]}")
        count = chance.randint(1, len(got))
        expect(rows(image, plugin, "--sort", sign + column, "--limit",
                    str(count)) == got[:count],
               f"{plugin} --sort {sign}{column} --limit {count}")
    count = chance.randint(1, len(everything))
    expect(rows(image, plugin, "--limit", str(count)) == everything[:count],
           f"{plugin} --limit {count}")


def check_fields(image, plugin, columns, everything, chance):
    names = [c for c, _ in columns]
    chosen = chance.sample(names, min(3, len(names)))
    some = [n for n in names if n in chosen]
    done = run(image, plugin, "--fields", ",".join(some), renderer="csv")
    lines = done.stdout.splitlines() or [""]
    expect(done.returncode in (0, 3), f"{plugin} --fields: {done.stderr}")
    expect(lines[0].split(",")[:-3] == some, f"{plugin} --fields: {lines[0]}")
    for row, full in zip(rows(image, plugin, "--fields", ",".join(some)),
                         everything):
        for name in names:
            want = cell(full, name) if name in some else None
            expect(cell(row, name) == want or name.startswith("image."),
                   f"{plugin} --fields {some}: {name}")


def check_processes(image, plugin, everything):
    """None of a process that isn't there, and those of one that is."""
    none = rows(image, plugin, "--pid", "999999")
    if plugin in OF_NONE:
        expect(none == everything, f"{plugin} --pid: of no process")
        return
    expect(not none, f"{plugin} --pid 999999: {len(none)} rows")
    for options, pids in ((["--pid", "600"], {600}),
                          (["--pid", "4,600", "--process", "SVC*"], {600}),
                          (["--process", "?vchost.EXE"], {600, 720})):
        got = rows(image, plugin, *options)
        left = [str(r) for r in everything]
        if plugin not in SHARED and not all("process" in r for r in got):
            continue
        for row in got:
            if plugin not in SHARED:
                expect(row["process"]["pid"] in pids,
                       f"{plugin} {options}: {row['process']}")
            elif str(row) in left:
                left.remove(str(row))
            else:
                expect(False, f"{plugin} {options}: a row of its own: {row}")
        if plugin in SHARED:
            expect(0 < len(got) < len(everything) or len(everything) < 2,
                   f"{plugin} {options}: {len(got)} of {len(everything)}")


def check_sections(image):
    """By view, by handle: whoever has either."""
    got = {r["section"].get("name") for r in rows(
        image, "sections", "--pid", "720")}
    expect(got == {"\\Windows\\SharedSection",
                   "\\BaseNamedObjects\\Global_Config",
                   "\\Sessions\\1\\BaseNamedObjects\\Bench"}, f"720: {got}")


def main():
    chance = random.Random(5)
    with tempfile.TemporaryDirectory() as temp:
        image = pathlib.Path(temp) / "family.raw"
        subprocess.run([mkscene, "-p", source / "profiles", "-k", KERNEL, "-r",
                        image, source / "images/family.scene"], check=True)
        checked = 0
        for plugin, columns in declarations():
            if plugin in LEFT_OUT:
                continue
            everything = rows(image, plugin)
            check_processes(image, plugin, everything)
            if len(everything) < 2:
                continue
            check_where(image, plugin, columns, everything, chance)
            check_order(image, plugin, columns, everything, chance)
            check_fields(image, plugin, columns, everything, chance)
            checked += 1
        expect(checked > 20, f"only {checked} plugins gave rows")
        check_sections(image)
    print("options:", "FAILED" if failures else "ok")
    return failures != 0


sys.exit(main())
