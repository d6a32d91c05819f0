#!/usr/bin/env python3
"""Raw requests and the exact bytes of the answers: what clients other than spamc send and parse."""
import re
import socket
import time
import zlib

from harness import Tests, ask, connect, mail, read_all, request

tests = Tests()
HAM, SPAM = mail("ham"), mail("spam")
PATH = tests.path("socket")
server = tests.spamd([PATH], ["-m", "3"])
server.wait_for(PATH)


def expect(answer, pattern):
    assert re.fullmatch(pattern, answer, re.S), answer[:600]


@tests.case("PING at 1.2 and 1.5")
def _():
    for version in (b"1.2", b"1.5"):
        expect(ask(PATH, b"PING SPAMC/" + version + b"\r\n\r\n"), rb"SPAMD/1\.5 0 PONG\r\n")


@tests.case("CHECK has the Spam line alone")
def _():
    for version in ("1.2", "1.5"):
        expect(ask(PATH, request("CHECK", SPAM, version)), rb"SPAMD/1\.1 0 EX_OK\r\nSpam: True ; 1005\.7 / 5\.0\r\n\r\n")
    expect(ask(PATH, request("CHECK", HAM)), rb"SPAMD/1\.1 0 EX_OK\r\nSpam: False ; -0\.1 / 5\.0\r\n\r\n")


@tests.case("REPORT at 1.2 has one header, as Exim's sscanf wants")
def _():
    expect(ask(PATH, request("REPORT", SPAM, "1.2")), rb"SPAMD/1\.1 0 EX_OK\r\nSpam: True ; 1005\.7 / 5\.0\r\n\r\n.*GTUBE.*")


@tests.case("REPORT and SYMBOLS at 1.3: a true Content-length first")
def _():
    for verb in ("REPORT", "SYMBOLS"):
        answer = ask(PATH, request(verb, SPAM, "1.3"))
        found = re.fullmatch(rb"SPAMD/1\.1 0 EX_OK\r\nContent-length: (\d+)\r\nSpam: True ; 1005\.7 / 5\.0\r\n\r\n(.*)", answer, re.S)
        assert found and int(found[1]) == len(found[2]), answer


@tests.case("SYMBOLS at 1.2 ends with CRLF, at 1.3 without; unknown minor versions are 1.3")
def _():
    assert ask(PATH, request("SYMBOLS", HAM, "1.2")).endswith(b"\r\n\r\nT_BODY_MEETING\r\n")
    for version in ("1.3", "1.9"):
        assert ask(PATH, request("SYMBOLS", HAM, version)).endswith(b"\r\n\r\nT_BODY_MEETING")


@tests.case("PROCESS at 1.2: Content-length, no Spam line; first line as hMailServer wants it")
def _():
    answer = ask(PATH, request("PROCESS", HAM, "1.2"))
    found = re.fullmatch(rb"SPAMD/1\.1 0 EX_OK\r\nContent-length: (\d+)\r\n\r\n(.*)", answer, re.S)
    assert found and int(found[1]) == len(found[2]), answer[:300]


@tests.case("PROCESS at 1.5: both headers; REPORT_IFSPAM says Yes or No")
def _():
    assert re.match(rb"SPAMD/1\.1 0 EX_OK\r\nContent-length: \d+\r\nSpam: False ; -0\.1 / 5\.0\r\n\r\n", ask(PATH, request("PROCESS", HAM)))
    assert b"\r\nSpam: Yes ; 1005.7 / 5.0\r\n" in ask(PATH, request("REPORT_IFSPAM", SPAM))
    expect(ask(PATH, request("REPORT_IFSPAM", HAM)), rb"SPAMD/1\.1 0 EX_OK\r\nContent-length: 0\r\nSpam: No ; -0\.1 / 5\.0\r\n\r\n")


@tests.case("HEADERS without a length, as Haraka streams it")
def _():
    answer = ask(PATH, request("HEADERS", HAM, "1.4", ["User: default"], length=False))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Spam: False ; -0.1 / 5.0" in head and b"X-Spam-Status: No, score=-0.1" in body and b"Regards" not in body


@tests.case("a header in the wrong case is ignored")
def _():
    answer = ask(PATH, b"REPORT SPAMC/1.2\r\nContent-Length: 5\r\n\r\n" + SPAM)
    assert b"1005.7 / 5.0" in answer


@tests.case("exact length without half-close and without final newline is answered")
def _():
    body = HAM.rstrip(b"\n")
    assert b"Spam: False" in ask(PATH, request("CHECK", body), half_close=False, timeout=10)


@tests.case("line ends after the body do no harm")
def _():
    assert b"0 EX_OK" in ask(PATH, request("CHECK", HAM) + b"\r\n\r\n")


@tests.case("a body shorter than its length is refused, not scored")
def _():
    answer = ask(PATH, b"CHECK SPAMC/1.2\r\nContent-length: 9999\r\n\r\n" + HAM)
    assert answer.startswith(b"SPAMD/1.0 76 Bad header line: (Content-Length mismatch: Expected 9999 bytes"), answer
    assert ask(PATH, b"CHECK SPAMC/1.2\r\nContent-length: 20\r\n\r\n" + HAM).startswith(b"SPAMD/1.0 76 ")


@tests.case("LF-only request headers and nonsense are refused with 76")
def _():
    assert ask(PATH, b"CHECK SPAMC/1.2\nUser: x\n\n" + HAM).startswith(b"SPAMD/1.0 76 ")
    assert ask(PATH, b"GET / HTTP/1.0\r\nHost: x\r\n\r\n").startswith(b"SPAMD/1.0 76 ")


@tests.case("fault F37: TELL says that it is not enabled")
def _():
    answer = ask(PATH, request("TELL", HAM, headers=["Message-class: spam", "Set: local"]))
    assert answer.startswith(b"SPAMD/1.0 69 Service Unavailable: TELL commands are not enabled"), answer


@tests.case("fault F37: TELL where it is allowed and nothing learns; Set and Remove of one database")
def _():
    path = tests.path("tell")
    tell = tests.spamd([path], ["-m", "1", "-l"])
    tell.wait_for(path)
    for headers in (["Message-class: spam", "Set: local"], ["Message-class: ham", "Set: local,remote"], ["Remove: local"], []):
        assert ask(path, request("TELL", HAM, headers=headers)) == b"SPAMD/1.1 0 EX_OK\r\n\r\n\r\n", headers
    for name in ("local", "remote"):
        assert ask(path, request("TELL", HAM, headers=["Set: " + name, "Remove: " + name])) == \
            ("SPAMD/1.0 76 Bad header line: Unable to set %s and remove %s in the same operation.\r\n" % (name, name)).encode()
    assert ask(path, request("TELL", HAM, headers=["Set: local"]).replace(b"Content-length: ", b"Content-length: 1")).startswith(b"SPAMD/1.0 76 ")
    assert b"Tell: Did nothing for (unknown):" in tell.log().encode()


@tests.case("a compressed message, and a broken one")
def _():
    packed = zlib.compress(SPAM)
    assert b"Spam: True ; 1005.7" in ask(PATH, request("CHECK", packed, headers=["Compress: zlib"]))
    assert ask(PATH, request("CHECK", packed[:40], headers=["Compress: zlib"])).startswith(b"SPAMD/1.0 69 ")


@tests.case("a request in single bytes, and one beside idle clients")
def _():
    idle = [connect(PATH) for _ in range(50)]
    with connect(PATH) as s:
        for byte in request("CHECK", HAM[:300]):
            s.sendall(bytes([byte]))
        s.shutdown(socket.SHUT_WR)
        assert b"0 EX_OK" in read_all(s)
    for s in idle:
        s.close()


@tests.case("the log has the line that log readers parse")
def _():
    ask(PATH, request("CHECK", SPAM, headers=["User: ben"]))
    deadline = time.monotonic() + 5
    line = r"result: Y 1005 - GTUBE,T_META,T_SUBJECT_OFFER,T_URI_EXAMPLE scantime=\d+\.\d,size=%d,user=ben,uid=\d+,required_score=5\.0,rhost=\S+,raddr=\S+,rport=\S+,mid=<1@bulk\.example\.com>,autolearn=" % len(SPAM)
    while time.monotonic() < deadline and not re.search(line, server.log()):
        time.sleep(0.05)
    assert re.search(line, server.log()), server.log()[-1500:]


@tests.case("no line of a message reaches the log as a line of its own")
def _():
    ask(PATH, request("CHECK", b"Message-ID: <a\x01\x1bb>\n\nx\n", headers=["User: x\tspamd: result: Y 99"]))
    assert "\x1b" not in server.log()


tests.main()
