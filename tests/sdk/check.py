#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
A stranger's way: installs vadose into a scratch folder, then runs the commands
of docs/plugin-guide.md word for word, from its first section on, against the
installed files alone, on the demo scene. (Section 0, which builds and installs,
needs a machine of its own: guide.py.)

usage: check.py BUILD SOURCE MKSCENE
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
KERNEL = "35A038B1F6E2E8CAF642111E6EC66F571"


def run(command, **how):
    got = subprocess.run([str(c) for c in command], text=True,
                         capture_output=True, **how)
    if got.returncode:
        print("FAIL", " ".join(str(c) for c in command)[:2000])
        print(got.stdout[-4000:], got.stderr[-4000:])
        sys.exit(1)
    return got.stdout


def find(root, name):
    found = list(root.rglob(name))
    if not found:
        print("FAIL not installed:", name)
        sys.exit(1)
    return found[0]


def variable(package, name, root):
    """A folder that vadose.pc names, below the scratch root."""
    text = package.read_text()
    value = f"${{{name}}}"
    while "${" in value:
        value = re.sub(r"\$\{(\w+)\}", lambda m: re.search(
            rf"^{m[1]}=(.*)$", text, re.M)[1], value, count=1)
    return pathlib.Path(str(root) + value)


def environment(root):
    """Only what was installed, and the tools of the system."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("VADOSE_", "MESON", "NINJA", "LD_LIBRARY"))}
    package = find(root, "vadose.pc")
    env["PKG_CONFIG_PATH"] = str(package.parent)
    env["PKG_CONFIG_SYSROOT_DIR"] = env["DESTDIR"] = str(root)
    env["PATH"] = f"{find(root, 'bin/vadose').parent}:{env['PATH']}"
    # What stands in the program are the folders without the scratch root.
    env["VADOSE_PROFILE_PATH"] = str(variable(package, "profiledir", root))
    env["VADOSE_PLUGIN_PATH"] = str(variable(package, "plugindir", root))
    # What a stranger begins with has no warning in it.
    env["CFLAGS"] = "-Werror"
    return env


def check_installed(root):
    for name in ("bin/vadose", "vadose/plugin.h", "libvadose.so", "index",
                 "ntkrnlmp-19041.yaml", "bash-completion/completions/vadose",
                 "plugin-guide.md", "plugins.md", "findings.yaml"):
        find(root, name)
    if subprocess.run(["which", "scdoc"], capture_output=True).returncode == 0:
        for page in ("vadose.1", "vadose-plugin.7", "vadose-profile.5"):
            find(root, page)


def check_rows(folder, env):
    rows = run(["vadose", "-q", "-p", "build", "-f", "../memory.raw", "-r",
                "ndjson", "shellview"], cwd=folder, env=env)
    records = [json.loads(line) for line in rows.splitlines()]
    views = [r for r in records if r["kind"] == "shellview"]
    assert views, "the guide's plugin found nothing"
    for view in views:
        assert "EXECUTE" in view["vad"]["protection"], view
    digest = records[0]["run"]["module"]["sha256"]
    assert re.fullmatch("[0-9a-f]{64}", digest), digest


def main():
    build, source, mkscene = (pathlib.Path(p).resolve() for p in sys.argv[1:])
    guide = source / "docs/plugin-guide.md"
    with tempfile.TemporaryDirectory() as name:
        temp = pathlib.Path(name)
        root, work = temp / "root", temp / "first"
        work.mkdir()
        run(["meson", "install", "-C", build, "--no-rebuild", "--quiet",
             "--destdir", root])
        check_installed(root)
        env = environment(root)
        run([mkscene, "-p", env["VADOSE_PROFILE_PATH"], "-k", KERNEL, "-r",
             work / "memory.raw", source / "images/demo.scene"])
        script = run([sys.executable, HERE / "guide.py", guide, "1"])
        if "lua" in os.environ.get("VDS_LACKS", ""):
            script = script[:script.index("cat >loose.lua")]
        run(["bash", "-eux", "-c", script], cwd=work, env=env)
        check_rows(work / "shellview", env)
        core = (work / "firstlook/firstlook.c").read_text()
        core = core[core.index("static struct vds_error *run("):]
        assert len(core.splitlines()) <= 55, "the template's core is long"
        assert len((work / "firstlook/meson.build").read_text().splitlines()
                   ) == 4, "more than four lines of Meson"
        refused = subprocess.run(
            ["vadose", "plugin", "new", "firstlook", "firstlook"], cwd=work,
            env=env, capture_output=True)
        assert refused.returncode == 73, "a plugin was overwritten"
        for kept in ("all", "test", "install", "note", "run_end"):
            refused = subprocess.run(
                ["vadose", "plugin", "new", kept, work / "kept"], env=env,
                capture_output=True)
            assert refused.returncode == 64, f"a plugin called {kept}"
        # What is there stays, and nothing comes beside it.
        (work / "half").mkdir()
        (work / "half/test.sh").write_text("mine")
        refused = subprocess.run(
            ["vadose", "plugin", "new", "firstlook", work / "half"], env=env,
            capture_output=True)
        assert refused.returncode == 73, refused
        assert os.listdir(work / "half") == ["test.sh"], "half a plugin"
        # A prefix that was moved, or redefined, leads to its own folders.
        for name in ("plugindir", "profiledir"):
            value = run(["pkg-config", "--define-variable=prefix=/moved",
                         f"--variable={name}", "vadose"],
                        env={k: v for k, v in env.items()
                             if k != "PKG_CONFIG_SYSROOT_DIR"})
            assert value.startswith("/moved/"), f"{name}: {value}"
        for taken in ("pslist", "profile", "info", "No", "../x"):
            refused = subprocess.run(
                ["vadose", "plugin", "new", taken, work / "taken"], env=env,
                capture_output=True)
            assert refused.returncode == 64, f"a plugin called {taken}"
            assert not (work / "taken").exists(), taken
    print("sdk: ok")


main()
