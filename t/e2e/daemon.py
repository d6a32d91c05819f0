#!/usr/bin/env python3
"""spamd as a service: background, pid file, pool of workers, logs, signals, systemd, command line."""
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

from harness import (HERE, SPAMD, Skip, Tests, ask, connect, is_alive, is_up, mail, own_mounts, patience, request, run_spamd,
                     until)

OWN_MOUNTS = own_mounts(__file__)

tests = Tests()
HAM, SPAM = mail("ham"), mail("spam")
RULES = os.path.join(HERE, "rules")
SITE = tests.path("site")
os.mkdir(SITE)
BASE = [SPAMD, "-L", "-x", "-C", RULES, "--siteconfigpath", SITE]


def started(name, options=(), **more):
    path = tests.path(name)
    server = tests.spamd([path], list(options), **more)
    server.wait_for(path)
    return server, path


@tests.case("command line: version, help, removed and unknown options, abbreviations, bundles, numbers")
def _():
    code, out, _ = run_spamd("-V")
    assert code == 0 and re.match(r"SpamAssassin Server version 4\.0\.1\n  running on Winnow .*\n  with SSL support \(OpenSSL .*\)\n  with zlib support ", out), out
    assert run_spamd("--help")[0] == 0
    for option in ("-F0", "-F", "--add-from", "--noadd-from"):
        code, _, err = run_spamd(option)
        assert code == 2 and "has been removed from spamd" in err, (option, code, err)
    for bad in (["--nosuchoption"], ["-Z"], ["--max-children", "x"], ["--max"]):
        code, _, err = run_spamd(*bad)
        assert code == 64 and err, (bad, code, err)
    code, _, err = run_spamd("--ssl-ca-f", "/nonexistent/x")
    assert code == 64 and "ssl-ca-file /nonexistent/x does not exist" in err
    server, path = started("options", ["-Lxm", "2", "--max-conn=7", "--no-local", "--nodaem", "--listen-i", tests.path("second")])
    assert b"PONG" in ask(tests.path("second"), b"PING SPAMC/1.2\r\n")


@tests.case("-d returns when it serves; pid file; SIGTERM removes pid file and socket")
def _():
    path, pid_file, log = tests.path("back"), tests.path("pid"), tests.path("back.log")
    r = subprocess.run(BASE + ["-d", "-r", pid_file, "-s", log, "-i", path, "-m", "1"], stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert r.returncode == 0, r
    assert b"PONG" in ask(path, b"PING SPAMC/1.2\r\n")
    pid = int(open(pid_file).read())
    assert os.stat(pid_file).st_mode & 0o777 == 0o644
    assert os.readlink("/proc/%d/cwd" % pid) == "/" and os.getsid(pid) == pid
    assert "server pid: %d\n" % pid in open(log).read()
    os.kill(pid, signal.SIGTERM)
    until(lambda: not is_alive(pid))
    assert not os.path.exists(pid_file) and not os.path.exists(path)
    assert "server killed by SIGTERM, shutting down" in open(log).read()


@tests.case("a relative path of the start is found again after -d and SIGHUP")
def _():
    os.makedirs(tests.path("rel/site"), exist_ok=True)
    path = tests.path("rel/sock")
    r = subprocess.run([SPAMD, "-L", "-x", "-C", RULES, "--siteconfigpath", "site", "-d", "-r", "pid", "-s", "./log", "-i", path,
                        "-m", "1"], cwd=tests.path("rel"), stdin=subprocess.DEVNULL, timeout=60)
    assert r.returncode == 0
    pid = int(open(tests.path("rel/pid")).read())
    with open(tests.path("rel/site/local.cf"), "w") as f:
        f.write("score GTUBE 9\n")
    os.kill(pid, signal.SIGHUP)
    until(lambda: b"14.7 / 5.0" in ask(path, request("CHECK", SPAM)))
    os.kill(pid, signal.SIGINT)
    until(lambda: not is_alive(pid))
    assert "server killed by SIGINT" in open(tests.path("rel/log")).read()


@tests.case("-d that cannot start says why, with a status that is not 0")
def _():
    r = subprocess.run(BASE + ["-d", "-s", "null", "-i", "/nonexistent/directory/socket"], stdin=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, timeout=60)
    assert r.returncode != 0 and b"/nonexistent/directory/socket" in r.stderr, r


@tests.case("the pool: --max-spare at the start, up under load, down again, never below --min-children")
def _():
    server, path = started("pool", ["-m", "4", "--min-children", "1", "--min-spare", "1", "--max-spare", "2", "--max-conn-per-child", "0"])
    until(lambda: len(server.workers()) == 2)
    stop = []
    body = b"Subject: x\n\n" + b"many words in many lines of this one\n" * 20000

    def load():
        while not stop:
            ask(path, request("CHECK", body), timeout=60)    # path: of the server started last
    threads = [threading.Thread(target=load) for _ in range(8)]
    for t in threads:
        t.start()
    try:
        until(lambda: "Increasing spamd children" in server.log(), 30)
    finally:
        stop.append(1)
        for t in threads:
            t.join()
    until(lambda: len(server.workers()) == 2, 20)
    log = server.log()
    assert re.search(r"prefork: adjust: \d idle children less than 1 minimum idle children\.  Increasing spamd children: \d+ started\.\n", log)
    assert re.search(r"prefork: adjust: \d idle children more than 2 maximum idle children\. Decreasing spamd children: \d+ killed\.\n", log)
    assert re.search(r"prefork: child states: [IBK]+\n", log)
    # one worker that stays: a new one would be idle whenever the parent looks
    server, path = started("small", ["-m", "1", "--max-conn-per-child", "0"])
    stop.clear()
    threads = [threading.Thread(target=load) for _ in range(8)]
    for t in threads:
        t.start()
    try:
        until(lambda: "prefork: server reached --max-children setting, consider raising it" in server.log(), 30)
    finally:
        stop.append(1)
        for t in threads:
            t.join()
    assert "handled cleanup of child pid [" in log and "due to SIGCHLD: exit 0" in log


@tests.case("--round-robin: --max-children from the start; --max-conn-per-child replaces workers")
def _():
    server, path = started("rr", ["-m", "3", "--round-robin", "--max-conn-per-child", "5"])
    until(lambda: len(server.workers()) == 3)
    first = set(server.workers())
    for _ in range(40):
        assert b"PONG" in ask(path, b"PING SPAMC/1.2\r\n")
    until(lambda: len(server.workers()) == 3 and not first & set(server.workers()))
    assert "adjust" not in server.log()


@tests.case("one worker and a large message of many parts: PINGs come in between, again and again")
def _():
    server, path = started("large", ["-m", "1"])
    until(lambda: is_up(path))
    part = b"--q1w2\nContent-Type: text/plain\n\n" + b"".join(
        b"these are %d words of a paragraph that is here only to be long, %d of them\n\n" % (i * 7, i) for i in range(600))
    message = (b"From: a@example.com\nSubject: parts\nMIME-Version: 1.0\n"
               b"Content-Type: multipart/mixed; boundary=q1w2\n\n" + part * 200 + b"--q1w2--\n")
    scan, pings = connect(path), 0
    try:
        scan.sendall(b"CHECK SPAMC/1.5\r\nContent-length: %d\r\n\r\n" % len(message) + message)
        while not select.select([scan], [], [], 0)[0]:
            assert b"PONG" in ask(path, b"PING SPAMC/1.5\r\n\r\n")
            pings += 1
        assert b"Spam:" in scan.recv(1000)
    finally:
        scan.close()
    # With the few rules of the tests a scan takes a few slices of some milliseconds.
    assert pings > 3, pings


@tests.case("log lines: file, stderr, --log-timestamp-fmt")
def _():
    def lines(options, log=True):
        server, path = started("fmt%d" % len(tests.ends), options)
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(20)
        return (server.log() if log else server.stderr()).splitlines()
    day = r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ 123]\d \d\d:\d\d:\d\d \d{4}"
    for line in lines([]):
        assert re.match(day + r" \[\d+\] (info|warn): (spamd|prefork): ", line), line
    for line in lines(["--log-timestamp-fmt", "%s"]):
        assert re.match(r"\d{10} \[\d+\] (info|warn): spamd: ", line), line
    for line in lines(["--log-timestamp-fmt="]):
        assert re.match(r"\[\d+\] (info|warn): spamd: ", line), line
    for line in lines(["--log-timestamp-fmt=default"]):
        assert re.match(day, line), line
    for line in lines(["-s", "stderr"], False):
        assert re.match(r"[A-Z][a-z]{2} [ 123]\d \d\d:\d\d:\d\d\.\d{3} \[\d+\] (info|warn): spamd: ", line), line


@tests.case("fault F12: the log is renamed: SIGHUP writes a new one; the pid file is there all the time")
def _():
    pid_file = tests.path("hup.pid")
    server, path = started("hup", ["-r", pid_file, "-m", "1"])
    os.rename(server.log_path, server.log_path + ".1")
    server.process.send_signal(signal.SIGHUP)
    until(lambda: "server pid: %d" % server.pid in server.log(), 20)
    time.sleep(0.5)
    ask(path, request("CHECK", SPAM))
    until(lambda: "identified spam (1005.7/5.0)" in server.log())
    assert open(pid_file).read() == "%d\n" % server.pid
    assert "server hit by SIGHUP, restarting" in open(server.log_path + ".1").read()


@tests.case("fault F12: a reader of the log that stalls or ends stops no message")
def _():
    for end in (False, True):
        path = tests.path("stall%d" % end)
        server = subprocess.Popen(BASE + ["-s", "stderr", "-i", path, "-m", "1"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            until(lambda: is_up(path), 30)
            if end:
                server.stderr.close()
            for _ in range(400):
                begun = time.monotonic()
                assert b"Spam: True" in ask(path, request("CHECK", SPAM, headers=["User: " + "x" * 200]))
                assert time.monotonic() - begun < patience(2)
        finally:
            server.terminate()
            server.wait(20)


@tests.case("syslog: priority, ident and pid; gone and back again without a pause")
def _():
    if not OWN_MOUNTS:
        raise Skip("needs root and mount namespaces")
    dev = tests.path("dev")
    os.mkdir(dev)
    for name in ("null", "urandom"):
        open(os.path.join(dev, name), "w").close()
        subprocess.run(["mount", "--bind", "/dev/" + name, os.path.join(dev, name)], check=True)

    def listen():
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        s.bind(os.path.join(dev, "log"))
        os.chmod(os.path.join(dev, "log"), 0o666)
        s.settimeout(10)
        return s

    def next_line(s, text):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            line = s.recv(5000)
            if text in line:
                return line
        raise AssertionError(text)
    log = listen()
    path = tests.path("syslog")
    server = subprocess.Popen(["unshare", "-m", "sh", "-c", 'mount --rbind "$0" /dev && exec "$@"', dev] + BASE +
                              ["-s", "local3", "-i", path, "-m", "1"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        line = next_line(log, b"server started on")
        assert re.match(rb"<158>[A-Z][a-z]{2} [ 123]\d \d\d:\d\d:\d\d spamd\[%d\]: spamd: server started on" % server.pid, line), line
        log.close()
        os.unlink(os.path.join(dev, "log"))
        for _ in range(20):
            begun = time.monotonic()
            assert b"Spam: True" in ask(path, request("CHECK", SPAM))
            assert time.monotonic() - begun < patience(1)
        log = listen()
        time.sleep(1.2)
        assert b"Spam: True" in ask(path, request("CHECK", SPAM))
        next_line(log, b"result: Y 1005")
        for _ in range(2000):    # nobody reads: the queue is full
            ask(path, b"PING SPAMC/1.2\r\n")
    finally:
        server.terminate()
        server.wait(20)


@tests.case("--timing: a line for each message; SIGUSR2: what the workers do")
def _():
    server, path = started("timing", ["--timing", "-m", "1"])
    ask(path, request("CHECK", SPAM))
    until(lambda: re.search(r"info: timing: total \d+\.\d ms - read: \d+\.\d \(\d+\.\d%\), scan: .*%\), answer: .*%\)\n", server.log()))
    server.process.send_signal(signal.SIGUSR2)
    until(lambda: re.search(r"caught SIGUSR2: child \[\d+\] has 0 connections, 0 messages", server.log()))


@tests.case("systemd: inherited sockets, READY, RELOADING, WATCHDOG, STOPPING")
def _():
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(tests.path("notify"))
    notify.settimeout(20)
    listeners = [socket.socket(), socket.socket(socket.AF_UNIX)]
    listeners[0].bind(("127.0.0.1", 0))
    listeners[1].bind(tests.path("activated"))
    os.chmod(tests.path("activated"), 0o666)
    for s in listeners:
        s.listen(10)
    high = [os.dup(s.fileno()) for s in listeners]

    def pass_on():
        for number, fd in enumerate(high):
            os.dup2(fd, 3 + number)
    server = subprocess.Popen(["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh"] + BASE + ["-s", tests.path("act.log"), "-m", "1"],
                              stdin=subprocess.DEVNULL, pass_fds=(3, 4), preexec_fn=pass_on,
                              env=dict(os.environ, LISTEN_FDS="2", NOTIFY_SOCKET=tests.path("notify"), WATCHDOG_USEC="400000"))
    try:
        assert notify.recv(1000) == b"READY=1"
        assert b"PONG" in ask(listeners[0].getsockname(), b"PING SPAMC/1.2\r\n")
        assert b"PONG" in ask(tests.path("activated"), b"PING SPAMC/1.2\r\n")
        assert notify.recv(1000) == b"WATCHDOG=1"
        server.send_signal(signal.SIGHUP)
        seen = []
        while not seen or seen[-1] != b"READY=1":
            seen.append(notify.recv(1000))
        assert any(re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=\d+", s) for s in seen), seen
        server.send_signal(signal.SIGTERM)
        while seen[-1] != b"STOPPING=1":
            seen.append(notify.recv(1000))
        assert server.wait(20) == 0
        assert os.path.exists(tests.path("activated"))
    finally:
        if server.poll() is None:
            server.kill()


tests.main()
