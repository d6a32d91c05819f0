#!/usr/bin/env python3
"""Scans that end early by a rule whose answer comes over the network: which rules have hit by then.

Every case has what SpamAssassin 4.0.1 says; where it is installed it is asked too."""
import os
import re
import subprocess

from fakedns import A, TXT, FakeDns, txt
from harness import BUILD, Skip, Tests

tests = Tests()
OURS, REFERENCE = os.path.join(BUILD, "cmd", "spamassassin"), "/usr/bin/spamassassin"
PLUGINS = "".join("loadplugin Mail::SpamAssassin::Plugin::%s\n" % name
                  for name in ("Check", "SPF", "DKIM", "Shortcircuit", "DNSEval"))
# EARLY has run when questions leave; SAME stands beside the net rules, TEXT behind their evals; LATE comes long after.
RULES = """
dns_available yes
use_bayes 0
dns_server %s
required_score 50
header EARLY Subject =~ /x/
priority EARLY -300
header SAME Subject =~ /x/
priority SAME -100
body TEXT /hello/
priority TEXT -100
body LATE /hello/
meta ANY_LATE LATE || SPF_PASS
header SPF_PASS eval:check_for_spf_pass()
tflags SPF_PASS net nice
header SPF_FAIL eval:check_for_spf_fail()
tflags SPF_FAIL net
full DKIM_SIGNED eval:check_dkim_signed()
tflags DKIM_SIGNED net
meta EARLY_PASS EARLY && SPF_PASS
score SPF_PASS -1
score SPF_FAIL 5
clear_headers
add_header all Rules _TESTS(,)_
fold_headers 0
report_safe 0
"""
MESSAGE = """Return-Path: <a@%(d)s>
Received: from h.%(d)s (h.%(d)s [192.0.2.1]) by mx.example.org (Postfix) with ESMTP id A1
\tfor <b@example.org>; Mon, 1 Jan 2024 00:00:00 +0000
DKIM-Signature: v=1; a=rsa-sha256; d=%(d)s; s=s; h=from; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA
From: a@%(d)s
To: b@example.org
Subject: x
Date: Mon, 1 Jan 2024 00:00:00 +0000
Message-ID: <m@%(d)s>

hello
"""
ZONE = {("pass.slow300.test", TXT): [txt("v=spf1 +all")], ("fail.slow300.test", TXT): [txt("v=spf1 -all")],
        ("1.2.0.192.list.slow2000.test", A): [b"\x7f\0\0\x02"]}
dns = FakeDns(zone=ZONE)
LIST = "header IN_LIST eval:check_rbl('list', 'list.slow2000.test.')\ntflags IN_LIST net\nscore IN_LIST 3\n"

CASES = {
    "nothing ends it": ("pass", "", "ANY_LATE DKIM_SIGNED EARLY EARLY_PASS LATE SAME SPF_PASS TEXT"),
    "an eval among the net rules": ("pass", "shortcircuit SPF_PASS on", "EARLY SAME SHORTCIRCUIT SPF_PASS"),
    "as ham": ("pass", "shortcircuit SPF_PASS ham", "EARLY SHORTCIRCUIT SPF_PASS"),
    "an eval before all": ("pass", "shortcircuit SPF_PASS on\npriority SPF_PASS -900", "SHORTCIRCUIT SPF_PASS"),
    "it does not hit": ("fail", "shortcircuit SPF_PASS on", "ANY_LATE DKIM_SIGNED EARLY LATE SAME SPF_FAIL TEXT"),
    "a meta among the net rules": ("pass", "shortcircuit EARLY_PASS on\npriority EARLY_PASS -200",
                                   "DKIM_SIGNED EARLY EARLY_PASS SAME SHORTCIRCUIT SPF_PASS TEXT"),
    "a meta of a meta": ("pass", "meta TWICE EARLY_PASS\nshortcircuit TWICE on\npriority TWICE -200",
                         "DKIM_SIGNED EARLY EARLY_PASS SAME SHORTCIRCUIT SPF_PASS TEXT TWICE"),
    "signatures": ("pass", "shortcircuit DKIM_SIGNED spam", "DKIM_SIGNED EARLY SHORTCIRCUIT"),
    "the sum of scores": ("fail", "shortcircuit_max_spam_score 4", "EARLY SAME SHORTCIRCUIT SPF_FAIL TEXT"),
    "text ends it long after": ("pass", "shortcircuit LATE on\nbody LATER /hello/\npriority LATER 500\n"
                                "header LATEST eval:check_for_spf_pass()\npriority LATEST 900",
                                "DKIM_SIGNED EARLY EARLY_PASS LATE SAME SHORTCIRCUIT SPF_PASS TEXT"),
    "a list hits when its answer comes": ("fail", LIST + "shortcircuit IN_LIST on\nmeta ANY_LIST IN_LIST",
                                          "ANY_LATE DKIM_SIGNED EARLY IN_LIST LATE SAME SHORTCIRCUIT SPF_FAIL TEXT"),
}


def scan(program, name, domain, text):
    site, empty = tests.path("site-" + name), tests.path("empty")
    for directory in (site, empty):
        os.makedirs(directory, exist_ok=True)
    with open(os.path.join(site, "local.cf"), "w") as f:
        f.write(PLUGINS + RULES % dns.server + text + "\n")
    with open(os.path.join(empty, "none.cf"), "w") as f:
        f.write("\n")
    done = subprocess.run([program, "-x", "-C", empty, "--siteconfigpath", site],
                          input=(MESSAGE % {"d": domain + ".slow300.test"}).encode(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=100)
    found = re.search(rb"^X-Spam-Rules: (.*)$", done.stdout, re.M)
    assert found, (done.stdout[:500], done.stderr[-2000:])
    return " ".join(sorted(found.group(1).decode().split(",")))


def add(number, what, domain, text, wanted):
    @tests.case(what)
    def ours():
        assert scan(OURS, "o%d" % number, domain, text) == wanted, (scan(OURS, "o%d" % number, domain, text), wanted)

    @tests.case("the reference: " + what)
    def reference():
        if not os.access(REFERENCE, os.X_OK):
            raise Skip("no SpamAssassin here")
        found = scan(REFERENCE, "r%d" % number, domain, text)
        assert found == wanted, (found, wanted)


for number, (what, (domain, text, wanted)) in enumerate(CASES.items()):
    add(number, what, domain, text, wanted)
tests.main()
