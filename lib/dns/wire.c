/*
 * wire.c - DNS messages as bytes
 */
#include "dns/wire.h"

#include <arpa/inet.h>

#include "net/addr.h"
#include "util/utf8.h"

enum {
	CLASS_IN = 1,
	TYPE_OPT = 41,
	RECORDS_MAX = 512,    /* of one answer; the rest is left out */
	STRINGS_MAX = 65536,  /* of all its TXT records: more do not fit */
	POINTERS_MAX = 128,   /* of one name: each goes backwards anyway */
	FLAG_RESPONSE = 0x80, /* byte 2 */
	FLAG_TRUNCATED = 0x02,
	FLAG_RECURSE = 0x01,
	FLAG_AUTHENTICATED = 0x20, /* byte 3 */
	FLAG_NO_CHECKING = 0x10,
	TTL_MAX = 86400
};

/* ---- questions ---- */

static void
put_u16(unsigned char *at, unsigned value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

/* Length in wire form, 0: no name. */
static size_t
write_name(unsigned char *out, struct slice name, const unsigned char *case_bits)
{
	size_t at = 0, letters = 0;
	struct slice label;

	while (name.len > 0 && name.data[name.len - 1] == '.')
		name.len--;
	while (name.len > 0 && slice_next(&name, '.', &label)) {
		if (label.len == 0 || label.len > 63 || at + label.len + 2 > DNS_NAME_BYTES_MAX)
			return 0;
		out[at++] = (unsigned char)label.len;
		for (size_t i = 0; i < label.len; i++) {
			unsigned char c = byte_lower(label.data[i]);

			if (case_bits != NULL && byte_is_lower(c)) {
				if (case_bits[letters / 8] >> (letters % 8) & 1)
					c = byte_upper(c);
				letters++;
			}
			out[at++] = c;
		}
		if (name.data != NULL && name.len == 0)
			break;
	}
	if (at == 0)
		return 0;
	out[at++] = 0;
	return at;
}

enum status
dns_question_write(struct slice name, unsigned type, const struct dns_question_options *options,
                   struct dns_question *question_r)
{
	unsigned char *bytes = question_r->bytes;
	size_t at = DNS_HEADER_BYTES;

	memset(bytes, 0, DNS_HEADER_BYTES);
	put_u16(bytes, options->id);
	bytes[2] = FLAG_RECURSE;
	bytes[3] = FLAG_AUTHENTICATED; /* tell us: RFC 6840 5.7 */
	if (options->no_checking)
		bytes[3] |= FLAG_NO_CHECKING;
	bytes[5] = 1;
	question_r->name_len = write_name(bytes + at, name, options->case_bits);
	if (question_r->name_len == 0)
		return STATUS_BAD;
	at += question_r->name_len;
	put_u16(bytes + at, type);
	put_u16(bytes + at + 2, CLASS_IN);
	at += 4;
	if (options->edns_bytes > 512) {
		memset(bytes + at, 0, 11);
		put_u16(bytes + at + 1, TYPE_OPT);
		put_u16(bytes + at + 3, options->edns_bytes);
		if (options->wants_signatures)
			bytes[at + 7] = 0x80;
		bytes[11] = 1;
		at += 11;
	}
	question_r->len = at;
	return STATUS_OK;
}

bool
dns_answer_is_for(struct slice bytes, const struct dns_question *question, bool is_exact)
{
	const unsigned char *asked = question->bytes + DNS_HEADER_BYTES, *got;
	size_t len = question->name_len + 4;

	if (bytes.len < DNS_HEADER_BYTES + len || (bytes.data[2] & FLAG_RESPONSE) == 0 ||
	    memcmp(bytes.data, question->bytes, 2) != 0 || bytes.data[4] != 0 || bytes.data[5] != 1)
		return false;
	got = bytes.data + DNS_HEADER_BYTES;
	if (is_exact)
		return memcmp(asked, got, len) == 0;
	return slice_ieq(slice_of(asked, question->name_len), slice_of(got, question->name_len)) &&
	       memcmp(asked + question->name_len, got + question->name_len, 4) == 0;
}

/* ---- reading ---- */

struct reader {
	struct arena *arena;
	struct slice bytes;
	size_t at;
	bool bad;   /* sticky: the input broke off or makes no sense */
	bool spent; /* so is the arena */
};

static unsigned
get_u8(struct reader *r)
{
	if (r->bad || r->at >= r->bytes.len) {
		r->bad = true;
		return 0;
	}
	return r->bytes.data[r->at++];
}

static unsigned
get_u16(struct reader *r)
{
	unsigned high = get_u8(r);

	return high << 8 | get_u8(r);
}

static uint32_t
get_u32(struct reader *r)
{
	uint32_t high = get_u16(r);

	return high << 16 | get_u16(r);
}

static struct slice
get_bytes(struct reader *r, size_t len)
{
	struct slice s = {NULL, 0};

	if (r->bad || len > r->bytes.len - r->at) {
		r->bad = true;
		return s;
	}
	s = slice_of(r->bytes.data + r->at, len);
	r->at += len;
	return s;
}

/* As Net::DNS prints a byte of a label. */
static size_t
print_byte(unsigned char *out, unsigned char c)
{
	if (c == '(' || c == ')' || c == '.' || c == ';') {
		out[0] = '\\';
		out[1] = c;
		return 2;
	}
	if (c > ' ' && c < 0x7f && c != '"' && c != '\\') {
		out[0] = c;
		return 1;
	}
	out[0] = '\\';
	out[1] = (unsigned char)('0' + c / 100);
	out[2] = (unsigned char)('0' + c / 10 % 10);
	out[3] = (unsigned char)('0' + c % 10);
	return 4;
}

/*
 * A name at r->at, which moves behind it.  Pointers go to before where they stand, ever further
 * back, so no name is endless; text_r may be NULL.
 */
static void
get_name(struct reader *r, struct slice *text_r)
{
	unsigned char text[4 * DNS_NAME_BYTES_MAX + 4];
	size_t used = 0, wire = 1, at = r->at, limit = r->at;
	bool jumped = false;
	unsigned pointers = 0;

	while (!r->bad) {
		unsigned len = at < r->bytes.len ? r->bytes.data[at] : 0x80;

		if (len >= 0xc0) {
			size_t to = (len & 0x3fU) << 8;

			if (at + 1 >= r->bytes.len || ++pointers > POINTERS_MAX ||
			    (to |= r->bytes.data[at + 1]) >= limit) {
				r->bad = true;
				break;
			}
			if (!jumped)
				r->at = at + 2;
			jumped = true;
			at = limit = to;
			continue;
		}
		wire += len + 1;
		if (len > 63 || wire > DNS_NAME_BYTES_MAX + 1 || at + 1 + len > r->bytes.len) {
			r->bad = true;
			break;
		}
		at++;
		if (len == 0)
			break;
		if (used > 0)
			text[used++] = '.';
		for (unsigned i = 0; i < len; i++)
			used += print_byte(text + used, r->bytes.data[at + i]);
		at += len;
	}
	if (!jumped && !r->bad)
		r->at = at;
	if (text_r == NULL || r->bad)
		return;
	if (used == 0)
		text[used++] = '.';
	*text_r = arena_dup(r->arena, slice_of(text, used));
	r->spent |= text_r->data == NULL;
}

/* ---- record data as text ---- */

/* What is no UTF-8 becomes U+FFFD, string by string: so the reference's texts are made. */
static size_t
add_lossy(unsigned char *out, struct slice s)
{
	size_t used = 0, at = 0;

	while (at < s.len) {
		unsigned long code;
		size_t len = utf8_decode(s, at, &code);

		if (s.data[at] >= 0x80 && !utf8_is_valid(slice_sub(s, at, len))) {
			memcpy(out + used, "\xef\xbf\xbd", 3);
			used += 3;
			/* a sequence cut short counts as one */
			for (len = 1; s.data[at] >= 0xc2 && at + len < s.len && len < 3 &&
			              (s.data[at + len] & 0xc0) == 0x80 &&
			              (s.data[at] >= 0xe0 && s.data[at] < 0xf5) &&
			              (len == 1 || s.data[at] >= 0xf0);
			     len++)
				;
		} else {
			memcpy(out + used, s.data + at, len);
			used += len;
		}
		at += len;
	}
	return used;
}

static void
read_strings(struct reader *r, size_t end, struct dns_record *record)
{
	size_t count = 0, bytes = 0, used = 0, begin = r->at;
	struct slice *strings;
	unsigned char *text;

	for (size_t at = r->at; at < end; at += 1U + r->bytes.data[at]) {
		count++;
		bytes += r->bytes.data[at];
	}
	strings = arena_new_array(r->arena, struct slice, count + 1);
	text = arena_bytes(r->arena, bytes * 3 + 1);
	if (strings == NULL || text == NULL) {
		r->spent = true;
		return;
	}
	for (size_t i = 0; i < count; i++) {
		size_t len = get_u8(r), at = r->at - begin;

		(void)get_bytes(r, len);
		if (r->at > end)
			r->bad = true;
		if (r->bad)
			return;
		strings[i] = slice_sub(record->rdata, at, len); /* the copy, which stays */
		used += add_lossy(text + used, strings[i]);
	}
	record->strings = strings;
	record->string_count = count;
	record->text = slice_of(text, used);
}

static void
read_address(struct reader *r, size_t len, struct dns_record *record)
{
	char text[INET6_ADDRSTRLEN];
	struct slice bytes = get_bytes(r, len);

	if (r->bad || len != (record->type == DNS_A ? 4 : 16) ||
	    inet_ntop(record->type == DNS_A ? AF_INET : AF_INET6, bytes.data, text, sizeof(text)) ==
	            NULL) {
		r->bad = true;
		return;
	}
	record->text = arena_dup(r->arena, slice_from_cstr(text));
	r->spent |= record->text.data == NULL;
}

static void
read_mx(struct reader *r, struct dns_record *record)
{
	record->preference = get_u16(r);
	get_name(r, &record->target);
	if (r->bad || r->spent)
		return;
	record->text =
		arena_printf(r->arena, "%u %.*s", record->preference, SLICE_FMT(record->target));
	r->spent |= record->text.data == NULL;
}

static void
read_soa(struct reader *r, struct dns_record *record)
{
	struct slice mail;
	uint32_t numbers[5];

	get_name(r, &record->target);
	get_name(r, &mail);
	for (size_t i = 0; i < 5; i++)
		numbers[i] = get_u32(r);
	if (r->bad || r->spent)
		return;
	record->text = arena_printf(r->arena, "%.*s %.*s %u %u %u %u %u", SLICE_FMT(record->target),
	                            SLICE_FMT(mail), numbers[0], numbers[1], numbers[2], numbers[3],
	                            numbers[4]);
	r->spent |= record->text.data == NULL;
}

/* RFC 3597 5: "\# length hex". */
static void
read_unknown(struct reader *r, size_t len, struct dns_record *record)
{
	static const char digits[] = "0123456789abcdef";
	struct slice bytes = get_bytes(r, len);
	struct slice head = arena_printf(r->arena, "\\# %zu ", len);
	unsigned char *text = arena_bytes(r->arena, head.len + len * 2);
	size_t used = head.len;

	if (r->bad)
		return;
	if (text == NULL || head.data == NULL) {
		r->spent = true;
		return;
	}
	memcpy(text, head.data, used);
	for (size_t i = 0; i < len; i++) {
		text[used++] = (unsigned char)digits[bytes.data[i] >> 4];
		text[used++] = (unsigned char)digits[bytes.data[i] & 15];
	}
	record->text = slice_of(text, len == 0 ? used - 1 : used);
}

static void
read_data(struct reader *r, size_t len, struct dns_record *record)
{
	switch (record->type) {
	case DNS_A:
	case DNS_AAAA:
		read_address(r, len, record);
		break;
	case DNS_NS:
	case DNS_CNAME:
	case DNS_PTR:
		get_name(r, &record->target);
		record->text = record->target;
		break;
	case DNS_MX:
		read_mx(r, record);
		break;
	case DNS_SOA:
		read_soa(r, record);
		break;
	case DNS_TXT:
	case DNS_SPF:
		read_strings(r, r->at + len, record);
		break;
	default:
		read_unknown(r, len, record);
		break;
	}
}

/* false: broken off.  A record whose data make no sense is left out. */
static bool
read_record(struct reader *r, struct dns_record *record)
{
	size_t len, end;
	unsigned class;

	*record = (struct dns_record){.text = SLICE("")};
	get_name(r, &record->name);
	record->type = get_u16(r);
	class = get_u16(r);
	record->ttl_s = get_u32(r);
	if (record->ttl_s > INT32_MAX)
		record->ttl_s = 0; /* RFC 2181 8 */
	len = get_u16(r);
	if (r->bad || len > r->bytes.len - r->at)
		return false;
	end = r->at + len;
	record->rdata = arena_dup(r->arena, slice_of(r->bytes.data + r->at, len));
	r->spent |= record->rdata.data == NULL;
	if (class != CLASS_IN || record->type == TYPE_OPT)
		record->type = 0;
	else
		read_data(r, len, record);
	if (r->bad || r->at > end)
		record->type = 0;
	r->bad = false;
	r->at = end;
	return true;
}

static void
skip_question(struct reader *r, unsigned count)
{
	for (unsigned i = 0; i < count && !r->bad; i++) {
		get_name(r, NULL);
		(void)get_u32(r);
	}
}

/* The SOA of the authority section: primary server, and how long nothing may be believed (RFC 2308
 * 5). */
static uint32_t
read_authority(struct reader *r, unsigned count, struct slice *server_r)
{
	for (unsigned i = 0; i < count && i < RECORDS_MAX; i++) {
		unsigned type;
		uint32_t ttl, minimum = 0;
		size_t len;

		get_name(r, NULL);
		type = get_u16(r);
		(void)get_u16(r);
		ttl = get_u32(r);
		len = get_u16(r);
		if (r->bad || len > r->bytes.len - r->at)
			return 0;
		if (type == DNS_SOA && len >= 4) {
			const unsigned char *p = r->bytes.data + r->at + len - 4;

			minimum = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
			          (uint32_t)p[2] << 8 | p[3];
			get_name(r, server_r);
			return ttl < minimum ? ttl : minimum;
		}
		r->at += len;
	}
	return 0;
}

static enum status
read_answers(struct reader *r, unsigned count, struct dns_answer *answer)
{
	struct dns_record *records;
	size_t kept = 0;
	uint32_t ttl = UINT32_MAX;

	if (count > RECORDS_MAX)
		count = RECORDS_MAX;
	records = arena_new_array(r->arena, struct dns_record, count + 1);
	if (records == NULL)
		return STATUS_LIMIT;
	for (unsigned i = 0; i < count; i++) {
		if (!read_record(r, &records[kept])) {
			r->bad = true;
			break;
		}
		if (r->spent)
			return STATUS_LIMIT;
		if (records[kept].type == 0)
			continue;
		if (records[kept].ttl_s < ttl)
			ttl = records[kept].ttl_s;
		kept++;
	}
	answer->records = records;
	answer->record_count = kept;
	answer->ttl_s = ttl;
	return STATUS_OK;
}

enum status
dns_answer_read(struct arena *arena, struct slice bytes, struct slice name, unsigned type,
                struct dns_answer *answer_r)
{
	struct reader r = {.arena = arena, .bytes = bytes};
	struct dns_answer answer = {.outcome = DNS_ANSWERED, .name = name, .type = type};
	unsigned questions, answers, authorities, flags;

	(void)get_u16(&r);
	flags = get_u16(&r);
	questions = get_u16(&r);
	answers = get_u16(&r);
	authorities = get_u16(&r);
	(void)get_u16(&r);
	if (r.bad || !(flags & FLAG_RESPONSE << 8) || questions > 1)
		return STATUS_BAD;
	skip_question(&r, questions);
	if (r.bad)
		return STATUS_BAD;
	answer.rcode = flags & 15;
	answer.is_authenticated = (flags & FLAG_AUTHENTICATED) != 0;
	answer.is_truncated = (flags & FLAG_TRUNCATED << 8) != 0;
	if (read_answers(&r, answers, &answer) != STATUS_OK)
		return STATUS_LIMIT;
	if (answer.record_count == 0)
		answer.ttl_s = r.bad ? 0 : read_authority(&r, authorities, &answer.zone_server);
	if (answer.ttl_s > TTL_MAX)
		answer.ttl_s = TTL_MAX;
	*answer_r = answer;
	return STATUS_OK;
}
