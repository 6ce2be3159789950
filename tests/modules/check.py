#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is found, what is refused, why, and what to do about it."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

vadose = str(pathlib.Path(sys.argv[1]).resolve())
folder = pathlib.Path(sys.argv[2])
failures = 0


def expect(condition, what):
    global failures
    if not condition:
        failures += 1
        print("FAIL", what)


def run(*args, cwd=None, env=None):
    return subprocess.run([vadose, *map(str, args)], text=True, cwd=cwd,
                          capture_output=True,
                          env={**os.environ, **(env or {})})


REFUSALS = {
    "probe_major": ("was built for plugin ABI 2.0", "update vadose"),
    "probe_minor": ("was built for plugin ABI 1.1", "update vadose"),
    "probe_small": ("size in its descriptor", "rebuild"),
    "probe_name": ("name in its descriptor", "correct"),
    "probe_column": ("names are [a-z0-9_]+", "correct its columns"),
    "probe_old": ("columns are declared in an unknown form", "correct"),
    "probe_flags": ("flags that this ABI doesn't know", "correct"),
    "probe_nameless": ("its name isn't [a-z0-9_-]+", "options"),
    "probe_twins": ("'--first'): there are two", "options"),
    "probe_common": ("'--where'): every plugin has one", "options"),
    "probe_option": ("its kind is unknown", "options"),
    "probe_default": ("the default 'many' is not a value", "options"),
    "probe_words": ("its values lack", "options"),
    "probe_line": ("isn't one line of text", "correct"),
    "probe_envelope": ("one that every run has", "correct"),
    "probe_rewritten": ("isn't the one in its file", "const"),
    "probe_cut": ("says of another column that it was cut", "columns"),
    "probe_cells": ("flags that this ABI doesn't know", "columns"),
    "probe_ecs": ("'process.pid': its ECS path isn't", "columns"),
    "probe_version": ("version or summary lacks", "correct"),
    "convert": ("a command of vadose has this name", "rename"),
    "folder": ("neither a file nor", "that can be read"),
    "pipe": ("neither a file nor", "that can be read"),
    "loop": ("symbolic links", "that can be read"),
    "nowhere": ("No such file", "that can be read"),
    "probe_unresolved": ("vds_no_such_function", "rebuild"),
    "arm": ("built for another processor", "of this machine"),
    "narrow": ("no 64-bit shared object", "of this machine"),
    "swapped": ("no 64-bit shared object", "of this machine"),
    "object": ("no 64-bit shared object", "of this machine"),
    "foreign": ("no descriptor of its own name", "one word"),
    "junk": ("no 64-bit shared object", "of this machine"),
    "empty": ("no 64-bit shared object", "of this machine"),
    "cut": ("ELF headers are broken", "build it anew"),
    "renamed": ("no descriptor of its own name", "one word"),
    "pslist": ("another plugin has this name (built in)", "rename"),
    "Bad-Name": ("isn't [a-z0-9_]+.so", "rename"),
}

with tempfile.TemporaryDirectory() as temp:
    temp = pathlib.Path(temp)
    for module in folder.glob("probe*.so"):
        shutil.copy(module, temp)
    (temp / "junk.so").write_text("#!/bin/sh\n" * 20)
    (temp / "empty.so").write_text("")
    whole = (temp / "probe.so").read_bytes()
    (temp / "cut.so").write_bytes(whole[:len(whole) // 2])
    # Offsets of the ELF header: class 4, byte order 5, type 16, machine 18.
    for name, at, value in (("arm", 18, 40), ("narrow", 4, 1),
                            ("swapped", 5, 2), ("object", 16, 1)):
        changed = bytearray(whole)
        changed[at] = value
        (temp / f"{name}.so").write_bytes(changed)
    # A shared object that is somebody else's.
    shutil.copy(folder.parent.parent / "src/libvadose.so",
                temp / "foreign.so")
    shutil.copy(temp / "probe.so", temp / "renamed.so")
    shutil.copy(temp / "probe.so", temp / "pslist.so")
    shutil.copy(temp / "probe.so", temp / "Bad-Name.so")
    shutil.copy(temp / "probe.so", temp / "convert.so")
    shutil.copy(temp / "probe.so", temp / "evil\n\x1b[31m.so")
    (temp / "folder.so").mkdir()
    os.mkfifo(temp / "pipe.so")
    (temp / "loop.so").symlink_to("loop.so")
    (temp / "nowhere.so").symlink_to("nothing.so")

    listing = run("plugins", "-p", temp)
    expect(listing.returncode == 0, f"plugins: {listing.stderr}")
    expect("ran" not in listing.stderr, "code of a refused plugin ran")
    lines = {}
    for line in listing.stdout.splitlines():
        lines.setdefault(line.split()[0], []).append(line)
    for name, words in REFUSALS.items():
        line = " ".join(l for l in lines.get(name, []) if "REFUSED" in l)
        for word in (*words, f"{temp}/{name}.so: "):
            expect(word in line, f"{name}: '{word}' not in: {line}")
    for name, abi in (("probe_major", "abi 2.0"), ("probe_minor", "abi 1.1"),
                      ("probe_small", "abi 1.0"), ("junk", "abi -")):
        expect(any(abi in l for l in lines[name]), f"{name}: {lines[name]}")
    expect("\x1b" not in listing.stdout and "evil\\u{a}\\u{1b}[31m " in
           listing.stdout, "the name of a file commands the terminal")
    for name in ("probe", "probe_careless"):
        line = " ".join(lines.get(name, []))
        expect("REFUSED" not in line and "abi 1.0  ok" in line and
               str(temp) in line, f"{name}: {line}")
    expect(any("built in" in l for l in lines["pslist"]), "built-in pslist")

    page = run("-p", temp, "probe", "--help")
    expect(page.returncode == 0 and "process.name" in page.stdout,
           f"help of a plugin: {page.stdout}{page.stderr}")
    for name in ("folder", "pipe", "loop", "nowhere", "junk", "probe_twins"):
        got = run("-p", temp, "-f", "nosuch", name)
        expect(got.returncode == 5 and "is refused" in got.stderr,
               f"run of {name}: {got}")
    refused = run("-p", temp, "-f", "nosuch", "probe_minor")
    expect(refused.returncode == 5 and "refused" in refused.stderr and
           "update vadose" in refused.stderr, f"run: {refused.stderr}")
    # What is listed as sound is what a run takes, and the rest says why.
    first, second = temp / "first", temp / "second"
    for other in (first, second):
        other.mkdir()
    shutil.copy(temp / "probe.so", second)
    (first / "probe.so").write_text("junk")
    shutil.copy(temp / "probe_careless.so", first)
    (first / "probe_careless.lua").write_text("junk")
    both = [l for l in run("plugins", "-p", first, "-p", f"{temp}/./second",
                           "-p", second, env={
                               "VADOSE_PLUGIN_PATH": f"{first}:{second}/."},
                           ).stdout.splitlines() if "probe" in l]
    expect([("REFUSED" in l, l.split("/")[-2:-1]) for l in both] == [
        (True, ["first"]), (False, ["first"]), (True, ["first"]),
        (True, ["first"])] and "probe.so: it is no" in both[0] and
        "probe_careless.lua: another" in both[2] and
        f"second/probe.so: another plugin has this name ({first}/probe.so)"
        in both[3], "twins:\n" + "\n".join(both))
    got = run("-p", first, "-p", second, "probe", "--help")
    expect(got.returncode == 5 and "no 64-bit" in got.stderr, f"twin: {got}")
    got = run("-p", first, "probe_careless", "--help")
    expect(got.returncode == 0, f"module before script: {got}")
    # By $VADOSE_PLUGIN_PATH, but never the working directory.
    path = {"VADOSE_PLUGIN_PATH": f".:relative:{temp}"}
    expect(run("probe", "--help", env=path).returncode == 0, "by environment")
    expect(run("probe", "--help", cwd=temp).returncode == 64, "from the cwd")
    expect(run("probe", "--help", cwd=temp,
               env={"VADOSE_PLUGIN_PATH": "."}).returncode == 64,
           "a relative folder in the environment")
    expect(run("-p", temp, "../probe", "--help").returncode == 64, "a path")
    for command in (["plugins"], ["pslist", "--help"]):
        got = run("-p", temp / "nosuch", *command)
        expect(got.returncode == 66 and "nosuch: no such folder" in got.stderr,
               f"a folder that is not there: {got}")
    expect(run("plugins", env={"VADOSE_PLUGIN_PATH": "/nosuch"}).returncode
           == 0, "a folder in the environment that is not there")

for command in ("plugins", "schema"):
    got = run(command, "--help")
    expect(got.returncode == 0 and f"usage: vadose {command}" in got.stdout
           and "pslist" not in got.stdout, f"{command} --help: {got.stdout}")

print("modules:", "FAILED" if failures else "ok")
sys.exit(failures != 0)
