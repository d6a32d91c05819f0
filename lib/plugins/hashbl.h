/*
 * hashbl.h - what the parts of the HashBL plugin share
 *
 * Owns: its settings, its state of a message.  hashbl_conf.c: directives, arguments, the plugin;
 * hashbl_ask.c: hashes and questions; hashbl_addresses.c: addresses; hashbl.c: other values.
 */
#ifndef WINNOW_PLUGINS_HASHBL_H
#define WINNOW_PLUGINS_HASHBL_H

#include "conf/addrlist.h"
#include "conf/core.h"
#include "mail/registry.h"
#include "net/addr.h"
#include "plugins/args.h"
#include "plugins/dnslist.h"
#include "plugins/pending.h"
#include "util/strbuf.h"

struct hashbl_settings {
	struct conf_table acls; /* "NAME domain" -> "1" or "0" */
	struct conf_table acl_names;
	struct conf_table hashbl_email_domain_alias;
	struct slice hashbl_email_regex;
	struct slice hashbl_email_welcomelist;
	struct conf_table hashbl_ignore;
	/* with the top level domains filled in, when a rule wants addresses */
	const struct regex *email, *quoted_email, *welcome;
};

enum hash_kind { HASH_NONE, HASH_MD5, HASH_SHA1, HASH_SHA256 };

/* What prepare makes of the arguments. */
struct hashbl_rule {
	struct slice list;
	unsigned type;
	enum hash_kind hash;
	bool keep_case, shuffle, notag, nodot, host, domain, user, nouri, noquote, num, raw;
	bool ip, ipv4, ipv6, revip, fqdn, tld, trim;
	size_t max, min_bytes, max_bytes;
	const struct regex *subtest; /* NULL: 127. */
	const struct regex *pattern; /* bodyre */
	struct slice source;         /* emails: fields; tag: its name */
	struct slice acl;            /* data NULL: none */
};

struct hashbl_state {
	struct hashmap found; /* source -> slice_vec * of addresses */
	slice_vec recipients; /* of the message itself: not asked about */
	bool has_recipients;
};

struct slice hashbl_acl_key(struct arena *arena, struct slice name, struct slice domain);
/* data NULL: it cannot be computed. */
struct slice hashbl_hash_of(struct arena *arena, enum hash_kind kind, struct slice value);
bool hashbl_is_ignored(struct scan *scan, struct slice value);
/* So that nobody can put ten harmless values in front of the one that is listed. */
void hashbl_shuffle(slice_vec *values);
/* Values are distinct. */
int hashbl_ask_all(struct scan *scan, const struct rule *rule, const struct hashbl_rule *data,
                   slice_vec *values, bool are_hashes);
void hashbl_add_distinct(struct scan *scan, slice_vec *values, struct hashmap *seen,
                         struct slice value);
struct slice hashbl_trimmed(struct scan *scan, struct slice domain);
bool hashbl_is_domain_skipped(struct scan *scan, struct slice domain);
int hashbl_check_emails(struct scan *scan, const struct eval_call *call);
int hashbl_check_uris(struct scan *scan, const struct eval_call *call);
int hashbl_check_bodyre(struct scan *scan, const struct eval_call *call);
int hashbl_check_tag(struct scan *scan, const struct eval_call *call);
int hashbl_check_attachments(struct scan *scan, const struct eval_call *call);

#endif
