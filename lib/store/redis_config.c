/*
 * redis_config.c - which Redis servers, from the configuration
 */
#include "store/redis_config.h"

#include <stddef.h>

enum option_kind { OPTION_SERVER, OPTION_TEXT, OPTION_ON, OPTION_OFF };

#define AT(field) offsetof(struct redis_target, field)
/* clang-format off */
static const struct {
	const char *name;
	enum option_kind kind;
	size_t offset;
} options[] = {
	{ "server", OPTION_SERVER, 0 },
	{ "sock", OPTION_SERVER, 0 }, /* of the reference's client, which takes it too */
	{ "user", OPTION_TEXT, AT(user) },
	{ "password", OPTION_TEXT, AT(password) },
	{ "database", OPTION_TEXT, AT(database) },
	{ "tls", OPTION_ON, AT(tls.is_on) },
	{ "tls_verify", OPTION_OFF, AT(tls.no_verify) },
	{ "tls_ca", OPTION_TEXT, AT(tls.ca) },
	{ "tls_cert", OPTION_TEXT, AT(tls.cert) },
	{ "tls_key", OPTION_TEXT, AT(tls.key) },
};
/* clang-format on */

struct parser {
	struct arena *arena;
	const struct log *log;
	const char *directive;
	struct error *error;
};

/* /path, host:port, [address]:port */
static enum status
set_server(const struct parser *p, struct redis_target *target, struct slice text)
{
	size_t colon = slice_rfind_byte(text, ':');
	struct slice host = slice_sub(text, 0, colon), port = SLICE("");
	bool in_brackets = text.len > 0 && text.data[0] == '[';

	target->name = arena_cstr(p->arena, text);
	target->path = target->host = target->port = NULL;
	if (text.len > 0 && text.data[0] == '/') {
		target->path = target->name;
		return target->name == NULL ? STATUS_LIMIT : STATUS_OK;
	}
	if (colon != SLICE_NPOS)
		port = slice_from(text, colon + 1);
	if (in_brackets && slice_ends(host, SLICE("]")))
		host = slice_sub(host, 1, host.len - 2);
	else if (slice_has_byte(host, ':') || in_brackets)
		host = SLICE("");
	if (host.len == 0 || port.len == 0)
		return error_set(p->error, STATUS_BAD,
		                 "%s: \"%.*s\" is no server: host:port, [IPv6 address]:port or "
		                 "/path of a socket",
		                 p->directive, SLICE_FMT(text));
	target->host = arena_cstr(p->arena, host);
	target->port = arena_cstr(p->arena, port);
	return target->host == NULL || target->port == NULL ? STATUS_LIMIT : STATUS_OK;
}

static enum status
set_option(const struct parser *p, struct redis_target *target, struct slice name,
           struct slice value)
{
	unsigned char *base = (unsigned char *)target;
	bool is_yes = slice_eq(value, SLICE("1")) || slice_eq(value, SLICE("yes"));
	bool is_no = slice_eq(value, SLICE("0")) || slice_eq(value, SLICE("no"));

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (!slice_eq(name, slice_from_cstr(options[i].name)))
			continue;
		if (options[i].kind == OPTION_SERVER)
			return set_server(p, target, value);
		if (options[i].kind == OPTION_TEXT) {
			const char *text = arena_cstr(p->arena, value);

			*(const char **)(void *)(base + options[i].offset) = text;
			return text == NULL ? STATUS_LIMIT : STATUS_OK;
		}
		if (!is_yes && !is_no)
			return error_set(p->error, STATUS_BAD, "%s: %s is 1 or 0, not \"%.*s\"",
			                 p->directive, options[i].name, SLICE_FMT(value));
		*(bool *)(base + options[i].offset) = is_yes == (options[i].kind == OPTION_ON);
		return STATUS_OK;
	}
	log_warn(p->log, "bayes", "%s: no option is named %.*s: ignored", p->directive,
	         SLICE_FMT(name));
	return STATUS_OK;
}

/* name=value;name=value */
static enum status
parse_server(const struct parser *p, struct slice text, struct redis_target *target)
{
	enum status status = STATUS_OK;
	struct slice part;

	while (status == STATUS_OK && slice_next(&text, ';', &part)) {
		size_t equals = slice_find_byte(part, '=', 0);

		if (part.len == 0)
			continue;
		if (equals == SLICE_NPOS)
			return error_set(p->error, STATUS_BAD,
			                 "%s: \"%.*s\" is no option=value: server=host:port;"
			                 "password=...;database=...",
			                 p->directive, SLICE_FMT(slice_sub(part, 0, 40)));
		status = set_option(p, target, slice_sub(part, 0, equals),
		                    slice_from(part, equals + 1));
	}
	return status == STATUS_LIMIT
	               ? error_set(p->error, status, "no memory for %s", p->directive)
	               : status;
}

static enum status
parse_readers(const struct parser *p, struct slice text, const struct redis_target *base,
              struct redis_servers *servers)
{
	enum status status = STATUS_OK;
	struct slice part;

	servers->reader_count = 0;
	while (status == STATUS_OK && slice_next(&text, ',', &part)) {
		struct redis_target *target = &servers->readers[servers->reader_count];

		part = slice_trim(part);
		if (part.len == 0)
			continue;
		if (++servers->reader_count > REDIS_READERS_MAX)
			return error_set(p->error, STATUS_BAD, "%s: more than %d servers",
			                 p->directive, (int)REDIS_READERS_MAX);
		*target = *base;
		status = parse_server(p, part, target);
	}
	return status;
}

enum status
redis_config_parse(struct arena *arena, const struct store_config *config,
                   struct redis_servers *servers, struct error *error)
{
	struct parser p = {arena, config->log, "bayes_sql_dsn", error};
	struct redis_target base = {.name = "127.0.0.1:6379", .host = "127.0.0.1", .port = "6379"};
	enum status status = parse_server(&p, config->dsn, &base);

	if (config->redis.database.len > 0)
		base.database = arena_cstr(arena, config->redis.database);
	if (config->redis.password.len > 0)
		base.password = arena_cstr(arena, config->redis.password);
	servers->writer = servers->readers[0] = base;
	servers->reader_count = 1;
	servers->is_one = config->redis.read_servers.len == 0;
	p.directive = "bayes_redis_write_server";
	if (status == STATUS_OK)
		status = parse_server(&p, config->redis.write_server, &servers->writer);
	if (servers->is_one)
		servers->readers[0] = servers->writer;
	p.directive = "bayes_redis_read_servers";
	if (status == STATUS_OK && !servers->is_one)
		status = parse_readers(&p, config->redis.read_servers, &base, servers);
	return status;
}
