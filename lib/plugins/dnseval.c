/*
 * dnseval.c - Mail::SpamAssassin::Plugin::DNSEval: lists of addresses in DNS
 *
 * The work needs the network or outside programs, which come with the resolver.  Until then its
 * directives are checked and kept, its rules are known, and its evals decide nothing, which is what
 * the reference does with -L.
 */

#include "conf/addrlist.h"
#include "plugins/pending.h"

struct dnseval_settings {
	struct slice rbl_headers;
};

#define AT(field) offsetof(struct dnseval_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "rbl_headers", NULL, CONF_STRING, CONF_PRIV, AT(rbl_headers), "EnvelopeFrom,Reply-To,Disposition-Notification-To,X-WebmailclientIP,X-Source-IP", NULL },
};
/* clang-format on */

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_dns_sender", EVAL_RBL | EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_rbl", EVAL_RBL | EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_rbl_accreditor", EVAL_RBL | EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_rbl_envfrom", EVAL_RBL | EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_rbl_from_domain", EVAL_RBL | EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_rbl_from_host", EVAL_RBL | EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_rbl_headers", EVAL_RBL | EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_rbl_ns_from", EVAL_RBL | EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_rbl_rcvd", EVAL_RBL | EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_rbl_sub", EVAL_RBL | EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_rbl_txt", EVAL_RBL | EVAL_HEADER, plugin_eval_pending, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const features[] = {
	"has_tflags_domains_only",
	"has_tflags_ips_only",
	NULL,
};

const struct plugin plugin_dnseval = {
	.id = PLUGIN_ID_dnseval,
	.class_name = "Mail::SpamAssassin::Plugin::DNSEval",
	.module =
		{
			.name = "dnseval",
			.settings_size = sizeof(struct dnseval_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.evals = evals,
	.features = features,
	.needs_network = true,
};
