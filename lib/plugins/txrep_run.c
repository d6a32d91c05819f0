/*
 * txrep_run.c - look-ups of TxRep, and what they change
 */
#include "plugins/txrep_run.h"

#include <math.h>

#include "util/strbuf.h"

static const char area[] = "TxRep";

/* "TXREPEMAILIP", with U or G for two lists. */
static struct slice
tag_name(const struct txrep_run *run, enum txrep_identity identity, enum txrep_list part,
         const char *end)
{
	static const char *const names[] = {[TXREP_EMAIL_IP] = "EMAILIP", [TXREP_EMAIL] = "EMAIL",
	                                    [TXREP_DOMAIN] = "DOMAIN",    [TXREP_IP] = "IP",
	                                    [TXREP_HELO] = "HELO",        [TXREP_MSG_ID] = "MSGID"};
	const char *letter = run->parts[TXREP_GLOBAL] == NULL ? "" : part == TXREP_USER ? "U" : "G";

	return arena_printf(run->scan->arena, "TXREP%s%s%s", names[identity], letter, end);
}

static void
set_tag(const struct txrep_run *run, enum txrep_identity identity, enum txrep_list part,
        const char *end, double value)
{
	scan_set_tag(run->scan, tag_name(run, identity, part, end),
	             arena_printf(run->scan->arena, "%2.1f", value));
}

static double
weight_of(const struct txrep_settings *settings, enum txrep_identity identity)
{
	switch (identity) {
	case TXREP_EMAIL_IP:
		return settings->weight_email_ip;
	case TXREP_EMAIL:
		return settings->weight_email;
	case TXREP_DOMAIN:
		return settings->weight_domain;
	case TXREP_IP:
		return settings->weight_ip;
	case TXREP_HELO:
		return settings->weight_helo;
	case TXREP_MSG_ID:
		break;
	}
	return 1;
}

/* ---- keys ---- */

/* Somebody of ours sends to the world. */
bool
txrep_is_outgoing(const struct txrep_run *run)
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

struct reputation_key
txrep_make_key(const struct txrep_run *run, struct slice id, struct slice ip,
               struct slice signed_by)
{
	struct reputation_key key = {
		.address = sender_address(run->scan->arena, id),
		.ip = sender_network(run->scan, &run->settings->list, ip, area),
		.signed_by = signed_by,
	};

	if (txrep_is_outgoing(run) && has_address(key.address))
		key.ip = SLICE("WELCOMELIST_OUT");
	return key;
}

/* ---- entries ---- */

void
txrep_take_status(struct txrep_run *run, enum status status)
{
	if (run->status == STATUS_OK)
		run->status = status;
}

void
txrep_add_score(struct txrep_run *run, enum txrep_list part, double score)
{
	if (run->status == STATUS_OK && !isnan(score))
		txrep_take_status(run, reputation_add(run->parts[part], &run->key, &run->entry,
		                                      score, &run->error));
}

/* Two messages less and one more, as the reference does it. */
static void
remove_score(struct txrep_run *run, enum txrep_list part, double score)
{
	run->entry.count = run->entry.count > 2 ? run->entry.count - 2 : 0;
	txrep_add_score(run, part, -score);
}

void
txrep_remove_entry(struct txrep_run *run, enum txrep_list part)
{
	if (run->status == STATUS_OK)
		txrep_take_status(run, reputation_remove(run->parts[part], &run->key, &run->error));
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

static void
report_details(const struct txrep_run *run, const struct txrep_look *look, enum txrep_list part,
               double mean)
{
	const struct rule *rule = ruleset_find(run->scan->rules, SLICE("TXREP"));
	struct slice name = slice_from(tag_name(run, look->identity, part, ""), 5);
	struct strbuf text;

	if (run->settings->report_details == 0 || look->identity == TXREP_MSG_ID || rule == NULL ||
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
judge(struct txrep_run *run, const struct txrep_look *look, enum txrep_list part, double mean)
{
	const struct reputation_entry *entry = &run->entry;
	double delta;

	if (look->identity == TXREP_MSG_ID && entry->count > 0) {
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
log_look(const struct txrep_run *run, const struct txrep_look *look, enum txrep_list part,
         double mean, double weight, double delta)
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
update(struct txrep_run *run, const struct txrep_look *look, enum txrep_list part, double points)
{
	bool is_message = look->identity == TXREP_MSG_ID;

	if (!look->has_points) {
		if (run->is_forgetting && is_message)
			txrep_remove_entry(run, part);
		return;
	}
	if (run->is_forgetting) {
		remove_score(run, part, points);
		if (is_message)
			txrep_remove_entry(run, part);
		return;
	}
	txrep_add_score(run, part, points);
	/* Twice, so that a message that was learned is told from one that was only scanned. */
	if (run->is_learning && is_message && run->entry.count == 1)
		txrep_add_score(run, part, points);
}

static double
look_up_part(struct txrep_run *run, const struct txrep_look *look, enum txrep_list part)
{
	double weight = weight_of(run->settings, look->identity), delta = 0, mean = 0;
	double points = look->points;

	if (weight == 0 || run->status != STATUS_OK)
		return 0;
	run->in_hand = part;
	run->key = txrep_make_key(run, look->id, look->ip, look->signed_by);
	txrep_take_status(run,
	                  reputation_get(run->parts[part], &run->key, &run->entry, &run->error));
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
double
txrep_look_up(struct txrep_run *run, const struct txrep_look *look)
{
	double ratio = run->settings->user2global_ratio, user, global;

	run->has_list = true;
	user = look_up_part(run, look, TXREP_USER);
	if (run->parts[TXREP_GLOBAL] == NULL)
		return user;
	global = look_up_part(run, look, TXREP_GLOBAL);
	return isnan(user) ? global : (ratio * user + global) / (1 + ratio);
}
