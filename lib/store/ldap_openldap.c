/*
 * ldap_openldap.c - the module for LDAP: one search
 */
#include <ldap.h>
#include <stdio.h>
#include <sys/time.h>

#include "store/ldap_driver.h"

enum { ENTRIES_MAX = 1000 };

/* ---- URLs ---- */

/* "base", where the URL has no scope: the library's own default is another one. */
static bool
has_scope(const char *url)
{
	int fields = 0;

	for (; *url != '\0' && fields < 2; url++)
		fields += *url == '?';
	return fields == 2 && *url != '\0' && *url != '?';
}

/* *base_r: what ldap_initialize() wants: scheme, host, port.  All freed by the caller. */
static enum status
parse_url(const char *text, LDAPURLDesc **url_r, char **server_r, struct error *error)
{
	LDAPURLDesc *url = NULL, server;
	int rc = ldap_url_parse(text, &url);

	*url_r = NULL;
	*server_r = NULL;
	if (rc != LDAP_URL_SUCCESS)
		return error_set(error, STATUS_BAD,
		                 "it is no LDAP URL: "
		                 "ldap://host:port/base?attribute?sub?uid=__USERNAME__");
	if (url->lud_attrs == NULL || url->lud_attrs[0] == NULL || url->lud_attrs[0][0] == '\0') {
		ldap_free_urldesc(url);
		return error_set(error, STATUS_BAD,
		                 "it names no attribute: "
		                 "ldap://host:port/base?attribute?sub?uid=__USERNAME__");
	}
	if (!has_scope(text))
		url->lud_scope = LDAP_SCOPE_BASE;
	server = *url;
	server.lud_dn = NULL;
	server.lud_attrs = NULL;
	server.lud_scope = LDAP_SCOPE_DEFAULT;
	server.lud_filter = NULL;
	server.lud_exts = NULL;
	*server_r = ldap_url_desc2str(&server);
	*url_r = url;
	return *server_r != NULL ? STATUS_OK : error_set(error, STATUS_LIMIT, "no memory");
}

static enum status
check(const char *text, struct error *error)
{
	LDAPURLDesc *url;
	char *server;
	enum status status = parse_url(text, &url, &server, error);

	if (url != NULL)
		ldap_free_urldesc(url);
	ldap_memfree(server);
	return status;
}

/* ---- connections ---- */

static void
disconnect(void **connection)
{
	if (*connection != NULL)
		(void)ldap_unbind_ext(*connection, NULL, NULL);
	*connection = NULL;
}

static struct timeval
time_of(const struct ldap_query *query)
{
	return (struct timeval){query->wait_ms / 1000, (query->wait_ms % 1000) * 1000};
}

static bool
is_lost(int rc)
{
	return rc == LDAP_SERVER_DOWN || rc == LDAP_CONNECT_ERROR || rc == LDAP_TIMEOUT ||
	       rc == LDAP_UNAVAILABLE || rc == LDAP_BUSY;
}

/* What the server says about it, where it says something. */
static enum status
refuse(LDAP *ldap, const char *what, int rc, struct error *error)
{
	char *text = NULL;

	(void)ldap_get_option(ldap, LDAP_OPT_DIAGNOSTIC_MESSAGE, &text);
	(void)error_set(error, STATUS_BAD, "%s: %s%s%s", what, ldap_err2string(rc),
	                text != NULL && text[0] != '\0' ? ": " : "", text != NULL ? text : "");
	ldap_memfree(text);
	return is_lost(rc) ? STATUS_IO : STATUS_BAD;
}

static enum status
bind_as(LDAP *ldap, const struct ldap_query *query, struct error *error)
{
	const char *word = query->password != NULL ? query->password : "";
	struct berval password = {strlen(word), (char *)(uintptr_t)word};
	struct timeval wait = time_of(query);
	LDAPMessage *answer = NULL;
	int id, rc;

	rc = ldap_sasl_bind(ldap, query->user, LDAP_SASL_SIMPLE, &password, NULL, NULL, &id);
	if (rc != LDAP_SUCCESS)
		return refuse(ldap, "bind", rc, error);
	rc = ldap_result(ldap, id, LDAP_MSG_ALL, &wait, &answer);
	if (rc == 0)
		return error_set(error, STATUS_IO, "bind: no answer in time");
	if (rc < 0) {
		(void)ldap_get_option(ldap, LDAP_OPT_RESULT_CODE, &rc);
		return refuse(ldap, "bind", rc, error);
	}
	if (ldap_parse_result(ldap, answer, &id, NULL, NULL, NULL, NULL, 1) != LDAP_SUCCESS)
		return error_set(error, STATUS_IO, "bind: no answer that is understood");
	return id == LDAP_SUCCESS ? STATUS_OK : refuse(ldap, "bind", id, error);
}

static enum status
connect_to(const char *server, const struct ldap_query *query, void **connection_r,
           struct error *error)
{
	struct timeval wait = time_of(query);
	int version = LDAP_VERSION3, rc;
	LDAP *ldap = NULL;
	enum status status;

	rc = ldap_initialize(&ldap, server);
	if (rc != LDAP_SUCCESS)
		return error_set(error, STATUS_BAD, "%s", ldap_err2string(rc));
	(void)ldap_set_option(ldap, LDAP_OPT_PROTOCOL_VERSION, &version);
	(void)ldap_set_option(ldap, LDAP_OPT_NETWORK_TIMEOUT, &wait);
	(void)ldap_set_option(ldap, LDAP_OPT_TIMEOUT, &wait);
	(void)ldap_set_option(ldap, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
	status = bind_as(ldap, query, error);
	*connection_r = ldap;
	if (status != STATUS_OK)
		disconnect(connection_r);
	return status;
}

/* ---- the search ---- */

static void
walk_values(LDAP *ldap, LDAPMessage *answer, const char *attribute, ldap_value_fn fn, void *data)
{
	bool goes_on = true;

	for (LDAPMessage *entry = ldap_first_entry(ldap, answer); goes_on && entry != NULL;
	     entry = ldap_next_entry(ldap, entry)) {
		struct berval **values = ldap_get_values_len(ldap, entry, attribute);

		for (int i = 0; goes_on && values != NULL && values[i] != NULL; i++)
			goes_on = fn(data, slice_of(values[i]->bv_val, values[i]->bv_len));
		ldap_value_free_len(values);
	}
}

static enum status
search_over(void *connection, const LDAPURLDesc *url, const struct ldap_query *query,
            ldap_value_fn fn, void *data, struct error *error)
{
	struct timeval wait = time_of(query);
	LDAPMessage *answer = NULL;
	enum status status = STATUS_OK;
	int rc = ldap_search_ext_s(connection, url->lud_dn, url->lud_scope, url->lud_filter,
	                           url->lud_attrs, 0, NULL, NULL, &wait, ENTRIES_MAX, &answer);

	if (rc == LDAP_SUCCESS || rc == LDAP_SIZELIMIT_EXCEEDED)
		walk_values(connection, answer, url->lud_attrs[0], fn, data);
	else if (rc != LDAP_NO_SUCH_OBJECT)
		status = refuse(connection, "search", rc, error);
	if (answer != NULL)
		ldap_msgfree(answer);
	return status;
}

static enum status
search(void **connection, const struct ldap_query *query, ldap_value_fn fn, void *data,
       struct error *error)
{
	LDAPURLDesc *url;
	char *server;
	bool is_old = *connection != NULL;
	enum status status = parse_url(query->url, &url, &server, error);

	while (status == STATUS_OK) {
		if (*connection == NULL)
			status = query->is_answered(url->lud_host, query->wait_ms)
			                 ? connect_to(server, query, connection, error)
			                 : error_set(error, STATUS_IO,
			                             "no name server answers in time");
		if (status == STATUS_OK)
			status = search_over(*connection, url, query, fn, data, error);
		if (status != STATUS_IO)
			break;
		disconnect(connection);
		/* The server may have closed a connection that was idle. */
		if (!is_old || strstr(error->text, "search: Can't contact") == NULL)
			break;
		is_old = false;
		status = STATUS_OK;
	}
	if (url != NULL)
		ldap_free_urldesc(url);
	ldap_memfree(server);
	return status;
}

extern const struct ldap_driver ldap_driver_table;
const struct ldap_driver ldap_driver_table = {
	.version = LDAP_DRIVER_VERSION,
	.check = check,
	.search = search,
	.disconnect = disconnect,
};
