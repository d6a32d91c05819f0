#!/usr/bin/env python3
"""Countries, providers and networks of relays and links from GeoIP2 databases: RelayCountry, URILocalBL, ASN, for both
address families, as the reference says where it is installed with its reader."""
import os
import re
import socket
import subprocess

import mmdb
from fakedns import A, AAAA, FakeDns
from harness import BUILD, Tests

tests = Tests()
SITE, GEO = tests.path("site"), tests.path("geo")
NAMES = {"de.links.test": (A, "192.0.2.7"), "fr.links.test": (A, "192.0.2.200"), "jp.links.test": (AAAA, "2001:db8:1::1"),
         "nowhere.links.test": (A, "203.0.113.9"), "private.links.test": (A, "10.1.1.1")}
dns = FakeDns(zone={(name, kind): [socket.inet_pton(socket.AF_INET if kind == A else socket.AF_INET6, text)]
                    for name, (kind, text) in NAMES.items()}
              | {(name, AAAA if kind == A else A): [] for name, (kind, text) in NAMES.items()})
RULES = """
use_bayes 0
report_safe 0
dns_available yes
dns_server %s
util_rb_tld test
trusted_networks 10/8
internal_networks 10/8
geodb_module GeoIP2
geodb_search_path %s
clear_report_template
report _SUMMARY_
add_header all Rc _RELAYCOUNTRY_ / _RELAYCOUNTRYEXT_ / _RELAYCOUNTRYAUTH_ / _RELAYCOUNTRYALL_
add_header all Asn _ASN_
header DE X-Relay-Countries =~ /DE/
header JP X-Relay-Countries =~ /^JP$/
header UNKNOWN X-Relay-Countries =~ /XX/
header ASN eval:check_asn('/^AS64500 Test/')
uri_block_cc L_CC de jp
uri_block_cc L_NOT_CC !fr
uri_block_cont L_CONT EU
uri_block_cont L_NOT_CONT !eu !as
uri_block_isp L_ISP "Test  Net" other
uri_block_cidr L_CIDR 192.0.2.192/26 2001:db8:1::/48
uri_block_cc L_EXCLUDED de
uri_block_exclude L_EXCLUDED 192.0.2.7
uri_block_cc L_DOMAIN de fr
uri_block_exclude L_DOMAIN links.test
"""
MAIL = """Received: from relay.sender.test (relay.sender.test [%s])
\tby mx.mine.test (Postfix) with ESMTP id AAA; Mon, 1 Jan 2024 00:00:00 +0000
From: Someone <someone@sender.test>
To: me@mine.test
Subject: places
Date: Mon, 1 Jan 2024 00:00:00 +0000
Message-ID: <1@sender.test>

See %s
"""


def prepare():
    os.makedirs(os.path.join(SITE, "rules"))
    os.makedirs(GEO)
    de, fr, jp = ({"country": {"iso_code": code}, "continent": {"code": continent}}
                  for code, continent in (("DE", "EU"), ("FR", "EU"), ("JP", "AS")))
    mmdb.write(os.path.join(GEO, "GeoIP2-City.mmdb"), "GeoIP2-City",
               {"192.0.2.0/24": de, "192.0.2.128/25": fr, "2001:db8:1::/48": jp})
    mmdb.write(os.path.join(GEO, "GeoIP2-ISP.mmdb"), "GeoIP2-ISP", {
        "192.0.2.0/24": {"isp": "Test Net", "organization": "Tests", "autonomous_system_number": 64500,
                         "autonomous_system_organization": "Test Networks"},
        "2001:db8:1::/48": {"isp": "Six", "autonomous_system_number": 64501}})
    with open(os.path.join(SITE, "init.pre"), "w") as f:
        for name in ("RelayCountry", "URILocalBL", "ASN", "Check"):
            f.write("loadplugin Mail::SpamAssassin::Plugin::%s\n" % name)
    with open(os.path.join(SITE, "local.cf"), "w") as f:
        f.write(RULES % ("127.0.0.1:%d" % dns.port, GEO))
    with open(os.path.join(SITE, "rules", "10.cf"), "w") as f:
        f.write("header __NOTHING X-Nothing =~ /x/\n")
    os.chmod(SITE, 0o755)


def programs():
    """Ours, and the reference where it and its reader are installed."""
    found = [os.path.join(BUILD, "cmd", "spamassassin")]
    check = subprocess.run(["perl", "-MMail::SpamAssassin", "-MMaxMind::DB::Reader", "-e", "1"], stderr=subprocess.DEVNULL)
    return found + (["/usr/bin/spamassassin"] if check.returncode == 0 and os.path.exists("/usr/bin/spamassassin") else [])


def expect(relay, links, hits, *texts):
    for program in programs():
        run = subprocess.run([program, "-x", "--siteconfigpath=" + SITE, "--configpath=" + os.path.join(SITE, "rules"), "-t"],
                             input=(MAIL % (relay, links)).encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             timeout=60)
        out = run.stdout.decode("latin1")
        found = set(re.findall(r"^ *-?\d+\.\d (\w+) +\S", out, re.M))
        assert found == set(hits.split()), "%s: lost %s extra %s\n%s" % (
            program, set(hits.split()) - found, found - set(hits.split()), out)
        for text in texts:
            flat = re.sub(r"\s+", " ", re.sub(r"\]\s+\[", " ", out))  # long lines are wrapped
            assert text in flat, "%s: no %r in\n%s" % (program, text, out)


@tests.case("an IPv4 relay: country, network")
def relay_v4():
    expect("192.0.2.9", "", "DE ASN", "X-Spam-Rc: DE / DE / / DE", "X-Spam-Asn: AS64500 Test Networks")


@tests.case("an IPv6 relay: country, network without a name")
def relay_v6():
    expect("2001:db8:1::9", "", "JP", "X-Spam-Rc: JP / JP / / JP", "X-Spam-Asn: AS64501 ")


@tests.case("a relay that no database knows")
def relay_unknown():
    expect("203.0.113.77", "", "UNKNOWN", "X-Spam-Rc: XX / XX / / XX")


@tests.case("links to addresses")
def links_v4():
    expect("203.0.113.77", "http://192.0.2.7/", "UNKNOWN L_CC L_NOT_CC L_CONT L_ISP L_DOMAIN",
           "[Host: 192.0.2.7 in country DE]", "[Host: 192.0.2.7 in continent EU]", "[Host: 192.0.2.7 in isp Test Net]")
    expect("203.0.113.77", "http://192.0.2.200/", "UNKNOWN L_CONT L_ISP L_CIDR L_DOMAIN", "[Host: 192.0.2.200 in cidr]")


@tests.case("links to names: their addresses of both families")
def links_names():
    expect("203.0.113.77", "http://de.links.test/", "UNKNOWN L_CC L_NOT_CC L_CONT L_ISP",
           "[Host: de.links.test in country DE]")
    expect("203.0.113.77", "http://fr.links.test/", "UNKNOWN L_CONT L_ISP L_CIDR")
    expect("203.0.113.77", "http://jp.links.test/", "UNKNOWN L_CC L_NOT_CC L_CIDR", "[Host: jp.links.test in country JP]")


@tests.case("links to what no database knows, and to private addresses")
def links_unknown():
    expect("203.0.113.77", "http://nowhere.links.test/", "UNKNOWN L_NOT_CC L_NOT_CONT", "in country XX", "in continent XX")
    expect("203.0.113.77", "http://private.links.test/", "UNKNOWN L_NOT_CC L_NOT_CONT", "in country **")


prepare()
tests.main()
