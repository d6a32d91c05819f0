#!/usr/bin/env python3
"""The resolver before good and bad name servers, and messages that wait for DNS (faults F13-F16)."""
import os
import re
import socket
import struct
import subprocess
import threading
import time

from fakedns import A, AAAA, CNAME, FakeDns, MX, NS, SOA, TXT, record, txt, wire
from harness import BUILD, Skip, Tests, ask, free_port, has_ipv6, request

tests = Tests()
ZONE = {
    ("text.test", TXT): [txt("v=spf1 -all"), b"\x03one\x04two!", b"\x04\xff\xe4\xb8c"],
    ("mx.test", MX): [b"\0\x0a" + wire("MX.Example.test")],
    ("ns.test", NS): [wire("a b.c(d).test")],
    ("six.test", AAAA): [socket.inet_pton(socket.AF_INET6, "2001:db8::1")],
    ("soa.test", SOA): [wire("ns.test") + wire("root.test") + bytes(19) + b"\x05"],
    ("odd.test", 65): [b"\0\1\2"],
}
world, plain = FakeDns(), FakeDns(zone=ZONE)
DNSASK = os.path.join(BUILD, "t", "e2e", "dnsask")


def dnsask(names, *options, server=world, timeout=60):
    """{name: rest of its line}, last line, seconds"""
    begun = time.monotonic()
    out = subprocess.run([DNSASK, "-s", server if isinstance(server, str) else server.server] + list(options) + names,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout).stdout
    assert b'-- ' in out, out[-3000:]
    lines = out.decode("latin1").splitlines()
    last = next(line for line in lines if line.startswith("-- "))
    return {line.split(" ", 1)[0]: line.split(" ", 1)[1] for line in lines[:lines.index(last)]}, last, time.monotonic() - begun


def expect(found, wanted):
    for name, text in wanted.items():
        assert found.get(name) == text, "%s: got %r, wanted %r" % (name, found.get(name), text)


HIT = "answered NOERROR [%s 60 A 127.0.0.2]"


@tests.case("records as text, as Net::DNS prints them")
def records():
    found, _, _ = dnsask(["text.test/TXT", "mx.test/MX", "ns.test/NS", "six.test/AAAA", "soa.test/SOA", "odd.test/TYPE65",
                          "none.test/A"], server=plain)
    expect(found, {
        "text.test/TXT": "answered NOERROR [text.test 60 TXT v=spf1 -all] [text.test 60 TXT onetwo!] "
                         "[text.test 60 TXT \xef\xbf\xbd\xef\xbf\xbdc]",
        "mx.test/MX": "answered NOERROR [mx.test 60 MX 10 MX.Example.test]",
        "ns.test/NS": "answered NOERROR [ns.test 60 NS a\\032b.c\\(d\\).test]",
        "six.test/AAAA": "answered NOERROR [six.test 60 AAAA 2001:db8::1]",
        "soa.test/SOA": "answered NOERROR [soa.test 60 SOA ns.test root.test 0 0 0 0 5]",
        "odd.test/TYPE65": "answered NOERROR [odd.test 60 TYPE65 \\# 3 000102]",
        "none.test/A": "answered NOERROR"})


@tests.case("answers that say no, late, twice, authenticated, truncated")
def kinds():
    found, _, _ = dnsask(["x.nxdomain.test/A", "x.servfail.test/A", "x.refused.test/A", "x.slow300.test/A", "x.ad.test/A",
                          "x.twice.test/A", "x.tc.test/A", "x.big.test/TXT"])
    expect(found, {
        "x.nxdomain.test/A": "answered NXDOMAIN", "x.servfail.test/A": "answered SERVFAIL",
        "x.refused.test/A": "answered REFUSED", "x.slow300.test/A": HIT % "x.slow300.test",
        "x.ad.test/A": "answered NOERROR AD [x.ad.test 60 A 127.0.0.2]", "x.twice.test/A": HIT % "x.twice.test",
        "x.tc.test/A": HIT % "x.tc.test", "x.big.test/TXT": "answered NOERROR [x.big.test 60 TXT %s]" % ("x" * 60000)})


@tests.case("F15: lies are no answers: id, name, type, source port, no question, garbage")
def lies():
    names = ["wrongid", "wrongname", "wrongtype", "wrongsource", "noquestion"]
    found, last, seconds = dnsask(["x.%s.test/A" % n for n in names] + ["x.liesfirst.test/A"], "-t", "2500")
    expect(found, {"x.liesfirst.test/A": HIT % "x.liesfirst.test"})
    assert len(found) == 1 and seconds < 10, (found, last)


@tests.case("F15: thousands of guesses before the answer: none is believed")
def flood():
    found, _, seconds = dnsask(["x%d.flood.test/A" % i for i in range(5)])
    expect(found, {"x%d.flood.test/A" % i: HIT % ("x%d.flood.test" % i) for i in range(5)})
    assert seconds < 30, seconds


@tests.case("F15: loops, chains, broken and huge answers do no harm")
def hostile():
    found, _, _ = dnsask(["x.loop.test/A", "x.cnames.test/A", "x.short.test/A", "x.lots.test/A"], "-t", "3000")
    assert "127.0.0.2" not in found["x.short.test/A"], found["x.short.test/A"]
    assert found["x.cnames.test/A"].count("CNAME") == 101, found["x.cnames.test/A"]
    assert found["x.loop.test/A"] == "answered NOERROR", found["x.loop.test/A"]
    assert 256 <= found["x.lots.test/A"].count(" A ") <= 3900
    dnsask(["x%d.garbage.test/A" % i for i in range(500)], "-t", "1000")


@tests.case("F13: a port where nobody listens fails fast; silence ends in time")
def dead():
    found, _, seconds = dnsask(["x%d.test/A" % i for i in range(20)], server="127.0.0.1:%d" % free_port())
    failed = sum(x.startswith("failed") for x in found.values())  # a refusal may come late: then one or two wait in vain
    assert len(found) == 20 and failed >= 15 and seconds < 20, (found, seconds)
    found, last, seconds = dnsask(["x%d.mute.test/A" % i for i in range(20)], "-t", "20000")
    assert len(found) == 20 and all(x.startswith("timeout") for x in found.values()), last
    assert 10 < seconds < 19, seconds


@tests.case("F14: half of the packets lost: all questions are answered all the same")
def lossy():
    found, last, seconds = dnsask(["x%d.lossy.test/A" % i for i in range(100)])
    good = sum(x.startswith("answered") for x in found.values())
    assert good >= 85 and seconds < 30, (good, last)


@tests.case("F16: TCP that hangs ends by the deadline, the rest is answered")
def hanging():
    found, _, seconds = dnsask(["x.tc.hang.test/A", "y.tc.test/A"], "-t", "3000")
    expect(found, {"y.tc.test/A": HIT % "y.tc.test"})
    assert not found.get("x.tc.hang.test/A", "").startswith("answered") and seconds < 8, (found, seconds)


@tests.case("F16: everything is truncated and TCP resets: an end by the deadline; what TCP gives counts")
def resetting():
    found, _, seconds = dnsask(["y%d.tc.test/A" % i for i in range(100)])
    expect(found, {"y%d.tc.test/A" % i: HIT % ("y%d.tc.test" % i) for i in range(100)})
    found, _, seconds = dnsask(["x%d.tc.reset.test/A" % i for i in range(10)], "-t", "15000")
    assert not any(found.get("x%d.tc.reset.test/A" % i, "").startswith("answered") for i in range(10)) and seconds < 25, (found, seconds)


@tests.case("50 lookups of 100 ms each take about 100 ms")
def parallel():
    _, last, _ = dnsask(["x%d.slow100.test/A" % i for i in range(50)])
    ms = int(last.split(" ms")[0].rsplit(" ", 1)[1])
    assert 95 <= ms < 1000, last


@tests.case("equal questions in flight are asked once")
def shared():
    found, last, _ = dnsask(["same.slow200.test/A", "SAME.slow200.test/A", "same.slow200.test/TXT"])
    assert "asked 2" in last and "shared 1" in last and len(found) == 3, last


@tests.case("dns0x20: letters of other case are no answer, the same are")
def mixed_case():
    found, last, _ = dnsask(["abcdefghijklmnop.test/A", "abcdefghijklmnop.othercase.test/A"], "-x", "-t", "3000")
    assert "127.0.0.2" in found["abcdefghijklmnop.test/A"], found
    assert not found.get("abcdefghijklmnop.othercase.test/A", "").startswith("answered"), found
    assert "lied 0" not in last, last


@tests.case("local ports as configured; without EDNS")
def ports():
    port = free_port()
    found, _, _ = dnsask(["p.test/A"], "-p", str(port), "-e", "0")
    expect(found, {"p.test/A": HIT % "p.test"})


@tests.case("a server with an IPv6 address")
def ipv6():
    if not has_ipv6():
        raise Skip("no IPv6 here")
    found, _, _ = dnsask(["six.test/A", "six.tc.test/A"], server=FakeDns("::1"))
    expect(found, {"six.test/A": HIT % "six.test", "six.tc.test/A": HIT % "six.tc.test"})


@tests.case("the second server answers when the first is silent")
def failover():
    mute = FakeDns()
    mute.mute = True
    found, _, seconds = dnsask(["second.test/A"], "-s", world.server, server=mute)
    expect(found, {"second.test/A": HIT % "second.test"})
    assert seconds < 5


@tests.case("200 questions at once: the second server answers them when nobody listens at the first")
def refused():
    names = ["r%d.test/A" % i for i in range(200)]
    found, _, seconds = dnsask(names, "-s", world.server, server="127.0.0.1:%d" % free_port())
    expect(found, {name: HIT % name[:-2] for name in names})
    assert seconds < 20, seconds


# ---- messages ----

def rules(name, text):
    directory = tests.path(name)
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "local.cf"), "w") as f:
        f.write(text)
    return directory


SPF = """loadplugin Mail::SpamAssassin::Plugin::SPF
dns_server %s
header T_PASS eval:check_for_spf_pass()
tflags T_PASS net
score T_PASS 1
meta T_NOT !T_PASS
score T_NOT 2
%s
"""


def message(domain):
    return ("Return-Path: <a@%s>\r\nReceived: from h.example (h.example [192.0.2.1]) by mx.example; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
            "From: a@%s\r\nTo: b@example.org\r\nSubject: x\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n"
            "Message-ID: <%s@x>\r\n\r\nhello\r\n" % (domain, domain, domain)).encode()


class SpfDns(FakeDns):
    """Every name has an SPF record that lets everybody pass."""

    def reply(self, packet, is_tcp):
        name, kind, _ = self.parse(packet)
        self.zone = {(name.lower(), TXT): [txt("v=spf1 +all")], (name.lower(), A): [b"\x7f\0\0\x01"]}
        return super().reply(packet, is_tcp)


def spamassassin(text, domain, *options, program=os.path.join(BUILD, "cmd", "spamassassin")):
    """(names of rules, what it said)"""
    site, empty = rules("site.d", text), rules("empty.d", "")
    done = subprocess.run([program, "-x", "-C", empty, "--siteconfigpath", site] + list(options), input=message(domain),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    found = re.search(rb"^X-Spam-Rules: (.*)$", done.stdout, re.M)
    assert found, (done.stdout[:300], done.stderr[-1000:])
    return set(found.group(1).decode().strip().split(",")), done.stderr.decode()


TEXT = """loadplugin Mail::SpamAssassin::Plugin::Check
loadplugin Mail::SpamAssassin::Plugin::DNSEval
loadplugin Mail::SpamAssassin::Plugin::SPF
dns_available yes
use_bayes 0
clear_headers
report_safe 0
fold_headers 0
add_header all Rules _TESTS(,)_
%s
"""


@tests.case("-4 and -6: only name servers of that family are asked; without one there are no network tests")
def families():
    if not has_ipv6():
        raise Skip("no IPv6 here")
    four, six = SpfDns(), SpfDns("::1")
    text = TEXT % ("dns_server %s\ndns_server %s\nheader PASS eval:check_for_spf_pass()\nbody ANY /hello/" % (four.server, six.server))
    for option, asked, silent in (("-4", four, six), ("-6", six, four), ("--ipv4", four, six)):
        before = asked.count("x.test"), silent.count("x.test")
        found, said = spamassassin(text, "x.test", option)
        assert found == {"PASS", "ANY"} and not said, (option, found, said)
        assert asked.count("x.test") > before[0] and silent.count("x.test") == before[1], option
    found, said = spamassassin(TEXT % ("dns_server %s\nbody ANY /hello/\nheader PASS eval:check_for_spf_pass()" % four.server),
                               "x.test", "-6")
    assert found == {"ANY"} and "no name server has an IPv6 address" in said, (found, said)


class Authority(FakeDns):
    """Says who is responsible for shady.test, and lists that host."""

    def reply(self, packet, is_tcp):
        name, kind, question = self.parse(packet)
        self.asked.append((name.lower(), kind, is_tcp))
        ident, records, authority = int.from_bytes(packet[:2], "big"), [], b""
        if kind == NS:
            authority = record(SOA, wire("ns.evil.test") + wire("root.test") + bytes(20))
        elif name.lower() == "ns.evil.test.list.test":
            records = [record(A, b"\x7f\0\0\x04")]
        return [(0, self.packet(ident, question, records, authority=authority), False)]


@tests.case("check_rbl_ns_from: the server that is responsible for the sender's domain is on a list")
def responsible():
    text = TEXT % ("dns_server %s\nheader NS_FROM eval:check_rbl_ns_from('nsf', 'list.test.')\ntflags NS_FROM net\n"
                   "header NS_SUB eval:check_rbl_ns_from('nss', 'list.test.', '^127\\.0\\.0\\.4$')\ntflags NS_SUB net\n"
                   "header NS_OTHER eval:check_rbl_ns_from('nso', 'list.test.', '^127\\.0\\.0\\.9$')\ntflags NS_OTHER net\n")
    for program in (os.path.join(BUILD, "cmd", "spamassassin"), "/usr/bin/spamassassin"):
        dns = Authority()
        if os.access(program, os.X_OK):
            found, said = spamassassin(text % dns.server, "shady.test", program=program)
            assert found == {"NS_FROM", "NS_SUB"}, (program, found, said)
            assert dns.count("ns.evil.test.list.test") == 1, (program, dns.asked)


class Counted(SpfDns):
    """With a TTL of its own; where no.test is in the name nothing is there."""

    def __init__(self, ttl):
        self.ttl = ttl
        super().__init__()

    def packet(self, ident, question, records, flags=0, rcode=0, authority=b""):
        name = self.parse(b"\0" * 12 + question)[0]
        records = [r[:6] + struct.pack("!I", self.ttl) + r[10:] for r in records]
        if name.endswith("no.test"):
            soa = wire("ns.test") + wire("root.test") + struct.pack("!5I", 1, 2, 3, 4, self.ttl)
            records, rcode, authority = [], 3, record(SOA, soa, ttl=self.ttl)
        return super().packet(ident, question, records, flags, rcode, authority)


@tests.case("dns_cache_megabytes: what one worker asked no other asks, as long as its TTL; without it each asks")
def cached():
    for text, ttl, times in (("dns_cache_megabytes 1", 3600, 1), ("", 3600, 6), ("dns_cache_megabytes 1", 0, 6)):
        dns, path = Counted(ttl), tests.path("cache%d%s" % (ttl, bool(text)))
        server = tests.spamd([path], ["-m", "2", "--min-children", "2", "--max-conn-per-child", "1"], local=False,
                             rules=rules("cache.d", SPF % (dns.server, text)))
        server.wait_for(path)
        for _ in range(6):
            for domain, rule in (("same.test", b"T_PASS"), ("no.test", b"T_NOT")):
                answer = ask(path, request("SYMBOLS", message(domain)))
                assert answer.endswith(rule), answer
        assert dns.count("same.test") == dns.count("no.test") == times, (text, ttl, dns.asked)
        tests.ends.remove(server)
        server.stop()
    dns, path = Counted(1), tests.path("short")
    server = tests.spamd([path], ["-m", "1"], local=False, rules=rules("cache.d", SPF % (dns.server, "dns_cache_megabytes 1")))
    server.wait_for(path)
    for _ in range(2):
        ask(path, request("SYMBOLS", message("same.test")))
        time.sleep(1.1)
    ask(path, request("SYMBOLS", message("same.test")))
    assert dns.count("same.test") == 3, dns.asked


@tests.case("F14: an answer that comes after the message's end is nobody's")
def late():
    dns, path = FakeDns(), tests.path("late")
    server = tests.spamd([path], ["-m", "1"], local=False, rules=rules("late.d", """
loadplugin Mail::SpamAssassin::Plugin::DNSEval
dns_server %s
util_rb_tld example test
rbl_timeout 1 1
header LATE eval:check_rbl_envfrom('l', 'slow1500.test.')
tflags LATE net
header SOON eval:check_rbl_envfrom('s', 'soon.test.')
tflags SOON net
""" % dns.server))
    server.wait_for(path)
    for number in range(4):
        answer = ask(path, request("SYMBOLS", message("m%d.example" % number)))
        assert answer.endswith(b"\r\n\r\nSOON"), answer
    time.sleep(1.5)
    assert b"PONG" in ask(path, b"PING SPAMC/1.5\r\n\r\n")
    assert dns.count("slow1500.test") >= 4, dns.asked


@tests.case("200 messages to 2 workers, every answer after 500 ms: all done in about a second")
def many():
    dns, path = SpfDns(), tests.path("many")
    server = tests.spamd([path], ["-m", "2", "--min-children", "2"], local=False, rules=rules("many.d", SPF % (dns.server, "")))
    server.wait_for(path)
    answers = []

    def one(i):
        answers.append(ask(path, request("SYMBOLS", message("m%d.slow500.test" % i)), timeout=60))

    threads = [threading.Thread(target=one, args=(i,)) for i in range(200)]
    begun = time.monotonic()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    seconds = time.monotonic() - begun
    good = sum(b"T_PASS" in a and b"T_NOT" not in a for a in answers)
    print("# 200 messages in %.2f s" % seconds)
    assert good == 200, (good, answers[0])
    assert 0.5 <= seconds < 5, seconds


@tests.case("F13, rbl_timeout: a silent server costs that long and no more; metas see a rule that did not hit")
def silent():
    dns, path = FakeDns(), tests.path("silent")
    dns.mute = True
    server = tests.spamd([path], ["-m", "1"], local=False,
                         rules=rules("silent.d", SPF % (dns.server, "rbl_timeout 1 1\nspf_timeout 1\n")))
    server.wait_for(path)
    begun = time.monotonic()
    answer = ask(path, request("SYMBOLS", message("x.test")), timeout=60)
    seconds = time.monotonic() - begun
    assert b"T_NOT" in answer and b"T_PASS" not in answer, answer
    assert seconds < 6, seconds
    assert b"PONG" in ask(path, b"PING SPAMC/1.5\r\n\r\n")


@tests.case("dns_available test: no DNS where no name server answers, DNS where one does")
def available():
    dns, gone = SpfDns(), FakeDns()
    gone.mute = True
    for name, server, hit in (("yes", dns, b"T_PASS"), ("no", gone, b"T_NOT")):
        path = tests.path("test-" + name)
        spamd = tests.spamd([path], ["-m", "1"], local=False,
                            rules=rules("test-%s.d" % name, SPF % (server.server, "dns_available test: a.slow10.test\n")))
        spamd.wait_for(path)
        answer = ask(path, request("SYMBOLS", message("x.test")), timeout=60)
        assert hit in answer, (name, answer)


@tests.case("dns_query_restriction: what is denied is not asked")
def restricted():
    dns, path = SpfDns(), tests.path("restricted")
    server = tests.spamd([path], ["-m", "1"], local=False, rules=rules(
        "restricted.d", SPF % (dns.server, "dns_query_restriction deny test\ndns_query_restriction allow good.test\n")))
    server.wait_for(path)
    assert b"T_PASS" not in ask(path, request("SYMBOLS", message("x.bad.test")))
    assert b"T_PASS" in ask(path, request("SYMBOLS", message("x.good.test")))
    assert dns.count("bad.test") == 0 and dns.count("good.test") > 0



@tests.case("dns_block_rule: a list that says we are blocked is left alone; one log line, one metric")
def blocked():
    dns, path, port = FakeDns(zone={("1.2.0.192.bl.test", A): [b"\x7f\xff\xff\xfe"]}), tests.path("blocked"), free_port()
    server = tests.spamd([path], ["-m", "1", "--metrics-listen", "127.0.0.1:%d" % port], local=False, rules=rules(
        "blocked.d", """loadplugin Mail::SpamAssassin::Plugin::DNSEval
dns_server %s
clear_trusted_networks
trusted_networks 198.51.100.0/24
header T_BLOCKED eval:check_rbl('x', 'bl.test.', '^127\\.255\\.255\\.254$')
tflags T_BLOCKED net
score T_BLOCKED 0.001
header T_OTHER eval:check_rbl('y', 'good.test.')
tflags T_OTHER net
dns_block_rule T_BLOCKED bl.test
""" % dns.server))
    server.wait_for(path)
    assert b"T_BLOCKED" in ask(path, request("SYMBOLS", message("x.test")))
    for _ in range(3):
        assert b"T_BLOCKED" not in ask(path, request("SYMBOLS", message("x.test")))
    assert dns.count("bl.test") == 1 and dns.count("good.test") == 4, dns.asked
    assert server.log().count("dns_block_rule T_BLOCKED hit: bl.test") == 1, server.log()
    body = ask(("127.0.0.1", port), b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", half_close=False)
    assert b"\nspamd_dns_blocked_total 1\n" in body and b"\nspamd_dns_questions_total 5\n" in body, body


tests.main()
