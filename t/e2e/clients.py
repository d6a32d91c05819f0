#!/usr/bin/env python3
"""Requests as programs in the field send them, and the answer through each program's own eyes (shared/FIELD.md 1.1)."""
import re
import socket

from harness import Tests, connect, free_port, mail, read_all

tests = Tests()
HAM, SPAM = mail("ham"), mail("spam")
CRLF = SPAM.replace(b"\n", b"\r\n")
PORT = free_port()
server = tests.spamd(["127.0.0.1:%d" % PORT], ["-m", "2", "--allow-tell"])
server.wait_for(("127.0.0.1", PORT))
HITS = b"GTUBE,T_META,T_SUBJECT_OFFER,T_URI_EXAMPLE"


def ask(head, body=b"", half_close=True):
    """One request; without half_close the server has to see by itself that it is complete."""
    with connect(("127.0.0.1", PORT), 10) as s:
        s.sendall(head.replace("\n", "\r\n").encode() + body)
        if half_close:
            s.shutdown(socket.SHUT_WR)
        return read_all(s)


def split(answer):
    head, body = answer.split(b"\r\n\r\n", 1)
    return head.split(b"\r\n"), body


@tests.case("Exim: REPORT 1.2 without a length in the answer, the score behind the first semicolon")
def _():
    answer = ask("REPORT SPAMC/1.2\nUser: nobody\nContent-length: %d\n\n" % len(SPAM), SPAM)
    match = re.match(rb"SPAMD/(\S{1,7}) 0 EX_OK\r\nSpam: (\S+) ; ([\d.-]+) / ([\d.]+)\r\n\r\n", answer)
    assert match and match.group(3, 4) == (b"1005.7", b"5.0"), answer[:200]
    assert len(answer) < 32599 and b" GTUBE" in answer


@tests.case("Haraka: HEADERS 1.4 without a length")
def _():
    answer = ask("HEADERS SPAMC/1.4\nUser: default\n\n", b"X-Envelope-From: a@example.com\r\nX-Haraka-UUID: 1\r\n" + CRLF)
    assert re.search(rb"Spam: (True|False) ; (-?\d+\.\d) / (-?\d+\.\d)\r\n", answer), answer[:200]
    head = split(answer)[1]
    status = re.search(rb"^X-Spam-Status: ((?:.|\n[ \t])*)", head, re.M).group(1)
    assert status.startswith(b"Yes, score=1005.7 required=5.0 tests=") and b"GTUBE" in status, status


@tests.case("amavis: SYMBOLS 1.3, CRLF, no half-close; the last line are the tests")
def _():
    body = b"Return-Path: <a@example.com>\r\nX-Envelope-To: <b@example.org>\r\n" + CRLF
    head, tests_line = split(ask("SYMBOLS SPAMC/1.3\nContent-length: %d\nUser: amavis\n\n" % len(body), body, False))
    assert head[0] == b"SPAMD/1.1 0 EX_OK" and b"Content-length: %d" % len(tests_line) in head, head
    assert re.search(rb"\nSpam: True ; (\S+) / (\S+)", b"\n".join(head)) and tests_line == HITS, (head, tests_line)


@tests.case("qpsmtpd: HEADERS 1.4 with a length")
def _():
    answer = ask("HEADERS SPAMC/1.4\nContent-Length: %d\nUser: q\n\n" % len(SPAM), SPAM)
    assert re.match(rb"SPAMD/\S+ 0 EX_OK\r\n", answer) and re.search(rb"^X-Spam-Flag: YES\r?$", answer, re.M), answer[:300]


@tests.case("James: CHECK 1.2 without a length, TELL 1.2 for both places")
def _():
    line = [x for x in ask("CHECK SPAMC/1.2\nUser: james\n\n", SPAM).split(b"\r\n") if x.startswith(b"Spam:")][0].split(b" ")
    assert (line[1], line[3], line[5]) == (b"True", b"1005.7", b"5.0"), line
    answer = ask("TELL SPAMC/1.2\nMessage-class: spam\nSet: local, remote\nContent-length: %d\nUser: james\n\n" % len(SPAM), SPAM)
    assert answer.startswith(b"SPAMD/1."), answer


@tests.case("hMailServer: PROCESS 1.2, the first line exactly")
def _():
    head, body = split(ask("PROCESS SPAMC/1.2\nContent-length: %d\n\n" % len(SPAM), SPAM))
    assert head[0] == b"SPAMD/1.1 0 EX_OK" and head[1] == b"Content-length: %d" % len(body), head
    assert re.search(rb"^X-Spam-Status: Yes, score=1005\.7", body, re.M)


@tests.case("Postal: REPORT 1.2, the rows of the table")
def _():
    table = split(ask("REPORT SPAMC/1.2\nContent-length: %d\n\n" % len(SPAM), SPAM))[1].split(b"\n")
    rows = [re.match(rb"^([- ]?[\d.]+)\s+(\w+)\s+(.*)", line) for line in table]
    assert any(row and row.group(2) == b"GTUBE" and float(row.group(1)) == 1000 for row in rows), table


@tests.case("Mailpit: REPORT 1.5 and PING 1.5")
def _():
    lines = ask("REPORT SPAMC/1.5\nContent-length: %d\n\n" % len(SPAM), SPAM).decode().split("\n")
    assert re.match(r"(.+)\/(.+) (\d+) (.+)", lines[0].strip()).group(3) == "0", lines[0]
    assert any(re.match(r"^Spam: (.+) ; (.+) . (.+)$", x.strip()) for x in lines)
    assert any(re.match(r"^\s?(-?[0-9\.]+)\s([a-zA-Z0-9_]*)(\W*)(.*)", x) and " GTUBE " in x for x in lines)
    assert ask("PING SPAMC/1.5\n\n") == b"SPAMD/1.5 0 PONG\r\n"


@tests.case("SimpleLogin: REPORT 1.2 with a length in another case; one header line")
def _():
    answer = ask("REPORT SPAMC/1.2\nContent-Length: %d\nUser: x\n\n" % len(SPAM), SPAM)
    match = re.match(rb"SPAMD/[\d.]+ (\d+) \w+\r\n([^\r\n]*)\r\n\r\n", answer)
    assert match and float(match.group(2).split()[3]) == 1005.7, answer[:200]


@tests.case("node-spamassassin-client: length two more, no half-close")
def _():
    text = CRLF.strip() + b"\r\n"
    answer = ask("SYMBOLS SPAMC/1.5\nContent-length: %d\n\n" % len(text), text, False).split(b"\r\n")
    assert re.match(rb"^SPAMD\/([0-9.\-]+)\s([0-9]+)\s([0-9A-Z_]+)", answer[0]), answer
    assert any(re.match(rb"^Spam:\s(True|False)\s;\s(-?[0-9.]+)", x) for x in answer), answer


@tests.case("milter-spamd and Mailutils: SYMBOLS 1.2, with and without a length")
def _():
    for head in ("SYMBOLS SPAMC/1.2\nUser: x\n\n", "SYMBOLS SPAMC/1.2\nContent-length: %d\nUser: x\n\n" % len(SPAM)):
        lines, hits = split(ask(head, SPAM))
        assert lines[1:] == [b"Spam: True ; 1005.7 / 5.0"] and hits == HITS + b"\r\n", (lines, hits)


@tests.case("rspamd: HEADERS 1.5; Synchronet: CHECK 1.2; a monitor: PING 1.2")
def _():
    answer = ask("HEADERS SPAMC/1.5\nContent-length: %d\n\n" % len(SPAM), SPAM)
    assert re.search(rb"X-Spam-Status: \S+, score", answer)
    answer = ask("CHECK SPAMC/1.2\nContent-length: %d\n\n" % len(SPAM), SPAM)
    assert answer.split(b"\r\n")[1].split(b";")[0] == b"Spam: True ", answer
    assert b" 0 PONG" in ask("PING SPAMC/1.2\n")


@tests.case("PHP, Ruby and others: a length with a typing error, lines nobody asked for")
def _():
    for header in ("Content-lenght: %d" % len(SPAM), "Connection: keep-alive\nContent-length: %d" % len(SPAM)):
        answer = ask("PROCESS SPAMC/1.2\n%s\n\n" % header, SPAM + b"\r\n\r\n")
        assert re.match(rb"SPAMD/(\d\.\d) (\d+) (.*)\r\n", answer).group(2) == b"0" and b"X-Spam-Flag: YES" in answer, answer[:200]


tests.main()
