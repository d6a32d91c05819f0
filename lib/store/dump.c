/*
 * dump.c - a store as text, and back
 */
#include "store/dump.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdlib.h>

/* ---- writing ---- */

struct writer {
	FILE *out;
	bool failed;
};

static bool
write_token(void *data, const struct store_token *token)
{
	struct writer *w = data;
	const unsigned char *k = token->key.bytes;

	w->failed =
		fprintf(w->out, "t\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu32 "\t%02x%02x%02x%02x%02x\n",
	                token->counts.spam, token->counts.ham, token->counts.atime, k[0], k[1],
	                k[2], k[3], k[4]) < 0;
	return !w->failed;
}

static bool
write_seen(void *data, struct slice message_id, char flag)
{
	struct writer *w = data;

	w->failed = fprintf(w->out, "s\t%c\t", flag) < 0 ||
	            fwrite(message_id.data, 1, message_id.len, w->out) != message_id.len ||
	            fputc('\n', w->out) == EOF;
	return !w->failed;
}

enum status
dump_write(struct store *store, FILE *out, struct error *error)
{
	struct writer w = {out, false};
	struct store_variables v;
	enum status status = store_variables(store, &v, error);

	if (status != STATUS_OK)
		return status;
	w.failed = fprintf(out,
	                   "v\t%d\tdb_version # this must be the first line!!!\n"
	                   "v\t%" PRIu64 "\tnum_spam\nv\t%" PRIu64 "\tnum_nonspam\n",
	                   STORE_VERSION, v.spam_messages, v.ham_messages) < 0;
	if (!w.failed)
		status = store_each_token(store, write_token, &w, error);
	if (status == STATUS_OK && !w.failed)
		status = store_each_seen(store, write_seen, &w, error);
	if (status == STATUS_OK && (w.failed || fflush(out) != 0))
		return error_set(error, STATUS_IO, "the dump could not be written");
	return status;
}

/* ---- reading ---- */

/* Next field of split(/\s+/): up to the next blanks, which are dropped. */
static struct slice
next_field(struct slice *rest)
{
	struct slice field;
	size_t i = 0;

	while (i < rest->len && !byte_is_space(rest->data[i]))
		i++;
	field = slice_sub(*rest, 0, i);
	while (i < rest->len && byte_is_space(rest->data[i]))
		i++;
	*rest = slice_from(*rest, i);
	return field;
}

/* As perl makes a number of it: leading digits, negative is 0. */
static uint64_t
number(struct slice field, uint64_t max)
{
	uint64_t value = 0;

	for (size_t i = 0; i < field.len && byte_is_digit(field.data[i]); i++) {
		value = value * 10 + (uint64_t)(field.data[i] - '0');
		if (value > max)
			return max;
	}
	return value;
}

static bool
read_key(struct slice text, unsigned version, struct store_key *key_r)
{
	unsigned char digest[EVP_MAX_MD_SIZE];

	if (version < 3) {
		if (EVP_Digest(text.len == 0 ? "" : (const char *)text.data, text.len, digest, NULL,
		               EVP_sha1(), NULL) != 1)
			return false;
		memcpy(key_r->bytes, digest + 20 - STORE_KEY_BYTES, STORE_KEY_BYTES);
		return true;
	}
	if (text.len != 2 * STORE_KEY_BYTES)
		return false;
	for (size_t i = 0; i < STORE_KEY_BYTES; i++) {
		int high = byte_hex_value(text.data[2 * i]);
		int low = byte_hex_value(text.data[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		key_r->bytes[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

static void
parse_token(struct slice rest, unsigned version, int64_t now_s, struct dump_line *line)
{
	struct store_counts *c = &line->token.counts;
	uint32_t now = now_s > UINT32_MAX ? UINT32_MAX : (uint32_t)now_s;

	c->spam = (uint32_t)number(next_field(&rest), UINT32_MAX);
	c->ham = (uint32_t)number(next_field(&rest), UINT32_MAX);
	c->atime = (uint32_t)number(next_field(&rest), UINT32_MAX);
	if (c->atime > now)
		c->atime = now;
	if (read_key(rest, version, &line->token.key))
		line->kind = DUMP_TOKEN;
}

static void
parse_variable(struct slice rest, struct dump_line *line)
{
	line->value = number(next_field(&rest), INT64_MAX);
	if (slice_starts(rest, SLICE("db_version")))
		line->kind = DUMP_VERSION;
	else if (slice_eq(rest, SLICE("num_spam")))
		line->kind = DUMP_SPAM;
	else if (slice_eq(rest, SLICE("num_nonspam")))
		line->kind = DUMP_HAM;
}

static void
parse_seen(struct slice rest, struct dump_line *line)
{
	struct slice flag = next_field(&rest);

	if (flag.len != 1 || (flag.data[0] != 's' && flag.data[0] != 'h') || rest.len == 0 ||
	    slice_eq(rest, SLICE("0")))
		return;
	line->flag = (char)flag.data[0];
	line->message_id = rest;
	line->kind = DUMP_SEEN;
}

void
dump_line_parse(struct slice line, unsigned version, int64_t now_s, struct dump_line *line_r)
{
	struct slice kind;

	*line_r = (struct dump_line){.kind = DUMP_OTHER};
	if (line.len > 0 && line.data[line.len - 1] == '\n')
		line.len--;
	kind = next_field(&line);
	if (slice_eq(kind, SLICE("v")))
		parse_variable(line, line_r);
	else if (slice_eq(kind, SLICE("t")))
		parse_token(line, version, now_s, line_r);
	else if (slice_eq(kind, SLICE("s")))
		parse_seen(line, line_r);
}

/* ---- restoring ---- */

struct restorer {
	struct store *store;
	struct store_variables variables;
	bool has_spam, has_ham;
	struct dump_result result;
};

static enum status
take_token(struct restorer *r, const struct store_token *token, struct error *error)
{
	struct store_variables *v = &r->variables;
	int64_t atime = token->counts.atime;
	struct store_counts old = {0};
	enum status status;

	if (token->counts.spam == 0 && token->counts.ham == 0) {
		r->result.skipped++;
		return STATUS_OK;
	}
	status = r->store->backend->counts_itself
	                 ? STATUS_OK
	                 : store_lookup(r->store, &token->key, 1, &old, error);
	if (status == STATUS_OK)
		status = store_put(r->store, token, error);
	if (old.spam == 0 && old.ham == 0)
		v->tokens++;
	if (v->oldest_atime == 0 || atime < v->oldest_atime)
		v->oldest_atime = atime;
	if (atime > v->newest_atime)
		v->newest_atime = atime;
	r->result.tokens++;
	return status;
}

static enum status
take_line(struct restorer *r, const struct dump_line *line, struct error *error)
{
	switch (line->kind) {
	case DUMP_SPAM:
		r->variables.spam_messages = line->value;
		r->has_spam = true;
		break;
	case DUMP_HAM:
		r->variables.ham_messages = line->value;
		r->has_ham = true;
		break;
	case DUMP_TOKEN:
		return take_token(r, &line->token, error);
	case DUMP_SEEN:
		return store_put_seen(r->store, line->message_id, line->flag, error);
	case DUMP_VERSION:
	case DUMP_OTHER:
		r->result.skipped++;
		break;
	}
	return STATUS_OK;
}

static enum status
take_lines(struct restorer *r, FILE *in, int64_t now_s, bool dots, struct error *error)
{
	enum status status = STATUS_OK;
	struct dump_line line;
	unsigned version = 0;
	char *text = NULL;
	size_t size = 0;
	ssize_t len;

	while (status == STATUS_OK && (len = getline(&text, &size, in)) > 0) {
		dump_line_parse(slice_of(text, (size_t)len), version, now_s, &line);
		if (r->result.lines++ == 0) {
			if (line.kind != DUMP_VERSION)
				status = error_set(error, STATUS_BAD,
				                   "database version must be the first line in the "
				                   "backup file");
			else if (line.value != 2 && line.value != 3)
				status = error_set(error, STATUS_BAD,
				                   "database version %" PRIu64
				                   " is unsupported, must be version 2 or 3",
				                   line.value);
			version = (unsigned)line.value;
			continue;
		}
		status = take_line(r, &line, error);
		if (dots && r->result.lines % 1000 == 0)
			fputc('.', stderr);
	}
	free(text);
	if (status == STATUS_OK && ferror(in))
		status = error_set(error, STATUS_IO, "the backup file could not be read");
	if (status == STATUS_OK && r->result.lines == 0)
		status = error_set(error, STATUS_BAD, "the backup file is empty");
	if (status == STATUS_OK && (!r->has_spam || !r->has_ham))
		status = error_set(error, STATUS_BAD,
		                   "unable to find num spam or num ham, please check file");
	return status;
}

enum status
dump_restore(struct store *store, FILE *in, int64_t now_s, int64_t wait_ms, bool dots,
             struct dump_result *result_r, struct error *error)
{
	struct restorer r = {.store = store};
	enum status status = store_begin(store, wait_ms, error);

	if (status != STATUS_OK)
		return status;
	status = store_empty(store, error);
	if (status == STATUS_OK)
		status = take_lines(&r, in, now_s, dots, error);
	if (status == STATUS_OK)
		status = store_set_variables(store, &r.variables, error);
	if (status == STATUS_OK)
		status = store_commit(store, error);
	else
		store_abort(store);
	*result_r = r.result;
	return status;
}
