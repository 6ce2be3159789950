#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""-o FILE: a run that is ended by a signal leaves nothing behind, and what was
there before as it was; one that ignores the signal (nohup) goes on.

usage: signals.py VADOSE MKSCENE SOURCE
"""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

KERNEL = "606FF669409B00F7FC8C61A9C16701291"
failures = []


def expect(condition, *what):
    if not condition:
        failures.append(" ".join(map(str, what)))


def temporary(folder):
    return [n for n in os.listdir(folder) if n.startswith("out.")]


def interrupted(command, folder, sig, how):
    """A run that was sent @sig while its file was being written, or None."""
    child = subprocess.Popen(command, stderr=subprocess.PIPE, preexec_fn=how)
    while child.poll() is None and not temporary(folder):
        time.sleep(0.001)
    child.send_signal(signal.SIGSTOP)
    if not temporary(folder):
        child.send_signal(signal.SIGCONT)
        child.wait()
        return None
    child.send_signal(sig)
    child.send_signal(signal.SIGCONT)
    child.wait()
    return child.returncode


def check(command, folder, sig, how, status):
    out = pathlib.Path(folder) / "out"
    out.write_text("before")
    for _ in range(20):
        got = interrupted(command, folder, sig, how)
        if got is not None:
            break
    expect(got == status, sig.name, "ended with", got, "not", status)
    expect(not temporary(folder), sig.name, "leaves", temporary(folder))
    if status:
        expect(out.read_text() == "before", sig.name, "changed the file")
    else:
        expect("run_end" in out.read_text(), sig.name, "was not ignored")


def main():
    vadose, mkscene, source = sys.argv[1:]
    profiles = os.path.join(source, "profiles")
    with tempfile.TemporaryDirectory() as folder:
        image = os.path.join(folder, "image.raw")
        subprocess.run([mkscene, "-p", profiles, "-k", KERNEL, "-r", image,
                        os.path.join(source, "images", "family.scene")],
                       check=True)
        command = [vadose, "-q", "-s", profiles, "-f", image, "-r", "ndjson",
                   "-o", os.path.join(folder, "out"), "vadinfo"]
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            check(command, folder, sig, None, -sig)
        check(command, folder, signal.SIGHUP,
              lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN), 0)
    for line in failures:
        print("FAIL", line)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
