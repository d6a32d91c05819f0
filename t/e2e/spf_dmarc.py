#!/usr/bin/env python3
"""SPF and DMARC through a spamd that asks a name server of the test's own.

t/vectors/spf_dmarc.json.gz: odd records, relays, senders and authors, with the rules that SpamAssassin 4.0.1 hits.
"""
import concurrent.futures
import gzip
import json
import os
import re
import socket
import struct
import time

from fakedns import AAAA, MX, NS, TXT, A, FakeDns, txt, wire
from harness import SOURCE, Spamd, Tests, ask, free_port, request

PTR = 12
TYPES = {"A": A, "AAAA": AAAA, "MX": MX, "NS": NS, "PTR": PTR, "TXT": TXT}
SUFFIXES = "/usr/share/publicsuffix/public_suffix_list.dat"

RESULTS = ["pass", "neutral", "none", "fail", "softfail", "permerror", "temperror"]
RULES = """
loadplugin Mail::SpamAssassin::Plugin::SPF
loadplugin Mail::SpamAssassin::Plugin::DKIM
loadplugin Mail::SpamAssassin::Plugin::DMARC
full DKIM_SIGNED eval:check_dkim_signed()
header DMARC_PASS eval:check_dmarc_pass()
header DMARC_REJECT eval:check_dmarc_reject()
header DMARC_QUAR eval:check_dmarc_quarantine()
header DMARC_NONE eval:check_dmarc_none()
header DMARC_MISSING eval:check_dmarc_missing()
header NO_ENVFROM eval:check_spf_skipped_noenvfrom()
header WELCOME eval:check_for_spf_welcomelist_from()
welcomelist_from_spf *@welcome.example
report_safe 0
add_header all Results mfrom=_SPFMFROM_,_SPFMFROMDNSSEC_ helo=_SPFHELO_,_SPFHELODNSSEC_ dmarc=_DMARC_,_DMARCPOLICY_,_DMARCDNSSEC_
""" + "".join("header %sSPF_%s%s eval:check_for_spf_%s%s()\n" % (
    "T_" if "error" in r else "", prefix.upper(), r.upper(), prefix, r) for r in RESULTS for prefix in ("", "helo_"))


def rdata(kind, value):
    if kind == A:
        return socket.inet_aton(value)
    if kind == AAAA:
        return socket.inet_pton(socket.AF_INET6, value)
    if kind == TXT:
        return txt(value)
    if kind == MX:
        preference, name = value.split()
        return struct.pack("!H", int(preference)) + wire(name)
    return wire(value)


class World(FakeDns):
    """Answers from the table; rcode 2 and the like with it; other names do not exist."""

    def __init__(self, rows):
        self.rcodes = {(name, TYPES[kind]): rcode for name, kind, rcode, _ in rows}
        self.secure, self.delay = set(), {}
        super().__init__(zone={(name, TYPES[kind]): [rdata(TYPES[kind], v) for v in values]
                               for name, kind, _, values in rows})

    def add(self, name, kind, *values):
        self.zone[(name, kind)] = [rdata(kind, v) for v in values]
        self.rcodes[(name, kind)] = 0

    def packet(self, ident, question, records, flags=0, rcode=0, authority=b""):
        name, kind, _ = self.parse(b"\0" * 12 + question)
        rcode = self.rcodes.get((name.lower(), kind), 3)
        flags |= 0x20 if name.lower() in self.secure else 0
        return super().packet(ident, question, records, flags, rcode, authority)

    def reply(self, packet, is_tcp):
        delay = self.delay.get(self.parse(packet)[0].lower(), 0)
        return [] if delay is None else [(delay or d, data, liar) for d, data, liar in super().reply(packet, is_tcp)]


tests = Tests()
with gzip.open(os.path.join(SOURCE, "t", "vectors", "spf_dmarc.json.gz")) as f:
    vectors = json.load(f)
world = World(vectors["zone"])
state = {}


def spamd():
    if "spamd" not in state:
        rules = os.path.join(tests.directory, "rules")
        os.makedirs(rules, exist_ok=True)
        with open(os.path.join(rules, "10_rules.cf"), "w") as f:
            f.write(RULES + "dns_server 127.0.0.1:%d\n" % world.port)
        state["address"] = ("127.0.0.1", free_port())
        state["spamd"] = Spamd(tests.directory, ["127.0.0.1:%d" % state["address"][1]], rules=rules, local=False)
        tests.ends.append(state["spamd"])
        state["spamd"].wait_for(state["address"])
    return state["address"]


def hits(message):
    answer = ask(spamd(), request("SYMBOLS", message.encode("latin1")), timeout=60).decode("latin1")
    return set(answer.split("\r\n\r\n", 1)[1].strip().split(","))


def results(message):
    answer = ask(spamd(), request("HEADERS", message.encode("latin1")), timeout=60).decode("latin1")
    return dict(x.split("=") for x in re.search(r"X-Spam-Results: ((?:.|\r?\n[ \t])*)", answer)[1].split())


def mail(domain, ip="192.0.2.3", helo="helo.example"):
    return ("Return-Path: <u@%s>\nReceived: from %s (%s [%s]) by mx.test (Postfix) with ESMTP id abc\n"
            "\tfor <a@b.test>; Mon, 1 Jan 2024 00:00:00 +0000\nFrom: u@%s\nSubject: x\n\nhi\n" % (domain, helo, helo, ip, domain))


@tests.case("odd records, relays and authors: the rules that the reference hits")
def vectors_hold():
    wanted = r"(T_)?SPF_" + ("|DMARC_" if os.path.exists(SUFFIXES) else "")
    bad = []

    def one(row):
        message, expected = row
        found = {x for x in hits(message) if re.match(wanted, x)}
        return found, {x for x in expected if re.match(wanted, x)}

    spamd()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for number, (found, expected) in enumerate(pool.map(one, vectors["messages"])):
            if found != expected:
                bad.append("%d: %s instead of %s" % (number, sorted(found), sorted(expected)))
    assert not bad, "%d of %d differ\n%s" % (len(bad), len(vectors["messages"]), "\n".join(bad[:20]))


@tests.case("tags say what RFC 7208 says, and whether DNSSEC vouches for it")
def tags():
    world.add("secure.example", TXT, "v=spf1 ip4:192.0.2.3 -all")
    world.add("many.example", TXT, "v=spf1 " + "".join("a:n%d.example " % i for i in range(12)) + "+all")
    for i in range(12):
        world.add("n%d.example" % i, A, "192.0.2.77")
    world.secure = {"secure.example"}
    assert results(mail("secure.example"))["mfrom"] == "pass,secure"
    assert results(mail("many.example"))["mfrom"] == "permerror,insecure"
    assert "SPF_PASS" in hits(mail("many.example")), "rules follow the reference"


@tests.case("a welcome list by SPF; no sender")
def lists():
    world.add("welcome.example", TXT, "v=spf1 ip4:192.0.2.3 -all")
    assert {"WELCOME", "SPF_PASS"} <= hits(mail("welcome.example"))
    assert "WELCOME" not in hits(mail("welcome.example", ip="192.0.2.4"))
    assert "NO_ENVFROM" not in hits(mail("welcome.example"))
    assert "NO_ENVFROM" in hits(mail("welcome.example").split("\n", 1)[1])


@tests.case("servers that say nothing: temperror after 3 s; slow ones together: no result after spf_timeout")
def silence():
    world.delay["mute.example"] = None
    begun = time.monotonic()
    found = hits(mail("mute.example"))
    assert "T_SPF_TEMPERROR" in found, found
    assert time.monotonic() - begun < 8, "took %.1f s" % (time.monotonic() - begun)
    world.add("chain.example", TXT, "v=spf1 include:chain1.example -all")
    for i in range(1, 9):
        world.add("chain%d.example" % i, TXT, "v=spf1 include:chain%d.example -all" % (i + 1))
        world.delay["chain%d.example" % i] = 2
    begun = time.monotonic()
    found = hits(mail("chain.example"))
    assert not any(re.match("(T_)?SPF_(?!HELO)", x) for x in found), found
    assert time.monotonic() - begun < 9, "took %.1f s" % (time.monotonic() - begun)


@tests.case("200 messages at once, each waits 500 ms: they wait together")
def crowd():
    for i in range(200):
        world.add("crowd%d.example" % i, TXT, "v=spf1 ip4:192.0.2.3 -all")
        world.delay["crowd%d.example" % i] = 0.5
    spamd()
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        found = list(pool.map(lambda i: hits(mail("crowd%d.example" % i)), range(200)))
    took = time.monotonic() - begun
    print("# 200 messages took %.1f s" % took)
    assert all("SPF_PASS" in x for x in found)
    assert took < 30, "one after another it would be 100 s; took %.1f s" % took


tests.main()
