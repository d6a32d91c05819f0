#!/usr/bin/env python3
"""Signed mail through a spamd that asks a name server of the test's own: what others sign verifies, and no altered byte does.

Signers: opendkim-testmsg (package opendkim-tools), Mail::DKIM and Mail::DKIM::ARC (libmail-dkim-perl); Ed25519 with openssl.
What is not installed is skipped.
"""
import base64
import hashlib
import os
import re
import shutil
import socket
import struct
import subprocess
import threading

from harness import Skip, Spamd, Tests, ask, free_port, request

RULES = """
loadplugin Mail::SpamAssassin::Plugin::DKIM
full DKIM_SIGNED eval:check_dkim_signed()
full DKIM_VALID eval:check_dkim_valid()
full DKIM_VALID_AU eval:check_dkim_valid_author_sig()
full DKIM_VALID_EF eval:check_dkim_valid_envelopefrom()
full DKIM_BY_OTHER eval:check_dkim_valid('other.example')
full DKIM_BY_SUB eval:check_dkim_valid('*.example')
full ARC_SIGNED eval:check_arc_signed()
full ARC_VALID eval:check_arc_valid()
header ADSP_N eval:check_dkim_adsp('N')
header ADSP_A eval:check_dkim_adsp('A')
header ADSP_D eval:check_dkim_adsp('D')
header ADSP_LOW eval:check_dkim_adsp('1')
header WELCOME eval:check_for_dkim_welcomelist_from()
header DEF_WELCOME eval:check_for_def_dkim_welcomelist_from()
meta DKIM_INVALID DKIM_SIGNED && !DKIM_VALID
adsp_override *.low.example custom_low
welcomelist_from_dkim *@example.com
def_welcomelist_from_dkim *@author.example *.other.example
report_safe 0
add_header all Results dkim=_DKIMRESULT_ arc=_ARCRESULT_ d=_DKIMDOMAIN_ s=_DKIMSELECTOR_
score DKIM_SIGNED 0.1
"""

MESSAGE = """From: Joe <joe@example.com>
To: Sue <sue@example.net>
Subject: Is dinner
 ready?
Date: Fri, 11 Jul 2025 21:00:37 -0700 (PDT)
Message-ID: <1@example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
"""


class Zone:
    """TXT and MX over UDP: {"name": "text"}; None: no answer at all; other names do not exist."""

    def __init__(self):
        self.texts, self.asked = {}, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            query, client = self.socket.recvfrom(4096)
            labels, at = [], 12
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode("latin1"))
                at += 1 + query[at]
            name, kind = ".".join(labels).lower(), struct.unpack(">H", query[at + 1:at + 3])[0]
            self.asked.append((name, kind))
            exists, text = name in self.texts, self.texts.get(name, "")
            if text is None:
                continue
            strings = [text[i:i + 255].encode() for i in range(0, len(text), 255)]
            rdata = b"".join(bytes([len(s)]) + s for s in strings)
            answers = b""
            if kind == 16 and text:
                answers = b"\xc0\x0c" + struct.pack(">HHIH", 16, 1, 60, len(rdata)) + rdata
            header = query[:2] + struct.pack(">HHHHH", 0x8180 if exists else 0x8183, 1, 1 if answers else 0, 0, 0)
            self.socket.sendto(header + query[12:at + 5] + answers, client)


class Filter(Spamd):
    def __init__(self, directory, zone):
        rules = os.path.join(directory, "rules")
        os.makedirs(rules, exist_ok=True)
        with open(os.path.join(rules, "10_dkim.cf"), "w") as f:
            f.write(RULES + "dns_server 127.0.0.1:%d\n" % zone.port)
        self.address = ("127.0.0.1", free_port())
        super().__init__(directory, ["127.0.0.1:%d" % self.address[1]], rules=rules, local=False)
        self.wait_for(self.address)

    def hits(self, message):
        if isinstance(message, str):
            message = message.encode("latin1")
        answer = ask(self.address, request("SYMBOLS", message)).decode("latin1")
        return set(answer.split("\r\n\r\n", 1)[1].strip().split(","))

    def headers(self, message):
        return ask(self.address, request("HEADERS", message.encode("latin1"))).decode("latin1")


tests = Tests()
zone = Zone()
state = {}


def spamd():
    if "spamd" not in state:
        state["spamd"] = Filter(tests.directory, zone)
        tests.ends.append(state["spamd"])
    return state["spamd"]


def run(command, text=None):
    return subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout


def rsa_key(name, bits=2048):
    """A key in a file; its record goes to selector `name` of a few domains."""
    path = os.path.join(tests.directory, name + ".pem")
    if not os.path.exists(path):
        run(["openssl", "genrsa", "-traditional", "-out", path, str(bits)])
    public = run(["openssl", "rsa", "-in", path, "-pubout", "-outform", "DER"])
    for domain in ("example.com", "author.example", "mail.other.example", "other.example"):
        zone.texts["%s._domainkey.%s" % (name, domain)] = "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()
        zone.texts[domain] = ""
    return path


def opendkim(message):
    """simple/simple: the program knows no other."""
    if not shutil.which("opendkim-testmsg"):
        raise Skip("opendkim-testmsg is not installed (package opendkim-tools)")
    key = rsa_key("test")
    return run(["opendkim-testmsg", "-C", "-d", "example.com", "-s", "test", "-k", key],
               message.replace("\n", "\r\n").encode()).decode().replace("\r\n", "\n")


def perl(program, *args, text):
    if not shutil.which("perl") or subprocess.run(["perl", "-MMail::DKIM", "-e", "1"],
                                                  stderr=subprocess.DEVNULL).returncode != 0:
        raise Skip("Mail::DKIM is not installed (package libmail-dkim-perl)")
    signed = run(["perl", "-e", program] + list(args), text.replace("\n", "\r\n").encode())
    return signed.decode().replace("\r\n", "\n")


SIGN = """use Mail::DKIM::Signer; my $m = join("", <STDIN>);
my $s = Mail::DKIM::Signer->new(Algorithm => $ARGV[1], Method => $ARGV[2], Domain => $ARGV[3], Selector => $ARGV[4], KeyFile => $ARGV[0]);
$s->PRINT($m); $s->CLOSE; print $s->signature->as_string, "\\r\\n", $m;"""

SEAL = """use Mail::DKIM::ARC::Signer;
my $m = "Authentication-Results: example.com; arc=none; spf=pass\\r\\n" . join("", <STDIN>);
my $s = Mail::DKIM::ARC::Signer->new(Algorithm => "rsa-sha256", Chain => $ARGV[1], Domain => "example.com", SrvId => "example.com",
    Selector => "test", KeyFile => $ARGV[0], Headers => "from:to:subject", Timestamp => time);
$s->PRINT($m); $s->CLOSE; print join("\\r\\n", $s->as_strings), "\\r\\n", $m;"""


@tests.case("opendkim's signatures verify, with LF and CRLF")
def opendkim_verifies():
    signed = opendkim(MESSAGE)
    for message in (signed, signed.replace("\n", "\r\n")):
        hits = spamd().hits(message)
        assert {"DKIM_SIGNED", "DKIM_VALID", "DKIM_VALID_AU", "WELCOME"} <= hits, hits


@tests.case("every altered byte of what opendkim signed fails")
def altered_bytes():
    signed = opendkim(MESSAGE)
    end = signed.index("From: ")
    value = re.search(r"\bb=([A-Za-z0-9+/=\s]+)", signed)
    assert "DKIM_VALID" in spamd().hits(signed)
    tried = 0
    for at in range(len(signed)):
        byte = ord(signed[at])
        if at < end and value.start(1) <= at < value.end(1):
            # blanks and padding of b= are no part of the signature
            if not (chr(byte).isalnum() or byte in b"+/") or signed[at + 1:at + 3].find("=") >= 0:
                continue
            other = "A" if byte != ord("A") else "B"
        else:
            other = chr(byte ^ 1)
        tried += 1
        hits = spamd().hits(signed[:at] + other + signed[at + 1:])
        assert "DKIM_VALID" not in hits, (at, signed[at - 10:at + 10], other, hits)
    assert tried > 600, tried


@tests.case("what Mail::DKIM signs verifies: both hashes, all forms, keys from 1024 to 4096 bits")
def mail_dkim_verifies():
    for bits in (1024, 2048, 4096):
        key = rsa_key("k%d" % bits, bits)
        for algorithm in ("rsa-sha256", "rsa-sha1"):
            for canon in ("relaxed/relaxed", "simple/simple", "relaxed/simple"):
                signed = perl(SIGN, key, algorithm, canon, "example.com", "k%d" % bits, text=MESSAGE)
                assert "DKIM_VALID_AU" in spamd().hits(signed), (bits, algorithm, canon)
                assert "DKIM_INVALID" in spamd().hits(signed.replace("hungry", "hungrY")), (bits, algorithm, canon)


@tests.case("a weak key is valid, but not the author's")
def weak_key():
    signed = perl(SIGN, rsa_key("weak", 768), "rsa-sha256", "relaxed/relaxed", "example.com", "weak", text=MESSAGE)
    hits = spamd().hits(signed)
    assert "DKIM_VALID" in hits and "DKIM_VALID_AU" not in hits and "WELCOME" not in hits, hits


@tests.case("who signed: lists of domains, the envelope's domain, welcome lists with signers")
def signers():
    key = rsa_key("test")
    message = "Return-Path: <bounce@mail.other.example>\n" + MESSAGE.replace("joe@example.com", "joe@author.example")
    signed = perl(SIGN, key, "rsa-sha256", "relaxed/relaxed", "mail.other.example", "test", text=message)
    hits = spamd().hits(signed)
    assert {"DKIM_VALID", "DKIM_BY_SUB", "DKIM_VALID_EF", "DEF_WELCOME"} <= hits, hits
    assert not {"DKIM_VALID_AU", "DKIM_BY_OTHER", "WELCOME"} & hits, hits
    text = spamd().headers(signed)
    assert "dkim=pass:mail.other.example:test" in text and "d=mail.other.example s=test" in text, text


@tests.case("Ed25519 signatures verify (RFC 8463), altered ones do not")
def ed25519():
    path = os.path.join(tests.directory, "ed.pem")
    run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", path])
    public = run(["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"])[-32:]
    zone.texts["ed._domainkey.example.com"] = "v=DKIM1; k=ed25519; p=" + base64.b64encode(public).decode()
    body = MESSAGE.split("\n\n", 1)[1].replace("  ", " ").replace("\n", "\r\n").encode()
    start = ("DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=ed; h=from:to; bh=%s; b="
             % base64.b64encode(hashlib.sha256(body).digest()).decode())
    data = "from:Joe <joe@example.com>\r\nto:Sue <sue@example.net>\r\n" + "dkim-signature:" + start[16:]
    digest = os.path.join(tests.directory, "digest")
    with open(digest, "wb") as f:
        f.write(hashlib.sha256(data.encode()).digest())
    signature = base64.b64encode(run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", path, "-in", digest])).decode()
    signed = start + signature + "\n" + MESSAGE
    assert {"DKIM_VALID", "DKIM_VALID_AU", "WELCOME"} <= spamd().hits(signed), spamd().hits(signed)
    assert "DKIM_INVALID" in spamd().hits(signed.replace("hungry", "Hungry"))
    assert "DKIM_INVALID" in spamd().hits(signed.replace("sue@", "sUe@"))


@tests.case("ARC chains of Mail::DKIM verify; a broken one does not")
def arc_chain():
    key = rsa_key("test")
    sealed = perl(SEAL, key, "none", text=MESSAGE)
    hits = spamd().hits(sealed)
    assert {"ARC_SIGNED", "ARC_VALID"} <= hits, hits
    assert "arc=pass" in spamd().headers(sealed)
    twice = perl(SEAL, key, "pass", text=sealed)
    assert "arc=pass" in spamd().headers(twice), spamd().headers(twice)
    assert "arc=fail" in spamd().headers(twice.replace("hungry", "Hungry"))
    assert "ARC_VALID" not in spamd().hits(sealed.replace("i=1", "i=0"))


@tests.case("practices: published, overridden, a domain that does not exist, a key that does not come")
def practices():
    zone.texts["all.example"] = zone.texts["discard.example"] = zone.texts["none.example"] = zone.texts["x.low.example"] = ""
    zone.texts["_adsp._domainkey.all.example"] = "dkim=all"
    zone.texts["_adsp._domainkey.discard.example"] = "dkim=discardable"
    for domain, wanted in (("all.example", "ADSP_A"), ("discard.example", "ADSP_D"), ("none.example", None),
                           ("x.low.example", "ADSP_LOW"), ("nowhere.example", "ADSP_N")):
        hits = spamd().hits(MESSAGE.replace("example.com", domain))
        assert {h for h in hits if h.startswith("ADSP")} == ({wanted} if wanted else set()), (domain, hits)
    zone.texts["late._domainkey.all.example"] = None
    signed = perl(SIGN, rsa_key("late"), "rsa-sha256", "relaxed/relaxed", "all.example", "late",
                  text=MESSAGE.replace("example.com", "all.example"))
    zone.texts["late._domainkey.all.example"] = None
    hits = spamd().hits(signed)
    assert "DKIM_INVALID" in hits and "ADSP_A" not in hits, hits


@tests.case("keys of several signatures are asked for once each, and together")
def asked_once():
    key = rsa_key("test")
    signed = MESSAGE
    for domain in ("example.com", "other.example", "example.com"):
        signed = perl(SIGN, key, "rsa-sha256", "relaxed/relaxed", domain, "test", text=signed)
    del zone.asked[:]
    assert {"DKIM_VALID", "DKIM_BY_OTHER"} <= spamd().hits(signed)
    keys = [name for name, _ in zone.asked if name.startswith("test._domainkey")]
    assert sorted(keys) == ["test._domainkey.example.com", "test._domainkey.other.example"], keys


tests.main()
