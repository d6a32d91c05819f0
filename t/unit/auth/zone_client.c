/*
 * zone_client.c - a dns_client that answers from a table, for tests
 */
#include "t/unit/auth/zone_client.h"

static bool
ask(struct dns_client *client, struct slice name, unsigned type, dns_answered *answered,
    void *context)
{
	struct zone_client *zone = client->data;

	return vec_push(zone->arena, &zone->questions,
	                (struct zone_question){name, type, answered, context}) != NULL;
}

void
zone_client_init(struct zone_client *zone, struct arena *arena)
{
	*zone = (struct zone_client){.arena = arena};
	zone->client = (struct dns_client){.ask = ask, .data = zone};
}

void
zone_add(struct zone_client *zone, const char *name, const char *type, const char *value)
{
	struct zone_row row = {.name = slice_from_cstr(name),
	                       .type = slice_from_cstr(type),
	                       .values = {slice_from_cstr(value)},
	                       .value_count = 1};

	(void)!vec_push(zone->arena, &zone->rows, row);
}

static struct slice
without_dot(struct slice name)
{
	return name.len > 0 && name.data[name.len - 1] == '.' ? slice_sub(name, 0, name.len - 1)
	                                                      : name;
}

static void
add_record(struct zone_client *zone, struct dns_record *record, const struct zone_row *row,
           unsigned type)
{
	struct slice value = row->values[0];
	struct slice *strings;

	record->type = type;
	record->name = row->name;
	record->ttl_s = 60;
	record->text = value;
	if (type == DNS_TXT || type == DNS_SPF) {
		strings = arena_new_array(zone->arena, struct slice, row->value_count);
		for (size_t i = 0; i < row->value_count; i++)
			strings[i] = row->values[i];
		record->strings = strings;
		record->string_count = row->value_count;
		for (size_t i = 1; i < row->value_count; i++)
			record->text = arena_concat(zone->arena, record->text, row->values[i]);
	} else if (type == DNS_MX) {
		record->target =
			without_dot(slice_trim(slice_from(value, slice_find_byte(value, ' ', 0))));
		/* The suites' table was made with a resolver that takes the root for a name. */
		if (record->target.len == 0)
			record->target = SLICE("empty.invalid");
	} else {
		record->target = without_dot(value);
	}
}

/* Rows of a name and type; false: it has none, nor anything else. */
static bool
find(struct zone_client *zone, struct slice name, unsigned type, struct dns_record *records,
     size_t *count, struct dns_answer *answer)
{
	bool is_known = false, is_found = false, is_timeout = slice_istarts(name, SLICE("error."));

	for (size_t i = 0; i < zone->rows.count; i++) {
		const struct zone_row *row = &zone->rows.items[i];

		if (!slice_ieq(without_dot(row->name), name))
			continue;
		is_known = true;
		if (slice_eq(row->type, SLICE("*"))) {
			is_timeout = true;
		} else if (dns_type_parse(row->type) == type) {
			is_found = true;
			if (slice_eq(row->values[0], SLICE("TIMEOUT")))
				answer->outcome = DNS_TIMEOUT;
			else if (slice_eq(row->values[0], SLICE("SERVFAIL")))
				answer->rcode = DNS_SERVFAIL;
			else
				add_record(zone, &records[(*count)++], row, type);
		}
	}
	if (is_timeout && !is_found)
		answer->outcome = DNS_TIMEOUT;
	return is_known;
}

static const struct dns_answer *
answer_of(struct zone_client *zone, const struct zone_question *question)
{
	struct dns_answer *answer = arena_new(zone->arena, struct dns_answer);
	struct dns_record *records =
		arena_new_array(zone->arena, struct dns_record, zone->rows.count + 20);
	struct slice name = without_dot(question->name);
	size_t count = 0, before;

	answer->name = question->name;
	answer->type = question->type;
	answer->is_authenticated = zone->is_authenticated;
	for (unsigned hop = 0; hop < 10; hop++) {
		if (!find(zone, name, question->type, records, &count, answer) &&
		    answer->outcome == DNS_ANSWERED)
			answer->rcode = DNS_NXDOMAIN;
		if (question->type == DNS_CNAME || answer->outcome != DNS_ANSWERED)
			break;
		before = count;
		if (count == 0 || records[count - 1].type == DNS_CNAME)
			(void)find(zone, name, DNS_CNAME, records, &count, &(struct dns_answer){0});
		if (count == before)
			break;
		name = records[count - 1].target;
	}
	answer->records = records;
	answer->record_count = count;
	return answer;
}

void
zone_run(struct zone_client *zone)
{
	while (zone->answered < zone->questions.count) {
		struct zone_question question = zone->questions.items[zone->answered++];

		question.answered(question.context, answer_of(zone, &question));
	}
}
