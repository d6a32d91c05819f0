/*
 * http_curl.c - asks web servers through libcurl (module http-curl.so)
 *
 * libcurl says which sockets and which time it waits for; they stand in an epoll set of ours, so
 * that who waits has one descriptor.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "net/http.h"
#include "util/clock.h"

enum { EVENTS = 16, HEADER_BYTES_MAX = 64 * 1024 };

struct http {
	CURLM *multi;
	int epoll;
	int64_t due_ms; /* INT64_MAX: nothing by time */
};

/* Of one request. */
struct handle {
	CURL *curl;
	struct curl_slist *places;
	struct http_request *request;
	size_t header_bytes;
	char message[CURL_ERROR_SIZE];
};

/* ---- what libcurl calls ---- */

static int
on_socket(CURL *curl, curl_socket_t fd, int what, void *data, void *socket_data)
{
	struct http *http = data;
	struct epoll_event event = {.data = {.fd = fd}};

	(void)curl, (void)socket_data;
	if (what & CURL_POLL_IN)
		event.events |= (uint32_t)EPOLLIN;
	if (what & CURL_POLL_OUT)
		event.events |= (uint32_t)EPOLLOUT;
	if (what == CURL_POLL_REMOVE)
		(void)epoll_ctl(http->epoll, EPOLL_CTL_DEL, fd, &event);
	else if (epoll_ctl(http->epoll, EPOLL_CTL_ADD, fd, &event) != 0 && errno == EEXIST)
		(void)epoll_ctl(http->epoll, EPOLL_CTL_MOD, fd, &event);
	return 0;
}

static int
on_timer(CURLM *multi, long timeout_ms, void *data)
{
	struct http *http = data;

	(void)multi;
	http->due_ms = timeout_ms < 0 ? INT64_MAX : clock_monotonic_ms() + timeout_ms;
	return 0;
}

/* The first Location of an answer. */
static size_t
on_header(char *text, size_t size, size_t count, void *data)
{
	static const char name[] = "location:";
	struct handle *h = data;
	size_t len = size * count, at = sizeof(name) - 1;

	h->header_bytes += len;
	if (h->header_bytes > HEADER_BYTES_MAX)
		return 0;
	if (len <= at || strncasecmp(text, name, at) != 0 || h->request->location[0] != '\0')
		return len;
	while (at < len && (text[at] == ' ' || text[at] == '\t'))
		at++;
	while (len > at && strchr("\r\n \t", text[len - 1]) != NULL)
		len--;
	if (len - at <= HTTP_LOCATION_MAX && memchr(text + at, '\0', len - at) == NULL) {
		memcpy(h->request->location, text + at, len - at);
		h->request->location[len - at] = '\0';
	}
	return size * count;
}

/* The body is of no interest: the connection may end here. */
static size_t
on_body(char *text, size_t size, size_t count, void *data)
{
	(void)text, (void)size, (void)count, (void)data;
	return 0;
}

/* ---- requests ---- */

static void
free_handle(struct handle *h)
{
	if (h == NULL)
		return;
	if (h->request != NULL)
		h->request->handle = NULL;
	if (h->curl != NULL)
		curl_easy_cleanup(h->curl);
	curl_slist_free_all(h->places);
	free(h);
}

static void
set_options(struct handle *h, const struct http_request *r)
{
	CURL *curl = h->curl;

	curl_easy_setopt(curl, CURLOPT_URL, r->url);
	curl_easy_setopt(curl, CURLOPT_NOBODY, r->is_head ? 1L : 0L);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, r->user_agent);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, r->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, r->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_RESOLVE, h->places);
	/* "" means none, whatever the environment says. */
	curl_easy_setopt(curl, CURLOPT_PROXY, r->proxy == NULL ? "" : r->proxy);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "");
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, h);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, h->message);
	curl_easy_setopt(curl, CURLOPT_PRIVATE, h);
	curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
}

static bool
start(struct http *http, struct http_request *request)
{
	struct handle *h = calloc(1, sizeof(*h));

	request->is_done = false;
	request->location[0] = '\0';
	if (h == NULL)
		return false;
	h->request = request;
	h->curl = curl_easy_init();
	h->places = request->place == NULL ? NULL : curl_slist_append(NULL, request->place);
	if (h->curl == NULL || (request->place != NULL && h->places == NULL)) {
		free_handle(h);
		return false;
	}
	set_options(h, request);
	if (curl_multi_add_handle(http->multi, h->curl) != CURLM_OK) {
		free_handle(h);
		return false;
	}
	request->handle = h;
	return true;
}

static void
finish(struct http *http, struct handle *h, CURLcode result)
{
	struct http_request *r = h->request;
	long status = 0;

	(void)curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
	/* The end that on_body() made is no failure. */
	if (status < 100 || (result != CURLE_OK && result != CURLE_WRITE_ERROR)) {
		status = HTTP_FAILED;
		r->location[0] = '\0';
		snprintf(r->error, sizeof(r->error), "%s",
		         h->message[0] != '\0' ? h->message : curl_easy_strerror(result));
	}
	r->status = status;
	r->is_done = true;
	(void)curl_multi_remove_handle(http->multi, h->curl);
	free_handle(h);
}

static void
take_finished(struct http *http)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
		char *data = NULL;
		CURLcode result = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &data);
		finish(http, (struct handle *)(void *)data, result);
	}
}

/* ---- the loop's side ---- */

static int
get_fd(const struct http *http)
{
	return http->epoll;
}

static int
wait_ms(const struct http *http, int most_ms)
{
	int64_t left = http->due_ms == INT64_MAX ? most_ms : http->due_ms - clock_monotonic_ms();

	return left < 0 ? 0 : left < most_ms ? (int)left : most_ms;
}

static void
step(struct http *http)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(http->epoll, events, EVENTS, 0), running;

	for (int i = 0; i < n; i++) {
		int what =
			(events[i].events & (uint32_t)EPOLLIN ? CURL_CSELECT_IN : 0) |
			(events[i].events & (uint32_t)EPOLLOUT ? CURL_CSELECT_OUT : 0) |
			(events[i].events & (uint32_t)(EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

		(void)curl_multi_socket_action(http->multi, events[i].data.fd, what, &running);
	}
	if (http->due_ms <= clock_monotonic_ms()) {
		http->due_ms = INT64_MAX;
		(void)curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	take_finished(http);
}

/* Who asked has to start() nothing any more; requests under way end with it. */
static void
destroy(struct http **http)
{
	struct http *h = *http;

	*http = NULL;
	if (h == NULL)
		return;
	if (h->multi != NULL)
		(void)curl_multi_cleanup(h->multi);
	if (h->epoll >= 0)
		close(h->epoll);
	free(h);
}

static struct http *
create(void)
{
	struct http *http = calloc(1, sizeof(*http));

	if (http == NULL)
		return NULL;
	http->due_ms = INT64_MAX;
	http->epoll = epoll_create1(EPOLL_CLOEXEC);
	http->multi = curl_multi_init();
	if (http->multi == NULL || http->epoll < 0) {
		destroy(&http);
		return NULL;
	}
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	return http;
}

/* What a request holds when it is given up. */
static void
give_up(struct http *http, struct http_request *request)
{
	struct handle *h = request->handle;

	if (h == NULL)
		return;
	(void)curl_multi_remove_handle(http->multi, h->curl);
	free_handle(h);
}

extern const struct http_driver winnow_http_driver;
const struct http_driver winnow_http_driver = {
	.version = HTTP_VERSION,
	.create = create,
	.destroy = destroy,
	.start = start,
	.give_up = give_up,
	.fd = get_fd,
	.wait_ms = wait_ms,
	.step = step,
};
