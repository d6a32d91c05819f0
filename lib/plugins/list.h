/*
 * list.h - all plugins, one line each: X(identifier)
 *
 * Adding a plugin is its own file, which defines `const struct plugin plugin_IDENTIFIER`, one line
 * here and one in Makefile.inc.
 */
#ifndef WINNOW_PLUGINS_LIST_H
#define WINNOW_PLUGINS_LIST_H

/* clang-format off */
#define PLUGIN_LIST(X) \
	X(accessdb) \
	X(antivirus) \
	X(askdns) \
	X(asn) \
	X(authres) \
	X(autolearnthreshold) \
	X(awl) \
	X(bayes) \
	X(bodyeval) \
	X(dcc) \
	X(decodeshorturls) \
	X(dkim) \
	X(dmarc) \
	X(dnseval) \
	X(extracttext) \
	X(freemail) \
	X(fromnamespoof) \
	X(hashbl) \
	X(headereval) \
	X(htmleval) \
	X(httpsmismatch) \
	X(imageinfo) \
	X(mimeeval) \
	X(mimeheader) \
	X(olevbmacro) \
	X(pdfinfo) \
	X(phishing) \
	X(phishtag) \
	X(pyzor) \
	X(razor2) \
	X(redirectors) \
	X(relaycountry) \
	X(relayeval) \
	X(replacetags) \
	X(resourcelimits) \
	X(reuse) \
	X(shortcircuit) \
	X(spamcop) \
	X(spf) \
	X(test) \
	X(textcat) \
	X(txrep) \
	X(uridetail) \
	X(uridnsbl) \
	X(urieval) \
	X(urilocalbl) \
	X(vbounce) \
	X(welcomelistsubject) \
	X(wlbleval)
/* clang-format on */

#endif
