#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Plugins as Lua scripts, on a scene: rows, caps, refusals, and what a script must
not get at.

usage: check.py VADOSE MKSCENE SOURCE HAVE_LUA
"""
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

vadose, mkscene = (str(pathlib.Path(p).resolve()) for p in sys.argv[1:3])
source, have_lua = pathlib.Path(sys.argv[3]), sys.argv[4] == "1"
scripts = pathlib.Path(__file__).resolve().parent / "scripts"
profiles = source / "profiles"
KERNEL = "769C521E4833ECF72E21F02BF33691A51"
failures = 0

HEAD = """plugin = { name = "%s", version = "1", summary = "s", record = "r",
  columns = { { name = "n", kind = "int", flags = "key" } } }
"""
NOTHING = "function on_process(p) end\n"


def expect(condition, what):
    global failures
    if not condition:
        failures += 1
        print("FAIL", what)


def run(*args, cwd=None, env=None):
    return subprocess.run([vadose, *map(str, args)], text=True, cwd=cwd,
                          capture_output=True, timeout=120,
                          env={**os.environ, **(env or {})})


# name: (text, words of the refusal). The line number is part of it.
REFUSED = {
    "syntax": ("x = = 1\n", "syntax.lua:1:"),
    "bytecode": (b"\x1bLua\x54\x00\x19\x93\r\n\x1a\n" + b"\0" * 40,
                 "attempt to load a binary chunk"),
    "silent": ("x = 1\n", "`plugin` must be a table"),
    "throws": ("\n\nerror('no')\n", "throws.lua:3: no"),
    "throws_table": ("error({})\n", "no text"),
    "othername": (HEAD % "another" + NOTHING, "name in its descriptor"),
    "idle": (HEAD % "idle", "defines none of on_process"),
    "nofunction": (HEAD % "nofunction" + "on_vad = 3\n",
                   "on_vad must be a function"),
    "both": (HEAD % "both" + NOTHING + "function once() end\n",
             "it can't have both"),
    "nofunction2": (HEAD % "nofunction2" + "once = 1\n",
                    "once must be a function"),
    "earlyall": ("processes()\n", "this can be called within"),
    "typo": (HEAD.replace("kind", "kinf") % "typo" + NOTHING,
             "plugin.columns[1]: 'kinf' means nothing"),
    "badkind": (HEAD.replace('"int"', '"float"') % "badkind" + NOTHING,
                "columns[1].kind: 'float' is unknown"),
    "badcolumn": (HEAD.replace('"n"', '"N N"') % "badcolumn" + NOTHING,
                  "names are [a-z0-9_]+"),
    "nocolumns": ('plugin = { name = "nocolumns", version = "1", '
                  'summary = "s", record = "r" }' + NOTHING,
                  "plugin.columns lacks"),
    "baddefault": (HEAD % "baddefault" + NOTHING + 'plugin.options = {{ '
                   'name = "x", kind = "uint", default = "many" }}\n',
                   "the default 'many' is not a value"),
    "capoption": (HEAD % "capoption" + NOTHING + 'plugin.options = {{ '
                  'name = "script-memory", kind = "uint" }}\n',
                  "every script has this option"),
    "forever": ("\nwhile true do end\n", "forever.lua:2: it took more than"),
    "greedy": ("local t = {}\nfor i = 1, 1e9 do t[i] = 'x' .. i end\n",
               "greedy.lua:2: it needs more than"),
    "early": ("emit{}\n", "early.lua:1: this can be called within"),
    "earlyread": ("kernel.read(0, 1)\n", "this can be called within"),
    "earlyoption": ("option('x')\n", "this can be called within"),
    "pslist": (HEAD % "pslist" + NOTHING, "another plugin has this name"),
    "Bad-Name": (NOTHING, "isn't [a-z0-9_]+.lua"),
}

# Each must raise an error, or say that there is no such thing.
ESCAPES = [
    "io.open('/etc/passwd')", "os.execute('true')", "os.getenv('HOME')",
    "require('os')", "package.loadlib('x', 'y')", "dofile('/etc/passwd')",
    "loadfile('/etc/passwd')", "load('return 1')()", "debug.getregistry()",
    "string.dump(on_process)", "collectgarbage('stop')", "print('x')",
    "pcall(error)", "xpcall(error, error)", "coroutine.create(error)",
    "coroutine.wrap(error)()", "next({})", "math.random()",
    "string.gsub('x', 'x', 'y')", "string.match('x', 'x')",
    "string.gmatch('x', 'x')", "('x'):gsub('x', 'y')", "('x'):dump()",
    "table.move({}, 1, 1 << 62, 2)", "warn('@on')",
    "string.format('%p', {})", "string.format('%-20p', 'x')",
    "setmetatable({}, { __gc = function() end })",
    "setmetatable({}, { __mode = 'k' })",
    "setmetatable('', {})", "getmetatable('').__index = nil",
    "getmetatable(process).__index = nil", "setmetatable(process, {})",
    "process.pid = 1", "rawset(process, 'pid', 1)", "process.nosuch()",
    "process.read(nil, 0, 1)", "process.read({}, 0, 1)",
    "process:read(0, -1)", "process:read(0, 1 << 40)",
    "process:uint(0, 3)", "process.why({}, 'pid')", "process:why('nosuch')",
    "emit{ m = 1 }", "emit{ n = 'x' }", "emit{ n = 1.5 }", "emit{ 1 }",
    "emit(process)", "option('nosuch')", "note('Bad Kind', 0, 'x')",
    "string.rep('x', 1 << 40)", "string.rep('x', 1 << 62)",
    "table.concat({}, 'x', 1, 1 << 62)", "table.unpack({}, 1, 1 << 30)",
    "table.insert(setmetatable({}, { __len = function() return 1 << 62 end }),"
    " 1, 1)",
    "table.remove(setmetatable({}, { __len = function() return 1 << 62 end }),"
    " 1)",
    "table.concat(setmetatable({}, { __index = function() return '' end }),"
    " '', 1, 1 << 62)",
    "for i = 1, math.huge do end", "(function f() return f() end)()",
    "local function f() return 1 + f() end f()",
    "local function f() f() end f()",
    "local s = 'x' while true do s = s .. s end",
    "local s = ('x'):rep(1 << 20) while true do local t = s .. s end",
    "local t <close> = setmetatable({}, { __close = function() while true do "
    "end end }) error('x')",
    "error(setmetatable({}, { __tostring = function() while true do end end "
    "}))",
    "local t = {} t.t = t for k in pairs({ [t] = 1 }) do end",
    "string.glob(('*a'):rep(1000), 'a')",
    "local s = ('x'):rep(1 << 21) .. 'x'",
    "local t = {} for i = 1, 40 do t[i] = ('x'):rep(1 << 16) end "
    "table.concat(t)",
]
# These work, and their values are the same in every run.
TRUTHS = [
    "_G.io == nil and _G.debug == nil and _G._VERSION == nil",
    "tostring({}) == 'table' and tostring(print) == 'nil'",
    "tostring(on_process) == 'function'",
    "string.format('%s %5d %x', {}, 7, 255) == 'table     7 ff'",
    "string.format('%%p%s', 1) == '%p1'",
    "string.rep('', 1 << 62) == '' and ('ab'):rep(2, '-') == 'ab-ab'",
    "string.find('abcab', 'ab', 2) == 4 and not string.find('abc', 'b', 9)",
    "string.glob('*.EXE', 'a.exe') and not string.glob('?', '')",
    "getmetatable('') == false and getmetatable(process) == false",
    "(function() local s = '' for k, v in pairs({ z = 1, a = 2, [3] = 3, "
    "[1] = 4, [true] = 5 , [2.5] = 6 }) do s = s .. tostring(k) .. v end "
    "return s end)() == 'true514 2.563' or true",
    "(function() local s = '' for k in pairs({ z = 1, b = 1, a = 2, [3] = 3, "
    "[1] = 4, [2.5] = 6, [true] = 5 }) do s = s .. tostring(k) end "
    "return s end)() == 'true12.53abz'",
    "(function() local t = { 5, 3, 9, 1, 3 } table.sort(t) "
    "return table.concat(t, ',') end)() == '1,3,3,5,9'",
    "(function() local t = { 'b', 'A', 'a', 'B' } table.sort(t, function(a, b)"
    " return a:lower() < b:lower() end) return table.concat(t) end)() == "
    "'AabB'",
    "(function() local t = { 1, 2 } table.insert(t, 3) table.insert(t, 1, 0) "
    "return table.remove(t) == 3 and table.remove(t, 1) == 0 and #t == 2 "
    "end)()",
    "tostring(absent.paged_out) == 'paged out'",
    "select('#', process:read(1, 1)) == 2 and process:read(1, 1) == nil",
    "process:why('pid') == nil",
    "select(2, kernel.symbol('NoSuchSymbol')) == absent.no_field",
    "math.ult(1, -1) and utf8.len('\\u{e9}') == 1",
]


def check_without(temp):
    """Without Lua a script is no secret: it is listed, with the reason."""
    shutil.copy(scripts / "exec.lua", temp)
    line = run("plugins", "-p", temp).stdout
    expect("built without Lua" in line, f"no word about Lua: {line}")
    got = run("-p", temp, "-f", "nosuch", "exec")
    expect(got.returncode == 5 and "without Lua" in got.stderr,
           f"run without Lua: {got.stderr}")


def check_listing(temp):
    for name, (text, _) in REFUSED.items():
        data = text if isinstance(text, bytes) else text.encode()
        (temp / f"{name}.lua").write_bytes(data)
    (temp / "huge.lua").write_bytes(b"-" * ((1 << 20) + 1))
    shutil.copy(scripts / "exec.lua", temp)
    shutil.copy(scripts / "everything.lua", temp)
    shutil.copy(scripts / "across.lua", temp)
    listing = run("plugins", "-p", temp)
    expect(listing.returncode == 0, f"plugins: {listing.stderr}")
    lines = listing.stdout.splitlines()
    for name, (_, words) in REFUSED.items():
        line = " ".join(l for l in lines if l.split()[0] == name and
                        "REFUSED" in l)
        expect(words in line, f"{name}: '{words}' not in: {line}")
    expect(any(l.startswith("huge ") and "REFUSED" in l for l in lines),
           "a huge script")
    for name in ("exec", "everything"):
        line = " ".join(l for l in lines if l.split()[0] == name)
        digest = hashlib.sha256((temp / f"{name}.lua").read_bytes())
        expect("REFUSED" not in line and str(temp) in line and
               digest.hexdigest() in line, f"{name}: {line}")
    page = run("-p", temp, "exec", "--help").stdout
    for word in ("--bytes", "--script-memory", "--script-instructions",
                 "vad.head", "its first bytes"):
        expect(word in page, f"'{word}' not in the help page: {page}")
    expect(run("exec", "--help", cwd=temp).returncode == 64, "from the cwd")
    path = {"VADOSE_PLUGIN_PATH": f".:{temp}"}
    expect(run("exec", "--help", env=path).returncode == 0, "by environment")


def on_image(temp, image, *args):
    return run("-p", temp, "-s", profiles, "-q", "-f", image, *args)


def rows(temp, image, plugin, *args):
    one = on_image(temp, image, "-j1", "-r", "ndjson", plugin, *args)
    two = on_image(temp, image, "-j2", "-r", "ndjson", plugin, *args)
    expect(one.returncode in (0, 3), f"{plugin}: {one.stderr}")
    expect(one.stdout == two.stdout, f"{plugin}: -j1 and -j2 differ")
    records = [json.loads(line) for line in one.stdout.splitlines()]
    start = records[0]["run"]["module"]
    expect(start["path"] == str(temp / f"{plugin}.lua") and
           re.fullmatch("[0-9a-f]{64}", start["sha256"]), f"module: {start}")
    return records


def check_exec(temp, image):
    """The same question to the engine's own plugin gives the same answer."""
    found = {(r["process"]["pid"], r["vad"]["start"]): r["vad"]
             for r in rows(temp, image, "exec") if r["kind"] == "exec"}
    vads = [json.loads(l) for l in on_image(
        temp, image, "-r", "ndjson", "vadinfo").stdout.splitlines()]
    want = {(r["process"]["pid"], r["vad"]["start"]): r["vad"]
            for r in vads if r["kind"] == "vad" and
            "EXECUTE" in r["vad"]["protection"] and
            not r.get("section", {}).get("file") and
            r["vad"].get("type") != "image"}
    expect(want and set(found) == set(want),
           f"exec: {sorted(found)} instead of {sorted(want)}")
    for key, vad in found.items():
        expect(vad["protection"] == want[key]["protection"], f"{key}: {vad}")


def check_read(temp, image):
    """What a script reads is what lies there."""
    heads = [r["vad"].get("head") for r in rows(temp, image, "exec", "--bytes",
                                                "2") if r["kind"] == "exec"]
    expect("4d5a" in heads, f"a PE in private memory: {heads}")


def check_across(temp, image):
    """A script that runs once sees all processes, and what each maps."""
    found = {r["section"]["control_area"]: r["section"]["pids"]
             for r in rows(temp, image, "across") if r["kind"] == "across"}
    want = {}
    for line in on_image(temp, image, "-r", "ndjson",
                         "vadinfo").stdout.splitlines():
        r = json.loads(line)
        area = r.get("section", {}).get("control_area")
        if r["kind"] == "vad" and area:
            pids = want.setdefault(area, [])
            if r["process"]["pid"] not in pids:
                pids.append(r["process"]["pid"])
    want = {area: pids for area, pids in want.items() if len(pids) > 1}
    expect(want and found == want, f"across: {found} instead of {want}")
    one = [r for r in rows(temp, image, "across", "--pid", "4")
           if r["kind"] == "across"]
    expect(not one, f"across --pid: {one}")


def check_everything(temp, image):
    records = rows(temp, image, "everything")
    plain = [json.loads(l) for l in on_image(
        temp, image, "-r", "ndjson", "pslist").stdout.splitlines()]
    want = {r["process"]["pid"] for r in plain if r["kind"] == "process"}
    ends = [r for r in records if r.get("what") == "process"]
    expect({r["process"]["pid"] for r in ends} == want, "pids")
    for r in ends:
        expect(r["vads"] == len(r.get("starts", [])) and r["unit"] == 4096 and
               r["head"] == "0001ff" and r["process"]["wow64"] in (0, 1),
               f"row: {r}")
        expect("junk" not in r and "junk" in r["invalid"],
               f"bytes that are no text: {r}")
    sections = [r["section"].get("file") for r in records
                if r.get("what") == "section"]
    expect(any(f and f.endswith("ntdll.dll") for f in sections), "ntdll")
    expect(any(r["kind"] == "note" and "script_system" in json.dumps(r)
               for r in records), "the note")
    limited = on_image(temp, image, "-r", "ndjson", "--limit", "2",
                       "everything")
    expect(sum('"kind":"everything"' in l
               for l in limited.stdout.splitlines()) == 2, "--limit")


def try_line(temp, image, line, *options):
    text = HEAD % "attempt" + f"function on_process(process)\n{line}\nend\n"
    (temp / "attempt.lua").write_text(text)
    return on_image(temp, image, "--pid", "4", "-r", "ndjson", "attempt",
                    *options)


def check_sandbox(temp, image):
    for line in ESCAPES:
        got = try_line(temp, image, line, "--script-instructions", "2000000")
        expect(got.returncode == 5, f"{line}: exit {got.returncode}, "
               f"{got.stderr}")
        expect("attempt.lua:4:" in got.stderr or "no text" in got.stderr,
               f"{line}: without its line: {got.stderr}")
    checks = "\n".join(f"if not ({t}) then error('truth {i}') end"
                       for i, t in enumerate(TRUTHS))
    got = try_line(temp, image, checks)
    expect(got.returncode == 0, f"truths: {got.stderr}")


def check_caps(temp, image):
    busy = "for i = 1, 100000 do end"
    again = ("local function f() local x <close> = setmetatable({}, "
             "{ __close = f }) while true do end end f()")
    late = ("local x <close> = setmetatable({ n = 1 }, { __close = emit }) "
            "while true do end")
    same = ("local a, b = ('x'):rep(2000000), ('x'):rep(2000000) "
            "while a == b do end")
    grow = "local t = {} for i = 1, 100000 do t[i] = i end"
    for line, option, little, much, words in (
            (busy, "--script-instructions", "10K", None, ""),
            (busy, "--script-instructions", "10000", "10000000",
             "attempt.lua:4: it took more than 10000 instructions"),
            (grow, "--script-memory", "1M", "16M",
             "attempt.lua:4: it needs more than 1048576 bytes"),
            (grow, "--script-memory", "1K", "16M", "too few"),
            # What the host keeps for a script counts, too.
            ("for i = 1, 200 do process:vads() end", "--script-memory", "4M",
             "64M", "attempt.lua:4: it needs more than 4194304 bytes"),
            ("for i = 1, 20000 do note('k', i, 'x') end", "--script-memory",
             "1M", "64M", "attempt.lua:4: it needs more than 1048576 bytes"),
            # A walk that has ended leaves its memory to the next one.
            ("for i = 1, 900 do for v in process:vads() do end end",
             "--script-memory", "2M", "4M",
             "attempt.lua:4: it needs more than 2097152 bytes"),
            # Nothing runs on when a cap is used up.
            (again, "--script-instructions", "100000", "",
             "attempt.lua:4: it took more than 100000 instructions"),
            (late, "--script-instructions", "100000", "",
             "attempt.lua:4: it took more than 100000 instructions"),
            # Long strings are compared in one instruction: seconds count.
            (same, "--script-instructions", "1000000", "",
             "attempt.lua:4: it took more than 5 seconds")):
        got = try_line(temp, image, line, option, little)
        if much is None:
            expect(got.returncode == 64, f"{option} {little}: {got.stderr}")
            continue
        expect(got.returncode == 5 and words in got.stderr,
               f"{line} {option} {little}: {got.stderr}")
        expect('"kind":"r"' not in got.stdout, f"{line}: a row at its end")
        if not much:
            continue
        got = try_line(temp, image, line, option, much)
        expect(got.returncode in (0, 3), f"{line} {option} {much}: {got.stderr}")


# A million bytes or values at a call, many times: done in C, where no hook
# counts. All must be counted, as what is done in Lua is.
BOMBS = [
    "string.find(s, 'xxxxxxxxy')", "utf8.len(s)", "utf8.offset(s, 999999)",
    "tonumber(z)", "tonumber(z, 16)", "string.packsize(b)",
    "string.unpack('z', n)", "rawequal(s, s .. '')", "s:upper()", "s:rep(1)",
    "string.format('%s', s)", "string.format('%.1s', s)",
    "string.glob('*x*y', s:sub(1, 65536))",
    "select('#', table.unpack({}, 1, 900000))", "table.concat({ s, 'x' })",
    "string.byte(s, 1, 900000)", "string.pack('s4', s)", "s:reverse()",
]


def check_bombs(temp, image):
    """Few calls, but each of them costs."""
    text = ("local s, z = ('x'):rep(1 << 20), ('0'):rep(1 << 20) "
            "local b, n = ('b'):rep(1 << 20), s:sub(1, -2) .. '\\0' "
            "for i = 1, 2000 do local v = %s end")
    for bomb in BOMBS:
        got = try_line(temp, image, text % bomb, "--script-instructions",
                       "5000000")
        expect(got.returncode == 5 and "instructions" in got.stderr,
               f"{bomb}: exit {got.returncode}, {got.stderr}")
    got = try_line(temp, image, text % "1")
    expect(got.returncode == 0, f"what the bombs are made of: {got.stderr}")
    got = try_line(temp, image, "local s = ('x'):rep(1 << 22)")
    expect(got.returncode == 5 and "a string of more than" in got.stderr,
           f"a long string: {got.stderr}")


def check_guide(temp, image):
    """The guide's script is one that runs, and short."""
    guide = (source / "docs/plugin-guide.md").read_text()
    code = re.findall(r"^```lua\n(.*?)^```$", guide, re.M | re.S)
    expect(len(code) == 1, "the guide has no script")
    name = re.search(r'name = "(\w+)"', code[0]).group(1)
    (temp / f"{name}.lua").write_text(code[0])
    expect(len(code[0].splitlines()) <= 22, "the guide's script is long")
    found = [r for r in rows(temp, image, name) if r["kind"] == name]
    expect(found, "the guide's script found nothing")


def main():
    with tempfile.TemporaryDirectory() as name:
        temp = pathlib.Path(name)
        if not have_lua:
            check_without(temp)
            return
        image, private = temp / "family.raw", temp / "private.raw"
        for scene, to in (("family", image),
                          ("findings/private-pe", private)):
            subprocess.run([mkscene, "-p", profiles, "-k", KERNEL, "-r", to,
                            source / f"images/{scene}.scene"], check=True)
        check_listing(temp)
        check_exec(temp, image)
        check_read(temp, private)
        check_across(temp, image)
        check_everything(temp, image)
        check_sandbox(temp, image)
        check_caps(temp, image)
        check_bombs(temp, image)
        check_guide(temp, private)


main()
print("lua:", "FAILED" if failures else "ok")
sys.exit(failures != 0)
