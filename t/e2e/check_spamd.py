#!/usr/bin/env python3
"""sa-check_spamd: options, what it prints and its exit status, beside good, slow, silent and wrong servers; where the
reference is installed, it is asked the same and must say the same."""
import os
import re
import shutil
import socket
import subprocess
import threading
import time

import harness

PROGRAM = os.path.join(harness.BUILD, "cmd", "sa-check_spamd")
REFERENCE = shutil.which("sa-check_spamd", path="/usr/bin")
tests = harness.Tests()


def is_perl(path):
    with open(path, "rb") as f:
        return b"perl" in f.readline()


class Server:
    """Answers each connection with `answer` after `delay` seconds; None: never."""

    def __init__(self, answer, delay=0.0, path=None):
        self.answer, self.delay, self.asked = answer, delay, []
        self.listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET, socket.SOCK_STREAM)
        self.listener.bind(path or ("127.0.0.1", 0))
        self.listener.listen(16)
        self.where = ["--socketpath", path] if path else ["-H", "127.0.0.1", "-p", str(self.listener.getsockname()[1])]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client:
            self.asked.append(client.recv(4096))
            if self.answer is None:
                time.sleep(30)
                return
            time.sleep(self.delay)
            client.sendall(self.answer)


def run(program, arguments):
    done = subprocess.run([program] + arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    return done.returncode, re.sub(r"\d+\.\d{3}", "TIME", done.stdout.decode())


def check(arguments, code, text):
    got = run(PROGRAM, arguments)
    assert got == (code, text + "\n"), (arguments, got)
    if REFERENCE and is_perl(REFERENCE):
        theirs = run(REFERENCE, arguments)
        assert theirs == got, (arguments, "the reference", theirs)


@tests.case("values that make no sense are unknown")
def values():
    for arguments, text in [
            (["-c", "1.x"], "invalid critical config value provided"),
            (["-c", ".5"], "invalid critical config value provided"),
            (["-w", "-1"], "invalid warning config value provided"),
            (["-H", "a b"], "invalid hostname config value provided"),
            (["-p", "spamd"], "invalid port config value provided"),
            (["-t", "0.5"], "invalid timeout config value provided"),
            (["--timeout=x"], "invalid timeout config value provided"),
            (["-c", "1", "-w", "2"], "critical value is less than warning value, config not valid"),
            (["-c", "46"], "critical value is greater than timeout value, config not valid"),
            (["-w", "3", "-t", "2"], "warning value is greater than timeout value, config not valid"),
            (["--socketpath", "/x", "-p", "1"], "both TCP and UNIX domain socket info provided, only one can be used"),
            (["--socketpath=/x", "--host=h"], "both TCP and UNIX domain socket info provided, only one can be used")]:
        check(arguments, 3, "SPAMD UNKNOWN: " + text)
    for arguments in [["--help"], ["-h"], ["-?"], ["-V"], ["--version"], ["--no-such"], ["-Z"]]:
        assert run(PROGRAM, arguments)[0] == 3, arguments


@tests.case("a good answer, within and beyond the limits")
def answers():
    good = Server(b"SPAMD/1.5 0 PONG\r\n", 0.3)
    check(good.where, 0, "SPAMD OK: TIME second ping response time")
    check(good.where + ["-w", "5", "-c", "6"], 0, "SPAMD OK: TIME second ping response time")
    check(good.where + ["-w", "0.1"], 1, "SPAMD WARNING: TIME second ping response time")
    check(good.where + ["-w", "0.1", "-c", "0.2"], 2, "SPAMD CRITICAL: TIME second ping response time")
    assert set(good.asked) == {b"PING SPAMC/1.5\r\n\r\n"} or REFERENCE, good.asked
    path = tests.path("socket")
    check(Server(b"SPAMD/1.5 0 PONG\n", 0, path).where, 0, "SPAMD OK: TIME second ping response time")


@tests.case("bad answers, no answer, nobody there")
def bad_answers():
    for answer in (b"SPAMD/1.5 0 EX_OK\r\n", b"SPAMD/1.5 76 Bad header\r\n", b"SPAMD/1.5 0 PONG more\r\n"):
        check(Server(answer).where, 2, "SPAMD CRITICAL: ping failed in TIME seconds")
    for answer in (b"", b"hello\r\n", b"PONG\r\n", b"SPAMD/1.5 0 PO", b"x" * 100000):
        assert run(PROGRAM, Server(answer).where) == (2, "SPAMD CRITICAL: ping failed in TIME seconds\n"), answer
    check(Server(None).where + ["-t", "1"], 2, "SPAMD CRITICAL: ping timed out in TIME seconds")
    port = str(harness.free_port())
    check(["-H", "127.0.0.1", "-p", port], 2, "SPAMD CRITICAL: ping failed in TIME seconds")
    check(["--socketpath", tests.path("nobody")], 2, "SPAMD CRITICAL: ping failed in TIME seconds")
    assert run(PROGRAM, ["--socketpath", "x" * 300]) == (2, "SPAMD CRITICAL: ping failed in TIME seconds\n")


@tests.case("spamd up and down, over IPv4, IPv6 and a Unix socket")
def real():
    path, port = tests.path("spamd.sock"), harness.free_port()
    server = tests.spamd(["127.0.0.1:%d" % port] + (["[::1]:%d" % port] if harness.has_ipv6() else []),
                         ["--socketpath", path])
    server.wait_for(("127.0.0.1", port))
    for where in [["-H", "127.0.0.1", "-p", str(port)], ["-p", str(port)], ["--socketpath", path]] + \
            ([["-H", "::1", "-p", str(port)]] if harness.has_ipv6() else []):
        code, text = run(PROGRAM, where + ["-v"])
        assert (code, text) == (0, "connecting to spamd for ping\nSPAMD OK: TIME second ping response time\n"), text
    assert server.stop() == 0
    tests.ends.remove(server)
    assert run(PROGRAM, ["-p", str(port)]) == (2, "SPAMD CRITICAL: ping failed in TIME seconds\n")


tests.main()
