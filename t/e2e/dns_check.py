#!/usr/bin/env python3
"""spamassassin --dns-check: a real rbldnsd and a name server of the test's own, as a table and as JSON, in a network namespace."""
import json
import os
import re
import shutil
import socket
import subprocess
import time

from fakedns import A, AAAA, NS, SOA, TXT, FakeDns, txt, wire
from harness import BUILD, Skip, Tests, own_network, until

OWN_NETWORK = own_network(__file__)
tests = Tests()
RULES = """
loadplugin Mail::SpamAssassin::Plugin::DNSEval
loadplugin Mail::SpamAssassin::Plugin::URIDNSBL
loadplugin Mail::SpamAssassin::Plugin::AskDNS
loadplugin Mail::SpamAssassin::Plugin::SPF
loadplugin Mail::SpamAssassin::Plugin::DKIM
loadplugin Mail::SpamAssassin::Plugin::DMARC
use_bayes 0
dns_available yes
util_rb_tld test
header IP eval:check_rbl('ip', 'ip.list.test.')
header IP2 eval:check_rbl('ip2-lastexternal', 'ip.list.test.')
header SIX eval:check_rbl('six', 'six.list.test.')
urirhsbl DOM dom.list.test. A
body DOM eval:check_uridnsbl('DOM')
header BLOCKED eval:check_rbl('b', 'blocked.test.')
header ALL_IN eval:check_rbl('a', 'all.test.')
header BOGUS eval:check_rbl('x', 'bogus.test.')
header SECURE eval:check_rbl('s', 'secure.test.')
header DEAD eval:check_rbl('d', 'servfail.test.')
askdns ASK _SENDERDOMAIN_.ask.test TXT /x/
%s
"""
NIBBLES = "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
LISTS = {"ip4set": "$SOA 60 ns.test root.test 1 60 60 60 60\n127.0.0.2 :127.0.0.2:test\n",
         "ip6trie": "$SOA 60 ns.test root.test 1 60 60 60 60\n:127.0.0.2:six\n::ffff:7f00:2\n",
         "dnset": "$SOA 60 ns.test root.test 1 60 60 60 60\n:127.0.0.2:\ntest\n"}
SERVED = {"ip4set": "ip.list.test", "ip6trie": "six.list.test", "dnset": "dom.list.test"}
YES = b"\x7f\0\0\x02"


def a_of(address):
    return socket.inet_aton(address)


class Resolver(FakeDns):
    """Asks rbldnsd for what it serves; knows the rest, and whether it is signed."""

    def __init__(self, upstream):
        soa = wire("ns.test") + wire("root.test") + b"\0" * 20
        self.upstream, self.secure, self.bogus = upstream, ("secure.test",), ("bogus.test", "dnssec-failed.org")
        zone = {("org", SOA): [soa], ("ns.list.test", A): [a_of("127.0.0.9")],
                ("ns.list.test", AAAA): [socket.inet_pton(socket.AF_INET6, "fd00::9")], ("ns.v4.test", A): [a_of("127.0.0.11")],
                ("list.test", NS): [wire("ns.list.test")], ("secure.test", NS): [wire("ns.v4.test")],
                ("2.0.0.127.secure.test", A): [YES], ("secure.test", SOA): [soa], ("blocked.test", SOA): [soa],
                ("2.0.0.127.blocked.test", A): [b"\x7f\xff\xff\xfe"], ("all.test", SOA): [soa],
                ("2.0.0.127.all.test", A): [YES], ("1.0.0.127.all.test", A): [b"\x7f\0\0\x05"],
                ("bogus.test", SOA): [soa], ("2.0.0.127.bogus.test", A): [YES], ("dnssec-failed.org", A): [YES],
                ("gmail.com", TXT): [txt("something else"), txt("v=spf1 redirect=x.test")],
                ("_dmarc.gmail.com", TXT): [txt("v=DMARC1; p=none")]}
        super().__init__(zone=zone)

    def reply(self, packet, is_tcp):
        name = self.parse(packet)[0].lower()
        if any(name == zone or name.endswith("." + zone) for zone in SERVED.values()):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(3)
                s.sendto(packet, self.upstream)
                return [(0, s.recv(4096), False)]
        if name.endswith(self.bogus) and not packet[3] & 0x10:  # CD
            return [(0, self.packet(int.from_bytes(packet[:2], "big"), self.parse(packet)[2], [], rcode=2), False)]
        return super().reply(packet, is_tcp)

    def packet(self, ident, question, records, flags=0, rcode=0, authority=b""):
        name = self.parse(b"\0" * 12 + question)[0].lower()
        if name.endswith(self.secure):
            flags |= 0x20
        if not records and rcode == 0 and not any(known.endswith(name) for known, _ in self.zone):
            rcode = 3
        return super().packet(ident, question, records, flags, rcode, authority)


def start_lists():
    if not OWN_NETWORK:
        raise Skip("needs a network namespace (root)")
    if not shutil.which("rbldnsd"):
        raise Skip("rbldnsd is not installed (setup --tests)")
    for address in ("127.0.0.9/8", "fd00::9/128"):
        subprocess.run(["ip", "addr", "replace", address, "dev", "lo"] + (["nodad"] if ":" in address else []), check=True)
    data = tests.path("lists")
    os.makedirs(data)
    os.chmod(data, 0o755)
    zones = []
    for kind, text in LISTS.items():
        with open(os.path.join(data, kind), "w") as f:
            f.write(text)
        zones.append("%s:%s:%s" % (SERVED[kind], kind, kind))
    server = subprocess.Popen(["rbldnsd", "-n", "-w", data, "-b", "127.0.0.9/53", "-b", "fd00::9/53", "-u", "65534"] + zones,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    tests.ends.append(Ended(server))
    until(lambda: answers(("127.0.0.9", 53)), 20)


class Ended:
    """A program that ends with the tests."""

    def __init__(self, process):
        self.process = process

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        return 0

    def stderr(self):
        return ""


def answers(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.5)
        try:
            s.sendto(b"\0\1\1\0\0\1\0\0\0\0\0\0" + wire("ip.list.test") + b"\0\6\0\1", address)
            return bool(s.recv(512))
        except OSError:
            time.sleep(0.1)
            return False


def check(*servers, option="--dns-check-json"):
    site, empty = tests.path("site"), tests.path("empty")
    os.makedirs(site, exist_ok=True)
    os.makedirs(empty, exist_ok=True)
    with open(os.path.join(empty, "none.cf"), "w") as f:
        f.write("\n")
    with open(os.path.join(site, "local.cf"), "w") as f:
        f.write(RULES % "".join("dns_server %s\n" % server for server in servers))
    done = subprocess.run([os.path.join(BUILD, "cmd", "spamassassin"), option, "-x", "-C", empty, "--siteconfigpath", site],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@tests.case("every list and policy: state, test points, DNSSEC, blocked, servers over IPv4 and IPv6")
def lists():
    start_lists()
    resolver = Resolver(("127.0.0.9", 53))
    code, out, err = check(resolver.server)
    (server,) = json.loads(out)
    assert code == 1 and not err, (code, err)
    assert server["server"] == resolver.server and server["state"] == "ok" and server["dnssec"] == "validates", server
    rows = {row["list"]: row for row in server["lists"]}
    assert set(rows) == set(SERVED.values()) | {"blocked.test", "all.test", "bogus.test", "secure.test", "servfail.test", "ask.test"}
    point = {"v4": False, "v6": False, "domain": False, "negative": False}
    ip = rows["ip.list.test"]
    assert ip["rules"] == 2 and ip["rule"] == "IP" and ip["state"] == "ok" and ip["test_point"] == dict(point, v4=True, v6=True), ip  # mapped
    assert ip["dnssec"] == "insecure" and not ip["blocked"], ip
    for family, address in (("v4", "127.0.0.9"), ("v6", "fd00::9")):
        assert ip["servers"][family]["address"] == address and ip["servers"][family]["reachable"], ip
    assert rows["six.list.test"]["test_point"] == dict(point, v6=True), rows["six.list.test"]
    assert rows["dom.list.test"]["test_point"] == dict(point, domain=True), rows["dom.list.test"]
    assert rows["blocked.test"]["blocked"] and rows["blocked.test"]["test_point"] == point, rows["blocked.test"]
    assert rows["all.test"]["test_point"]["negative"], rows["all.test"]
    assert rows["bogus.test"]["dnssec"] == "bogus" and rows["bogus.test"]["state"] == "SERVFAIL", rows["bogus.test"]
    secure = rows["secure.test"]
    assert secure["dnssec"] == "secure" and secure["servers"]["v6"]["address"] == "", secure
    assert secure["servers"]["v4"] == {"address": "127.0.0.11", "reachable": False, "ms": secure["servers"]["v4"]["ms"]}, secure
    assert rows["servfail.test"]["dnssec"] == "unknown" and rows["servfail.test"]["state"] == "SERVFAIL", rows["servfail.test"]
    policies = {row["policy"]: row for row in server["policies"] if "gmail" in row["name"]}
    assert policies["SPF"]["found"] and policies["DMARC"]["found"] and not policies["DKIM"]["found"], policies


@tests.case("as a table; a server that is silent beside one that answers")
def table():
    if not OWN_NETWORK or not shutil.which("rbldnsd"):
        raise Skip("needs a network namespace (root) and rbldnsd")
    resolver, mute = Resolver(("127.0.0.9", 53)), FakeDns()
    mute.mute = True
    code, out, err = check(resolver.server, mute.server, option="--dns-check")
    first, second = out.split("server ")[1:]
    assert code == 1 and "ok, " in first and "timeout" in second, out
    assert re.search(r"^ip\.list\.test +ok +\d+ +\d+ +\d+ +insecure +ip +yes +no +IP \+1$", first, re.M), first
    assert re.search(r"^blocked\.test +ok .* BLOCKED +BLOCKED$", first, re.M), first
    assert re.search(r"^all\.test .* all! ", first, re.M), first
    assert re.search(r"^secure\.test +ok +\d+ +no +- +secure +ip ", first, re.M), first
    assert re.search(r"^SPF +gmail\.com +ok .* yes *$", first, re.M), first
    assert re.search(r"^ip\.list\.test +timeout ", second, re.M), second


tests.main()
