#!/usr/bin/env python3
"""--metrics-listen: Prometheus text over HTTP that agrees with what was sent; and the JSON verdict."""
import json
import re
import signal
import threading
import time

from harness import Tests, ask, connect, free_port, has_ipv6, mail, patience, read_all, request

tests = Tests()
HAM, SPAM = mail("ham"), mail("spam")
PATH, METRICS_PATH = tests.path("socket"), tests.path("metrics")
PORT, PORT6 = free_port(), free_port()
LISTEN = ["--metrics-listen", "127.0.0.1:%d,%s" % (PORT, METRICS_PATH)]
if has_ipv6():
    LISTEN += ["--metrics-listen", "[::1]:%d" % PORT6]
server = tests.spamd([PATH], ["-m", "2", "--min-children", "2", "--timeout-tcp", "2"] + LISTEN)
server.wait_for(PATH)


def http(address, text=b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"):
    """(status line, headers, body)"""
    head, _, body = ask(address, text, half_close=False).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    return lines[0], dict(x.split(": ", 1) for x in lines[1:]), body.decode()


def figures(address=("127.0.0.1", PORT)):
    status, headers, body = http(address)
    assert status == "HTTP/1.1 200 OK" and headers["Content-Type"].startswith("text/plain; version=0.0.4"), (status, headers)
    assert int(headers["Content-Length"]) == len(body)
    found = {}
    for line in body.splitlines():
        if not line.startswith("#"):
            match = re.fullmatch(r'([a-z_]+(?:\{[a-z]+="[^"]*"(?:,[a-z]+="[^"]*")*\})?) (\S+)', line)
            assert match and match.group(1) not in found, line
            found[match.group(1)] = float(match.group(2))
    return found


def wait_metrics(address):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            return figures(address)
        except OSError:
            time.sleep(0.1)
    raise AssertionError("no metrics on %r" % (address,))


@tests.case("IPv4, IPv6 and Unix: the same figures; they agree with what was sent")
def _():
    before = wait_metrics(("127.0.0.1", PORT))
    for _ in range(5):
        ask(PATH, request("CHECK", HAM))
    for _ in range(3):
        ask(PATH, request("REPORT", SPAM))
    ask(PATH, b"NONSENSE SPAMC/1.5\r\n\r\n")
    after = figures()

    def grown(name):
        return after.get(name, 0) - before.get(name, 0)
    assert grown('spamd_messages_total{verdict="ham"}') == 5, after
    assert grown('spamd_messages_total{verdict="spam"}') == 3, after
    assert grown("spamd_message_bytes_total") == 5 * len(HAM) + 3 * len(SPAM), after
    assert grown("spamd_scan_seconds_count") == 8 and grown('spamd_scan_seconds_bucket{le="+Inf"}') == 8, after
    assert grown("spamd_errors_total") == 1, after
    assert grown("spamd_connections_total") == 9, after
    # a worker is busy until it comes round after its answer
    assert after['spamd_workers{state="idle"}'] + after['spamd_workers{state="busy"}'] == 2, after
    hits = {k: v for k, v in after.items() if k.startswith("spamd_rule_hits_total")}
    assert hits and max(hits.values()) <= 8 and list(hits.values()) == sorted(hits.values(), reverse=True), hits
    assert figures(METRICS_PATH)["spamd_message_bytes_total"] == after["spamd_message_bytes_total"]
    if has_ipv6():
        assert figures(("::1", PORT6))["spamd_message_bytes_total"] == after["spamd_message_bytes_total"]


@tests.case("buckets never sink; the sum of a histogram is its count")
def _():
    values = [v for k, v in figures().items() if k.startswith("spamd_scan_seconds_bucket")]
    assert values == sorted(values) and values[-1] == figures()["spamd_scan_seconds_count"], values


@tests.case("other paths and methods, HEAD, nonsense, nothing at all")
def _():
    address = ("127.0.0.1", PORT)
    assert http(address, b"GET /other HTTP/1.0\r\n\r\n")[0] == "HTTP/1.1 404 Not Found"
    assert http(address, b"POST /metrics HTTP/1.1\r\n\r\n")[0] == "HTTP/1.1 405 Method Not Allowed"
    status, headers, body = http(address, b"HEAD /metrics HTTP/1.1\r\n\r\n")
    assert status == "HTTP/1.1 200 OK" and body == "" and int(headers["Content-Length"]) > 100
    assert ask(address, b"") == b""


@tests.case("mail goes on while clients of the metrics say nothing, and they are dropped")
def _():
    with connect(("127.0.0.1", PORT)) as silent:
        begun = time.monotonic()
        assert ask(PATH, request("CHECK", HAM)).startswith(b"SPAMD/1.1 0 EX_OK")
        assert time.monotonic() - begun < patience(1)
        assert silent.recv(10) == b"" and time.monotonic() - begun < patience(5)
    figures()


@tests.case("a client that does not send its request counts as a timeout")
def _():
    before = figures()["spamd_timeouts_total"]
    with connect(PATH) as s:
        assert b"Timeout" in read_all(s)
    assert figures()["spamd_timeouts_total"] == before + 1


@tests.case("figures outlive workers, and SIGHUP counts as a reload")
def _():
    before = figures()
    server.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 10
    after = {}
    while time.monotonic() < deadline and after.get("spamd_reloads_total") != 1:
        time.sleep(0.2)
        after = wait_metrics(("127.0.0.1", PORT))
    assert after["spamd_reloads_total"] == 1
    assert after["spamd_scan_seconds_count"] == before["spamd_scan_seconds_count"]
    ask(PATH, request("CHECK", SPAM))
    assert any(k.startswith("spamd_rule_hits_total") for k in figures())


@tests.case("16 threads, 400 messages: none is lost in the figures")
def _():
    before = figures()["spamd_scan_seconds_count"]
    threads = [threading.Thread(target=lambda: [ask(PATH, request("CHECK", HAM)) for _ in range(25)]) for _ in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert figures()["spamd_scan_seconds_count"] == before + 400


@tests.case("JSON verdict: agrees with SYMBOLS and the Spam header")
def _():
    for verb in ("CHECK", "PROCESS"):
        for message in (HAM, SPAM):
            head, _, body = ask(PATH, request(verb, message, headers=["Verdict: json"])).partition(b"\r\n\r\n")
            verdict = json.loads(body)
            assert b"Content-type: application/json" in head and ("Content-length: %d" % len(body)).encode() in head, head
            names = ask(PATH, request("SYMBOLS", message)).partition(b"\r\n\r\n")[2].decode()
            assert sorted(h["name"] for h in verdict["hits"] for _ in range(h["count"])) == sorted(x for x in names.split(",") if x)
            assert verdict["spam"] == (message is SPAM) and verdict["bytes"] == len(message) and verdict["format"] == 1
            assert abs(sum(h["score"] * h["count"] for h in verdict["hits"]) - verdict["score"]) < 0.002, verdict
            spam = re.search(rb"Spam: (\w+) ; (\S+) / (\S+)", head)
            assert (spam.group(2).decode(), spam.group(3).decode()) == (verdict["score_text"], verdict["required_text"])


@tests.case("JSON of bytes that are no UTF-8 is valid all the same; other values of the header change nothing")
def _():
    odd = b"Message-ID: <\xff\xfe\"\\\x01>\nReceived: from a\xe9\xf1 (h\xc3\x28 [192.0.2.9]) by b; Mon, 1 Jan 2024 00:00:00 +0000\nSubject: \xc3\xa9\n\nx\xed\xa0\x80\n"
    body = ask(PATH, request("CHECK", odd, headers=["Verdict: json"])).partition(b"\r\n\r\n")[2]
    json.loads(body.decode("utf-8"))
    plain = ask(PATH, request("CHECK", HAM))
    assert ask(PATH, request("CHECK", HAM, headers=["Verdict: yaml"])) == plain


@tests.case("the JSON verdict says what was not looked at: parts, headers, patterns")
def _():
    path = tests.path("limits")
    wild = tests.spamd([path], ["-m", "1", "--cf", "rawbody T_WILD /^(?:a|aa|a{3})+(b)c\\1d$/m"])
    wild.wait_for(path)

    def limits(message):
        answer = ask(path, request("CHECK", message, headers=["Verdict: json"]), timeout=120)
        return {name for name, hit in json.loads(answer.partition(b"\r\n\r\n")[2])["limits"].items() if hit}
    head = b"From: a@example.com\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
    assert limits(HAM) == set()
    assert limits(head + b"--b\n\nx\n" * 1100 + b"--b--\n") == {"parts"}
    assert limits(b"X-Long: " + b"y " * 100000 + b"\n" + HAM) == {"headers"}
    assert limits(SPAM + b"\n" + b"a" * 60 + b"bcxd\n") == {"match"}


tests.main()
