/*
 * auth.h - what the authentication plugins tell one another about a message
 *
 * Data: spf.c, dkim.c -> dmarc.c (and who else wants to know).  All of it is what rules asked for:
 * a check that no rule needs is not made.
 */
#ifndef WINNOW_PLUGINS_AUTH_H
#define WINNOW_PLUGINS_AUTH_H

#include "auth/result.h"
#include "plugins/scan.h"

enum spf_identity { SPF_IDENTITY_MFROM, SPF_IDENTITY_HELO, SPF_IDENTITIES };

struct spf_facts {
	bool is_checked;         /* a rule asked, or a Received-SPF field said so */
	bool is_running;         /* its answers are not in */
	bool has_result;         /* there was something to check, and it came to an end */
	enum auth_result result; /* as rules see it */
	enum auth_result rfc;    /* as RFC 7208 has it */
	bool is_from_header;     /* Received-SPF or Authentication-Results of an internal host */
	bool is_authenticated;   /* all DNS answers were vouched for by a validating resolver */
};

/* NULL: the plugin is not loaded, or no rule asked anything. */
const struct spf_facts *scan_spf_facts(struct scan *scan, enum spf_identity identity);

/* The envelope sender that SPF goes by, lower case; data NULL: unknown, or SPF is not loaded. */
struct slice scan_spf_sender(struct scan *scan);

struct dkim_verifier;

/* What the DKIM plugin found (auth/dkim.h); NULL: not loaded, no rule asked, or no DNS. */
const struct dkim_verifier *scan_dkim_verifier(struct scan *scan);
/* Calls fn when it is done.  false: it is, or never will be. */
bool scan_dkim_when_done(struct scan *scan, void (*fn)(struct scan *scan, void *context),
                         void *context);

#endif
