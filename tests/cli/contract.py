#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
The output contract, on the demo scene: what every plugin prints is validated
against its own JSON Schema and the rules that consumers impose; exit codes,
files that appear whole or not at all, filters.
"""
import atexit
import csv
import hashlib
import io
import json
import lzma
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

SKIP = 77
ISF = "769C521E4833ECF72E21F02BF33691A5-1.json.xz"
DUMP = tempfile.mkdtemp(prefix="vadose-contract-")
atexit.register(shutil.rmtree, DUMP, ignore_errors=True)
# What plugins need beside their name; one that isn't here runs without.
ARGUMENTS = {
    "vtop": ["0x63b0000", "--pid", "3836"],
    "memread": ["0x63b0000", "--pid", "3836"],
    "pool": ["0xffffd80ce21e4d70"],
    "pfn": ["0x20bcb"],
    "whoshares": ["IMMM"],
    "dt": ["_MMVAD_SHORT"],
    "ptov": ["0x20bcb000"],
    "sectiondump": ["--name", "*thumbcache*", "--dump", DUMP],
    "vaddump": ["--pid", "3836", "--dump", DUMP],
}
# Plugins that find nothing in this scene.
EMPTY = {"bigpools", "filecache", "hollow", "malfind",
         "modified"}
failures = 0


def expect(condition, what):
    global failures
    if not condition:
        failures += 1
        print("FAIL", str(what)[:600])


def strict(schema):
    """The same schema, but nothing undeclared may occur."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" and "properties" in schema:
            schema.setdefault("additionalProperties", False)
        for value in schema.values():
            strict(value)
    elif isinstance(schema, list):
        for value in schema:
            strict(value)
    return schema


def walk(value, path=""):
    """All (path, value) pairs below a record."""
    if isinstance(value, dict):
        for key, below in value.items():
            name = "@timestamp" if not path and key == "@timestamp" else key
            expect(name == "@timestamp" or re.fullmatch("[a-z0-9_]+", key),
                   f"key {key!r}")
            yield from walk(below, f"{path}.{key}" if path else key)
    else:
        yield path, value


def check_values(record):
    for path, value in walk(record):
        expect(value is not None, f"null at {path}")
        for item in value if isinstance(value, list) else [value]:
            expect(not isinstance(item, (dict, list)), f"nesting in {path}")
            if isinstance(item, int):
                expect(abs(item) <= 2**53 - 1, f"{path}: {item}")


class Program:
    def __init__(self, program, image, profile):
        self.program, self.image, self.profile = program, image, profile
        self.env = {k: v for k, v in os.environ.items()
                    if not k.startswith("VADOSE_")}

    def __call__(self, *args, image=True, profile=True):
        # Files are never written over: each run gets an empty folder.
        shutil.rmtree(DUMP, ignore_errors=True)
        os.mkdir(DUMP)
        command = [self.program]
        if image:
            command += ["-f", self.image]
        if profile:
            command += ["--profile", self.profile]
        return subprocess.run(command + [str(a) for a in args],
                              capture_output=True, env=self.env)


def check_frame(name, data, status):
    """The rules for lines, and the first and the last of them."""
    expect(data.endswith(b"\n") and b"\0" not in data and
           b"\n\n" not in data and not data.startswith(b"\xef\xbb\xbf"),
           f"{name}: lines")
    lines = data.splitlines(keepends=True)
    for line in lines:
        expect(len(line) <= 8000, f"{name}: a line of {len(line)} bytes")
    records = [json.loads(line.decode("utf-8")) for line in lines]
    first, last = records[0], records[-1]
    expect(first["kind"] == "run_start", f"{name}: {first['kind']} first")
    expect(last["kind"] == "run_end", f"{name}: {last['kind']} last")
    run = last["run"]
    expect(run["exit_code"] == status, f"{name}: exit {status}, {run}")
    expect(run["status"] == {0: "ok", 3: "partial"}.get(status, "failed"),
           f"{name}: {status}, {run}")
    rows = [r for r in records[1:-1] if r["kind"] != "note"]
    expect(sum(run["rows"].values()) == len(rows), f"{name}: count of rows")
    ids = [(r["kind"], r["id"]) for r in records]
    expect(len(set(ids)) == len(ids), f"{name}: an id occurs twice")
    absent = sum(len(r.get(k, [])) for r in rows
                 for k in ("unreadable", "invalid"))
    expect(run["unreadable_cells"] + run["invalid_cells"] == absent,
           f"{name}: {absent} absent cells, {run}")
    expect((status == 3) == bool(absent or run["note_count"]),
           f"{name}: partial without reason, or the other way round")
    return records, rows


def shape(value):
    """A record's keys and kinds; records of one shape differ in values only."""
    return tuple([(k, shape(v)) if type(v) is dict else (k, type(v))
                  for k, v in value.items()])


def samples(records, most):
    """Of each shape so many records; all of them if @most is 0."""
    seen = {}
    for record in records:
        key = shape(record) if most else None
        seen[key] = seen.get(key, 0) + 1
        if not most or seen[key] <= most:
            yield record


def check_plugin(vadose, validator, name):
    args = ARGUMENTS.get(name, [])
    outputs = {}
    for threads in (1, 2, 8):
        got = vadose("-q", f"-j{threads}", "-r", "ndjson", name, *args)
        outputs[threads] = got.stdout
    expect(got.returncode in (0, 3), f"{name}: {got.returncode} {got.stderr}")
    if got.returncode not in (0, 3):
        return
    expect(outputs[1] == outputs[2] == outputs[8],
           f"{name}: bytes depend on the number of threads")
    records, rows = check_frame(name, got.stdout, got.returncode)
    expect(rows or name in EMPTY, f"{name}: no row")
    for record in samples(records, 4 if "VDS_BRIEF" in os.environ else 0):
        check_values(record)
        errors = list(validator.iter_errors(record))
        expect(not errors, f"{name}: {errors[:1]}")
    whole = vadose("-q", "-r", "json", name, *args)
    expect(json.loads(whole.stdout) == records, f"{name}: -r json differs")
    check_ecs(vadose, name, args, records)
    table = list(csv.reader(io.StringIO(
        vadose("-q", "-r", "csv", name, *args).stdout.decode(), newline="")))
    expect(len(table) == len(rows) + 1, f"{name}: {len(table)} CSV lines")
    expect(len({len(line) for line in table}) == 1, f"{name}: ragged CSV")
    text = vadose("-q", name, *args).stdout.decode()
    expect(text.count("\n") >= len(rows), f"{name}: short table")
    expect(not re.search("[\x00-\x09\x0b-\x1f\x7f]", text),
           f"{name}: controls in the table")


def check_ecs(vadose, name, args, records):
    """The same records, in objects that ECS has, or under vadose."""
    got = vadose("-q", "-r", "ecs", name, *args)
    lines = got.stdout.splitlines(keepends=True)
    expect(len(lines) == len(records), f"{name}: {len(lines)} ECS records")
    for line, record in zip(lines, records):
        expect(len(line) <= 8000, f"{name}: an ECS line of {len(line)} bytes")
        ecs = json.loads(line)
        event = ecs["event"]
        expect(event["id"] == record["id"] and
               event["kind"] == ("alert" if record["kind"] == "finding"
                                 else "state") and
               event["type"] == ["info"] and
               event["category"] in (["process"], ["host"], ["malware"]) and
               event["dataset"] == "vadose." + record["kind"] and
               ecs["vadose"]["kind"] == record["kind"], f"{name}: {event}")
        # https://www.elastic.co/guide/en/ecs/8.11/ecs-field-reference.html
        expect(set(ecs) <= {"@timestamp", "ecs", "event", "vadose", "process",
                            "file", "dll", "rule", "threat", "message",
                            "host", "user", "hash", "pe", "registry"},
               f"{name}: {set(ecs)}")
        check_values(ecs)


def check_schemas(vadose):
    import jsonschema
    whole = json.loads(vadose("schema", image=False, profile=False).stdout)
    jsonschema.Draft202012Validator.check_schema(whole)
    names = [d[len("plugin."):] for d in whole["$defs"]
             if d.startswith("plugin.")]
    for name in names:
        one = json.loads(vadose("schema", name, image=False,
                                profile=False).stdout)
        expect(one["$defs"][f"plugin.{name}"] ==
               whole["$defs"][f"plugin.{name}"], f"schema {name}")
        check_plugin(vadose, jsonschema.Draft202012Validator(strict(one)),
                     name)


def check_exit_codes(vadose, temp):
    def status(expected, what, *args, says="", **how):
        got = vadose(*args, **how)
        expect(got.returncode == expected and
               says.encode() in got.stderr, f"{what}: {got}")
        return got

    junk = temp / "junk"
    junk.write_bytes(b"not an image\n" * 5000)
    short = temp / "empty"
    short.write_bytes(b"")
    bare = {"image": False, "profile": False}
    status(64, "no arguments", **bare)
    status(0, "help", "--help", **bare)
    status(0, "version", "--version", **bare)
    status(64, "unknown option", "--nosuch", says="no such option", **bare)
    status(64, "unknown plugin", "nosuch", says="no plugin", **bare)
    status(64, "no image", "pslist", says="-f IMAGE", **bare)
    status(64, "unknown renderer", "-r", "nosuch", "pslist")
    status(64, "wrong renderer", "-r", "sic", "pslist", says="sharedmem")
    status(64, "unknown option of a plugin", "pslist", "--nosuch")
    status(64, "bad expression", "pslist", "--where", "pid >",
           says="character 6")
    status(64, "unknown column", "pslist", "--fields", "nosuch",
           says="no column")
    status(64, "no kind of backing", "sharedmem", "--backing", "nosuch",
           says="'nosuch' is not pagefile")
    status(64, "bad time", "--acquired-at", "noon", "pslist",
           says="'noon' is not a time")
    status(64, "bad pid", "pslist", "--pid", "four")
    status(66, "no such image", "-f", temp / "nosuch", "info", **bare)
    got = status(4, "no kernel", "-f", junk, "-r", "ndjson", "info", **bare)
    kinds = [json.loads(l)["kind"] for l in got.stdout.splitlines()]
    expect(kinds == ["run_start", "image", "run_end"], kinds)
    status(4, "no kernel", "-f", junk, "pslist", **bare)
    status(4, "empty file", "-f", short, "info", **bare)
    got = status(66, "hostile name", "-f", temp / "a\u202egpj.\x1b[31mexe",
                 "info", says="a\\u{202e}gpj.", **bare)
    expect(b"\x1b" not in got.stderr, got)
    got = status(69, "no profile", "pslist", profile=False,
                 says="769C521E4833ECF72E21F02BF33691A5")
    expect(not got.stdout and b"vadose profile" in got.stderr, got)
    got = status(69, "info without a profile", "-r", "ndjson", "info",
                 profile=False)
    kinds = [json.loads(l)["kind"] for l in got.stdout.splitlines()]
    expect(kinds == ["run_start", "image", "run_end"], kinds)
    status(2, "rows are findings", "--fail-on=rows", "pslist")
    status(64, "rows without a severity", "--fail-on=high", "pslist",
           says="rows of pslist have no severity")
    status(64, "not a severity", "--fail-on=dire", "findings")
    status(73, "no such folder", "-o", temp / "nosuch" / "x", "pslist")
    status(73, "full disk", "-o", "/dev/full", "pslist", says="No space")


def check_failures(vadose, modules):
    """A plugin that fails: what came before it, and a last record."""
    for name, says in (("probe_kind", b"kind is not the declared"),
                       ("probe_careless", b"threw away")):
        got = vadose("-p", modules, "-r", "ndjson", name)
        end = json.loads(got.stdout.splitlines()[-1])
        expect(got.returncode == 5 and says in got.stderr, got)
        expect(end["kind"] == "run_end" and
               end["run"]["status"] == "failed" and
               end["run"]["exit_code"] == 5 and
               says.decode() in end["run"]["message"], end)
    got = vadose("-q", "-p", modules, "-r", "ndjson", "probe")
    start = json.loads(got.stdout.splitlines()[0])
    module = start["run"]["module"]
    digest = hashlib.sha256(
        (pathlib.Path(modules) / "probe.so").read_bytes()).hexdigest()
    expect(module["sha256"] == digest, module)


def check_files(vadose, temp):
    out = temp / "out"
    out.write_text("before")
    os.chmod(temp, 0o755)
    got = vadose("-o", out, "-f", temp / "nosuch", "pslist", image=False)
    expect(got.returncode == 66 and out.read_text() == "before", got)
    got = vadose("-q", "-o", out, "-r", "ndjson", "pslist")
    direct = vadose("-q", "-r", "ndjson", "pslist")
    expect(got.stdout == b"" and out.read_bytes() == direct.stdout, "-o")
    leftovers = [f for f in os.listdir(temp) if f.startswith("out.")]
    expect(not leftovers, leftovers)
    # A disk that fills up: the old file stays, and nothing else is left.
    before = out.read_bytes()
    got = subprocess.run(
        ["sh", "-c", 'ulimit -f 8; exec "$@"', "sh", vadose.program, "-q",
         "-f", vadose.image, "--profile", vadose.profile, "-o", out,
         "-r", "ndjson", "vadinfo"], capture_output=True,
        preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_DFL))
    expect(got.returncode == 73 and out.read_bytes() == before, got)
    expect(not [f for f in os.listdir(temp) if f.startswith("out.")],
           "a file was left behind")
    got = vadose("-q", "--hash", "-r", "ndjson", "pslist")
    start = json.loads(got.stdout.splitlines()[0])["image"]
    with open(vadose.image, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest() \
            if hasattr(hashlib, "file_digest") else \
            hashlib.sha256(file.read()).hexdigest()
    expect(start["sha256"] == digest and
           start["sha256_source"] == "computed", start)
    # A reader that leaves early gets no complaint.
    pipe = subprocess.Popen(
        [vadose.program, "-q", "-f", vadose.image, "--profile",
         vadose.profile, "-r", "ndjson", "vadinfo"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    pipe.stdout.readline()
    pipe.stdout.close()
    expect(pipe.stderr.read() == b"", "a broken pipe was reported")
    expect(pipe.wait(timeout=60) in (0, 3, 73), pipe.returncode)


def check_filters(vadose):
    def rows(*args):
        got = vadose("-q", "-r", "ndjson", *args)
        expect(got.returncode in (0, 3), got)
        records = [json.loads(line) for line in got.stdout.splitlines()]
        return [r for r in records
                if r["kind"] not in ("run_start", "note", "run_end")]

    everything = rows("vadinfo")
    some = rows("vadinfo", "--where",
                "protection ~ EXECUTE and size > 64K and not private")
    wanted = [r for r in everything
              if "EXECUTE" in r["vad"]["protection"] and
              r["vad"]["size"] > 65536 and not r["vad"]["private"]]
    expect(some == wanted and wanted, "--where")
    expect(rows("vadinfo", "--limit", 7) == everything[:7], "--limit")
    expect(rows("vadinfo", "-j8", "--limit", 7) == everything[:7],
           "--limit on many threads")
    expect(rows("vadinfo", "--pid", "3836") ==
           [r for r in everything if r["process"]["pid"] == 3836], "--pid")
    expect(rows("vadinfo", "--process", "EXPLORER*") ==
           [r for r in everything
            if r["process"].get("name", "").lower().startswith("explorer")],
           "--process")
    ordered = rows("vadinfo", "--sort", "-size,vad.start", "--limit", 20)
    sizes = [r["vad"]["size"] for r in everything]
    expect([r["vad"]["size"] for r in ordered] ==
           sorted(sizes, reverse=True)[:20], "--sort")
    few = rows("vadinfo", "--fields", "vad.start,process.*")
    for record, full in zip(few, everything):
        expect(set(record["vad"]) == {"start"} and
               record["process"] == full["process"] and
               "section" not in record and record["id"] == full["id"],
               f"--fields: {record}")


def check_scene(vadose, mkscene, table, scene, temp):
    """Rows that the demo has none of: changed images, odd pages."""
    import jsonschema
    whole = json.loads(vadose("schema", image=False, profile=False).stdout)
    for name, plugin in (("modified", ["modified", "--all"]),
                         ("pages", ["sharedpages", "--min-views", "1"]),
                         ("pages", ["sectiondump", "--dump", DUMP])):
        image = temp / (name + ".raw")
        subprocess.run([mkscene, "-p", table, "-r", image,
                        pathlib.Path(scene).parent / (name + ".scene")],
                       check=True)
        other = Program(vadose.program, str(image), vadose.profile)
        got = other("-q", "-r", "ndjson", *plugin)
        records, rows = check_frame(plugin[0], got.stdout, got.returncode)
        schema = {"$defs": whole["$defs"],
                  "$ref": "#/$defs/plugin." + plugin[0]}
        validator = jsonschema.Draft202012Validator(schema)
        for record in rows:
            check_values(record)
            errors = list(validator.iter_errors(record))
            expect(not errors, f"{plugin}: {errors[:1]}")
        expect(len(rows) > 20, f"{plugin}: {len(rows)} rows")


def check_answered(vadose):
    """Options of sharedmem that other plugins answer: the same rows."""
    def records(*args):
        got = vadose("-q", "-r", "ndjson", *args)
        expect(got.returncode == 0, got)
        return [json.loads(line) for line in got.stdout.splitlines()][1:]

    thumb = ["--name", "*thumbcache*"]
    pages = records("sharedmem", "--pages", *thumb)
    expect(pages == records("sharedpages", *thumb) and
           pages[0]["kind"] == "shared_pages", "sharedmem --pages")
    dumped = records("sharedmem", *thumb, "--dump=" + DUMP)
    expect(dumped == records("sectiondump", *thumb, "--dump", DUMP) and
           dumped[0]["kind"] == "section_dump", "sharedmem --dump")
    expect(records("sharedmem", "--pages", *thumb, "--writable") == pages and
           records("sharedmem", "--pages", *thumb, "--executable")[0]["kind"]
           == "run_end", "filters of sharedmem --pages")
    expect(records("sharedmem", "--verify=pte", "--pages", *thumb) == pages and
           records("sharedmem", "--verify=none", *thumb, "--dump", DUMP) ==
           dumped, "--verify")
    got = vadose("sharedmem", "--pages", "--dump", DUMP)
    expect(got.returncode == 64 and b"give one of them" in got.stderr, got)
    got = vadose("sharedmem", "--name", "--pages")    # a name, not an option
    expect(got.returncode == 0 and b"Mapped" not in got.stdout, got)
    got = vadose("sharedmem", "--pages", "--help")
    expect(got.returncode == 0 and b"sharedpages" in got.stdout, got)


def main():
    program, mkscene, isf2yaml, shared, scene = sys.argv[1:6]
    modules = sys.argv[6:]
    isf = pathlib.Path(shared) / "isf" / ISF
    if not isf.exists():
        print(f"skipped: no {isf}")
        return SKIP
    try:
        import jsonschema  # noqa: F401
    except ImportError:
        print("skipped: no python3-jsonschema")
        return SKIP
    with tempfile.TemporaryDirectory() as folder:
        temp = pathlib.Path(folder)
        image, profile = temp / "demo.raw", temp / "demo.yaml"
        table = temp / "table.json"  # a build without liblzma passes too
        table.write_bytes(lzma.open(isf).read())
        subprocess.run([mkscene, "-p", table, "-r", image, scene], check=True)
        subprocess.run([isf2yaml, table, profile], check=True)
        vadose = Program(program, str(image), str(profile))
        check_schemas(vadose)
        check_exit_codes(vadose, temp)
        check_files(vadose, temp)
        check_filters(vadose)
        check_answered(vadose)
        check_scene(vadose, mkscene, table, scene, temp)
        if modules:
            check_failures(vadose, modules[0])
    print("contract:", "FAILED" if failures else "ok")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
