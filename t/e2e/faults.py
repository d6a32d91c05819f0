#!/usr/bin/env python3
"""Faults of SECURITY.md section 3 that concern the server, by number.  `faults.py F01 ...` runs some of them.

Others of the list: F12 daemon.py; F30 client.py; F34-F36 users.py; F37 protocol.py; F38 tls.py.
FAULTS_FULL=yes (`make check-load`): F45 at full size, 10,000 messages of 64 clients with the stock rules where there are some.
"""
import os
import random
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib

from client_parts import Canned
from harness import (BUILD, HERE, SPAMC, SPAMD, Skip, Tests, ask, connect, free_port, has_ipv6, is_alive, mail, patience, read_all, request,
                     run_spamd, spamc, until)

tests = Tests()
HAM, SPAM = mail("ham"), mail("spam")


def started(name, options=(), site="", **more):
    path = tests.path(name)
    server = tests.spamd([path] + more.pop("listen", []), list(options), **more)
    with open(os.path.join(server.site, "local.cf"), "w") as f:
        f.write(site)
    server.wait_for(path)
    return server, path


SITE = tests.path("emptysite")
os.mkdir(SITE)
BASE = [SPAMD, "-L", "-x", "-C", os.path.join(HERE, "rules"), "--siteconfigpath", SITE, "-s", "stderr"]


def healthy(path, within=2.0):
    begun = time.monotonic()
    assert b"PONG" in ask(path, b"PING SPAMC/1.5\r\n\r\n")
    assert b"Spam: True" in ask(path, request("CHECK", SPAM))
    assert time.monotonic() - begun < patience(within), time.monotonic() - begun


def rss_kb(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"VmRSS:\s*(\d+)", f.read())[1])


def fds(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


class Clients:
    """Threads that send distinct messages; each must come back scanned, or as it was."""

    def __init__(self, path, count, total, programs=(SPAMC,)):
        self.path, self.programs, self.lost, self.scanned, self.passed = path, programs, [], 0, 0
        self.lock = threading.Lock()
        self.left = iter(range(total))
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(count)]

    def next_turn(self):
        with self.lock:
            return next(self.left, None)

    def run(self, number):
        program = self.programs[number % len(self.programs)]
        for turn in iter(self.next_turn, None):
            token = b"token-%d-%d" % (turn, random.getrandbits(60))
            body = HAM.replace(b"\n\n", b"\nX-Token: " + token + b"\n\n", 1) + token + b"\n"
            done = subprocess.run([program, "-U", self.path, "--connect-retries", "1"], input=body, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, timeout=600)
            code, out = done.returncode, done.stdout
            is_scanned = code == 0 and out.endswith(body.split(b"\n\n", 1)[1]) and out.count(token) == 2 and b"\nX-Spam-Status: No" in out
            with self.lock:
                if code == 0 and out == body:
                    self.passed += 1
                elif is_scanned:
                    self.scanned += 1
                else:
                    self.lost.append((program, code, out[:200]))

    def __enter__(self):
        self.begun = time.monotonic()
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        for t in self.threads:
            t.join()
        self.seconds = time.monotonic() - self.begun
        assert not self.lost, (len(self.lost), self.lost[:2])

    def busy(self):
        return any(t.is_alive() for t in self.threads)


@tests.case("fault F01: workers killed at random: nothing lost, said in the log, healthy within 2 s")
def _():
    server, path = started("f01", ["-m", "3"])
    with Clients(path, 8, 240) as clients:
        while clients.busy():
            for pid in server.workers():
                if random.random() < 0.3:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
            time.sleep(0.05)
    until(lambda: server.workers())
    healthy(path)
    assert re.search(r"handled cleanup of child pid \[\d+\] due to SIGKILL: KILLED, signal 9 \(0009\)", server.log())
    assert clients.scanned > 0


@tests.case("fault F02: the parent is killed: workers end, the address is free, a new start works at once")
def _():
    port = free_port()
    address = ("127.0.0.1", port)
    server = tests.spamd(["127.0.0.1:%d" % port], ["-m", "2"])
    server.wait_for(address)
    tests.ends.remove(server)
    workers = server.workers()
    held = connect(address)
    held.sendall(b"CHECK SPAMC/1.5\r\nContent-length: %d\r\n\r\n" % len(SPAM) + SPAM[:50])
    time.sleep(0.3)
    server.process.kill()
    server.process.wait()
    held.sendall(SPAM[50:])
    assert b"Spam: True" in read_all(held)
    until(lambda: not any(is_alive(p) for p in workers))
    again = tests.spamd(["127.0.0.1:%d" % port], ["-m", "1"])
    again.wait_for(address)


@tests.case("fault F03: a storm of SIGHUP: nothing refused or lost, no growth")
def _():
    server, path = started("f03", ["-m", "2"])
    before = None
    with Clients(path, 6, 240) as clients:
        for turn in range(100):
            server.process.send_signal(signal.SIGHUP)
            time.sleep(0.01)
        while clients.busy():
            server.process.send_signal(signal.SIGHUP)
            time.sleep(0.5)
            if before is None:
                before = rss_kb(server.pid), fds(server.pid)
    assert clients.passed == 0, clients.passed
    until(lambda: len(server.workers()) <= 2, 20)
    healthy(path)
    assert rss_kb(server.pid) < before[0] * 1.3 and fds(server.pid) <= before[1], (before, rss_kb(server.pid), fds(server.pid))


@tests.case("fault F04: SIGHUP with a broken configuration: the error is said, the server goes on")
def _():
    server, path = started("f04", ["-m", "1"])
    with open(os.path.join(server.site, "local.cf"), "w") as f:
        f.write("score GTUBE 500\nbody BROKEN /foo(/\nnonsense here\n")
    server.process.send_signal(signal.SIGHUP)
    until(lambda: "BROKEN" in server.log() and "nonsense" in server.log(), 20)
    healthy(path)


@tests.case("fault F05: SIGTERM with messages in hand: answered; asked twice, or with a client that holds on: bounded")
def _():
    server, path = started("f05", ["-m", "1", "--timeout-child", "300"])
    tests.ends.remove(server)
    slow, held = connect(path), connect(path)
    for s in (slow, held):
        s.sendall(b"CHECK SPAMC/1.5\r\nContent-length: %d\r\n\r\n" % len(SPAM) + SPAM[:50])
    time.sleep(0.3)
    server.process.send_signal(signal.SIGTERM)
    until(lambda: not os.path.exists(path))
    slow.sendall(SPAM[50:])
    assert b"Spam: True" in read_all(slow)
    assert server.process.poll() is None
    begun = time.monotonic()
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(30) == 0
    assert time.monotonic() - begun < patience(15)


@tests.case("fault F06: no memory: an error or a closed connection, never a verdict made of less; the parent lives")
def _():
    big = SPAM + b"word and word and word again\n" * 400000
    answers = set()
    for megabytes in (1000, 300, 200, 150, 100, 60, 40):
        path = tests.path("f06-%d" % megabytes)
        limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
        server = subprocess.Popen(BASE + ["-i", path, "-m", "1"], preexec_fn=limit, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline and not os.path.exists(path) and server.poll() is None:
                time.sleep(0.05)
            if server.poll() is not None:
                continue    # too little to start with
            for _ in range(3):
                try:
                    answer = ask(path, request("CHECK", big), timeout=60)
                except OSError:
                    answer = b""
                assert answer == b"" or b"Spam: True" in answer or re.match(rb"SPAMD/1\.0 (69|7\d) ", answer), (megabytes, answer)
                answers.add(answer[:19])
                assert server.poll() is None
            until(lambda: b"PONG" in ask(path, b"PING SPAMC/1.2\r\n"))
        finally:
            server.terminate()
            server.wait(20)
    assert b"SPAMD/1.1 0 EX_OK\r\n" in answers, answers


@tests.case("fault F08: out of descriptors: no busy loop, one line, serves again")
def _():
    path, log = tests.path("f08"), tests.path("f08.log")
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
    server = subprocess.Popen(BASE[:-1] + [log, "-i", path, "-m", "1"], preexec_fn=limit, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: os.path.exists(path) and "spawned" in open(log).read(), 30)
    with open("/proc/%d/task/%d/children" % (server.pid, server.pid)) as f:
        worker = int(f.read().split()[0])
    held = []
    for _ in range(60):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(5)
        s.connect(path)
        held.append(s)
    time.sleep(0.5)

    def ticks():
        with open("/proc/%d/stat" % worker) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])
    before = ticks()
    time.sleep(2)
    assert (ticks() - before) / os.sysconf("SC_CLK_TCK") < 0.2
    assert open(log).read().count("accept: ") < 10
    for s in held:
        s.close()
    time.sleep(0.3)
    healthy(path, 5)
    server.terminate()
    assert server.wait(20) == 0


@tests.case("fault F09: fork fails: said once, tried again, served meanwhile by those there are")
def _():
    if os.geteuid() != 0:
        raise Skip("needs a user of its own")
    path, log = tests.path("f09"), tests.path("f09.log")
    os.chmod(tests.directory, 0o777)

    def demote():
        resource.setrlimit(resource.RLIMIT_NPROC, (2, 2))
        os.setgid(64321)
        os.setuid(64321)
    server = subprocess.Popen(BASE[:-1] + [log, "-i", path, "-m", "3", "--round-robin"], preexec_fn=demote, stdin=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    try:
        until(lambda: os.path.exists(path) and "spamd: fork: " in open(log).read(), 30)
        time.sleep(3)
        for _ in range(5):
            assert b"Spam: True" in ask(path, request("CHECK", SPAM))
        text = open(log).read()
        assert text.count("spamd: fork: ") == 1 and text.count("successfully spawned") == 1, text
    finally:
        server.terminate()
        server.wait(20)


@tests.case("fault F17: 50 clients that drip: PING meanwhile, 79 for each in time")
def _():
    server, path = started("f17", ["-m", "1", "--timeout-tcp", "2", "--timeout-child", "3"])
    slow = [connect(path) for _ in range(50)]
    begun = time.monotonic()
    for n, s in enumerate(slow):
        s.sendall((b"CHEC", b"CHECK SPAMC/1.5\r\nUs", b"CHECK SPAMC/1.5\r\nContent-length: 1000\r\n\r\nFrom")[n % 3])
    while time.monotonic() - begun < 1.5:
        healthy(path)
        for s in slow:
            s.sendall(b"x")
        time.sleep(0.2)
    for s in slow:
        s.settimeout(10)
        try:
            assert s.recv(1000).startswith(b"SPAMD/1.0 79 Timeout: ")
        except ConnectionResetError:
            pass
        s.close()
    assert time.monotonic() - begun < patience(10)


@tests.case("fault F18: resets mid-request and mid-answer, half-close, clients that never read")
def _():
    server, path = started("f18", ["-m", "1"], listen=["127.0.0.1:%d" % free_port()])
    port = int(re.search(r"\[127\.0\.0\.1\]:(\d+)", server.log())[1])
    big = HAM + b"some text in a line\n" * 100000
    held = []
    for data in (b"CHECK SP", request("CHECK", SPAM)[:200], request("PROCESS", big)):
        for _ in range(20):
            s = connect(("127.0.0.1", port))
            s.sendall(data)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
    for _ in range(20):
        s = connect(("127.0.0.1", port))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        s.sendall(request("PROCESS", big))
        held.append(s)
    healthy(path, 5)
    time.sleep(1)
    healthy(path)
    assert b"Spam: True" in ask(path, request("CHECK", SPAM), half_close=True)
    for s in held:
        s.close()


@tests.case("fault F19: lying lengths: the reference's answers, no memory for what is only said")
def _():
    server, path = started("f19", ["-m", "1"])
    healthy(path)
    before = rss_kb(server.workers()[0])
    for text in ("-1", "+5", "0x10", "1000000000", "2147483648", "4294967306", "9223372036854775808", "18446744073709551626",
                 str(len(SPAM) - 1), str(len(SPAM) + 1)):
        answer = ask(path, b"CHECK SPAMC/1.5\r\nContent-length: " + text.encode() + b"\r\n\r\n" + SPAM)
        if text.startswith(("-", "+", "0x")):
            assert answer == b"SPAMD/1.0 76 Bad header line: (Content-Length contains non-numeric bytes)\r\n", answer
        elif int(text) != len(SPAM) - 1:
            assert ("(Content-Length mismatch: Expected %s bytes, got %d bytes)" % (text, len(SPAM))).encode() in answer, answer
    assert rss_kb(server.workers()[0]) - before < 1024


@tests.case("fault F20: 8 GB declared, a kilobyte sent, held open: memory by arrival")
def _():
    server, path = started("f20", ["-m", "1"])
    healthy(path)
    before = rss_kb(server.workers()[0])
    held = [connect(path) for _ in range(20)]
    for s in held:
        s.sendall(b"CHECK SPAMC/1.5\r\nContent-length: 8589934592\r\n\r\n" + b"x" * 1024)
    time.sleep(0.3)
    healthy(path)
    assert rss_kb(server.workers()[0]) - before < 2048
    for s in held:
        s.close()


@tests.case("fault F21: 10,000 idle connections: PING at once, memory given back")
def _():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 12000), max(hard, 12000)))
    except (ValueError, OSError):
        raise Skip("needs more descriptors")
    server, path = started("f21", ["-m", "2"])
    healthy(path)
    held, longest = [], 0
    for n in range(10000):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(5)
        s.connect(path)
        held.append(s)
        if n % 1000 == 999:
            begun = time.monotonic()
            assert b"PONG" in ask(path, b"PING SPAMC/1.2\r\n")
            longest = max(longest, time.monotonic() - begun)
            assert longest < 2, (n, longest)
    print("# longest PING %.3f s" % longest)
    healthy(path)
    for s in held:
        s.close()
    time.sleep(1)
    healthy(path)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@tests.case("fault F22: bombs under Compress: zlib")
def _():
    server, path = started("f22", ["-m", "1"])
    healthy(path)
    packer = zlib.compressobj(9)
    bomb = packer.compress(b"\0" * (300 << 20)) + packer.flush()
    packed = zlib.compress(SPAM)
    for data, seconds in ((bomb, 5), (packed[:-9], 1), (packed[:8], 1), (b"x\xbb" + packed[2:], 1), (b"", 1)):
        begun = time.monotonic()
        answer = ask(path, request("CHECK", data, headers=["Compress: zlib"]), timeout=60)
        assert answer.startswith(b"SPAMD/1.0 69 Service Unavailable: zlib: "), (len(data), answer)
        assert time.monotonic() - begun < patience(seconds)
    assert b"Spam: True" in ask(path, request("CHECK", packed + b"junk", headers=["Compress: zlib"]))
    inner = zlib.compress(packed)
    assert b"EX_OK" in ask(path, request("CHECK", inner, headers=["Compress: zlib"]))
    time.sleep(1.5)
    healthy(path)
    assert rss_kb(server.workers()[0]) < 100000


@tests.case("fault F26: a message over --timeout-child ends in time, with an answer")
def _():
    server, path = started("f26", ["-m", "1", "--timeout-child", "2"],
                           "rawbody SLOW /(?:x+x+)+y/\ndescribe SLOW x\nrawbody SLOW2 /(?:x+x+)+z/\n")
    begun = time.monotonic()
    answer = ask(path, request("SYMBOLS", SPAM + b"x" * 200 + b"\n" * 10 + b"word\n" * 2000000), timeout=60)
    assert b"EX_OK" in answer and time.monotonic() - begun < patience(8), (answer[:200], time.monotonic() - begun)
    healthy(path)


@tests.case("fault F28, F29: a host with one family only: starts without options, all of it works")
def _():
    if os.geteuid() != 0:
        raise Skip("needs root")
    script = r'''
import sys, time, os, subprocess
sys.path.insert(0, %r)
from harness import Tests, ask, mail, request, spamc
family = sys.argv[1]
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
if family == "6":
    subprocess.run(["ip", "addr", "del", "127.0.0.1/8", "dev", "lo"], check=True)
    address = "::1"
else:
    open("/proc/sys/net/ipv6/conf/all/disable_ipv6", "w").write("1")
    address = "127.0.0.1"
tests = Tests()
server = tests.spamd([], ["-m", "1"])
server.wait_for((address, 783))
code, out, _ = spamc(["-d", address, "-c"], mail("spam"))
assert (code, out) == (1, b"1005.7/5.0\n"), (code, out)
star = tests.spamd(["*:7841"], ["-m", "1"])
star.wait_for((address, 7841))
for s in (server, star):
    assert s.stop() == 0
''' % HERE
    for family in "64":
        run = subprocess.run(["unshare", "-n", sys.executable, "-c", script, family], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        if b"Operation not permitted" in run.stdout or b"Read-only file system" in run.stdout or b"No such file or directory: 'ip'" in run.stdout:
            raise Skip("no network namespaces: " + run.stdout.decode()[-100:])
        assert run.returncode == 0, (family, run.stdout.decode())


@tests.case("fault F31: what may be in the place of a socket")
def _():
    server, path = started("f31", ["-m", "1"])
    base = tests.path("f31dir")
    os.makedirs(base)

    def refused(where, text):
        code, _, err = run_spamd("-L", "-x", "-s", "stderr", "-C", os.path.join(HERE, "rules"), "--siteconfigpath", base, "-i", where)
        assert code != 0 and text in err, (where, code, err)
    refused(path, "already running on ")
    healthy(path)
    for name, make in (("file", lambda p: open(p, "w").write("kept")), ("dir", os.mkdir), ("link", lambda p: os.symlink("/etc/passwd", p))):
        place = os.path.join(base, name)
        make(place)
        refused(place, "exists but is no socket, exiting")
        assert os.path.lexists(place)
    assert open(os.path.join(base, "file")).read() == "kept"
    refused(base + "/" + "x" * 120, "socket path longer than")
    refused("/nonexistent/dir/sock", "/nonexistent/dir/sock")
    stale = os.path.join(base, "stale")
    s = socket.socket(socket.AF_UNIX)
    s.bind(stale)
    s.close()
    other = tests.spamd([stale], ["-m", "1"])
    other.wait_for(stale)
    os.unlink(stale)
    open(stale, "w").write("another's now")
    other.stop()
    tests.ends.remove(other)
    assert open(stale).read() == "another's now"


@tests.case("fault F32: a stale, foreign or linked pid file; a second server on the port")
def _():
    victim, pid_file = tests.path("victim"), tests.path("f32.pid")
    open(victim, "w").write("kept\n")
    os.symlink(victim, pid_file)
    port = free_port()
    first = tests.spamd(["127.0.0.1:%d" % port], ["-m", "1", "-r", pid_file])
    first.wait_for(("127.0.0.1", port))
    assert open(victim).read() == "kept\n" and open(pid_file).read() == "%d\n" % first.pid
    second = tests.spamd(["127.0.0.1:%d" % port], ["-m", "1", "-r", pid_file])
    assert second.process.wait(60) != 0 and "Address already in use" in second.stderr() + second.log()
    tests.ends.remove(second)
    assert open(pid_file).read() == "%d\n" % first.pid
    healthy(("127.0.0.1", port))


@tests.case("fault F33: --allowed-ips and mapped addresses, on real sockets (the table is in t/unit/net)")
def _():
    if not has_ipv6():
        raise Skip("no IPv6")
    for allowed, v4, v6 in (("127.0.0.1", True, False), ("::1", False, True), ("::ffff:127.0.0.1", True, False), ("::/0", False, True),
                            ("0.0.0.0/0", True, False), ("10.0.0.0/8", False, False)):
        port = free_port()
        server, path = started("f33-%d" % port, ["-m", "1", "-A", allowed, "-i", "*:%d" % port])
        for address, good in (("127.0.0.1", v4), ("::1", v6)):
            try:
                answer = ask((address, port), b"PING SPAMC/1.2\r\n")
            except OSError:
                answer = b""
            assert (b"PONG" in answer) == good, (allowed, address, answer)
        if not (v4 and v6):
            until(lambda: "unauthorized connection from " in server.log())
        server.stop()
        tests.ends.remove(server)


def possessions(server):
    """What a server that leaks has more of."""
    def names(pid):
        return sorted(os.readlink(e.path).split("[")[0] for e in os.scandir("/proc/%d/fd" % pid) if os.path.islink(e.path))
    segments = [line for line in open("/proc/sysvipc/shm")][1:] if os.path.exists("/proc/sysvipc/shm") else []
    return {"descriptors": names(server.pid), "shm": sorted(os.listdir("/dev/shm")), "segments": len(segments),
            "own directory": sorted(os.listdir(os.path.dirname(server.path)))}


def descendants(pid):
    found = []
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            found = [int(p) for p in f.read().split()]
    except OSError:
        pass
    return found + [q for p in found for q in descendants(p)]


@tests.case("fault F45: clients, workers killed and SIGHUP together: nothing lost or mixed up, nothing left")
def _():
    full = bool(os.environ.get("FAULTS_FULL"))
    stock = "/usr/share/spamassassin"
    more = {"rules": stock} if full and os.path.isdir(stock) else {}
    programs = [SPAMC] + [p for p in ["/usr/bin/spamc"] if os.path.exists(p) and full]
    server, path = started("f45", ["-m", "3", "--min-children", "3", "--max-spare", "3"], **more)
    server.path = path
    until(lambda: len(server.workers()) == 3)
    before, killed, hups = possessions(server), 0, 0
    with Clients(path, 64 if full else 12, 10000 if full else 300, programs) as clients:
        next_hup = time.monotonic() + (1 if full else 0.5)
        while clients.busy():
            time.sleep(0.1)
            if time.monotonic() >= next_hup:
                server.process.send_signal(signal.SIGHUP)
                hups, next_hup = hups + 1, time.monotonic() + 1
            for pid in server.workers():
                if random.random() < 0.1:
                    try:
                        os.kill(pid, signal.SIGKILL)
                        killed += 1
                    except ProcessLookupError:
                        pass
    until(lambda: len(server.workers()) == 3, 60)
    healthy(path)
    until(lambda: possessions(server) == before)
    workers = server.workers()
    assert sorted(descendants(server.pid)) == sorted(workers)
    print("# F45: %d scanned, %d back as they were, 0 lost; %d workers killed, %d SIGHUPs; %.0f s, %.0f messages/s%s" %
          (clients.scanned, clients.passed, killed, hups, clients.seconds, (clients.scanned + clients.passed) / clients.seconds,
           "; stock rules" if more else ""))
    assert clients.scanned > clients.passed and killed > 0 and hups > 0, (clients.scanned, clients.passed)
    server.stop()
    tests.ends.remove(server)
    until(lambda: not any(is_alive(p) for p in workers))
    assert not os.path.exists(path)


# ---- the clock ----

class Jump:
    """A clock that programs see which are started with env()."""

    def __init__(self):
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise Skip("no C compiler")
        self.library, self.path = tests.path("clock_jump.so"), tests.path("clock")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-o", self.library, os.path.join(HERE, "clock_jump.c"), "-ldl"],
                       check=True)
        with open(self.path, "wb") as f:
            f.write(bytes(4096))

    def env(self):
        return dict(os.environ, LD_PRELOAD=self.library, CLOCK_JUMP=self.path,
                    ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0")

    def to(self, seconds):
        with open(self.path, "r+b") as f:
            f.write(struct.pack("q", seconds))


YEAR = 365 * 86400


@tests.case("fault F27: the clock jumps: no timeout too early or too late, the log tells the new time")
def _():
    jump = Jump()
    # the last second of 2016 had a successor named :60, to the clock the same second again
    leap, late = 1483228799 - int(time.time()), 2 ** 31 + 1000 - int(time.time())
    server, path = started("f27", ["-m", "1", "--timeout-tcp", "20", "--timeout-child", "30"], env=jump.env())
    for offset in (YEAR, -YEAR, 0, leap, leap - 1, late, -int(time.time()) + 5, 0):
        half = connect(path)
        half.sendall(b"CHECK SPAMC/1.5\r\nContent-length: %d\r\n\r\n" % len(SPAM) + SPAM[:50])
        idle = connect(path)
        idle.sendall(b"CHECK SP")
        assert b"PONG" in ask(path, b"PING SPAMC/1.5\r\n\r\n")
        jump.to(offset)
        time.sleep(0.3)
        idle.sendall(b"AMC/1.5\r\nContent-length: %d\r\n\r\n" % len(SPAM) + SPAM)
        half.sendall(SPAM[50:])
        for s in (half, idle):
            answer = read_all(s)
            assert b"Spam: True" in answer, (offset, answer)
        year = time.gmtime(time.time() + offset).tm_year
        until(lambda: re.search(r"^\w{3} \w{3} .* %d \[\d+\] info: spamd: result: Y" % year, server.log(), re.M))
    # a message in the middle of its scan
    big = SPAM + b"some text in a line of it\n" * 400000
    for offset in (YEAR, -YEAR, 0):
        s = connect(path, 60)
        s.sendall(request("CHECK", big))
        jump.to(offset)
        assert b"Spam: True" in read_all(s)
    assert "imeout" not in server.log()
    # deadlines are met though the clock was put back
    short, path = started("f27b", ["-m", "1", "--timeout-tcp", "2"], env=jump.env())
    s = connect(path, patience(20))
    jump.to(-YEAR)
    assert read_all(s).startswith(b"SPAMD/1.0 79 Timeout: ")
    silent = Canned(b"", silent=True)
    for offset in (YEAR, -YEAR):
        jump.to(0)
        begun = time.monotonic()
        run = subprocess.Popen([SPAMC, "-d", "127.0.0.1", "-p", str(silent.port), "-t", "2", "--connect-retries", "1"], env=jump.env(),
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        threading.Timer(0.5, jump.to, (offset,)).start()
        out, _ = run.communicate(HAM, timeout=60)
        assert (run.returncode, out) == (0, HAM) and time.monotonic() - begun > 1.8, (offset, time.monotonic() - begun)


# ---- spamc before bad servers ----

def spamc_at(port, *options, message=HAM, **more):
    run = subprocess.run([SPAMC, "-d", "127.0.0.1", "-p", str(port), "--connect-retries", "1", "--filter-retries", "1", "-n", "2"] +
                         list(options), input=message, stdout=more.pop("stdout", subprocess.PIPE), stderr=subprocess.DEVNULL,
                         timeout=60, **more)
    return run.returncode, run.stdout


@tests.case("fault F44: spamc before a bad server: the message as it was, or by -x, -X and -E nothing of it; never a part")
def _():
    head = b"SPAMD/1.1 0 EX_OK\r\nContent-length: %d\r\nSpam: True ; 9.0 / 5.0\r\n\r\n"
    text = b"X-Spam-Flag: YES\n" + HAM
    servers = {
        "dead": (free_port(), 69), "hung": (Canned(b"", silent=True).port, 74), "closes": (Canned(b"").port, 74),
        "closes unread": (Canned(b"", unread=True).port, 74), "garbage": (Canned(b"\0\xff\n" * 40000).port, 76), "a line": (Canned(b"x\n").port, 76),
        "another protocol": (Canned(b"HTTP/1.1 200 OK\r\nContent-length: 3\r\n\r\nhey").port, 76),
        "short": (Canned(head % (len(text) + 500) + text).port, 76), "longer": (Canned(head % 30 + text).port, 76),
        "1 GB said": (Canned(head % (1 << 30) + text).port, 76), "header only": (Canned(head % len(text)).port, 76),
        "half a header": (Canned(b"SPAMD/1.1 0 EX_OK\r\nContent-le").port, 76), "first line": (Canned(b"SPAMD/1.1 0 EX_OK\r\n").port, 76),
        "hangs in the body": (Canned(b"", silent=True, first=head % len(text) + text[:100]).port, 74),
        "an error": (Canned(b"SPAMD/1.0 76 Bad header line: x\r\n").port, 76)}
    for name, (port, code) in servers.items():
        begun = time.monotonic()
        for options, wanted in (([], (0, HAM)), (["-E"], (0, HAM)), (["-x"], (code, b"")), (["-x", "-E"], (code, b"")),
                                (["-x", "-X"], (75 if code == 69 else code, b"")), (["-c"], (0, b"0/0\n"))):
            if name in ("longer", "header only", "short", "1 GB said", "hangs in the body") and options == ["-c"]:
                continue    # the verdict was there
            got = spamc_at(port, "-t", "2", *options)
            assert got[1] == wanted[1], (name, options, got[0], got[1][:100])
            if options and options[0] == "-x":
                assert got[0] in (wanted[0], 74, 76) and got[0] != 0, (name, options, got[0], wanted[0])
                assert (name != "dead" or got[0] == wanted[0]), (name, options, got[0])
            else:
                assert got[0] == wanted[0], (name, options, got)
        assert time.monotonic() - begun < patience(6 * 5), name


@tests.case("fault F44: spamc: a huge pipe, output that is closed, full or ends: never taken for delivered")
def _():
    text = b"X-Spam-Flag: YES\n" + HAM
    server = Canned(b"SPAMD/1.1 0 EX_OK\r\nContent-length: %d\r\nSpam: True ; 9.0 / 5.0\r\n\r\n" % len(text) + text)
    good = server.port
    huge = HAM + b"0123456789abcdef" * 4000000
    for port in (good, free_port()):
        for options in ([], ["-x"], ["-E"]):
            assert spamc_at(port, *options, message=huge) == (0, huge), (port == good, options)
    big = HAM + b"x" * 450000
    for port in (good, free_port()):
        for options in ([], ["-E"]):
            with open("/dev/full", "wb") as full:
                assert spamc_at(port, *options, message=big, stdout=full)[0] == 74, (port == good, options)
            closed = subprocess.run(["sh", "-c", '"$0" "$@" >&-', SPAMC, "-d", "127.0.0.1", "-p", str(port), "--connect-retries", "1"] + options,
                                    input=HAM, stderr=subprocess.DEVNULL, timeout=60)
            # nobody wants the message: no error in the reference either; nothing may go into another descriptor
            assert closed.returncode == (1 if port == good and options else 0), (port == good, options, closed.returncode)
            assert all(r.startswith(b"PROCESS ") and r.endswith(HAM[-200:]) or len(r) > 400000 for r in server.requests)
            reading, writing = os.pipe()
            os.close(reading)    # SIGPIPE on the first byte
            try:
                assert spamc_at(port, *options, message=big, stdout=writing)[0] == 74, (port == good, options)
            finally:
                os.close(writing)
    # a reader that leaves in the middle
    reading, writing = os.pipe()
    leaver = threading.Thread(target=lambda: (os.read(reading, 1000), os.close(reading)))
    leaver.start()
    code, _ = spamc_at(free_port(), message=big, stdout=writing)
    os.close(writing)
    leaver.join()
    assert code == 74, code


# ---- rules that change while they are read ----

class Changer(threading.Thread):
    """Replaces the files of a directory one by one, all over again; notes when it was held up in the middle of a round."""

    def __init__(self, directory, count):
        super().__init__(daemon=True)
        self.directory, self.count, self.stop, self.rounds, self.held = directory, count, False, 0, []

    def text(self, n, generation):
        return "body R_%d /free/i\nscore R_%d %d\n" % (n, n, generation)

    def write(self, generation):
        for n in range(self.count):
            with open(os.path.join(self.directory, "new-%d" % n), "w") as f:
                f.write(self.text(n, generation))
        last = time.monotonic()
        for n in range(self.count):
            os.rename(os.path.join(self.directory, "new-%d" % n), os.path.join(self.directory, "%02d.cf" % n))
            now = time.monotonic()
            if now - last > 0.1:
                self.held.append(now)
            last = now

    def run(self):
        while not self.stop:
            self.rounds += 1
            self.write(1 + self.rounds % 2)
            time.sleep(random.random() * 0.5)


@tests.case("fault F46: rules replaced file by file while the command and the server read them: one set or an error, never half")
def _():
    rules, count = tests.path("f46"), 40
    os.mkdir(rules)
    changer = Changer(rules, count)
    changer.write(1)
    message = HAM.replace(b"\n\n", b"\n\nfree free free\n", 1)
    server, path = started("f46.sock", ["-m", "1"], rules=rules)
    changer.start()
    whole, errors, halves = 0, 0, 0
    for turn in range(60):
        begun = time.monotonic()
        if turn % 3 == 0:
            server.process.send_signal(signal.SIGHUP)
            time.sleep(0.1)
            out, code = ask(path, request("CHECK", message)), 0
            found = re.search(rb"Spam: \w+ ; (-?[\d.]+) /", out)
        else:
            run = subprocess.run([os.path.join(BUILD, "cmd", "spamassassin"), "-L", "-C", rules, "--siteconfigpath", SITE, "--cf", "report_safe 0", "--cf",
                                  "add_header all Status _YESNO_, score=_SCORE_"],
                                 input=message, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
            out, code = run.stdout, run.returncode
            found = re.search(rb"X-Spam-Status: .* score=(-?[\d.]+)", out)
        if code != 0:
            errors += 1
            assert b"changes" in run.stderr, run.stderr
            continue
        assert found, (turn, code, out[:1000])
        score = float(found[1])
        if score in (count, 2 * count):
            whole += 1
        else:
            halves += not any(begun - 1 <= t <= time.monotonic() for t in changer.held)
    changer.stop = True
    changer.join()
    print("# F46: %d sets whole, %d refused, %d rounds of changes" % (whole, errors, changer.rounds))
    assert halves == 0 and whole > 0, (whole, errors, halves, len(changer.held))


@tests.case("fault F47, F48: a worker leaves no core; what is made is nobody else's to read")
def _():
    server, path = started("f47", ["-m", "1"])
    worker = server.workers()[0]
    # not dumpable: its /proc files are root's
    assert os.stat("/proc/%d/environ" % worker).st_uid == 0
    if os.geteuid() == 0:
        assert os.stat("/proc/%d/mem" % worker).st_uid == 0
    assert os.stat(server.log_path).st_mode & 0o007 == 0


tests.main()
