#!/usr/bin/env python3
"""Writes messages of the kinds that travel today, well formed and broken, from building blocks.

  modern.py --seed N --count N DIR            NNNN.eml, the same for the same seed
  modern.py --seed N --count N --mutate DIR FILE ...   mutants of the given messages instead

Standard library only; every word in it is made up.  Used by t/compat/modern-compare."""
import argparse
import base64
import os
import quopri
import random
import re

R = random.Random()


def pick(*xs):
    return R.choice(xs)


def some(xs, lo, hi):
    return [R.choice(xs) for _ in range(R.randint(lo, hi))]


def chance(p):
    return R.random() < p


def token(n, alphabet='abcdefghijklmnopqrstuvwxyz0123456789'):
    return ''.join(R.choice(alphabet) for _ in range(n))


# ---- words ----

HAM = """The minutes of Tuesday's call are attached, please add your notes before Friday.|Build 4512 passed on all \
platforms.|Your order has shipped and should arrive on Thursday.|Lunch at noon? The place on the corner has soup.|I \
merged the branch and removed the flag.|Thanks for the review, I will rework section three.|Your receipt for \
October: total $12.50, paid by card.|Reminder: dentist on 3 March at 09:30.|The train was late again; start without \
me.|On Monday Anna wrote: see below.|We have updated our privacy policy and terms of service.|Your verification code \
is 481 516.|A new sign-in from Firefox on Linux.|You are receiving this because you are subscribed to this \
thread.|Please find the invoice attached.|Kind regards, Hanna|Best, Tom|Sent from my phone|See you there!""".split('|')
SPAM = """Dear friend, I am the widow of a late oil minister and wish to transfer USD 18,500,000.00 (eighteen \
million five hundred thousand dollars) to you.|Click here to claim your free gift card now!!!|Cheap Viagra, Cialis \
and Xanax, no prescription needed, 80% off|Lose weight fast with this one weird trick|Congratulations! You have WON \
the international lottery, contact the claims agent with your full name, address, phone number, age and \
occupation|Your account has been suspended. Verify your password within 24 hours or it will be closed|Work from \
home and earn $5,000 a week, 100% risk free, satisfaction guaranteed|Act now! Limited time offer. Order now, \
operators are standing by|This is not spam. To be removed from our list click below|I recorded you with your webcam. \
Send 0.5 bitcoin to 1BoatSLRHtKNngkdXEeobR76b53LETtpyT within 48 hours|Refinance your mortgage at the lowest rate, \
bad credit no problem|Hot singles in your area want to meet you tonight|Increase your search engine ranking, first \
page of Google guaranteed|I am Barrister John Mbeki, attorney to the next of kin of a deceased client, with the \
consent of the security company and the bank of Africa|Replica watches, Rolex, Gucci, best price|Your mailbox is \
full, upgrade your quota now|We offer business loans at 2% interest rate, apply with BVN|Dear beneficiary, your \
compensation fund via ATM card is ready, pay only the delivery fee|M a k e  M o n e y  F A S T|You've been \
pre-approved! Unsubscribe by replying with REMOVE|p.h" + "armacy onl1ne v1agra c1alis|Investment opportunity, \
crypto trading, double your bitcoin|COVID-19 face masks in stock, FDA approved, order today""".replace('" + "', '').split('|')
FOREIGN = {
    'ru': ['Привет, как дела? Встреча завтра в десять.', 'Срочно! Заработок в интернете без вложений', 'Счёт за услуги во вложении',
           'Добрый день, коллеги!', 'Скидки до 70% только сегодня'],
    'ja': ['こんにちは、会議の資料を添付します。', 'お得な情報をお届けします', 'ご注文ありがとうございます。', '今すぐクリック！無料'],
    'zh': ['您好，附件是本月的报告。', '发票代开，点数优惠，请联系', '会议改到下午三点', '优惠活动正在进行'],
    'tw': ['您好，附件是本月的報告。', '優惠活動正在進行中', '請點擊以下連結'],
    'ko': ['안녕하세요, 회의 자료를 첨부합니다.', '무료 상담 신청', '(광고) 특별 할인'],
    'de': ['Grüße aus München, schöne Größe für 20 €.', 'Ihre Rechnung liegt bei', 'Jetzt günstig einkaufen!'],
    'fr': ['Réunion reportée à jeudi, désolé.', 'Cliquez ici pour gagner 1 000 €', 'Veuillez trouver ci-joint'],
    'pl': ['Zażółć gęślą jaźń', 'Faktura w załączniku'], 'el': ['Καλημέρα, τι κάνεις;', 'Κερδίστε δωρεάν'],
    'ar': ['مرحبا كيف حالك', 'عرض خاص لفترة محدودة'], 'he': ['שלום, מה שלומך?', 'מבצע מיוחד'], 'th': ['สวัสดีครับ โปรโมชั่น'],
    'tr': ['Merhaba, şirket toplantısı yarın', 'İndirim fırsatı'], 'vi': ['Xin chào, cuộc họp ngày mai'],
    'em': ['🎉 Big news 🎉', 'Sale 🔥🔥 ends tonight ⏰', 'zero\u200bwidth\u200cjoi\u200dner soft\u00adhyphen', 'ｆｕｌｌｗｉｄｔｈ Ｖｉａｇｒａ',
           'Раураl аccount', '𝐁𝐨𝐥𝐝 𝒎𝒂𝒕𝒉', 'e\u0301clair nai\u0308ve', 'non\u00a0breaking\u2003spaces\u3000here', 'line\u2028sep\u2029para', '\ufeffbom']}
CHARSETS = {'ru': ['koi8-r', 'windows-1251', 'utf-8', 'iso-8859-5', 'cp866', 'KOI8-U'], 'ja': ['iso-2022-jp', 'shift_jis', 'euc-jp', 'utf-8', 'cp932', 'windows-31j'],
            'zh': ['gb2312', 'gbk', 'gb18030', 'utf-8', 'GB2312', 'hz-gb-2312'], 'tw': ['big5', 'utf-8', 'Big5-HKSCS'],
            'ko': ['euc-kr', 'ks_c_5601-1987', 'utf-8', 'iso-2022-kr', 'cp949'], 'de': ['iso-8859-1', 'iso-8859-15', 'windows-1252', 'utf-8'],
            'fr': ['iso-8859-1', 'windows-1252', 'utf-8', 'ISO-8859-15', 'macintosh'], 'pl': ['iso-8859-2', 'windows-1250', 'utf-8'],
            'el': ['iso-8859-7', 'windows-1253', 'utf-8'], 'ar': ['windows-1256', 'iso-8859-6', 'utf-8'], 'he': ['windows-1255', 'iso-8859-8-i', 'utf-8'],
            'th': ['tis-620', 'windows-874', 'utf-8'], 'tr': ['iso-8859-9', 'windows-1254', 'utf-8'], 'vi': ['utf-8', 'windows-1258'],
            'em': ['utf-8', 'UTF-8', 'utf-16', 'utf-7', 'utf8']}
ALIAS = {'ks_c_5601-1987': 'cp949', 'windows-31j': 'cp932', 'hz-gb-2312': 'hz', 'iso-8859-8-i': 'iso-8859-8', 'big5-hkscs': 'big5hkscs',
         'windows-874': 'cp874', 'macintosh': 'mac_roman'}
LANGS = list(FOREIGN)
TLDS = ['com', 'net', 'org', 'de', 'co.uk', 'ru', 'cn', 'top', 'xyz', 'icu', 'info', 'biz', 'io', 'com.br', 'shop', 'club', 'online', 'jp', 'in', 'рф', 'xn--p1ai', 'cam', 'guru', 'click']
FREEMAIL = ['gmail.com', 'yahoo.com', 'outlook.com', 'hotmail.com', 'qq.com', '163.com', 'mail.ru', 'yandex.ru', 'aol.com', 'gmx.de', 'web.de', 'protonmail.com', 'icloud.com']
NAMES = ['Anna Berg', 'Tom Reed', 'Li Wei', 'José Núñez', 'Ольга Иванова', 'Jörg Müller', 'Support Team', 'no-reply', 'PayPal Service', 'Dr. Mrs. Mary Williams',
         'Amazon.com', 'Mr.Ban Ki', '山田太郎', '김철수', 'Bank Of America', 'Acme, Inc.', 'Netflix', 'JOHN SMITH', 'O\'Neil, Pat', 'Info <b@c.com>', 'ceo@firm.com', 'Zoë', 'X']


def lang_text(lang, n=3):
    return ' '.join(some(FOREIGN[lang], 1, n))


def para(kind, lang):
    if lang and chance(0.7):
        return lang_text(lang)
    return ' '.join(some(SPAM if kind == 'spam' or (kind == 'mix' and chance(0.5)) else HAM, 1, 4))


def encode(text, charset):
    name = ALIAS.get(charset.lower(), charset)
    try:
        return text.encode(name, 'replace')
    except LookupError:
        return text.encode('utf-8')


def ip4():
    return pick('192.0.2.%d', '198.51.100.%d', '203.0.113.%d', '10.0.3.%d', '192.168.1.%d', '8.8.4.%d', '209.85.220.%d', '54.240.8.%d', '185.143.9.%d', '41.203.78.%d', '127.0.0.%d', '172.16.0.%d') % R.randint(1, 254)


def ip6():
    return pick('2001:db8:%x::%x', '2a02:%x:0:1::%x', 'fe80::%x:%x', '2603:10a6:%x:46::%x', '2607:f8b0:4864:20:0:%x:0:%x', 'fd00:%x::%x', '::ffff:%d.2.3.%d') % (R.randint(1, 255), R.randint(1, 255))


def domain():
    r = R.random()
    if r < 0.12:
        return R.choice(FREEMAIL)
    if r < 0.18:
        return pick('bücher.example', 'xn--bcher-kva.com', 'почта.рф', '例え.jp', 'xn--80ak6aa92e.com', 'café.fr')
    if r < 0.3:
        return pick('mail.example.com', 'news.shop-example.co.uk', 'em1234.sendgrid.net', 'bounce.mailchimpapp.net', 'amazonses.com', 'email.amazon-example.com', 'lists.example.org')
    return '%s%s.%s' % (pick('', 'www.', 'mail.', 'news.', token(5) + '.'), pick('acme', 'globex', 'initech', 'promo-' + token(4), token(11), 'best4u', 'secure-login', 'a'), R.choice(TLDS))


def address():
    return '%s@%s' % (pick('anna', 'tom.reed', 'info', 'no-reply', 'bounces+123-' + token(4) + '-bob=example.org', token(9), 'x_y', 'user%d' % R.randint(1, 99999), 'sales', 'jörg', 'a.b.c'), domain())


def word(text, charset, q=None):
    """One RFC 2047 word."""
    b = encode(text, charset)
    if q or (q is None and chance(0.4)):
        return '=?%s?%s?%s?=' % (charset, pick('Q', 'q'), ''.join(chr(c) if 48 <= c < 58 or 65 <= c < 91 or 97 <= c < 123 else '_' if c == 32 else '=%02X' % c for c in b))
    return '=?%s?%s?%s?=' % (charset, pick('B', 'b'), base64.b64encode(b).decode())


def header_text(text, lang):
    """A header value with text of any language in one of the ways it is written."""
    if text.isascii() and chance(0.85):
        return text.encode()
    cs = R.choice(CHARSETS[lang or 'em'])
    r = R.random()
    if r < 0.15:
        return text.encode('utf-8')
    if r < 0.22:
        return encode(text, cs)
    if r < 0.5:
        return word(text, cs).encode()
    if r < 0.6:     # cut between words, sometimes inside a character
        b = encode(text, cs)
        n = max(1, len(b) // 2)
        return b'=?%s?B?%s?=\n =?%s?B?%s?=' % (cs.encode(), base64.b64encode(b[:n]), cs.encode(), base64.b64encode(b[n:]))
    if r < 0.7:
        return (word(text[:len(text) // 2], cs) + pick(' ', '\n ', '  ', '', '\t') + word(text[len(text) // 2:], pick(cs, 'utf-8'))).encode()
    if r < 0.8:
        return ('Re: ' + word(text, cs) + pick(' end', ' ', '=?=', ' =?broken?x?a?=', ' (fwd)')).encode()
    if r < 0.85:
        return ('=?%s*en?Q?%s?=' % (cs, 'caf=C3=A9')).encode()
    return word(text, pick('utf-8', 'UTF-8', 'utf8', 'unknown-8bit', 'x-foo', 'us-ascii', 'default_charset', '')).encode()


def mailbox(lang):
    name = R.choice(NAMES)
    a = address()
    r = R.random()
    if r < 0.15:
        return a.encode()
    if r < 0.25:
        return b'<' + a.encode() + b'>'
    if r < 0.5 and name.isascii():
        return b'"%s" <%s>' % (name.encode(), a.encode())
    if r < 0.55:
        return b'"%s" <%s>' % (address().encode(), a.encode())
    if r < 0.6:
        return b'%s (%s)' % (a.encode(), name.encode())
    return header_text(name, lang if not name.isascii() else None) + pick(b' ', b'') + b'<' + a.encode() + pick(b'>', b'>', b'>', b'>', b' >', b'')


# ---- URLs and HTML ----

def url():
    d = domain()
    r = R.random()
    path = pick('', '/', '/index.html', '/a/b?c=d&e=f', '/' + token(12), '/unsubscribe?email=bob%40example.org', '/wp-content/' + token(4) + '.php', '/click.php?id=%d' % R.randint(1, 99999), '/' + token(40, '0123456789abcdef'))
    if r < 0.1:
        return 'https://u%d.ct.sendgrid.net/ls/click?upn=%s-2B%s-3D-3D_%s' % (R.randint(1, 9999999), token(60), token(40), token(80))
    if r < 0.15:
        return 'https://t.example-mail.com/f/a/%s~~/AAA%s~/%s' % (token(22), token(10), token(60))
    if r < 0.2:
        return 'http://%s%s' % (pick('203.0.113.9', '3405803785', '0xCB.0x0.0x71.0x9', '[2001:db8::1]', '203.0.113.9:8080'), path)
    if r < 0.25:
        return 'https://www.google.com/url?q=https%%3A%%2F%%2F%s&sa=D' % d
    if r < 0.29:
        return pick('https://bit.ly/', 'http://tinyurl.com/', 'https://t.co/', 'https://storage.googleapis.com/', 'https://docs.google.com/forms/d/e/', 'https://forms.gle/', 'https://ipfs.io/ipfs/Qm') + token(9)
    if r < 0.32:
        return 'http://user:pw@%s%s' % (d, path)
    if r < 0.34:
        return 'HTTP://%s%s' % (d.upper(), path)
    if r < 0.37:
        return 'http://%s%s' % (re.sub('[aeo]', lambda m: '%%%02x' % ord(m.group()), d), path)
    if r < 0.39:
        return 'https://%s/%s' % (d, token(R.choice([300, 900, 3000])))
    if r < 0.41:
        return pick('//%s%s', 'hxxp://%s%s', 'http:/%s%s', 'http:\\\\%s%s', 'https://%s%s#frag', ' http://%s%s ', 'http://%s.%s', 'ftp://%s%s', 'http://http://%s%s') % (d, path)
    if r < 0.44:
        return pick('mailto:%s?subject=remove', 'mailto:%s', 'tel:+%s', 'javascript:go("%s")', 'cid:%s', '#%s', 'data:text/html,%s') % (address() if chance(0.8) else token(6))
    return pick('http', 'https') + '://' + d + path


STYLES = ['display:none', 'display: none !important', 'visibility:hidden', 'font-size:0', 'font-size:1px', 'font-size: 0.1em', 'font-size:2%', 'color:#fff', 'color:#fefefe;background-color:#ffffff',
          'color: rgb(250,250,250)', 'color:white', 'font:1px/1.5 Arial', 'max-height:0;overflow:hidden', 'opacity:0', 'mso-hide:all', 'line-height:0', 'text-indent:-9999px', 'font-size:14px;color:#333333',
          'background:#000;color:#000', 'color:rgba(0,0,0,0)', 'color:transparent', 'font-size:xx-small', 'font-size:larger', 'width:1px;height:1px', 'position:absolute;left:-5000px', 'color:inherit', '}{;;:', 'color:#FFF !important']


def attr_style():
    return ' style=%s%s%s' % ((lambda q: (q, R.choice(STYLES), q))(pick('"', '"', "'")))


def entity_text(text):
    r = R.random()
    if r < 0.75:
        return text
    if r < 0.85:
        return ''.join('&#%d;' % ord(c) if chance(0.3) else c for c in text)
    if r < 0.9:
        return ''.join('&#x%X;' % ord(c) if chance(0.2) else c for c in text)
    return text.replace(' ', pick('&nbsp;', '&nbsp ', '&zwnj; ', '&#8203; ', '&shy; ', '&ensp;', '&#160;'), 9).replace('a', pick('&#97', 'a', '&amp;a', 'a<!-- x -->'), 3)


def block(kind, lang, depth=0):
    """A piece of HTML."""
    t = lambda: entity_text(para(kind, lang))
    r = R.randint(0, 33)
    if r == 0 and depth < 4:
        return '<table width="600" cellpadding="0" bgcolor="%s"><tr><td%s>%s</td><td>%s</td></tr></table>' % (pick('#ffffff', 'white', '#000', 'red', 'ffffff', '#12345'), attr_style(), block(kind, lang, depth + 1), block(kind, lang, depth + 1))
    if r == 1 and depth < 4:
        return '<div%s>%s</div>' % (attr_style(), block(kind, lang, depth + 1))
    if r == 2:
        return '<a href="%s">%s</a>' % (url(), t())
    if r == 3:
        return '<a href="%s" target=_blank%s>%s</a>' % (url().replace('&', '&amp;'), attr_style(), url())
    if r == 4:
        return '<a href=%s><img src="%s" width="%s" height=%s alt="%s" border=0></a>' % (url(), url(), pick('600', '1', '100%', '0', '300px'), pick('1', '"400"', '0'), para(kind, None)[:40].replace('"', ''))
    if r == 5:
        return '<img src="%s" width=1 height=1>' % pick('cid:image001.png@01D7', url(), 'data:image/gif;base64,R0lGODlhAQABAAAAACw=')
    if r == 6:
        return '<font color="%s" size="%s" face="%s">%s</font>' % (pick('#ffffff', 'white', '#fffffe', 'red', 'blue', '#000080', 'ivory', 'nonesuch'), pick('1', '+2', '-3', '7', '0', '1px'), pick('Arial', 'Times', 'verdana, sans-serif'), t())
    if r == 7:
        return '<span%s>%s</span>' % (attr_style(), t())
    if r == 8:
        return '<p%s>%s<p>%s' % (attr_style(), t(), t())
    if r == 9:
        return '<h1 align=center>%s</h1>' % t()
    if r == 10:
        return '<ul><li>%s<li>%s</ul>' % (t(), t())
    if r == 11:
        return '<!-- %s -->' % pick(para(kind, lang), '[if mso]><table><tr><td><![endif]', token(60), '->', '--')
    if r == 12:
        return '<script%s>%s</script>' % (pick('', ' type="text/javascript"', ' language=javascript'), pick('var a="<b>x</b>";', 'window.open("http://%s")' % domain(), 'document.write(unescape("%3Ca%3E"))', 'eval(x)//-->'))
    if r == 13:
        return '<style>%s</style>' % pick('.a{color:red} @media (max-width:480px){td{width:100%!important}}', '<!-- p {font-size:1px} -->', '#x{display:none}', '/* %s */' % token(400))
    if r == 14:
        return '<form action="%s" method=post><input type=%s name=pass><input type=submit value="Log in"></form>' % (url(), pick('password', 'text', 'hidden', 'email'))
    if r == 15:
        return '<br><br>%s<br/>%s<hr>' % (t(), t())
    if r == 16:
        return '<center><b><i><u>%s</u></i></b></center>' % t().upper()
    if r == 17:
        return '<blockquote type="cite">%s</blockquote>' % t()
    if r == 18:
        return '<iframe src="%s" width=0 height=0></iframe>' % url()
    if r == 19:
        return '<marquee>%s</marquee><blink>%s</blink>' % (t(), t())
    if r == 20:
        return pick('<b>unclosed ', '<a href="%s>' % url(), '<td', '</div></div></table>', '<font size=1', '<%s>' % token(6), '< notatag>', '<!DOCTYPE', '<![CDATA[x]]>', '<?xml version="1.0"?>', '<o:p></o:p>', '<a href=>x</a>', '<img src=x src=y>', '</p', '<div/style=color:red>x') + t()
    if r == 21:
        return '<area shape=rect coords="0,0,9,9" href="%s"><map name=m></map>' % url()
    if r == 22:
        return '<object data="%s"></object><embed src="%s">' % (url(), url())
    if r == 23:
        return '<body bgcolor=%s text="%s" background="%s">' % (pick('#FFFFFF', 'black', '"white"'), pick('#000000', 'white'), url())
    if r == 24:
        return '<p>%s</p>' % ' '.join('<span>%s</span>' % c for c in para(kind, lang)[:40])
    if r == 25:
        return '%s<wbr>%s&copy; 2026 &trade; &euro;5 &rsquo; &unknown; &#0; &#x110000; &lt;tag&gt; &amp;amp;' % (t(), t())
    if r == 26:
        return '<pre>\n  %s\n  http://%s/x\n</pre>' % (t(), domain())
    if r == 27:
        return '<p>%s %s %s</p>' % (t(), url(), address())
    if r == 28:
        return '<title>%s</title><meta http-equiv="refresh" content="0;url=%s">' % (t(), url())
    if r == 29:
        return '<base href="%s"><a href="%s">%s</a>' % (url(), pick('x.html', '/y', '?z', '../q', '#a', ''), t())
    if r == 30:
        return '<button onclick="x()">%s</button><select><option>%s</select><textarea>%s</textarea>' % (t(), t(), t())
    if r == 31:
        return '<link rel=stylesheet href="%s"><td background="%s">' % (url(), url())
    if r == 32:
        return '<div style="%s">%s</div>' % (';'.join(some(STYLES, 2, 4)), t())
    return t() + '\n'


def html(kind, lang, charset):
    out = []
    if chance(0.5):
        out.append(pick('<!DOCTYPE html>', '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">', '<!doctype html>'))
    if chance(0.9):
        out.append(pick('<html>', '<HTML xmlns:v="urn:schemas-microsoft-com:vml" xmlns="http://www.w3.org/TR/REC-html40">', '<html lang="en">', '<html><head>'))
    if chance(0.6):
        out.append('<head><meta http-equiv="Content-Type" content="text/html; charset=%s"><title>%s</title></head>' % (pick(charset, 'utf-8', 'iso-8859-1'), para(kind, lang)[:40]))
    if chance(0.8):
        out.append(pick('<body>', '<body bgcolor="#FFFFFF">', '<BODY style="margin:0;background:#fff">', '<body text=#ffffff bgcolor=white>'))
    if chance(0.3):
        out.append('<div style="display:none;font-size:1px;color:#ffffff;max-height:0">%s %s</div>' % (para(kind, lang), '&nbsp;&zwnj;' * R.randint(0, 80)))
    out += [block(kind, lang) for _ in range(R.choice([1, 2, 3, 5, 8, 14, 30]))]
    if chance(0.75):
        out.append(pick('</body></html>', '</BODY>\n</HTML>\n', '</html>', '</body>', '</body></html>\ntrailing ' + url()))
    return pick('\n', '\n', '\r\n', '', ' ').join(out) + '\n'


def plain(kind, lang):
    out = []
    for _ in range(R.choice([0, 1, 2, 3, 5, 12, 40])):
        r = R.random()
        if r < 0.55:
            out.append(para(kind, lang))
        elif r < 0.65:
            out.append(url())
        elif r < 0.7:
            out.append('visit %s or write to %s, %s.' % (url(), address(), domain()))
        elif r < 0.75:
            out.append('> ' + para(kind, lang) + '\n>> ' + url())
        elif r < 0.79:
            out.append('')
        elif r < 0.82:
            out.append(para(kind, lang).upper())
        elif r < 0.85:
            out.append('[' + url() + '] <' + url() + '> (' + url() + ')')
        elif r < 0.88:
            out.append('On Mon, 2 Nov 2026, %s <%s> wrote:' % (R.choice(NAMES), address()))
        elif r < 0.9:
            out.append(token(R.choice([80, 400, 2100])))
        elif r < 0.92:
            out.append('-- \nTom Reed\n+1 202 555 0143')
        elif r < 0.94:
            out.append(pick('begin 644 a.txt\n#0V%T\n`\nend', '-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256', 'a\x00b', '\x1b[0m', 'bare\rcr', 'form\x0cfeed', '=3D=20', '   \t  '))
        else:
            out.append(' '.join(para(kind, lang)[:60]))
    return '\n'.join(out) + pick('\n', '', '\n\n\n')


# ---- MIME ----

def transfer(b, cte):
    if cte == 'base64':
        b = base64.encodebytes(b)
        if chance(0.08):
            b = pick(lambda x: x.replace(b'\n', b''), lambda x: x.replace(b'\n', b'\n!@#\n', 2), lambda x: x[:-3] + b'\n', lambda x: x + b'trailing text not base64\n',
                     lambda x: x.replace(b'=', b''), lambda x: x.replace(b'\n', b' \r\n'))(b)
    elif cte == 'quoted-printable':
        b = quopri.encodestring(b)
        if chance(0.12):
            b = pick(lambda x: x.replace(b'=\n', b'= \n'), lambda x: x.replace(b'=3D', b'=3d'), lambda x: x.replace(b'=3D', b'='), lambda x: x.replace(b'=\n', b'=\r\n'), lambda x: x + b'=', lambda x: x.replace(b'=E', b'=G'))(b)
    return b


def fold(head):
    return [h.replace(b'; ', b';\n\t') if chance(0.5) else h for h in head]


def text_part(kind, lang, subtype=None):
    subtype = subtype or pick('plain', 'html', 'html')
    cs = R.choice(CHARSETS[lang]) if lang else pick('utf-8', 'us-ascii', 'iso-8859-1', 'windows-1252', 'UTF-8')
    text = html(kind, lang, cs) if subtype.endswith('html') else plain(kind, lang)
    b = encode(text, cs)
    shown = cs
    if chance(0.06):
        shown = pick('us-ascii', 'utf-8', 'iso-8859-1', 'x-unknown', '', 'windows-1252', 'gb2312', 'utf-16le', 'iso-2022-jp', '"utf-8', 'charset="utf-8"', 'utf-8;')
    cte = pick('quoted-printable', 'base64', '8bit', '7bit', None)
    b = transfer(b, cte)
    ct = b'Content-Type: text/%s' % subtype.encode()
    r = R.random()
    if r < 0.75:
        ct += pick(b'; charset="%s"', b'; charset=%s', b';\n\tcharset="%s"', b'; charset=\'%s\'', b'; CHARSET=%s') % shown.encode()
    if chance(0.1):
        ct += b'; format=flowed; delsp=yes'
    if chance(0.05):
        ct += b'; name="%s"' % pick(b'a.html', b'invoice.htm', b'x.txt')
    h = [ct] if chance(0.96) else []
    if cte:
        h.append(b'Content-Transfer-Encoding: ' + (cte.encode() if chance(0.9) else cte.upper().encode()))
    if chance(0.1):
        h.append(pick(b'Content-Disposition: inline', b'Content-Disposition: attachment; filename="page.html"', b'Content-Language: en-US', b'Content-ID: <text@x>'))
    return h, b


def file_part(kind, lang):
    name, ct, data = R.choice([
        ('report.pdf', 'application/pdf', b'%PDF-1.4\n1 0 obj\n<</Type/Catalog/URI(http://' + domain().encode() + b'/x)>>\nendobj\ntrailer<<>>\n%%EOF\n'),
        ('image001.png', 'image/png', b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR' + bytes([0, 0, R.randint(0, 4), 88, 0, 0, R.randint(0, 3), 32, 8, 2, 0, 0, 0]) + R.randbytes(R.choice([20, 900, 20000]))),
        ('logo.gif', 'image/gif', b'GIF89a' + bytes([R.randint(0, 255), R.randint(0, 3), R.randint(0, 255), R.randint(0, 2)]) + b'\xf7\0\0' + R.randbytes(R.choice([20, 700, 9000]))),
        ('photo.jpg', 'image/jpeg', b'\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xc0\0\x11\x08' + bytes([1, R.randint(0, 255), 2, R.randint(0, 255)]) + R.randbytes(R.choice([50, 3000]))),
        ('data.zip', 'application/zip', b'PK\3\4\x14\0\0\0\x08\0' + R.randbytes(80)),
        ('macro.docm', 'application/vnd.ms-word.document.macroEnabled.12', b'PK\3\4' + R.randbytes(60)),
        ('letter.doc', 'application/msword', b'\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1' + R.randbytes(600)),
        ('setup.exe', 'application/octet-stream', b'MZ' + R.randbytes(300)),
        ('invoice.html', pick('text/html', 'application/octet-stream'), html(kind, lang, 'utf-8').encode('utf-8')),
        ('invite.ics', 'text/calendar; charset=utf-8; method=REQUEST', b'BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nSUMMARY:' + para(kind, lang).encode('utf-8') + b'\r\nURL:https://meet.example.com/x\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n'),
        ('card.vcf', 'text/vcard', b'BEGIN:VCARD\nFN:Tom Reed\nEMAIL:' + address().encode('utf-8') + b'\nEND:VCARD\n'),
        ('note.txt', 'text/plain', plain(kind, lang).encode('utf-8')),
        ('list.csv', 'text/csv', b'a,b\n1,2\n'), ('x.js', 'application/javascript', b'alert(1)'), ('q.iso', 'application/x-iso9660-image', R.randbytes(90)),
        ('doc.rtf', 'text/rtf', b'{\\rtf1 hello}'), ('winmail.dat', 'application/ms-tnef', R.randbytes(120)), ('s.svg', 'image/svg+xml', b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>')])
    fn = name if not lang or chance(0.5) else pick(word(FOREIGN[lang][0][:12] + name, 'utf-8', False), FOREIGN[lang][0][:9] + name)
    h = [('Content-Type: %s' % ct + (pick('; name="%s"', '; name=%s', ';\n name="%s"') % fn if chance(0.8) else '')).encode('utf-8')]
    if chance(0.8):
        h.append(('Content-Disposition: %s; ' % pick('attachment', 'inline') + pick('filename="%s"' % fn, 'filename="%s"' % fn, "filename*=UTF-8''%s" % name, 'filename*0="%s"; filename*1="%s"' % (fn[:4], fn[4:]))).encode('utf-8'))
    if chance(0.3):
        h.append(b'Content-ID: <image001.png@01D7>')
    cte = pick('base64', 'base64', 'base64', 'quoted-printable', 'binary', '8bit')
    h.append(b'Content-Transfer-Encoding: ' + cte.encode())
    return h, transfer(data, cte)


def multipart(subtype, parts, extra=b''):
    b = pick('----=_Part_%d_%d.%d' % (R.randint(1, 999), R.randint(1, 99999), R.randint(1, 9999999)), '000000000000' + token(16, '0123456789abcdef'), '_000_%s_' % token(30, 'ABCDEF0123456789'), '===============%d==' % R.randint(1, 10**18), '--boundary-LibPT-%s' % token(8), 'Apple-Mail=_%s' % token(20), '_----------=_MCPart_%d' % R.randint(1, 10**9)).encode()
    r = R.random()
    named = b'; boundary=%s' % b if r < 0.3 and b.isalnum() else b'; boundary="%s"' % b if r < 0.97 else pick(b'', b'; boundary=', b'; boundary="%s' % b, b"; boundary='%s'" % b)
    out = [pick(b'', b'', b'This is a multi-part message in MIME format.\n', b'\n')]
    for h, body in parts:
        out.append(b'--' + b + pick(b'\n', b'\n', b'\n', b'\n', b'\n', b' \n', b'\r\n'))
        out.append(b'\n'.join(fold(h)) + (b'\n' if h else b'') + (b'\n' if chance(0.98) else b'') + body + (b'\n' if chance(0.9) or not body.endswith(b'\n') else b''))
    out.append((b'--' + b + b'--' if chance(0.95) else b'') + pick(b'\n', b'', b'\nepilogue ' + url().encode('utf-8') + b'\n'))
    return [b'Content-Type: multipart/' + subtype + extra + named], b''.join(out)


def tree(kind, lang, depth=0):
    r = R.random()
    if depth > 3 or r < 0.28:
        return text_part(kind, lang)
    alternative = lambda: multipart(b'alternative', [text_part(kind, lang, 'plain'), text_part(kind, lang, 'html')])
    related = lambda: multipart(b'related', [pick(lambda: text_part(kind, lang, 'html'), alternative)()] + [file_part(kind, lang) for _ in range(R.randint(0, 3))], pick(b'', b'; type="text/html"'))
    if r < 0.5:
        return alternative()
    if r < 0.58:
        return related()
    if r < 0.64:
        return multipart(b'alternative', [text_part(kind, lang, 'plain'), related()])
    if r < 0.75:
        return multipart(b'mixed', [pick(alternative, related, lambda: text_part(kind, lang))()] + [file_part(kind, lang) for _ in range(R.randint(0, 4))])
    if r < 0.78:
        return multipart(b'signed', [tree(kind, lang, depth + 1), ([b'Content-Type: application/pgp-signature; name="signature.asc"'], b'-----BEGIN PGP SIGNATURE-----\n\niQ' + token(60).encode() + b'\n-----END PGP SIGNATURE-----\n')], b'; micalg=pgp-sha256; protocol="application/pgp-signature"')
    if r < 0.82:
        return multipart(b'report', [([b'Content-Type: text/plain; charset=us-ascii'], b'This is the mail system at host mx.example.org.\n\nI\'m sorry to have to inform you that your message could not be delivered.\n<bob@example.org>: host said: 550 5.1.1 User unknown\n'),
                                     ([b'Content-Type: message/delivery-status'], b'Reporting-MTA: dns; mx.example.org\n\nFinal-Recipient: rfc822; bob@example.org\nAction: failed\nStatus: 5.1.1\n'),
                                     ([pick(b'Content-Type: message/rfc822', b'Content-Type: text/rfc822-headers')], message(kind, lang, 9))], b'; report-type=delivery-status')
    if r < 0.87:
        return multipart(b'mixed', [text_part(kind, lang), ([b'Content-Type: message/rfc822'] + some([b'Content-Disposition: attachment', b'Content-Transfer-Encoding: 8bit', b'Content-Transfer-Encoding: base64'], 0, 1), message(kind, lang, depth + 2))])
    if r < 0.9:
        return multipart(pick(b'digest', b'parallel', b'x-foo', b'mixed', b'encrypted'), [tree(kind, lang, depth + 1) for _ in range(R.randint(0, 3))])
    if r < 0.93:
        return file_part(kind, lang)
    if r < 0.96:
        return [], plain(kind, lang).encode('utf-8')
    return multipart(b'mixed', [tree(kind, lang, depth + 1) for _ in range(R.randint(1, 3))])


# ---- header ----

def date(k=0):
    d, h, m, s = R.randint(1, 28), R.randint(0, 23), R.randint(0, 59), R.randint(0, 59)
    if chance(0.85):
        d, h = 24, 8
    return pick('Tue, %d Nov 2026 %02d:%02d:%02d %s', 'Tue, %d Nov 2026 %02d:%02d:%02d %s', '%d Nov 2026 %02d:%02d:%02d %s') % (d, h, m, s, pick('+0000', '-0800', '+0000 (UTC)', 'GMT', '+0530', '+0900 (JST)'))


def received():
    a, b, i = domain(), pick('mx.example.org', 'mail.example.org', 'mx1.corp.example.com'), token(11)
    ip = ip6() if chance(0.35) else ip4()
    lip = ('IPv6:' + ip) if ':' in ip else ip
    who = pick('bob@example.org', 'team@lists.example.org', address())
    d = date()
    return pick(
        'from %s (%s [%s]) by %s (Postfix) with ESMTPS id %s for <%s>; %s' % (a, a, lip, b, i, who, d),
        'from %s (%s [%s])\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n\t key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256)\n\t(No client certificate requested)\n\tby %s (Postfix) with ESMTPS id %s\n\tfor <%s>; %s' % (a, pick(a, 'unknown'), lip, b, i, who, d),
        'from AM0PR0%dMB%d.eurprd03.prod.outlook.com (%s) by\n AM9PR03MB%d.eurprd03.prod.outlook.com (%s) with Microsoft SMTP Server\n (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id\n 15.20.%d.%d; %s' % (R.randint(1, 9), R.randint(1000, 9999), ip6(), R.randint(1000, 9999), ip6(), R.randint(100, 9999), R.randint(1, 40), d),
        'from AM0PR0%dMB%d.eurprd03.prod.outlook.com\n ([fe80::%x:%x:0:1]) by AM0PR03MB1.eurprd03.prod.outlook.com\n ([fe80::1%%4]) with mapi id 15.20.%d.000; %s' % (R.randint(1, 9), R.randint(1000, 9999), R.randint(1, 65535), R.randint(1, 65535), R.randint(100, 9999), d),
        'from EUR0%d-VE1-obe.outbound.protection.outlook.com (mail-ve1eur03on%d.outbound.protection.outlook.com [40.107.5.%d])\n by %s (Postfix) with ESMTPS id %s; %s' % (R.randint(1, 5), R.randint(2000, 2200), R.randint(1, 250), b, i, d),
        'by 2002:a05:6a10:%x:b0:1a:%x:%x with SMTP id %s;\n        %s' % (R.randint(1, 65535), R.randint(1, 65535), R.randint(1, 65535), i, d),
        'from mail-lf1-f%d.google.com (mail-lf1-f%d.google.com. [209.85.167.%d])\n        by mx.google.com with ESMTPS id %s\n        for <%s>\n        (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256);\n        %s' % (R.randint(1, 99), R.randint(1, 99), R.randint(1, 250), i, who, d),
        'from [%s] (helo=%s)\n\tby %s with esmtpsa (TLS1.3:ECDHE_X25519__RSA:256)\n\t(Exim 4.96)\n\t(envelope-from <%s>)\n\tid %s\n\tfor %s; %s' % (ip, a, b, address(), i, who, d),
        'from %s ([%s])\n\tby %s with esmtp (Exim 4.94.2 (FreeBSD))\n\t(envelope-from <%s>)\n\tid %s; %s' % (a, ip, b, address(), i, d),
        'from a8-%d.smtp-out.amazonses.com (a8-%d.smtp-out.amazonses.com [54.240.8.%d])\n\tby %s (Postfix) with ESMTPS id %s\n\tfor <%s>; %s' % (R.randint(1, 250), R.randint(1, 250), R.randint(1, 250), b, i, who, d),
        'from localhost (localhost [127.0.0.1]) by %s (Postfix) with ESMTP id %s; %s' % (b, i, d),
        'from %s ([127.0.0.1])\n\tby localhost (%s [127.0.0.1]) (amavisd-new, port 10024)\n\twith ESMTP id %s; %s' % (b, b, i, d),
        'by %s (Postfix, from userid 1000) id %s; %s' % (b, i, d),
        'from geopod-ismtpd-6 (unknown) by geopod-ismtpd-6 (SG) with ESMTP id %s for <%s>; %s' % (i, who, d),
        'from %s (%s. [%s]) by smtp.gmail.com with ESMTPSA id %s; %s' % (pick('[192.168.1.7]', 'DESKTOP-' + token(7).upper(), 'localhost'), a, ip, i, d),
        'from [%s] (account tom HELO [192.168.1.2]) by %s (CommuniGate Pro SMTP 6.2) with ESMTPSA id %s; %s' % (ip, b, i, d),
        'from %s (HELO %s) (%s) by %s with SMTP; %s' % (a, pick(a, '!', 'user', '[1.2.3.4]'), ip, b, d),
        'from DM6NAM1.eop-nam11.prod.protection.outlook.com (2603:10b6:5:%x::%x) by %s with HTTPS; %s' % (R.randint(1, 999), R.randint(1, 999), b, d),
        'from unknown (HELO localhost) (%s@%s) by %s with ESMTPA; %s' % (token(4), ip, b, d),
        'from [%s] (port=%d helo=User) by %s with esmtpa (Exim 4.93) (envelope-from <%s>) id %s; %s' % (ip, R.randint(1025, 65000), b, address(), i, d),
        'from %s (%s) by %s (%s) with Microsoft SMTP Server (TLS) id 14.3.123.3; %s' % (a, ip, b, ip4(), d),
        'from %s by %s (8.15.2/8.15.2/Submit) with ESMTP id %s; %s' % (a, b, i, d),
        'from %s ([%s] [%s]) by %s (Oracle Communications) with ESMTP id <%s@%s>; %s' % (a, ip, ip4(), b, i, b, d),
        'from p548%s.dip0.t-ipconnect.de (HELO pc) (tom@%s) by %s with SMTP; %s' % (token(4, '0123456789ABCDEF'), ip, b, d),
        'from %s' % token(8), 'garbage %s' % d, 'from %s by %s via HTTP; %s' % (ip, b, d)).encode('utf-8')


def subject(kind, lang):
    t = para(kind, lang)
    t = t[:R.choice([10, 30, 60, 200])]
    r = R.random()
    if r < 0.1:
        t = t.upper()
    elif r < 0.2:
        t = pick('Re: ', 'Fwd: ', 'RE: FW: ', '[list] ', 'Re[2]: ', 'AW: ') + t
    elif r < 0.24:
        t = t + '            ' + token(8)
    elif r < 0.26:
        t = ''
    return header_text(t, lang)


def message(kind, lang, depth=0):
    h = [b'Received: ' + received() for _ in range(R.choice([0, 1, 1, 2, 3, 5]))]
    h.append(b'From: ' + mailbox(lang))
    h.append(b'To: ' + pick(b'bob@example.org', b'Bob <bob@example.org>', b'undisclosed-recipients:;', b', '.join(mailbox(lang) for _ in range(R.randint(1, 6)))))
    h.append(b'Subject: ' + subject(kind, lang))
    h.append(b'Date: ' + date().encode())
    d = domain().encode('utf-8')
    h.append(b'Message-ID: <' + pick(token(20).encode() + b'@' + d, b'CA+%s@mail.gmail.com' % token(40).encode(), b'AM0PR03MB%s@AM0PR03MB1.eurprd03.prod.outlook.com' % token(9).encode(), b'0100018%s-%s-000000@email.amazonses.com' % (token(8).encode(), token(8).encode()), token(6).encode()) + b'>')
    h.append(b'MIME-Version: 1.0')
    mc, body = tree(kind, lang, depth)
    extras = [b'Reply-To: ' + mailbox(lang), b'Return-Path: <' + address().encode('utf-8') + b'>', b'List-Unsubscribe: <' + url().encode('utf-8') + b'>, <mailto:u@' + d + b'>', b'List-Unsubscribe-Post: List-Unsubscribe=One-Click',
              b'List-Id: News <news.' + d + b'>', b'Precedence: ' + pick(b'bulk', b'list'), b'X-Mailer: ' + pick(b'Microsoft Outlook 16.0', b'MailChimp Mailer - **CID' + token(8).encode() + b'**', b'Apple Mail (2.3654.120.0.1.13)', b'PHPMailer 6.1.4 (https://github.com/PHPMailer/PHPMailer)', b'The Bat! (v3.0)', b'iPhone Mail (18F72)', b'Microsoft Outlook Express 6.00.2900.2180'),
              b'User-Agent: Mozilla Thunderbird', b'X-Originating-IP: [' + ip4().encode() + b']', b'X-Priority: ' + pick(b'1', b'3', b'1 (Highest)'), b'X-MSMail-Priority: High', b'Importance: high', b'Auto-Submitted: auto-generated',
              b'Authentication-Results: mx.example.org; dkim=' + pick(b'pass', b'fail') + b' header.d=' + d + b'; spf=pass smtp.mailfrom=' + d, b'DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=' + d + b'; s=s1; h=from:to:subject; bh=' + token(43).encode() + b'=; b=' + token(80).encode(),
              b'ARC-Seal: i=1; a=rsa-sha256; t=1700000000; cv=none; d=google.com; s=arc; b=' + token(40).encode(), b'X-Google-DKIM-Signature: v=1; a=rsa-sha256; d=1e100.net', b'X-MS-Exchange-Organization-SCL: ' + pick(b'-1', b'5'), b'X-Forefront-Antispam-Report: CIP:203.0.113.4;CTRY:US;LANG:en;SCL:1;SFV:NSPM;', b'X-MS-Has-Attach: yes', b'Thread-Index: AdX' + token(20).encode(), b'Thread-Topic: ' + subject(kind, lang),
              b'In-Reply-To: <x@' + d + b'>', b'References: <a@b.c>\n <x@' + d + b'>', b'Cc: ' + b',\n\t'.join(mailbox(lang) for _ in range(R.randint(1, 4))), b'Sender: ' + mailbox(lang), b'Feedback-ID: 1.us-east-1.x:AmazonSES', b'X-SES-Outgoing: 2026.11.24-54.240.8.1', b'X-Mailgun-Sid: x', b'X-PHP-Originating-Script: 48:' + pick(b'mail.php', b'class-phpmailer.php', b"x.php(2) : eval()'d code"), b'X-Spam-Status: No', b'Organization: ' + subject(kind, lang), b'X-Authenticated-Sender: tom', b'Errors-To: e@' + d,
              b'Content-Language: en', b'Received-SPF: pass (x: domain of ' + d + b')', b'Delivered-To: bob@example.org', b'Envelope-From: ' + address().encode('utf-8'), b'X-Envelope-From: <' + address().encode('utf-8') + b'>', b'Disposition-Notification-To: ' + mailbox(lang), b'Comments: ' + subject(kind, lang), b'X-Long: ' + b'y' * R.choice([10, 1000, 9000]), b'Accept-Language: en-US', b'Bcc: x@y.com', b'Resent-From: r@' + d, b'X-Campaign: ' + token(8).encode(), b'X-UIDL: ' + token(20).encode()]
    for x in R.sample(extras, R.choice([0, 1, 3, 6, 12])):
        h.insert(R.randint(0, len(h)), x)
    r = R.random()
    if r < 0.08:
        h.pop(R.randrange(len(h)))
    elif r < 0.12:
        h.append(R.choice(h))
    elif r < 0.16:
        h.insert(R.randint(0, len(h)), pick(b'no colon in this line', b' continuation first', b'Bad Header: x', b'X-Empty:', b'X-Eight: \xe9\xe8', b'X-Nul: a\0b', b': nameless', b'X-Space : y', b'Subject: second subject', b'From: second@' + d, b'Content-Type: text/plain; charset=koi8-r'))
    elif r < 0.2:
        R.shuffle(h)
    elif r < 0.23:
        h = [re.sub(rb'^[^:]+', lambda m: pick(m.group().lower(), m.group().upper()), x) for x in h]
    return b'\n'.join(h + fold(mc)) + b'\n\n' + body


def damage(m):
    r = R.random()
    if r < 0.7:
        return m
    if r < 0.8:
        return m.replace(b'\r\n', b'\n').replace(b'\n', b'\r\n')
    if r < 0.83:
        return m[:R.randint(0, len(m))]
    if r < 0.86:
        b = bytearray(m)
        for _ in range(R.randint(1, 20)):
            b[R.randrange(len(b))] = R.choice(b'\n\r\t =-<>?";:\0\xe9A')
        return bytes(b)
    if r < 0.88:
        return m.replace(b'\n\n', b'\n', 1)
    if r < 0.9:
        return m.replace(b'\n\n', b'\n \n', 1)
    if r < 0.92:
        return b'From anna@example.net Tue Nov 24 08:00:00 2026\n' + m
    if r < 0.94:
        return m.replace(b'\n', b'\r', R.randint(1, 9))
    if r < 0.96:
        a, b = sorted(R.randrange(len(m)) for _ in range(2))
        return m[:a] + m[a:b] * 2 + m[b:]
    if r < 0.98:
        return m.replace(b' ', b'\0', R.randint(1, 5))
    return m + b'\n' + R.choice(SPAM).encode() * R.choice([1, 300])


def generate():
    kind = pick('ham', 'spam', 'mix', 'mix')
    lang = R.choice(LANGS) if chance(0.55) else None
    return damage(message(kind, lang))


# ---- mutants of real messages ----

def mutate(m):
    for _ in range(R.randint(1, 3)):
        head, sep, body = m.partition(b'\n\n')
        lines = re.split(rb'\n(?![ \t])', head)
        r = R.randint(0, 13)
        if r == 0:
            R.shuffle(lines)
        elif r == 1:
            lines = [b'Received: ' + received() for _ in range(R.randint(1, 4))] + lines
        elif r == 2:
            lines = [x for x in lines if not x.lower().startswith(b'received:')]
            lines = [b'Received: ' + received() for _ in range(R.randint(1, 4))] + lines
        elif r == 3:
            head = re.sub(rb'(?i)charset="?[\w.-]+"?', b'charset=' + R.choice(sum(CHARSETS.values(), [])).encode(), head)
            lines = re.split(rb'\n(?![ \t])', head)
            body = re.sub(rb'(?i)charset="?[\w.-]+"?', lambda _: b'charset=' + R.choice(sum(CHARSETS.values(), [])).encode(), body)
        elif r == 4:
            cte = pick('base64', 'quoted-printable')
            if b'multipart' not in head.lower() and b'content-transfer' not in head.lower():
                lines.append(b'Content-Transfer-Encoding: ' + cte.encode())
                body = transfer(body, cte)
        elif r == 5 and len(body) > 10:
            body = body[:R.randrange(len(body))]
        elif r == 6:
            lines = [b'Subject: ' + subject('mix', R.choice(LANGS)) if x.lower().startswith(b'subject:') else x for x in lines]
        elif r == 7:
            lines = [b'From: ' + mailbox(R.choice(LANGS)) if x.lower().startswith(b'from:') else x for x in lines]
        elif r == 8:
            mc, body = multipart(pick(b'mixed', b'alternative'), [([x for x in lines if x.lower().startswith(b'content-t')], body), tree('mix', pick(None, R.choice(LANGS)), 2)])
            lines = [x for x in lines if not x.lower().startswith(b'content-t')] + mc
        elif r == 9:
            lines.append(R.choice(lines))
        elif r == 10:
            lines.pop(R.randrange(len(lines)))
        elif r == 11 and b'--' in body:
            ps = body.split(b'\n--')
            ps.insert(R.randrange(len(ps)), R.choice(ps))
            body = b'\n--'.join(ps)
        elif r == 12:
            lines.append(b'List-Unsubscribe: <' + url().encode('utf-8') + b'>')
            body = body.replace(b'http://', b'https://')
        elif r == 13:
            body = body + block('mix', None).encode('utf-8') + b'\n' + url().encode('utf-8') + b'\n'
        m = b'\n'.join(lines) + sep + body
    return damage(m) if m else b'\n'


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--seed', type=int, default=1)
    ap.add_argument('--count', type=int, default=100)
    ap.add_argument('--mutate', action='store_true')
    ap.add_argument('dir')
    ap.add_argument('files', nargs='*')
    opts = ap.parse_args()
    os.makedirs(opts.dir, exist_ok=True)
    for i in range(opts.count):
        R.seed('%d/%d' % (opts.seed, i))
        if opts.mutate:
            with open(R.choice(opts.files), 'rb') as f:
                m = mutate(f.read())
        else:
            m = generate()
        with open(os.path.join(opts.dir, '%d-%04d.eml' % (opts.seed, i)), 'wb') as f:
            f.write(m)


if __name__ == '__main__':
    main()
