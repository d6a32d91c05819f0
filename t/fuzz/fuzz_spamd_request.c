/*
 * fuzz_spamd_request.c - what clients of spamd send: in one piece or cut in two, it means the same
 *
 * First byte: where to cut.
 */
#include <stdlib.h>

#include "net/spamd_request.h"
#include "t/fuzz/fuzz.h"

static enum status
parse(struct slice bytes, size_t cut, struct spamd_request *request, size_t *end_r)
{
	struct error error = {""};
	enum status status = STATUS_AGAIN;

	*request = (struct spamd_request){0};
	*end_r = 0;
	if (cut > 0 && cut < bytes.len)
		status = spamd_request_parse(request, slice_sub(bytes, 0, cut), false, &error);
	if (status == STATUS_AGAIN)
		status = spamd_request_parse(request, bytes, true, &error);
	if (status == STATUS_OK && spamd_request_body(request, bytes, true, end_r) == STATUS_OK &&
	    (*end_r > bytes.len || *end_r < request->parsed))
		abort();
	return status;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spamd_request whole, cut;
	size_t whole_end, cut_end;
	struct slice bytes;

	if (size == 0)
		return 0;
	bytes = slice_of(data + 1, size - 1);
	if (parse(bytes, 0, &whole, &whole_end) != parse(bytes, data[0], &cut, &cut_end))
		abort();
	if (whole.verb != cut.verb || whole.parsed != cut.parsed || whole.length != cut.length ||
	    whole.user_at != cut.user_at || whole.user_len != cut.user_len ||
	    whole.compressed != cut.compressed || whole_end != cut_end)
		abort();
	if (whole.has_user &&
	    (whole.user_at > bytes.len || whole.user_len > bytes.len - whole.user_at))
		abort();
	return 0;
}
