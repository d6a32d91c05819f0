/*
 * reputation_sql.c - lists of senders in a database that many machines share
 *
 * Source: SQLBasedAddrList.pm of 4.0.1, whose rows these are (pkg/sql/awl_*.sql, txrep_*.sql): one
 * for each user, address, signer and network; an address that several domains have signed has one
 * for each of them.
 *
 * Every statement stands for itself, as in the reference: two lists of one process may be in one
 * file of SQLite, whose writers would wait for each other.  Scores are added by the database, so
 * that none is lost when several processes write.
 */
#include <stdio.h>
#include <stdlib.h>

#include "store/reputation.h"
#include "store/sql.h"
#include "store/store.h"

enum {
	USER_BYTES = 100, /* of the columns */
	ADDRESS_BYTES = 255,
	IP_BYTES = 40,
	SIGNER_BYTES = 255,
	SIGNERS_MAX = 8,
	TABLE_BYTES = 64,
	TEXT_BYTES = 640
};

struct sql_list {
	struct reputation base;
	struct sql *sql;
	struct store_keep *keep; /* gets the connection back; NULL: nobody */
	const struct log *log;
	bool distinguishes_signed, welcomes_recipients;
	/* By the last look-up, of this message. */
	int64_t count_got;
	char ip_got[IP_BYTES];
	size_t ip_got_len;
	char user[USER_BYTES + 1], table[TABLE_BYTES + 1];
};

static struct sql_list *
list_of(struct reputation *list)
{
	return (struct sql_list *)(void *)list;
}

/* ---- opening ---- */

static void
destroy_connection(void *data)
{
	struct sql *sql = data;

	sql_close(&sql);
}

static enum status
take_connection(struct sql_list *l, const struct reputation_config *config, struct error *error)
{
	struct sql_config c = {
		.dsn = config->dsn, .user = config->sql_user, .password = config->sql_password};
	struct store_keep *keep = config->keep;

	if (config->dsn.len == 0)
		return error_set(error, STATUS_BAD, "SQLBasedAddrList needs a user_awl_dsn");
	if (keep != NULL && keep->destroy == destroy_connection && sql_is_of(keep->data, &c)) {
		l->sql = keep->data;
		*keep = (struct store_keep){0};
		return STATUS_OK;
	}
	return sql_open(&c, &l->sql, error);
}

static void
close_list(struct reputation *list)
{
	struct sql_list *l = list_of(list);

	if (l->sql != NULL && l->keep != NULL) {
		store_keep_drop(l->keep);
		*l->keep = (struct store_keep){l->sql, destroy_connection};
	} else {
		sql_close(&l->sql);
	}
	free(l);
}

/* It becomes a part of the statements. */
static bool
is_table_name(struct slice name)
{
	if (name.len == 0 || name.len > TABLE_BYTES)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!byte_is_word(name.data[i]) && name.data[i] != '.')
			return false;
	return true;
}

static enum status
open_list(const struct reputation_config *config, bool create, struct reputation **list_r,
          struct error *error)
{
	struct slice user = config->user.len > 0 ? config->user : SLICE("GLOBAL");
	struct sql_list *l;
	enum status status;

	(void)create; /* tables are the administrator's */
	if (!is_table_name(config->table))
		return error_set(error, STATUS_BAD,
		                 "user_awl_sql_table '%.*s' is no name of a table",
		                 SLICE_FMT(slice_sub(config->table, 0, 80)));
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return error_set(error, STATUS_LIMIT, "no memory for the list of senders");
	memcpy(l->table, config->table.data, config->table.len);
	memcpy(l->user, user.data, user.len < USER_BYTES ? user.len : USER_BYTES);
	l->log = config->log;
	l->keep = config->keep;
	l->distinguishes_signed = config->distinguishes_signed;
	l->welcomes_recipients = config->welcomes_recipients;
	status = take_connection(l, config, error);
	if (status == STATUS_OK)
		*list_r = &l->base;
	else
		close_list(&l->base);
	return status;
}

static bool
is_current(const struct reputation *list)
{
	(void)list;
	return true;
}

/* ---- transactions: each statement is one ---- */

static enum status
begin(struct reputation *list, int64_t wait_ms, struct error *error)
{
	(void)wait_ms, (void)error;
	list_of(list)->count_got = 0;
	list_of(list)->ip_got_len = 0;
	return STATUS_OK;
}

static enum status
commit(struct reputation *list, struct error *error)
{
	(void)list, (void)error;
	return STATUS_OK;
}

static void
abort_list(struct reputation *list)
{
	(void)list;
}

/* ---- keys ---- */

struct columns {
	struct sql_value address;
	struct slice ip, signers[SIGNERS_MAX];
	size_t signer_count;
	bool is_raw; /* the address has letters that the column may refuse */
	bool is_spf; /* signed_by begins with "spf-" */
	char address_text[2 * ADDRESS_BYTES], ip_text[2 * IP_BYTES];
	char signer_texts[SIGNERS_MAX][2 * SIGNER_BYTES];
};

static void
make_columns(const struct sql_list *l, const struct reputation_key *key, struct columns *c)
{
	enum sql_dialect dialect = sql_dialect(l->sql);
	struct slice rest = key->signed_by, word;

	c->address =
		sql_text(sql_text_of_bytes(dialect, key->address, ADDRESS_BYTES, c->address_text));
	c->is_raw = false;
	/* As it is: MySQL's column of bytes takes it, one of text may. */
	for (size_t i = 0; dialect == SQL_MYSQL && i < key->address.len; i++)
		c->is_raw |= key->address.data[i] >= 0x80;
	if (c->is_raw)
		c->address = sql_bytes(slice_sub(key->address, 0, ADDRESS_BYTES));
	c->ip = sql_text_of_bytes(dialect, key->ip, IP_BYTES, c->ip_text);
	c->is_spf = slice_starts(key->signed_by, SLICE("spf-"));
	c->signer_count = 0;
	while (c->signer_count < SIGNERS_MAX && slice_next_word(&rest, &word)) {
		char *text = c->signer_texts[c->signer_count];
		struct slice signer = sql_text_of_bytes(dialect, word, SIGNER_BYTES, text);

		for (size_t i = 0; i < signer.len; i++)
			text[i] = (char)byte_lower((unsigned char)text[i]);
		c->signers[c->signer_count++] = signer;
	}
}

static bool
is_mail_address(const struct columns *c)
{
	struct slice address = c->address.bytes;
	size_t at = slice_find_byte(address, '@', 0);

	return at != SLICE_NPOS && at > 0 && at + 1 < address.len;
}

/* A statement that is written bit by bit, with its parameters. */
struct statement {
	char text[TEXT_BYTES];
	size_t len;
	struct sql_value values[8 + SIGNERS_MAX];
	size_t count;
};

PRINTF_LIKE(2, 3)
static void
say(struct statement *s, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(s->text + s->len, sizeof(s->text) - s->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		s->len += (size_t)n;
}

static void
say_value(struct statement *s, const char *text, struct sql_value value)
{
	say(s, "%s", text);
	s->values[s->count++] = value;
}

static void
say_signers(struct statement *s, const struct columns *c)
{
	if (c->signer_count == 0)
		return;
	say(s, " AND signedby IN (");
	for (size_t i = 0; i < c->signer_count; i++)
		say_value(s, i == 0 ? "?" : ",?", sql_text(c->signers[i]));
	say(s, ")");
}

/* An address that the column refuses has no row, as in the reference, where the statement fails. */
static enum status
run(const struct sql_list *l, const struct columns *c, const struct statement *s, sql_row_fn fn,
    void *data, struct error *error)
{
	enum status status = sql_run(l->sql, s->text, s->values, s->count, fn, data, NULL, error);

	if (status != STATUS_BAD || !c->is_raw)
		return status;
	log_debug(l->log, "auto-welcomelist", "%s", error->text);
	return STATUS_OK;
}

/* ---- looking up ---- */

/* The row that was used last is the last one. */
static bool
take_entry(void *data, const struct slice *fields, size_t count)
{
	struct reputation_entry *entry = data;

	if (count >= 2 && fields[1].data != NULL)
		*entry = (struct reputation_entry){sql_field_integer(fields[0]),
		                                   sql_field_real(fields[1])};
	return true;
}

/* Tests of the reference look for this line. */
static void
log_look_up(const struct sql_list *l, const struct statement *s,
            const struct reputation_entry *entry)
{
	char text[600];
	size_t len = 0;

	if (!log_wants(l->log, LOG_LEVEL_DEBUG, "auto-welcomelist"))
		return;
	for (size_t i = 1; i < s->count; i++) { /* without the user */
		struct slice value = s->values[i].bytes;

		if (i > 1 && len < sizeof(text))
			text[len++] = '|';
		for (size_t j = 0; j < value.len && len < sizeof(text); j++)
			text[len++] = value.data[j] > ' ' && value.data[j] < 0x7f
			                      ? (char)value.data[j]
			                      : '?';
	}
	log_debug(l->log, "auto-welcomelist", "sql-based %.*s scores %.1f, msgcount %lld", (int)len,
	          text, entry->total, (long long)entry->count);
}

static enum status
get(struct reputation *list, const struct reputation_key *key, struct reputation_entry *entry_r,
    struct error *error)
{
	struct sql_list *l = list_of(list);
	struct statement s = {.len = 0};
	struct columns c;
	enum status status;
	bool is_outgoing;

	make_columns(l, key, &c);
	is_outgoing = l->welcomes_recipients && is_mail_address(&c);
	say(&s, "SELECT msgcount, totscore FROM %s", l->table);
	say_value(&s, " WHERE username = ?", sql_text(slice_from_cstr(l->user)));
	say_value(&s, " AND email = ?", c.address);
	if (is_outgoing)
		say(&s, " AND ip = 'WELCOMELIST_OUT'");
	else if (l->distinguishes_signed && c.signer_count > 0)
		say_signers(&s, &c);
	else
		say_value(&s,
		          l->distinguishes_signed ? " AND signedby = '' AND ip = ?" : " AND ip = ?",
		          sql_text(c.ip));
	if (!is_outgoing)
		say(&s, " ORDER BY last_hit");
	status = run(l, &c, &s, take_entry, entry_r, error);
	l->count_got = entry_r->count;
	l->ip_got_len = key->ip.len < IP_BYTES ? key->ip.len : IP_BYTES;
	memcpy(l->ip_got, key->ip.data, l->ip_got_len);
	if (status == STATUS_OK && !is_outgoing)
		log_look_up(l, &s, entry_r);
	return status;
}

/* ---- writing ---- */

/*
 * One row, made or added to.  A new one begins with this message, as in the reference: what was
 * found under this key were rows of other signers.  What was found under another key, an entry
 * without an address of a host, lives on in this one.
 */
static enum status
write_row(const struct sql_list *l, const struct columns *c, const struct sql_value *signer,
          const struct reputation_entry *entry, double score, struct error *error)
{
	bool is_mysql = sql_dialect(l->sql) == SQL_MYSQL;
	bool lives_on = !slice_eq(slice_of(l->ip_got, l->ip_got_len), c->ip);
	struct statement s = {.len = 0};

	say(&s, "INSERT INTO %s (username, email, ip, msgcount, totscore%s) VALUES (", l->table,
	    signer != NULL ? ", signedby" : "");
	say_value(&s, "?", sql_text(slice_from_cstr(l->user)));
	say_value(&s, ",?", c->address);
	say_value(&s, ",?", sql_text(c->ip));
	say_value(&s, ",?", sql_integer(lives_on ? entry->count + 1 : 1));
	say_value(&s, ",?", sql_real(lives_on ? entry->total + score : score));
	if (signer != NULL)
		say_value(&s, ",?", *signer);
	say(&s, is_mysql ? ") ON DUPLICATE KEY UPDATE"
	                 : ") ON CONFLICT (username, email, signedby, ip) DO UPDATE SET");
	/* How many more than were seen.  Where the reference looks up another row than this, it
	 * counts from what it saw there, and so do we. */
	if (l->welcomes_recipients && is_mail_address(c)) {
		say_value(&s, " msgcount = ?", sql_integer(entry->count + 1));
	} else {
		say(&s, " msgcount = %s.msgcount", l->table);
		say_value(&s, " + ?", sql_integer(entry->count + 1 - l->count_got));
	}
	say(&s, ", totscore = %s.totscore", l->table);
	say_value(&s, " + ?", sql_real(score));
	return run(l, c, &s, NULL, NULL, error);
}

static enum status
write_rows(const struct sql_list *l, const struct columns *c, const struct reputation_entry *entry,
           double score, struct error *error)
{
	struct sql_value nobody = sql_text(SLICE(""));
	bool is_outgoing = l->welcomes_recipients && is_mail_address(c);
	enum status status = STATUS_OK;

	if (!l->distinguishes_signed && !c->is_spf)
		return write_row(l, c, NULL, entry, score, error);
	/* The reference names no signer then, and so writes nothing. */
	if (!l->distinguishes_signed && is_outgoing)
		return STATUS_OK;
	if (c->signer_count == 0)
		return write_row(l, c, &nobody, entry, score, error);
	for (size_t i = 0; status == STATUS_OK && i < c->signer_count; i++) {
		struct sql_value signer = sql_text(c->signers[i]);

		status = write_row(l, c, &signer, entry, score, error);
	}
	return status;
}

static enum status
add(struct reputation *list, const struct reputation_key *key, struct reputation_entry *entry,
    double score, struct error *error)
{
	struct sql_list *l = list_of(list);
	struct columns c;
	enum status status;

	score = reputation_as_written(score);
	make_columns(l, key, &c);
	status = write_rows(l, &c, entry, score, error);
	if (status != STATUS_OK)
		return status;
	entry->count++;
	entry->total += score;
	l->count_got = entry->count;
	return STATUS_OK;
}

static enum status
remove_entry(struct reputation *list, const struct reputation_key *key, bool all_of_address,
             struct error *error)
{
	struct sql_list *l = list_of(list);
	struct statement s = {.len = 0};
	struct columns c;

	make_columns(l, key, &c);
	say(&s, "DELETE FROM %s", l->table);
	say_value(&s, " WHERE username = ?", sql_text(slice_from_cstr(l->user)));
	say_value(&s, " AND email = ?", c.address);
	if (!all_of_address)
		say_value(&s, " AND ip = ?", sql_text(c.ip));
	if (l->distinguishes_signed)
		say_signers(&s, &c);
	return run(l, &c, &s, NULL, NULL, error);
}

/* ---- all of them ---- */

struct walk {
	enum sql_dialect dialect;
	reputation_fn fn;
	void *data;
};

static bool
take_row(void *data, const struct slice *fields, size_t count)
{
	const struct walk *walk = data;
	char address[4 * ADDRESS_BYTES];
	struct reputation_key key;
	struct reputation_entry entry;

	if (count < 5 || fields[0].len > sizeof(address))
		return true;
	key = (struct reputation_key){
		.address = sql_bytes_of_text(walk->dialect, fields[0], address), .ip = fields[1]};
	if (fields[2].len > 0)
		key.signed_by = fields[2];
	entry = (struct reputation_entry){sql_field_integer(fields[3]), sql_field_real(fields[4])};
	return walk->fn(walk->data, &key, &entry);
}

static enum status
each(struct reputation *list, reputation_fn fn, void *data, struct error *error)
{
	struct sql_list *l = list_of(list);
	struct statement s = {.len = 0};
	struct walk walk = {sql_dialect(l->sql), fn, data};

	say(&s, "SELECT email, ip, signedby, msgcount, totscore FROM %s", l->table);
	say_value(&s, " WHERE username = ?", sql_text(slice_from_cstr(l->user)));
	return sql_run(l->sql, s.text, s.values, s.count, take_row, &walk, NULL, error);
}

static const char *const factories[] = {"SQLBasedAddrList", NULL};

const struct reputation_backend reputation_sql = {
	.name = "SQL",
	.factories = factories,
	.open = open_list,
	.close = close_list,
	.is_current = is_current,
	.begin = begin,
	.commit = commit,
	.abort = abort_list,
	.get = get,
	.add = add,
	.remove = remove_entry,
	.each = each,
};
