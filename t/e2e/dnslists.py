#!/usr/bin/env python3
"""DNS lists from a real rbldnsd: addresses of both families, linked domains, hashes, tags; in network namespaces with
IPv4 and IPv6, and with IPv6 alone."""
import os
import re
import shutil
import subprocess

from harness import BUILD, SOURCE, Skip, Tests

tests = Tests()
SITE, DATA = tests.path("site"), tests.path("data")
RULES = """
use_bayes 0
report_safe 0
dns_available yes
util_rb_tld test org com
trusted_networks 10/8 2001:db8:fe::/48
internal_networks 10/8 2001:db8:fe::/48
clear_report_template
report _SUMMARY_
add_header all Asn _ASN_ _ASNCIDR_
header V4 eval:check_rbl('v4-lastexternal', 'v4.list.test.')
header V4_SUB eval:check_rbl_sub('v4-lastexternal', '127.0.0.4')
header V4_MASK eval:check_rbl_sub('v4-lastexternal', '4')
header V4_TXT eval:check_rbl_txt('v4t-lastexternal', 'v4.list.test.')
header V4_ANY eval:check_rbl('v4', 'v4.list.test.', '^127\\.0\\.0\\.2$')
header V6 eval:check_rbl('v6-lastexternal', 'v6.list.test.')
header V6_TXT eval:check_rbl_txt('v6t-lastexternal', 'v6.list.test.')
header FROM eval:check_rbl_from_domain('from', 'dom.list.test.')
header ENVFROM eval:check_rbl_envfrom('env', 'dom.list.test.')
urirhsbl URI_DOM dom.list.test. A
body URI_DOM eval:check_uridnsbl('URI_DOM')
urirhssub URI_SUB dom.list.test. A 127.0.0.8-127.0.0.9
body URI_SUB eval:check_uridnsbl('URI_SUB')
urirhsbl URI_IP v4.list.test. A
body URI_IP eval:check_uridnsbl('URI_IP')
tflags URI_IP net ips_only
uridnsbl URI_A v4.list.test. A
body URI_A eval:check_uridnsbl('URI_A')
tflags URI_A net a
urifullnsrhsbl URI_NS dom.list.test. A
body URI_NS eval:check_uridnsbl('URI_NS')
askdns ASK_TXT _SENDERDOMAIN_.gen.test TXT /^pol[i]cy/
askdns ASK_NX nothing.gen.test A [NXDOMAIN]
askdns ASK_TAG _LASTEXTERNALREVIP_.v4.list.test A "127.0.0.4"
header HASH eval:check_hashbl_emails('hash.test', 'sha1')
body HASH_NUM eval:check_hashbl_bodyre('hash.test', 'raw', '\\b(\\d{5})\\b')
asn_lookup asn.test
asn_lookup_ipv6 asn.test
meta BOTH V4 && URI_DOM
meta NEITHER !V4 && !V6
"""
V6 = "2001:db8:1::25"
V6_NIBBLES = "5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2"
LISTS = {
    "v4": "$SOA 60 ns.test root.test 1 60 60 60 60\n192.0.2.9 :127.0.0.4:listed, see http://list.test/$\n"
          "198.51.100.0/24 :127.0.0.2:net $\n",
    "v6": "$SOA 60 ns.test root.test 1 60 60 60 60\n:127.0.0.3:six $\n2001:db8:1::/64\n",
    "dom": "$SOA 60 ns.test root.test 1 60 60 60 60\n:127.0.0.8:\nevil.test\n.wild.test\nns1.shady.test\n",
    "gen": "$SOA 60 ns.test root.test 1 60 60 60 60\nsender.test 60 TXT policy: none\n",
    "hash": "$SOA 60 ns.test root.test 1 60 60 60 60\n12345 60 A 127.0.0.2\n"
            "%s 60 A 127.0.0.2\n",
    "asn": "$SOA 60 ns.test root.test 1 60 60 60 60\n9.2.0.192 60 TXT 64500 | 192.0.2.0/24 | XX\n"
           + V6_NIBBLES + " 60 TXT 64501 | 2001:db8::/32 | XX\n",
    "hosts": "$SOA 60 ns.test root.test 1 60 60 60 60\n$NS 60 ns1.shady.test\nwww 60 A 198.51.100.7\n",
}
ZONES = {"v4.list.test": "ip4set:v4", "v6.list.test": "ip6trie:v6", "dom.list.test": "dnset:dom",
         "gen.test": "generic:gen", "hash.test": "generic:hash", "asn.test": "generic:asn", "shady.test": "generic:hosts"}
MAIL = """Return-Path: <bounce@sender.test>
Received: from relay.sender.test (relay.sender.test [%s])
\tby mx.mine.test (Postfix) with ESMTP id AAA; Mon, 1 Jan 2024 00:00:00 +0000
From: Someone <someone@%s>
To: me@mine.test
Subject: lists
Date: Mon, 1 Jan 2024 00:00:00 +0000
Message-ID: <1@sender.test>

See %s 12345
"""
SCRIPT = """
ip link set lo up
[ "$FAMILY" = 6 ] && ip addr del 127.0.0.1/8 dev lo
rbldnsd -n -w "$DATA" -b "$BIND/53" -u 65534 -f $ZONES >"$DATA/log" 2>&1 & server=$!
i=0
until grep -q 'started' "$DATA/log" || [ $i = 100 ]; do sleep 0.05; i=$((i+1)); done
for program in "$@"; do
	$program -x --siteconfigpath="$SITE" --configpath="$SITE/rules" -t <"$DATA/mail" 2>"$DATA/err"
	echo "=== $?"; cat "$DATA/err"
done
kill $server; wait $server 2>/dev/null
"""


def prepare():
    import hashlib
    os.makedirs(os.path.join(SITE, "rules"))
    os.makedirs(DATA)
    for name in ("DNSEval", "URIDNSBL", "AskDNS", "HashBL", "ASN", "Check"):
        with open(os.path.join(SITE, "init.pre"), "a") as f:
            f.write("loadplugin Mail::SpamAssassin::Plugin::%s\n" % name)
    with open(os.path.join(SITE, "local.cf"), "w") as f:
        f.write(RULES)
    with open(os.path.join(SITE, "rules", "10.cf"), "w") as f:
        f.write("header __NOTHING X-Nothing =~ /x/\n")
    for name, text in LISTS.items():
        with open(os.path.join(DATA, name), "w") as f:
            f.write(text % hashlib.sha1(b"someone@mail.test").hexdigest() if name == "hash" else text)
    for path in (SITE, os.path.join(SITE, "rules"), DATA):
        os.chmod(path, 0o755)


def programs():
    """Ours, and the reference where it is installed."""
    ours = os.path.join(BUILD, "cmd", "spamassassin")
    theirs = "/usr/bin/spamassassin"
    has_reference = os.path.exists("/usr/share/perl5/Mail/SpamAssassin.pm") and os.path.exists(theirs)
    return [ours] + ([theirs] if has_reference else [])


def scan(mail, family):
    """[(rules hit, output)] of our program and, where it is there, of the reference."""
    if not shutil.which("rbldnsd"):
        raise Skip("rbldnsd is not installed (setup --tests)")
    if os.geteuid() != 0 or subprocess.run(["unshare", "-n", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        raise Skip("no network namespaces here")
    with open(os.path.join(DATA, "mail"), "w") as f:
        f.write(mail)
    bind = "::1" if family == 6 else "127.0.0.1"
    with open(os.path.join(SITE, "server.cf"), "w") as f:
        f.write("dns_server %s\n" % ("[::1]:53" if family == 6 else "127.0.0.1"))
    environment = dict(os.environ, FAMILY=str(family), DATA=DATA, SITE=SITE, BIND=bind,
                       ZONES=" ".join("%s:%s" % z for z in ZONES.items()))
    out = subprocess.run(["unshare", "-n", "sh", "-c", SCRIPT, "dnslists"] + programs(), env=environment,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120).stdout.decode("latin1")
    runs = re.split(r"^=== ", out, flags=re.M)
    return [(set(re.findall(r"^ *-?\d+\.\d (\w+) +\S", run, re.M)), run) for run in runs[:-1]], out


def expect(mail, family, hits, *texts):
    runs, out = scan(mail, family)
    wanted = set(hits.split())
    assert len(runs) == len(programs()), out
    for found, run in runs:
        assert found == wanted, "lost %s extra %s\n%s" % (wanted - found, found - wanted, out)
        for text in texts:
            assert text in re.sub(r"\s+", " ", run), "%r not in\n%s" % (text, out)


LINKS = "http://www.evil.test/x http://192.0.2.9/ http://www.shady.test/"


def listed_v4(family):
    expect(MAIL % ("192.0.2.9", "a.wild.test", LINKS), family,
           "V4 V4_SUB V4_MASK V4_TXT ASK_TAG URI_DOM URI_SUB URI_IP URI_A URI_NS FROM HASH_NUM ASK_TXT ASK_NX BOTH",
           "[192.0.2.9 listed in v4.list.test]", "[listed, see <http://list.test/192.0.2.9>]",
           "[URI: evil.test]", "X-Spam-Asn: AS64500 192.0.2.0/24")


def listed_v6(family):
    expect(MAIL % (V6, "mail.test", "nothing"), family, "V6 V6_TXT HASH HASH_NUM ASK_TXT ASK_NX",
           "[six %s]" % V6, "AS64501 2001:db8::/32")


def not_listed(family):
    expect(MAIL % ("203.0.113.1", "good.test", "http://good.test/"), family, "HASH_NUM ASK_TXT ASK_NX NEITHER")
    expect(MAIL % ("2001:db8:2::1", "good.test", "http://good.test/"), family, "HASH_NUM ASK_TXT ASK_NX NEITHER")


for number, where in ((4, "over IPv4"), (6, "where there is IPv6 alone")):
    for what, function in (("an IPv4 relay, links and domains that are listed", listed_v4),
                           ("an IPv6 relay that is listed", listed_v6), ("what is not listed", not_listed)):
        tests.case("%s: %s" % (where, what))(lambda function=function, number=number: function(number))

prepare()
tests.main()
