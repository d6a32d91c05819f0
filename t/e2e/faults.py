#!/usr/bin/env python3
"""Faults of SECURITY.md section 3 that concern the server, by number.  `faults.py [F01 ...]` runs some of them.

Others of the list: F12, F32 daemon.py; F34-F36 users.py; F37 protocol.py; F38 tls.py; F44 spamc's own tests.
"""
import os
import random
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib

from harness import HERE, SPAMD, Skip, Tests, ask, connect, free_port, has_ipv6, mail, read_all, request, spamc

tests = Tests()
HAM, SPAM = mail("ham"), mail("spam")
if sys.argv[1:]:
    class Some(Tests):
        pass
    tests.case = lambda name, case=tests.case: case(name) if set(name.split(":")[0].replace(",", "").split()) & set(sys.argv[1:]) else lambda f: f


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
    assert time.monotonic() - begun < within, time.monotonic() - begun


def until(what, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not what():
        time.sleep(0.05)
    assert what(), "not within %d s" % seconds


def is_alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def rss_kb(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"VmRSS:\s*(\d+)", f.read())[1])


def fds(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


class Clients:
    """Threads that send distinct messages; each must come back scanned, or as it was."""

    def __init__(self, path, count, rounds):
        self.path, self.rounds, self.lost, self.scanned, self.passed = path, rounds, [], 0, 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(count)]

    def run(self, number):
        for turn in range(self.rounds):
            token = b"token-%d-%d-%d" % (number, turn, random.getrandbits(60))
            body = HAM.replace(b"\n\n", b"\nX-Token: " + token + b"\n\n", 1) + token + b"\n"
            code, out, _ = spamc(["-U", self.path, "--connect-retries", "1"], body)
            with self.lock:
                if out == body:
                    self.passed += 1
                elif code == 0 and out.endswith(body.split(b"\n\n", 1)[1]) and out.count(token) == 2 and b"X-Spam-Status: No" in out:
                    self.scanned += 1
                else:
                    self.lost.append((code, out[:200]))

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        for t in self.threads:
            t.join()
        assert not self.lost, self.lost[:2]

    def busy(self):
        return any(t.is_alive() for t in self.threads)


@tests.case("fault F01: workers killed at random: nothing lost, said in the log, healthy within 2 s")
def _():
    server, path = started("f01", ["-m", "3"])
    with Clients(path, 8, 30) as clients:
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
    with Clients(path, 6, 40) as clients:
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
    assert time.monotonic() - begun < 15


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
    assert time.monotonic() - begun < 10


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
        assert time.monotonic() - begun < seconds
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
    assert b"EX_OK" in answer and time.monotonic() - begun < 8, (answer[:200], time.monotonic() - begun)
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
        r = subprocess.run([SPAMD, "-L", "-x", "-s", "stderr", "-C", os.path.join(HERE, "rules"), "--siteconfigpath", base, "-i", where],
                           stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60)
        assert r.returncode != 0 and text in r.stderr, (where, r)
    refused(path, b"already running on ")
    healthy(path)
    for name, make in (("file", lambda p: open(p, "w").write("kept")), ("dir", os.mkdir), ("link", lambda p: os.symlink("/etc/passwd", p))):
        place = os.path.join(base, name)
        make(place)
        refused(place, b"exists but is no socket, exiting")
        assert os.path.lexists(place)
    assert open(os.path.join(base, "file")).read() == "kept"
    refused(base + "/" + "x" * 120, b"socket path longer than")
    refused("/nonexistent/dir/sock", b"/nonexistent/dir/sock")
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


@tests.case("fault F45: clients, workers killed and SIGHUP together: nothing lost or mixed up, nothing left")
def _():
    server, path = started("f45", ["-m", "3"])
    shm = len(os.listdir("/dev/shm"))
    with Clients(path, 12, 25) as clients:
        turn = 0
        while clients.busy():
            time.sleep(0.1)
            turn += 1
            if turn % 10 == 0:
                server.process.send_signal(signal.SIGHUP)
            for pid in server.workers():
                if random.random() < 0.1:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
    until(lambda: len(server.workers()) <= 3)
    healthy(path)
    assert clients.scanned > 100, (clients.scanned, clients.passed)
    assert len(os.listdir("/dev/shm")) == shm and fds(server.pid) < 20


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
