/*
 * http.h - asks web servers where a URL leads, several at once
 *
 * Owns: struct http_request and the shape of the driver, a module over libcurl (http_curl.c) that
 * is loaded when the configuration wants it (util/module.h).  Data: URL, the addresses to go to ->
 * status and Location.  Redirections are not followed, bodies are not read, names are not looked
 * up: a request goes to the addresses given with it, or to a proxy.  Nothing blocks.
 */
#ifndef WINNOW_NET_HTTP_H
#define WINNOW_NET_HTTP_H

#include <stdbool.h>

#include "util/status.h"

enum {
	HTTP_VERSION = 1,
	HTTP_LOCATION_MAX = 8192,
	HTTP_FAILED = 500 /* no answer at all, as LWP has it */
};

/* Memory of the caller, until is_done or destroy(). */
struct http_request {
	const char *url; /* http:, https: */
	bool is_head;    /* else GET */
	const char *user_agent;
	const char *place; /* "HOST:PORT:ADDRESS[,ADDRESS]..."; NULL: the proxy knows */
	const char *proxy; /* NULL: none */
	long timeout_ms;

	bool is_done;
	long status;                          /* HTTP_FAILED: see error */
	char location[HTTP_LOCATION_MAX + 1]; /* "" : none */
	char error[256];
	void *handle; /* of the driver */
};

struct http;

struct http_driver {
	int version; /* HTTP_VERSION */
	/* NULL: no memory. */
	struct http *(*create)(void);
	void (*destroy)(struct http **http);
	bool (*start)(struct http *http, struct http_request *request);
	/* What is started is given up before destroy(); nothing happens when it is done. */
	void (*give_up)(struct http *http, struct http_request *request);
	/* Readable when there is something to do. */
	int (*fd)(const struct http *http);
	/* ms until step() is due by time alone, at most most_ms. */
	int (*wait_ms)(const struct http *http, int most_ms);
	void (*step)(struct http *http);
};

/* NULL: the module is not there; the error says so. */
const struct http_driver *http_load(struct error *error);

#endif
