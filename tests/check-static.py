#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
A static vadose has its plugins in it: it opens no modules, asks for no library
of ours, and says of a module why it is not taken.
"""
import pathlib
import subprocess
import sys
import tempfile

vadose = sys.argv[1]


def run(*command):
    return subprocess.run(command, text=True, capture_output=True)


symbols = run("nm", "--undefined-only", vadose).stdout.split()
assert "read" in " ".join(symbols), "nm printed nothing"
opened = [s for s in symbols if s.split("@")[0] in ("dlopen", "dlsym")]
assert not opened, opened
needed = run("readelf", "-d", vadose).stdout
assert "libvadose" not in needed, needed
listing = run(vadose, "plugins").stdout
assert listing.count("built in") > 30, listing
with tempfile.TemporaryDirectory() as temp:
    (pathlib.Path(temp) / "mine.so").write_bytes(b"\x7fELF")
    got = run(vadose, "-p", temp, "mine", "--help")
    assert got.returncode == 5 and "built without modules" in got.stderr, got
    listing = run(vadose, "-p", temp, "plugins").stdout
    assert "REFUSED" in listing and "build the plugin in" in listing, listing
print("static: ok")
