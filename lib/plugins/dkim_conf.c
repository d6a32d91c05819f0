/*
 * dkim_conf.c - directives of the DKIM plugin
 */
#include "plugins/dkim_scan.h"

#include "plugins/pending.h"

static bool
has_signer(const struct signer *signer, struct slice domain)
{
	for (; signer != NULL; signer = signer->next)
		if (slice_eq(signer->domain, domain))
			return true;
	return false;
}

/* ADDRGLOB [SDID] */
static enum conf_result
parse_from_dkim(struct conf_reader *reader, void *data, const struct directive *d,
                struct slice value)
{
	struct addrlist *list = (void *)((unsigned char *)data + d->offset);
	struct addrlist_entry *entry;
	struct signer *signer;
	struct slice glob, domain = SLICE("");

	if (value.len == 0)
		return CONF_MISSING;
	if (plugin_word_count(value) > 2 || !slice_next_word(&value, &glob))
		return CONF_INVALID;
	(void)slice_next_word(&value, &domain);
	entry = addrlist_add(list, reader->arena, glob);
	signer = arena_new(reader->arena, struct signer);
	domain = arena_dup_lower(reader->arena, domain);
	if (entry == NULL || signer == NULL || domain.data == NULL)
		return CONF_FAILED;
	if (has_signer(entry->data, domain))
		return CONF_OK;
	*signer = (struct signer){domain, entry->data};
	entry->data = signer;
	return CONF_OK;
}

/* Takes one signer off an entry; the entry goes with its last one. */
static bool
remove_signer(struct conf_reader *reader, struct addrlist *list, struct slice glob,
              struct slice domain)
{
	const struct signer *kept = NULL;
	struct addrlist_entry *entry;
	bool any = false;

	for (size_t i = 0; i < list->entries.count; i++)
		any |= slice_eq(list->entries.items[i]->glob, glob) &&
		       !list->entries.items[i]->removed;
	if (!any)
		return true;
	entry = addrlist_add(list, reader->arena, glob);
	if (entry == NULL)
		return false;
	for (const struct signer *s = entry->data; s != NULL; s = s->next) {
		struct signer *copy;

		if (slice_eq(s->domain, domain))
			continue;
		copy = arena_new(reader->arena, struct signer);
		if (copy == NULL)
			return false;
		*copy = (struct signer){s->domain, kept};
		kept = copy;
	}
	entry->data = (void *)(uintptr_t)kept;
	if (kept == NULL)
		(void)addrlist_remove(list, reader->arena, glob);
	return true;
}

static enum conf_result
parse_unwelcomelist_from_dkim(struct conf_reader *reader, void *data, const struct directive *d,
                              struct slice value)
{
	struct dkim_settings *settings = data;
	struct slice glob, domain = SLICE("");

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	if (plugin_word_count(value) > 2 || !slice_next_word(&value, &glob))
		return CONF_INVALID;
	(void)slice_next_word(&value, &domain);
	glob = arena_dup_lower(reader->arena, glob);
	domain = arena_dup_lower(reader->arena, domain);
	return remove_signer(reader, &settings->welcomelist_from_dkim, glob, domain) &&
	                       remove_signer(reader, &settings->def_welcomelist_from_dkim, glob,
	                                     domain)
	               ? CONF_OK
	               : CONF_FAILED;
}

static bool
is_override_domain(struct slice domain)
{
	for (size_t i = 0; i < domain.len; i++)
		if (!byte_is_alnum(domain.data[i]) && strchr("*._-", domain.data[i]) == NULL)
			return false;
	return domain.len > 0;
}

/* [@]domain [what] */
static enum conf_result
parse_adsp_override(struct conf_reader *reader, void *data, const struct directive *d,
                    struct slice value)
{
	static const char *const words[] = {"nxdomain",   "unknown",    "all",        "discardable",
	                                    "custom_low", "custom_med", "custom_high"};
	struct dkim_settings *settings = data;
	struct slice rest, domain = conf_split(arena_dup_lower(reader->arena, value), &rest);
	bool known = rest.len == 0;

	(void)d;
	if (domain.len == 0)
		return CONF_MISSING;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		known |= slice_eq(rest, slice_from_cstr(words[i]));
	if (domain.data[0] == '@')
		domain = slice_from(domain, 1);
	if (!known || !is_override_domain(domain))
		return CONF_INVALID;
	return conf_table_set(reader, &settings->adsp_override, domain,
	                      rest.len == 0 ? SLICE("discardable") : rest)
	               ? CONF_OK
	               : CONF_FAILED;
}

#define AT(field) offsetof(struct dkim_settings, field)
/* clang-format off */
const struct directive dkim_directives[DKIM_DIRECTIVES] = {
	{ "adsp_override", NULL, CONF_CUSTOM, CONF_USER, AT(adsp_override), NULL, parse_adsp_override },
	{ "def_welcomelist_from_dkim", "def_whitelist_from_dkim", CONF_CUSTOM, CONF_USER, AT(def_welcomelist_from_dkim), NULL, parse_from_dkim },
	{ "dkim_minimum_key_bits", NULL, CONF_NUMERIC, CONF_USER, AT(dkim_minimum_key_bits), "1024", NULL },
	{ "dkim_timeout", NULL, CONF_DURATION, CONF_ADMIN, AT(dkim_timeout), "5", NULL },
	{ "unwelcomelist_from_dkim", "unwhitelist_from_dkim", CONF_CUSTOM, CONF_USER, 0, NULL, parse_unwelcomelist_from_dkim },
	{ "welcomelist_from_dkim", "whitelist_from_dkim", CONF_CUSTOM, CONF_USER, AT(welcomelist_from_dkim), NULL, parse_from_dkim },
};
/* clang-format on */
