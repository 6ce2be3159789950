#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden tests: scene -> image -> vadose -> what is expected.

usage: run.py [--update] [--only NAME] VADOSE MKSCENE CASES

A line of CASES is a test: its form, its name, and the arguments of the case_
function below. Scenes are built from images/ for kernels of profiles/.
--update writes the expected files anew; look at the diff before committing.
"""
import argparse
import collections
import difflib
import json
import os
import pathlib
import re
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile

import truth as truth_module

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
PROFILES = SOURCE / "profiles"
# A hostile image may cost no more than this.
MAX_SECONDS = 2
MAX_MEMORY = 256 << 20


def kernels():
    table = {}
    for line in (HERE / "kernels.txt").read_text().splitlines():
        line = line.split("#")[0].split()
        if line:
            table[line[0]] = "".join(line[1:3])
    return table


class Bench:
    """Builds each image once and runs the program on it."""

    def __init__(self, args, folder):
        self.vadose = os.path.abspath(args.vadose)
        self.mkscene = os.path.abspath(args.mkscene)
        self.folder, self.kernels = pathlib.Path(folder), kernels()

    def image(self, scene, kernel, container="raw"):
        name = f"{scene}-{kernel}".replace("/", "-")
        image = self.folder / f"{name}.{container}"
        if not image.exists():
            option = {"raw": "-r", "lime": "-l"}[container]
            subprocess.run(
                [self.mkscene, *self.profile(kernel), option, image, "-t",
                 image.with_suffix(".json"), SOURCE / "images" /
                 f"{scene}.scene"], check=True)
        return image

    def profile(self, kernel):
        """mkscene's arguments; 22000 lends what is not published."""
        if kernel.startswith("published/"):
            return ["-p", PROFILES / f"{kernel}.yaml", "-o", PROFILES, "-k",
                    self.kernels["22000"]]
        return ["-p", PROFILES, "-k", self.kernels[kernel]]

    def plugins(self):
        schema = json.loads(subprocess.run(
            [self.vadose, "schema"], capture_output=True, check=True).stdout)
        return [d.split(".", 1)[1] for d in schema["$defs"]
                if d.startswith("plugin.")]

    def run(self, image, arguments, limits=False):
        def limit():
            resource.setrlimit(resource.RLIMIT_CPU,
                               (MAX_SECONDS, MAX_SECONDS + 1))

        # Sanitizers need address space of their own; what counts is measured.
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        done = subprocess.run(
            [self.vadose, "-f", image.name, "-q", "-s", PROFILES,
             *arguments], cwd=self.folder,
            capture_output=True, timeout=120,
            preexec_fn=limit if limits and not sanitized() else None)
        after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        if limits and not sanitized() and after > before and \
                after > MAX_MEMORY >> 10:
            raise AssertionError(f"{after} KB of memory")
        return done


def sanitized():
    return bool(os.environ.get("VDS_SANITIZED"))


def brief():
    return bool(os.environ.get("VDS_BRIEF"))


def records(text):
    """NDJSON by the output contract, or an AssertionError."""
    rows = []
    assert text.endswith(b"\n"), "no final newline"
    for number, line in enumerate(text[:-1].split(b"\n"), 1):
        assert len(line) <= 8000, f"line {number} has {len(line)} bytes"
        rows.append(json.loads(line.decode("utf-8")))
    assert rows[0]["kind"] == "run_start", "no run_start"
    assert rows[-1]["kind"] == "run_end", "no run_end"
    return rows


def expect_file(update, name, got):
    path = HERE / "expected" / name
    if update:
        path.write_bytes(got)
        return []
    want = path.read_bytes() if path.exists() else b""
    return list(difflib.unified_diff(
        want.decode("utf-8", "replace").splitlines(),
        got.decode("utf-8", "replace").splitlines(),
        f"expected/{name}", "now", lineterm="", n=1))


def case_output(bench, args, name, scene, kernel, status, *arguments):
    """The whole output, byte for byte."""
    image = bench.image(scene, kernel)
    done = bench.run(image, arguments)
    # Where this tree lies is nobody's concern.
    got = done.stdout.replace(os.fsencode(PROFILES), b"profiles")
    lines = expect_file(args.update, f"{name}.txt", got)
    if done.returncode != int(status):
        lines.append(f"exit status {done.returncode}, not {status}: "
                     f"{done.stderr.decode(errors='replace').strip()}")
    return lines


def case_truth(bench, args, name, scene, kernel, container="raw"):
    """Processes, VADs and views equal the truth; -j1 and -j2 agree (where
    VDS_BRIEF is set, they aren't compared)."""
    image = bench.image(scene, kernel, container)
    truth = json.loads(image.with_suffix(".json").read_text())
    lines = []
    for plugin, compare in truth_module.COMPARE.items():
        done = bench.run(image, ["-j2", "-r", "ndjson", plugin])
        if not brief() and done.stdout != bench.run(
                image, ["-j1", "-r", "ndjson", plugin]).stdout:
            lines.append(f"{plugin}: -j1 and -j2 differ")
        found = compare(truth, records(done.stdout))
        lines += [f"{found.title}: {line}" for line in found.lines[:12]]
    return lines


def case_covered(bench, args, name):
    """No plugin is without a golden test."""
    words = {word for path in HERE.glob("*.txt")
             for line in path.read_text().splitlines()
             if line.startswith(("output", "hostile", "truth"))
             for word in shlex.split(line)}
    other = (SOURCE / "tests/findings/scenes.py").read_text()
    return [f"no golden test of {plugin}" for plugin in bench.plugins()
            if plugin not in words and f'"{plugin}"' not in other]


def case_every(bench, args, name, scene, step):
    """The same for every STEPth kernel of profiles/."""
    lines, index = [], (PROFILES / "index").read_text().splitlines()
    keys = [words[1] + words[2] for words in map(str.split, index)
            if not words[0].startswith("#") and words[1] != "-"]
    for key in keys[::int(step)]:
        bench.kernels[key] = key
        lines += [f"{key}: {line}" for line in
                  case_truth(bench, args, name, scene, key)[:3]]
    return lines


def summary(plugin, rows, done):
    """What a hostile scene leaves of a run, in a few stable lines."""
    end = rows[-1]["run"]
    counts = " ".join(f"{k}={v}" for k, v in sorted(end["rows"].items()))
    lines = [f"{plugin}: {end['status']} exit={done.returncode} {counts} "
             f"unreadable={end['unreadable_cells']} "
             f"invalid={end['invalid_cells']} notes={end['note_count']}"]
    kinds = collections.Counter(row["note"]["kind"] for row in rows
                                if row["kind"] == "note")
    lines += [f"  {kind} {kinds[kind]}" for kind in sorted(kinds)]
    return lines


def case_hostile(bench, args, name, scene, kernel, container="raw"):
    """Ends in time and memory, in valid NDJSON; what is left is as expected."""
    image = bench.image(scene, kernel, container)
    lines = []
    for plugin in truth_module.COMPARE:
        done = bench.run(image, ["-r", "ndjson", plugin], limits=True)
        assert done.returncode in (0, 3), \
            f"{plugin}: exit {done.returncode}: {done.stderr.decode()}"
        rows = records(done.stdout)
        partial = rows[-1]["run"]["status"] == "partial"
        assert partial == (done.returncode == 3), "status and exit differ"
        lines += summary(plugin, rows, done)
    return expect_file(args.update, f"{name}.txt",
                       ("\n".join(lines) + "\n").encode())


# One of each layout.
NONSENSE_KERNELS = ["7601.24540", "18362", "19041.3570", "22000"]
# What plugins need beside their name.
NEEDS = {
    "dt": ["_EPROCESS", "--address", "{eprocess:1200}"],
    "memread": ["0x7ffe0000", "--pid", "1200"],
    "pfn": ["{pfn:bench}"],
    "pool": ["{area:bench}"],
    "ptov": ["0x1ad000"],
    "sectiondump": ["--dump", "dump", "--name", "*Bench"],
    "vaddump": ["--dump", "dump", "--pid", "1200", "--max", "64K"],
    "vtop": ["0x7ffe0000", "--pid", "1200"],
    "whoshares": ["text:scene page"],
}


def place(truth, match):
    """{eprocess:PID}, {area:NAME}, {pfn:NAME}: of the machine's truth."""
    kind, name = match.group(1), match.group(2)
    if kind == "eprocess":
        return "0x" + next(p["eprocess"] for p in truth["processes"]
                           if p["pid"] == int(name))
    section = next(s for s in truth["sections"] if name in
                   (s["id"], (s["name"] or s["file"] or "")
                    .rsplit("\\")[-1].lower().split(".")[0]))
    return "0x" + (section["control_area"] if kind == "area"
                   else section["frames"]["0"])


def bounded(bench, image, words, partial):
    """One run within the limits of hostile images; "" or what is wrong."""
    truth = json.loads(image.with_suffix(".json").read_text())
    if len(words) == 1:
        words = words + NEEDS.get(words[0], [])
    words = [re.sub(r"\{(\w+):([^}]*)\}", lambda m: place(truth, m), w)
             for w in words]
    dump = bench.folder / "dump"
    if str(dump.name) in words:
        shutil.rmtree(dump, ignore_errors=True)
        dump.mkdir()
    done = bench.run(image, ["-r", "ndjson", *words], limits=True)
    what = f"{image.stem}: {' '.join(words)}: exit {done.returncode}"
    if done.returncode not in ((3,) if partial else (0, 3)):
        return f"{what}: {done.stderr.decode(errors='replace')[-300:]}"
    end = records(done.stdout)[-1]["run"]
    status = {0: "ok", 3: "partial"}[done.returncode]
    if end["status"] != status or end["exit_code"] != done.returncode:
        return f"{what}: {end}"
    return ""


def case_nonsense(bench, args, scene, *plugins):
    """These plugins, or "all", on each layout (where VDS_BRIEF is set, on one of
    them); with "?" they may say that nothing is wrong."""
    lines = []
    kernels = NONSENSE_KERNELS
    if brief():
        turn = sum(scene.encode()) % len(kernels)
        kernels = kernels[turn:turn + 1]
    for kernel in kernels:
        image = bench.image(f"hostile/nonsense/{scene}", kernel)
        if plugins == ("all",):
            lines += [bounded(bench, image, [p], False)
                      for p in bench.plugins()]
        else:
            lines += [bounded(bench, image, shlex.split(p.lstrip("?")),
                              p[0] != "?") for p in plugins]
        image.unlink()
    return [line for line in lines if line]


def update_command(args):
    return shlex.join(["tests/golden/run.py", "--update", args.vadose,
                       args.mkscene,
                       os.path.relpath(args.cases, SOURCE)])


CASES = {"covered": case_covered, "every": case_every, "hostile": case_hostile,
         "nonsense": case_nonsense, "output": case_output,
         "truth": case_truth}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--only")
    parser.add_argument("vadose")
    parser.add_argument("mkscene")
    parser.add_argument("cases")
    args = parser.parse_args()
    failed = passed = 0
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(args, folder)
        for line in pathlib.Path(args.cases).read_text().splitlines():
            words = shlex.split(line, comments=True)
            if not words or (args.only and words[1] != args.only):
                continue
            try:
                lines = CASES[words[0]](bench, args, *words[1:])
            except (AssertionError, subprocess.SubprocessError) as why:
                lines = [str(why)]
            print(f"{'FAIL' if lines else 'ok'} {words[1]}")
            for text in lines[:40]:
                print(f"    {text}")
            if lines and words[0] != "truth":
                print(f"    if that is right now: {update_command(args)}")
            failed += bool(lines)
            passed += not lines
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
