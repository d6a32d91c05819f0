#!/usr/bin/env python3
"""spamc over TLS: our spamd, the reference's, and servers with the wrong certificate, manners or protocol."""
import os
import shutil
import socket
import ssl
import subprocess
import time

from client_parts import Canned
from harness import BUILD, SPAMC, Skip, Tests, free_port, mail, patience

os.environ["WINNOW_SPAMC_HELPERS"] = os.path.join(BUILD, "spamc")
REFERENCE, REFERENCE_SPAMD = "/usr/bin/spamc", "/usr/sbin/spamd"
tests = Tests()
HAM, SPAM = mail("ham"), mail("spam")
ANSWER = b"SPAMD/1.1 0 EX_OK\r\nContent-length: 5\r\nSpam: True ; 7.5 / 5.0\r\n\r\nbody\n"
P = tests.path


def openssl(*arguments):
    subprocess.run(["openssl"] + list(arguments), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_ca(name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
            "/CN=" + name, "-keyout", P(name + ".key"), "-out", P(name + ".pem"))


def make_certificate(name, ca, names, days="2"):
    with open(P(name + ".ext"), "w") as f:
        f.write("subjectAltName=%s\n" % names if names else "basicConstraints=CA:FALSE\n")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=" + name, "-keyout",
            P(name + ".key"), "-out", P(name + ".csr"))
    openssl("x509", "-req", "-in", P(name + ".csr"), "-CA", P(ca + ".pem"), "-CAkey", P(ca + ".key"), "-CAcreateserial",
            "-days", days, "-extfile", P(name + ".ext"), "-out", P(name + ".pem"))


if shutil.which("openssl"):
    make_ca("ca")
    make_ca("otherca")
    make_certificate("server", "ca", "DNS:localhost,IP:127.0.0.1")
    make_certificate("byname", "ca", "DNS:localhost")
    make_certificate("other", "ca", "DNS:other.example")
    make_certificate("localhost", "ca", "")
    make_certificate("expired", "ca", "DNS:localhost,IP:127.0.0.1", "-1")
    make_certificate("client", "ca", "DNS:client.example")
    os.mkdir(P("hashed"))
    shutil.copy(P("ca.pem"), P("hashed"))
    openssl("rehash", P("hashed"))


def need_openssl():
    if not os.path.exists(P("ca.pem")):
        raise Skip("no openssl here")


def server(certificate="server", client_ca=None, answer=ANSWER, rude=False):
    need_openssl()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(P(certificate + ".pem"), P(certificate + ".key"))
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(P(client_ca + ".pem"))

    def wrap(s):
        wrapped = context.wrap_socket(s, server_side=True)
        return wrapped if rude else Polite(wrapped)
    return Canned(answer, wrap=wrap).port


class Polite:
    """Says goodbye (close_notify) before it closes."""

    def __init__(self, s):
        self.s, self.recv, self.sendall = s, s.recv, s.sendall

    def close(self):
        try:
            self.s.unwrap()
        except (OSError, ValueError):
            pass
        self.s.close()


def run(port, *options, message=HAM, program=SPAMC, host="127.0.0.1"):
    done = subprocess.run([program, "-d", host, "-p", str(port), "-u", "me", "--connect-retries", "1"] + list(options),
                          input=message, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    return done.returncode, done.stdout


def both(port, *options, **named):
    ours = run(port, *options, **named)
    if os.path.exists(REFERENCE):
        reference = run(port, *options, program=REFERENCE, **named)
        assert ours == reference, (options, ours, reference)
    return ours


def fails(port, *options, code=69, run=both, **named):
    assert run(port, *options, **named) == (0, HAM), options
    assert run(port, "-x", *options, **named) == (code, b""), options


@tests.case("no CA: any certificate will do, as with the reference")
def _():
    for certificate in ("server", "other", "expired"):
        assert both(server(certificate), "-S") == (0, b"body\n"), certificate


@tests.case("a CA: the certificate must be signed by it and be valid")
def _():
    ca = ["-S", "--ssl-ca-file", P("ca.pem")]
    assert both(server(), *ca) == (0, b"body\n")
    assert both(server("byname"), *ca, host="localhost") == (0, b"body\n")
    assert both(server(), "-S", "--ssl-ca-path", P("hashed")) == (0, b"body\n")
    assert both(server("localhost"), *ca, host="localhost") == (0, b"body\n")
    fails(server(), "-S", "--ssl-ca-file", P("otherca.pem"))
    fails(server("expired"), *ca)


@tests.case("a CA: the certificate must be for one of the names of -d (the reference takes any)")
def _():
    ca = ["-S", "--ssl-ca-file", P("ca.pem")]
    fails(server("other"), *ca, run=run)
    fails(server("byname"), *ca, run=run)
    assert run(server("byname"), *ca, host="127.0.0.1,localhost") == (0, b"body\n")


@tests.case("a client certificate, where one is wanted")
def _():
    port = server(client_ca="ca")
    own = ["--ssl-cert", P("client.pem"), "--ssl-key", P("client.key")]
    assert both(port, "-S", *own) == (0, b"body\n")
    assert both(port, "-S") == (0, HAM)
    assert run(port, "-S", "-x")[0] in (69, 74)


@tests.case("files that cannot be used: 71")
def _():
    port = server()
    for options in (["--ssl-ca-file", "/nonexistent"], ["--ssl-cert", "/nonexistent", "--ssl-key", P("client.key")],
                    ["--ssl-cert", P("client.pem"), "--ssl-key", P("other.key")],
                    ["--ssl-cert", P("client.pem"), "--ssl-key", "/nonexistent"]):
        fails(port, "-S", *options, code=71)


@tests.case("plain text on a TLS port, TLS on a plain port")
def _():
    assert run(server()) == (0, HAM)
    fails(Canned(ANSWER).port, "-S", run=run)


@tests.case("every mode, and -z")
def _():
    port = server()
    for mode in ("-c", "-y", "-R", "-r", "-E"):
        both(port, "-S", mode)
    assert run(port, "-S", "-z") == (0, b"body\n")
    assert run(port, "-S", "-c") == (1, b"7.5/5.0\n")
    big = HAM + b"x" * 400000
    assert run(port, "-S", message=big) == (0, b"body\n")


@tests.case("the end without close_notify: the length tells whether the answer is whole")
def _():
    assert run(server(rude=True), "-S") == (0, b"body\n")
    fails(server(rude=True, answer=ANSWER[:-2]), "-S", code=76, run=run)
    fails(server(answer=ANSWER[:-2]), "-S", code=76)
    fails(server(answer=ANSWER[:30]), "-S", code=74)


@tests.case("a handshake that never comes: -t counts")
def _():
    begun = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert run(silent.getsockname()[1], "-S", "-t", "1") == (0, HAM)
    assert time.monotonic() - begun < patience(3)


@tests.case("our spamd")
def _():
    need_openssl()
    port = free_port()
    tests.spamd(["ssl:127.0.0.1:%d" % port], ["-m", "1", "--server-key", P("server.key"), "--server-cert", P("server.pem")])
    deadline = time.monotonic() + 120
    while run(port, "-S", "-K") != (0, b"SPAMD/1.5 0\n"):
        assert time.monotonic() < deadline, "spamd does not answer"
        time.sleep(0.1)
    for options in ([], ["-z"], ["--ssl-ca-file", P("ca.pem")]):
        assert run(port, "-S", "-c", *options, message=SPAM) == (1, b"1005.7/5.0\n"), options
    out = run(port, "-S", message=HAM)
    assert b"X-Spam-Status: No" in out[1], out
    assert both(port, "-S", "-y", message=SPAM)[0] == 0


@tests.case("the reference's spamd")
def _():
    need_openssl()
    if not os.path.exists(REFERENCE_SPAMD):
        raise Skip("no spamd of the reference here")
    port = free_port()
    process = subprocess.Popen([REFERENCE_SPAMD, "-L", "-x", "-s", P("log"), "-i", "127.0.0.1:%d" % port, "-m", "1", "--ssl",
                                "--server-key", P("server.key"), "--server-cert", P("server.pem")], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 180
        while run(port, "-S", "-K", "-t", "30") != (0, b"SPAMD/1.5 0\n"):
            assert time.monotonic() < deadline and process.poll() is None, "spamd does not answer"
            time.sleep(0.3)
        for _ in range(8):
            assert run(port, "-S", "-c", message=SPAM)[0] == 1
        # it drops every other TLS connection whose client says goodbye first, as its own spamc always does
        assert any(run(port, "-S", "-z", "-c", "--ssl-ca-file", P("ca.pem"), message=SPAM)[0] == 1 for _ in range(8))
        assert any(b"X-Spam-Status: No" in run(port, "-S", message=HAM)[1] for _ in range(5))
    finally:
        process.terminate()
        process.wait()


tests.main()
