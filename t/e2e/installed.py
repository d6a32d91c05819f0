#!/usr/bin/env python3
"""What `make install` puts beside the programs: units that systemd accepts, users, completion from the option tables."""
import os
import re
import shutil
import subprocess

from harness import BUILD, SOURCE, SPAMD, Skip, Tests

tests = Tests()
PKG = os.path.join(SOURCE, "pkg")


def need(program):
    path = shutil.which(program)
    if path is None:
        raise Skip(program + " is not installed")
    return path


@tests.case("the units pass systemd-analyze verify")
def _():
    analyze = need("systemd-analyze")
    with open(os.path.join(BUILD, "pkg", "spamd.service")) as f:
        unit = f.read()
    assert "bindir" not in unit and re.search(r"^ExecStart=/\S+/spamd -s", unit, re.M), unit
    unit = re.sub(r"/\S+/spamd(?= )", SPAMD, unit)
    for name, text in (("spamd.service", unit), ("spamd.socket", open(os.path.join(PKG, "spamd.socket")).read())):
        with open(tests.path(name), "w") as f:
            f.write(text)
    run = subprocess.run([analyze, "verify", "--man=no", tests.path("spamd.service"), tests.path("spamd.socket")],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    said = [x for x in run.stdout.splitlines() if "spamd" in x]
    if not os.path.exists("/bin/kill"):    # procps is missing here, which a host with systemd has
        said = [x for x in said if "/bin/kill is not executable" not in x]
    assert not said, said


@tests.case("the sysusers and tmpfiles lines are accepted")
def _():
    for program, name in (("systemd-sysusers", "winnow.sysusers"), ("systemd-tmpfiles", "winnow.tmpfiles")):
        need(program)
    root = tests.path("root")
    os.makedirs(os.path.join(root, "etc"))
    run = subprocess.run(["systemd-sysusers", "--root=" + root, os.path.join(PKG, "winnow.sysusers")], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True)
    if os.geteuid() != 0:
        raise Skip("not root")
    with open(os.path.join(root, "etc", "passwd")) as f:
        assert "debian-spamd" in f.read(), run.stdout
    run = subprocess.run(["systemd-tmpfiles", "--root=" + root, "--create", os.path.join(PKG, "winnow.tmpfiles")],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert os.path.isdir(os.path.join(root, "var/lib/spamassassin")), run.stdout


@tests.case("completion offers every option of --help")
def _():
    bash = need("bash")
    for program in ("spamd/spamd", "spamc/spamc", "cmd/spamassassin", "cmd/sa-learn", "cmd/sa-awl", "cmd/sa-update", "cmd/sa-compile", "cmd/sa-check_spamd"):
        path = os.path.join(BUILD, program)
        script = '. "%s/winnow.bash"; COMP_WORDS=("%s" --); COMP_CWORD=1; _winnow "%s"; printf "%%s\\n" "${COMPREPLY[@]}"' % (PKG, path, path)
        offered = set(subprocess.run([bash, "-c", script], stdout=subprocess.PIPE, text=True).stdout.split())
        text = subprocess.run([path, "--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
        columns = [x.strip().split("  ")[0] for x in text.splitlines() if x.strip().startswith("-")]
        options = set(re.findall(r"(?<![\w-])--[a-z0-9_-]+", " ".join(columns)))
        assert len(options) > 3 and options <= offered, (program, options - offered)


tests.main()
