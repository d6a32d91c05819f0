#!/usr/bin/env python3
"""Plugins that ask outside programs and reporting: Pyzor, Razor2, DCC (dccproc and dccifd), SpamCop, each with a fake of
its program or server, in `spamassassin` and in spamd.  With WINNOW_REFERENCE set, the installed reference meets the same
fakes, and must hit the same rules and fill the same tags (it has no razor-check)."""
import os
import socket
import stat
import subprocess
import threading
import time

import harness

SPAMASSASSIN = os.path.join(harness.BUILD, "cmd", "spamassassin")
tests = harness.Tests()
bin_dir, seen = tests.path("bin"), tests.path("seen")
os.makedirs(bin_dir)
os.makedirs(seen)
os.makedirs(tests.path("site"))
os.chmod(seen, 0o777)
MAIL = (b"Received: from relay.example.net (relay.example.net [192.0.2.77]) by mx.example.com; %s\r\n"
        b"Subject: hello\r\n\r\nSome text\r\n" % time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime()).encode()
        ).replace(b"\r\n", b"\n")
RULES = """loadplugin Mail::SpamAssassin::Plugin::Check
loadplugin Mail::SpamAssassin::Plugin::Pyzor
loadplugin Mail::SpamAssassin::Plugin::Razor2
loadplugin Mail::SpamAssassin::Plugin::DCC
loadplugin Mail::SpamAssassin::Plugin::SpamCop
use_bayes 0
dns_available no
full PYZOR eval:check_pyzor()
tflags PYZOR net
full RAZOR eval:check_razor2()
tflags RAZOR net
full RAZOR_RANGE eval:check_razor2_range('','51','100')
tflags RAZOR_RANGE net
full RAZOR_E8 eval:check_razor2_range('8','40','50')
tflags RAZOR_E8 net
full DCC eval:check_dcc()
tflags DCC net
full DCC_LOW eval:check_dcc_reputation_range(00,12)
tflags DCC_LOW net
full DCC_HIGH eval:check_dcc_reputation_range(70,89)
tflags DCC_HIGH net
full DCC_TOP eval:check_dcc_reputation_range(90)
tflags DCC_TOP net
meta ANY PYZOR || RAZOR || DCC
meta NONE !PYZOR && !RAZOR && !DCC
body TEXT /text/
add_header all Tests _TESTS_
add_header all Pyzor _PYZOR_
add_header all Dcc _DCCB_: _DCCR_ (_DCCREP_)
%s
"""


def program(name, script):
    path = os.path.join(bin_dir, name)
    with open(path, "w") as f:
        f.write("#!/bin/sh\necho \"$0 $*\" >%s/%s.args\ncat >%s/%s.input\n%s\n" % (seen, name, seen, name, script))
    os.chmod(path, 0o755)


def no_programs():
    for name in os.listdir(bin_dir):
        os.unlink(os.path.join(bin_dir, name))
    for name in os.listdir(seen):
        os.unlink(os.path.join(seen, name))


def file(name):
    with open(os.path.join(seen, name)) as f:
        return f.read()


def rules(extra=""):
    path = tests.path("rules")
    os.makedirs(path, exist_ok=True)
    with open(os.path.join(path, "rules.cf"), "w") as f:
        f.write(RULES % extra)
    return path


def run(*options, extra="", message=MAIL, seconds=60, binary=SPAMASSASSIN, path=":/usr/bin:/bin"):
    environment = dict(os.environ, PATH=bin_dir + path)
    begun = time.monotonic()
    done = subprocess.run([binary, "-C", rules(extra), "--siteconfigpath", tests.path("site"), "-p",
                           tests.path("noprefs")] + list(options), input=message, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=environment, timeout=seconds)
    return done.stdout.decode("latin-1"), done.stderr.decode("latin-1"), done.returncode, time.monotonic() - begun


def header(text, name):
    for line in text.replace("\n\t", " ").split("\n\n")[0].splitlines():
        if line.startswith("X-Spam-%s: " % name):
            return line.split(": ", 1)[1]
    return None


def hits(*options, **named):
    out, err, code, took = run(*options, **named)
    assert code == 0, (code, err)
    if "WINNOW_REFERENCE" in os.environ and "RAZOR" not in header(out, "Tests"):
        for _ in range(3):  # under load it misses answers
            theirs, their_err, _, _ = run(*options, binary="/usr/bin/spamassassin", **named)
            shown = [[sorted((header(text, name) or "").split(",")) for name in ("Tests", "Pyzor", "Dcc")]
                     for text in (out, theirs)]
            if "dccifd" in named.get("extra", ""):  # it forgets rules that wait when the answer takes a moment
                for tests_shown, _, _ in shown:
                    tests_shown[:] = [x for x in tests_shown if not x.startswith("DCC_")]
            if shown[0] == shown[1]:
                break
        assert shown[0] == shown[1], (named, shown, their_err)
    return set(header(out, "Tests").split(",")), out, err, took


@tests.case("without the programs: nothing hits, a line says what is missing")
def missing():
    no_programs()
    found, _, err, _ = hits("-D", "info", path="")   # the host may have them
    assert found == {"NONE", "TEXT"}, found
    for text in ("pyzor: no pyzor executable found", "razor2: no razor-check executable found", "neither dccifd nor dccproc"):
        assert text in err, err
    assert "executable" not in hits("-L", "-D", "info", path="")[2]


@tests.case("Pyzor: counts, welcome counts, servers added up, options, time limit")
def pyzor():
    no_programs()
    for answer, extra, listed, tag in [
            ("public.pyzor.org:24441\\t(200, 'OK')\\t7\\t0", "", True, "Reported 7 times, welcomelisted 0 times."),
            ("a:1\\t(200, 'OK')\\t3\\t0\\nb:1\\t(200, 'OK')\\t2\\t1", "", True, "Reported 5 times, welcomelisted 1 times."),
            ("a:1\\t(200, 'OK')\\t4\\t0", "", False, "Reported 4 times, welcomelisted 0 times."),
            ("a:1\\t(200, 'OK')\\t4\\t0", "pyzor_count_min 4", True, "Reported 4 times, welcomelisted 0 times."),
            ("a:1\\t(200, 'OK')\\t50\\t10", "", False, "Reported 50 times, welcomelisted 10 times."),
            ("a:1\\t(200, 'OK')\\t500\\t10", "", True, "Reported 500 times, welcomelisted 10 times."),
            ("a:1\\t(200, 'OK')\\t1000000\\t0", "", False, "Reported 1000000 times, welcomelisted 0 times."),
            ("Traceback (most recent call last):", "", False, None),
            ("no sense", "", False, "Reported 0 times, welcomelisted 0 times."),
            ("a:1\\t(200, 'OK')\\t7\\t0", "use_pyzor 0", False, None),
            ("a:1\\t(200, 'OK')\\t7\\t0", "pyzor_fork 0", True, "Reported 7 times, welcomelisted 0 times.")]:
        program("pyzor", "printf \"%s\\n\"\nexit 1" % answer)
        found, out, err, _ = hits(extra=extra)
        assert ("PYZOR" in found) == listed and ("ANY" in found) == listed and ("NONE" in found) != listed, (answer, found, err)
        assert (header(out, "Pyzor") or None) == tag, (answer, header(out, "Pyzor"))
    assert file("pyzor.input") == MAIL.decode()
    program("pyzor", "printf \"a:1\\t(200, 'OK')\\t7\\t0\\n\"")
    hits(extra="pyzor_options --homedir /x -t 5")
    assert file("pyzor.args").split(None, 1)[1] == "--homedir /x -t 5 check\n", file("pyzor.args")
    assert "PYZOR" not in hits("-L")[0]
    for extra in ("pyzor_options ;rm", "pyzor_path /nowhere"):
        out, err, code, _ = run("--lint", extra=extra)
        assert code != 0 and "config: invalid '" in err, (extra, err)
    program("pyzor", "sleep 20")
    found, _, err, took = hits("-D", "info", extra="pyzor_timeout 1")
    assert "PYZOR" not in found and "TEXT" in found and took < 10 and "pyzor: check timed out" in err, (found, took, err)
    program("pyzor", "sleep 20")
    found, _, err, took = hits(extra="time_limit 2\npyzor_timeout 15")
    assert "PYZOR" not in found and took < 10, (found, took)
    program("pyzor", "kill -9 $$")
    assert "PYZOR" not in hits()[0]


@tests.case("Razor2: verdict by exit status, confidence by engine, contested parts")
def razor():
    no_programs()
    log = ("Nov 24 12:00:00.000001 check[1]: [ 6] mail 1.0 e=4 sig=abc: %s\n"
           "Nov 24 12:00:00.000001 check[1]: [ 6] mail 1.1 e=8 sig=def: %s\n%s")
    for first, second, more, code, want in [
            ("Is spam: cf 90 >= min_cf 20", "Not spam: cf 45 < min_cf 60", "", 0, {"RAZOR", "RAZOR_RANGE", "RAZOR_E8"}),
            ("Is spam: cf 90 >= min_cf 20", "sig not found.", "[ 7] method 4: mail 1.0: contention part, skipping\n", 0,
             {"RAZOR"}),
            ("sig not found.", "Is spam: cf 10 >= min_cf 1", "", 0, {"RAZOR"}),
            ("Not spam: cf 55 < min_cf 60", "sig not found.", "", 1, {"RAZOR_RANGE"}),
            ("sig not found.", "sig not found.", "", 1, set()),
            ("Is spam: cf 90 >= min_cf 20", "Is spam: cf 90 >= min_cf 20", "", 2, set())]:
        program("razor-check", "cat <<'END'\n%sEND\nexit %d" % (log % (first, second, more), code))
        found, _, err, _ = hits()
        assert {x for x in found if x.startswith("RAZOR")} == want, (first, second, found, err)
    assert file("razor-check.args").split(None, 1)[1] == "-f -d\n"
    hits(extra="razor_config /etc/razor.conf")
    assert file("razor-check.args").split(None, 1)[1] == "-f -d -conf=/etc/razor.conf\n"
    assert "RAZOR" not in hits(extra="use_razor2 0")[0]
    program("razor-check", "sleep 20")
    found, _, _, took = hits(extra="razor_timeout 1")
    assert "RAZOR" not in found and took < 10


DCC_CASES = [
    ("X-DCC-Fake-Metrics: host 1104; Body=many Fuz1=5 Fuz2=many rep=95%", {"DCC", "DCC_TOP"}, "Fake", "95"),
    ("X-DCC-Fake-Metrics: host 1104; Body=5 Fuz1=5\n\tFuz2=5 rep=75%", {"DCC_HIGH"}, "Fake", "75"),
    ("X-DCC-Fake-Metrics: host 1104; Body=ok Fuz1=ok2 rep=0%", {"DCC_LOW"}, "Fake", "0"),
    ("X-DCC-Fake-Metrics: host 1104; Body=999999", {"DCC"}, "Fake", ""),
    ("no header", set(), "", "")]


def check_dcc_case(line, want, brand, reputation, **named):
    found, out, err, _ = hits(**named)
    assert {x for x in found if x.startswith("DCC")} == want, (line, found, err)
    shown = header(out, "Dcc") or ": ()"
    assert shown.startswith(brand + ":") and shown.endswith("(%s)" % reputation), shown


@tests.case("DCC by dccproc")
def dccproc():
    no_programs()
    for case in DCC_CASES:
        program("dccproc", "cat <<'END'\n%s\n\nreported: x\nEND" % case[0])
        check_dcc_case(*case)
    assert file("dccproc.input") == MAIL.decode()
    assert file("dccproc.args").split(None, 1)[1] == "-C -x 0 -h /var/dcc -a 192.0.2.77 -w whiteclnt\n", file("dccproc.args")
    hits(extra="dcc_home %s\ndcc_options -R -x" % seen, message=b"Subject: x\n\ntext\n")
    assert file("dccproc.args").split(None, 1)[1] == "-C -x 0 -h %s -R -w whiteclnt -R -x\n" % seen, file("dccproc.args")
    program("dccproc", "cat <<'END'\n%s\nEND" % DCC_CASES[0][0])
    assert hits(extra="use_dcc_rep 0")[0] >= {"DCC"} and "DCC_TOP" not in hits(extra="use_dcc_rep 0")[0]
    assert "DCC" not in hits(extra="use_dcc 0")[0]
    assert "DCC" not in hits(extra="dcc_body_max 1000000\ndcc_fuz2_max 1000000\ndcc_rep_percent 96")[0]
    program("dccproc", "sleep 20")
    found, _, _, took = hits(extra="dcc_timeout 1")
    assert "DCC" not in found and took < 10
    for extra in ("dcc_home /nowhere", "dcc_path /nowhere", "dcc_options a;b", "dcc_dccifd_path :1", "dcc_dccifd_path h:x"):
        out, err, code, _ = run("--lint", extra=extra)
        assert code != 0 and "config: invalid '" in err, (extra, err)


class Dccifd:
    def __init__(self, where):
        self.answer, self.got = "", []
        self.listener = socket.socket(socket.AF_UNIX if isinstance(where, str) else socket.AF_INET, socket.SOCK_STREAM)
        self.listener.bind(where)
        self.listener.listen(8)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            client, _ = self.listener.accept()
            with client:
                self.got.append(harness.read_all(client))
                if self.answer is None:
                    time.sleep(20)
                else:
                    client.sendall(self.answer.encode())


@tests.case("DCC by dccifd, on a Unix socket and TCP")
def dccifd():
    no_programs()
    path = tests.path("dccifd.sock")
    unix, tcp = Dccifd(path), Dccifd(("127.0.0.1", 0))
    port = tcp.listener.getsockname()[1]
    for server, place in ((unix, path), (tcp, "127.0.0.1:%d" % port), (tcp, "[127.0.0.1]:%d" % port)):
        for case in DCC_CASES:
            server.answer = "A\nA\n%s\nreported: 1\n" % case[0]
            check_dcc_case(*case, extra="dcc_dccifd_path " + place)
        assert server.got[-1] == (b"cksums grey-off \n192.0.2.77\rrelay.example.net\nrelay.example.net\n\nunknown\n\n" + MAIL), \
            server.got[-1]
    big = MAIL + b"many words of text\n" * 20000
    unix.answer = "A\nA\n%s\n" % DCC_CASES[0][0]
    assert "DCC" in hits(extra="dcc_dccifd_path %s\ndccifd_options x" % path, message=big)[0]
    assert unix.got[-1].startswith(b"cksums grey-off x\n") and unix.got[-1].endswith(big)
    unix.answer = ""
    assert "DCC" not in hits(extra="dcc_dccifd_path " + path)[0]
    unix.answer = None
    found, _, _, took = hits(extra="dcc_dccifd_path %s\ndcc_timeout 1" % path)
    assert "DCC" not in found and took < 10
    program("dccproc", "echo '%s'" % DCC_CASES[3][0])
    os.unlink(path)
    assert "DCC" in hits(extra="dcc_dccifd_path " + path)[0]


class Smtp:
    """One mail server: what it got."""

    def __init__(self, refuses=None):
        self.refuses, self.commands, self.data = refuses, [], b""
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(8)
        self.place = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            client, _ = self.listener.accept()
            stream = client.makefile("rwb", buffering=0)
            stream.write(b"220-hello\r\n220 there\r\n")
            while True:
                try:
                    line = stream.readline()
                except OSError:
                    line = b""
                if not line:
                    break
                self.commands.append(line.decode().strip())
                word = line.split()[0].upper().decode()
                if word == self.refuses:
                    stream.write(b"550 not you\r\n")
                elif word == "DATA":
                    stream.write(b"354 go\r\n")
                    self.data = b""
                    while not self.data.endswith(b"\r\n.\r\n"):
                        self.data += stream.readline()
                    stream.write(b"250 taken\r\n")
                else:
                    stream.write(b"250-one\r\n250 two\r\n")


@tests.case("spamassassin -r and -k tell those that can be told")
def reporting():
    no_programs()
    smtp = Smtp()
    extra = "spamcop_relayhost %s\nspamcop_from_address Me <me@example.com>\nspamcop_to_address <it@spamcop.example>" % smtp.place
    for name in ("pyzor", "razor-check", "razor-report", "razor-revoke", "dccproc"):
        program(name, "echo X-DCC-x-Metrics: y")
    marked = b"X-Spam-Status: Yes, score=9\n" + MAIL + b".dot\n"
    out, err, code, _ = run("-r", "-D", "info", extra=extra, message=marked)
    for name in ("Pyzor", "Razor", "DCC", "SpamCop"):
        assert "spam reported to " + name in err, err
    for name in ("pyzor", "razor-report", "dccproc"):
        assert file(name + ".input") == (MAIL + b".dot\n").decode(), name
    assert file("pyzor.args").endswith(" report\n") and " -t many -a 192.0.2.77 " in file("dccproc.args")
    assert not os.path.exists(os.path.join(seen, "razor-check.args")), "a report is no scan"
    assert smtp.commands[1:4] == ["MAIL FROM:<me@example.com>", "RCPT TO:<it@spamcop.example>", "DATA"], smtp.commands
    text = smtp.data.decode().replace("\r\n", "\n")
    assert "\nX-Spam-Relays-Untrusted: [ ip=192.0.2.77 " in text and "\n..dot\n" in text, text
    assert "1 message(s) examined." in out, out
    out, err, code, _ = run("-k", "-D", "info", extra=extra, message=marked)
    assert "spam revoked from Razor" in err and "Pyzor" not in err, err
    assert file("razor-revoke.input") == (MAIL + b".dot\n").decode()
    old = MAIL.replace(time.strftime("%Y", time.gmtime()).encode(), b"2001")
    out, err, code, _ = run("-r", extra=extra, message=old)
    assert "older than 2 days" in err, err
    refusing = Smtp("RCPT")
    out, err, code, _ = run("-r", extra="spamcop_relayhost " + refusing.place)
    assert "SpamCop report to 127.0.0.1 failed: 550 not you" in err, err
    no_programs()
    out, err, code, _ = run("-r", extra="spamcop_relayhost " + refusing.place)
    assert "no reporting methods available, so couldn't report" in err and "unable to report message" in err, err


@tests.case("spamd: programs run in its workers, a slow one holds no other client up")
def server():
    no_programs()
    program("pyzor", "sleep 2\nprintf \"a:1\\t(200, 'OK')\\t7\\t0\\n\"")
    port = harness.free_port()
    directory = tests.path("daemon")
    os.makedirs(directory)
    log = os.path.join(directory, "log")
    process = subprocess.Popen([harness.SPAMD, "-x", "-s", log, "-C", rules(), "--siteconfigpath", directory, "-i",
                                "127.0.0.1:%d" % port, "-m", "1"], env=dict(os.environ, PATH=bin_dir + ":/usr/bin:/bin"))
    try:
        for _ in range(200):
            try:
                if b"PONG" in harness.ask(("127.0.0.1", port), b"PING SPAMC/1.5\r\n\r\n"):
                    break
            except OSError:
                time.sleep(0.1)
        results, threads = [], []
        for _ in range(4):
            threads.append(threading.Thread(target=lambda: results.append(
                harness.ask(("127.0.0.1", port), harness.request("SYMBOLS", MAIL), timeout=60))))
            threads[-1].start()
        begun = time.monotonic()
        assert b"PONG" in harness.ask(("127.0.0.1", port), b"PING SPAMC/1.5\r\n\r\n")
        assert time.monotonic() - begun < 1.5
        for thread in threads:
            thread.join()
        assert time.monotonic() - begun < 7, "four messages one after the other"
        assert len(results) == 4 and all(b"PYZOR" in r for r in results), results
        with open(log) as f:
            text = f.read()
        assert "sandbox: off, Mail::SpamAssassin::Plugin::Pyzor runs outside programs" in text, text
    finally:
        process.terminate()
        process.wait(20)


tests.main()
