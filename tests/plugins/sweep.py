#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every plugin on every shared image: it ends as it says, its records keep to
the contract and to its own JSON Schema, and one thread or two print the same
bytes; within 2 seconds and 256 MB, whatever the image holds.

usage: sweep.py VADOSE PROFILES SHARED_DATA WORK_DIR IMAGE...

VDS_SWEEP_ONCE is in the environment: only with two threads.
Exit status 77: there are no such images here.
"""
import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE.parent / "cli"), str(HERE.parent / "truth")]
import contract  # noqa: E402
import hostile  # noqa: E402
import truth  # noqa: E402

SANITIZED = "VDS_SANITIZED" in os.environ
# Per run: of processor time, and of memory; a run that needs more gets none
# and fails. Sanitizers need more of both.
SECONDS = 2 if not SANITIZED else 60
LIMIT = ["prlimit", f"--data={256 << 20}"] if not SANITIZED else []
THREADS = ("-j1", "-j2") if "VDS_SWEEP_ONCE" not in os.environ else ("-j2",)
# Records of one shape that are validated, of those that a run prints.
SAMPLES = 4
# More than one way to ask.
VARIANTS = {
    "findings": [["--min-severity", "info"]],
    "modified": [["--all"]],
    "poolscan": [["--all"]],
    "pslist": [["--crossview"]],
    "sections": [["--all"]],
    "sharedmem": [["--verify", "none"]],
    "vadpages": [["--all", "--process", "s*"]],
    "vmmap": [["--regions"]],
}


def subjects(manifest, folder):
    """What plugins need beside their name: things that are there."""
    process = max((p for p in manifest["processes"] if not p["exited"]),
                  key=lambda p: len(p["pages"]))
    page = dict(zip(manifest["page_columns"], next(
        (p for p in process["pages"] if p[1] == "shared"),
        process["pages"][0])))
    section = next(s for s in manifest["sections"] if s["views"])
    pid, pa = str(process["pid"]), "0x" + (page["pa"] or "1000")
    return {
        "dt": ["_EPROCESS", "--address", "0x" + process["eprocess"]],
        "memread": ["0x" + page["va"], "--pid", pid],
        "pfn": [hex(int(pa, 16) >> 12)],
        "pool": ["0x" + process["eprocess"]],
        "ptov": [pa],
        "sectiondump": ["--address", "0x" + section["control_area"],
                        "--dump", folder],
        "vaddump": ["--pid", pid, "--type", "image", "--dump", folder],
        "vtop": ["0x" + page["va"], "--pid", pid],
        "whoshares": [pa],
    }


class Sweep:
    def __init__(self, vadose, profiles, shared, work, name):
        where, self.manifest = truth.unpack(shared, work, name)
        self.rules = hostile.rules_for(name, self.manifest)
        self.image = next(str(pathlib.Path(where) / (name + end))
                          for end in (".raw", ".lime")
                          if (pathlib.Path(where) / (name + end)).exists())
        self.command = [vadose, "-q", "-s", profiles, "-f", self.image,
                        "-r", "ndjson"]
        self.name, self.runs, self.lost = name, 0, 0

    def once(self, threads, words):
        """One run: processor seconds, exit status, output, errors."""
        with tempfile.TemporaryFile() as out, \
                tempfile.TemporaryFile() as errors:
            if "--dump" in words:   # files are never written over
                shutil.rmtree(words[-1], ignore_errors=True)
                os.mkdir(words[-1])
            child = subprocess.Popen(
                [*LIMIT, *self.command, threads, *words],
                stdout=out, stderr=errors)
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            errors.seek(0)
            return (used.ru_utime + used.ru_stime, child.returncode,
                    out.read(), errors.read().decode(errors="replace"))

    def run(self, threads, words):
        """Exit status, output, errors; what it used is checked."""
        seconds, *result = self.once(threads, words)
        # What the plugin takes it takes each time, what the machine adds not.
        for _ in range(2):
            if seconds > SECONDS:
                seconds = min(seconds, self.once(threads, words)[0])
        self.runs += 1
        contract.expect(seconds <= SECONDS,
                        f"{self.name}: {' '.join(words)}: {seconds} s")
        return tuple(result)

    def check(self, plugin, words, validator):
        what = f"{self.name}: {' '.join([plugin, *words])}"
        with tempfile.TemporaryDirectory() as folder:
            outputs = []
            for threads in THREADS:
                if "--dump" in words:
                    words = words[:-1] + [os.path.join(folder, "dump")]
                outputs.append(self.run(threads, [plugin, *words]))
        status, text, said = outputs[0]
        if status == 4 and self.rules.kernel_may_be_lost:
            self.lost += 1
            return
        if status not in (0, 3):
            contract.expect(False, f"{what}: exit {status}: {said}")
            return
        if self.rules.codes == (0,):
            contract.expect(b'"kind":"note"' not in text, f"{what}: a note")
        contract.expect(outputs[0] == outputs[-1],
                        f"{what}: -j1 and -j2 differ")
        records, _ = contract.check_frame(what, text, status)
        for record in contract.samples(records, SAMPLES):
            contract.check_values(record)
            for error in validator.iter_errors(record):
                contract.expect(False, f"{what}: {error}")

    def check_all(self, schemas):
        import jsonschema
        for plugin, schema in schemas.items():
            validator = jsonschema.Draft202012Validator(schema)
            with tempfile.TemporaryDirectory() as folder:
                words = subjects(self.manifest, folder).get(plugin, [])
            for more in [[], *VARIANTS.get(plugin, [])]:
                self.check(plugin, words + more, validator)
        return self.runs, self.lost, contract.failures


def sweep(arguments, schemas):
    return Sweep(*arguments).check_all(schemas)


def all_schemas(vadose):
    def schema(*words):
        return json.loads(subprocess.run(
            [vadose, "schema", *words], capture_output=True,
            check=True).stdout)

    names = [d.split(".", 1)[1] for d in schema()["$defs"]
             if d.startswith("plugin.")]
    return {name: contract.strict(schema(name)) for name in names}


def main():
    vadose, profiles, shared, work = sys.argv[1:5]
    try:
        import jsonschema  # noqa: F401
    except ImportError:
        print("skipped: no python3-jsonschema")
        return 77
    os.makedirs(work, exist_ok=True)
    schemas = all_schemas(vadose)
    # Largest first, so that no worker is left alone with one.
    names = sorted(sys.argv[5:], key=lambda n: not n.startswith("scale"))
    runs = failures = 0
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        for name, result in zip(names, pool.map(sweep, (
                (vadose, profiles, shared, work, n) for n in names),
                [schemas] * len(names))):
            runs, failures = runs + result[0], failures + result[2]
            print(f"{name}: {result[0]} runs, {result[1]} without a kernel")
    print(f"{len(schemas)} plugins, {runs} runs, {failures} failures")
    return 1 if failures or not runs else 0


if __name__ == "__main__":
    sys.exit(main())
