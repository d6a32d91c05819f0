#!/usr/bin/env python3
"""DNSSEC with a real unbound that validates and a real nsd that serves what ldns-signzone signed, in a network namespace with
IPv4 and IPv6, then with IPv6 alone: what is secure is said, what is bogus is a temporary error."""
import base64
import hashlib
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time

from client_parts import Canned
from fakedns import wire
from harness import BUILD, SPAMC, Skip, Tests, ask, own_network, request, until

OWN_NETWORK = own_network(__file__)
tests = Tests()
os.environ["WINNOW_SPAMC_HELPERS"] = os.path.join(BUILD, "spamc")
PROGRAMS = ("unbound", "nsd", "ldns-keygen", "ldns-signzone", "openssl")
RULES = """
loadplugin Mail::SpamAssassin::Plugin::SPF
loadplugin Mail::SpamAssassin::Plugin::DKIM
loadplugin Mail::SpamAssassin::Plugin::DMARC
loadplugin Mail::SpamAssassin::Plugin::DNSEval
use_bayes 0
report_safe 0
dns_available yes
util_rb_tld org
dns_server [%s]:53
header SPF_PASS eval:check_for_spf_pass()
header T_SPF_TEMPERROR eval:check_for_spf_temperror()
full DKIM_SIGNED eval:check_dkim_signed()
full DKIM_VALID eval:check_dkim_valid()
header DMARC_PASS eval:check_dmarc_pass()
header LISTED eval:check_rbl('l', 'list.%s.')
"""
MESSAGE = """Return-Path: <a@%(d)s>
Received: from mx.%(d)s (mx.%(d)s [%(ip)s]) by mx.mine.org (Postfix) with ESMTP id A1; Mon, 1 Jan 2024 00:00:00 +0000
%(signature)sFrom: a@%(d)s
To: b@mine.org
Subject: x
Date: Mon, 1 Jan 2024 00:00:00 +0000
Message-ID: <m@%(d)s>

hello
"""
ZONE = """$ORIGIN %(d)s.
$TTL 300
@ IN SOA ns.%(d)s. root.%(d)s. 1 3600 900 86400 300
@ IN NS ns.%(d)s.
ns IN AAAA ::1
@ IN TXT "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all"
_dmarc IN TXT "v=DMARC1; p=reject"
s._domainkey IN TXT "v=DKIM1; k=rsa; p=" %(key)s
mail IN A 127.0.0.1
wrong IN A 127.0.0.1
none IN A 127.0.0.1
whole IN A 127.0.0.1
_7830._tcp.mail IN TLSA %(spki)s
_7830._tcp.wrong IN TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000000
_7830._tcp.whole IN TLSA %(whole)s
9.2.0.192.list IN A 127.0.0.2
2.0.0.127.list IN A 127.0.0.2
"""
DOMAINS = ("signed-test.org", "plain-test.org", "bogus-test.org")
state = {}


def run(command, text=None, **more):
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


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


def directory():
    path = tests.path("dns")
    os.makedirs(path, exist_ok=True)
    os.chmod(path, 0o755)
    return path


def make_zones():
    """Zone files, of which plain-test.org is not signed and bogus-test.org was changed after it was."""
    os.chdir(directory())
    run(["openssl", "genrsa", "-traditional", "-out", "dkim.pem", "2048"])
    public = base64.b64encode(run(["openssl", "rsa", "-in", "dkim.pem", "-pubout", "-outform", "DER"])).decode()
    anchors = []
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=x",
         "-keyout", "tls.key", "-out", "tls.pem"])
    whole = run(["openssl", "x509", "-in", "tls.pem", "-outform", "DER"])
    spki = run(["openssl", "pkey", "-pubin", "-outform", "DER"], run(["openssl", "x509", "-in", "tls.pem", "-noout", "-pubkey"]))
    records = {"spki": "3 1 1 " + hashlib.sha256(spki).hexdigest(), "whole": "3 0 2 " + hashlib.sha512(whole).hexdigest()}
    for domain in DOMAINS:
        key = " ".join('"%s"' % public[i:i + 200] for i in range(0, len(public), 200))
        with open(domain, "w") as f:
            f.write(ZONE % dict(records, d=domain, key=key))
        if domain == "plain-test.org":
            continue
        name = run(["ldns-keygen", "-a", "ECDSAP256SHA256", "-k", domain]).decode().strip()
        run(["ldns-signzone", "-f", domain + ".signed", domain, name])
        os.replace(domain + ".signed", domain)
        with open(name + ".key") as f:
            anchors.append(re.sub(r";.*", "", f.read()).strip())
    with open("bogus-test.org") as f:
        text = f.read()
    assert "192.0.2.0/24" in text
    with open("bogus-test.org", "w") as f:  # every record that the rules ask for
        f.write(text.replace("192.0.2.0/24", "192.0.2.0/23").replace("p=reject", "p=quarantine").replace("k=rsa", "k=rsa; n=x")
                .replace("127.0.0.2", "127.0.0.3").replace("TLSA\t3 1 1 ", "TLSA\t3 0 1 "))
    with open("anchors", "w") as f:
        f.write("\n".join(anchors) + "\n")


def start(address):
    """nsd on port 5353, unbound on port 53."""
    work = directory()
    with open(os.path.join(work, "nsd.conf"), "w") as f:
        f.write('server:\n ip-address: %s\n port: 5353\n username: ""\n zonesdir: "%s"\n database: ""\n pidfile: "%s/nsd.pid"\n'
                ' xfrdfile: "%s/xfrd"\n zonelistfile: "%s/zones"\n server-count: 1\n logfile: "%s/nsd.log"\nremote-control:\n'
                ' control-enable: no\n' % ((address,) + (work,) * 5) +
                "".join('zone:\n name: "%s"\n zonefile: "%s"\n' % (d, d) for d in DOMAINS))
    with open(os.path.join(work, "unbound.conf"), "w") as f:
        f.write('server:\n interface: %s\n port: 53\n username: ""\n chroot: ""\n directory: "%s"\n pidfile: ""\n use-syslog: no\n'
                ' logfile: "%s/unbound.log"\n val-log-level: 2\n do-not-query-localhost: no\n access-control: ::/0 allow\n'
                ' access-control: 127.0.0.0/8 allow\n do-ip4: %s\n num-threads: 1\n module-config: "validator iterator"\n'
                ' trust-anchor-file: "%s/anchors"\n do-daemonize: no\n'
                'remote-control:\n control-enable: no\n' % (address, work, work, "no" if ":" in address else "yes", work) +
                "".join('stub-zone:\n name: "%s"\n stub-addr: %s@5353\n' % (d, address) for d in DOMAINS))
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for command in
                 (["nsd", "-d", "-c", work + "/nsd.conf"], ["unbound", "-d", "-c", work + "/unbound.conf"])]
    ended = [Ended(process) for process in processes]
    tests.ends.extend(ended)
    for port in (5353, 53):
        until(lambda: is_up(address, port), 30)
    return ended


def is_up(address, port):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.5)
        try:
            s.sendto(b"\0\1\1\0\0\1\0\0\0\0\0\0" + wire("plain-test.org") + b"\0\6\0\1", (address, port))
            return s.recv(512)[3] & 15 == 0
        except OSError:
            time.sleep(0.1)
            return False


def sign(domain):
    program = ("use Mail::DKIM::Signer; my $m = join('', <STDIN>); my $s = Mail::DKIM::Signer->new(Algorithm => 'rsa-sha256',"
               " Method => 'relaxed', Domain => $ARGV[0], Selector => 's', KeyFile => $ARGV[1]); $s->PRINT($m); $s->CLOSE;"
               " print $s->signature->as_string;")
    plain = (MESSAGE % {"d": domain, "ip": "192.0.2.9", "signature": ""}).replace("\n", "\r\n").encode()
    return run(["perl", "-e", program, domain, directory() + "/dkim.pem"], plain).decode().replace("\r\n", "\n") + "\n"


def has_signer():
    return subprocess.run(["perl", "-MMail::DKIM::Signer", "-e1"], stderr=subprocess.DEVNULL).returncode == 0


def verdict(server, path, domain, ip):
    message = (MESSAGE % {"d": domain, "ip": ip, "signature": state["signatures"][domain]}).encode()
    answer = ask(path, request("CHECK", message, headers=["Verdict: json"]))
    return json.loads(answer.split(b"\r\n\r\n", 1)[1])


def check(address, ip):
    rules = tests.path("rules" + ip.replace(":", "_"))
    os.makedirs(rules)
    with open(os.path.join(rules, "local.cf"), "w") as f:
        f.write(RULES % (address, "signed-test.org"))
    path = tests.path("socket" + ip.replace(":", "_"))
    server = tests.spamd([path], ["-D", "-m", "1"], rules=rules, local=False)
    server.wait_for(path)
    signed, plain, bogus = (verdict(server, path, domain, ip) for domain in DOMAINS)
    hits = {name: {hit["name"] for hit in v["hits"]} for name, v in zip(DOMAINS, (signed, plain, bogus))}
    good = {"SPF_PASS", "DMARC_PASS"} | ({"DKIM_SIGNED", "DKIM_VALID"} if state["can_sign"] else set())
    listed = {"LISTED"} if ip == "192.0.2.9" else set()
    assert hits["signed-test.org"] == good | listed and hits["plain-test.org"] == good | listed, hits
    assert hits["bogus-test.org"] - {"DKIM_SIGNED"} == {"T_SPF_TEMPERROR"} | listed, hits
    for tags, word in ((signed["tags"], "secure"), (plain["tags"], "insecure")):
        assert tags["SPFMFROM"] == "pass" and tags["SPFMFROMDNSSEC"] == word, tags
        assert tags["DMARC"] == "pass" and tags["DMARCDNSSEC"] == word, tags
        if state["can_sign"]:
            assert ("secure" in tags["DKIMRESULT"]) == (word == "secure") and tags["DKIMRESULT"].startswith("pass"), tags
    tags = bogus["tags"]
    assert tags["SPFMFROM"] == "temperror" and tags["DMARC"] in ("temperror", "none") and "secure" != tags["DMARCDNSSEC"], tags
    if state["can_sign"]:
        assert tags["DKIMRESULT"].startswith("temperror"), tags
    log = server.log()
    assert re.search(r"async: completed .*TXT/signed-test\.org: NOERROR, \d+ records, authenticated \(AD\)", log), log[-2000:]
    assert re.search(r"async: completed .*TXT/plain-test\.org: NOERROR, \d+ records$", log, re.M), log[-2000:]
    assert re.search(r"async: completed .*TXT/bogus-test\.org: SERVFAIL", log), log[-2000:]
    assert re.search(r"spf: mfrom: by RFC 7208 pass, DNS answers secure", log) and "DNS answers insecure" in log, log[-2000:]
    check_list(address)


def check_list(address):
    """--dns-check knows which of the lists is signed."""
    for domain, word in zip(DOMAINS, ("secure", "insecure", "bogus")):
        site, empty = tests.path("site"), tests.path("empty")
        for name in (site, empty):
            os.makedirs(name, exist_ok=True)
        with open(os.path.join(site, "local.cf"), "w") as f:
            f.write(RULES % (address, domain))
        with open(os.path.join(empty, "none.cf"), "w") as f:
            f.write("\n")
        out = subprocess.run([os.path.join(BUILD, "cmd", "spamassassin"), "--dns-check-json", "-x", "-C", empty, "--siteconfigpath",
                              site], stdout=subprocess.PIPE, timeout=100).stdout
        rows = json.loads(out)[0]["lists"]
        assert [(row["list"], row["dnssec"]) for row in rows] == [("list." + domain, word)], rows


def need():
    if not OWN_NETWORK:
        raise Skip("needs a network namespace (root)")
    for program in PROGRAMS:
        if not shutil.which(program):
            raise Skip("%s is not installed (setup --tests)" % program)
    if "signatures" not in state:
        make_zones()
        state["can_sign"] = has_signer()
        state["signatures"] = {d: sign(d) if state["can_sign"] else "" for d in DOMAINS}


@tests.case("IPv4: secure, insecure, bogus in tags, -D, JSON and --dns-check")
def both():
    need()
    ended = start("127.0.0.1")
    check("127.0.0.1", "192.0.2.9")
    for program in ended:
        tests.ends.remove(program)
        program.stop()


def client(host, *options, resolver="127.0.0.1", trust=""):
    with open(tests.path("resolv"), "w") as f:
        f.write("nameserver %s\n%s\n" % (resolver, trust))
    os.chmod(tests.path("resolv"), 0o644)
    done = subprocess.run(["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', tests.path("resolv"), SPAMC,
                           "-d", host, "-p", "7830", "-u", "me", "--connect-retries", "1", "-x", "-l"] + list(options),
                          input=b"Subject: x\n\nhello\n", stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    return done.returncode, done.stdout, done.stderr.decode()


@tests.case("spamc --dane: the certificate must be the one of a secure TLSA record; where there is none all is as without it")
def dane():
    need()
    if subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        raise Skip("needs a mount namespace (not in a chroot)")
    ended = start("127.0.0.1")
    subprocess.run(["ip", "addr", "replace", "192.0.2.53/32", "dev", "lo"], check=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory() + "/tls.pem", directory() + "/tls.key")
    answer = b"SPAMD/1.1 0 EX_OK\r\nContent-length: 5\r\nSpam: True ; 7.5 / 5.0\r\n\r\nbody\n"
    Canned(answer, wrap=lambda s: context.wrap_socket(s, server_side=True), port=7830)
    good = (0, b"body\n", "")
    for host in ("mail", "whole", "none"):
        assert client(host + ".signed-test.org", "--dane") == good, (host, client(host + ".signed-test.org", "--dane"))
    for host in ("mail", "wrong"):  # not signed: not believed, neither way
        assert client(host + ".plain-test.org", "--dane") == good, client(host + ".plain-test.org", "--dane")
    code, out, said = client("wrong.signed-test.org", "--dane")
    assert code == 69 and out == b"" and "no TLS with spamd" in said and "TLSA" in said, (code, out, said)
    assert client("wrong.signed-test.org", "-S") == good
    code, out, said = client("mail.bogus-test.org", "--dane")
    assert code == 71 and out == b"" and "no good answer for _7830._tcp.mail.bogus-test.org TLSA" in said, (code, out, said)
    code, out, said = client("mail.signed-test.org", "--dane", "--ssl-ca-file", directory() + "/dkim.pem")
    assert code == 71 and "cannot load the CA" in said, (code, said)
    code, out, said = client("127.0.0.1", "--dane", resolver="192.0.2.53")
    assert code == 71 and "nobody is believed" in said, (code, said)
    assert client("127.0.0.1", "--dane", resolver="192.0.2.53", trust="options trust-ad") == good
    for program in ended:
        tests.ends.remove(program)
        program.stop()


@tests.case("IPv6 alone: the same")
def six():
    need()
    subprocess.run(["ip", "addr", "del", "127.0.0.1/8", "dev", "lo"], check=True)
    start("::1")
    check("::1", "2001:db8::9")


tests.main()
