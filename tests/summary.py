#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Adds up the results of all builds: the closing line of ./check."""
import json
import sys

passed = failed = skipped = 0
for path in sys.argv[1:]:
    with open(path) as log:
        for line in log:
            result = json.loads(line).get("result")
            passed += result == "OK"
            skipped += result == "SKIP"
            failed += result not in ("OK", "SKIP")
print(f"check: {passed} passed, {failed} failed, {skipped} skipped")
sys.exit(1 if failed or not passed else 0)
