/*
 * url_follow.c - asks where the URLs of a message lead
 */
#include "plugins/url_follow.h"

#include <stdio.h>
#include <stdlib.h>

#include "net/special.h"
#include "util/clock.h"

enum {
	CHAINS_MAX = 100, /* whatever max_urls says */
	HOPS_MAX = 50,
	PLACE_BYTES = 1024,
	ADDRESSES_MAX = 8,
	LOOK_AGAIN_MS = 200,
	PORT_HTTP = 80,
	PORT_HTTPS = 443,
	PORT_FREE = 1024
};

enum chain_state { CHAIN_CACHE, CHAIN_PLACE, CHAIN_FETCH, CHAIN_END };

struct chain {
	struct follow_run *run;
	enum chain_state state;
	struct follow_target at;
	unsigned hops;
	slice_vec been; /* where redirections led */
	/* of CHAIN_PLACE */
	struct slice host;
	unsigned port, open;
	int64_t until_ms; /* addresses are waited for */
	struct net_addr addresses[ADDRESSES_MAX];
	size_t address_count;
	/* of CHAIN_FETCH */
	struct http_request request;
};

struct follow_run {
	struct scan *scan;
	struct follow *follow;
	const struct follow_settings *settings;
	const struct follow_kind *kind;
	struct http *http;       /* NULL: before the first request */
	struct url_cache *cache; /* NULL: none */
	VEC(struct chain *) chains;
};

/* ---- URLs ---- */

bool
follow_split(struct slice url, struct slice *host_r, struct slice *rest_r)
{
	size_t end = 0;

	if (slice_istarts(url, SLICE("http://")))
		url = slice_from(url, 7);
	else if (slice_istarts(url, SLICE("https://")))
		url = slice_from(url, 8);
	else
		return false;
	end = slice_find_any(url, "/?#", 0);
	end = slice_find_byte(slice_sub(url, 0, end == SLICE_NPOS ? url.len : end), '@', 0);
	if (end != SLICE_NPOS)
		url = slice_from(url, end + 1);
	end = slice_find_any(url, "/?#:", 0);
	if (end == SLICE_NPOS)
		end = url.len;
	*host_r = slice_sub(url, 0, end);
	url = slice_from(url, end);
	if (url.len > 1 && url.data[0] == ':' && byte_is_digit(url.data[1])) {
		for (end = 1; end < url.len && byte_is_digit(url.data[end]);)
			end++;
		url = slice_from(url, end);
	}
	*rest_r = url;
	return host_r->len > 0;
}

/* What the request goes to: libcurl's own reading, so strict: no user, a plain host, a port. */
static bool
find_place(struct chain *c)
{
	struct slice url = c->at.url, host;
	bool is_https = slice_istarts(url, SLICE("https://"));
	size_t end;

	url = slice_from(url, is_https ? 8 : 7);
	end = slice_find_any(url, "/?#", 0);
	host = slice_sub(url, 0, end == SLICE_NPOS ? url.len : end);
	c->port = is_https ? PORT_HTTPS : PORT_HTTP;
	end = slice_find_byte(host, ':', 0);
	if (end != SLICE_NPOS) {
		struct slice digits = slice_from(host, end + 1);

		host = slice_sub(host, 0, end);
		c->port = 0;
		for (size_t i = 0; i < digits.len && c->port < 65536; i++) {
			if (!byte_is_digit(digits.data[i]))
				return false;
			c->port = c->port * 10 + (unsigned)(digits.data[i] - '0');
		}
	}
	for (size_t i = 0; i < host.len; i++)
		if (!byte_is_alnum(host.data[i]) && host.data[i] != '.' && host.data[i] != '-' &&
		    host.data[i] != '_')
			return false;
	c->host = arena_dup_lower(c->run->scan->arena, host);
	return c->host.len > 0 && c->host.len < 256 && c->port > 0 && c->port < 65536;
}

/* Every byte prints and is no blank: nothing of it becomes a header field of the request. */
static bool
is_plain(struct slice url)
{
	for (size_t i = 0; i < url.len; i++)
		if (url.data[i] <= ' ' || url.data[i] >= 0x7f || url.data[i] == '\\')
			return false;
	return url.len > 0 && url.len < URI_MAX_BYTES;
}

unsigned
follow_listed(const struct follow_settings *settings, struct slice name)
{
	struct slice method = conf_table_get(&settings->domains, name);

	return method.len == 0 ? 0 : (unsigned)(method.data[0] - '0');
}

/* ---- the cache ---- */

static void
close_cache(struct follow_run *run, const struct error *error)
{
	log_warn(run->scan->log, run->kind->area, "cache: %s: going on without", error->text);
	url_cache_close(&run->cache);
}

static struct url_cache_config
cache_config(const struct follow_settings *s, const struct follow_kind *kind)
{
	return (struct url_cache_config){
		.type = s->cache_type,
		.dsn = s->cache_dsn,
		.user = s->cache_user,
		.password = s->cache_password,
		.ttl_s = s->cache_ttl_s,
		.table = kind->table,
		.url_column = kind->url_column,
		.target_column = kind->target_column,
	};
}

static void
open_cache(struct follow_run *run)
{
	const struct url_cache_config config = cache_config(run->settings, run->kind);
	struct error error;

	if (config.type.len > 0 && url_cache_open(&config, &run->cache, &error) != STATUS_OK)
		log_warn(run->scan->log, run->kind->area, "cache: %s: going on without",
		         error.text);
}

static void
remember(struct chain *c, struct slice target)
{
	struct follow_run *run = c->run;
	struct error error;

	if (run->cache != NULL &&
	    url_cache_add(run->cache, c->at.url, target, run->scan->now_s, &error) != STATUS_OK)
		close_cache(run, &error);
}

static bool
recall(struct chain *c, struct slice *target_r)
{
	struct follow_run *run = c->run;
	struct error error;
	enum status status;

	if (run->cache == NULL)
		return false;
	status = url_cache_get(run->cache, run->scan->arena, c->at.url, run->scan->now_s, target_r,
	                       &error);
	if (status != STATUS_OK && status != STATUS_NONE)
		close_cache(run, &error);
	return status == STATUS_OK;
}

static void
clean_cache(struct follow_run *run)
{
	double chance = run->settings->cache_autoclean;
	struct error error;

	if (run->cache == NULL || chance <= 0 ||
	    (double)(hash_bytes(scan_header(run->scan, SLICE("ALL"))) % 1000003) >=
	            1000003 / chance)
		return;
	log_debug(run->scan->log, run->kind->area, "cleaning stale cache entries");
	if (url_cache_clean(run->cache, run->scan->now_s, &error) != STATUS_OK)
		close_cache(run, &error);
}

/* ---- what an answer means ---- */

static void
log_found(struct chain *c, const char *what, struct slice target)
{
	struct scan *scan = c->run->scan;
	const struct follow_run *run = c->run;

	log_write(scan->log, run->settings->loginfo ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG,
	          run->kind->area, "found %s%.*s => %.*s", what,
	          SLICE_FMT(log_quote(scan->arena, c->at.url, 500)),
	          SLICE_FMT(log_quote(scan->arena, target, 500)));
}

/* It leads no further. */
static void
end_with_code(struct chain *c, unsigned code)
{
	struct follow_run *run = c->run;

	log_debug(run->scan->log, run->kind->area, "URL is not redirect: %.*s = %u",
	          SLICE_FMT(log_quote(run->scan->arena, c->at.url, 500)), code);
	c->state = CHAIN_END;
	if (code >= 1000)
		return;
	run->follow->codes[code / 8] |= (unsigned char)(1U << (code % 8));
	remember(c, arena_printf(run->scan->arena, "%03u", code));
	if (run->kind->keeps_answered)
		scan_add_uri(run->scan, c->at.url, URI_TYPE_PARSED);
}

static bool
has_scheme(struct slice url)
{
	size_t n = 0;

	while (n < url.len && byte_is_alpha(url.data[n]))
		n++;
	return n > 0 && slice_starts(slice_from(url, n), SLICE("://"));
}

/* As the reference puts them together; its relative paths keep the last segment. */
static struct slice
make_absolute(struct arena *arena, struct slice base, struct slice location)
{
	size_t at = slice_find(base, SLICE("://"), 0);

	if (location.len > 0 && location.data[0] == '/' && at != SLICE_NPOS) {
		size_t end = slice_find_any(base, "/?#", at + 3);

		base = slice_sub(base, 0, end == SLICE_NPOS ? base.len : end);
	}
	return arena_concat(arena, base, location);
}

static void
go_on(struct chain *c, struct slice location)
{
	struct follow_run *run = c->run;
	struct follow_target next;

	for (size_t i = 0; i < c->been.count; i++)
		if (slice_eq(c->been.items[i], location)) {
			log_debug(run->scan->log, run->kind->area, "error: loop detected: %.*s",
			          SLICE_FMT(log_quote(run->scan->arena, location, 500)));
			run->follow->is_loop = true;
			return;
		}
	(void)vec_push(run->scan->arena, &c->been, location);
	scan_add_uri(run->scan, location, URI_TYPE_PARSED);
	next = run->kind->find(run->scan, location);
	if (next.url.data == NULL)
		return;
	c->hops++;
	if (c->hops >= run->settings->max_redirections || c->hops >= HOPS_MAX) {
		log_debug(run->scan->log, run->kind->area, "found more than %u redirections",
		          c->hops);
		run->follow->is_too_long = true;
		return;
	}
	c->at = next;
	c->state = CHAIN_CACHE;
}

static void
take_location(struct chain *c, struct slice location)
{
	struct follow_run *run = c->run;

	c->state = CHAIN_END;
	remember(c, location);
	if (slice_eq(location, c->at.url)) {
		log_debug(run->scan->log, run->kind->area, "URL redirects to itself");
		run->follow->is_loop |= run->kind->loops_to_itself;
		return;
	}
	run->follow->is_redirected = true;
	run->follow->is_chained |= c->hops > 0;
	if (!has_scheme(location))
		location = make_absolute(run->scan->arena, c->at.url, location);
	go_on(c, location);
}

static bool
is_code(struct slice text)
{
	return text.len == 3 && byte_is_digit(text.data[0]) && byte_is_digit(text.data[1]) &&
	       byte_is_digit(text.data[2]);
}

static void
look_into_cache(struct chain *c)
{
	struct slice target;

	c->state = CHAIN_PLACE;
	c->open = 0;
	c->host = SLICE_NULL;
	c->address_count = 0;
	if (!recall(c, &target))
		return;
	log_found(c, "cached ", target);
	if (is_code(target))
		end_with_code(c, (unsigned)((target.data[0] - '0') * 100 +
		                            (target.data[1] - '0') * 10 + target.data[2] - '0'));
	else
		take_location(c, target);
}

/* ---- where to go ---- */

static bool
is_welcome(const struct chain *c, const struct net_addr *addr)
{
	return c->run->settings->allow_private || net_addr_is_global(addr);
}

static bool
is_welcome_port(const struct chain *c)
{
	return c->run->settings->allow_private || c->port == PORT_HTTP || c->port == PORT_HTTPS ||
	       c->port >= PORT_FREE;
}

static void
add_address(struct chain *c, struct slice text)
{
	struct net_addr addr;

	if (!net_addr_parse(text, &addr) || c->address_count == ADDRESSES_MAX)
		return;
	if (is_welcome(c, &addr))
		c->addresses[c->address_count++] = addr;
	else
		log_debug(c->run->scan->log, c->run->kind->area,
		          "%.*s leads to %.*s, which is no address of the internet: not asked",
		          SLICE_FMT(c->host), SLICE_FMT(text));
}

static void
address_came(struct scan *scan, void *context, const struct dns_answer *answer)
{
	struct chain *c = context;

	(void)scan;
	if (c->state != CHAIN_PLACE || !slice_ieq(answer->name, c->host))
		return; /* too late: the chain went on */
	if (c->open > 0)
		c->open--;
	for (size_t i = 0; i < answer->record_count; i++)
		if (answer->records[i].type == DNS_A || answer->records[i].type == DNS_AAAA)
			add_address(c, answer->records[i].text);
}

static long
timeout_ms(const struct chain *c)
{
	double timeout_s = c->run->settings->timeout_s;

	return timeout_s < 1 ? 1000 : timeout_s > 60 ? 60000 : (long)(timeout_s * 1000);
}

static void
ask_address(struct chain *c, unsigned type)
{
	const struct lookup_request request = {
		.name = c->host,
		.type = type,
		.timeout_s = c->run->settings->timeout_s,
		.timeout_min_s = c->run->settings->timeout_s,
		.at_once = true,
		.done = address_came,
		.context = c,
	};

	c->open += scan_lookup(c->run->scan, &request);
}

static const char *
proxy_of(const struct chain *c)
{
	return slice_istarts(c->at.url, SLICE("https:")) ? c->run->settings->https_proxy
	                                                 : c->run->settings->http_proxy;
}

/* A name that looks like an address: every form that somebody's inet_aton() would take. */
static bool
is_numeric(struct slice host)
{
	size_t dot = slice_rfind_byte(host, '.');
	struct slice last = dot == SLICE_NPOS ? host : slice_from(host, dot + 1);

	return last.len == 0 || byte_is_digit(last.data[0]);
}

/* false: nobody is asked. */
static bool
seek_place(struct chain *c)
{
	struct net_addr addr;

	if (!is_plain(c->at.url) || !find_place(c) || !is_welcome_port(c))
		return false;
	if (net_addr_parse_v4(c->host, &addr)) {
		add_address(c, c->host);
		return c->address_count > 0;
	}
	if (is_numeric(c->host) ||
	    (slice_find_byte(c->host, '.', 0) == SLICE_NPOS && !c->run->settings->allow_private))
		return false;
	if (proxy_of(c) != NULL)
		return true;
	c->until_ms = clock_monotonic_ms() + timeout_ms(c);
	ask_address(c, DNS_A);
	ask_address(c, DNS_AAAA);
	return true;
}

/* ---- asking ---- */

/* "HOST:PORT:ADDRESS,[ADDRESS]" */
static const char *
place_text(struct chain *c)
{
	struct arena *arena = c->run->scan->arena;
	struct slice text = arena_printf(arena, "%.*s:%u:", SLICE_FMT(c->host), c->port);

	for (size_t i = 0; i < c->address_count; i++) {
		bool v4 = net_addr_is_v4(&c->addresses[i]);
		struct slice address = net_addr_format(arena, &c->addresses[i]);

		text = arena_printf(arena, "%.*s%s%s%.*s%s", SLICE_FMT(text), i > 0 ? "," : "",
		                    v4 ? "" : "[", SLICE_FMT(address), v4 ? "" : "]");
	}
	return arena_cstr(arena, text);
}

static void
fetch(struct chain *c)
{
	struct follow_run *run = c->run;
	const struct follow_settings *s = run->settings;
	struct arena *arena = run->scan->arena;

	c->state = CHAIN_END;
	if (run->http == NULL)
		run->http = s->driver->create();
	if (run->http == NULL)
		return;
	c->request = (struct http_request){
		.url = arena_cstr(arena, c->at.url),
		.is_head = c->at.is_head,
		.user_agent = arena_cstr(arena, s->user_agent),
		.proxy = proxy_of(c),
		.timeout_ms = timeout_ms(c),
	};
	c->request.place = c->request.proxy != NULL ? NULL : place_text(c);
	if (c->request.url == NULL || c->request.user_agent == NULL ||
	    (c->request.place == NULL && c->request.proxy == NULL))
		return;
	log_debug(run->scan->log, run->kind->area, "asking %s", c->request.url);
	if (run->settings->driver->start(run->http, &c->request))
		c->state = CHAIN_FETCH;
}

static void
find_way(struct chain *c)
{
	if (c->host.data == NULL) {
		if (!seek_place(c)) {
			log_debug(c->run->scan->log, c->run->kind->area, "%.*s is not asked",
			          SLICE_FMT(log_quote(c->run->scan->arena, c->at.url, 500)));
			c->state = CHAIN_END;
			return;
		}
	}
	if (c->open > 0 && clock_monotonic_ms() < c->until_ms)
		return;
	if (c->address_count > 0 || proxy_of(c) != NULL)
		fetch(c);
	else
		end_with_code(c, HTTP_FAILED);
}

static void
take_answer(struct chain *c)
{
	struct follow_run *run = c->run;
	long status = c->request.status;
	struct slice location;

	if (!c->request.is_done)
		return;
	if (status < 300 || status >= 400) {
		if (c->request.error[0] != '\0')
			log_debug(run->scan->log, run->kind->area, "%s", c->request.error);
		end_with_code(c, (unsigned)status);
		return;
	}
	location = arena_dup(run->scan->arena, slice_from_cstr(c->request.location));
	log_found(c, "", location);
	take_location(c, location);
}

static void
step_chain(struct chain *c)
{
	enum chain_state state;

	do {
		state = c->state;
		if (state == CHAIN_CACHE)
			look_into_cache(c);
		else if (state == CHAIN_PLACE)
			find_way(c);
		else if (state == CHAIN_FETCH)
			take_answer(c);
	} while (c->state != state && c->state != CHAIN_END);
}

/* ---- one message ---- */

static void
end_run(void *data)
{
	struct follow_run *run = data;

	for (size_t i = 0; i < run->chains.count && run->http != NULL; i++)
		run->settings->driver->give_up(run->http, &run->chains.items[i]->request);
	if (run->http != NULL)
		run->settings->driver->destroy(&run->http);
	url_cache_close(&run->cache);
}

static void
add_chain(struct follow_run *run, struct follow_target target)
{
	struct chain *c = arena_new(run->scan->arena, struct chain);

	if (c == NULL)
		return;
	c->run = run;
	c->at = target;
	(void)vec_push(run->scan->arena, &run->chains, c);
}

/* Distinct ones, max_urls at most (one, when it is 0: that there is one can be said). */
static void
find_chains(struct follow_run *run)
{
	const struct uri_list *uris = scan_uris(run->scan);
	double most = run->settings->max_urls < 1 ? 1 : run->settings->max_urls;
	size_t count = uris == NULL ? 0 : uris->uris.count;
	struct hashmap seen;

	hashmap_init(&seen, run->scan->arena);
	for (size_t i = 0; i < count; i++) {
		const struct uri_info *info = uris->uris.items[i];
		struct slice uri = info->raw;
		struct follow_target target;

		if (info->domains.count == 0 || info->cleaned.count == 0)
			continue;
		if (run->kind->strips_query)
			uri = slice_sub(uri, 0, slice_find_any(uri, "#?", 0));
		if (hashmap_find(&seen, uri) != NULL)
			continue;
		target = run->kind->find(run->scan, uri);
		if (target.url.data == NULL)
			continue;
		(void)hashmap_set(&seen, uri, run);
		add_chain(run, target);
		if ((double)run->chains.count >= most || run->chains.count >= CHAINS_MAX)
			break;
	}
}

static void
start(struct scan *scan, struct follow *follow, const struct follow_settings *settings,
      const struct follow_kind *kind)
{
	struct follow_run *run = arena_new(scan->arena, struct follow_run);

	if (run == NULL)
		return;
	*run = (struct follow_run){
		.scan = scan, .follow = follow, .settings = settings, .kind = kind};
	find_chains(run);
	follow->is_found = run->chains.count > 0;
	if (!follow->is_found || settings->driver == NULL || settings->max_urls < 1 ||
	    scan->env->local_tests_only || !arena_on_reset(scan->arena, end_run, run))
		return;
	open_cache(run);
	follow->run = run;
}

struct follow *
follow_of(struct scan *scan, const struct plugin *plugin, const struct follow_settings *settings,
          const struct follow_kind *kind)
{
	struct follow *follow = scan_state(scan, plugin);

	if (follow != NULL && !follow->is_started) {
		follow->is_started = true;
		start(scan, follow, settings, kind);
	}
	return follow;
}

bool
follow_step(struct scan *scan, struct follow *follow, bool give_up)
{
	struct follow_run *run = follow->run;
	size_t open = 0;

	if (run == NULL)
		return true;
	if (run->http != NULL)
		run->settings->driver->step(run->http);
	for (size_t i = 0; i < run->chains.count; i++) {
		step_chain(run->chains.items[i]);
		open += run->chains.items[i]->state != CHAIN_END;
	}
	if (open > 0 && !give_up) {
		int64_t now_ms = clock_monotonic_ms();
		bool has_http = run->http != NULL;

		scan->wait = (struct scan_wait){
			.fd = has_http ? run->settings->driver->fd(run->http) : -1,
			.until_ms = now_ms + (has_http ? run->settings->driver->wait_ms(
								 run->http, LOOK_AGAIN_MS)
		                                       : LOOK_AGAIN_MS),
			.for_answers = true,
		};
		return false;
	}
	clean_cache(run);
	end_run(run);
	run->chains.count = 0;
	follow->run = NULL;
	return true;
}

/* ---- configuration ---- */

/* As LWP and libcurl look for it; of the environment of the start. */
static const char *
proxy_in_environment(struct conf_reader *reader, const char *lower, const char *upper)
{
	const char *names[] = {lower, upper, "all_proxy", "ALL_PROXY"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = names[i] == NULL ? NULL : secure_getenv(names[i]);

		if (value != NULL && value[0] != '\0')
			return arena_cstr(reader->arena, slice_from_cstr(value));
	}
	return NULL;
}

void
follow_finish(struct conf_reader *reader, struct follow_settings *s, const struct follow_kind *kind,
              bool is_used)
{
	const struct url_cache_config config = cache_config(s, kind);
	struct error error;

	if (config.type.len > 0 && url_cache_check(&config, &error) != STATUS_OK) {
		log_warn(reader->log, kind->area, "cache: %s: going on without", error.text);
		s->cache_type = SLICE("");
	}
	if (reader->local_tests_only || !is_used || s->domains.map.count == 0 || s->driver != NULL)
		return;
	s->driver = http_load(&error);
	if (s->driver == NULL)
		log_warn(reader->log, kind->area, "%s: no URL is asked", error.text);
	/* Not HTTP_PROXY: a CGI program has it from its client. */
	s->http_proxy = proxy_in_environment(reader, "http_proxy", NULL);
	s->https_proxy = proxy_in_environment(reader, "https_proxy", "HTTPS_PROXY");
}
