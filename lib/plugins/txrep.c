/*
 * txrep.c - Mail::SpamAssassin::Plugin::TxRep: reputation of several identities
 *
 * Source: Plugin/TxRep.pm of 4.0.1, whose order of look-ups and whose weights these are, in cases
 * too where its manual says something else.  A message is one transaction over one or two lists.
 */
#include "plugins/txrep.h"

#include <math.h>
#include <stdlib.h>

#include "mail/date.h"
#include "plugins/auth.h"
#include "plugins/autolearnthreshold.h"
#include "plugins/awl.h"
#include "plugins/bayes.h"
#include "plugins/txrep_run.h"

static const char area[] = "TxRep";

/* ---- the lists ---- */

static enum status
open_part(struct txrep_run *run, struct slice path, enum txrep_list part)
{
	struct scan *scan = run->scan;
	struct reputation_config config;
	enum status status = sender_config(scan, path, &config, &run->error);

	if (status != STATUS_OK)
		return status;
	config.welcomes_recipients = run->settings->welcomelist_out != 0;
	if (path.data != NULL) /* the other one of two; SQL has them in one table */
		config.user = slice_starts(path, SLICE("__userstate__")) ? sender_user(scan)
		                                                         : SLICE("GLOBAL");
	return senders_list(learner_senders(scan->learner), &config, &run->parts[part],
	                    &run->error);
}

/* With a ratio, a list of the user's and one of all.  What the path names is the one or the other.
 */
static enum status
open_parts(struct txrep_run *run)
{
	struct slice path = run->settings->list.path;
	bool is_global = slice_find(path, SLICE("__userstate__"), 0) == SLICE_NPOS;
	enum status status;

	if (run->settings->user2global_ratio == 0)
		return open_part(run, SLICE_NULL, TXREP_USER);
	status = open_part(run, is_global ? SLICE("__userstate__/tx-reputation") : SLICE_NULL,
	                   TXREP_USER);
	if (status == STATUS_OK)
		status = open_part(
			run, is_global ? SLICE_NULL : SLICE("__local_state_dir__/tx-reputation"),
			TXREP_GLOBAL);
	if (status == STATUS_OK && run->parts[TXREP_USER] == run->parts[TXREP_GLOBAL])
		run->parts[TXREP_GLOBAL] = NULL;
	return status;
}

bool
txrep_has_two_lists(const struct conf *conf)
{
	const struct txrep_settings *settings = plugin_settings(conf, &plugin_txrep);

	return settings != NULL && settings->use_txrep && settings->user2global_ratio != 0;
}

static void
warn(struct txrep_run *run)
{
	struct error text;

	(void)error_set(&text, STATUS_IO, "open of TxRep file failed: %s", run->error.text);
	senders_warn(learner_senders(run->scan->learner), area, text.text);
}

/* Opens what is needed and begins to write; false: said why not. */
static bool
begin(struct txrep_run *run)
{
	if (run->is_begun)
		return run->status == STATUS_OK;
	if (run->scan->learner == NULL || learner_senders(run->scan->learner) == NULL)
		return false;
	run->status = open_parts(run);
	for (unsigned i = 0; i < TXREP_PARTS && run->status == STATUS_OK; i++)
		if (run->parts[i] != NULL)
			run->status = reputation_begin(
				run->parts[i], learner_wait_ms(run->scan->learner), &run->error);
	run->is_begun = true;
	return run->status == STATUS_OK;
}

/* All of it, or nothing and a line. */
static bool
end(struct txrep_run *run)
{
	for (unsigned i = 0; i < TXREP_PARTS && run->is_begun; i++)
		if (run->parts[i] != NULL && run->status == STATUS_OK)
			run->status = reputation_commit(run->parts[i], &run->error);
	for (unsigned i = 0; i < TXREP_PARTS && run->is_begun; i++)
		if (run->parts[i] != NULL)
			reputation_abort(run->parts[i]);
	if (run->is_begun && run->status != STATUS_OK)
		warn(run);
	return run->status == STATUS_OK;
}

/* ---- who sent it ---- */

static bool
is_bracketed(struct slice helo, struct slice ip)
{
	if (helo.len > 0 && helo.data[0] == '[')
		helo = slice_from(helo, 1);
	if (helo.len > 0 && helo.data[helo.len - 1] == ']')
		helo = slice_sub(helo, 0, helo.len - 1);
	return slice_eq(helo, ip);
}

/* The last HELO that says something new; an address, of untrusted hosts only the first one's when
 * the message has points. */
static void
look_at_relays(struct txrep_run *run)
{
	const relay_vec *parts[] = {&run->scan->relays.trusted, &run->scan->relays.untrusted};
	long left = (long)parts[0]->count;

	for (size_t p = 0; p < 2; p++)
		for (size_t i = 0; i < parts[p]->count; i++) {
			const struct relay *relay = parts[p]->items[i];

			if (!is_bracketed(relay->helo, relay->ip) &&
			    !slice_ieq(relay->helo, run->domain) &&
			    !slice_ieq(relay->helo, run->from))
				run->helo = relay->helo;
			left--;
			if ((left >= -1 || run->points < 2) && !relay->ip_private &&
			    relay->ip.len > 0)
				run->ip = relay->ip;
			if (left >= 0 && run->ip.data == NULL && relay->ip_private &&
			    relay->ip.len > 0)
				run->ip = SLICE("127.0.0.1");
		}
}

static struct slice
after_at(struct slice address)
{
	size_t at = slice_rfind_byte(address, '@');

	return at == SLICE_NPOS || at == 0 ? address : slice_from(address, at + 1);
}

/* false: there is no sender. */
static bool
find_sender(struct txrep_run *run)
{
	struct scan *scan = run->scan;
	struct slice ids[2];
	int64_t date_s;

	run->from = arena_dup_lower(scan->arena, scan_header(scan, SLICE("From:addr")));
	if (run->from.len == 0 || slice_eq(run->from, SLICE("0")))
		run->from = scan_header(scan, SLICE("EnvelopeFrom:addr"));
	if (slice_trim(run->from).len == 0)
		return false;
	run->domain = after_at(run->from);
	bayes_message_ids(scan, ids);
	run->message_id = ids[0];
	date_s = message_receive_date(scan->message, scan->now_s);
	run->date = arena_printf(scan->arena, "%lld", (long long)date_s);
	if (run->has_relays)
		look_at_relays(run);
	return true;
}

/* A signature, or SPF, makes the address of the host unimportant. */
static struct slice
find_signer(struct txrep_run *run)
{
	struct scan *scan = run->scan;
	const struct spf_facts *spf = scan_spf_facts(scan, SPF_IDENTITY_MFROM);
	struct slice sender;

	run->signed_by =
		run->settings->list.distinguishes_signed ? sender_signed_by(scan) : SLICE_NULL;
	if (run->signed_by.data != NULL && !slice_eq(run->signed_by, SLICE("0"))) {
		run->domain = run->signed_by;
		return SLICE_NULL;
	}
	run->signed_by = SLICE_NULL;
	if (spf == NULL || !spf->has_result || spf->result != AUTH_PASS || !run->settings->uses_spf)
		return run->ip;
	sender = scan_spf_sender(scan);
	run->signed_by = sender.data == NULL
	                         ? SLICE("spf")
	                         : arena_concat(scan->arena, SLICE("spf-"), after_at(sender));
	return SLICE_NULL;
}

/* ---- the work ---- */

/* Address and what we say of it, in place of all that was there. */
static void
set_reputation(struct txrep_run *run, struct slice id, bool has_score, double score,
               struct slice signed_by)
{
	run->key = txrep_make_key(run, id, SLICE_NULL, signed_by);
	txrep_remove_entry(run, run->in_hand);
	if (!has_score || run->status != STATUS_OK)
		return;
	txrep_take_status(
		run, reputation_get(run->parts[run->in_hand], &run->key, &run->entry, &run->error));
	txrep_add_score(run, run->in_hand, score);
}

static void
welcome_recipients(struct txrep_run *run)
{
	slice_vec to = scan_to_addrs(run->scan);

	for (size_t i = 0; run->has_list && i < to.count; i++) {
		if (to.items[i].len == 0 || slice_eq(to.items[i], SLICE("0")))
			continue;
		log_debug(run->scan->log, area, "internal sender, welcomelisting recipient: %.*s",
		          SLICE_FMT(log_quote(run->scan->arena, to.items[i], 300)));
		set_reputation(run, to.items[i], true, -run->settings->welcomelist_out, SLICE_NULL);
	}
}

static void
hit(struct txrep_run *run, double delta)
{
	if (delta != 0)
		sender_hit(run->scan, SLICE("TXREP"), "TXREP: ", delta);
}

static void run_message(struct txrep_run *run);

/* What the message did when it was seen before is taken back. */
static void
forget_first(struct txrep_run *run)
{
	struct txrep_run again = *run;

	if (run->is_reentered)
		return;
	again.is_forgetting = true;
	again.is_reentered = true;
	again.helo = again.ip = again.signed_by = SLICE_NULL;
	again.points = run->learned;
	run_message(&again);
	run->status = again.status;
	run->error = again.error;
	run->has_list = false;
}

/* The message was seen before?  true: that was all. */
static bool
look_at_message(struct txrep_run *run)
{
	struct txrep_look look = {
		.identity = TXREP_MSG_ID, .id = run->message_id, .signed_by = run->date};
	double factor = run->settings->factor, reputation = txrep_look_up(run, &look), delta;
	int64_t count = run->entry.count;

	if (count <= 0 || run->status != STATUS_OK)
		return false;
	if (run->is_learning && !run->is_forgetting) {
		/* only scanned: count 1 */
		if (count > 1)
			forget_first(run);
		return false;
	}
	if (run->is_forgetting) {
		run->points = reputation;
		log_debug(run->scan->log, area, "forgetting stored score %.3f of message %.*s",
		          reputation, SLICE_FMT(run->message_id));
		return false;
	}
	delta = (run->points + factor * reputation) / (1 + factor) - run->points;
	hit(run, delta);
	log_debug(run->scan->log, area,
	          "message %.*s already scanned, using old data; post-TxRep score: %.3f",
	          SLICE_FMT(run->message_id), run->scan->score);
	return true;
}

static double
look_at_identities(struct txrep_run *run, struct slice ip)
{
	const struct txrep_look looks[] = {
		{TXREP_EMAIL_IP, run->from, ip, run->signed_by, true, run->points},
		{TXREP_DOMAIN, run->domain, ip, run->signed_by, true, run->points},
		{TXREP_HELO, run->helo, SLICE_NULL, SLICE("HELO"), true, run->points},
		{TXREP_EMAIL, run->from, SLICE_NULL, SLICE_NULL, true, run->points},
		{TXREP_IP, run->ip, SLICE_NULL, SLICE_NULL, true, run->points},
	};
	double delta = 0;

	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
		const struct txrep_look *look = &looks[i];

		if (look->id.len == 0 || slice_eq(look->id, SLICE("0")))
			continue;
		if (look->identity == TXREP_EMAIL &&
		    (run->ip.data == NULL || run->signed_by.data != NULL))
			continue;
		delta += txrep_look_up(run, look);
	}
	return delta;
}

static void
log_run(const struct txrep_run *run)
{
	struct arena *arena = run->scan->arena;
	struct slice signed_by =
		run->signed_by.data == NULL
			? SLICE("(unsigned)")
			: arena_printf(arena, "signed by %.*s", SLICE_FMT(run->signed_by));

	log_debug(run->scan->log, area,
	          "active, %.*s pre-score: %.15g, autolearn score: %.15g, IP: %.*s, address: %.*s "
	          "%.*s",
	          SLICE_FMT(run->message_id), run->scan->score, run->points,
	          SLICE_FMT(run->ip.data == NULL ? SLICE("?") : run->ip),
	          SLICE_FMT(log_quote(arena, run->from, 300)), SLICE_FMT(signed_by));
}

static void
run_message(struct txrep_run *run)
{
	struct slice ip;
	double delta;

	if (!find_sender(run) || !begin(run))
		return;
	if (run->settings->tracks_messages && look_at_message(run))
		return;
	if (txrep_is_outgoing(run))
		welcome_recipients(run);
	ip = find_signer(run);
	log_run(run);
	run->total_weight = 0;
	delta = look_at_identities(run, ip);
	if (!run->is_learning && run->status == STATUS_OK) {
		delta = run->total_weight == 0 ? 0
		                               : run->settings->factor * delta / run->total_weight;
		hit(run, delta);
		run->points += delta;
		log_debug(run->scan->log, area, "post-TxRep score: %.3f", run->scan->score);
	}
	if (run->settings->tracks_messages)
		(void)txrep_look_up(run, &(const struct txrep_look){TXREP_MSG_ID, run->message_id,
		                                                    SLICE_NULL, run->date, true,
		                                                    run->points});
}

/* May anything be looked up or written? */
static bool
is_possible(struct scan *scan, const struct txrep_settings *settings, unsigned flags)
{
	slice_vec from;

	if (settings == NULL || !settings->use_txrep) {
		log_debug(scan->log, area, "TxRep is disabled, quitting");
		return false;
	}
	if (awl_is_used(scan)) {
		if (scan->learner != NULL && learner_senders(scan->learner) != NULL)
			senders_warn(learner_senders(scan->learner), area,
			             "cannot run when Auto-Welcomelist is enabled. Please disable "
			             "it!");
		return false;
	}
	if ((flags & TXREP_AUTOLEARN) && settings->autolearn == 0) {
		log_debug(scan->log, area,
		          "autolearning disabled, no more reputation adjusting, quitting");
		return false;
	}
	from = scan_from_addrs(scan);
	return from.count == 0 ||
	       !slice_eq(from.items[0], SLICE("ignore@compiling.spamassassin.taint.org"));
}

static int
check_reputation(struct scan *scan, const struct eval_call *call)
{
	struct txrep_run run = {.scan = scan, .settings = call->settings, .has_relays = true};

	if (!is_possible(scan, run.settings, 0))
		return 0;
	run.points = autolearn_points_kept(scan)->all;
	run_message(&run);
	(void)end(&run);
	return 0;
}

bool
txrep_learn(struct scan *scan, bool is_spam, unsigned flags)
{
	struct txrep_run run = {.scan = scan,
	                        .settings = plugin_settings(scan->conf, &plugin_txrep),
	                        .has_relays = true,
	                        .is_learning = true};

	if (run.settings == NULL)
		return false;
	log_debug(scan->log, area, "learning a message");
	run.learned = is_spam ? run.settings->learn_penalty : -run.settings->learn_bonus;
	run.points = run.learned;
	if (run.learned == 0)
		return true;
	if (!is_possible(scan, run.settings, flags))
		return false;
	run_message(&run);
	(void)end(&run);
	return false;
}

void
txrep_forget(struct scan *scan)
{
	struct txrep_run run = {.scan = scan,
	                        .settings = plugin_settings(scan->conf, &plugin_txrep),
	                        .is_forgetting = true};

	if (run.settings == NULL || !is_possible(scan, run.settings, 0))
		return;
	log_debug(scan->log, area, "forgetting a message");
	run.points = autolearn_points_kept(scan)->all;
	run_message(&run);
	(void)end(&run);
}

/* ---- one address, by command ---- */

static bool
is_like_ip(struct slice id)
{
	return id.len > 0 && slice_span(id, "abcdef0123456789.:", 0) == SLICE_NPOS;
}

/* What it takes for this one identity to weigh as much as all do; *helo_r: it is a HELO name. */
static double
share_of(const struct txrep_settings *s, struct slice id, bool *helo_r)
{
	double all = s->weight_email + s->weight_email_ip + s->weight_domain + s->weight_ip +
	             s->weight_helo;
	bool has_at = slice_has_byte(id, '@');

	*helo_r = !slice_has_byte(id, '.') && s->weight_helo != 0;
	if (*helo_r)
		return all / s->weight_helo;
	if (is_like_ip(id) && s->weight_ip != 0)
		return all / s->weight_ip;
	if (has_at && s->weight_email != 0)
		return all / s->weight_email;
	if (!has_at && s->weight_domain != 0)
		return all / s->weight_domain;
	return 1;
}

void
txrep_operate(struct scan *scan, enum sender_operation operation, struct slice address, FILE *out)
{
	static const struct {
		const char *doing;
		double score;
	} operations[] = {
		[SENDER_WELCOMELIST] = {"welcomelisting address", -100},
		[SENDER_BLOCKLIST] = {"blocklisting address", 100},
		[SENDER_REMOVE] = {"removing address", 0},
	};
	struct txrep_run run = {.scan = scan,
	                        .settings = plugin_settings(scan->conf, &plugin_txrep)};
	size_t first = slice_find_byte(address, ',', 0), last = slice_rfind_byte(address, ',');
	struct slice id = slice_sub(address, 0, first),
		     signed_by = first == SLICE_NPOS ? SLICE_NULL : slice_from(address, last + 1);
	double share;
	bool is_helo;

	if (run.settings == NULL || !run.settings->use_txrep)
		return;
	(void)begin(&run);
	share = share_of(run.settings, id, &is_helo);
	/* The list that auto_welcomelist_path names. */
	run.in_hand = run.parts[TXREP_GLOBAL] != NULL &&
	                              slice_find(run.settings->list.path, SLICE("__userstate__"),
	                                         0) == SLICE_NPOS
	                      ? TXREP_GLOBAL
	                      : TXREP_USER;
	if (run.is_begun && run.status == STATUS_OK)
		set_reputation(&run, id, operation != SENDER_REMOVE,
		               share * operations[operation].score,
		               is_helo ? SLICE("helo") : signed_by);
	if (!end(&run) || !run.is_begun)
		return;
	fprintf(out, "SpamAssassin TxRep: %s: %.*s\n", operations[operation].doing, SLICE_FMT(id));
	log_debug(scan->log, area, "%s: %.*s", operations[operation].doing, SLICE_FMT(id));
}

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_senders_reputation", EVAL_HEADER | EVAL_AFTER_ANSWERS, check_reputation, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

const struct plugin plugin_txrep = {
	.id = PLUGIN_ID_txrep,
	.class_name = "Mail::SpamAssassin::Plugin::TxRep",
	.module =
		{
			.name = "txrep",
			.settings_size = sizeof(struct txrep_settings),
			.directives = txrep_directives,
			.directive_count = TXREP_DIRECTIVES,
		},
	.evals = evals,
};
