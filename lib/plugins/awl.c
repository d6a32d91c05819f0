/*
 * awl.c - Mail::SpamAssassin::Plugin::AWL: mean score of a sender
 *
 * Source: Plugin/AWL.pm, AutoWelcomelist.pm of 4.0.1.
 */
#include "plugins/awl.h"

#include <math.h>
#include <stdlib.h>

struct awl_settings {
	struct sender_settings list;
	double factor;
	bool use_auto_welcomelist;
};

#define AT(field) offsetof(struct awl_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "auto_welcomelist_db_modules", "auto_whitelist_db_modules", CONF_STRING, CONF_ADMIN, AT(list.db_modules), "DB_File GDBM_File SDBM_File", NULL },
	{ "auto_welcomelist_distinguish_signed", "auto_whitelist_distinguish_signed", CONF_BOOL, CONF_USER, AT(list.distinguishes_signed), "0", NULL },
	{ "auto_welcomelist_factor", "auto_whitelist_factor", CONF_NUMERIC, CONF_USER, AT(factor), "0.5", NULL },
	{ "auto_welcomelist_factory", "auto_whitelist_factory", CONF_STRING, CONF_ADMIN, AT(list.factory), "Mail::SpamAssassin::DBBasedAddrList", NULL },
	{ "auto_welcomelist_file_mode", "auto_whitelist_file_mode", CONF_CUSTOM, CONF_ADMIN, AT(list.file_mode), "0700", sender_parse_mode },
	{ "auto_welcomelist_ipv4_mask_len", "auto_whitelist_ipv4_mask_len", CONF_CUSTOM, CONF_USER, AT(list.ipv4_bits), "16", sender_parse_ipv4_bits },
	{ "auto_welcomelist_ipv6_mask_len", "auto_whitelist_ipv6_mask_len", CONF_CUSTOM, CONF_USER, AT(list.ipv6_bits), "48", sender_parse_ipv6_bits },
	{ "auto_welcomelist_path", "auto_whitelist_path", CONF_CUSTOM, CONF_ADMIN, AT(list.path), "__userstate__/auto-welcomelist", sender_parse_path },
	{ "use_auto_welcomelist", "use_auto_whitelist", CONF_BOOL, CONF_USER, AT(use_auto_welcomelist), "1", NULL },
	{ "user_awl_dsn", NULL, CONF_STRING, CONF_ADMIN, AT(list.dsn), NULL, NULL },
	{ "user_awl_sql_override_username", NULL, CONF_STRING, CONF_USER, AT(list.sql_override_user), NULL, NULL },
	{ "user_awl_sql_password", NULL, CONF_STRING, CONF_ADMIN, AT(list.sql_password), NULL, NULL },
	{ "user_awl_sql_table", NULL, CONF_STRING, CONF_ADMIN, AT(list.sql_table), "awl", NULL },
	{ "user_awl_sql_username", NULL, CONF_STRING, CONF_ADMIN, AT(list.sql_user), NULL, NULL },
};
/* clang-format on */

static const char area[] = "auto-welcomelist";

bool
awl_is_used(const struct scan *scan)
{
	const struct awl_settings *settings = plugin_settings(scan->conf, &plugin_awl);

	return settings != NULL && settings->use_auto_welcomelist;
}

/* ---- the list of this message ---- */

static void
warn(struct senders *senders, const struct error *error)
{
	struct error text;

	(void)error_set(&text, STATUS_IO, "open of auto-welcomelist file failed: %s", error->text);
	senders_warn(senders, area, text.text);
}

/* Opens it and begins to write; STATUS_OK, or the warning is said. */
static enum status
begin(struct scan *scan, struct reputation **list_r)
{
	struct senders *senders = scan->learner == NULL ? NULL : learner_senders(scan->learner);
	struct reputation_config config;
	struct error error;
	enum status status;

	if (senders == NULL)
		return STATUS_LIMIT;
	status = sender_config(scan, SLICE_NULL, &config, &error);
	if (status == STATUS_OK)
		status = senders_list(senders, &config, list_r, &error);
	if (status == STATUS_OK)
		status = reputation_begin(*list_r, learner_wait_ms(scan->learner), &error);
	if (status != STATUS_OK)
		warn(senders, &error);
	return status;
}

/* Says what went wrong; nothing is written then. */
static void
give_up(struct scan *scan, struct reputation *list, const struct error *error)
{
	reputation_abort(list);
	warn(learner_senders(scan->learner), error);
}

/* ---- a message ---- */

struct sender {
	struct slice from, ip, signed_by; /* ip data NULL: none known */
	struct reputation_key key;
	struct reputation_entry entry;
	bool is_known;
	double mean;
};

/* The earliest relay with a public address. */
static struct slice
originating_ip(const struct scan *scan)
{
	const relay_vec *parts[] = {&scan->relays.untrusted, &scan->relays.trusted};

	for (size_t p = 0; p < 2; p++)
		for (size_t i = parts[p]->count; i-- > 0;) {
			const struct relay *relay = parts[p]->items[i];

			if (!relay->ip_private && relay->ip.len > 0)
				return relay->ip;
		}
	return SLICE_NULL;
}

/* Points of what hit so far, 3 decimals; false: a rule with tflags noawl hit. */
static bool
find_points(const struct scan *scan, double *points_r)
{
	double points = 0;
	char text[64];

	for (size_t i = 0; i < scan->hits.count; i++) {
		const struct scan_hit *hit = &scan->hits.items[i];
		double score = scan_rule_score(scan, hit->rule);

		if (score == 0 || (hit->rule->tflags & TFLAG_NOAUTOLEARN) ||
		    slice_starts(hit->rule->name, SLICE("__")))
			continue;
		if (hit->rule->tflags & TFLAG_NOAWL)
			return false;
		for (unsigned n = 0; n < hit->count; n++)
			points += score;
	}
	(void)snprintf(text, sizeof(text), "%.3f", points);
	*points_r = strtod(text, NULL) + 0;
	return true;
}

/* An entry without an address, as --add-addr-to-welcomelist makes it, becomes this one's. */
static enum status
take_plain_entry(struct scan *scan, struct reputation *list, struct sender *sender,
                 struct error *error)
{
	struct reputation_key plain = {.address = sender->key.address, .ip = SLICE("none")};
	struct reputation_entry entry;
	enum status status = reputation_get(list, &plain, &entry, error);

	if (status != STATUS_OK || entry.count <= 0)
		return status;
	log_debug(scan->log, area, "found entry w/o IP address for %.*s: replacing with %.*s",
	          SLICE_FMT(log_quote(scan->arena, sender->from, 300)), SLICE_FMT(sender->ip));
	status = reputation_remove(list, &plain, error);
	sender->entry = entry;
	return status;
}

static enum status
find_entry(struct scan *scan, const struct awl_settings *settings, struct reputation *list,
           struct sender *sender, struct error *error)
{
	enum status status;

	sender->key = (struct reputation_key){
		.address = sender_address(scan->arena, sender->from),
		.ip = sender_network(scan, &settings->list, sender->ip, area),
		.signed_by = sender->signed_by};
	status = reputation_get(list, &sender->key, &sender->entry, error);
	if (status == STATUS_OK && sender->entry.count == 0 && sender->ip.data != NULL)
		status = take_plain_entry(scan, list, sender, error);
	sender->is_known = status == STATUS_OK && sender->entry.count > 0;
	if (sender->is_known)
		sender->mean = sender->entry.total / (double)sender->entry.count;
	return status;
}

static void
set_tag(struct scan *scan, const char *name, double value)
{
	scan_set_tag(scan, slice_from_cstr(name), arena_printf(scan->arena, "%2.1f", value));
}

static void
log_sender(struct scan *scan, const struct sender *sender, double points)
{
	struct slice none = SLICE("undef"),
		     mean = sender->is_known ? arena_printf(scan->arena, "%.3f", sender->mean)
	                                     : none,
		     signed_by = sender->signed_by.data == NULL
	                                 ? SLICE("(not signed)")
	                                 : arena_printf(scan->arena, "signed by %.*s",
	                                                SLICE_FMT(sender->signed_by));

	log_debug(scan->log, area,
	          "AWL active, pre-score: %.15g, autolearn score: %.15g, mean: %.*s, IP: %.*s, "
	          "address: %.*s %.*s",
	          scan->score, points, SLICE_FMT(mean),
	          SLICE_FMT(sender->ip.data == NULL ? none : sender->ip),
	          SLICE_FMT(log_quote(scan->arena, sender->from, 300)), SLICE_FMT(signed_by));
}

/* The score of the rule, three decimals; 0: the sender is unknown, or as ever. */
static double
adjust(struct scan *scan, const struct awl_settings *settings, const struct sender *sender,
       double points)
{
	double delta = (sender->mean - points) * settings->factor;

	if (!sender->is_known)
		return 0;
	set_tag(scan, "AWL", delta);
	set_tag(scan, "AWLMEAN", sender->mean);
	set_tag(scan, "AWLCOUNT", (double)sender->entry.count);
	set_tag(scan, "AWLPRESCORE", scan->score);
	return delta;
}

static int
check_from(struct scan *scan, const struct eval_call *call)
{
	const struct awl_settings *settings = call->settings;
	struct sender sender = {.ip = originating_ip(scan)};
	struct reputation *list;
	struct error error;
	enum status status;
	double points, delta;

	if (!awl_is_used(scan))
		return 0;
	sender.from = arena_dup_lower(scan->arena, scan_header(scan, SLICE("From:addr")));
	sender.signed_by = sender_signed_by(scan);
	if (slice_trim(sender.from).len == 0 || !find_points(scan, &points) ||
	    begin(scan, &list) != STATUS_OK)
		return 0;
	status = find_entry(scan, settings, list, &sender, &error);
	log_sender(scan, &sender, points);
	delta = adjust(scan, settings, &sender, points);
	/* Before the new score counts: early messages must not weigh more than later ones. */
	if (status == STATUS_OK && !scan->autolearn_disabled)
		status = reputation_add(list, &sender.key, &sender.entry, points, &error);
	if (status == STATUS_OK)
		status = reputation_commit(list, &error);
	if (status != STATUS_OK)
		give_up(scan, list, &error);
	if (delta != 0)
		sender_hit(scan, SLICE("AWL"), "AWL: ", delta);
	log_debug(scan->log, area, "post auto-welcomelist score: %.3f", scan->score);
	return 0;
}

/* ---- one address, by command ---- */

static const struct {
	const char *doing; /* with a final colon when there is an address */
	double score;
} operations[] = {
	[SENDER_WELCOMELIST] = {"adding address to welcomelist", -100},
	[SENDER_BLOCKLIST] = {"adding address to blocklist", 100},
	[SENDER_REMOVE] = {"removing address", 0},
};

static enum status
change(struct scan *scan, struct reputation *list, enum sender_operation operation,
       struct slice address, struct error *error)
{
	struct reputation_key key = {.address = sender_address(scan->arena, address),
	                             .ip = SLICE("none")};
	struct reputation_entry entry = {0};
	enum status status = reputation_remove(list, &key, error);

	if (status == STATUS_OK && operation != SENDER_REMOVE)
		status = reputation_add(list, &key, &entry, operations[operation].score, error);
	return status == STATUS_OK ? reputation_commit(list, error) : status;
}

void
awl_operate(struct scan *scan, enum sender_operation operation, struct slice address, FILE *out)
{
	struct reputation *list;
	struct error error;

	if (!awl_is_used(scan) || begin(scan, &list) != STATUS_OK)
		return;
	if (change(scan, list, operation, address, &error) != STATUS_OK) {
		give_up(scan, list, &error);
		return;
	}
	fprintf(out, "SpamAssassin auto-welcomelist: %s: %.*s\n", operations[operation].doing,
	        SLICE_FMT(address));
	log_debug(scan->log, area, "%s: %.*s", operations[operation].doing, SLICE_FMT(address));
}

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_from_in_auto_welcomelist", EVAL_HEADER | EVAL_AFTER_ANSWERS, check_from, NULL },
	{ "check_from_in_auto_whitelist", EVAL_HEADER | EVAL_AFTER_ANSWERS, check_from, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const tags[] = {"AWL", "AWLMEAN", "AWLCOUNT", "AWLPRESCORE", NULL};

const struct plugin plugin_awl = {
	.id = PLUGIN_ID_awl,
	.class_name = "Mail::SpamAssassin::Plugin::AWL",
	.module =
		{
			.name = "awl",
			.settings_size = sizeof(struct awl_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.evals = evals,
	.tags = tags,
};
