#!/usr/bin/env python3
"""Whatever breaks, the client has its message back and the server goes on."""
import os
import signal
import socket
import threading
import time

from harness import Tests, ask, connect, free_port, mail, patience, request, spamc

tests = Tests()
HAM, SPAM = mail("ham"), mail("spam")
PATH = tests.path("socket")
server = tests.spamd([PATH], ["-m", "2", "--timeout-tcp", "2"])
server.wait_for(PATH)


def fake_server(answer, end_with_reset=False):
    """A listener that reads a request, says `answer` and closes; its port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(8)

    def serve():
        while True:
            try:
                s, _ = listener.accept()
            except OSError:
                return
            with s:
                s.settimeout(5)
                try:
                    while s.recv(65536):
                        pass
                    s.sendall(answer)
                except OSError:
                    pass
    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


QUICK = ["--connect-retries", "1", "--retry-sleep", "0"]


@tests.case("no server: the message comes back, -x says unavailable and prints nothing")
def _():
    port = str(free_port())
    assert spamc(["-p", port, "-d", "127.0.0.1"] + QUICK, HAM)[:2] == (0, HAM)
    code, out, _ = spamc(["-p", port, "-d", "127.0.0.1", "-x"] + QUICK, HAM)
    assert (code, out) == (69, b""), (code, out)
    assert spamc(["-p", port, "-d", "127.0.0.1", "-c"] + QUICK, HAM)[:2] == (0, b"0/0\n")


@tests.case("an answer that is cut, empty, lying or nonsense: the message comes back whole")
def _():
    for answer in (b"", b"SPAMD/1.1 0 EX_OK\r\n", b"SPAMD/1.1 0 EX_OK\r\nContent-length: 5000\r\nSpam: False ; 0.0 / 5.0\r\n\r\nFrom: x\n",
                   b"SPAMD/1.1 0 EX_OK\r\nContent-length: 2\r\nSpam: True ; 9.0 / 5.0\r\n\r\nFrom: x\n", b"HTTP/1.1 200 OK\r\n\r\nhello",
                   b"SPAMD/1.0 76 Bad header line: x\r\n", b"\0" * 70000, b"SPAMD/1.1 0 EX_OK\r\nContent-length: 99999999999999999999\r\n\r\n"):
        code, out, _ = spamc(["-p", str(fake_server(answer)), "-d", "127.0.0.1", "--filter-retries", "1"] + QUICK, HAM)
        assert (code, out) == (0, HAM), (answer[:60], code, out[:200])


@tests.case("a server that never answers: the message comes back after -t")
def _():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(8)
    begun = time.monotonic()
    code, out, _ = spamc(["-p", str(listener.getsockname()[1]), "-d", "127.0.0.1", "-t", "2"] + QUICK, HAM)
    listener.close()
    assert (code, out) == (0, HAM) and time.monotonic() - begun < patience(20)


@tests.case("a worker killed in the middle of a request: closed connection, a new worker, the next client served")
def _():
    with connect(PATH) as s:
        s.sendall(b"PROCESS SPAMC/1.5\r\nContent-length: %d\r\n\r\n" % len(HAM) + HAM[:100])
        time.sleep(0.2)
        for worker in server.workers():
            os.kill(worker, signal.SIGKILL)
        try:
            assert s.recv(1000) == b""
        except ConnectionResetError:
            pass
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not server.workers():
        time.sleep(0.05)
    assert spamc(["-U", PATH, "-c"], SPAM)[:2] == (1, b"1005.7/5.0\n")


@tests.case("SIGHUP while clients come: none loses its message or verdict")
def _():
    wrong = []

    def client():
        for _ in range(15):
            code, out, _err = spamc(["-U", PATH, "-c"], SPAM)
            if (code, out) != (1, b"1005.7/5.0\n"):
                wrong.append((code, out))
    threads = [threading.Thread(target=client) for _ in range(3)]
    for t in threads:
        t.start()
    for _ in range(3):
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
    for t in threads:
        t.join()
    assert not wrong, wrong[:3]


@tests.case("SIGHUP reads changed rules")
def _():
    with open(os.path.join(server.site, "local.cf"), "w") as f:
        f.write("score GTUBE 500\n")
    server.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if spamc(["-U", PATH, "-c"], SPAM)[1] == b"505.7/5.0\n":
            break
        time.sleep(0.1)
    assert spamc(["-U", PATH, "-c"], SPAM)[1] == b"505.7/5.0\n"


@tests.case("an idle client is told of the timeout and the connection ends")
def _():
    with connect(PATH) as s:
        s.sendall(b"CHECK SP")
        answer = s.recv(1000)
    assert answer.startswith(b"SPAMD/1.0 79 Timeout"), answer


@tests.case("rules that cannot compile or run wild are named in the log and hurt nothing else")
def _():
    with open(os.path.join(server.site, "local.cf"), "w") as f:
        f.write("body T_BROKEN /foo(bar/\nscore T_BROKEN 1\n"
                "rawbody T_WILD /^(?:a|aa|a{3})+(b)c\\1d$/m\nscore T_WILD 1\nfoo_bar 1\n")
    wild = tests.spamd([tests.path("wild")], ["-m", "1", "--siteconfigpath", server.site])
    wild.wait_for(tests.path("wild"))
    answer = ask(tests.path("wild"), request("CHECK", SPAM + b"\n" + b"a" * 60 + b"bcxd\n"), timeout=60)
    assert b"Spam: True ; 1005.7" in answer, answer
    said = wild.log() + wild.stderr()
    assert "T_BROKEN" in said and "foo_bar" in said, said
    assert "T_WILD" in said and "limit" in said, said


tests.main()
