#!/usr/bin/env python3
"""spamd on several sockets at once, spamc over each of them, every mode of spamc."""
import os
import re
import stat

from harness import Skip, Tests, ask, free_port, has_ipv6, mail, spamc
import socket

tests = Tests()
HAM, SPAM = mail("ham"), mail("spam")
PATH = tests.path("socket")
PORT4 = free_port()
PORT6 = free_port(socket.AF_INET6, "::1") if has_ipv6() else None
listen = [PATH, "127.0.0.1:%d" % PORT4] + (["[::1]:%d" % PORT6] if PORT6 else [])
server = tests.spamd(listen, ["-m", "3"])
server.wait_for(PATH)
WAYS = {"unix": ["-U", PATH], "ipv4": ["-d", "127.0.0.1", "-p", str(PORT4)],
        "ipv6": ["-d", "::1", "-p", str(PORT6)]}


def way(name):
    if name == "ipv6" and not PORT6:
        raise Skip("no IPv6 on loopback here")
    return WAYS[name]


def judge(name):
    code, out, _ = spamc(way(name) + ["-c"], HAM)
    assert (code, out) == (0, b"-0.1/5.0\n"), (code, out)
    code, out, _ = spamc(way(name) + ["-c"], SPAM)
    assert (code, out) == (1, b"1005.7/5.0\n"), (code, out)
    code, out, _ = spamc(way(name) + ["-K"], b"")
    assert (code, out) == (0, b"SPAMD/1.5 0\n"), (code, out)


@tests.case("unix: ham, spam and ping")
def _():
    judge("unix")


@tests.case("ipv4: ham, spam and ping")
def _():
    judge("ipv4")


@tests.case("ipv6: ham, spam and ping")
def _():
    judge("ipv6")


@tests.case("a host that does not answer is followed by the next of the list")
def _():
    dead = free_port()
    code, out, _ = spamc(["-d", "127.0.0.2,127.0.0.1", "-p", str(PORT4), "-c"], SPAM)
    assert (code, out) == (1, b"1005.7/5.0\n"), (code, out, dead)


@tests.case("ham comes back whole, with one block of headers put in")
def _():
    code, out, _ = spamc(WAYS["unix"], HAM)
    assert code == 0
    block = re.search(rb"(?:X-Spam-[^\n]*\n(?:[ \t][^\n]*\n)*)+", out)
    assert block and out.replace(block.group(0), b"", 1) == HAM, out
    assert re.search(rb"^X-Spam-Status: No, score=-0\.1 required=5\.0 tests=T_BODY_MEETING\b", out, re.M), out


@tests.case("spam is wrapped (report_safe 1) and the original is inside byte for byte")
def _():
    code, out, _ = spamc(WAYS["unix"] + ["-E"], SPAM)
    assert code == 1
    assert b"\nX-Spam-Flag: YES\n" in out and b"Content-Type: message/rfc822; x-spam-type=original" in out
    assert SPAM in out


@tests.case("--headers changes nothing below the headers")
def _():
    code, out, _ = spamc(WAYS["unix"] + ["--headers"], HAM)
    assert code == 0 and out.split(b"\n\n", 1)[1] == HAM.split(b"\n\n", 1)[1]


@tests.case("-y prints the rules")
def _():
    code, out, _ = spamc(WAYS["unix"] + ["-y"], SPAM)
    assert sorted(out.strip().split(b",")) == [b"GTUBE", b"T_META", b"T_SUBJECT_OFFER", b"T_URI_EXAMPLE"], out


@tests.case("-R prints score and report, -r only for spam")
def _():
    code, out, _ = spamc(WAYS["unix"] + ["-R"], SPAM)
    assert out.startswith(b"1005.7/5.0\n") and b"1000 GTUBE" in out, out
    code, out, _ = spamc(WAYS["unix"] + ["-r"], HAM)
    assert out == b"", out


@tests.case("-z sends the message compressed")
def _():
    code, out, _ = spamc(WAYS["unix"] + ["-z", "-c"], SPAM)
    assert (code, out) == (1, b"1005.7/5.0\n"), (code, out)


@tests.case("a message above -s comes back unchanged")
def _():
    big = HAM + b"0123456789abcdef\n" * 40000
    code, out, _ = spamc(WAYS["unix"] + ["-s", "100000"], big)
    assert code == 0 and out == big


@tests.case("CRLF messages keep their line ends")
def _():
    crlf = HAM.replace(b"\n", b"\r\n")
    code, out, _ = spamc(WAYS["unix"], crlf)
    assert code == 0 and b"\n" not in out.replace(b"\r\n", b""), out
    assert out.split(b"\r\n\r\n", 1)[1] == crlf.split(b"\r\n\r\n", 1)[1]


@tests.case("the Unix socket has mode 0666 and goes away with the server")
def _():
    assert stat.S_IMODE(os.stat(PATH).st_mode) == 0o666


@tests.case("--ipv6only listens on IPv6 alone")
def _():
    if not PORT6:
        raise Skip("no IPv6 on loopback here")
    port = free_port(socket.AF_INET6, "::1")
    only = tests.spamd(["[::1]:%d" % port], ["-6", "-m", "1"])
    only.wait_for(("::1", port))
    try:
        ask(("127.0.0.1", port), b"PING SPAMC/1.5\r\n\r\n", timeout=2)
    except OSError:
        return
    raise AssertionError("IPv4 answers")


tests.main()
