#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The jq recipes of docs/output.md, on records that vadose printed."""
import json
import lzma
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

program, mkscene, isf2yaml, shared, source = sys.argv[1:]
isf = (pathlib.Path(shared) / "isf" /
       "769C521E4833ECF72E21F02BF33691A5-1.json.xz")
if not isf.exists() or not shutil.which("jq"):
    print("skipped: no", isf if not isf.exists() else "jq")
    sys.exit(77)
source = pathlib.Path(source)
text = (source / "docs/output.md").read_text()
recipes = re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)
assert len(recipes) == 3, recipes
with tempfile.TemporaryDirectory() as folder:
    temp = pathlib.Path(folder)
    (temp / "table.json").write_bytes(lzma.open(isf).read())
    subprocess.run([mkscene, "-p", temp / "table.json", "-r", temp / "raw",
                    source / "images/demo.scene"], check=True)
    subprocess.run([isf2yaml, temp / "table.json", temp / "y.yaml"],
                   check=True)
    subprocess.run([program, "-q", "-f", temp / "raw", "--profile",
                    temp / "y.yaml", "-r", "ndjson", "-o",
                    temp / "out.ndjson", "sharedmem"], check=True)
    records = [json.loads(line) for line in open(temp / "out.ndjson")]
    made = []
    for recipe in recipes:
        out = subprocess.run(["sh", "-c", recipe], cwd=temp, text=True,
                             stdout=subprocess.PIPE, check=True).stdout
        made.append([json.loads(line) for line in out.splitlines()])
    bulk, splunk, timesketch = made
    # No number of a record may have been rounded on the way.
    assert bulk[1::2] == records and len(bulk) == 2 * len(records)
    assert [a["index"]["_id"] for a in bulk[::2]] == \
        [r["id"] for r in records]
    assert [e["event"] for e in splunk] == records
    assert {e["time"] for e in splunk} == {1602177704}  # 2020-10-08T17:21:44Z
    rows = [r for r in records if r["kind"] == "sharedmem_view"]
    assert len(timesketch) == len(rows) > 0
    for event, row in zip(timesketch, rows):
        assert event["datetime"] == row["@timestamp"] and event["message"]
        assert event["id"] == row["id"]
print("recipes: ok")
