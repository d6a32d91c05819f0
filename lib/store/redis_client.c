/*
 * redis_client.c - commands to one of several Redis servers, and what they answer
 */
#include "store/redis_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dns/name.h"
#include "util/clock.h"

/* ---- commands ---- */

static bool
make_room(struct redis_commands *c, size_t more)
{
	size_t size = c->size < 4096 ? 4096 : c->size;
	unsigned char *grown;

	if (c->is_bad || more <= c->size - c->len)
		return !c->is_bad;
	while (size - c->len < more)
		size *= 2;
	grown = realloc(c->data, size);
	if (grown == NULL) {
		c->is_bad = true;
		return false;
	}
	c->data = grown;
	c->size = size;
	return true;
}

static void
add(struct redis_commands *c, struct slice text)
{
	if (text.len == 0 || !make_room(c, text.len))
		return;
	memcpy(c->data + c->len, text.data, text.len);
	c->len += text.len;
}

enum { DIGITS_MAX = 20 };

/* The digits end at `end`.  By hand: a message learned is a thousand numbers. */
static unsigned char *
write_digits(unsigned char *end, uint64_t number)
{
	do
		*--end = (unsigned char)('0' + number % 10);
	while ((number /= 10) != 0);
	return end;
}

/* "*3\r\n", "$5\r\n" */
static void
add_length(struct redis_commands *c, unsigned char mark, size_t length)
{
	unsigned char text[DIGITS_MAX + 3] = {0}, *end = text + sizeof(text), *begin;

	end[-1] = '\n';
	end[-2] = '\r';
	begin = write_digits(end - 2, length) - 1;
	*begin = mark;
	add(c, slice_between(begin, end));
}

void
redis_commands_begin(struct redis_commands *c, size_t arguments)
{
	add_length(c, '*', arguments);
	c->count++;
}

void
redis_commands_key(struct redis_commands *c, struct slice prefix, struct slice kind,
                   struct slice name)
{
	add_length(c, '$', prefix.len + kind.len + name.len);
	add(c, prefix);
	add(c, kind);
	add(c, name);
	add(c, SLICE("\r\n"));
}

void
redis_commands_argument(struct redis_commands *c, struct slice text)
{
	redis_commands_key(c, text, SLICE(""), SLICE(""));
}

void
redis_commands_number(struct redis_commands *c, int64_t number)
{
	unsigned char text[DIGITS_MAX + 1] = {0}, *end = text + sizeof(text), *begin;

	begin = write_digits(end, number < 0 ? -(uint64_t)number : (uint64_t)number);
	if (number < 0)
		*--begin = '-';
	redis_commands_argument(c, slice_between(begin, end));
}

void
redis_commands_clear(struct redis_commands *c)
{
	c->len = c->count = 0;
	c->is_bad = false;
}

void
redis_commands_free(struct redis_commands *c)
{
	free(c->data);
	*c = (struct redis_commands){0};
}

/* ---- one exchange ---- */

struct caller {
	redis_value_fn fn;
	void *data;
	size_t owed; /* replies of before: dropped */
};

static void
pass_on(void *data, const struct redis_value *value)
{
	const struct caller *caller = data;
	struct redis_value own = *value;

	if (value->reply < caller->owed || caller->fn == NULL)
		return;
	own.reply -= caller->owed;
	caller->fn(caller->data, &own);
}

enum status
redis_link_run(struct redis_link *link, struct redis_commands *c, redis_value_fn fn, void *data,
               int64_t deadline_ms, struct error *error)
{
	struct caller caller = {fn, data, link->owed};
	enum status status =
		c->is_bad ? error_set(error, STATUS_LIMIT, "no memory for commands to Redis")
			  : link->driver->exchange(link->connection, slice_of(c->data, c->len),
	                                           link->owed + c->count, pass_on, &caller,
	                                           deadline_ms, error);

	redis_commands_clear(c);
	link->owed = 0;
	if (status != STATUS_OK)
		redis_link_close(link);
	return status;
}

enum status
redis_link_send(struct redis_link *link, struct redis_commands *c, int64_t deadline_ms,
                struct error *error)
{
	size_t owed = link->owed + c->count;
	enum status status =
		c->is_bad ? error_set(error, STATUS_LIMIT, "no memory for commands to Redis")
			  : link->driver->exchange(link->connection, slice_of(c->data, c->len), 0,
	                                           NULL, NULL, deadline_ms, error);

	redis_commands_clear(c);
	link->owed = owed;
	if (status != STATUS_OK)
		redis_link_close(link);
	return status;
}

/* ---- connecting ---- */

void
redis_link_close(struct redis_link *link)
{
	if (link->connection != NULL)
		link->driver->disconnect(link->connection);
	link->connection = NULL;
	link->owed = 0;
}

struct greeting {
	char refused[200]; /* "": no */
	bool wants_password;
};

static void
take_greeting(void *data, const struct redis_value *value)
{
	struct greeting *g = data;

	/* The name of the client is a courtesy: old servers do not know it. */
	if (value->type != REDIS_ERROR || value->reply > 0)
		return;
	g->wants_password = slice_starts(value->text, SLICE("NOAUTH")) ||
	                    slice_starts(value->text, SLICE("ERR operation not permitted"));
	(void)snprintf(g->refused, sizeof(g->refused), "%.*s", SLICE_FMT(value->text));
}

static void
add_select(struct redis_commands *c, const struct redis_target *target)
{
	char name[32];

	redis_commands_begin(c, 2);
	redis_commands_argument(c, SLICE("SELECT"));
	redis_commands_argument(c,
	                        slice_from_cstr(target->database == NULL ? "0" : target->database));
	(void)snprintf(name, sizeof(name), "sa[%ld]", (long)getpid());
	redis_commands_begin(c, 3);
	redis_commands_argument(c, SLICE("CLIENT"));
	redis_commands_argument(c, SLICE("SETNAME"));
	redis_commands_argument(c, slice_from_cstr(name));
}

static enum status
refused(const struct redis_target *target, const struct greeting *g, struct error *error)
{
	return error_set(error, STATUS_BAD, "Redis server %s: %s", target->name,
	                 g->wants_password && target->password == NULL
	                         ? "it wants a password: bayes_sql_dsn ...;password=..."
	                         : g->refused);
}

/* The database; a password when it is asked for one, as the reference does. */
static enum status
greet(struct redis_link *link, const struct redis_target *target, int64_t deadline_ms,
      struct error *error)
{
	struct redis_commands c = {0};
	struct greeting g = {.wants_password = false};
	enum status status = STATUS_OK;

	/* A user with a name is somebody else than who comes without a password. */
	g.wants_password = target->user != NULL && target->password != NULL;
	if (!g.wants_password) {
		add_select(&c, target);
		status = redis_link_run(link, &c, take_greeting, &g, deadline_ms, error);
	}
	if (status == STATUS_OK && g.wants_password && target->password != NULL) {
		g = (struct greeting){.wants_password = false};
		redis_commands_begin(&c, target->user != NULL ? 3 : 2);
		redis_commands_argument(&c, SLICE("AUTH"));
		if (target->user != NULL)
			redis_commands_argument(&c, slice_from_cstr(target->user));
		redis_commands_argument(&c, slice_from_cstr(target->password));
		status = redis_link_run(link, &c, take_greeting, &g, deadline_ms, error);
		if (status == STATUS_OK && g.refused[0] == '\0') {
			add_select(&c, target);
			status = redis_link_run(link, &c, take_greeting, &g, deadline_ms, error);
		}
	}
	redis_commands_free(&c);
	return status == STATUS_OK && g.refused[0] != '\0' ? refused(target, &g, error) : status;
}

static enum status
connect_one(struct redis_link *link, const struct redis_target *target, int64_t deadline_ms,
            struct error *error)
{
	if (!dns_name_is_answered(target->host, deadline_ms - clock_monotonic_ms()))
		return error_set(error, STATUS_IO,
		                 "Redis server %s: no name server answers in time", target->name);
	return link->driver->connect(target, deadline_ms, &link->connection, error);
}

enum status
redis_link_open(struct redis_link *link, int64_t deadline_ms, struct error *error)
{
	int64_t begun_ms = clock_monotonic_ms();
	enum status status = STATUS_IO;

	if (link->connection != NULL && link->driver->is_open(link->connection, link->owed > 0))
		return STATUS_OK;
	redis_link_close(link);
	for (size_t i = 0; i < link->count && status != STATUS_OK; i++) {
		size_t at = (link->current + i) % link->count;
		const struct redis_target *target = &link->targets[at];
		/* Each gets its share of the time, so that one that hangs is not all of them. */
		int64_t share = (deadline_ms - begun_ms) * (int64_t)(i + 1) / (int64_t)link->count;

		status = connect_one(link, target, begun_ms + share, error);
		if (status == STATUS_OK)
			status = greet(link, target, begun_ms + share, error);
		if (status == STATUS_OK) {
			link->current = at;
			log_debug(link->log, "bayes", "connected to Redis server %s", target->name);
		} else {
			redis_link_close(link);
			log_debug(link->log, "bayes", "%s", error->text);
		}
	}
	return status;
}
