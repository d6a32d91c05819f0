/*
 * sql_tokens.c - the table bayes_token, in each dialect
 *
 * PostgreSQL takes all tokens as one array: one statement, one round trip.  MySQL takes lists of
 * parameters: statements for PIECE_BYTES tokens, and for fewer, so that few texts are prepared.
 * SQLite, which has no way to go, takes them one by one.  All go through the tokens in their order,
 * so that two writers wait for each other and never in a circle.
 */
#include "store/sql_tokens.h"

#include <stdio.h>
#include <stdlib.h>

#include "util/strbuf.h"

enum {
	PG_PIECE = 1000,
	LOOKUP_PIECE = 100, /* MySQL: tokens in one list */
	INSERT_PIECE = 64,
	INSERT_SMALL = 8,
	ROW_VALUES = 5,
	COUNT_MAX = INT32_MAX, /* columns are integers of 32 bits */
	PAD = ' '              /* columns that were once char(5) lose blanks at the end */
};

/* ---- helpers ---- */

static int
by_key(const void *a, const void *b)
{
	return memcmp(((const struct store_token *)a)->key.bytes,
	              ((const struct store_token *)b)->key.bytes, STORE_KEY_BYTES);
}

static uint32_t
limited(uint64_t count)
{
	return count > COUNT_MAX ? COUNT_MAX : (uint32_t)count;
}

/* In order, each once. */
static size_t
sort_rows(struct store_token *rows, size_t count)
{
	size_t kept = 0;

	qsort(rows, count, sizeof(*rows), by_key);
	for (size_t i = 0; i < count; i++) {
		struct store_counts *c = &rows[i].counts, *last;

		if (kept == 0 || by_key(&rows[i], &rows[kept - 1]) != 0) {
			rows[kept] = rows[i];
			rows[kept].counts = (struct store_counts){limited(c->spam), limited(c->ham),
			                                          limited(c->atime)};
			kept++;
			continue;
		}
		last = &rows[kept - 1].counts;
		last->spam = limited((uint64_t)last->spam + c->spam);
		last->ham = limited((uint64_t)last->ham + c->ham);
		last->atime = last->atime > limited(c->atime) ? last->atime : limited(c->atime);
	}
	return kept;
}

static struct store_token *
rows_of(const struct store_key *keys, size_t *count, struct error *error)
{
	struct store_token *rows = calloc(*count + 1, sizeof(*rows));

	if (rows == NULL) {
		(void)error_set(error, STATUS_LIMIT, "no memory for the tokens");
		return NULL;
	}
	for (size_t i = 0; i < *count; i++)
		rows[i].key = keys[i];
	*count = sort_rows(rows, *count);
	return rows;
}

static struct slice
key_slice(const struct store_key *key)
{
	return slice_of(key->bytes, STORE_KEY_BYTES);
}

static bool
read_key(struct slice field, struct store_key *key_r)
{
	if (field.data == NULL)
		return false;
	memset(key_r->bytes, PAD, STORE_KEY_BYTES);
	memcpy(key_r->bytes, field.data, field.len < STORE_KEY_BYTES ? field.len : STORE_KEY_BYTES);
	return true;
}

static uint32_t
read_count(struct slice field)
{
	int64_t value = sql_field_integer(field);

	return value < 0 ? 0 : value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

/* token, spam_count, ham_count, atime */
static bool
read_row(const struct slice *fields, size_t count, struct store_token *token_r)
{
	if (count < 4 || !read_key(fields[0], &token_r->key))
		return false;
	token_r->counts = (struct store_counts){read_count(fields[1]), read_count(fields[2]),
	                                        read_count(fields[3])};
	return true;
}

/* ---- PostgreSQL: arrays ---- */

struct pg_array {
	struct arena *arena;
	struct strbuf text;
};

static bool
pg_array_init(struct pg_array *array)
{
	array->arena = arena_create(0);
	if (array->arena == NULL)
		return false;
	strbuf_init(&array->text, array->arena, 0);
	return true;
}

static struct sql_value
pg_array_end(struct pg_array *array)
{
	strbuf_add_byte(&array->text, '}');
	return sql_text(strbuf_slice(&array->text));
}

static void
pg_array_next(struct pg_array *array)
{
	strbuf_add_byte(&array->text, array->text.len == 0 ? '{' : ',');
}

/* {"\\x0102030405",...} */
static bool
pg_keys(const struct store_token *rows, size_t count, struct pg_array *array,
        struct sql_value *value_r)
{
	static const char hex[] = "0123456789abcdef";

	if (!pg_array_init(array))
		return false;
	for (size_t i = 0; i < count; i++) {
		pg_array_next(array);
		strbuf_add(&array->text, SLICE("\"\\\\x"));
		for (size_t j = 0; j < STORE_KEY_BYTES; j++) {
			strbuf_add_byte(&array->text,
			                (unsigned char)hex[rows[i].key.bytes[j] >> 4]);
			strbuf_add_byte(&array->text,
			                (unsigned char)hex[rows[i].key.bytes[j] & 15]);
		}
		strbuf_add_byte(&array->text, '"');
	}
	*value_r = pg_array_end(array);
	return !strbuf_is_bad(&array->text);
}

/* The counter at this offset of each row. */
static bool
pg_numbers(const struct store_token *rows, size_t count, size_t offset, struct pg_array *array,
           struct sql_value *value_r)
{
	if (!pg_array_init(array))
		return false;
	for (size_t i = 0; i < count; i++) {
		const unsigned char *counts = (const unsigned char *)&rows[i].counts;
		uint32_t number;

		memcpy(&number, counts + offset, sizeof(number));
		pg_array_next(array);
		strbuf_printf(&array->text, "%u", (unsigned)number);
	}
	*value_r = pg_array_end(array);
	return !strbuf_is_bad(&array->text);
}

static bool
take_number(void *data, const struct slice *fields, size_t count)
{
	*(uint64_t *)data += count > 0 ? (uint64_t)sql_field_integer(fields[0]) : 0;
	return true;
}

static enum status
pg_add(const struct sql_tokens *t, const struct store_token *rows, size_t count, uint64_t *made_r,
       struct error *error)
{
	static const char text[] =
		"WITH added AS (INSERT INTO bayes_token (id, token, spam_count, ham_count, atime) "
		"SELECT CAST(? AS integer), n.t, n.s, n.h, n.a FROM unnest(CAST(? AS bytea[]), "
		"CAST(? AS integer[]), CAST(? AS integer[]), CAST(? AS integer[])) "
		"AS n (t, s, h, a) ON CONFLICT (id, token) DO UPDATE SET "
		"spam_count = GREATEST(bayes_token.spam_count + EXCLUDED.spam_count, 0), "
		"ham_count = GREATEST(bayes_token.ham_count + EXCLUDED.ham_count, 0), "
		"atime = GREATEST(bayes_token.atime, EXCLUDED.atime) "
		"RETURNING xmax = 0 AS is_new) SELECT count(*) FROM added WHERE is_new";
	static const size_t offsets[] = {offsetof(struct store_counts, spam),
	                                 offsetof(struct store_counts, ham),
	                                 offsetof(struct store_counts, atime)};
	struct pg_array arrays[4] = {{0}};
	struct sql_value values[5] = {sql_integer(t->user)};
	enum status status;
	bool good = pg_keys(rows, count, &arrays[0], &values[1]);

	for (size_t i = 0; good && i < 3; i++)
		good = pg_numbers(rows, count, offsets[i], &arrays[1 + i], &values[2 + i]);
	status = good ? sql_run(t->sql, text, values, 5, take_number, made_r, NULL, error)
	              : error_set(error, STATUS_LIMIT, "no memory for the tokens");
	for (size_t i = 0; i < 4; i++)
		arena_destroy(&arrays[i].arena);
	return status;
}

/* A statement whose last parameter is the array of tokens. */
static enum status
pg_run(const struct sql_tokens *t, const char *text, struct sql_value *values, size_t count,
       const struct store_token *rows, size_t row_count, sql_row_fn fn, void *data,
       uint64_t *affected_r, struct error *error)
{
	struct pg_array array = {0};
	enum status status = STATUS_LIMIT;

	if (pg_keys(rows, row_count, &array, &values[count]))
		status = sql_run(t->sql, text, values, count + 1, fn, data, affected_r, error);
	else
		(void)error_set(error, status, "no memory for the tokens");
	arena_destroy(&array.arena);
	return status;
}

/* ---- MySQL: lists of parameters ---- */

/* head (?,?,?...) tail; `piece` repetitions of `group`. */
static const char *
list_text(char *out, size_t size, const char *head, const char *group, size_t piece,
          const char *tail)
{
	size_t len = (size_t)snprintf(out, size, "%s", head);

	for (size_t i = 0; i < piece && len < size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%s", i == 0 ? "" : ",", group);
	if (len < size)
		snprintf(out + len, size - len, "%s", tail);
	return out;
}

/* A statement whose last parameters are LOOKUP_PIECE tokens: the last one fills up. */
static enum status
mysql_run(const struct sql_tokens *t, const char *head, const char *tail,
          const struct sql_value *before, size_t count, const struct store_token *rows,
          size_t row_count, sql_row_fn fn, void *data, uint64_t *affected_r, struct error *error)
{
	struct sql_value values[8 + LOOKUP_PIECE];
	char text[1000];
	size_t n = 0;

	for (; n < count; n++)
		values[n] = before[n];
	for (size_t i = 0; i < LOOKUP_PIECE; i++)
		values[n++] = sql_bytes(key_slice(&rows[i < row_count ? i : row_count - 1].key));
	return sql_run(t->sql, list_text(text, sizeof(text), head, "?", LOOKUP_PIECE, tail), values,
	               n, fn, data, affected_r, error);
}

static enum status
mysql_insert(const struct sql_tokens *t, const struct store_token *rows, size_t count,
             uint64_t *made_r, struct error *error)
{
	struct sql_value values[INSERT_PIECE * ROW_VALUES];
	char text[2000];
	uint64_t affected = 0;
	size_t n = 0;
	enum status status;

	for (size_t i = 0; i < count; i++) {
		values[n++] = sql_integer(t->user);
		values[n++] = sql_bytes(key_slice(&rows[i].key));
		values[n++] = sql_integer(rows[i].counts.spam);
		values[n++] = sql_integer(rows[i].counts.ham);
		values[n++] = sql_integer(rows[i].counts.atime);
	}
	list_text(text, sizeof(text),
	          "INSERT INTO bayes_token (id, token, spam_count, ham_count, atime) VALUES ",
	          "(?,?,?,?,?)", count,
	          " ON DUPLICATE KEY UPDATE spam_count = GREATEST(spam_count + VALUES(spam_count), "
	          "0), ham_count = GREATEST(ham_count + VALUES(ham_count), 0), "
	          "atime = GREATEST(atime, VALUES(atime))");
	status = sql_run(t->sql, text, values, n, NULL, NULL, &affected, error);
	/* A new row counts once, a changed one twice; some count always grows. */
	if (status == STATUS_OK && affected <= 2 * count)
		*made_r += 2 * count - affected;
	return status;
}

static enum status
mysql_add(const struct sql_tokens *t, const struct store_token *rows, size_t count,
          uint64_t *made_r, struct error *error)
{
	enum status status = STATUS_OK;

	for (size_t at = 0, piece; status == STATUS_OK && at < count; at += piece) {
		piece = count - at >= INSERT_PIECE   ? INSERT_PIECE
		        : count - at >= INSERT_SMALL ? INSERT_SMALL
		                                     : 1;
		status = mysql_insert(t, rows + at, piece, made_r, error);
	}
	return status;
}

/* ---- SQLite: one by one ---- */

static enum status
sqlite_add(const struct sql_tokens *t, const struct store_token *row, uint64_t *made_r,
           struct error *error)
{
	struct sql_value key = sql_text(key_slice(&row->key)), user = sql_integer(t->user),
			 spam = sql_integer(row->counts.spam), ham = sql_integer(row->counts.ham),
			 atime = sql_integer(row->counts.atime);
	uint64_t affected = 0;
	enum status status = sql_do(t->sql,
	                            "UPDATE bayes_token SET spam_count = max(spam_count + ?, 0), "
	                            "ham_count = max(ham_count + ?, 0), atime = max(atime, ?) "
	                            "WHERE id = ? AND token = ?",
	                            &affected, error, spam, ham, atime, user, key);

	if (status != STATUS_OK || affected > 0)
		return status;
	++*made_r;
	return sql_do(t->sql,
	              "INSERT INTO bayes_token (id, token, spam_count, ham_count, atime) "
	              "VALUES (?, ?, ?, ?, ?)",
	              NULL, error, user, key, spam, ham, atime);
}

/* ---- all: what each dialect does with some tokens in order ---- */

#define ROW_FIELDS "SELECT token, spam_count, ham_count, atime FROM bayes_token WHERE id = ?"

/* One statement over a list of tokens.  PostgreSQL and SQLite: the token is the last parameter;
 * MySQL: between head and tail. */
struct list_statement {
	const char *pg, *sqlite, *mysql_head, *mysql_tail;
};

static enum status
run_list(const struct sql_tokens *t, const struct list_statement *statement,
         const struct sql_value *before, size_t count, const struct store_token *rows,
         size_t row_count, sql_row_fn fn, void *data, uint64_t *affected_sum, struct error *error)
{
	enum sql_dialect dialect = sql_dialect(t->sql);
	enum status status = STATUS_OK;
	struct sql_value values[8];

	for (size_t i = 0; i < count; i++)
		values[i] = before[i];
	for (size_t at = 0, piece; status == STATUS_OK && at < row_count; at += piece) {
		size_t most = dialect == SQL_POSTGRESQL ? PG_PIECE
		              : dialect == SQL_MYSQL    ? LOOKUP_PIECE
		                                        : 1;
		uint64_t affected = 0;

		piece = row_count - at < most ? row_count - at : most;
		if (dialect == SQL_POSTGRESQL) {
			status = pg_run(t, statement->pg, values, count, rows + at, piece, fn, data,
			                &affected, error);
		} else if (dialect == SQL_MYSQL) {
			status = mysql_run(t, statement->mysql_head, statement->mysql_tail, before,
			                   count, rows + at, piece, fn, data, &affected, error);
		} else {
			values[count] = sql_text(key_slice(&rows[at].key));
			status = sql_run(t->sql, statement->sqlite, values, count + 1, fn, data,
			                 &affected, error);
		}
		*affected_sum += affected;
	}
	return status;
}

struct found {
	struct store_token *rows;
	size_t count;
};

static bool
take_found(void *data, const struct slice *fields, size_t count)
{
	const struct found *found = data;
	struct store_token token, *row;

	if (read_row(fields, count, &token) &&
	    (row = bsearch(&token, found->rows, found->count, sizeof(*row), by_key)) != NULL)
		row->counts = token.counts;
	return true;
}

enum status
sql_tokens_lookup(const struct sql_tokens *t, const struct store_key *keys, size_t count,
                  struct store_counts *counts_r, struct error *error)
{
	static const struct list_statement statement = {
		.pg = ROW_FIELDS " AND token = ANY (CAST(? AS bytea[]))",
		.sqlite = ROW_FIELDS " AND token = ?",
		.mysql_head = ROW_FIELDS " AND token IN (",
		.mysql_tail = ")",
	};
	struct sql_value user = sql_integer(t->user);
	struct found found = {.count = count};
	uint64_t affected = 0;
	enum status status;

	found.rows = rows_of(keys, &found.count, error);
	if (found.rows == NULL)
		return STATUS_LIMIT;
	status = run_list(t, &statement, &user, 1, found.rows, found.count, take_found, &found,
	                  &affected, error);
	for (size_t i = 0; status == STATUS_OK && i < count; i++) {
		const struct store_token wanted = {.key = keys[i]}, *row;

		row = bsearch(&wanted, found.rows, found.count, sizeof(*row), by_key);
		counts_r[i] = row != NULL ? row->counts : (struct store_counts){0};
	}
	free(found.rows);
	return status;
}

enum status
sql_tokens_add(const struct sql_tokens *t, struct store_token *rows, size_t count, uint64_t *made_r,
               struct error *error)
{
	enum sql_dialect dialect = sql_dialect(t->sql);
	enum status status = STATUS_OK;

	*made_r = 0;
	count = sort_rows(rows, count);
	for (size_t at = 0, piece; status == STATUS_OK && at < count; at += piece) {
		piece = dialect == SQL_SQLITE ? 1 : count - at < PG_PIECE ? count - at : PG_PIECE;
		if (dialect == SQL_POSTGRESQL)
			status = pg_add(t, rows + at, piece, made_r, error);
		else if (dialect == SQL_MYSQL)
			status = mysql_add(t, rows + at, piece, made_r, error);
		else
			status = sqlite_add(t, &rows[at], made_r, error);
	}
	return status;
}

/* The statement over these tokens, each once. */
static enum status
run_keys(const struct sql_tokens *t, const struct list_statement *statement,
         const struct sql_value *before, size_t before_count, const struct store_key *keys,
         size_t count, uint64_t *affected_r, struct error *error)
{
	struct store_token *rows = rows_of(keys, &count, error);
	enum status status;

	*affected_r = 0;
	if (rows == NULL)
		return STATUS_LIMIT;
	status = run_list(t, statement, before, before_count, rows, count, NULL, NULL, affected_r,
	                  error);
	free(rows);
	return status;
}

#define SUBTRACT(greatest)                                                                         \
	"UPDATE bayes_token SET spam_count = " greatest "(spam_count - ?, 0), "                    \
	"ham_count = " greatest "(ham_count - ?, 0) WHERE id = ? AND token "
#define REMOVE                                                                                     \
	"DELETE FROM bayes_token WHERE id = ? AND spam_count <= 0 AND ham_count <= 0 AND token "

enum status
sql_tokens_subtract(const struct sql_tokens *t, const struct store_key *keys, size_t count,
                    int64_t spam, int64_t ham, uint64_t *gone_r, struct error *error)
{
	static const struct list_statement subtract = {
		.pg = SUBTRACT("GREATEST") "= ANY (CAST(? AS bytea[]))",
		.sqlite = SUBTRACT("max") "= ?",
		.mysql_head = SUBTRACT("GREATEST") "IN (",
		.mysql_tail = ")",
	};
	static const struct list_statement remove = {
		.pg = REMOVE "= ANY (CAST(? AS bytea[]))",
		.sqlite = REMOVE "= ?",
		.mysql_head = REMOVE "IN (",
		.mysql_tail = ")",
	};
	const struct sql_value values[] = {sql_integer(spam), sql_integer(ham),
	                                   sql_integer(t->user)};
	enum status status = run_keys(t, &subtract, values, 3, keys, count, gone_r, error);

	return status != STATUS_OK
	               ? status
	               : run_keys(t, &remove, &values[2], 1, keys, count, gone_r, error);
}

#define TOUCH "UPDATE bayes_token SET atime = ? WHERE id = ? AND atime < ? AND token "

enum status
sql_tokens_touch(const struct sql_tokens *t, const struct store_key *keys, size_t count,
                 uint32_t atime, uint64_t *touched_r, struct error *error)
{
	static const struct list_statement statement = {
		.pg = TOUCH "= ANY (CAST(? AS bytea[]))",
		.sqlite = TOUCH "= ?",
		.mysql_head = TOUCH "IN (",
		.mysql_tail = ")",
	};
	struct sql_value time = sql_integer(limited(atime));
	const struct sql_value values[] = {time, sql_integer(t->user), time};

	return run_keys(t, &statement, values, 3, keys, count, touched_r, error);
}

struct walk {
	store_token_fn fn;
	void *data;
};

static bool
take_token(void *data, const struct slice *fields, size_t count)
{
	const struct walk *walk = data;
	struct store_token token;

	return !read_row(fields, count, &token) || walk->fn(walk->data, &token);
}

enum status
sql_tokens_each(const struct sql_tokens *t, store_token_fn fn, void *data, struct error *error)
{
	struct walk walk = {fn, data};
	struct sql_value user = sql_integer(t->user);

	return sql_run(t->sql, ROW_FIELDS " AND (spam_count > 0 OR ham_count > 0)", &user, 1,
	               take_token, &walk, NULL, error);
}
