/*
 * senders.c - what AWL and TxRep share
 */
#include "plugins/senders.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/addr.h"
#include "plugins/txrep.h"
#include "util/clock.h"
#include "util/strbuf.h"

enum { LISTS = 2, SAY_AGAIN_MS = 60000, RETRY_MS = 10000, KEY_BYTES_MAX = 39 };

/* ---- directives ---- */

enum conf_result
sender_parse_path(struct conf_reader *reader, void *data, const struct directive *d,
                  struct slice value)
{
	struct slice *path = (struct slice *)(void *)((unsigned char *)data + d->offset);
	const char *text;
	struct stat st;

	if (value.len == 0)
		return CONF_MISSING;
	text = arena_cstr(reader->arena, value);
	if (text == NULL)
		return CONF_FAILED;
	if (stat(text, &st) == 0 && S_ISDIR(st.st_mode))
		return CONF_INVALID;
	*path = slice_of(text, value.len);
	return CONF_OK;
}

enum conf_result
sender_parse_mode(struct conf_reader *reader, void *data, const struct directive *d,
                  struct slice value)
{
	struct slice *mode = (struct slice *)(void *)((unsigned char *)data + d->offset);

	if (value.len < 3 || value.len > 4 || (value.len == 4 && value.data[0] != '0'))
		return CONF_INVALID;
	for (size_t i = 0; i < value.len; i++)
		if (value.data[i] < '0' || value.data[i] > '7')
			return CONF_INVALID;
	*mode = arena_dup(reader->arena, value);
	return CONF_OK;
}

static enum conf_result
parse_bits(void *data, const struct directive *d, struct slice value, unsigned most)
{
	double *bits = (double *)(void *)((unsigned char *)data + d->offset);
	unsigned long long number;

	if (value.len == 0)
		return CONF_MISSING;
	if (!slice_to_u64(value, most, &number))
		return CONF_INVALID;
	*bits = (double)number;
	return CONF_OK;
}

enum conf_result
sender_parse_ipv4_bits(struct conf_reader *reader, void *data, const struct directive *d,
                       struct slice value)
{
	(void)reader;
	return parse_bits(data, d, value, 32);
}

enum conf_result
sender_parse_ipv6_bits(struct conf_reader *reader, void *data, const struct directive *d,
                       struct slice value)
{
	(void)reader;
	return parse_bits(data, d, value, 128);
}

/* ---- the config of a list ---- */

static unsigned
octal(struct slice text)
{
	unsigned value = 0;

	for (size_t i = 0; i < text.len; i++)
		value = value * 8 + (unsigned)(text.data[i] - '0');
	return value;
}

/* The name before 4.0, where only that is there. */
static struct slice
old_name(struct scan *scan, struct slice path)
{
	static const struct slice end = {(const unsigned char *)"/auto-welcomelist", 17};
	struct slice old;
	struct stat st;

	if (!slice_ends(path, end) || stat((const char *)path.data, &st) == 0)
		return path;
	old = arena_printf(scan->arena, "%.*s/auto-whitelist",
	                   SLICE_FMT(slice_sub(path, 0, path.len - end.len)));
	return old.data != NULL && stat((const char *)old.data, &st) == 0 ? old : path;
}

struct slice
sender_user(struct scan *scan)
{
	const struct passwd *pw;

	if (scan->learner_user.name.len > 0)
		return scan->learner_user.name;
	pw = getpwuid(geteuid());
	return pw == NULL ? SLICE("GLOBAL") : arena_dup(scan->arena, slice_from_cstr(pw->pw_name));
}

/* Of the plugin that was loaded last: its directives have the names. */
static const struct sender_settings *
settings_in_force(const struct conf *conf)
{
	const struct plugin_set *set = conf_plugins(conf);

	for (size_t i = set->count; i-- > 0;) {
		enum plugin_id id = set->order[i];

		if (id == PLUGIN_ID_awl || id == PLUGIN_ID_txrep)
			return plugin_settings(conf, set->loaded[id]);
	}
	return NULL;
}

struct slice
sender_list_dsn(const struct conf *conf)
{
	const struct sender_settings *settings = settings_in_force(conf);

	return settings != NULL && reputation_backend_find(settings->factory) == &reputation_sql
	               ? settings->dsn
	               : SLICE_NULL;
}

struct slice
sender_list_path(const struct conf *conf)
{
	const struct sender_settings *settings = settings_in_force(conf);

	if (settings == NULL || sender_list_dsn(conf).data != NULL)
		return SLICE_NULL;
	return txrep_has_two_lists(conf) ? SLICE("") : settings->path;
}

enum status
sender_config(struct scan *scan, struct slice path, struct reputation_config *config_r,
              struct error *error)
{
	const struct sender_settings *settings = settings_in_force(scan->conf);
	bool is_default;

	if (settings == NULL)
		return error_set(error, STATUS_NONE, "no plugin has a list of senders");
	is_default = path.data == NULL &&
	             slice_eq(settings->path, SLICE("__userstate__/auto-welcomelist"));
	path = learner_expand(scan->arena, path.data == NULL ? settings->path : path,
	                      &scan->learner_user);
	if (is_default && path.data != NULL)
		path = old_name(scan, path);
	if (path.data == NULL)
		return error_set(error, STATUS_LIMIT, "no memory for auto_welcomelist_path");
	*config_r = (struct reputation_config){
		.factory = settings->factory,
		.path = (const char *)path.data,
		.file_mode = octal(settings->file_mode),
		.has_mutex = slice_eq(scan->core->lock_method, SLICE("flock")),
		.user = settings->sql_override_user.len > 0 ? settings->sql_override_user
	                                                    : sender_user(scan),
		.dsn = settings->dsn,
		.sql_user = settings->sql_user,
		.sql_password = settings->sql_password,
		.table = settings->sql_table,
		.distinguishes_signed = settings->distinguishes_signed,
		.log = scan->log,
	};
	return STATUS_OK;
}

void
sender_hit(struct scan *scan, struct slice name, const char *area, double score)
{
	const struct rule *rule = ruleset_find(scan->rules, name);
	char text[64];

	(void)snprintf(text, sizeof(text), "%.3f", score);
	if (rule != NULL)
		scan_hit_rounded(scan, rule, area, strtod(text, NULL));
}

/* ---- keys ---- */

struct slice
sender_address(struct arena *arena, struct slice address)
{
	static const char special[] = ";'\"!|";
	struct slice copy = arena_dup_lower(arena, address);
	unsigned char *bytes = (unsigned char *)(uintptr_t)copy.data;

	for (size_t i = 0; bytes != NULL && i < copy.len; i++)
		if (memchr(special, bytes[i], sizeof(special)) != NULL)
			bytes[i] = '_';
	return copy;
}

static struct slice
network_v4(struct arena *arena, struct slice ip, unsigned bits)
{
	struct net_addr addr;
	struct slice text;
	unsigned zeros = 0;

	if (bits == 32)
		return ip;
	if (bits == 16)
		return slice_sub(ip, 0, slice_find_byte(ip, '.', slice_find_byte(ip, '.', 0) + 1));
	if (!net_addr_parse_v4(ip, &addr))
		return SLICE_NULL;
	net_addr_mask(&addr, 96 + bits);
	text = net_addr_format(arena, &addr);
	while (zeros++ < 3 && slice_ends(text, SLICE(".0")))
		text = slice_sub(text, 0, text.len - 2);
	return text;
}

static struct slice
network_v6(struct arena *arena, struct slice ip, unsigned bits)
{
	struct net_addr addr;
	struct strbuf out;
	unsigned groups = 8;

	if (!net_addr_parse_v6(ip, &addr))
		return SLICE_NULL;
	net_addr_mask(&addr, bits);
	while (groups > 1 && addr.bytes[2 * groups - 1] == 0 && addr.bytes[2 * groups - 2] == 0)
		groups--;
	strbuf_init(&out, arena, 0);
	for (unsigned i = 0; i < groups; i++)
		strbuf_printf(&out, "%s%02X%02X", i == 0 ? "" : ":", addr.bytes[2 * i],
		              addr.bytes[2 * i + 1]);
	if (groups < 8)
		strbuf_add_cstr(&out, "::");
	return strbuf_is_bad(&out) ? SLICE_NULL : strbuf_slice(&out);
}

/* Four groups of one to three digits, whatever they say. */
static bool
looks_like_v4(struct slice ip)
{
	unsigned dots = 0, digits = 0;

	for (size_t i = 0; i < ip.len; i++) {
		if (byte_is_digit(ip.data[i]) && digits < 3) {
			digits++;
		} else if (ip.data[i] == '.' && digits > 0) {
			dots++;
			digits = 0;
		} else {
			return false;
		}
	}
	return dots == 3 && digits > 0;
}

struct slice
sender_network(struct scan *scan, const struct sender_settings *settings, struct slice ip,
               const char *area)
{
	struct slice key = SLICE_NULL;

	if (ip.data == NULL)
		return SLICE("none");
	if (looks_like_v4(ip))
		key = network_v4(scan->arena, ip, (unsigned)settings->ipv4_bits);
	else if (slice_has_byte(ip, ':'))
		key = network_v6(scan->arena, ip, (unsigned)settings->ipv6_bits);
	if (key.data == NULL) {
		log_debug(scan->log, area, "bad IP address %.*s",
		          SLICE_FMT(log_quote(scan->arena, ip, 100)));
		return SLICE("none");
	}
	return slice_sub(key, 0, KEY_BYTES_MAX);
}

struct slice
sender_signed_by(struct scan *scan)
{
	const struct slice *values;
	struct strbuf out;
	size_t count = 0;

	if (!scan_tag_values(scan, SLICE("DKIMDOMAIN"), &values, &count) || count == 0)
		return SLICE_NULL;
	strbuf_init(&out, scan->arena, 0);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			strbuf_add_byte(&out, ' ');
		strbuf_add(&out, values[i]);
	}
	return out.len == 0 ? SLICE_NULL : strbuf_slice(&out);
}

/* ---- the process's lists ---- */

struct list_in_hand {
	struct arena *arena; /* of the config */
	struct reputation_config config;
	struct reputation *list;
	struct store_keep keep;
	int64_t failed_ms; /* when it could not be opened; 0: never */
	struct error failure;
	enum status failed;
	uint64_t used; /* by the order of use */
};

struct senders {
	const struct log *log;
	struct list_in_hand lists[LISTS];
	uint64_t uses;
	int64_t said_ms;
	struct error said;
};

struct senders *
senders_create(const struct log *log)
{
	struct senders *senders = calloc(1, sizeof(*senders));

	if (senders == NULL)
		return NULL;
	senders->log = log;
	for (size_t i = 0; i < LISTS; i++)
		if ((senders->lists[i].arena = arena_create(0)) == NULL) {
			senders_destroy(&senders);
			return NULL;
		}
	return senders;
}

void
senders_close(struct senders *senders)
{
	for (size_t i = 0; i < LISTS; i++) {
		reputation_close(&senders->lists[i].list);
		store_keep_drop(&senders->lists[i].keep);
		senders->lists[i].failed_ms = 0;
	}
}

void
senders_destroy(struct senders **senders)
{
	if (*senders == NULL)
		return;
	senders_close(*senders);
	for (size_t i = 0; i < LISTS; i++)
		if ((*senders)->lists[i].arena != NULL)
			arena_destroy(&(*senders)->lists[i].arena);
	free(*senders);
	*senders = NULL;
}

static bool
is_same(const struct reputation_config *a, const struct reputation_config *b)
{
	const struct reputation_backend *backend = reputation_backend_find(a->factory);

	if (a->path == NULL || b->path == NULL || backend != reputation_backend_find(b->factory))
		return false;
	if (backend != NULL && backend->is_file)
		return strcmp(a->path, b->path) == 0;
	return slice_eq(a->factory, b->factory) && slice_eq(a->user, b->user) &&
	       slice_eq(a->dsn, b->dsn) && slice_eq(a->sql_user, b->sql_user) &&
	       slice_eq(a->sql_password, b->sql_password) && slice_eq(a->table, b->table) &&
	       a->distinguishes_signed == b->distinguishes_signed &&
	       a->welcomes_recipients == b->welcomes_recipients;
}

/* A copy that lives as long as it is kept. */
static bool
keep_config(struct list_in_hand *hand, const struct reputation_config *config)
{
	struct slice path;

	reputation_close(&hand->list);
	hand->failed_ms = 0;
	arena_reset(hand->arena);
	path = arena_dup(hand->arena, slice_from_cstr(config->path));
	hand->config = *config;
	hand->config.keep = &hand->keep;
	hand->config.path = (const char *)path.data;
	hand->config.factory = arena_dup(hand->arena, config->factory);
	hand->config.user = arena_dup(hand->arena, config->user);
	hand->config.dsn = arena_dup(hand->arena, config->dsn);
	hand->config.sql_user = arena_dup(hand->arena, config->sql_user);
	hand->config.sql_password = arena_dup(hand->arena, config->sql_password);
	hand->config.table = arena_dup(hand->arena, config->table);
	return path.data != NULL;
}

/* The one that has this config, else the one that was not used for longest. */
static struct list_in_hand *
find_hand(struct senders *senders, const struct reputation_config *config)
{
	struct list_in_hand *oldest = &senders->lists[0];

	for (size_t i = 0; i < LISTS; i++) {
		if (is_same(&senders->lists[i].config, config))
			return &senders->lists[i];
		if (senders->lists[i].used < oldest->used)
			oldest = &senders->lists[i];
	}
	return keep_config(oldest, config) ? oldest : NULL;
}

enum status
senders_list(struct senders *senders, const struct reputation_config *config,
             struct reputation **list_r, struct error *error)
{
	struct list_in_hand *hand = find_hand(senders, config);
	enum status status = STATUS_OK;

	*list_r = NULL;
	if (hand == NULL)
		return error_set(error, STATUS_LIMIT, "no memory for the list of senders");
	hand->used = ++senders->uses;
	if (hand->list != NULL && !reputation_is_current(hand->list))
		reputation_close(&hand->list);
	/* What cannot be opened costs no message more than one look in ten seconds. */
	if (hand->list == NULL && hand->failed_ms != 0 &&
	    clock_monotonic_ms() - hand->failed_ms < RETRY_MS) {
		*error = hand->failure;
		return hand->failed;
	}
	if (hand->list == NULL)
		status = reputation_open(&hand->config, true, &hand->list, error);
	hand->failed_ms = 0;
	if (status != STATUS_OK) {
		hand->failed_ms = clock_monotonic_ms();
		hand->failed = status;
		hand->failure = *error;
	}
	*list_r = hand->list;
	return status;
}

void
senders_warn(struct senders *senders, const char *area, const char *text)
{
	int64_t now_ms = clock_monotonic_ms();
	struct error said;

	(void)error_set(&said, STATUS_BAD, "%s", text);
	if (senders->said_ms != 0 && now_ms - senders->said_ms < SAY_AGAIN_MS &&
	    strcmp(senders->said.text, said.text) == 0)
		return;
	senders->said_ms = now_ms;
	senders->said = said;
	log_warn(senders->log, area, "%s", text);
}
