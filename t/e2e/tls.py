#!/usr/bin/env python3
"""TLS listeners: handshakes, client certificates, hostile peers; Debian's spamc -S and openssl s_client where installed."""
import os
import shutil
import socket
import ssl
import subprocess
import time

from harness import Skip, Tests, ask, connect, free_port, mail, patience, read_all, request

tests = Tests()
HAM, SPAM = mail("ham"), mail("spam")
DEBIAN_SPAMC = "/usr/bin/spamc"
CERTS = tests.path("certs")
os.mkdir(CERTS)


def openssl(*arguments):
    subprocess.run(["openssl"] + list(arguments), cwd=CERTS, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_ca(name):
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", name + ".key", "-out", name + ".pem", "-days", "2",
            "-subj", "/CN=" + name)


def make_cert(name, ca, *more):
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", name + ".key", "-out", name + ".csr", "-subj", "/CN=" + name)
    openssl("x509", "-req", "-in", name + ".csr", "-CA", ca + ".pem", "-CAkey", ca + ".key", "-CAcreateserial",
            "-out", name + ".pem", *(more or ("-days", "2")))


def cert(name):
    return os.path.join(CERTS, name)


for authority in ("ca", "other"):
    make_ca(authority)
make_cert("localhost", "ca")
make_cert("client", "ca")
make_cert("stranger", "other")
make_cert("expired", "ca", "-days", "-1")

IDENTITY = ["--server-key", cert("localhost.key"), "--server-cert", cert("localhost.pem")]
PORT, PLAIN, VERIFIED = free_port(), free_port(), free_port()
server = tests.spamd(["ssl:127.0.0.1:%d" % PORT, "127.0.0.1:%d" % PLAIN],
                     IDENTITY + ["-m", "1", "--timeout-tcp", "3"])
server.wait_for(("127.0.0.1", PLAIN))
strict = tests.spamd(["127.0.0.1:%d" % VERIFIED, tests.path("strict")],
                     IDENTITY + ["-m", "1", "--ssl-ca-file", cert("ca.pem")])
strict.wait_for(tests.path("strict"))


def context(identity=None):
    c = ssl.create_default_context(cafile=cert("ca.pem"))
    c.check_hostname = False
    if identity:
        c.load_cert_chain(cert(identity + ".pem"), cert(identity + ".key"))
    return c


def ask_tls(port, data, identity=None, make=context, end=True):
    with make(identity).wrap_socket(socket.create_connection(("127.0.0.1", port), 20)) as s:
        s.sendall(data)
        answer = read_all(s)
        return answer


def healthy(within=2):
    begun = time.monotonic()
    assert b"PONG" in ask(("127.0.0.1", PLAIN), b"PING SPAMC/1.5\r\n\r\n")
    assert b"PONG" in ask_tls(PORT, b"PING SPAMC/1.5\r\n\r\n")
    assert time.monotonic() - begun < patience(within)


def wait_log(spamd, text):
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and text not in spamd.log():
        time.sleep(0.05)
    assert text in spamd.log(), spamd.log()[-2000:]


@tests.case("a verdict and a whole message over TLS 1.3 and 1.2; the log names protocol and cipher")
def _():
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        def make(identity):
            c = context(identity)
            c.minimum_version = c.maximum_version = version
            return c
        assert b"Spam: True ; 1005.7 / 5.0" in ask_tls(PORT, request("CHECK", SPAM), make=make)
        assert ask_tls(PORT, request("PROCESS", HAM), make=make).endswith(HAM.split(b"\n\n", 1)[1])
    wait_log(server, ", TLSv1.2/")
    wait_log(server, ", TLSv1.3/TLS_")


@tests.case("the started line names the listener as the reference does")
def _():
    assert "server started on IO::Socket::SSL [127.0.0.1]:%d, IO::Socket::IP [127.0.0.1]:%d (" % (PORT, PLAIN) in server.log()


@tests.case("a message of 3 MB both ways")
def _():
    body = HAM + b"0123456789abcdefghijklmnopqrstuvwxyz\n" * 80000
    answer = ask_tls(PORT, request("PROCESS", body))
    assert answer.endswith(body.split(b"\n\n", 1)[1]), (len(answer), len(body))


@tests.case("TLS below 1.2 is refused")
def _():
    c = context()
    c.minimum_version = c.maximum_version = ssl.TLSVersion.TLSv1_1
    c.set_ciphers("ALL:@SECLEVEL=0")
    try:
        c.wrap_socket(socket.create_connection(("127.0.0.1", PORT), 20)).close()
        raise AssertionError("TLS 1.1 was accepted")
    except (ssl.SSLError, ConnectionError):
        pass
    healthy()


@tests.case("fault F38: plain text on the TLS port, TLS on the plain port")
def _():
    try:
        assert b"SPAMD" not in ask(("127.0.0.1", PORT), request("CHECK", HAM))
    except OSError:
        pass
    wait_log(server, "accept_a_conn: SSL accept failed: ")
    try:
        context().wrap_socket(socket.create_connection(("127.0.0.1", PLAIN), 20)).close()
        raise AssertionError("TLS on the plain port")
    except (ssl.SSLError, ConnectionError):
        pass
    healthy()


@tests.case("fault F38: 100 clients that stop in the handshake delay nobody and are closed in time")
def _():
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    stalled = [connect(("127.0.0.1", PORT)) for _ in range(100)]
    for s in stalled:
        s.sendall(hello)
    time.sleep(0.3)
    healthy()
    for s in stalled:
        s.settimeout(10)
        assert s.recv(100) == b""
        s.close()
    wait_log(server, "peer does not go on")


@tests.case("fault F38: a stream cut without close_notify counts only when its length was given")
def _():
    def cut(data):
        raw = socket.create_connection(("127.0.0.1", PORT), 20)
        s = context().wrap_socket(raw, suppress_ragged_eofs=True)
        s.sendall(data)
        os.set_blocking(s.fileno(), True)
        socket.socket(fileno=os.dup(s.fileno())).shutdown(socket.SHUT_WR)
        return read_all(s)
    assert b"Spam: True ; 1005.7" in cut(request("CHECK", SPAM))
    try:
        assert b"EX_OK" not in cut(request("CHECK", SPAM, length=False))
    except ssl.SSLError:
        pass
    wait_log(server, "message cut short: the TLS stream has no end")
    healthy()


@tests.case("fault F38: client certificates: ours serves; none, foreign and expired ones are refused before the protocol")
def _():
    assert b"Spam: True ; 1005.7" in ask_tls(VERIFIED, request("CHECK", SPAM), "client")
    for identity in (None, "stranger", "expired"):
        try:
            answer = ask_tls(VERIFIED, request("CHECK", SPAM), identity)
        except (ssl.SSLError, ConnectionError):
            continue
        assert answer == b"", (identity, answer)
    assert strict.log().count("checking message") == 1
    for reason in ("peer did not return a certificate", "expired"):
        wait_log(strict, reason)


@tests.case("missing and broken keys end the start with a clear line")
def _():
    for options, text in ((["--server-key", "/nonexistent/key", "--server-cert", cert("ca.pem")], "server key file /nonexistent/key does not exist"),
                          (["--server-key", cert("client.key"), "--server-cert", cert("localhost.pem")], "cannot use key"),
                          (["--ssl-ca-file", "/nonexistent/ca"], "ssl-ca-file /nonexistent/ca does not exist")):
        bad = tests.spamd(["ssl:127.0.0.1:%d" % free_port()], options)
        assert bad.process.wait(60) != 0
        assert text in bad.stderr(), bad.stderr()
        tests.ends.remove(bad)


@tests.case("SIGHUP reads a new certificate")
def _():
    def serial():
        with context().wrap_socket(socket.create_connection(("127.0.0.1", PORT), 20)) as s:
            return s.getpeercert()["serialNumber"]
    before = serial()
    make_cert("localhost", "ca")
    server.process.send_signal(1)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and serial() == before:
        time.sleep(0.2)
    assert serial() != before


@tests.case("Debian's spamc -S, with and without a certificate")
def _():
    if not os.access(DEBIAN_SPAMC, os.X_OK):
        raise Skip("no Debian spamc")

    def run(*more):
        r = subprocess.run([DEBIAN_SPAMC, "-d", "127.0.0.1", "-S"] + list(more), input=SPAM, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=60)
        return r.returncode, r.stdout
    assert run("-p", str(PORT), "-c") == (1, b"1005.7/5.0\n")
    assert b"X-Spam-Flag: YES" in run("-p", str(PORT))[1]
    code, out = run("-p", str(VERIFIED), "-c", "--ssl-cert", cert("client.pem"), "--ssl-key", cert("client.key"),
                    "--ssl-ca-file", cert("ca.pem"))
    assert (code, out) == (1, b"1005.7/5.0\n"), (code, out)
    assert run("-p", str(VERIFIED), "--connect-retries", "1") == (0, SPAM)


@tests.case("openssl s_client")
def _():
    if not shutil.which("openssl"):
        raise Skip("no openssl")
    r = subprocess.run(["openssl", "s_client", "-quiet", "-CAfile", cert("ca.pem"), "-verify_return_error",
                        "-connect", "127.0.0.1:%d" % PORT], input=b"PING SPAMC/1.2\r\n", stdout=subprocess.PIPE,
                       stderr=subprocess.DEVNULL, timeout=60)
    assert r.stdout == b"SPAMD/1.5 0 PONG\r\n", r


tests.main()
