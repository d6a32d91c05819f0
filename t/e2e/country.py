#!/usr/bin/env python3
"""RelayCountry with a database made here, IPv4 and IPv6: what is expected, and what the reference says when it is
installed with its module for the format (TAP)."""
import ipaddress
import os
import struct
import subprocess
import sys
import tempfile

BUILD = os.environ.get('top_builddir') or os.getcwd()
NETWORKS = {'81.2.69.0/24': 'GB', '89.160.20.112/28': 'SE', '175.16.0.0/16': 'CN', '216.160.83.56/29': 'US',
            '2a02:d300::/28': 'UA', '2001:218::/32': 'JP', '2a02:cf40:10::/48': 'NO', '2c0f:ff80::/32': 'ZA'}
CONFIG = """loadplugin Mail::SpamAssassin::Plugin::Check
loadplugin Mail::SpamAssassin::Plugin::RelayCountry
clear_headers
report_safe 0
trusted_networks 216.160.83.56 2a02:cf40:10::/48
geodb_module GeoIP2
geodb_options country:%s
header CHINA X-Relay-Countries =~ /CN/
score CHINA 1
add_header all Country [_RELAYCOUNTRY_] [_RELAYCOUNTRYEXT_] [_RELAYCOUNTRYAUTH_] [_RELAYCOUNTRYALL_]
add_header all Tests _TESTS_
"""


# ---- the MaxMind DB format, version 2.0: a search tree of records, data, metadata ----

def control(kind, size):
    first = (kind << 5 if kind <= 7 else 0) | size
    return bytes([first]) if kind <= 7 else bytes([first, kind - 7])


def encode(value):
    if isinstance(value, dict):
        return control(7, len(value)) + b''.join(encode(k) + encode(v) for k, v in value.items())
    if isinstance(value, list):
        return control(11, len(value)) + b''.join(encode(v) for v in value)
    if isinstance(value, str):
        data = value.encode()
        assert len(data) < 285
        return control(2, len(data)) + data if len(data) < 29 else control(2, 29) + bytes([len(data) - 29]) + data
    kind, size, number = value  # readers want each number in the type that the format names
    return control(kind, size) + number.to_bytes(size, 'big')


UINT16, UINT32, UINT64 = (5, 2), (6, 4), (9, 8)


def database(networks):
    tree, data, places = [[None, None]], b'', {}
    for text, code in networks.items():
        net = ipaddress.ip_network(text)
        shift = 96 if net.version == 4 else 0
        if code not in places:
            places[code] = len(data)
            data += encode({'country': {'iso_code': code}})
        bits, length, node = int(net.network_address), net.prefixlen + shift, 0
        for i in range(length):
            bit = bits >> (127 - i) & 1
            if i == length - 1:
                tree[node][bit] = ('data', places[code])
            elif tree[node][bit] is None:
                tree.append([None, None])
                tree[node][bit] = len(tree) - 1
                node = len(tree) - 1
            else:
                node = tree[node][bit]
    out = b''
    for pair in tree:
        for record in pair:
            number = len(tree) if record is None else record if isinstance(record, int) else len(tree) + 16 + record[1]
            out += struct.pack('>I', number)
    meta = {'node_count': UINT32 + (len(tree),), 'record_size': UINT16 + (32,), 'ip_version': UINT16 + (6,), 'database_type': 'Winnow-Test-Country',
            'languages': ['en'], 'binary_format_major_version': UINT16 + (2,), 'binary_format_minor_version': UINT16 + (0,),
            'build_epoch': UINT64 + (1750000000,), 'description': {'en': 'made by a test'}}
    return out + bytes(16) + data + b'\xab\xcd\xefMaxMind.com' + encode(meta)


# ---- messages: relays, newest first ----

def message(*relays):
    out = ''
    for i, (ip, auth) in enumerate(relays):
        out += ('Received: from host%d.example.com (host%d.example.com [%s])%s\n\tby mx%d.example.net (Postfix) with %s id '
                'A%d\n\tfor <u@example.net>; Tue, 24 Nov 2026 10:00:0%d +0000\n'
                % (i, i, 'IPv6:' + ip if ':' in ip else ip, '\n\t(Authenticated sender: u)' if auth else '', i,
                   'ESMTPA' if auth else 'ESMTP', i, 9 - i))
    return (out + 'From: a@example.com\nTo: u@example.net\nSubject: x\nDate: Tue, 24 Nov 2026 10:00:00 +0000\n'
            'Message-ID: <1@example.com>\n\ntext\n').encode()


ROWS = [
    ('IPv4', message(('81.2.69.160', False)), '[GB] [GB] [] [GB]', 'none'),
    ('the ends of a network', message(('89.160.20.112', False), ('89.160.20.127', False)), '[SE SE] [SE SE] [] [SE SE]', 'none'),
    ('beside a network', message(('89.160.20.128', False)), '[XX] [XX] [] [XX]', 'none'),
    ('IPv6', message(('2001:218::25', False)), '[JP] [JP] [] [JP]', 'none'),
    ('IPv6, prefix between bytes', message(('2a02:d30f::1', False)), '[UA] [UA] [] [UA]', 'none'),
    ('IPv6 beside a network', message(('2a02:d310::1', False)), '[XX] [XX] [] [XX]', 'none'),
    ('private, and a local IPv6 network as the reference takes it', message(('81.2.69.160', False), ('10.1.2.3', False), ('fd00::7', False)), '[GB ** XX] [GB ** XX] [] [GB ** XX]', 'none'),
    ('a rule', message(('175.16.199.1', False), ('2c0f:ff80::9', False)), '[CN ZA] [CN ZA] [] [CN ZA]', 'CHINA'),
    ('trusted first', message(('216.160.83.56', False), ('2a02:cf40:10::5', False), ('175.16.4.5', False)), '[CN] [CN] [] [US NO CN]', 'CHINA'),
    ('behind a login', message(('216.160.83.56', True), ('81.2.69.1', False)), '[GB] [GB] [US] [US GB]', 'none'),
]


def scan(command, config, raw):
    out = subprocess.run([command, '-L', '-x', '-C', config, '--siteconfigpath', os.path.dirname(config) + '/site', '-p', '/dev/null'], input=raw,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    lines = out.stdout.decode().split('\n\n')[0].split('\n')
    found = dict(x.split(': ', 1) for x in lines if x.startswith('X-Spam-') and ': ' in x)
    return found.get('X-Spam-Country'), found.get('X-Spam-Tests'), out.stderr.decode()


def reference():
    path = '/usr/bin/spamassassin'
    if not os.path.exists(path) or b'perl' not in open(path, 'rb').readline():
        return None
    module = subprocess.run(['perl', '-MMaxMind::DB::Reader', '-e', '1'], stderr=subprocess.DEVNULL)
    return path if module.returncode == 0 else None


def main():
    number = failed = 0
    theirs = reference()
    with tempfile.TemporaryDirectory() as d:
        db, config = os.path.join(d, 'country.mmdb'), os.path.join(d, 'rules')
        os.mkdir(os.path.join(d, 'site'))
        with open(db, 'wb') as f:
            f.write(database(NETWORKS))
        os.mkdir(config)
        with open(os.path.join(config, '10.cf'), 'w') as f:
            f.write(CONFIG % db)
        for what, raw, country, tests in ROWS:
            got = scan(os.path.join(BUILD, 'cmd/spamassassin'), config, raw)
            want = [('expected', (country, tests))]
            if theirs:
                want.append(('the reference', scan(theirs, config, raw)[:2]))
            for who, value in want:
                number += 1
                good = got[:2] == value
                failed += not good
                print('%sok %d - %s: %s%s' % ('' if good else 'not ', number, what, who,
                                              '' if good else ' # %r, not %r %s' % (got[:2], value, got[2][:300].replace('\n', '|'))))
    if not theirs:
        number += 1
        print('ok %d - the reference # SKIP not installed, or not its module for the format' % number)
    print('1..%d' % number)
    return failed > 0


if __name__ == '__main__':
    sys.exit(main())
