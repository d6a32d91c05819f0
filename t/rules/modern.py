#!/usr/bin/env python3
"""Mail of today, made up: modern.py DIR writes DIR/spam/*.eml and DIR/ham/*.eml.

None of it was used to choose scores.  Names, hosts and addresses are of documentation ranges or invented.
"""
import base64
import os
import quopri
import sys

DATE = "Tue, 10 Jun 2025 09:1%d:07 +0000"


def received(helo, rdns, ip, n=0, proto="ESMTPS"):
    return ("Received: from %s (%s [%s])\n\tby mx.example.net (Postfix) with %s id 4bGn%dK3X9zQr\n"
            "\tfor <maria.keller@example.net>; %s" % (helo, rdns, ip, proto, n, DATE % (n + 3)))


DKIM = ("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=%s; s=s2;\n\tt=1749546660; h=from:to:subject:date:"
        "message-id:mime-version;\n\tbh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\n\tb=Kq3V0Ab0cD1E/fGh2Ij3kLmNoPq")


class Mail:
    def __init__(self, name, frm, subject, body, relay=None, to="Maria Keller <maria.keller@example.net>", html=None,
                 extra=(), dkim=None, msgid=None, attach=(), qp=False, b64=False, date=None, mime=True):
        self.name, self.body, self.html, self.attach, self.qp, self.b64 = name, body, html, attach, qp, b64
        dom = frm.rsplit("@", 1)[-1].rstrip("> ")
        relay = relay or ("mail." + dom, "mail." + dom, "198.51.100.%d" % (20 + len(name)))
        lines = ["Return-Path: <%s>" % frm.rsplit("<", 1)[-1].rstrip(">")]
        lines += list(relay[3]) if len(relay) > 3 else []
        lines.append(received(*relay[:3], n=len(name) % 6))
        if dkim:
            lines.append(DKIM % dkim)
        lines.append("From: " + frm)
        if to:
            lines.append("To: " + to)
        if subject is not None:
            lines.append("Subject: " + subject)
        lines.append("Date: " + (date or DATE % (len(name) % 6)))
        if "google.com" in relay[0]:
            lines += ["X-Google-DKIM-Signature: v=1; a=rsa-sha256; d=1e100.net; s=20230601; b=a1B2", "X-Gm-Message-State: AOJu0Yx",
                      "X-Google-Smtp-Source: AGHT+IE"]
        if msgid != "":
            lines.append("Message-ID: " + (msgid or "<%08x.%d@%s>" % (0x5f3a0000 + len(body or html or "") * 7, 417, dom)))
        lines += list(extra)
        if mime:
            lines.append("MIME-Version: 1.0")
        self.head = lines

    def part(self, kind, text):
        data = text.encode()
        if self.b64:
            return ("Content-Type: %s; charset=utf-8\nContent-Transfer-Encoding: base64\n\n%s"
                    % (kind, base64.encodebytes(data).decode()))
        if self.qp:
            return ("Content-Type: %s; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n%s"
                    % (kind, quopri.encodestring(data).decode()))
        return "Content-Type: %s; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n%s" % (kind, text)

    def text(self):
        parts = []
        if self.body is not None and self.html is not None:
            parts.append("Content-Type: multipart/alternative; boundary=\"b2_alt\"\n\n--b2_alt\n%s\n--b2_alt\n%s\n--b2_alt--\n"
                         % (self.part("text/plain", self.body), self.part("text/html", self.html)))
        elif self.html is not None:
            parts.append(self.part("text/html", self.html))
        else:
            parts.append(self.part("text/plain", self.body))
        for kind, name, data in self.attach:
            parts.append("Content-Type: %s; name=\"%s\"\nContent-Disposition: attachment; filename=\"%s\"\n"
                         "Content-Transfer-Encoding: base64\n\n%s" % (kind, name, name, base64.encodebytes(data).decode()))
        head = "\n".join(self.head) + "\n"
        if len(parts) == 1:
            return head + parts[0] + "\n"
        return (head + "Content-Type: multipart/mixed; boundary=\"b1_mix\"\n\n" +
                "".join("--b1_mix\n%s\n" % p for p in parts) + "--b1_mix--\n")


def page(body, title=""):
    return ("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>%s</title></head>\n<body style=\"margin:0;"
            "font-family:Arial,sans-serif\">\n%s\n</body></html>" % (title, body))


VPS = ("vps-4f21.hosting.example", "unknown", "203.0.113.77")
NORDNS = ("server1.localdomain", "unknown", "203.0.113.9")
V6 = ("mta7.bulk.example", "unknown", "2001:db8:1f:2::77")
DSL = ("DESKTOP-9QK2", "dsl-203-0-113-45.dynamic.isp.example", "203.0.113.45")
GMAIL = ("mail-wm1-f54.google.com", "mail-wm1-f54.google.com", "209.85.128.54")
OUTLOOK = ("EUR05-DB8-obe.outbound.protection.outlook.com", "mail-db8eur05on2066.outbound.protection.outlook.com",
           "2a01:111:f400:7e1a::62b")
YAHOO = ("sonic310-21.consmr.mail.ne1.yahoo.com", "sonic310-21.consmr.mail.ne1.yahoo.com", "66.163.186.202")
SES = ("a48-101.smtp-out.amazonses.com", "a48-101.smtp-out.amazonses.com", "54.240.48.101")
SENDGRID = ("o1.ptr4420.sendgrid.example", "o1.ptr4420.sendgrid.example", "198.51.100.44")
UNSUB = ("List-Unsubscribe: <https://news.%s/u/8f1a>, <mailto:unsub@%s>", "List-Unsubscribe-Post: List-Unsubscribe=One-Click")


def unsub(dom):
    return (UNSUB[0] % (dom, dom), UNSUB[1])


PDF = b"%PDF-1.4 made up"
SPAM = [
    Mail("paypal-limited", "PayPal Service <service@secure-mailing.example>", "Your account has been limited",
         None, VPS, html=page("<p>Dear Customer,</p><p>We noticed unusual activity in your PayPal account. Your account has been "
         "limited until you confirm your identity within 24 hours.</p><p><a href=\"https://paypal-resolution.account-check.top/"
         "login/index.php\">Confirm your account</a></p><p>Failure to do so will result in permanent suspension.</p>")),
    Mail("netflix-payment", "Netflix <info@mailer-nf.xyz>", "Your membership is on hold - update your payment", None, V6,
         html=page("<h2>Please update your payment method</h2><p>Your payment was declined and your membership will be suspended."
         "</p><a href=\"http://netflix-billing.update-now.click/secure/account/\">Update payment details</a>")),
    Mail("mailbox-quota", "IT Help Desk <admin@colegio-sur.example>", "Mailbox quota exceeded", "Dear user,\n\nYour mailbox has "
         "exceeded its storage limit and 7 incoming messages are pending. Verify your account within 48 hours or your mailbox "
         "will be deactivated:\n\nhttps://webmail-upgrade.weebly.com/\n\nIT Support Team\n", NORDNS, to="undisclosed-recipients:;"),
    Mail("password-expiry", "Mail Delivery <no-reply@203-mail.example>", "Action required: password for maria.keller@example.net "
         "expires today", None, VPS, html=page("<p>Hello maria.keller,</p><p>Your password will expire today. Keep the same password "
         "to avoid losing access to your mailbox.</p><a href=\"https://bafybei7x3.ipfs.dweb.link/owa.html#maria.keller@example.net\">"
         "Keep same password</a><p>example.net e-mail server</p>")),
    Mail("microsoft-signin", "Microsoft account team <security@ms-alerts.live-check.site>", "Unusual sign-in activity", None, VPS,
         html=page("<p>Microsoft account</p><p>We detected unusual sign-in activity from Russia/Moscow.</p><p>If this was not you, "
         "please verify your account.</p><a href=\"https://rnicrosoft-online.verify-login.icu/auth/login.php\">Review recent "
         "activity</a>")),
    Mail("docusign", "DocuSign via Billing <docs@kanzlei-nord.example>", "Completed: Invoice 88213 ready for signature", None, GMAIL,
         html=page("<p>Your document has been completed.</p><p>Please review and sign: invoice for your review.</p>"
         "<a href=\"https://docusign-view.r2.dev/doc.html?e=bWFyaWEua2VsbGVyQGV4YW1wbGUubmV0\">REVIEW DOCUMENT</a>"
         "<p>DocuSign. All rights reserved.</p>")),
    Mail("dhl-parcel", "DHL Express <tracking@dhl-parcel-info.example>", "Your package could not be delivered", None, VPS,
         html=page("<p>Your package could not be delivered because of an unpaid customs fee of 1.99 EUR.</p><p>Please confirm the "
         "delivery address and pay the fee within 48 hours.</p><a href=\"https://dhl-redelivery.parcel-fee.shop/pay\">Schedule "
         "delivery</a>")),
    Mail("usps-short", "USPS <notice@delivery.example>", "Delivery attempt failed: package on hold", "Your package is on hold because the "
         "address is incomplete. Please update your address:\nhttps://bit.ly/3xPark9\n\nThe US Postal team\n", V6),
    Mail("geeksquad", "Billing Department <rmontgomery8842@gmail.com>", "Order Confirmation #GS-99127455", "Dear Customer,\n\n"
         "Thank you for your order. Your Geek Squad subscription has been renewed and $499.99 will be charged to your account "
         "today.\n\nProduct: Geek Squad Total Protection\nInvoice no: 99127455\n\nIf you did not authorize this charge or want to "
         "cancel, call our help desk at +1 (888) 555-0147 within 24 hours.\n\nBilling Department\n", GMAIL, dkim="gmail.com",
         to="undisclosed-recipients:;"),
    Mail("norton-pdf", "Norton Support <angela.w77215@gmail.com>", "Invoice NL-5512 payment confirmation", "Dear user,\n\nYour Norton 360 "
         "plan was auto-renewed for 349.99 USD. To cancel or request a refund contact our customer care toll free 1-8O8-555-0199.\n",
         GMAIL, dkim="gmail.com", attach=[("application/pdf", "Invoice-5512.pdf", PDF)]),
    Mail("gift-cards", "Thomas Brandt <ceo.office2231@gmail.com>", "Quick request", "Hi Maria,\n\nAre you available? I am going into a "
         "meeting now and can't talk. I need you to purchase some gift cards for a client: 5 Apple gift cards of $200 each. Scratch the "
         "back and send me the codes. I will reimburse you today. Keep this between us.\n\nThomas\n", GMAIL, dkim="gmail.com"),
    Mail("boss-phone", "Dr. Anna Weiss <director.exec@outlook.com>", "Are you available?", "Maria,\n\nI need you to carry out a quick task "
         "for me. I am in a meeting, no calls. Send me your cell number.\n\nSent from my iPhone\n", OUTLOOK, dkim="outlook.com"),
    Mail("payroll", "Peter Lang <peter.lang@example-staff.com>", "Payroll update", "Hello,\n\nI would like to change my direct deposit "
         "information before the next payroll. What do you need from me? New bank account details can be sent at once.\n\nPeter\n", NORDNS,
         extra=("Reply-To: plang.private@proton.me",)),
    Mail("sextortion", "maria.keller@example.net", "I know your password: hunter2", "Hello,\n\nI have hacked your device and installed a "
         "trojan on it some months ago. I recorded a video of you while you visited adult websites. Your webcam and your contacts are "
         "in my hands. I will send the video to all your contacts, friends and family.\n\nYou have 48 hours to pay 1200 USD in bitcoin."
         "\nMy BTC wallet: bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq\n\nDo not reply to this mail.\n", DSL, to="maria.keller@example.net"),
    Mail("sextortion-zw", "Secret <bz71k@mailing.example>", "Your account was hacked", "I have g\u200bain\u200bed full access to your "
         "device. The mal\u200bware gave me your cam\u200bera and your con\u200btacts. I made a video of you ple\u200basuring yourself. "
         "Transfer 900 dollars in bit\u200bcoin to 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2 within 50 hours or I send the video to your "
         "friends.\n", NORDNS),
    Mail("crypto-double", "Elon Giveaway <team@btc-event.live>", "5,000 BTC airdrop: double your bitcoin today!", None, VPS,
         html=page("<h1>Official crypto giveaway</h1><p>Send from 0.1 BTC and get back double your BTC at once. Claim your reward now!</p>"
         "<a href=\"https://tesla-giveaway.btc-event.live/claim\">CLAIM YOUR BITCOIN</a><p>Hurry, limited time offer.</p>")),
    Mail("metamask", "MetaMask Support <support@wallet-notice.example>", "Verify your wallet to avoid suspension", None, VPS,
         html=page("<p>Dear user, your MetaMask wallet will be suspended. Please verify your wallet with your seed phrase before June 12."
         "</p><a href=\"https://metamask.wallet-kyc.vercel.app/verify\">Verify wallet</a>")),
    Mail("forex", "Fx Signals <vip@profit-desk.example>", "Earn $950 daily with our crypto trading bot", "Hello friend,\n\nInvest as low as "
         "$200 and withdraw $2000 in 24 hours. Guaranteed daily profit with our bitcoin trading bot, no risk, no experience needed. "
         "Contact us on WhatsApp +44 7700 900123 or https://t.me/fxsignals\n\nJoin now!\n", NORDNS, to="undisclosed-recipients:;"),
    Mail("inheritance", "Mrs. Grace Obi <graceobi2251@yahoo.com>", "Dear beneficiary", "Dear Friend,\n\nI am Mrs. Grace Obi, a widow dying of "
         "cancer. My late husband deposited the sum of USD 8.5 million with a security company. I want to donate this fund to you for "
         "charity. Please contact my lawyer for the transfer of the fund. 30 percent for you. Reply urgently, God bless you.\n", YAHOO,
         to="undisclosed-recipients:;", extra=("Reply-To: barrister.cole@proton.me",)),
    Mail("un-compensation", "United Nations <info@unitednations.example>", "Compensation payment", "Attention beneficiary,\n\nYour compensation "
         "fund of US$2.5 million has been approved. Contact our foreign payment officer with your bank details so we can transfer the sum. "
         "Your urgent response is needed.\n\nDr. James Paul\n", VPS, extra=("Reply-To: drjamespaul77@gmail.com",), to="Recipients <info@unitednations.example>"),
    Mail("loan-offer", "Quick Loans <loan.desk@finance.example>", "Business and personal loan at 2%", "Do you need a loan? We offer personal "
         "loans and business loans at 2% interest rate, no collateral, no credit check. Amount from 5,000 to 5,000,000 EUR. Apply now with "
         "your full name, phone, amount needed.\n", NORDNS, to="undisclosed-recipients:;", extra=("Reply-To: quickloans2025@gmail.com",)),
    Mail("lottery", "Euro Lottery <award@eurolotto.example>", "CONGRATULATIONS!!! You have won", "Your e-mail address has won the sum of EUR "
         "950,000.00 in the Euro lottery. To claim your prize contact our agent with your name, address, age and occupation. Keep your "
         "winning numbers confidential.\n", VPS, extra=("Reply-To: eurolotto.claims@outlook.com",), to="undisclosed-recipients:;"),
    Mail("seo", "Jessica Miller <jessica.seo4417@gmail.com>", "Increase traffic to your website", "Hi,\n\nI was on your website and found errors on "
         "your site that keep you from the first page of Google. We offer affordable SEO services, web design and guest posts. May I send "
         "you a quote and price list?\n\nJessica\n", GMAIL, dkim="gmail.com"),
    Mail("web-design", "Ankit Sharma <ankit.webdev@outlook.com>", "Re: Website redesign proposal", "Hello Sir/Madam,\n\nWe are a web design company "
         "with a team of 60 developers. We offer wordpress website redesign, mobile app development and SEO at an affordable price. Can we "
         "send our portfolio and price list? Share your phone number.\n", OUTLOOK, dkim="outlook.com"),
    Mail("factory", "Linda Chen <linda@moulds-factory.example>", "High quality plastic moulds", "Dear Sir or Madam,\n\nGlad to know your company is in "
         "the market. We are a professional manufacturer of plastic moulds with competitive price and high quality. Free sample and "
         "catalogue can be sent. Long-term cooperation is welcome.\n", NORDNS, to="undisclosed-recipients:;"),
    Mail("invoice-html", "Accounts <ap@supplier-trade.example>", "Payment advice - invoice 20250610", "Kindly find attached the payment advice for "
         "your review.\n", VPS, attach=[("text/html", "Payment_Advice.html", b"<html><script>document.write(atob('PGZvcm0+'))</script></html>")]),
    Mail("fax-shtml", "eFax Service <fax@scan-center.example>", "You have a new voice message", "New voice message of 00:41. Open the attached file to listen.\n",
         NORDNS, attach=[("application/octet-stream", "VM_0041.wav.html", b"<html></html>")]),
    Mail("po-iso", "Purchasing <orders@trading.example>", "Purchase Order PO-7712", "Dear Sir,\n\nPlease see attached purchase order and send your quotation.\n",
         VPS, attach=[("application/octet-stream", "PO-7712.pdf.iso", b"\x00" * 64)], to="undisclosed-recipients:;"),
    Mail("invoice-exe", "Accounting <billing@office.example>", "Overdue invoice", "Please open the attached invoice.\n", DSL,
         attach=[("application/octet-stream", "Invoice.exe", b"MZ")]),
    Mail("doc-macro", "HR Department <hr@company-portal.example>", "Salary statement June", "Kindly review the attached document. Enable content to view.\n",
         VPS, attach=[("application/vnd.ms-word.document.macroEnabled.12", "Salary_June.docm", b"PK")]),
    Mail("pills", "Canadian Pharmacy <rx@meds-online.top>", "V1agra and C1alis - up to 80% off", None, VPS,
         html=page("<h2>Online pharmacy</h2><p>Viagra $0.99 per pill, Cialis $1.59. No prescription needed, free shipping, 100% guaranteed.</p>"
         "<a href=\"http://meds-online.top/?aff_id=882\">Order now</a>")),
    Mail("keto", "Keto Gummies <offers@slim-deal.click>", "Melt belly fat while you sleep!", None, VPS,
         html=page("<a href=\"https://slim-deal.click/x/8821\"><img src=\"https://slim-deal.click/i.jpg\"></a><p>Lose 30 pounds without diet or "
         "exercise. Doctors are amazed. Limited time, click here.</p><p>To unsubscribe <a href=\"https://slim-deal.click/unsubscribe\">click here</a></p>")),
    Mail("casino", "Lucky Spins <promo@casino-vip.bet>", "Claim 200 FREE spins + $1,500 bonus!", None, VPS,
         html=page("<h1>Welcome bonus</h1><p>Play slots, roulette and blackjack at our casino. Get 200 free spins and a $1,500 bonus. Sign up today!</p>"
         "<a href=\"https://casino-vip.bet/?ref=17\">CLAIM NOW</a>")),
    Mail("dating", "Olga <olga19_sweet@dates-now.fun>", "Lonely girls near you want to chat", None, NORDNS,
         html=page("<p>Hot local women are waiting for you tonight. Free sex chat, no credit card.</p><a href=\"http://dates-now.fun/olga\">See my naked photos</a>")),
    Mail("survey-prize", "Costco Rewards <reward@survey-winner.monster>", "Congratulations! You have been selected", None, V6,
         html=page("<p>You have been selected to win a $500 gift card. Complete the short survey and claim your reward.</p>"
         "<a href=\"https://survey-winner.monster/c/9912\"><img src=\"https://survey-winner.monster/p.png\"></a><p>Offer expires today!</p>")),
    Mail("homoglyph", "Аррlе Suрроrt <id@notice-center.example>", "Yоur Aррle ID wаs lосked", None, VPS,
         html=page("<p>Yоur ассоunt hаs bееn lосkеd fоr sесurity rеаsоns. Plеаse vеrify yоur infоrmаtiоn within 24 hоurs.</p>"
         "<a href=\"https://xn--pple-43d.com-id.top/signin\">Verify now</a>")),
    Mail("data-uri", "Secure Message <noreply@bank-alert.example>", "New secure document", None, VPS,
         html=page("<p>You have a secure document waiting. Please sign in to view.</p><a href=\"data:text/html;base64,PGZvcm0+PC9mb3JtPg==\">View document</a>")),
    Mail("form-inside", "Mail Admin <postmaster@serv.example>", "Verify your mailbox", None, NORDNS,
         html=page("<p>Your mailbox storage is full. Verify your account now.</p><form action=\"http://203.0.113.200/p.php\" method=\"post\">"
         "<input name=\"u\"><input type=\"password\" name=\"p\"><input type=\"submit\" value=\"Verify\"></form>")),
    Mail("job-telegram", "HR Team <recruit@job-now.example>", "Part-time remote job, $300 per day", "Hello,\n\nWe offer a part-time online job. Earn $150 to $300 "
         "per day from home, no experience needed, 1 hour a day. Contact us via WhatsApp +1 202 555 0170 or telegram @hr_anna.\n", V6,
         to="undisclosed-recipients:;"),
    Mail("sparkasse", "Sparkasse <kundenservice@mail-dienst.example>", "Ihr Konto wurde gesperrt", None, VPS,
         html=page("<p>Sehr geehrter Kunde,</p><p>Ihr Konto wurde vorübergehend gesperrt. Bitte bestätigen Sie Ihre Daten innerhalb von 24 Stunden.</p>"
         "<a href=\"https://sparkasse-pushtan.kunden-login.top/de/login.php\">Jetzt bestätigen</a>")),
    Mail("colis-fr", "Chronopost <suivi@colis-info.example>", "Votre colis est en attente", None, VPS,
         html=page("<p>Votre colis est en attente de livraison. Veuillez régler les frais de 1,99 EUR.</p><a href=\"https://chronopost-livraison.frais.shop/suivi\">"
         "Cliquez ici</a>")),
    Mail("hidden-text", "Rewards <x81@promo-hub.cfd>", "Your $100 Amazon gift card is ready", None, VPS,
         html=page("<div style=\"display:none;font-size:0px\">the committee met on thursday to review the minutes of the last meeting and agreed to publish them "
         "before the end of the month for all members to read</div><a href=\"https://promo-hub.cfd/go\"><img src=\"https://promo-hub.cfd/a.png\"></a>"
         "<p>Claim your gift card now</p>")),
]

REPLY = ("In-Reply-To: <CAFx1=9@mail.example.org>", "References: <CAFx0=7@mail.example.org>\n\t<CAFx1=9@mail.example.org>")
LIST = ("List-Id: <dev.lists.example.org>", "List-Post: <mailto:dev@lists.example.org>",
        "List-Unsubscribe: <mailto:dev-leave@lists.example.org>", "Precedence: list", "Errors-To: dev-bounces@lists.example.org")
ARC = ("ARC-Seal: i=1; a=rsa-sha256; t=1749546660; cv=none; d=google.com; s=arc-20240605; b=Ab1c/2Dd==",
       "ARC-Authentication-Results: i=1; mx.google.com; dkim=pass header.i=@example.org; dmarc=pass header.from=example.org")
SPAM += [
    Mail("cloud-v6-brand", "Netflix Billing <support@netf1ix-billing.example>", "Your membership is on hold: update your payment details", None,
         ("ec2-198-51-100-7.compute.example", "unknown", "2001:db8:1f:40::21"), html=page(
             "<p>Dear customer,</p><p>We could not process your last payment. Your account will be suspended within 24 hours unless you verify "
             "your billing information.</p><p><a href=\"https://netflix.billing-check.example.top/login/verify\">Update payment details</a></p>")),
    Mail("invoice-html", "Accounts Payable <ap@supplier-docs.example>", "Overdue invoice INV-20931 - immediate payment required",
         "Dear Sir/Madam,\n\nplease find attached the overdue invoice. Open the document and sign in with your e-mail and password to view it.\n",
         ("vps31.host.example", "unknown", "2001:db8:77:9::14"), attach=[("text/html", "INV-20931.pdf.html", b"<script>document.write(unescape('%3Cform%3E'))</script><form action=\"https://collect.example/p.php\"><input type=password></form>")]),
    Mail("hidden-v6", "Reward Center <winner@rewards-club.example.click>", "Congratulations! You have been selected", None, V6, html=page(
        "<div style=\"display:none;font-size:0;color:#ffffff\">quarterly harvest lantern orchard meeting notes river</div><p>CONGRATULATIONS!!! You have "
        "won a prize. Click here now to claim your reward before it expires. Limited time only!</p><a href=\"https://bit.ly/3claimX\">CLICK HERE</a>")),
]

HAM = [
    Mail("ci-v6", "ci-bot <notifications@ci.example.org>", "[winnow] Build #5123 failed: main (3f9c1b7)", "The build of main failed.\n\nJob: test\nStep: make check\nDuration: 4 min 12 s\n\n"
         "Full log: https://ci.example.org/winnow/builds/5123\n\nYou get this because you watch this project.\n", ("ci.example.org", "ci.example.org", "2001:db8:42::77"), dkim="ci.example.org",
         extra=("Auto-Submitted: auto-generated", "List-ID: winnow <winnow.ci.example.org>", "List-Unsubscribe: <https://ci.example.org/u/1>")),
    Mail("invoice-real", "Stromwerk Rechnung <rechnung@stromwerk.example>", "Ihre Rechnung Juni 2025", "Guten Tag Frau Keller,\n\nim Anhang finden Sie Ihre Rechnung für Juni 2025. Der Betrag von "
         "84,20 EUR wird am 20. Juni abgebucht.\n\nIhr Stromwerk\nhttps://www.stromwerk.example/kundenportal\n", ("mail.stromwerk.example", "mail.stromwerk.example", "2001:db8:90::4"),
         dkim="stromwerk.example", attach=[("application/pdf", "rechnung.pdf", PDF)]),
    Mail("reply-person", "Jonas Meier <jonas.meier@example.org>", "Re: Saturday", "Hi Maria,\n\nSaturday is fine. I'll bring the bread, you bring the cheese?\n\n"
         "On Mon, 9 Jun 2025 at 18:02, Maria Keller wrote:\n> Shall we meet on Saturday at ten?\n\nJonas\n", GMAIL, dkim="gmail.com", extra=REPLY),
    Mail("first-contact", "Karin Holm <karin.holm@outlook.com>", "Question about the flat", "Hello,\n\nI saw your advert for the flat in Elm Street. Is it still free from "
         "August? I could come by for a viewing on Thursday after work. My number is 0151 2345678.\n\nKind regards,\nKarin Holm\n", OUTLOOK, dkim="outlook.com"),
    Mail("dsl-friend", "Uwe Krause <uwe.krause@isp.example>", "Fotos vom Wochenende", "Hallo Maria,\n\nanbei die Fotos vom Wochenende. Das Wetter war ja ein Traum!\n\nViele "
         "Grüße\nUwe\n", ("smtp2.isp.example", "smtp2.isp.example", "192.0.2.12", ("Received: from [192.168.1.4] (dsl-192-0-2-99.dynamic.isp.example [192.0.2.99])\n\tby "
         "smtp2.isp.example (Postfix) with ESMTPSA id 77A1; Tue, 10 Jun 2025 09:10:02 +0000",)), extra=("User-Agent: Mozilla Thunderbird",),
         attach=[("image/jpeg", "P1020.jpg", b"\xff\xd8\xff")]),
    Mail("github", "Lena Vogt <notifications@github.com>", "Re: [acme/parser] Fix overflow in length check (PR #412)", "@lenav approved this pull request.\n\nLooks good, one "
         "nit: `len` could be size_t.\n\n-- \nReply to this email directly or view it on GitHub:\nhttps://github.com/acme/parser/pull/412#pullrequestreview-1\nYou are receiving "
         "this because you authored the thread.\n\nMessage ID: <acme/parser/pull/412/review/1@github.com>\n", ("out-21.smtp.github.com", "out-21.smtp.github.com", "192.30.252.204"),
         to="acme/parser <parser@noreply.github.com>", dkim="github.com", extra=("List-ID: acme/parser <parser.acme.github.com>",
         "List-Unsubscribe: <mailto:unsub+abc@reply.github.com>, <https://github.com/notifications/unsubscribe/abc>", "Precedence: list",
         "In-Reply-To: <acme/parser/pull/412@github.com>", "References: <acme/parser/pull/412@github.com>")),
    Mail("github-security", "GitHub <noreply@github.com>", "[GitHub] A new SSH key was added to your account", "Hey mkeller!\n\nA new public key was added to your account.\n\nIf you "
         "believe this key was added in error, you can remove the key and disable access at https://github.com/settings/keys\n\nThanks,\nThe GitHub Team\n",
         ("out-18.smtp.github.com", "out-18.smtp.github.com", "192.30.252.201"), dkim="github.com"),
    Mail("google-signin", "Google <no-reply@accounts.google.com>", "Security alert", "A new sign-in on Linux\nmaria.keller@gmail.com\n\nWe noticed a new sign-in to your Google Account "
         "on a Linux device. If this was you, you don't need to do anything. If not, we'll help you secure your account.\n\nCheck activity\n"
         "https://accounts.google.com/AccountChooser?Email=maria.keller@gmail.com&continue=https://myaccount.google.com/alert\n", GMAIL, dkim="accounts.google.com",
         html=page("<p>We noticed a new sign-in to your Google Account on a Linux device.</p><a href=\"https://accounts.google.com/AccountChooser?Email=maria.keller@gmail.com\">"
         "Check activity</a>")),
    Mail("paypal-receipt", "\"service@paypal.com\" <service@paypal.com>", "Receipt for your payment to Bookshop Ltd", None, ("mx1.phx.paypal.com", "mx1.phx.paypal.com", "66.211.170.87"),
         dkim="paypal.com", html=page("<p>Hello Maria Keller,</p><p>You sent a payment of $24.90 USD to Bookshop Ltd.</p><a href=\"https://www.paypal.com/activity/payment/1AB\">View "
         "details</a><p>Copyright 1999-2025 PayPal. All rights reserved.</p>")),
    Mail("password-reset", "Forum <noreply@forum.example.org>", "Reset your password", "Somebody asked to reset your password on Gardeners Forum.\n\nIf it was not you, just ignore this "
         "email.\n\nClick the following link to choose a new password:\nhttps://forum.example.org/u/password-reset/3f9c1b7a22\n", ("mail.example.org", "mail.example.org",
         "2001:db8:42::25"), dkim="forum.example.org", extra=("Auto-Submitted: auto-generated",)),
    Mail("verify-address", "Acme Cloud <hello@acme-cloud.example>", "Please verify your email address", "Hi Maria,\n\nthanks for signing up. Please confirm your account:\n\n"
         "https://app.acme-cloud.example/verify?token=9f8e7d6c\n\nThe link is valid for 24 hours.\n", SES, dkim="acme-cloud.example", html=page("<p>Hi Maria,</p><p>thanks for signing "
         "up. Please confirm your account.</p><a href=\"https://app.acme-cloud.example/verify?token=9f8e7d6c\">Verify email address</a><p>The link is valid for 24 hours.</p>")),
    Mail("order-shop", "Garden Shop <orders@garden-shop.example>", "Order confirmation #100234", "Thank you for your order, Maria!\n\n2 x Tomato seeds  $3.50\n1 x Watering can   $19.90\n\n"
         "Shipping $4.90\nTotal $28.30\n\nTrack it at https://www.garden-shop.example/orders/100234\n", SENDGRID, dkim="garden-shop.example", html=page("<h1>Thank you for your order!"
         "</h1><table><tr><td>Tomato seeds</td><td>$7.00</td></tr><tr><td>Watering can</td><td>$19.90</td></tr><tr><td>Total</td><td>$28.30</td></tr></table>"
         "<a href=\"https://www.garden-shop.example/orders/100234\">Track your order</a>")),
    Mail("parcel-real", "DHL Paket <noreply@dhl.de>", "Ihr Paket kommt heute", None, ("mail.dhl.de", "mail.dhl.de", "165.72.200.20"), dkim="dhl.de", html=page("<p>Guten Tag Maria Keller,</p>"
         "<p>Ihr Paket von Garden Shop wird heute zwischen 12:00 und 14:00 Uhr zugestellt.</p><a href=\"https://www.dhl.de/sendungsverfolgung?idc=0034\">Sendung verfolgen</a>")),
    Mail("newsletter-shop", "Outdoor Store <news@mail.outdoor-store.example>", "Summer sale: up to 30% off tents", "Summer sale! Up to 30% off tents and sleeping bags.\n\nShop now: "
         "https://mail.outdoor-store.example/c/8812\n\nYou receive this because you subscribed. Unsubscribe: https://mail.outdoor-store.example/u/8812\n", SENDGRID,
         dkim="outdoor-store.example", extra=unsub("outdoor-store.example"), html=page("<div style=\"display:none\">Tents, sleeping bags and more for your summer trip into the mountains, while "
         "stocks last</div><a href=\"https://mail.outdoor-store.example/c/8812\"><img src=\"https://cdn.outdoor-store.example/b.jpg\" alt=\"Sale\"></a><h1>Up to 30% off</h1><p>Free shipping "
         "on orders over $50. Offer ends Sunday.</p><a href=\"https://mail.outdoor-store.example/c/8813\">Shop now</a><p>You receive this email because you subscribed to our newsletter. "
         "<a href=\"https://mail.outdoor-store.example/u/8812\">Unsubscribe</a></p><img src=\"https://mail.outdoor-store.example/o.gif\" width=\"1\" height=\"1\">")),
    Mail("newsletter-substack", "Weekly Letters <weeklyletters@substack.com>", "What I read in May", "Hello readers,\n\nthis month I finished three books and gave up on two. Here is why I "
         "think the novel is not dead.\n\nRead on: https://weeklyletters.substack.com/p/may\n\nUnsubscribe https://substack.com/redirect/2/eyJl?\n", ("mg-d1.substack.com", "mg-d1.substack.com",
         "198.244.60.10"), dkim="substack.com", extra=("List-ID: <weeklyletters.substack.com>",) + unsub("substack.com")),
    Mail("newsletter-bank", "Your Bank <info@news.yourbank.example>", "Your statement is ready", None, ("mta1.news.yourbank.example", "mta1.news.yourbank.example", "198.51.100.200"),
         dkim="news.yourbank.example", html=page("<p>Dear Ms Keller,</p><p>Your account statement for May is ready in online banking. Log in as usual by typing our address in your browser. We "
         "will never ask you for your password by e-mail.</p><p>Your Bank plc, registered in England.</p>")),
    Mail("calendar", "Jonas Meier <jonas.meier@example.org>", "Invitation: Project review @ Thu 12 Jun 2025 10:00", "You have been invited to the following event.\n\nProject review\n"
         "When: Thu 12 Jun 2025 10:00 - 11:00\nJoining info: https://meet.google.com/abc-defg-hij\n", GMAIL, dkim="gmail.com", extra=("Sender: Google Calendar "
         "<calendar-notification@google.com>", "Auto-Submitted: auto-generated"), attach=[("application/ics", "invite.ics", b"BEGIN:VCALENDAR")]),
    Mail("zoom", "Zoom <no-reply@zoom.us>", "Cloud recording is now available", "Hi Maria,\n\nYour cloud recording is now available.\n\nClick the link to view: https://zoom.us/recording/detail"
         "?meeting_id=abc\n\nThank you for choosing Zoom.\n", ("mail3.zoom.us", "mail3.zoom.us", "198.51.100.31"), dkim="zoom.us"),
    Mail("mailman", "Piotr Nowak via Dev <dev@lists.example.org>", "[Dev] Re: release 2.4 branch", "On Mon, Jun 09, 2025 at 04:11:10PM +0000, Ana wrote:\n> Can we branch on Friday?\n\n+1. "
         "I pushed a fix:\n\ndiff --git a/src/main.c b/src/main.c\n--- a/src/main.c\n+++ b/src/main.c\n@@ -1,2 +1,2 @@\n-int x;\n+static int x;\n\n-- \nPiotr\n"
         "_______________________________________________\nDev mailing list\nhttps://lists.example.org/mailman/listinfo/dev\n", ("lists.example.org", "lists.example.org", "2001:db8:42::26"),
         to="dev@lists.example.org", dkim="lists.example.org", extra=LIST + REPLY + ARC),
    Mail("mailman-new", "Ana Costa <ana@example.com>", "[Dev] ANNOUNCE: parser 2.4 released", "Hello all,\n\nparser 2.4 is out. Download: https://www.example.org/parser-2.4.tar.gz\n\n  - faster "
         "on long lines\n  - IPv6 literals\n\nThanks to everybody!\n", ("lists.example.org", "lists.example.org", "192.0.2.26"), to="dev@lists.example.org", extra=LIST),
    Mail("discourse", "Gardeners Forum <noreply@forum.example.org>", "[Gardeners] [Vegetables] When to plant out courgettes", "sam wrote:\n\nI plant them after the last frost.\n\n---\nVisit Topic or "
         "reply to this email to respond.\nhttps://forum.example.org/t/1182/4\nTo unsubscribe from these emails, click here: https://forum.example.org/email/unsubscribe/77\n",
         ("mail.example.org", "mail.example.org", "2001:db8:42::25"), dkim="forum.example.org", extra=("List-ID: Gardeners <vegetables.forum.example.org>",
         "List-Unsubscribe: <https://forum.example.org/email/unsubscribe/77>", "Auto-Submitted: auto-generated")),
    Mail("invoice-real", "Stadtwerke <rechnung@stadtwerke.example>", "Ihre Rechnung Nr. 2025-0611", "Sehr geehrte Frau Keller,\n\nanbei erhalten Sie Ihre Rechnung. Der Betrag von 82,40 EUR wird am "
         "20.06. abgebucht.\n\nMit freundlichen Grüßen\nIhre Stadtwerke\n", ("mx3.stadtwerke.example", "mx3.stadtwerke.example", "198.51.100.61"), dkim="stadtwerke.example",
         attach=[("application/pdf", "Rechnung_2025-0611.pdf", PDF)]),
    Mail("invoice-small", "Elena Rossi <elena@rossi-design.example>", "Invoice 2025-17", "Hi Maria,\n\nplease find attached my invoice for the logo. Payment within 14 days is fine, bank details are on "
         "it.\n\nThanks again,\nElena\n", GMAIL, dkim="rossi-design.example", attach=[("application/pdf", "invoice-2025-17.pdf", PDF)]),
    Mail("ticket", "Support <support@hosting.example>", "[#88123] Ticket opened: DNS question", "Hello Maria Keller,\n\nwe received your request and will answer within 24 hours.\n\nYour ticket: "
         "https://my.hosting.example/tickets/88123\n\nSupport team\n", ("mail.hosting.example", "mail.hosting.example", "198.51.100.88"), dkim="hosting.example",
         extra=("Auto-Submitted: auto-replied",)),
    Mail("domain-renewal", "Registrar <billing@registrar.example>", "Renewal reminder: example.net expires in 30 days", "Hello,\n\nyour domain example.net will expire on 10 July 2025. It is set to renew "
         "automatically, the fee of 12.00 EUR will be charged to your card ending in 1881.\n\nhttps://www.registrar.example/account/domains\n", ("mail.registrar.example",
         "mail.registrar.example", "198.51.100.90"), dkim="registrar.example"),
    Mail("linkedin", "LinkedIn <messages-noreply@linkedin.com>", "Maria, you have 3 new invitations", None, ("mailc-fb.linkedin.com", "mailc-fb.linkedin.com", "108.174.3.215"),
         dkim="linkedin.com", extra=("List-Unsubscribe: <https://www.linkedin.com/e/v2?e=abc>", "List-Unsubscribe-Post: List-Unsubscribe=One-Click"),
         html=page("<p>You have 3 new invitations</p><a href=\"https://www.linkedin.com/comm/mynetwork/\">See all invitations</a><p>This email was intended for Maria Keller. "
         "<a href=\"https://www.linkedin.com/e/v2?e=abc\">Unsubscribe</a></p>")),
    Mail("japanese", "田中 健 <tanaka@example.jp>".encode().decode(), "=?utf-8?B?5Lya6K2w44Gu5Lu2?=", "ケラー様\n\nお世話になっております。田中です。\n来週の会議は水曜日の午後三時でよろしいでしょうか。\n\nよろしくお願いいたします。\n田中\n",
         ("mail.example.jp", "mail.example.jp", "198.51.100.81"), dkim="example.jp"),
    Mail("russian", "=?utf-8?B?0JjRgNC40L3QsA==?= <irina@example.ru>", "=?utf-8?B?0JLRgdGC0YDQtdGH0LA=?=", "Привет, Мария!\n\nВстречаемся в пятницу в семь, как договорились. Захвати, пожалуйста, книгу.\n\nИрина\n",
         ("mx1.example.ru", "mx1.example.ru", "198.51.100.82"), dkim="example.ru", b64=True),
    Mail("spanish", "Lucía Gómez <lucia@universidad.example>".encode().decode(), "=?utf-8?Q?Reuni=C3=B3n_del_jueves?=", "Hola María:\n\n¿Te viene bien el jueves a las once? Adjunto el borrador.\n\nUn saludo,\nLucía\n",
         ("correo.universidad.example", "correo.universidad.example", "198.51.100.83"), dkim="universidad.example", qp=True, attach=[("application/vnd.openxmlformats-officedocument."
         "wordprocessingml.document", "borrador.docx", b"PK")]),
    Mail("chinese", "=?utf-8?B?546L6Iqz?= <wangfang@example.cn>", "=?utf-8?B?5oql5ZGK?=", "玛丽亚你好,\n\n报告我已经看完了,有几个小问题,明天电话里说。\n\n王芳\n", ("smtp.example.cn", "smtp.example.cn", "198.51.100.84"),
         dkim="example.cn", b64=True),
    Mail("arabic", "سامي <sami@example.ae>".encode().decode(), "=?utf-8?B?2YXZiNi52K8=?=", "مرحبا ماريا،\n\nالموعد يوم الأحد الساعة العاشرة.\n\nسامي\n", ("mail.example.ae", "mail.example.ae", "198.51.100.85"), dkim="example.ae"),
    Mail("cron", "root@db1.example.net (Cron Daemon)", "Cron <root@db1> /usr/local/bin/backup.sh", "/usr/local/bin/backup.sh: line 12: warning: volume 91% full\nbackup finished in 312 s\n",
         ("db1.example.net", "db1.example.net", "2001:db8:7::5"), to="root@example.net", extra=("Auto-Submitted: auto-generated", "X-Cron-Env: <SHELL=/bin/sh>")),
    Mail("monitoring", "Alertmanager <alerts@mon.example.net>", "[FIRING:2] DiskFull db1", None, ("mon.example.net", "mon.example.net", "2001:db8:7::9"), html=page("<h3>2 alerts firing</h3><p>DiskFull on db1: "
         "/var/lib/mysql 96%</p><p>DiskFull on db2: /srv 95%</p><a href=\"https://mon.example.net/alerts\">View in Alertmanager</a>")),
    Mail("bounce", "MAILER-DAEMON@mail.example.org (Mail Delivery System)", "Undelivered Mail Returned to Sender", "This is the mail system at host mail.example.org.\n\nI'm sorry to have to inform you that your "
         "message could not be delivered.\n\n<tom@example.com>: host mx.example.com said: 550 5.1.1 User unknown\n", ("mail.example.org", "mail.example.org", "2001:db8:42::25"),
         extra=("Auto-Submitted: auto-replied",)),
    Mail("school", "Grundschule Nord <sekretariat@gs-nord.example>", "Elternabend am 24. Juni", "Liebe Eltern,\n\nder Elternabend findet am 24. Juni um 19 Uhr in der Aula statt. Bitte geben Sie den Zettel bis "
         "Freitag zurück.\n\nMit freundlichen Grüßen\nB. Schmitt\n", OUTLOOK, dkim="gs-nord.example", to="Klasse 3b <klasse3b@gs-nord.example>"),
    Mail("boss-real", "Thomas Brandt <thomas.brandt@example.net>", "Quick question", "Hi Maria,\n\nare you free at 3 for ten minutes? I want to go through the numbers before the board meeting.\n\nThomas\n",
         ("mail.example.net", "mail.example.net", "192.0.2.50"), extra=("User-Agent: Microsoft-MacOutlook/16.97",)),
    Mail("forward", "Mum <inge.keller@web.de>", "Fwd: Rezept", "Schau mal!\n\nGesendet von meinem iPhone\n\nAnfang der weitergeleiteten Nachricht:\n\nVon: Tante Gerda\nBetreff: Rezept\n\n500 g Mehl, 3 Eier, ...\n",
         ("mout.web.de", "mout.web.de", "212.227.15.14"), dkim="web.de"),
    Mail("real-estate", "Immo Portal <suchauftrag@immo-portal.example>", "7 neue Treffer für Ihre Suche", None, SES, dkim="immo-portal.example", extra=unsub("immo-portal.example"),
         html=page("<p>Guten Tag,</p><p>7 neue Wohnungen passen zu Ihrer Suche.</p><table><tr><td>3 Zimmer, 78 m², 980 €</td></tr><tr><td>2 Zimmer, 60 m², 750 €</td></tr></table>"
         "<a href=\"https://www.immo-portal.example/expose/1\">Ansehen</a> <a href=\"https://www.immo-portal.example/abmelden\">Abmelden</a>")),
    Mail("airline", "Air Example <booking@airexample.example>", "Your booking confirmation QX7ZP2", None, ("mta.airexample.example", "mta.airexample.example", "198.51.100.150"), dkim="airexample.example",
         html=page("<h2>Booking QX7ZP2</h2><p>Dear Maria Keller, thank you for booking with us. Frankfurt - Lisbon, 12 July. Total price: EUR 214.80, paid by credit card Visa ****1881.</p>"
         "<a href=\"https://www.airexample.example/manage?pnr=QX7ZP2\">Manage booking</a>"), attach=[("application/pdf", "ticket.pdf", PDF)]),
    Mail("exchange-otp", "Coinbase <no-reply@coinbase.com>", "Your verification code", "Your Coinbase verification code is 482913. It expires in 10 minutes. Do not share it with anybody.\n", SES, dkim="coinbase.com"),
    Mail("charity", "Red River Rescue <info@riverrescue.example>", "Thank you for your donation", "Dear Maria,\n\nthank you for your donation of 50 EUR. The receipt for your tax return is attached.\n\nYour team\n",
         ("mail.riverrescue.example", "mail.riverrescue.example", "198.51.100.152"), dkim="riverrescue.example", attach=[("application/pdf", "receipt.pdf", PDF)]),
    Mail("meetup", "City Runners <info@meetup.com>", "Just scheduled: Evening run, Thursday", None, SENDGRID, dkim="meetup.com", extra=unsub("meetup.com"), html=page("<p>City Runners just scheduled an event.</p><h2>Evening "
         "run</h2><p>Thursday at 19:00, free for members.</p><a href=\"https://www.meetup.com/city-runners/events/3\">Attend</a>")),
    Mail("sms-gateway", "voicemail@pbx.example.net", "New voicemail from +49 30 123456", "You have a new voicemail of 0:32 in mailbox 21.\n", ("pbx.example.net", "pbx.example.net", "192.0.2.61"),
         attach=[("audio/x-wav", "msg0032.wav", b"RIFF")]),
    Mail("customer-query", "Ben Carter <bencarter1984@gmail.com>", "Order 5512 arrived broken", "Hello,\n\nthe lamp I ordered from you (order 5512) arrived broken. Can you send a new one or give me my money back? Photo "
         "attached.\n\nBen Carter\n", GMAIL, dkim="gmail.com", attach=[("image/jpeg", "lamp.jpg", b"\xff\xd8\xff")], to="shop@example.net"),
]


def main():
    for kind, mails in (("spam", SPAM), ("ham", HAM)):
        os.makedirs(os.path.join(sys.argv[1], kind), exist_ok=True)
        for m in mails:
            with open(os.path.join(sys.argv[1], kind, m.name + ".eml"), "w", encoding="utf-8") as f:
                f.write(m.text())


if __name__ == "__main__":
    main()
