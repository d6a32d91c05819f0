#!/usr/bin/env python3
"""libspamc: a program written for it is compiled, linked each way, and run; against the reference's header too where
there is one (REFERENCE_LIBSPAMC_H: a directory)."""
import os
import shutil
import subprocess

from client_parts import Canned
from harness import BUILD, HERE, SOURCE, Skip, Tests, mail

tests = Tests()
HEADERS = os.environ.get("REFERENCE_LIBSPAMC_H", "/tmp/sa-src/spamc")
BODY = b"Subject: x\nX-Spam-Flag: YES\n\nbody\n"
SERVER = Canned(b"SPAMD/1.1 0 EX_OK\r\nX-Else: 1\r\nDidSet: local\r\nContent-length: %d\r\nSpam: True ; 7.5 / 5.0\r\n\r\n" % len(BODY) + BODY)
FLAGS = os.environ.get("CFLAGS", "-g").split()
EXPORTED = {line.strip(" \t;\n") for line in open(os.path.join(SOURCE, "spamc", "libspamc.map")) if line.endswith(";\n")} - {"}", "*"}
SHARED = os.path.join(BUILD, "spamc", "libspamc.so.1")
STATIC = os.path.join(BUILD, "spamc", "libspamc.a")


def is_instrumented():
    with open(SHARED, "rb") as f:
        return b"__asan_" in f.read()


def build(name, include, library, more=()):
    if not shutil.which("gcc"):
        raise Skip("no compiler here")
    program = tests.path(name)
    subprocess.run(["gcc", "-o", program, "-DSPAMC_SSL=1", "-I" + include, os.path.join(HERE, "libspamc_user.c"), library] +
                   FLAGS + list(more) + (["-fsanitize=address,undefined"] if is_instrumented() else []), check=True)
    return program


def run(program):
    with open(tests.path("mail"), "wb") as f:
        f.write(mail("ham"))
    done = subprocess.run([program, str(SERVER.port), f.name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                          env=dict(os.environ, LD_LIBRARY_PATH=os.path.join(BUILD, "spamc")))
    assert done.returncode == 0, (done.returncode, done.stderr.decode())
    return done.stdout


def shared():
    link = tests.path("libspamc.so")
    if not os.path.exists(link):
        os.symlink(SHARED, link)
    return run(build("shared", os.path.join(SOURCE, "spamc"), link, ["-Wall", "-Wextra", "-Werror"]))


@tests.case("shared library: every function of the interface does what it says")
def _():
    out = shared().decode("latin-1")
    for line in ("defaults 1 783 -1 0", "setup 0 hosts 1", "log 1 6: a line 5", "header of the answer (2, 0): X-Else: 1",
                 "filter 0 spam 1 score 7.5/5.0 length %d out %d" % (len(BODY), len(BODY)), "wrote %d" % len(BODY),
                 "7.5/5.0\nwrote 8", "filter 0 spam 0 score 0.0/0.0 length -1 out 12\nSPAMD/1.1 0", "read 65 type 1 len 0",
                 "tell 0 did 1", "processed 1", "processed 866"):
        assert line in out, (line, out)
    assert mail("ham").decode("latin-1") in out


@tests.case("static library: the same output")
def _():
    assert run(build("static", os.path.join(SOURCE, "spamc"), STATIC)) == shared()


@tests.case("the reference's header: the same layout, numbers and output")
def _():
    if not os.path.exists(os.path.join(HEADERS, "libspamc.h")):
        raise Skip("no header of the reference here")
    assert run(build("theirs", HEADERS, STATIC)) == shared()


@tests.case("the shared library gives away the names of the interface and no other")
def _():
    lines = subprocess.run(["nm", "-D", "--defined-only", SHARED], stdout=subprocess.PIPE, check=True).stdout.decode().split("\n")
    names = {line.split()[2] for line in lines if len(line.split()) == 3 and line.split()[1] in "TDBR"}
    assert names == {name + "@@LIBSPAMC_1" for name in EXPORTED}, names
    dynamic = subprocess.run(["readelf", "-d", SHARED], stdout=subprocess.PIPE, check=True).stdout
    assert b"[libspamc.so.1]" in dynamic and b"libssl" not in dynamic and b"libz" not in dynamic


@tests.case("C++ reads the header")
def _():
    if not shutil.which("g++"):
        raise Skip("no C++ compiler here")
    subprocess.run(["g++", "-x", "c++", "-fsyntax-only", "-Wall", "-Werror", "-include",
                    os.path.join(SOURCE, "spamc", "libspamc.h"), "/dev/null"], check=True)


@tests.case("what make install leaves: a program for the reference's header finds header, library and flags by pkg-config")
def _():
    if not shutil.which("gcc") or not shutil.which("pkg-config") or not shutil.which("make"):
        raise Skip("no compiler, make or pkg-config here")
    if is_instrumented() or not os.path.exists(os.path.join(BUILD, "Makefile")):
        raise Skip("not a build to be installed")
    root = tests.path("root")
    more = dict(os.environ, MAKEFLAGS="")
    for target in ("install-includeHEADERS", "install-libLIBRARIES", "install-sharedlibPROGRAMS", "install-helperPROGRAMS",
                   "install-nodist_pkgconfigDATA", "install-exec-hook"):
        subprocess.run(["make", "-s", "-C", BUILD, target, "DESTDIR=" + root], check=True, stdout=subprocess.DEVNULL, env=more)
    found = [os.path.join(d, "libspamc.pc") for d, _, names in os.walk(root) if "libspamc.pc" in names]
    env = dict(os.environ, PKG_CONFIG_PATH=os.path.dirname(found[0]), PKG_CONFIG_SYSROOT_DIR=root)
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libspamc"], stdout=subprocess.PIPE, check=True, env=env).stdout.decode().split()
    libdir = os.path.dirname(os.path.dirname(found[0]))
    assert os.readlink(os.path.join(libdir, "libspamc.so")) == "libspamc.so.1"
    # compiled with the header of the reference where there is one, linked with what was installed
    theirs = ["-I" + HEADERS] if os.path.exists(os.path.join(HEADERS, "libspamc.h")) else []
    program = tests.path("installed")
    subprocess.run(["gcc", "-o", program, "-DSPAMC_SSL=1"] + theirs + [os.path.join(HERE, "libspamc_user.c")] + flags + FLAGS, check=True)
    with open(tests.path("mail"), "wb") as f:
        f.write(mail("ham"))
    done = subprocess.run([program, str(SERVER.port), f.name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                          env=dict(os.environ, LD_LIBRARY_PATH=libdir))
    assert done.returncode == 0 and done.stdout == shared(), (done.returncode, done.stderr)


tests.main()
