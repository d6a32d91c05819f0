/*
 * spamd_request.c - what a client of spamd asks
 */
#include "net/spamd_request.h"

#include <stdlib.h>

static const struct {
	const char *name;
	enum spamd_verb verb;
} verbs[] = {
	{"PROCESS", SPAMD_PROCESS}, {"CHECK", SPAMD_CHECK},
	{"SYMBOLS", SPAMD_SYMBOLS}, {"REPORT_IFSPAM", SPAMD_REPORT_IFSPAM},
	{"REPORT", SPAMD_REPORT},   {"HEADERS", SPAMD_HEADERS},
	{"TELL", SPAMD_TELL},       {"SKIP", SPAMD_SKIP},
	{"PING", SPAMD_PING},
};

const char *
spamd_verb_name(enum spamd_verb verb)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (verbs[i].verb == verb)
			return verbs[i].name;
	return "?";
}

static bool
looks_like_http(struct slice line)
{
	return (slice_starts(line, SLICE("GET ")) || slice_starts(line, SLICE("POST ")) ||
	        slice_starts(line, SLICE("OPTIONS "))) &&
	       slice_find(line, SLICE(" HTTP/"), 0) != SLICE_NPOS;
}

static double
leading_number(struct slice text)
{
	char buffer[32];
	size_t n = text.len < sizeof(buffer) - 1 ? text.len : sizeof(buffer) - 1;

	memcpy(buffer, text.data, n);
	buffer[n] = '\0';
	return strtod(buffer, NULL);
}

/* The verb may stand anywhere in the line, as in the reference: " SPAMC/" with a verb before it. */
static bool
parse_line(struct spamd_request *request, struct slice line)
{
	struct slice mark = SLICE(" SPAMC/");

	if (looks_like_http(line))
		return false;
	for (size_t at = slice_find(line, mark, 0); at != SLICE_NPOS;
	     at = slice_find(line, mark, at + 1)) {
		struct slice before = slice_sub(line, 0, at);

		for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
			if (slice_ends(before, slice_from_cstr(verbs[i].name))) {
				request->verb = verbs[i].verb;
				request->version = leading_number(slice_from(line, at + mark.len));
				return true;
			}
	}
	return false;
}

static bool
wants_headers(const struct spamd_request *request)
{
	if (request->verb == SPAMD_PING || request->verb == SPAMD_SKIP)
		return request->version >= 1.5;
	return request->verb == SPAMD_TELL || request->version > 1.0;
}

static enum status
parse_length(struct spamd_request *request, struct slice received, struct slice value,
             struct error *error)
{
	unsigned long long length = 0;

	for (size_t i = 0; i < value.len; i++)
		if (!byte_is_digit(value.data[i]))
			return error_set(error, STATUS_BAD,
			                 "(Content-Length contains non-numeric bytes)");
	request->has_length = true;
	request->length_is_empty = value.len == 0;
	/* More than 64 bits can never arrive: as good as the largest number. */
	if (value.len > 0 && !slice_to_u64(value, ~0ULL, &length))
		length = ~0ULL;
	request->length = length;
	request->length_at = value.len == 0 ? 0 : (size_t)(value.data - received.data);
	request->length_len = value.len;
	return STATUS_OK;
}

static enum status
parse_header(struct spamd_request *request, struct slice received, struct slice line,
             struct error *error)
{
	size_t colon = slice_find_byte(line, ':', 0);
	struct slice name = slice_sub(line, 0, colon), value;

	if (colon == SLICE_NPOS)
		return error_set(error, STATUS_BAD, "(header not in 'Name: value' format)");
	value = slice_ltrim(slice_from(line, colon + 1));
	if (slice_eq(name, SLICE("Content-length")))
		return parse_length(request, received, value, error);
	if (slice_eq(name, SLICE("User"))) {
		for (size_t i = 0; i < value.len; i++)
			if (value.data[i] < 0x20)
				return error_set(error, STATUS_BAD,
				                 "(User header contains control chars)");
		request->has_user = true;
		request->user_at = value.len == 0 ? 0 : (size_t)(value.data - received.data);
		request->user_len = value.len;
	} else if (slice_eq(name, SLICE("Message-class"))) {
		request->class_given = true;
		request->class_is_spam = slice_ieq(value, SLICE("spam"));
	} else if (slice_eq(name, SLICE("Set"))) {
		request->set_local = slice_ifind(value, SLICE("local"), 0) != SLICE_NPOS;
		request->set_remote = slice_ifind(value, SLICE("remote"), 0) != SLICE_NPOS;
	} else if (slice_eq(name, SLICE("Remove"))) {
		request->remove_local = slice_ifind(value, SLICE("local"), 0) != SLICE_NPOS;
		request->remove_remote = slice_ifind(value, SLICE("remote"), 0) != SLICE_NPOS;
	} else if (slice_eq(name, SLICE("Verdict"))) {
		request->wants_json = slice_ieq(value, SLICE("json"));
	} else if (slice_eq(name, SLICE("Compress"))) {
		if (slice_ifind(value, SLICE("zlib"), 0) == SLICE_NPOS)
			return error_set(error, STATUS_BAD,
			                 "(compression type not supported: %.*s)",
			                 SLICE_FMT(slice_sub(value, 0, 200)));
		request->compressed = true;
	}
	return STATUS_OK;
}

/* Next line of received from `parsed` on, without its LF; STATUS_AGAIN when it is not whole. */
static enum status
take_line(struct spamd_request *request, struct slice received, struct slice *line_r,
          struct error *error)
{
	size_t end = slice_find_byte(received, '\n', request->parsed);
	size_t len = (end == SLICE_NPOS ? received.len : end) - request->parsed;

	if (len > SPAMD_LINE_MAX)
		return error_set(error, STATUS_BAD, "(line longer than %d bytes)", SPAMD_LINE_MAX);
	if (end == SLICE_NPOS)
		return STATUS_AGAIN;
	*line_r = slice_sub(received, request->parsed, len);
	request->parsed = end + 1;
	return STATUS_OK;
}

static enum status
parse_request_line(struct spamd_request *request, struct slice received, bool eof,
                   struct error *error)
{
	struct slice line;
	enum status status = take_line(request, received, &line, error);

	if (status == STATUS_AGAIN && eof && received.len > 0) {
		/* The last line of a stream needs no line end. */
		line = received;
		request->parsed = received.len;
		status = STATUS_OK;
	}
	if (status == STATUS_AGAIN && eof)
		return error_set(error, STATUS_BAD, "(closed before headers)");
	if (status != STATUS_OK)
		return status;
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	request->has_line = true;
	if (!parse_line(request, line))
		return error_set(error, STATUS_BAD, "%.*s", SLICE_FMT(slice_sub(line, 0, 200)));
	request->is_complete = !wants_headers(request);
	return STATUS_OK;
}

enum status
spamd_request_parse(struct spamd_request *request, struct slice received, bool eof,
                    struct error *error)
{
	enum status status;

	if (!request->has_line &&
	    (status = parse_request_line(request, received, eof, error)) != STATUS_OK)
		return status;
	while (!request->is_complete) {
		struct slice line;

		status = take_line(request, received, &line, error);
		if (status == STATUS_AGAIN && eof)
			return error_set(error, STATUS_BAD, "(EOF during headers)");
		if (status != STATUS_OK)
			return status;
		/* Only CRLF ends a header line: with a bare LF the empty line is a bad header. */
		if (line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		else if (line.len == 0)
			return error_set(error, STATUS_BAD, "(header not in 'Name: value' format)");
		if (line.len == 0) {
			request->is_complete = true;
			break;
		}
		if ((status = parse_header(request, received, line, error)) != STATUS_OK)
			return status;
		if (++request->header_count == SPAMD_HEADERS_MAX)
			return error_set(error, STATUS_BAD, "(too many headers)");
	}
	return STATUS_OK;
}

enum status
spamd_request_body(const struct spamd_request *request, struct slice received, bool eof,
                   size_t *end_r)
{
	size_t have = received.len - request->parsed, want, line_end;

	/* An empty number is a 0 that waits for the body all the same. */
	if (!request->has_length || request->length > have ||
	    (request->length_is_empty && have == 0)) {
		*end_r = received.len;
		return eof ? STATUS_OK : STATUS_AGAIN;
	}
	want = request->parsed + (size_t)request->length;
	if (request->compressed || want == received.len ||
	    (request->length > 0 && received.data[want - 1] == '\n')) {
		/* At a line's end, or all that came: exact. */
		*end_r = want;
		return STATUS_OK;
	}
	line_end = slice_find_byte(received, '\n', want);
	*end_r = line_end == SLICE_NPOS ? received.len : line_end + 1;
	return STATUS_OK;
}
