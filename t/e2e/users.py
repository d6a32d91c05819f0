#!/usr/bin/env python3
"""Whose message it is: setuid to the user asked for, -u, user_prefs, --virtual-config-dir, vpopmail, odd names.

Needs root and two users of its own; they are made in a user database of this test (a mount namespace), never the host's.
"""
import os
import re
import shutil
import stat
import subprocess
import sys
import time

from harness import Skip, Tests, ask, mail, patience, own_mounts, request

OWN_MOUNTS = own_mounts(__file__)

tests = Tests()
HAM, SPAM = mail("ham"), mail("spam")
ANN, BOB, FILTER = 64001, 64002, 64003
HOMES = tests.path("homes")


def bind(path, text):
    """Other contents for a file, in this mount namespace only."""
    copy = tests.path(os.path.basename(path) + ".copy")
    with open(path) as f, open(copy, "w") as g:
        g.write(f.read() + text)
    os.chmod(copy, 0o644)
    subprocess.run(["mount", "--bind", copy, path], check=True)


def make_users():
    if not OWN_MOUNTS:
        return False
    lines = "".join("%s:x:%d:%d::%s:/bin/false\n" % (n, i, i, os.path.join(HOMES, n))
                    for n, i in (("wann", ANN), ("wbob", BOB), ("wfilter", FILTER), ("wnohome", 64004), ("wetc", 64005)))
    try:
        bind("/etc/passwd", lines)
        bind("/etc/group", "".join("%s:x:%d:\n" % (n, i) for n, i in (("wann", ANN), ("wbob", BOB), ("wfilter", FILTER))) +
             "wextra:x:64100:wann\n")
    except (OSError, subprocess.CalledProcessError):
        return False
    os.mkdir(HOMES)
    for name, uid in (("wann", ANN), ("wbob", BOB), ("wfilter", FILTER)):
        os.mkdir(os.path.join(HOMES, name))
        os.chown(os.path.join(HOMES, name), uid, uid)
    os.symlink("/etc", os.path.join(HOMES, "wetc"))
    return True


READY = make_users()


def prefs(name, uid, text, mode=0o600):
    directory = os.path.join(HOMES, name, ".spamassassin")
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, "user_prefs")
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)
    os.chown(directory, uid, uid)
    os.chown(path, uid, uid)
    return path


def start(name, options, site=""):
    if not READY:
        raise Skip("needs root and mount namespaces")
    path = tests.path(name)
    os.makedirs(path + ".site", exist_ok=True)
    with open(os.path.join(path + ".site", "local.cf"), "w") as f:
        f.write(site)
    with open(os.path.join(path + ".site", "user_prefs.template"), "w") as f:
        f.write("# template\n")
    server = tests.spamd([path], ["-m", "1", "--siteconfigpath", path + ".site"] + options)
    server.wait_for(path)
    return server, path


def check(path, user=None, body=SPAM, **more):
    return ask(path, request("CHECK", body, headers=[] if user is None else ["User: " + user], **more))


def wait_log(server, text):
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and text not in server.log():
        time.sleep(0.02)
    assert text in server.log(), (text, server.log()[-2500:])


@tests.case("started as root: the message runs as its user, with that user's preferences")
def _():
    server, path = start("setuid", ["--user-config"])
    prefs("wann", ANN, "score GTUBE 100\n")
    assert b"Spam: True ; 105.7 / 5.0" in check(path, "wann"), server.log()[-2000:]
    wait_log(server, "setuid to wann succeeded")
    wait_log(server, "checking message <1@bulk.example.com> for wann:%d" % ANN)
    assert b"Spam: True ; 1005.7 / 5.0" in check(path, "wbob")
    wait_log(server, "for wbob:%d in " % BOB)
    assert b"X-Spam-Status: Yes, score=105.7" in ask(path, request("PROCESS", SPAM, headers=["User: wann"]))


@tests.case("fault F34: the message's process has nothing of root left, and no other client's socket")
def _():
    server, path = start("ids", ["--user-config"], "body SLOW /x(?:a|aa)+b/\n")
    seen = []
    worker = server.workers()[0]
    body = b"Subject: x\n\n" + b"some words and more of them in lines\n" * 200000
    import threading
    t = threading.Thread(target=lambda: seen.append(check(path, "wann", body)))
    t.start()
    status = fds = None
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and t.is_alive():
        try:
            with open("/proc/%d/task/%d/children" % (worker, worker)) as f:
                kids = f.read().split()
            for kid in kids:
                with open("/proc/%s/status" % kid) as f:
                    text = f.read()
                if "Uid:\t%d\t%d\t%d\t%d" % (ANN, ANN, ANN, ANN) in text:
                    status = text
                    fds = [os.readlink("/proc/%s/fd/%s" % (kid, n)) for n in os.listdir("/proc/%s/fd" % kid)]
        except OSError:
            pass
        if status:
            break
    t.join()
    assert status, server.log()[-2000:]
    assert "Gid:\t%d\t%d\t%d\t%d" % (ANN, ANN, ANN, ANN) in status, status
    assert set(re.search(r"Groups:\s*(.*)", status)[1].split()) == {str(ANN), "64100"}, status
    assert re.search(r"CapPrm:\s*0+\n", status) and re.search(r"CapEff:\s*0+\n", status), status
    assert "NoNewPrivs:\t1" in status
    assert len([x for x in fds if x.startswith("socket:")]) <= 1, fds
    assert b"EX_OK" in seen[0]


@tests.case("fault F35: root, nobody known, no home, a home that is a link: the default user, nothing made")
def _():
    before = set(os.listdir("/etc"))
    server, path = start("fallback", ["--user-config", "-c"])
    nobody = subprocess.run(["id", "-u", "nobody"], stdout=subprocess.PIPE).stdout.decode().strip()
    for user in ("root", "nosuchuser", None):
        assert b"Spam: True ; 1005.7" in check(path, user)
        wait_log(server, "for %s:%s in " % (user or "(unknown)", nobody))
    wait_log(server, "still running as root: user not specified with -u, not found, or set to root, falling back to nobody")
    wait_log(server, "handle_user (getpwnam) unable to find user: 'nosuchuser'")
    for user in ("wnohome", "wetc"):
        assert b"Spam: True ; 1005.7" in check(path, user)
    assert set(os.listdir("/etc")) == before
    assert ":0 in " not in server.log()


@tests.case("fault F35: user_prefs that is a FIFO, a link, a device or somebody else's is not read and holds nobody")
def _():
    server, path = start("files", ["--user-config"])
    shutil.rmtree(os.path.join(HOMES, "wbob", ".spamassassin"), ignore_errors=True)
    file = prefs("wbob", BOB, "score GTUBE 100\n")
    for make in (lambda: os.mkfifo(file, 0o666), lambda: os.symlink("/dev/zero", file), lambda: os.mkdir(file),
                 lambda: open(file, "w").write("score GTUBE 100\n"), lambda: os.symlink("/etc/shadow", file)):
        if os.path.isdir(file):
            os.rmdir(file)
        else:
            os.unlink(file)
        make()
        begun = time.monotonic()
        assert b"Spam: True ; 1005.7" in check(path, "wbob")
        assert time.monotonic() - begun < patience(3)
    wait_log(server, "preferences of wbob not read: ")
    os.unlink(file)


@tests.case("--create-prefs: the template, as the user's own file, once")
def _():
    shutil.rmtree(os.path.join(HOMES, "wann", ".spamassassin"), ignore_errors=True)
    server, path = start("create", ["--user-config", "--create-prefs"])
    check(path, "wann")
    check(path, "wann")
    file = os.path.join(HOMES, "wann", ".spamassassin", "user_prefs")
    wait_log(server, "spamd: creating default_prefs: " + file)
    wait_log(server, "config: created user preferences file: " + file)
    with open(file) as f:
        assert f.read() == "# template\n"
    st = os.stat(file)
    assert (st.st_uid, stat.S_IMODE(st.st_mode)) == (ANN, 0o600)
    assert stat.S_IMODE(os.stat(os.path.dirname(file)).st_mode) == 0o700
    assert server.log().count("created user preferences file") == 1


@tests.case("--paranoid: unknown users, root and no user at all get no answer")
def _():
    server, path = start("paranoid", ["--user-config", "-P"])
    prefs("wann", ANN, "score GTUBE 100\n")
    assert b"Spam: True ; 105.7" in check(path, "wann")
    for user in ("nosuchuser", "root", None):
        assert check(path, user) == b"", user
    wait_log(server, "in paranoid mode, still running as root: closing connection")
    wait_log(server, "handle_user (getpwnam) unable to find user: 'nosuchuser'")


@tests.case("-u: everything as that user; others' preferences if it may read them")
def _():
    server, path = start("u", ["--user-config", "-u", "wfilter"])
    with open("/proc/%d/status" % server.workers()[0]) as f:
        assert "Uid:\t%d\t%d\t%d\t%d" % (FILTER, FILTER, FILTER, FILTER) in f.read()
    os.chmod(os.path.dirname(prefs("wann", ANN, "score GTUBE 100\n", 0o644)), 0o755)
    os.chmod(os.path.join(HOMES, "wann"), 0o755)
    assert b"Spam: True ; 105.7" in check(path, "wann")
    wait_log(server, "for wann:%d in " % FILTER)
    prefs("wann", ANN, "score GTUBE 100\n", 0o600)
    assert b"Spam: True ; 1005.7" in check(path, "wann")
    assert b"Spam: True ; 1005.7" in check(path, "nosuchuser")
    wait_log(server, "handle_user (userdir) unable to find user: 'nosuchuser'")


@tests.case("one user's scores, lists and rules never reach the next message")
def _():
    server, path = start("leak", ["--user-config"], "allow_user_rules 1\n")
    prefs("wann", ANN, "score GTUBE 100\nbody MINE /GTUBE/\nscore MINE 7\nblocklist_from *@bulk.example.com\nrequired_score 50\n")
    for _ in range(3):
        answer = ask(path, request("SYMBOLS", SPAM, headers=["User: wann"]))
        assert b"/ 50.0" in answer and b"MINE" in answer, answer
        answer = ask(path, request("SYMBOLS", SPAM, headers=["User: wbob"]))
        assert b"1005.7 / 5.0" in answer and b"MINE" not in answer, answer


@tests.case("user rules need allow_user_rules; administrator's lines are never taken")
def _():
    server, path = start("norules", ["--user-config"])
    prefs("wann", ANN, "body MINE /GTUBE/\nscore MINE 7\nloadplugin Mail::SpamAssassin::Plugin::Evil /tmp/x.pm\nscore GTUBE 100\n")
    answer = ask(path, request("SYMBOLS", SPAM, headers=["User: wann"]))
    assert b"105.7 / 5.0" in answer and b"MINE" not in answer, answer


@tests.case("--virtual-config-dir: %u %l %d %x %%")
def _():
    base = tests.path("virtual")
    for name, score in (("ann@example.org", 10), ("example.net", 30)):
        os.makedirs(os.path.join(base, name))
        with open(os.path.join(base, name, "user_prefs"), "w") as f:
            f.write("score GTUBE %d\n" % score)
    os.makedirs(os.path.join(base, "d%example.org", "l-ann"))
    with open(os.path.join(base, "d%example.org", "l-ann", "user_prefs"), "w") as f:
        f.write("score GTUBE 20\n")
    server, path = start("vu", ["-u", "wfilter", "--virtual-config-dir", base + "/%u"])
    assert b" 15.7 / 5.0" in check(path, "ann@example.org"), server.log()
    assert b" 1005.7 / 5.0" in check(path, "bob@example.org")
    wait_log(server, "spamd: using default config for ann@example.org: %s/ann@example.org/user_prefs" % base)
    server, path = start("vdl", ["-u", "wfilter", "--virtual-config-dir", base + "/d%%%d/l-%l"])
    assert b" 25.7 / 5.0" in check(path, "ann@example.org")
    server, path = start("vx", ["-u", "wfilter", "--virtual-config-dir", base + "/%x"])
    assert b" 15.7 / 5.0" in check(path, "ann@example.org")
    assert b" 35.7 / 5.0" in check(path, "anybody@example.net")


@tests.case("fault F36: a user name never leads out of the directory, nor to a path, pattern or program")
def _():
    base = tests.path("jail")
    os.makedirs(base + "/v/a/b")
    for directory in (base, base + "/v", base + "/v/a"):
        with open(directory + "/user_prefs", "w") as f:
            f.write("score GTUBE 10\n")
    names = ["../../etc", "/etc/shadow", "a/../b", "%u%l", "..@..", "@..", "..@", ".@.", "..", ".", "x" * 8000, "-d", "`id`",
             "$(id)", "a;b", "wann\xa0", "a b", "*", "~wann", "a:b"]
    for number, pattern in enumerate(("/v/a/b/%d/%l", "/v/a/b/%u", "/v/a/b/%x")):
        server, path = start("jail%d" % number, ["-u", "wfilter", "--virtual-config-dir", base + pattern])
        for name in names:
            answer = ask(path, b"CHECK SPAMC/1.5\r\nUser: " + name.encode("latin-1") + b"\r\n\r\n" + SPAM)
            assert b" 1005.7 / 5.0" in answer or b"SPAMD/1.0 76" in answer, (pattern, name, answer)
        assert b"SPAMD/1.0 76 Bad header line: (User header contains control chars)" in \
            ask(path, b"CHECK SPAMC/1.5\r\nUser: a\0b\r\n\r\n" + SPAM)
        wait_log(server, "leads out of")
    server, path = start("jailhome", ["--user-config"])
    for name in names:
        answer = ask(path, b"CHECK SPAMC/1.5\r\nUser: " + name.encode("latin-1") + b"\r\n\r\n" + SPAM)
        assert b" 1005.7 / 5.0" in answer or b"SPAMD/1.0 76" in answer, (name, answer)


@tests.case("vpopmail: vuserinfo, then valias; odd names start no program")
def _():
    bin_directory = os.path.join(HOMES, "wfilter", "bin")
    os.makedirs(bin_directory, exist_ok=True)
    box = tests.path("vbox")
    os.makedirs(box + "/.spamassassin", exist_ok=True)
    with open(box + "/.spamassassin/user_prefs", "w") as f:
        f.write("score GTUBE 40\n")
    for p in (box, box + "/.spamassassin", box + "/.spamassassin/user_prefs"):
        os.chown(p, FILTER, FILTER)
    log = os.path.join(HOMES, "wfilter", "calls")
    for name, text in (("vuserinfo", 'echo "$0 $*" >>%s\n[ "$2" = real@x.org ] && echo %s && exit 0\nexit 1\n' % (log, box)),
                       ("valias", 'echo "$0 $*" >>%s\n[ "$1" = alias@x.org ] && echo "alias@x.org -> &real@x.org"\n'
                        '[ "$1" = path@x.org ] && echo "path@x.org -> %s/Maildir/"\nexit 0\n' % (log, box))):
        with open(os.path.join(bin_directory, name), "w") as f:
            f.write("#!/bin/sh\n" + text)
        os.chmod(os.path.join(bin_directory, name), 0o755)
    server, path = start("vpop", ["-u", "wfilter", "-v", "--user-config"])
    for user in ("real@x.org", "alias@x.org", "path@x.org"):
        assert b" 45.7 / 5.0" in check(path, user), (user, server.log()[-1500:])
    assert b" 1005.7 / 5.0" in check(path, "none@x.org")
    calls = open(log).read()
    for user in ("-x", "a b", "$(id)", "a'b"):
        assert b" 1005.7 / 5.0" in check(path, user)
    assert open(log).read() == calls


@tests.case("users that cannot be are refused at the start, with a clear line")
def _():
    if not READY:
        raise Skip("needs root")
    for options, text in ((["-u", "nosuchuser"], "unable to determine home directory for user 'nosuchuser'"),
                          (["-u", "root"], "cannot run as nonexistent user or root with -u option"),
                          (["--vpopmail"], "cannot use --vpopmail without -u"),
                          (["--virtual-config-dir", "/v"], "cannot use --virtual-config-dir without -u")):
        bad = tests.spamd([tests.path("bad")], options)
        assert bad.process.wait(60) != 0
        assert text in bad.stderr(), bad.stderr()
        tests.ends.remove(bad)


tests.main()
