/*
 * url_follow.h - asks where the URLs of a message lead
 *
 * Owns: struct follow, the chains of one message; what DecodeShortURLs and Redirectors have in
 * common.  Data: URIs of the message -> cache (store/url_cache.h) or a HEAD or GET request
 * (net/http.h) -> URIs of the message.  All first URLs are asked at once; a chain goes on one by
 *one.
 *
 *	CACHE --known--> (decide) ; CACHE --not known--> PLACE --addresses came--> FETCH --answer-->
 *	(decide) --a further URL of the kind--> CACHE, else --> END
 *
 * Bounds: max_urls chains, max_redirections each, the timeout for each request; bodies are not
 *read. Hosts are looked up by the scan's own resolver, and only addresses of the internet at large
 *are gone to (net/special.h), ports 80, 443 and those above 1023, unless allow_private.
 */
#ifndef WINNOW_PLUGINS_URL_FOLLOW_H
#define WINNOW_PLUGINS_URL_FOLLOW_H

#include "net/http.h"
#include "plugins/lookup.h"
#include "store/url_cache.h"

/* What the settings of each plugin begin with. */
struct follow_settings {
	struct conf_table domains; /* lower case -> "1": HEAD, "2": GET */
	double max_urls, max_redirections, timeout_s;
	struct slice user_agent;
	bool loginfo, allow_private;
	struct slice cache_type, cache_dsn, cache_user, cache_password;
	double cache_ttl_s, cache_autoclean;
	const struct http_driver *driver; /* NULL: nothing is asked */
	const char *http_proxy, *https_proxy;
};

struct follow_target {
	struct slice url; /* what is to be asked; data NULL: the URL is none of the kind */
	bool is_head;
};

/* Where the two plugins differ. */
struct follow_kind {
	const char *area; /* of the log */
	struct follow_target (*find)(struct scan *scan, struct slice uri);
	bool strips_query;    /* of the message's URIs: all from ? or # on */
	bool keeps_answered;  /* a URL that redirects no further is one of the message */
	bool loops_to_itself; /* a URL that leads to itself is a loop */
	const char *table, *url_column, *target_column;
};

enum { FOLLOW_NO_CODE = 1000 /* above all codes of HTTP */ };

/* The state of each plugin in a scan. */
struct follow {
	bool is_started;
	bool is_found, is_redirected, is_chained, is_too_long, is_loop;
	unsigned char codes[FOLLOW_NO_CODE / 8]; /* bits: final status of some URL */
	struct follow_run *run;                  /* NULL: nothing is under way */
};

static inline bool
follow_has_code(const struct follow *follow, unsigned code)
{
	return code < FOLLOW_NO_CODE && (follow->codes[code / 8] >> (code % 8) & 1);
}

/* When all lines are read: loads the driver, checks the cache, says what is missing. */
void follow_finish(struct conf_reader *reader, struct follow_settings *settings,
                   const struct follow_kind *kind, bool is_used);
/*
 * What is known so far; the first call finds the URLs and starts to ask, so that evals that come
 * before the questions leave know what was found.  NULL: no memory.
 */
struct follow *follow_of(struct scan *scan, const struct plugin *plugin,
                         const struct follow_settings *settings, const struct follow_kind *kind);
/* false: scan->wait says when to call again.  give_up: what is open ends. */
bool follow_step(struct scan *scan, struct follow *follow, bool give_up);

/* Method of the host's entry: 1 HEAD, 2 GET; 0: it is not listed. */
unsigned follow_listed(const struct follow_settings *settings, struct slice name);
/* "http://user@HOST:80REST"; false: another scheme, no host. */
bool follow_split(struct slice url, struct slice *host_r, struct slice *rest_r);

/* For custom directives: hosts that are asked by HEAD, by GET, no longer. */
enum conf_result follow_parse_head(struct conf_reader *reader, void *data,
                                   const struct directive *d, struct slice value);
enum conf_result follow_parse_get(struct conf_reader *reader, void *data, const struct directive *d,
                                  struct slice value);
enum conf_result follow_parse_clear(struct conf_reader *reader, void *data,
                                    const struct directive *d, struct slice value);
/* "404" as a number; FOLLOW_NO_CODE: these are not three digits. */
unsigned follow_code(struct slice text);

#endif
