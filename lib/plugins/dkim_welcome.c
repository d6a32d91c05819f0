/*
 * dkim_welcome.c - welcome lists that want a signature
 */
#include "plugins/dkim_scan.h"

struct gathering {
	struct scan *scan;
	struct dkim_state *state;
	struct slice author_domain;
	enum welcome_list list;
};

static bool
gather(void *data, const struct addrlist_entry *entry)
{
	struct gathering *g = data;
	struct acceptable a = {.author_domain = g->author_domain, .list = g->list};

	if (g->list == LIST_AUTH || g->list == LIST_DEF_AUTH) {
		a.signer = SLICE("");
		(void)vec_push(g->scan->arena, &g->state->acceptable, a);
		return false;
	}
	for (const struct signer *s = entry->data; s != NULL; s = s->next) {
		a.signer = s->domain;
		(void)vec_push(g->scan->arena, &g->state->acceptable, a);
	}
	return false;
}

/* Entries of all lists that name an author. */
static void
gather_acceptable(struct scan *scan, struct dkim_state *state)
{
	const struct dkim_settings *settings = dkim_settings_of(scan);
	const struct addrlist *lists[LIST_COUNT] = {
		[LIST_DEF_DKIM] = &settings->def_welcomelist_from_dkim,
		[LIST_DEF_AUTH] = &scan->core->def_welcomelist_auth,
		[LIST_DKIM] = &settings->welcomelist_from_dkim,
		[LIST_AUTH] = &scan->core->welcomelist_auth,
	};

	for (unsigned list = 0; list < LIST_COUNT; list++)
		for (size_t i = 0; i < state->addresses.count; i++) {
			struct slice author =
				arena_dup_lower(scan->arena, state->addresses.items[i]);
			size_t at = slice_rfind_byte(author, '@');
			struct gathering g = {
				.scan = scan,
				.state = state,
				.author_domain =
					slice_from(author, at == SLICE_NPOS ? author.len : at + 1),
				.list = (enum welcome_list)list,
			};

			if (!addrlist_is_empty(lists[list]))
				(void)addrlist_each_match(lists[list], author, gather, &g);
		}
}

static bool
may_sign(const struct acceptable *a, struct slice signer)
{
	struct slice wanted = a->signer;
	size_t at = slice_rfind_byte(wanted, '@');

	if (wanted.len == 0)
		return slice_eq(signer, a->author_domain);
	if (at != SLICE_NPOS)
		wanted = slice_from(wanted, at + 1);
	if (slice_starts(wanted, SLICE("*.")))
		wanted = slice_from(wanted, 1);
	if (slice_starts(wanted, SLICE(".")))
		return slice_iends(signer, wanted);
	return slice_ieq(signer, wanted);
}

static void
match_acceptable(struct scan *scan, struct dkim_state *state)
{
	const struct dkim_verifier *v = state->verifier;

	for (size_t i = 0; i < v->signatures.count; i++) {
		const struct dkim_signature *s = &v->signatures.items[i];
		struct slice signer = dkim_signer(scan->arena, s);

		if (s->selector.len == 0 || signer.data == NULL || !dkim_is_good(s) ||
		    dkim_is_weak(dkim_settings_of(scan), s))
			continue;
		for (size_t k = 0; k < state->acceptable.count; k++)
			if (may_sign(&state->acceptable.items[k], signer))
				state->welcomes[state->acceptable.items[k].list] = true;
	}
}

static int
decide_welcome(struct scan *scan, enum welcome_list first, enum welcome_list second)
{
	struct dkim_state *state = dkim_state_of(scan);

	if (!state->welcome_checked) {
		state->welcome_checked = true;
		if (state->is_valid)
			match_acceptable(scan, state);
	}
	return state->welcomes[first] || state->welcomes[second];
}

static int
decide_welcomelist(struct scan *scan, const struct eval_call *call)
{
	(void)call;
	return decide_welcome(scan, LIST_DKIM, LIST_AUTH);
}

static int
decide_def_welcomelist(struct scan *scan, const struct eval_call *call)
{
	(void)call;
	return decide_welcome(scan, LIST_DEF_DKIM, LIST_DEF_AUTH);
}

/* No entry names an author: signatures need not be looked at. */
static int
when_welcome_known(struct scan *scan, const struct eval_call *call,
                   int (*run)(struct scan *scan, const struct eval_call *call))
{
	struct dkim_state *state = dkim_state_of(scan);

	if (state == NULL)
		return 0;
	dkim_find_authors(scan, state);
	if (state->acceptable.size == 0) {
		gather_acceptable(scan, state);
		if (state->acceptable.count == 0)
			return 0;
	}
	return dkim_when_verified(scan, call, run);
}

int
dkim_check_welcomelist(struct scan *scan, const struct eval_call *call)
{
	return when_welcome_known(scan, call, decide_welcomelist);
}

int
dkim_check_def_welcomelist(struct scan *scan, const struct eval_call *call)
{
	return when_welcome_known(scan, call, decide_def_welcomelist);
}
