/*
 * fuzz_dns_answer.c - bytes of a name server
 */
#include <assert.h>

#include "dns/wire.h"
#include "t/fuzz/fuzz.h"

static void
check_record(const struct dns_record *record, size_t size)
{
	size_t strings = 0;

	assert(record->name.data != NULL && record->name.len > 0 && record->name.len <= 1020);
	assert(record->text.data != NULL && record->text.len <= 3 * size + 4096);
	assert(record->rdata.len <= size);
	for (size_t i = 0; i < record->string_count; i++)
		strings += record->strings[i].len + 1;
	assert(strings <= record->rdata.len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_create((size_t)16 << 20);
	const struct dns_question_options options = {.id = 0x1234, .edns_bytes = 4096};
	struct dns_question question;
	struct dns_answer answer;
	struct slice bytes = slice_of(data, size);

	if (dns_answer_read(arena, bytes, SLICE("x.test"), DNS_A, &answer) == STATUS_OK) {
		assert(answer.outcome == DNS_ANSWERED && answer.ttl_s <= 86400);
		for (size_t i = 0; i < answer.record_count; i++)
			check_record(&answer.records[i], size);
	}
	/* The same bytes as a name. */
	if (dns_question_write(slice_sub(bytes, 0, 300), DNS_TXT, &options, &question) ==
	    STATUS_OK) {
		assert(question.len <= sizeof(question.bytes));
		question.bytes[2] |= 0x80;
		assert(dns_answer_is_for(slice_of(question.bytes, question.len), &question, true));
	}
	(void)dns_answer_is_for(bytes, &question, false);
	arena_destroy(&arena);
	return 0;
}
