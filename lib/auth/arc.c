/*
 * arc.c - chains of ARC sets
 */
#include "auth/arc.h"

/* ---- instances of fields ---- */

static bool
is_named(const struct dkim_field *field, struct slice name)
{
	return slice_eq(field->name, name);
}

/* The last "i=DIGITS" that begins a tag, as the reference's pattern finds it. */
static unsigned
sealed_instance(struct slice text, struct slice name)
{
	unsigned long long found = 0, number;
	size_t at = name.len + 1;

	if (!slice_istarts(text, name) || text.len <= name.len || text.data[name.len] != ':')
		return 0;
	while (at != 0 && at <= text.len) {
		size_t end;

		while (at < text.len && byte_is_space(text.data[at]))
			at++;
		if (at + 2 < text.len && byte_lower(text.data[at]) == 'i' &&
		    text.data[at + 1] == '=' && byte_is_digit(text.data[at + 2])) {
			for (end = at + 2; end < text.len && byte_is_digit(text.data[end]);)
				end++;
			if (!slice_to_u64(slice_sub(text, at + 2, end - at - 2), ARC_INSTANCES_MAX,
			                  &number))
				number = 0;
			found = number;
		}
		at = slice_find_byte(text, ';', at) + 1;
	}
	return (unsigned)found;
}

/* i= of a tag list, or of the beginning of ARC-Authentication-Results; 0: none that counts. */
static unsigned
strict_instance(struct slice value)
{
	unsigned long long number = 0;
	struct slice tag;
	size_t equals;

	while (slice_next(&value, ';', &tag)) {
		equals = slice_find_byte(tag, '=', 0);
		if (equals == SLICE_NPOS ||
		    !slice_eq(slice_trim(slice_sub(tag, 0, equals)), SLICE("i")))
			continue;
		if (!slice_to_u64(slice_trim(slice_from(tag, equals + 1)), ARC_RFC_INSTANCES_MAX,
		                  &number))
			return 0;
		return (unsigned)number;
	}
	return 0;
}

/* Instance of ARC-Authentication-Results anywhere in a field, as the reference looks for it. */
static bool
results_instance(struct slice text, unsigned long long *number_r)
{
	static const char name[] = "ARC-Authentication-Results:";
	size_t at = 0;

	while ((at = slice_ifind(text, slice_from_cstr(name), at)) != SLICE_NPOS) {
		struct slice rest = slice_ltrim(slice_from(text, at + sizeof(name) - 1));
		size_t end = 2;

		at += sizeof(name) - 1;
		if (!slice_istarts(rest, SLICE("i=")))
			continue;
		while (end < rest.len && byte_is_digit(rest.data[end]))
			end++;
		if (end == 2 || !slice_starts(slice_ltrim(slice_from(rest, end)), SLICE(";")))
			continue;
		if (!slice_to_u64(slice_sub(rest, 2, end - 2), 1ULL << 62, number_r))
			*number_r = 1ULL << 62;
		return true;
	}
	return false;
}

static void
note_field(struct dkim_verifier *v, size_t index)
{
	static const char *const names[] = {"arc-authentication-results", "arc-message-signature",
	                                    "arc-seal"};
	struct arc_chain *arc = v->arc;
	const struct dkim_field *field = &v->fields.items[index];
	size_t colon;
	unsigned i, strict;

	for (unsigned k = 0; k < 3; k++) {
		if (!is_named(field, slice_from_cstr(names[k])))
			continue;
		if (arc->sets == NULL)
			arc->sets =
				arena_new_array(v->arena, struct arc_set, ARC_INSTANCES_MAX + 1);
		if (arc->sets == NULL)
			return;
		i = sealed_instance(field->text, slice_from_cstr(names[k]));
		colon = slice_find_byte(field->text, ':', 0);
		strict = strict_instance(slice_from(field->text, colon + 1));
		if (i > 0) {
			size_t *first = k == 0   ? &arc->sets[i].aar_field
			                : k == 1 ? &arc->sets[i].message_field
			                         : &arc->sets[i].seal_field;

			if (*first == 0)
				*first = index + 1;
		}
		if (strict == 0) {
			arc->is_malformed = true;
			return;
		}
		if (strict > arc->last)
			arc->last = strict;
		*(k == 0   ? &arc->sets[strict].results
		  : k == 1 ? &arc->sets[strict].messages
		           : &arc->sets[strict].seals) += 1;
	}
}

void
arc_begin(struct dkim_verifier *v)
{
	for (size_t i = 0; i < v->fields.count; i++)
		if (slice_starts(v->fields.items[i].name, SLICE("arc-")))
			note_field(v, i);
}

/* ---- as the reference does ---- */

static void
give_up(struct arc_chain *arc, const char *result, const char *detail)
{
	arc->result = result;
	arc->detail = detail;
	arc->is_broken = true;
}

static bool
has_letter(struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (byte_is_alpha(name.data[i]))
			return true;
	return false;
}

static const char *
tag_problem(const struct dkim_tags *tags)
{
	size_t count = tags->items.count;

	if (count > 0 && tags->items.items[count - 1].is_empty)
		count--;
	if (count != tags->distinct)
		return "Duplicate tag in signature";
	for (size_t i = 0; i < count; i++)
		if (!has_letter(tags->items.items[i].name))
			return "Invalid tag in signature";
	return NULL;
}

void
arc_add(struct dkim_verifier *v)
{
	struct arc_chain *arc = v->arc;
	struct dkim_signature *signature = &v->arc_signatures.items[v->arc_signatures.count - 1];
	bool is_seal = signature->kind == DKIM_ARC_SEAL;
	const char *problem = tag_problem(&signature->tags);
	unsigned long long number = 0;
	size_t *slot;

	if (problem != NULL) {
		give_up(arc, "fail", problem);
		return;
	}
	if (arc->sets == NULL ||
	    !slice_to_u64(dkim_tags_get(&signature->tags, SLICE("i")), ARC_INSTANCES_MAX,
	                  &number) ||
	    number == 0) {
		give_up(arc, "fail",
		        is_seal ? "Invalid ARC-Seal instance"
		                : "Invalid ARC-Message-Signature instance");
		return;
	}
	signature->instance = (unsigned)number;
	slot = is_seal ? &arc->sets[number].seal : &arc->sets[number].message;
	if (*slot != 0) {
		give_up(arc, "fail",
		        is_seal ? "Redundant ARC-Seal" : "Redundant ARC-Message-Signature");
		return;
	}
	*slot = v->arc_signatures.count;
}

/* Two ARC-Authentication-Results of one instance (0 is always taken). */
static bool
has_duplicate_results(struct dkim_verifier *v)
{
	struct hashmap seen;
	unsigned long long number;

	hashmap_init(&seen, v->arena);
	for (size_t i = 0; i < v->fields.count; i++) {
		unsigned long long *key;
		bool added = false;

		if (!results_instance(v->fields.items[i].text, &number))
			continue;
		if (number == 0)
			return true;
		key = arena_new(v->arena, unsigned long long);
		if (key == NULL)
			return true;
		*key = number;
		if (hashmap_put(&seen, slice_of(key, sizeof(*key)), &added) == NULL || !added)
			return true;
	}
	return false;
}

void
arc_finish_header(struct dkim_verifier *v)
{
	struct arc_chain *arc = v->arc;
	bool any_alive = false;

	if (v->arc_signatures.count == 0) {
		/* Unparsed fields alone leave its result open; for us: none. */
		give_up(arc, "none", "no ARC headers found");
		return;
	}
	if (has_duplicate_results(v)) {
		give_up(arc, "fail", "Duplicate ARC-Authentication-Results header");
		return;
	}
	for (size_t i = 0; i < v->arc_signatures.count; i++)
		any_alive |= v->arc_signatures.items[i].result == DKIM_UNDEFINED &&
		             v->arc_signatures.items[i].key != NULL;
	if (!any_alive && !arc->is_broken)
		give_up(arc, "invalid", v->arc_signatures.items[0].detail);
}

void
arc_each_sealed(const struct dkim_verifier *v, const struct dkim_signature *seal,
                void (*add)(void *data, size_t field), void *data)
{
	const struct arc_set *sets = v->arc->sets;

	if (sets == NULL)
		return;
	for (unsigned i = 1; i <= seal->instance; i++) {
		if (sets[i].aar_field > 0)
			add(data, sets[i].aar_field - 1);
		if (sets[i].message_field > 0)
			add(data, sets[i].message_field - 1);
		if (i < seal->instance && sets[i].seal_field > 0)
			add(data, sets[i].seal_field - 1);
	}
}

static const struct dkim_signature *
signature_at(const struct dkim_verifier *v, size_t number)
{
	return number == 0 ? NULL : &v->arc_signatures.items[number - 1];
}

static struct slice
chain_value(const struct dkim_signature *seal)
{
	return dkim_tags_get(&seal->tags, SLICE("cv"));
}

static void
decide(struct arc_chain *arc, const char *result, const char *detail)
{
	arc->result = result;
	arc->detail = detail;
}

/* Every instance up to the last seal has both signatures; *last_r 0: it was decided. */
static unsigned
check_structure(struct dkim_verifier *v)
{
	struct arc_chain *arc = v->arc;
	unsigned seals = 0, messages = 0;

	for (unsigned i = 1; arc->sets != NULL && i <= ARC_INSTANCES_MAX; i++) {
		if (arc->sets[i].seal > 0)
			seals = i;
		if (arc->sets[i].message > 0)
			messages = i;
	}
	if (seals == 0 && messages == 0) {
		decide(arc, "none", "no ARC headers found");
		return 0;
	}
	if (messages > seals) {
		decide(arc, "fail", "missing ARC-Seal");
		return 0;
	}
	for (unsigned i = 1; i <= seals; i++)
		if (arc->sets[i].seal == 0 || arc->sets[i].message == 0) {
			decide(arc, "fail",
			       arc->sets[i].seal == 0 ? "missing ARC-Seal"
			                              : "missing ARC-Message-Signature");
			return 0;
		}
	return seals;
}

static void
check_chain(struct dkim_verifier *v)
{
	struct arc_chain *arc = v->arc;
	unsigned last = check_structure(v);
	const struct dkim_signature *message;

	if (last == 0)
		return;
	for (unsigned i = 1; i <= last; i++) {
		const struct dkim_signature *seal = signature_at(v, arc->sets[i].seal);

		if (seal->result != DKIM_PASS) {
			decide(arc, dkim_result_name(seal->result), seal->detail);
			return;
		}
	}
	for (unsigned i = 1; i <= last; i++)
		if (!slice_eq(chain_value(signature_at(v, arc->sets[i].seal)),
		              i == 1 ? SLICE("none") : SLICE("pass"))) {
			decide(arc, "fail",
			       i == 1 ? "first ARC-Seal must be cv=none" : "wrong cv for ARC-Seal");
			return;
		}
	message = signature_at(v, arc->sets[last].message);
	decide(arc, dkim_result_name(message->result), message->detail);
}

/* ---- as the RFC says ---- */

static bool
is_rfc_temporary(const struct dkim_signature *signature)
{
	return signature->rfc == AUTH_TEMPERROR;
}

static const char *
rfc_set_problem(const struct dkim_verifier *v, unsigned i, bool *is_temporary_r)
{
	const struct arc_set *set = &v->arc->sets[i];
	const struct dkim_signature *seal = signature_at(v, set->seal),
				    *message = signature_at(v, set->message);

	if (set->results != 1 || set->messages != 1 || set->seals != 1 || seal == NULL ||
	    message == NULL)
		return "a set is not complete";
	if (!slice_eq(chain_value(seal), i == 1 ? SLICE("none") : SLICE("pass")))
		return "wrong cv";
	if (dkim_tags_find(&seal->tags, SLICE("h")) != NULL)
		return "ARC-Seal with h=";
	if (seal->rfc != AUTH_PASS) {
		*is_temporary_r |= is_rfc_temporary(seal);
		return seal->rfc_detail != NULL ? seal->rfc_detail : "ARC-Seal does not verify";
	}
	if (i == v->arc->last && message->rfc != AUTH_PASS) {
		*is_temporary_r |= is_rfc_temporary(message);
		return message->rfc_detail != NULL ? message->rfc_detail
		                                   : "ARC-Message-Signature does not verify";
	}
	return NULL;
}

static void
check_rfc(struct dkim_verifier *v)
{
	struct arc_chain *arc = v->arc;
	bool is_temporary = false;

	arc->rfc = AUTH_NONE;
	if (arc->sets == NULL)
		return;
	arc->rfc = AUTH_FAIL;
	if (arc->is_malformed || arc->last == 0 || v->has_unparsed_arc) {
		arc->rfc_detail = "malformed field";
		return;
	}
	for (unsigned i = 1; i <= arc->last; i++) {
		arc->rfc_detail = rfc_set_problem(v, i, &is_temporary);
		if (arc->rfc_detail != NULL) {
			arc->rfc = is_temporary ? AUTH_TEMPERROR : AUTH_FAIL;
			return;
		}
	}
	arc->rfc = AUTH_PASS;
}

void
arc_finish(struct dkim_verifier *v)
{
	if (!v->arc->is_broken)
		check_chain(v);
	check_rfc(v);
}
