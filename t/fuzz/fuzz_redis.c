/*
 * fuzz_redis.c - what a Redis server may answer
 *
 * The module is part of this program: its connections are socket pairs, with the input in them.
 */
#include <assert.h>

#include "lib/store/redis_hiredis.c"

#include "store/dump.h"
#include "t/fuzz/fuzz.h"
#include "util/clock.h"
#include "util/module.h"

enum { INPUT_MAX = 60000 };

static struct slice input;

static enum status
connect_to_input(const struct redis_target *target, int64_t deadline_ms, void **connection_r,
                 struct error *error)
{
	struct connection *c;
	int ends[2];

	(void)target, (void)deadline_ms;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0)
		return error_set(error, STATUS_IO, "socketpair");
	(void)!write(ends[1], input.data, input.len);
	(void)shutdown(ends[1], SHUT_WR);
	/* The other end stays open for what is sent; the name has its number. */
	c = calloc(1, sizeof(*c));
	assert(c != NULL);
	c->fd = ends[0];
	c->reader = redisReaderCreateWithFunctions(&functions);
	assert(c->reader != NULL);
	c->reader->privdata = c;
	(void)snprintf(c->name, sizeof(c->name), "%d", ends[1]);
	*connection_r = c;
	return STATUS_OK;
}

static void
disconnect_input(void *connection)
{
	struct connection *c = connection;

	close(atoi(c->name));
	disconnect(c);
}

/* Both ends are there, whatever was read. */
static bool
is_always_open(void *connection, bool is_owed)
{
	(void)connection, (void)is_owed;
	return true;
}

static const struct redis_driver fuzz_driver = {
	.version = REDIS_DRIVER_VERSION,
	.connect = connect_to_input,
	.disconnect = disconnect_input,
	.is_open = is_always_open,
	.exchange = exchange,
};

/* In the place of the one that loads files. */
const void *
module_load(const char *file, const char *symbol, int version, struct error *error)
{
	(void)file, (void)symbol, (void)version, (void)error;
	return &fuzz_driver;
}

static bool
take_token(void *data, const struct store_token *token)
{
	assert(token->counts.spam != 0 || token->counts.ham != 0);
	++*(size_t *)data;
	return true;
}

static bool
take_seen(void *data, struct slice id, char flag)
{
	assert(flag != 0);
	*(size_t *)data += id.len;
	return true;
}

static void
use(struct store *store, unsigned what)
{
	static const struct store_key keys[3] = {{{1, 2, 3, 4, 5}}, {{0}}, {{255, 13, 10, 0, 1}}};
	struct store_variables v;
	struct store_counts counts[3];
	struct error error;
	size_t n = 0;
	char flag;

	(void)!store_variables(store, &v, &error);
	(void)!store_lookup(store, keys, 3, counts, &error);
	(void)!store_seen(store, SLICE("id"), &flag, &error);
	if (what & 1)
		(void)!store_each_token(store, take_token, &n, &error);
	if (what & 2)
		(void)!store_each_seen(store, take_seen, &n, &error);
	if (store_begin(store, 0, &error) != STATUS_OK)
		return;
	if (what & 4)
		(void)!store_empty(store, &error);
	(void)!store_add_messages(store, 1, 0, &error);
	(void)!store_add(store, keys, 3, what & 8 ? -1 : 1, 0, 1, &error);
	(void)!store_put_seen(store, SLICE("id"), 's', &error);
	(void)!store_commit(store, &error);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct store_config config = {.module = SLICE("BayesStore::Redis"), .path = ""};
	struct store *store;
	struct error error;

	if (size < 1 || size > INPUT_MAX)
		return 0;
	input = slice_of(data + 1, size - 1);
	if (store_open(&config, false, &store, &error) != STATUS_OK)
		return 0;
	use(store, data[0]);
	store_close(&store);
	return 0;
}
