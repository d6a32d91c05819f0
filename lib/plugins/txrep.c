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
#include "util/strbuf.h"

struct txrep_settings {
	struct sender_settings list;
	double autolearn, dilution_factor, expiry_days, factor, learn_bonus, learn_penalty;
	double report_details, user2global_ratio;
	double weight_domain, weight_email, weight_email_ip, weight_helo, weight_ip;
	double welcomelist_out;
	bool use_txrep, uses_spf, tracks_messages;
};

/* ---- directives ---- */

static enum conf_result
parse_range(void *data, const struct directive *d, struct slice value, double least, double most)
{
	double *number = (double *)(void *)((unsigned char *)data + d->offset), parsed;
	enum conf_result result = conf_parse_numeric(value, &parsed);

	if (result != CONF_OK)
		return result;
	if (parsed < least || parsed > most)
		return CONF_INVALID;
	*number = parsed;
	return CONF_OK;
}

#define RANGE(name, least, most)                                                                   \
	static enum conf_result name(struct conf_reader *reader, void *data,                       \
	                             const struct directive *d, struct slice value)                \
	{                                                                                          \
		(void)reader;                                                                      \
		return parse_range(data, d, value, least, most);                                   \
	}

RANGE(parse_factor, 0, 1)
RANGE(parse_dilution, 0.7, 1)
RANGE(parse_days, 0, 10000)
RANGE(parse_points, 0, 200)
RANGE(parse_autolearn, 0, 5)
RANGE(parse_weight, 0, 10)

static enum conf_result
parse_details(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	(void)reader;
	if (value.len == 0)
		return CONF_MISSING;
	return value.len == 1 ? parse_range(data, d, value, 0, 2) : CONF_INVALID;
}

#define AT(field) offsetof(struct txrep_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "auto_welcomelist_db_modules", "auto_whitelist_db_modules", CONF_STRING, CONF_ADMIN, AT(list.db_modules), "DB_File GDBM_File SDBM_File", NULL },
	{ "auto_welcomelist_distinguish_signed", "auto_whitelist_distinguish_signed", CONF_BOOL, CONF_USER, AT(list.distinguishes_signed), "1", NULL },
	{ "auto_welcomelist_file_mode", "auto_whitelist_file_mode", CONF_CUSTOM, CONF_ADMIN, AT(list.file_mode), "0700", sender_parse_mode },
	{ "auto_welcomelist_path", "auto_whitelist_path", CONF_CUSTOM, CONF_ADMIN, AT(list.path), "__userstate__/tx-reputation", sender_parse_path },
	{ "txrep_autolearn", NULL, CONF_CUSTOM, CONF_USER, AT(autolearn), "0", parse_autolearn },
	{ "txrep_dilution_factor", NULL, CONF_CUSTOM, CONF_USER, AT(dilution_factor), "0.98", parse_dilution },
	{ "txrep_expiry_days", NULL, CONF_CUSTOM, CONF_USER, AT(expiry_days), "365", parse_days },
	{ "txrep_factor", NULL, CONF_CUSTOM, CONF_USER, AT(factor), "0.5", parse_factor },
	{ "txrep_factory", NULL, CONF_STRING, CONF_ADMIN, AT(list.factory), "Mail::SpamAssassin::DBBasedAddrList", NULL },
	{ "txrep_ipv4_mask_len", NULL, CONF_CUSTOM, CONF_USER, AT(list.ipv4_bits), "16", sender_parse_ipv4_bits },
	{ "txrep_ipv6_mask_len", NULL, CONF_CUSTOM, CONF_USER, AT(list.ipv6_bits), "48", sender_parse_ipv6_bits },
	{ "txrep_learn_bonus", NULL, CONF_CUSTOM, CONF_USER, AT(learn_bonus), "20", parse_points },
	{ "txrep_learn_penalty", NULL, CONF_CUSTOM, CONF_USER, AT(learn_penalty), "20", parse_points },
	{ "txrep_report_details", NULL, CONF_CUSTOM, CONF_USER, AT(report_details), "0", parse_details },
	{ "txrep_spf", NULL, CONF_BOOL, CONF_USER, AT(uses_spf), "1", NULL },
	{ "txrep_track_messages", NULL, CONF_BOOL, CONF_USER, AT(tracks_messages), "1", NULL },
	{ "txrep_user2global_ratio", NULL, CONF_CUSTOM, CONF_USER, AT(user2global_ratio), "0", parse_weight },
	{ "txrep_weight_domain", NULL, CONF_CUSTOM, CONF_USER, AT(weight_domain), "2", parse_weight },
	{ "txrep_weight_email", NULL, CONF_CUSTOM, CONF_USER, AT(weight_email), "3", parse_weight },
	{ "txrep_weight_email_ip", NULL, CONF_CUSTOM, CONF_USER, AT(weight_email_ip), "10", parse_weight },
	{ "txrep_weight_helo", NULL, CONF_CUSTOM, CONF_USER, AT(weight_helo), "0.5", parse_weight },
	{ "txrep_weight_ip", NULL, CONF_CUSTOM, CONF_USER, AT(weight_ip), "4", parse_weight },
	{ "txrep_welcomelist_out", "txrep_whitelist_out", CONF_CUSTOM, CONF_USER, AT(welcomelist_out), "10", parse_points },
	{ "use_txrep", NULL, CONF_BOOL, CONF_USER, AT(use_txrep), "0", NULL },
	{ "user_awl_dsn", NULL, CONF_STRING, CONF_ADMIN, AT(list.dsn), NULL, NULL },
	{ "user_awl_sql_override_username", NULL, CONF_STRING, CONF_USER, AT(list.sql_override_user), NULL, NULL },
	{ "user_awl_sql_password", NULL, CONF_STRING, CONF_ADMIN, AT(list.sql_password), NULL, NULL },
	{ "user_awl_sql_table", NULL, CONF_STRING, CONF_ADMIN, AT(list.sql_table), "txrep", NULL },
	{ "user_awl_sql_username", NULL, CONF_STRING, CONF_ADMIN, AT(list.sql_user), NULL, NULL },
};
/* clang-format on */

static const char area[] = "TxRep";

/* ---- one message ---- */

enum identity { EMAIL_IP, EMAIL, DOMAIN, IP, HELO, MSG_ID };

/* A user's list and everybody's, or one list alone. */
enum list_index { USER, GLOBAL, PARTS };

struct run {
	struct scan *scan;
	const struct txrep_settings *settings;
	struct reputation *parts[PARTS]; /* GLOBAL NULL: one list, which is USER */
	enum list_index in_hand;         /* what a recipient is entered into */
	bool is_begun;
	bool has_list; /* the reference has one open: where it does not, recipients are left out */
	bool has_relays; /* who forgets a message does not look at its way */
	bool is_learning, is_forgetting, is_reentered;
	double learned; /* points that are taught; is_learning */
	double points;  /* of the message, or what takes their place */
	double total_weight;
	enum status status;
	struct error error;

	struct reputation_key key; /* of the look-up in hand */
	struct reputation_entry entry;

	struct slice message_id, date, from, domain, helo, ip, signed_by;
};

/* "TXREPEMAILIP", with U or G for two lists. */
static struct slice
tag_name(const struct run *run, enum identity identity, enum list_index part, const char *end)
{
	static const char *const names[] = {
		[EMAIL_IP] = "EMAILIP", [EMAIL] = "EMAIL", [DOMAIN] = "DOMAIN", [IP] = "IP",
		[HELO] = "HELO",        [MSG_ID] = "MSGID"};
	const char *letter = run->parts[GLOBAL] == NULL ? "" : part == USER ? "U" : "G";

	return arena_printf(run->scan->arena, "TXREP%s%s%s", names[identity], letter, end);
}

static void
set_tag(const struct run *run, enum identity identity, enum list_index part, const char *end,
        double value)
{
	scan_set_tag(run->scan, tag_name(run, identity, part, end),
	             arena_printf(run->scan->arena, "%2.1f", value));
}

static double
weight_of(const struct txrep_settings *settings, enum identity identity)
{
	switch (identity) {
	case EMAIL_IP:
		return settings->weight_email_ip;
	case EMAIL:
		return settings->weight_email;
	case DOMAIN:
		return settings->weight_domain;
	case IP:
		return settings->weight_ip;
	case HELO:
		return settings->weight_helo;
	case MSG_ID:
		break;
	}
	return 1;
}

/* ---- keys ---- */

/* Somebody of ours sends to the world. */
static bool
is_outgoing(const struct run *run)
{
	return run->settings->welcomelist_out != 0 && run->has_relays &&
	       run->scan->relays.internal.count > 0 && run->scan->relays.external.count == 0;
}

/* Something, an @, something, no blanks in between: anywhere. */
static bool
has_address(struct slice text)
{
	for (size_t i = 1; i + 1 < text.len; i++)
		if (text.data[i] == '@' && text.data[i - 1] != '@' &&
		    !byte_is_space(text.data[i - 1]) && text.data[i + 1] != '@' &&
		    !byte_is_space(text.data[i + 1]))
			return true;
	return false;
}

static struct reputation_key
make_key(const struct run *run, struct slice id, struct slice ip, struct slice signed_by)
{
	struct reputation_key key = {
		.address = sender_address(run->scan->arena, id),
		.ip = sender_network(run->scan, &run->settings->list, ip, area),
		.signed_by = signed_by,
	};

	if (is_outgoing(run) && has_address(key.address))
		key.ip = SLICE("WELCOMELIST_OUT");
	return key;
}

/* ---- entries ---- */

static void
take_status(struct run *run, enum status status)
{
	if (run->status == STATUS_OK)
		run->status = status;
}

static void
add_score(struct run *run, enum list_index part, double score)
{
	if (run->status == STATUS_OK && !isnan(score))
		take_status(run, reputation_add(run->parts[part], &run->key, &run->entry, score,
		                                &run->error));
}

/* Two messages less and one more, as the reference does it. */
static void
remove_score(struct run *run, enum list_index part, double score)
{
	run->entry.count = run->entry.count > 2 ? run->entry.count - 2 : 0;
	add_score(run, part, -score);
}

static void
remove_entry(struct run *run, enum list_index part)
{
	if (run->status == STATUS_OK)
		take_status(run, reputation_remove(run->parts[part], &run->key, &run->error));
}

static double
sign_of(double value)
{
	return value > 0 ? 1 : value < 0 ? -1 : 0;
}

/* How far the sender's past moves a message of so many points. */
static double
delta_of(const struct reputation_entry *entry, bool has_points, double points)
{
	double count = (double)entry->count, all = entry->total / (1 + count), moved;

	if (!has_points)
		return all;
	moved = (entry->total + points) / (1 + count) - points;
	if ((entry->total > 0 && points > 0 && moved < 0) ||
	    (entry->total < 0 && points < 0 && moved > 0))
		return all;
	return moved;
}

struct look {
	enum identity identity;
	struct slice id, ip, signed_by;
	bool has_points;
	double points;
};

static void
report_details(const struct run *run, const struct look *look, enum list_index part, double mean)
{
	const struct rule *rule = ruleset_find(run->scan->rules, SLICE("TXREP"));
	struct slice name = slice_from(tag_name(run, look->identity, part, ""), 5);
	struct strbuf text;

	if (run->settings->report_details == 0 || look->identity == MSG_ID || rule == NULL ||
	    run->entry.count <= 0)
		return;
	strbuf_init(&text, run->scan->arena, 0);
	strbuf_printf(&text, "%.*s: %.*s", SLICE_FMT(name), SLICE_FMT(look->id));
	if (look->ip.data != NULL)
		strbuf_printf(
			&text, "|%.*s",
			SLICE_FMT(sender_network(run->scan, &run->settings->list, look->ip, area)));
	if (run->settings->report_details == 2)
		strbuf_printf(&text, ", rep: %.2f, count: %lld", mean, (long long)run->entry.count);
	scan_test_log(run->scan, rule, strbuf_slice(&text));
}

/* What a look at one entry says; sets the tags. */
static double
judge(struct run *run, const struct look *look, enum list_index part, double mean)
{
	const struct reputation_entry *entry = &run->entry;
	double delta;

	if (look->identity == MSG_ID && entry->count > 0) {
		set_tag(run, look->identity, part, "", mean);
		return mean;
	}
	delta = delta_of(entry, look->has_points, look->points);
	set_tag(run, look->identity, part, "", delta);
	if (entry->count > 0)
		set_tag(run, look->identity, part, "MEAN", mean);
	set_tag(run, look->identity, part, "COUNT", (double)entry->count);
	set_tag(run, look->identity, part, "PRESCORE", run->scan->score);
	return delta;
}

static void
log_look(const struct run *run, const struct look *look, enum list_index part, double mean,
         double weight, double delta)
{
	struct slice reputation =
		run->entry.count > 0 ? arena_printf(run->scan->arena, "%.3f", mean) : SLICE("none");

	log_debug(run->scan->log, area,
	          "reputation: %.*s, count: %lld, weight: %.1f, delta: %.3f, %.*s: %.*s",
	          SLICE_FMT(reputation), (long long)run->entry.count, weight, delta,
	          SLICE_FMT(slice_from(tag_name(run, look->identity, part, ""), 5)),
	          SLICE_FMT(log_quote(run->scan->arena, look->id, 300)));
}

/* The points of this message go in, or out again. */
static void
update(struct run *run, const struct look *look, enum list_index part, double points)
{
	bool is_message = look->identity == MSG_ID;

	if (!look->has_points) {
		if (run->is_forgetting && is_message)
			remove_entry(run, part);
		return;
	}
	if (run->is_forgetting) {
		remove_score(run, part, points);
		if (is_message)
			remove_entry(run, part);
		return;
	}
	add_score(run, part, points);
	/* Twice, so that a message that was learned is told from one that was only scanned. */
	if (run->is_learning && is_message && run->entry.count == 1)
		add_score(run, part, points);
}

static double
look_up_part(struct run *run, const struct look *look, enum list_index part)
{
	double weight = weight_of(run->settings, look->identity), delta = 0, mean = 0;
	double points = look->points;

	if (weight == 0 || run->status != STATUS_OK)
		return 0;
	run->in_hand = part;
	run->key = make_key(run, look->id, look->ip, look->signed_by);
	take_status(run, reputation_get(run->parts[part], &run->key, &run->entry, &run->error));
	if (run->entry.count > 0)
		mean = run->entry.total / (double)run->entry.count;
	if (run->is_learning && look->has_points) {
		points += sign_of(points) * fabs(mean);
	} else {
		run->total_weight += weight;
		delta = judge(run, look, part, mean);
		log_look(run, look, part, mean, weight, delta);
		report_details(run, look, part, mean);
	}
	update(run, look, part, points);
	return weight * delta;
}

/* Weighted; of both lists where there are two. */
static double
look_up(struct run *run, const struct look *look)
{
	double ratio = run->settings->user2global_ratio, user, global;

	run->has_list = true;
	user = look_up_part(run, look, USER);
	if (run->parts[GLOBAL] == NULL)
		return user;
	global = look_up_part(run, look, GLOBAL);
	return isnan(user) ? global : (ratio * user + global) / (1 + ratio);
}

/* ---- the lists ---- */

static enum status
open_part(struct run *run, struct slice path, enum list_index part)
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
open_parts(struct run *run)
{
	struct slice path = run->settings->list.path;
	bool is_global = slice_find(path, SLICE("__userstate__"), 0) == SLICE_NPOS;
	enum status status;

	if (run->settings->user2global_ratio == 0)
		return open_part(run, SLICE_NULL, USER);
	status =
		open_part(run, is_global ? SLICE("__userstate__/tx-reputation") : SLICE_NULL, USER);
	if (status == STATUS_OK)
		status = open_part(
			run, is_global ? SLICE_NULL : SLICE("__local_state_dir__/tx-reputation"),
			GLOBAL);
	if (status == STATUS_OK && run->parts[USER] == run->parts[GLOBAL])
		run->parts[GLOBAL] = NULL;
	return status;
}

bool
txrep_has_two_lists(const struct conf *conf)
{
	const struct txrep_settings *settings = plugin_settings(conf, &plugin_txrep);

	return settings != NULL && settings->use_txrep && settings->user2global_ratio != 0;
}

static void
warn(struct run *run)
{
	struct error text;

	(void)error_set(&text, STATUS_IO, "open of TxRep file failed: %s", run->error.text);
	senders_warn(learner_senders(run->scan->learner), area, text.text);
}

/* Opens what is needed and begins to write; false: said why not. */
static bool
begin(struct run *run)
{
	if (run->is_begun)
		return run->status == STATUS_OK;
	if (run->scan->learner == NULL || learner_senders(run->scan->learner) == NULL)
		return false;
	run->status = open_parts(run);
	for (unsigned i = 0; i < PARTS && run->status == STATUS_OK; i++)
		if (run->parts[i] != NULL)
			run->status = reputation_begin(
				run->parts[i], learner_wait_ms(run->scan->learner), &run->error);
	run->is_begun = true;
	return run->status == STATUS_OK;
}

/* All of it, or nothing and a line. */
static bool
end(struct run *run)
{
	for (unsigned i = 0; i < PARTS && run->is_begun; i++)
		if (run->parts[i] != NULL && run->status == STATUS_OK)
			run->status = reputation_commit(run->parts[i], &run->error);
	for (unsigned i = 0; i < PARTS && run->is_begun; i++)
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
look_at_relays(struct run *run)
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
find_sender(struct run *run)
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
find_signer(struct run *run)
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
set_reputation(struct run *run, struct slice id, bool has_score, double score,
               struct slice signed_by)
{
	run->key = make_key(run, id, SLICE_NULL, signed_by);
	remove_entry(run, run->in_hand);
	if (!has_score || run->status != STATUS_OK)
		return;
	take_status(run,
	            reputation_get(run->parts[run->in_hand], &run->key, &run->entry, &run->error));
	add_score(run, run->in_hand, score);
}

static void
welcome_recipients(struct run *run)
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
hit(struct run *run, double delta)
{
	if (delta != 0)
		sender_hit(run->scan, SLICE("TXREP"), "TXREP: ", delta);
}

static void run_message(struct run *run);

/* What the message did when it was seen before is taken back. */
static void
forget_first(struct run *run)
{
	struct run again = *run;

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
look_at_message(struct run *run)
{
	struct look look = {.identity = MSG_ID, .id = run->message_id, .signed_by = run->date};
	double factor = run->settings->factor, reputation = look_up(run, &look), delta;
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
look_at_identities(struct run *run, struct slice ip)
{
	const struct look looks[] = {
		{EMAIL_IP, run->from, ip, run->signed_by, true, run->points},
		{DOMAIN, run->domain, ip, run->signed_by, true, run->points},
		{HELO, run->helo, SLICE_NULL, SLICE("HELO"), true, run->points},
		{EMAIL, run->from, SLICE_NULL, SLICE_NULL, true, run->points},
		{IP, run->ip, SLICE_NULL, SLICE_NULL, true, run->points},
	};
	double delta = 0;

	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
		const struct look *look = &looks[i];

		if (look->id.len == 0 || slice_eq(look->id, SLICE("0")))
			continue;
		if (look->identity == EMAIL &&
		    (run->ip.data == NULL || run->signed_by.data != NULL))
			continue;
		delta += look_up(run, look);
	}
	return delta;
}

static void
log_run(const struct run *run)
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
run_message(struct run *run)
{
	struct slice ip;
	double delta;

	if (!find_sender(run) || !begin(run))
		return;
	if (run->settings->tracks_messages && look_at_message(run))
		return;
	if (is_outgoing(run))
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
		(void)look_up(run, &(const struct look){MSG_ID, run->message_id, SLICE_NULL,
		                                        run->date, true, run->points});
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
	struct run run = {.scan = scan, .settings = call->settings, .has_relays = true};

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
	struct run run = {.scan = scan,
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
	struct run run = {.scan = scan,
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
	struct run run = {.scan = scan, .settings = plugin_settings(scan->conf, &plugin_txrep)};
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
	run.in_hand =
		run.parts[GLOBAL] != NULL && slice_find(run.settings->list.path,
	                                                SLICE("__userstate__"), 0) == SLICE_NPOS
			? GLOBAL
			: USER;
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
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.evals = evals,
};
