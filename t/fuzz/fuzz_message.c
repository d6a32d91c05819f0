/*
 * fuzz_message.c - whole messages: MIME tree, texts, what header rules see
 */
#include <assert.h>

#include "mail/date.h"
#include "mail/header.h"
#include "mail/text.h"
#include "t/fuzz/fuzz.h"

static void
touch(struct slice s)
{
	unsigned char sum = 0;

	for (size_t i = 0; i < s.len; i++)
		sum ^= s.data[i];
	*(volatile unsigned char *)&sum = sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const requests[] = {"From:addr",     "From:name", "ToCc",
	                                       "ALL",           "ALL:raw",   "Received:ip",
	                                       "ALL-UNTRUSTED", "MESSAGEID"};
	struct message_options options = MESSAGE_OPTIONS_DEFAULT;
	struct header_context context = {.last_trusted = 0, .last_internal = -1};
	struct arena *arena = arena_create((size_t)64 << 20);
	struct message *m;

	options.normalize_charset = size % 2 == 0;
	m = message_parse(arena, slice_of(data, size), &options);
	if (m != NULL) {
		const struct text_lines *lines[4] = {text_body(m), text_visible(m),
		                                     text_invisible(m), text_rawbody(m)};

		for (size_t k = 0; k < 4; k++)
			for (size_t i = 0; i < lines[k]->count; i++)
				touch(lines[k]->items[i]);
		for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
			struct header_request request;
			struct header_values values;

			header_request_parse(slice_from_cstr(requests[i]), &request, NULL);
			(void)!header_get(m, &request, &context, &values);
			for (size_t v = 0; v < values.values.count; v++)
				touch(values.values.items[v]);
		}
		(void)message_receive_date(m, 0);
		touch(m->pristine);
	}
	arena_destroy(&arena);
	return 0;
}
