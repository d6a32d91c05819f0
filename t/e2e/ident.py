#!/usr/bin/env python3
"""Whose word counts: --auth-ident over TCP and Unix sockets, TELL of other users; and --max-message-size."""
import os
import socket
import threading
import zlib

from harness import Skip, Tests, ask, connect, free_port, has_ipv6, mail, own_network, read_all, request, until

OWN_NETWORK = own_network(__file__)
tests = Tests()
HAM = mail("ham")


class Ident:
    """Says what it is told about everybody; silent: nothing."""

    def __init__(self, host):
        self.answer = "%s : USERID : UNIX : somebody\r\n"
        self.listener = socket.create_server((host, 113), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.questions = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.one, args=(s,), daemon=True).start()

    def one(self, s):
        with s:
            question = s.recv(1000).decode()
            self.questions.append(question)
            if self.answer is None:
                s.recv(1000)
            else:
                s.sendall((self.answer % question.strip() if "%s" in self.answer else self.answer).encode())


def check_as(user, address, verb="CHECK", headers=()):
    return ask(address, request(verb, HAM, headers=["User: " + user] + list(headers) if user else list(headers)))


@tests.case("--auth-ident: the host's ident service must name the user, over IPv4 and IPv6")
def _():
    if not OWN_NETWORK:
        raise Skip("no network namespace: port 113 is the host's")
    for host in ["127.0.0.1"] + ["::1"] * has_ipv6():
        port = free_port()
        server = tests.spamd(["[%s]:%d" % (host, port)], ["-m", "1", "--auth-ident", "--ident-timeout", "2"])
        server.wait_for((host, port))
        address = (host, port)
        refused = b"SPAMD/1.0 77 Permission Denied: the user named is not known to be who asks\r\n"
        assert check_as("somebody", address) == refused    # nobody listens
        until(lambda: 'is not proven to be "somebody": its host' in server.log())
        ident = Ident(host)
        assert b"0 EX_OK" in check_as("somebody", address)
        assert ident.questions[-1].endswith(" , %d\r\n" % port), ident.questions
        assert check_as("another", address) == refused
        assert b"0 EX_OK" in check_as("", address) and b"PONG" in ask(address, b"PING SPAMC/1.5\r\n\r\n")
        for bad in ("%s : ERROR : NO-USER\r\n", "%s : USERID : OTHER : somebody\r\n", "1, 2 : USERID : UNIX : somebody\r\n", "", "x" * 5000):
            ident.answer = bad
            assert check_as("somebody", address) == refused, bad
        ident.answer = None
        with connect(address) as waiting:
            waiting.sendall(request("CHECK", HAM, headers=["User: somebody"]))
            until(lambda: len(ident.questions) > 6)
            assert b"0 EX_OK" in check_as("", address)    # meanwhile
            assert read_all(waiting) == refused
        ident.listener.close()


def as_user(uid, function, *arguments):
    """What it returns in a process of that user."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            os.write(writing, function(*arguments))
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as f:
        answer = f.read()
    os.waitpid(pid, 0)
    return answer


NOBODY = 65534


@tests.case("--auth-ident over a Unix socket: a user is who owns the other end; root may be anybody")
def _():
    if os.geteuid() != 0:
        raise Skip("needs root")
    os.chmod(tests.directory, 0o755)
    path = tests.path("unix")
    server = tests.spamd([path], ["-m", "1", "--auth-ident", "-u", "daemon"])
    server.wait_for(path)
    assert b"0 EX_OK" in check_as("anybody", path)
    assert b"0 EX_OK" in as_user(NOBODY, check_as, "nobody", path)
    assert b"0 EX_OK" in as_user(NOBODY, check_as, "", path)
    for other in ("daemon", "root", "nosuchuser", "nobody\0", "x" * 300):
        assert as_user(NOBODY, check_as, other, path).startswith((b"SPAMD/1.0 77 Permission Denied: ", b"SPAMD/1.0 76 ")), other
    assert 'is not proven to be "daemon": the socket\'s other end is another user\'s' in server.log()


@tests.case("fault F37: TELL over a Unix socket teaches nobody else's store; TCP and -u are as in the reference")
def _():
    if os.geteuid() != 0:
        raise Skip("needs root")
    path = tests.path("tell")
    server = tests.spamd([path], ["-m", "1", "-l", "--user-config"])
    server.wait_for(path)
    headers = ["Message-class: spam", "Set: local"]
    assert as_user(NOBODY, check_as, "daemon", path, "TELL", headers) == \
        b"SPAMD/1.0 69 Service Unavailable: TELL commands are not enabled, set the --allow-tell switch.\r\n"
    assert b" 0 EX_OK" in as_user(NOBODY, check_as, "nobody", path, "TELL", headers)
    assert b" 0 EX_OK" in as_user(NOBODY, check_as, "daemon", path)    # scanning for another user stays
    assert b" 0 EX_OK" in check_as("daemon", path, "TELL", headers)
    path = tests.path("tell-u")
    server = tests.spamd([path], ["-m", "1", "-l", "-u", "nobody"])
    server.wait_for(path)
    assert b" 0 EX_OK" in as_user(NOBODY, check_as, "virtual@example.com", path, "TELL", headers)


@tests.case("--max-message-size: what is longer is refused, also inflated")
def _():
    path = tests.path("size")
    server = tests.spamd([path], ["-m", "1", "--max-message-size", "20000"])
    server.wait_for(path)
    fits, over = HAM + b"x" * (19999 - len(HAM)) + b"\n", HAM + b"x" * (20000 - len(HAM)) + b"\n"
    assert b" 0 EX_OK" in ask(path, request("CHECK", fits))
    assert ask(path, request("CHECK", over)).startswith(b"SPAMD/1.0 69 Service Unavailable: message too large")
    assert b" 0 EX_OK" in ask(path, request("CHECK", zlib.compress(HAM), headers=["Compress: zlib"]))
    answer = ask(path, request("CHECK", zlib.compress(HAM + b"x" * 2000000), headers=["Compress: zlib"]))
    assert answer.startswith(b"SPAMD/1.0 69 Service Unavailable: zlib: message too large when inflated"), answer


tests.main()
