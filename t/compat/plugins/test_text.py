#!/usr/bin/env python3
"""BodyEval, HTMLEval, AntiVirus, TextCat against the reference."""
import base64
from compare import *

need_reference()


body_cf = (
    grid('MAD', 'body', 'multipart_alternative_difference', ['0,1', '1,50', '50,99', '99,100', '0,"undef"', '75,"undef"', '99.9,"undef"'])
    + grid('MAC', 'body', 'multipart_alternative_difference_count', ['3,1', '1,0', '0,0', '0.5,2', '2,5'])
    + grid('BLR', 'body', 'check_blank_line_ratio', ['0,5', '5,20', '20,60', '60,100', '0,100,5', '10,100,40', '-2,0,100'])
    + grid('RLR', 'rawbody', 'check_blank_line_ratio', ['0,5', '5,100', '0,100,0'])
    + grid('TVD', 'body', 'tvd_vertical_words', ['0,10', '10,20', '20,30', '30,50', '50,99', '99,100', '-1,0', '100,200'])
    + grid('STK', 'body', 'check_stock_info', ['0', '1', '2', '3', '4', '6'])
    + grid('LEN', 'body', 'check_body_length', ['0', '10', '50', '64', '128', '200', '256', '512', '1024', '5000'])
    + grid('PBL', 'body', 'plaintext_body_length', ['0', '1,20', '20,100', '100', '100,500'])
    + grid('PSL', 'body', 'plaintext_sig_length', ['0,0', '1', '1,5', '5,20', '20'])
    + grid('PSR', 'body', 'plaintext_body_sig_ratio', ['0,1', '1,5', '5,100', '100', '1000000,1000000'])
    + grid('HCF', 'body', 'html_charset_faraway', ['']).replace('()', '()'))

stock = ('Company: Foo\nCompany Name: Foo Inc\nSymbol: FOOO\nTicker : FOOO\nCurrent Price: $1.2\n5 Day Target: $4\n'
         'Trading Date: Monday\nRating : strong buy\n  Stock: XY\nSector:none\nRe: x\nProjected : 7\nEmpty:\nWeek high: 7\n')
words = ' '.join('word%d' % i for i in range(40))
body_messages = {
    'empty': mail(''),
    'one line': mail('x\n'),
    'plain': mail('Hello there, this is a line\n\nand one more of it\n'),
    'blanks': mail('a\n\n\nb\n \n\t\n\nc\n\n\n\n\n'),
    'no final lf': mail('a\n\n\nb\n   '),
    'vertical': mail('a b c d e f g h\ni j k l m n o p q\n'),
    'vertical 2': mail('w   o   r   d   s\n\n\nlonger words here instead\n'),
    'stock': mail(stock),
    'stock 2': mail('Company Name: X\nCurrent: 5\nExpectations: high\n'),
    'stock long': mail(('A line with nothing in it, which goes on and on for some time to come. ' * 60 + '\n') * 3 + stock),
    'sig': mail('Hello there\nfriends\n-- \nAnn Example\nExample Inc.\n'),
    'sig short': mail('Hello there\nfriends\n-- \nAnn'),
    'sig short lf': mail('Hello there\nfriends\n-- \nAnn\n'),
    'sig two': mail('Hello there\n--\nfriends\n-- \nAnn Example\nExample\n'),
    'sig crlf': mail('Hello there\r\nfriends\r\n-- \r\nAnn Example\r\n'),
    'sig first': mail('-- \nAnn Example\n' + 'more and more\n' * 10),
    'same': alternative(words, '<html><body>%s</body></html>' % words),
    'other': alternative('nothing of it', '<html><body>%s</body></html>' % words),
    'half': alternative(' '.join(words.split()[:20]), '<p>%s</p>' % words),
    'twice': alternative('a a a b', '<p>a a b b b c</p>'),
    'img': alternative('text', '<img src="http://example.com/x.png">'),
    'empty html': alternative('text', '<p> </p>'),
    'mixed': alternative('text words', '<p>html words</p>', kind='mixed'),
    'related in it': alternative('some words of text', '<p>%s</p>' % words,
                                 '--b\nContent-Type: text/html\n\n<b>more text words</b>\n'),
    'calendar': mail('--b\nContent-Type: text/html\n\n<p>%s</p>\n--b\nContent-Type: text/calendar\n\nBEGIN:VCALENDAR\n--b--\n' % words,
                     ctype='multipart/alternative; boundary=b'),
    'utf8': alternative('größe füße — “quotes” …', '<p>größe füße — “quotes” … straße</p>'),
    'latin': alternative('caf\xe9 x', '<p>caf&eacute; x &nbsp; y</p>', textcs='iso-8859-1'),
    'nbsp': alternative('a b', '<p>a&nbsp;b c</p>'),
    'html charset': mail('<html><head><meta http-equiv="Content-Type" content="text/html; charset=koi8-r"></head>x</html>',
                         ctype='text/html'),
    'text first part html': mail('<p>-- </p>\n', ctype='text/html'),
    'flowed': mail('x\n-- \nsignature of some length\n', ctype='text/plain; format=flowed'),
    'b64': mail(base64.encodebytes(b'Hello\n\n-- \nAnn Example, signed\n').decode(), head='Content-Transfer-Encoding: base64\n'),
}
for i in (0, 1, 2, 9, 10, 11, 63, 64, 65):
    body_messages['len %d' % i] = mail('x' * i)
    body_messages['len %d lf' % i] = mail('x' * i + '\n')
    body_messages['len %d crlf' % i] = mail('x' * i + '\n').replace(b'\n', b'\r\n')


exe = b'MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0\xb8\0\0\0\0\0\0\0' + b'\0' * 50
virus_messages = {'none': mail('x')}
for name in ('a.exe', 'a.EXE', 'a.scr', 'a.sc', 'a.txt', 'a.txt.pif', 'a.jpeg', 'a.doc', 'a.ppt', 'a.xls', 'a.vcf', 'a.htm', 'a.xhtml',
             'exe', 'a.exe ', ''):
    for ctype in ('application/octet-stream', 'text/plain', 'image/gif', 'application/msword', 'application/vnd.ms-excel',
                  'application/x-ppt', 'text/vcard', 'application/mac-binhex40', 'audio/x-wav'):
        virus_messages['%s %s' % (name, ctype)] = attach(name, ctype, b'nothing')
virus_messages['exe'] = attach('', 'application/octet-stream', exe)
virus_messages['exe text'] = attach('', 'text/plain', exe)
virus_messages['exe qp'] = attach('', 'text/plain', 'TVqQAAMAAAAEAAAA', cte='quoted-printable')
virus_messages['uu'] = mail('begin 644 x.exe\nM35J0``,````$````__\\``+@`````````0```````````````````````````\n')
virus_messages['uu2'] = mail('begin 644 x.exe\nM35I0``(````$``\\`__\\``+@`````````0``:`````````````````````````\n')
virus_messages['uu3'] = mail('M35GK.`..`..````````x\nM35JK.`AB`CD......````\n')
virus_messages['top exe'] = mail(base64.encodebytes(exe).decode(), head='Content-Transfer-Encoding: base64\n',
                                 ctype='application/x-msdownload; name=setup.exe')

main([
    Case('BodyEval', ['BodyEval', 'HTMLEval'], body_cf, body_messages),
    Case('AntiVirus', ['AntiVirus'], 'body EXE eval:check_microsoft_executable()\nbody NAME eval:check_suspect_name()\n', virus_messages),
])
