/*
 * update_fetch_curl.c - a file by HTTP or HTTPS, with libcurl
 */
#include <config.h>
#include <curl/curl.h>
#include <sys/socket.h>

#include "cmd/update_fetch.h"
#include "conf/conf.h"
#include "util/strbuf.h"

#define USER_AGENT "sa-update/winnow-" VERSION "/" CONF_SA_VERSION_TEXT

static size_t
take_bytes(char *data, size_t size, size_t count, void *context)
{
	struct strbuf *body = context;

	strbuf_add(body, slice_of(data, size * count));
	return strbuf_is_bad(body) ? 0 : size * count;
}

static void
set_options(CURL *curl, const struct update_fetch *fetch, struct strbuf *body, char *message)
{
	long resolve = fetch->family == AF_INET    ? CURL_IPRESOLVE_V4
	               : fetch->family == AF_INET6 ? CURL_IPRESOLVE_V6
	                                           : CURL_IPRESOLVE_WHATEVER;

	curl_easy_setopt(curl, CURLOPT_URL, fetch->url);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, USER_AGENT);
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 2L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 30L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 300L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_IPRESOLVE, resolve);
	if (fetch->since > 0) {
		curl_easy_setopt(curl, CURLOPT_TIMECONDITION, (long)CURL_TIMECOND_IFMODSINCE);
		curl_easy_setopt(curl, CURLOPT_TIMEVALUE_LARGE, (curl_off_t)fetch->since);
	}
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
}

enum status
update_fetch(struct arena *arena, const struct update_fetch *fetch, struct slice *body_r,
             struct error *error)
{
	char message[CURL_ERROR_SIZE] = "";
	CURL *curl = curl_easy_init();
	struct strbuf body;
	long unmet = 0, code = 0;
	CURLcode rc;

	if (curl == NULL)
		return error_set(error, STATUS_LIMIT, "no memory");
	strbuf_init(&body, arena, fetch->bytes_max);
	set_options(curl, fetch, &body, message);
	rc = curl_easy_perform(curl);
	(void)curl_easy_getinfo(curl, CURLINFO_CONDITION_UNMET, &unmet);
	(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
	curl_easy_cleanup(curl);
	if (strbuf_is_bad(&body))
		return error_set(error, STATUS_LIMIT, "more than %zu bytes", fetch->bytes_max);
	if (rc != CURLE_OK)
		return error_set(error, STATUS_IO, "%s",
		                 message[0] != '\0' ? message : curl_easy_strerror(rc));
	if (unmet != 0 || code == 304)
		return STATUS_NONE;
	*body_r = body.len == 0 ? SLICE("") : strbuf_slice(&body);
	return STATUS_OK;
}
