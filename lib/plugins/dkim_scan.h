/*
 * dkim_scan.h - what the parts of the DKIM plugin share
 *
 * Owns: its settings, its state of a message.  dkim.c: signatures, evals about them, the plugin;
 * dkim_conf.c: directives; dkim_practices.c: ADSP; dkim_welcome.c: welcome lists.
 */
#ifndef WINNOW_PLUGINS_DKIM_SCAN_H
#define WINNOW_PLUGINS_DKIM_SCAN_H

#include "auth/arc.h"
#include "conf/addrlist.h"
#include "plugins/args.h"
#include "plugins/lookup.h"

/* Signers that an entry of welcomelist_from_dkim names. */
struct signer {
	struct slice domain; /* lower case; "": the author's own */
	const struct signer *next;
};

struct dkim_settings {
	struct conf_table adsp_override;
	struct addrlist def_welcomelist_from_dkim;
	double dkim_minimum_key_bits;
	double dkim_timeout;
	struct addrlist welcomelist_from_dkim;
	const struct rule *const *rules; /* that call one of the evals */
	size_t rule_count;
};

struct author {
	struct slice domain; /* lower case */
	bool has_any, has_valid, has_tempfailed;
	/* practices: N U A D 1 2 3; 0: unknown to us */
	char practice;
	bool asked, policy_came, mx_came, no_such_domain;
	struct slice policy; /* the ADSP record; data NULL: none */
	struct scan *scan;
};

struct waiter {
	struct eval_call call;
	int (*run)(struct scan *scan, const struct eval_call *call);
};

struct listener {
	void (*fn)(struct scan *scan, void *context);
	void *context;
};

enum welcome_list { LIST_DEF_DKIM, LIST_DEF_AUTH, LIST_DKIM, LIST_AUTH, LIST_COUNT };

/* Who may sign for an author, by which list. */
struct acceptable {
	struct slice author_domain;
	struct slice signer; /* "": the author's own domain */
	enum welcome_list list;
};

struct dkim_state {
	bool begun, is_ready, is_dependable;
	struct dkim_verifier *verifier;
	bool is_signed, is_valid, arc_signed, arc_valid;

	bool has_authors;
	slice_vec addresses;
	VEC(struct author *) authors; /* distinct domains */

	bool practices_begun, practices_ready;
	size_t practices_open;

	bool welcome_checked;
	VEC(struct acceptable) acceptable;
	bool welcomes[LIST_COUNT];

	VEC(struct waiter) waiters, practice_waiters;
	VEC(struct listener) listeners;
};

struct dkim_state *dkim_state_of(struct scan *scan);
const struct dkim_settings *dkim_settings_of(const struct scan *scan);
/* Addresses of From, and their domains. */
void dkim_find_authors(struct scan *scan, struct dkim_state *state);
/* Looks for signatures and asks for their keys, once. */
void dkim_begin(struct scan *scan, struct dkim_state *state);
bool dkim_is_good(const struct dkim_signature *s);
/* Its key is shorter than dkim_minimum_key_bits. */
bool dkim_is_weak(const struct dkim_settings *settings, const struct dkim_signature *s);
/* Runs the eval now, or when the signatures are checked. */
int dkim_when_verified(struct scan *scan, const struct eval_call *call,
                       int (*run)(struct scan *scan, const struct eval_call *call));
/* Runs the evals that waited. */
void dkim_run_waiters(struct scan *scan, const struct waiter *waiters, size_t count);
/* Who asks, with dkim_timeout for each answer; NULL: no memory. */
struct dns_client *dkim_key_client(struct scan *scan);
/* Does a pattern ("*.example.com") mean this domain? */
bool dkim_covers(struct slice pattern, struct slice domain);

/* Evals. */
int dkim_check_adsp(struct scan *scan, const struct eval_call *call);
int dkim_check_signall(struct scan *scan, const struct eval_call *call);
int dkim_check_welcomelist(struct scan *scan, const struct eval_call *call);
int dkim_check_def_welcomelist(struct scan *scan, const struct eval_call *call);

enum { DKIM_DIRECTIVES = 6 };
extern const struct directive dkim_directives[DKIM_DIRECTIVES];

#endif
