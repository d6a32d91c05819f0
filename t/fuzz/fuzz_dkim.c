/*
 * fuzz_dkim.c - signed messages and key records
 *
 * The input is a message and, after a line "%%", the record that every key question is answered
 * with.  Both line ends are tried.  What must hold: it ends, no text of a result lies outside, and
 * nobody passes without a key.
 */
#include <assert.h>

#include "auth/arc.h"
#include "auth/dkim.h"
#include "t/fuzz/fuzz.h"

enum { OPEN_MAX = 200 };

struct open_question {
	dns_answered *answered;
	void *context;
};

struct world {
	struct open_question open[OPEN_MAX];
	size_t count;
};

static bool
note_question(struct dns_client *client, struct slice name, unsigned type, dns_answered *answered,
              void *context)
{
	struct world *world = client->data;

	(void)name, (void)type;
	if (world->count == OPEN_MAX)
		return false;
	world->open[world->count++] = (struct open_question){answered, context};
	return true;
}

static void
check_list(struct arena *arena, const dkim_signature_vec *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct dkim_signature *s = &list->items[i];

		assert(s->result != DKIM_PASS || s->key_bits > 0);
		(void)dkim_result_text(arena, s);
		(void)dkim_signer(arena, s);
	}
}

static void
verify(struct slice message, struct slice record, bool is_crlf)
{
	struct arena *arena = arena_create(256 * 1024 * 1024);
	struct world world = {.count = 0};
	struct dns_client client = {note_question, &world};
	struct dkim_request request = {
		.message = message, .is_crlf = is_crlf, .now_s = 1700000000, .client = &client};
	struct dns_record text = {.type = DNS_TXT, .text = record};
	struct dns_answer answer = {.records = &text, .record_count = 1};
	struct dkim_verifier *v = dkim_verify(arena, &request);

	for (size_t i = 0; i < world.count; i++)
		world.open[i].answered(world.open[i].context, &answer);
	if (v != NULL) {
		assert(v->is_done);
		check_list(arena, &v->signatures);
		check_list(arena, &v->arc_signatures);
	}
	arena_destroy(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice input = slice_of(data, size);
	size_t at = slice_find(input, SLICE("\n%%\n"), 0);
	struct slice message = slice_sub(input, 0, at == SLICE_NPOS ? size : at + 1);
	struct slice record = slice_from(input, at == SLICE_NPOS ? size : at + 4);

	verify(message, record, false);
	verify(message, record, true);
	return 0;
}
