#!/usr/bin/env python3
"""Workers are confined, everything still works in there, and the log says when they are not."""
import os
import re
import signal
import threading
import time

from harness import Skip, Tests, ask, free_port, mail, request, spamc

tests = Tests()
HAM, SPAM = mail("ham"), mail("spam")
PATH = tests.path("socket")
PORT = free_port()
ROOT = os.geteuid() == 0
USER = ["-u", "nobody"] if ROOT else []
server = tests.spamd([PATH, "127.0.0.1:%d" % PORT], ["-m", "2", "--min-children", "2", "--user-config"] + USER)
server.wait_for(PATH)


def status(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def confined(s, wanted="2"):
    """Are all workers, with or without a filter ("0")?  They enter it when they have begun."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        now = [(status(pid)["NoNewPrivs"], status(pid)["Seccomp"]) for pid in s.workers()]
        if len(now) == 2 and set(now) == {("1", wanted)}:
            return True
        time.sleep(0.1)
    raise AssertionError(now)


@tests.case("workers have no new privileges, a seccomp filter and no root")
def _():
    assert confined(server)
    for pid in server.workers():
        s = status(pid)
        assert "0" not in s["Uid"].split() and int(s["CapEff"], 16) == 0, s


@tests.case("every verb, users and unknown users, both sockets: answered, and no call was refused")
def _():
    for address in (PATH, ("127.0.0.1", PORT)):
        for verb in ("CHECK", "SYMBOLS", "REPORT", "REPORT_IFSPAM", "PROCESS", "HEADERS"):
            for user in ("root", "nobody", "no-such-user"):
                answer = ask(address, request(verb, SPAM, headers=["User: " + user]))
                assert answer.startswith(b"SPAMD/1.1 0 EX_OK"), answer[:200]
        assert ask(address, b"PING SPAMC/1.5\r\n\r\n").endswith(b"PONG\r\n")
    assert spamc(["-U", PATH, "-c"], HAM)[0] == 0
    big = HAM + b"x" * 70 + b"\n" + b"some words of a long message\n" * 100000
    assert ask(PATH, request("CHECK", big)).startswith(b"SPAMD/1.1 0 EX_OK")
    assert "sandbox" not in server.log(), server.log()


@tests.case("after SIGHUP new workers are confined too")
def _():
    old = set(server.workers())
    server.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and set(server.workers()) & old:
        time.sleep(0.1)
    assert confined(server)
    assert ask(PATH, request("CHECK", HAM)).startswith(b"SPAMD/1.1 0 EX_OK")


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        return [int(p) for p in f.read().split()]


@tests.case("where each message has a process that becomes its user, that process is confined")
def _():
    if not ROOT:
        raise Skip("not root")
    path = tests.path("each")
    each = tests.spamd([path], ["--user-config"])
    each.wait_for(path)
    assert ask(path, request("CHECK", HAM, headers=["User: nobody"])).startswith(b"SPAMD/1.1 0 EX_OK")
    answers, seen = [], set()
    big = request("CHECK", HAM + b"some words of a long message with http://example.com/ in it\n" * 400000, headers=["User: nobody"])
    client = threading.Thread(target=lambda: answers.append(ask(path, big, timeout=120)))
    client.start()
    while client.is_alive():
        for worker in each.workers():
            try:
                seen.update((s["NoNewPrivs"], s["Seccomp"], s["Uid"].split()[0]) for s in map(status, children(worker)))
            except (OSError, KeyError):
                pass
        time.sleep(0.002)
    assert answers[0].startswith(b"SPAMD/1.1 0 EX_OK"), answers
    assert any(s[:2] == ("1", "2") and s[2] != "0" for s in seen), seen
    assert "sandbox" not in each.log(), each.log()


@tests.case("--no-sandbox: no filter, said once")
def _():
    path = tests.path("free")
    free = tests.spamd([path], USER + ["--no-sandbox", "--min-children", "2", "-m", "2"])
    free.wait_for(path)
    assert confined(free, "0")
    assert len(re.findall("sandbox: switched off by --no-sandbox", free.log())) == 1


@tests.case("ExtractText with a program switches it off by itself, said once")
def _():
    path = tests.path("extract")
    lines = ["loadplugin Mail::SpamAssassin::Plugin::ExtractText", "extracttext_external cat /bin/cat {}",
             "extracttext_use cat .txt"]
    options = [x for line in lines for x in ("--cf", line)]
    free = tests.spamd([path], options + USER + ["--min-children", "2", "-m", "2"])
    free.wait_for(path)
    assert confined(free, "0")
    assert len(re.findall("sandbox: off, Mail::SpamAssassin::Plugin::ExtractText", free.log())) == 1, free.log()


tests.main()
