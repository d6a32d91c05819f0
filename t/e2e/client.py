#!/usr/bin/env python3
"""spamc beside the reference's spamc before the same servers, most of them bad: the same output, the same exit status.

Without the reference's spamc only the promises are tested that need no comparison. What differs on purpose is in
DIFFERENT, with the reason; doc/differences.md says it too. A difference that is not one any more fails."""
import os
import re
import shutil
import subprocess
import sys
import time
import zlib

from client_parts import Canned
from harness import BUILD, HERE, SPAMC, Skip, Tests, free_port, mail, patience

REFERENCE = os.environ.get("REFERENCE_SPAMC", "/usr/bin/spamc")
os.environ["WINNOW_SPAMC_HELPERS"] = os.path.join(BUILD, "spamc")
tests = Tests()
HAM, SPAM = mail("ham"), mail("spam")


def run(program, port, options, message, out=subprocess.PIPE):
    process = subprocess.run([program, "-d", "127.0.0.1", "-p", str(port), "-u", "me", "--connect-retries", "1"] + options,
                             input=message, stdout=out, stderr=subprocess.PIPE, timeout=30)
    return process.returncode, process.stdout


def whole(body, spam="True ; 7.5 / 5.0", first="SPAMD/1.1 0 EX_OK", length=None, more=""):
    lines = [first, "Content-length: %d" % (len(body) if length is None else length)]
    if spam:
        lines.append("Spam: " + spam)
    return ("\r\n".join(lines) + "\r\n" + more + "\r\n").encode() + body


REPORT = b"Spam detection software\n 7.5 TEST\n"
REWRITTEN = HAM.replace(b"\n", b"\nX-Spam-Flag: YES\n", 1)
ANSWERS = {
    "spam": whole(REWRITTEN),
    "ham": whole(REWRITTEN, "False ; -0.5 / 5.0"),
    "ham, negative zero": whole(REPORT, "False ; -0.0 / 5.0"),
    "many digits": whole(REPORT, "True ; 1005.2499 / 5"),
    "huge numbers": whole(REPORT, "True ; 99999999999999 / -99999999999999"),
    "exponent": whole(REPORT, "True ; 1e3 / 5.0"),
    "yes for true": whole(REPORT, "Yes ; 7.5 / 5.0"),
    "case of true": whole(REPORT, "tRUE ; 7.5 / 5.0"),
    "no spaces": whole(REPORT, "True;7.5/5.0"),
    "some spaces": whole(REPORT, "True   ;   7.5 / 5.0"),
    "line feeds only": whole(REPORT).replace(b"\r\n", b"\n"),
    "no Spam line": whole(REPORT, None),
    "no length": b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 7.5 / 5.0\r\n\r\n" + REPORT,
    "negative length": whole(REPORT, length=-1),
    "length too small": whole(REPORT, length=5),
    "length too large": whole(REPORT, length=5000),
    "length with more": whole(REPORT).replace(b"\r\nSpam", b"x\r\nSpam"),
    "length in another case": whole(REPORT).replace(b"Content-length", b"Content-Length"),
    "header nobody knows": whole(REPORT, more="X-Else: 1\r\n"),
    "did set": b"SPAMD/1.1 0 EX_OK\r\nDidSet: local,remote\r\nContent-length: 2\r\n\r\n\r\n",
    "did set local": b"SPAMD/1.1 0 EX_OK\r\nDidSet: local\r\nContent-length: 2\r\n\r\n\r\n",
    "did remove": b"SPAMD/1.1 0 EX_OK\r\nDidRemove: local,remote\r\nContent-length: 2\r\n\r\n\r\n",
    "did nothing": b"SPAMD/1.1 0 EX_OK\r\n\r\n\r\n",
    "did set, cut": b"SPAMD/1.1 0 EX_OK\r\nDidSet: local\r\n",
    "pong": b"SPAMD/1.5 0 PONG\r\n",
    "pong with code": b"SPAMD/1.5 5 NO\r\n",
    "pong without end": b"SPAMD/1.5 0 PONG",
    "empty body": whole(b""),
    "closed": b"",
    "cut in the first line": b"SPAMD/1.1 0 E",
    "cut in the headers": b"SPAMD/1.1 0 EX_OK\r\nContent-length: 50\r\nSpam: Tr",
    "cut before the empty line": b"SPAMD/1.1 0 EX_OK\r\nContent-length: 0\r\nSpam: True ; 7.5 / 5.0\r\n",
    "cut in the body": whole(REPORT)[:-7],
    "version 0.9": whole(REPORT, first="SPAMD/0.9 0 EX_OK"),
    "version 2": whole(REPORT, first="SPAMD/2 0 EX_OK"),
    "version words": whole(REPORT, first="SPAMD/one 0 EX_OK"),
    "no code": whole(REPORT, first="SPAMD/1.1"),
    "a line, then closed": b"x\n",
    "garbage": b"\0\xff\xfe" * 2000 + b"\n" + b"garbage\n\n",
    "http": b"HTTP/1.1 400 Bad Request\r\nContent-length: 4\r\n\r\nno\r\n",
    "error 69": b"SPAMD/1.0 69 Service Unavailable: TELL commands are not enabled\r\n",
    "error 76": b"SPAMD/1.0 76 Bad header line: x\r\n",
    "error 76, complete": whole(REPORT, first="SPAMD/1.0 76 EX_PROTOCOL"),
    "endless line": b"SPAMD/1.1 0 EX_OK\r\nX: " + b"y" * 9000 + b"\r\n\r\n",
    "long line that fits": b"SPAMD/1.1 0 EX_OK\r\nX: " + b"y" * 8000 + whole(REPORT)[17:],
    "too large": whole(b"x" * 40000),
}
MODES = [[], ["-E"], ["-c"], ["-y"], ["-r"], ["-R"], ["--headers"], ["-K"], ["-L", "spam"], ["-L", "forget"],
         ["-C", "report"], ["-C", "revoke"]]
MORE_MODES = [["-x", "-E"], ["-x", "-c"], ["-x", "-y"], ["-x", "-R"], ["-x", "--headers"], ["-x", "-X"], ["-x", "-K"],
              ["-x", "-L", "ham"], ["-x", "-C", "report"], ["-c", "-R"], ["-R", "-y"], ["-r", "-R"], ["-K", "-c"],
              ["--headers", "-y"], ["-E", "--headers"], ["-B"], ["-B", "-x"], ["-l"], ["-f"]]
KEEPS_MAIL = "an answer that would lose the mail counts as none"
ERROR_CODE = "an answer with an error code holds no verdict"
DIFFERENT = {
    "empty body": (KEEPS_MAIL, lambda mode: not set(mode) & {"-c", "-y", "-r", "-R", "-K", "-L", "-C"}),
    "error 76, complete": (ERROR_CODE, lambda mode: not set(mode) & {"-K", "-L", "-C"}),
}


def compare(port, options, message):
    ours, reference = run(SPAMC, port, options, message), run(REFERENCE, port, options, message)
    return None if ours == reference else (ours, reference)


def has_reference():
    try:
        version = subprocess.run([REFERENCE, "-V"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    except OSError:
        return False
    return b"Client version" in version and b"Winnow" not in version


HAS_REFERENCE = has_reference()


def both():
    if not HAS_REFERENCE:
        raise Skip("no spamc of the reference here")


def short(pair):
    return "\n".join("%s: %r" % (who, (code, out[:120] + b"..." if len(out) > 120 else out))
                     for who, (code, out) in zip(("ours", "reference"), pair))


def compare_all(rows):
    """rows: (name, port, options, message)"""
    both()
    wrong = []
    for name, port, options, message in rows:
        pair = compare(port, options, message)
        expected = name in DIFFERENT and DIFFERENT[name][1](options)
        if bool(pair) != expected:
            wrong.append("%s: %s\n%s" % (name, " ".join(options), short(pair) if pair else "no difference any more"))
    assert not wrong, "%d differ\n%s" % (len(wrong), "\n".join(wrong))


SERVERS = {name: Canned(answer) for name, answer in ANSWERS.items()}
NOBODY = free_port()


@tests.case("%d answers, %d modes: output and exit status as the reference's" % (len(ANSWERS), len(MODES)))
def _():
    compare_all((name, server.port, mode + (["-s", "20000"] if name == "too large" else []), HAM)
                for name, server in SERVERS.items() for mode in MODES + [["-x"]])


@tests.case("combined modes")
def _():
    compare_all((name, SERVERS[name].port if name in SERVERS else NOBODY, mode, HAM)
                for name in ("spam", "closed", "no length", "cut in the body", "nobody", "did set local")
                for mode in MORE_MODES)


INPUTS = {
    "empty": b"",
    "one line end": b"\n",
    "no body": b"Subject: x\n",
    "no body, CRLF": b"Subject: x\r\n",
    "empty line only": b"Subject: x\n\n",
    "CRLF": HAM.replace(b"\n", b"\r\n"),
    "no line end": HAM[:-1],
    "bytes": b"Subject: \xff\xfe\n\n" + bytes(range(1, 256)) * 20,
    "dots": b"Subject: x\n\n.\n..\nx\n.x\n",
    "mbox": b"From a Mon Jan  1\n" + HAM,
    "512000": (HAM + b"x" * 512000)[:512000],
    "512001": (HAM + b"x" * 512000)[:512001],
    "3 MB": HAM + b"y" * 3000000,
}


@tests.case("%d messages come back as from the reference" % len(INPUTS))
def _():
    compare_all((name, SERVERS[answer].port if answer else NOBODY, mode, message) for name, message in INPUTS.items()
                for answer in ("spam", None)
                for mode in (([], ["-c"], ["--headers"], ["-L", "spam"]) if answer else ([], ["-x"], ["-y"])))


ENVELOPE = b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"
BSMTP = {
    "plain": ENVELOPE + HAM.replace(b"\n", b"\r\n") + b".\r\nQUIT\r\n",
    "line feeds": ENVELOPE.replace(b"\r", b"") + HAM + b".\nQUIT\n",
    "doubled dots": ENVELOPE + b"Subject: x\r\n\r\n..a\r\n...\r\n....\r\n.\r\n",
    "no dot": ENVELOPE + HAM,
    "no DATA": b"EHLO x\r\nMAIL FROM:<a@b>\r\n" + HAM,
    "small letters": ENVELOPE.replace(b"DATA", b"data") + b"Subject: x\n\nb\n.\n",
    "ends with the dot": ENVELOPE + b"Subject: x\n\nb\n.",
    "two": (ENVELOPE + b"Subject: x\n\nb\n.\r\n") * 2,
    "nothing": b"",
}
DOTTED = Canned(whole(b"Subject: x\n\n.a\n.\n..\nb\n.\n"))


@tests.case("BSMTP as the reference")
def _():
    compare_all((name, port, ["-B"] + mode, message) for name, message in BSMTP.items()
                for port in (SERVERS["spam"].port, DOTTED.port, NOBODY)
                for mode in ([], ["-x"], ["-L", "ham"]))


@tests.case("a BSMTP message that begins with a dot keeps it")
def _():
    server = Canned(whole(b".x: y\n\nb\n"))
    out = run(SPAMC, server.port, ["-B"], ENVELOPE + b"..x: y\n\nb\n.\r\n")
    assert out == (0, ENVELOPE + b"..x: y\n\nb\n.\r\n"), out
    assert server.requests[0].endswith(b"\r\n\r\n.x: y\n\nb\n"), server.requests
    lone = ENVELOPE + b"Subject: x\n\n.single\n.\r\n"
    assert run(SPAMC, NOBODY, ["-B"], lone) == (0, lone)


@tests.case("requests are those of the reference, byte for byte")
def _():
    both()
    server = Canned(ANSWERS["spam"])
    for mode in MODES + [["-u", "somebody"], ["-L", "ham"], ["-B"], ["-s", "1000000"]]:
        message = BSMTP["doubled dots"] if mode == ["-B"] else HAM
        del server.requests[:]
        run(SPAMC, server.port, mode, message)
        run(REFERENCE, server.port, mode, message)
        assert len(server.requests) == 2 and server.requests[0] == server.requests[1], (mode, server.requests)


@tests.case("-z: Compress and the same message")
def _():
    server = Canned(ANSWERS["spam"])
    assert run(SPAMC, server.port, ["-z"], HAM) == (0, REWRITTEN)
    head, body = server.requests[0].split(b"\r\n\r\n", 1)
    assert head == b"PROCESS SPAMC/1.5\r\nUser: me\r\nCompress: zlib\r\nContent-length: %d" % len(body), head
    assert zlib.decompress(body) == HAM


@tests.case("without the helper for -z the message is sent as it is; without the one for TLS it comes back")
def _():
    server = Canned(ANSWERS["spam"])
    env = dict(os.environ, WINNOW_SPAMC_HELPERS="/nonexistent")
    command = [SPAMC, "-d", "127.0.0.1", "-p", str(server.port), "-u", "me"]
    done = subprocess.run(command + ["-z"], input=HAM, stdout=subprocess.PIPE, env=env)
    assert (done.returncode, done.stdout) == (0, REWRITTEN)
    assert b"Compress" not in server.requests[0] and server.requests[0].endswith(HAM)
    done = subprocess.run(command + ["-S"], input=HAM, stdout=subprocess.PIPE, env=env)
    assert (done.returncode, done.stdout) == (0, HAM)
    done = subprocess.run(command + ["-S", "-x"], input=HAM, stdout=subprocess.PIPE, env=env)
    assert (done.returncode, done.stdout) == (71, b"")


@tests.case("bad options: the same exit status")
def _():
    both()
    for options in (["--nosuch"], ["-Q"], ["-t"], ["-L", "bad"], ["-C", "bad"], ["-L"], ["--ssl=tlsv1"], ["-s", "268435457"],
                    ["-L", "spam", "-c"], ["-L", "spam", "-K"], ["-L", "spam", "-R"], ["-L", "spam", "-y"],
                    ["-L", "spam", "-C", "report"], ["--ssl-cert=x"], ["--ssl-key=x"], ["-h"], ["-V"], ["--help"],
                    ["-F", "/nonexistent"], ["--compres"], ["-d", "-c"], ["-X"], ["word"], ["--", "-c"], ["-s", "abc"],
                    ["-t", "abc"], ["-n", "1x"], ["--connect-retries", "x"]):
        ours, reference = run(SPAMC, NOBODY, options, HAM), run(REFERENCE, NOBODY, options, HAM)
        assert ours[0] == reference[0], (options, ours, reference)
        assert options[0] in ("-h", "-V", "--help") or ours[0] == 64 or ours == reference, (options, ours, reference)


@tests.case("-F: words of a file in front of the command line")
def _():
    both()
    for text in ("-c\n", "# -c\n\n-R\n", "-R -c\n", "-c", "-x\n-X\n", "-e /bin/cat\n", "-c " * 23 + "\n", "-f " * 12 + "\n",
                 "-d 127.0.0.1\n", "-c " * 3000 + "\n", "--max-size=5\n", "  -c\n", "-c -F /nonexistent\n"):
        with open(tests.path("conf"), "w") as f:
            f.write(text)
        for answer in ("spam", "closed"):
            pair = compare(SERVERS[answer].port, ["-F", tests.path("conf")], HAM)
            assert not pair, (text[:60], answer, short(pair))
    with open(tests.path("conf"), "w") as f:
        f.write("-c\n")
    for form in (["--config=" + f.name], ["--config", f.name], ["-F" + f.name]):
        assert run(SPAMC, SERVERS["spam"].port, form, HAM) == (1, b"7.5/5.0\n"), form
    assert run(SPAMC, NOBODY, ["--username=ignore_-F_switch"], HAM) == (0, HAM)


@tests.case("-e: the command has the output, spamc its exit status; it does not run when -x ends it")
def _():
    both()
    for name, port in (("spam", SERVERS["spam"].port), ("nobody", NOBODY)):
        for mode in ([], ["-x"], ["-c"], ["-y"], ["-E"], ["-K"]):
            for command in (["/bin/cat"], ["/bin/sh", "-c", "cat >/dev/null; echo done; exit 7"], ["/nonexistent"]):
                pair = compare(port, mode + ["-e"] + command, HAM)
                assert not pair, (name, mode, command, short(pair))


@tests.case("no server: -U, names, lists, families")
def _():
    both()
    for options in (["-U", "/nonexistent"], ["-U", tests.directory], ["-U", "/x" * 100], ["-U", __file__], ["-d", "name.invalid"],
                    ["-d", "name.invalid,127.0.0.1"], ["-d", "127.0.0.1,name.invalid"], ["-d", ""], ["-d", "255.255.255.255"],
                    ["-d", "::1"], ["-d", "127.0.0.1,127.0.0.2"]):
        for mode in ([], ["-x"], ["-x", "-X"], ["-c"]):
            pair = compare(NOBODY, mode + options, HAM)
            assert not pair, (mode, options, short(pair))


@tests.case("an address of another family than asked for is no host")
def _():
    for options in (["-d", "127.0.0.1", "-6"], ["-d", "::1", "-4"]):
        assert run(SPAMC, NOBODY, options, HAM) == (0, HAM)
        assert run(SPAMC, NOBODY, options + ["-x"], HAM) == (68, b"")
    assert run(SPAMC, SERVERS["spam"].port, ["-d", "::1,127.0.0.1", "-4", "-c"], HAM) == (1, b"7.5/5.0\n")


@tests.case("a list is tried to its end, -H begins anywhere, -x takes one")
def _():
    port = SERVERS["spam"].port
    dead = ",".join("127.0.0.%d" % n for n in range(2, 12))
    assert run(SPAMC, port, ["-d", dead + ",127.0.0.1", "-c"], HAM) == (1, b"7.5/5.0\n")
    for _ in range(8):
        assert run(SPAMC, port, ["-d", "127.0.0.2,127.0.0.1", "-H", "-c"], HAM) == (1, b"7.5/5.0\n")
    assert run(SPAMC, port, ["-d", "127.0.0.2,127.0.0.1", "-x"], HAM) == (69, b"")


@tests.case("--connect-retries and --retry-sleep: pauses between, none behind")
def _():
    begun = time.monotonic()
    assert run(SPAMC, NOBODY, ["--connect-retries", "3", "--retry-sleep", "1"], HAM) == (0, HAM)
    assert 1.9 < time.monotonic() - begun < patience(3.5)
    begun = time.monotonic()
    assert run(SPAMC, NOBODY, ["--connect-retries", "5", "--retry-sleep", "0"], HAM) == (0, HAM)
    assert time.monotonic() - begun < patience(1)


@tests.case("a silent server: -t counts")
def _():
    both()
    for answer in (b"", b"SPAMD/1.1 0 EX_OK\r\n"):
        server = Canned(b"", silent=True, first=answer)
        for mode in (["-x"], ["-c"], []):
            begun = time.monotonic()
            pair = compare(server.port, ["-t", "1"] + mode, HAM)
            assert not pair, (answer, mode, short(pair))
            assert time.monotonic() - begun < patience(4)


@tests.case("a server that sends a byte now and then does not hold the message longer than -t")
def _():
    server = Canned(b"", silent=True, drip=b"SPAMD/1.1 0 EX_OK\r\nX: " + b"y" * 100)
    begun = time.monotonic()
    assert run(SPAMC, server.port, ["-t", "2"], HAM) == (0, HAM)
    assert time.monotonic() - begun < patience(3)


@tests.case("--filter-retries: asked again after a server gave up")
def _():
    server = Canned(b"")
    begun = time.monotonic()
    assert run(SPAMC, server.port, ["--filter-retries", "3", "--filter-retry-sleep", "0"], HAM) == (0, HAM)
    assert len(server.requests) == 3 and time.monotonic() - begun < patience(2), len(server.requests)


@tests.case("an answer is enough when CHECK, TELL or PING has what it needs")
def _():
    for mode, answer, expected in ((["-c"], ANSWERS["spam"], (1, b"7.5/5.0\n")), (["-K"], ANSWERS["pong"], (0, b"SPAMD/1.5 0\n")),
                                   (["-L", "spam"], ANSWERS["did set local"], (0, b"Message successfully un/learned\n"))):
        server = Canned(b"", silent=True, first=answer)
        begun = time.monotonic()
        assert run(SPAMC, server.port, mode, HAM) == expected, mode
        assert time.monotonic() - begun < patience(2)


@tests.case("a server that closes without reading: its answer counts, or the message comes back")
def _():
    big = HAM + b"x" * 400000
    for _ in range(5):
        code, out = run(SPAMC, Canned(ANSWERS["error 76"], unread=True).port, [], big)
        assert (code, out) == (0, big)


@tests.case("full disk: an error code, so that nobody takes the mail for delivered")
def _():
    for port in (SERVERS["spam"].port, NOBODY):
        for mode in ([], ["-c"], ["-y"], ["-x"]):
            if mode == ["-x"] and port == NOBODY:
                continue
            with open("/dev/full", "wb") as full:
                code, _ = run(SPAMC, port, mode, HAM, out=full)
            assert code == 74, (port == NOBODY, mode, code)


@tests.case("NUL bytes survive --headers")
def _():
    message = b"Subject: x\n\na\0b\n"
    assert run(SPAMC, SERVERS["spam"].port, ["--headers"], message) == (0, REWRITTEN + b"a\0b\n")


@tests.case("closed standard streams")
def _():
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        done = subprocess.run(["sh", "-c", '"$0" -d 127.0.0.1 -p %d -u me -c %s' % (SERVERS["spam"].port, closed), SPAMC],
                              input=HAM, stdout=subprocess.PIPE)
        assert done.returncode == (0 if "<" in closed else 1), (closed, done)


@tests.case("a plain CHECK takes 0.4 million instructions at most, and neither OpenSSL nor zlib")
def _():
    needed = subprocess.run(["ldd", SPAMC], stdout=subprocess.PIPE).stdout
    if b"libasan" in needed:
        raise Skip("built with sanitizers")
    assert b"libssl" not in needed and b"libcrypto" not in needed and b"libz." not in needed, needed
    if not shutil.which("valgrind"):
        raise Skip("no valgrind here")
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", SPAMC, "-c", "-d", "127.0.0.1", "-p",
                           str(SERVERS["spam"].port)], input=HAM, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.stdout == b"7.5/5.0\n", done
    count = int(re.search(rb"Collected : (\d+)", done.stderr).group(1))
    assert count <= 400000, count


# ---- namespaces ----

def inside(setup, script):
    """Runs a piece of Python in a network namespace of its own; skipped where that is not allowed."""
    if subprocess.run(["unshare", "--net", "--mount", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        raise Skip("no namespaces here")
    code = "import sys; sys.path.insert(0, %r)\nfrom harness import *\nimport client_parts\n%s" % (HERE, script)
    done = subprocess.run(["unshare", "--net", "--mount", "sh", "-ec", "ip link set lo up\n%s\nexec %s -c \"$0\"" %
                           (setup, sys.executable), code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    assert done.returncode == 0, done.stdout.decode()


ASK = """
import subprocess, time, client_parts
from harness import patience
server = client_parts.Canned(%r, host=%%r)
def run(*options):
    begun = time.monotonic()
    done = subprocess.run([SPAMC, "-p", str(server.port), "-u", "me", "-c", *options], input=b"Subject: x\\n\\nb\\n", stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (1, b"7.5/5.0\\n"), (options, done)
    return time.monotonic() - begun
""" % ANSWERS["spam"]


@tests.case("a host with ::1 only")
def _():
    inside("ip addr del 127.0.0.1/8 dev lo", ASK % "::1" + "run(); run('-d', '::1'); run('-6'); run('-d', '127.0.0.1,::1')")


@tests.case("a host with IPv4 only")
def _():
    inside("ip -6 addr flush dev lo; sysctl -qw net.ipv6.conf.all.disable_ipv6=1 || :",
           ASK % "127.0.0.1" + "run(); run('-d', '127.0.0.1'); run('-4'); run('-d', '::1,127.0.0.1')")


@tests.case("fault F30: a name whose IPv6 address is dead, or refuses: IPv4 within a second; a dead host of a list: the next within three")
def _():
    # a listener whose queue is full drops what comes: the silence of a dead host
    dead = """
import socket
full = socket.create_server(("::1", server.port), family=socket.AF_INET6, backlog=0)
waiting = [socket.socket(socket.AF_INET6) for _ in range(3)]
for s in waiting:
    s.setblocking(False)
    s.connect_ex(("::1", server.port))
assert run("-d", "twice.test") < patience(1)
assert run() < patience(1)
assert run("-d", "::1,127.0.0.1") < patience(3)
"""
    with open(tests.path("hosts"), "w") as f:
        f.write("127.0.0.1 twice.test\n::1 twice.test\n")
    hosts = "mount --bind %s /etc/hosts" % f.name
    inside(hosts, ASK % "127.0.0.1" + dead)
    inside(hosts, ASK % "127.0.0.1" + "assert run('-d', 'twice.test') < patience(1)\nassert run() < patience(1)\n")
    # no route at all to any IPv6 address
    inside(hosts + "\nip -6 addr flush dev lo", ASK % "127.0.0.1" + "assert run('-d', 'twice.test') < patience(1)\nassert run() < patience(1)\n")


tests.main()
