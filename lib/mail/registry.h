/*
 * registry.h - where registries end and owners begin
 *
 * Owns: struct registry, the tables behind util_rb_tld, util_rb_2tld and util_rb_3tld.  Filled
 * while the configuration is read.  Host names are UTF-8 or plain octets; what is not ASCII goes
 * through IDNA (libidn2, non-transitional UTS 46 processing as in the reference).
 */
#ifndef WINNOW_MAIL_REGISTRY_H
#define WINNOW_MAIL_REGISTRY_H

#include "util/hashmap.h"

struct registry {
	struct arena *arena;
	struct hashmap tlds, two_level, three_level; /* lower-case ACE; value != NULL = there */
	size_t tld_max_len;
};

void registry_init(struct registry *registry, struct arena *arena);
/* level 1 util_rb_tld, 2 util_rb_2tld, 3 util_rb_3tld. false: no memory. */
bool registry_add(struct registry *registry, int level, struct slice name);
/* clear_util_rb: forgets all. */
void registry_clear(struct registry *registry);

/* "www.foo.co.uk" -> "www", "foo.co.uk".  is_ascii: the name is known to be ASCII, only lowered. */
void registry_split(const struct registry *registry, struct arena *arena, struct slice name,
                    bool is_ascii, struct slice *host_r, struct slice *domain_r);
/* The domain part alone ("trim_domain"). */
struct slice registry_domain(const struct registry *registry, struct arena *arena,
                             struct slice name, bool is_ascii);
/* Ends in a known top level domain and has a dot. */
bool registry_is_valid(const struct registry *registry, struct arena *arena, struct slice name,
                       bool is_ascii);
/* Host and domain of a URI; false when it has none that counts. An IP address is its own domain. */
bool registry_uri_domain(const struct registry *registry, struct arena *arena, struct slice uri,
                         struct slice *domain_r, struct slice *host_r);

/* Syntax of a host name of two or more labels ("is_fqdn_valid"). */
bool fqdn_is_valid(struct arena *arena, struct slice name, bool is_ascii);
/* ASCII-compatible lower-case form; names that cannot be converted come back as they are. */
struct slice idn_to_ascii(struct arena *arena, struct slice name);

#endif
