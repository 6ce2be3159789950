#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/sharing.md: its pictures are those that draw.py makes now, and well-formed;
it explains every column.

  pictures.py VADOSE MKSCENE SOURCE
"""
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET


def unexplained(vadose, text):
    """Columns of the plugins about sharing that docs/sharing.md leaves out."""
    for plugin in ("sharedmem", "sharedpages", "sectiondump", "modified"):
        page = subprocess.run([vadose, plugin, "--help"], check=True,
                              capture_output=True, text=True).stdout
        for line in page.split("\ncolumns (")[1].splitlines()[1:]:
            name = line.split()[0] if line.strip() else ""
            # Tables of the page shorten `vad.start`, `vad.end` to `.end`.
            last = "`." + name.rsplit(".", 1)[-1] + "`"
            if "`" + name + "`" not in text and last not in text and name:
                yield plugin + ": " + name


def main():
    vadose, mkscene, source = sys.argv[1:]
    kept, failed = pathlib.Path(source) / "docs" / "pictures", 0
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, kept / "draw.py", vadose, mkscene,
                        source, folder], check=True)
        names = {p.name for p in kept.glob("*.svg")}
        drawn = {p.name for p in pathlib.Path(folder).iterdir()}
        if names != drawn:
            print("FAIL: not the same pictures:", names ^ drawn)
            failed = 1
        for name in sorted(names & drawn):
            new = (pathlib.Path(folder) / name).read_bytes()
            ET.fromstring(new)
            if new != (kept / name).read_bytes():
                print("FAIL: %s is another picture now: docs/pictures/draw.py "
                      "%s %s . docs/pictures" % (name, vadose, mkscene))
                failed = 1
        text = (kept.parent / "sharing.md").read_text()
        for column in unexplained(vadose, text):
            print("FAIL: docs/sharing.md doesn't explain", column)
            failed = 1
        for name in names:
            if "pictures/" + name not in text:
                print("FAIL: docs/sharing.md doesn't show", name)
                failed = 1
    sys.exit(failed)


if __name__ == "__main__":
    main()
