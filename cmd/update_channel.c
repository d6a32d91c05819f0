/*
 * update_channel.c - one channel brought up to date
 */
#include "cmd/update_channel.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check/filter.h"
#include "cmd/update_dns.h"
#include "cmd/update_fetch.h"
#include "cmd/update_mirrors.h"
#include "util/file.h"

enum {
	CONTENT_BYTES_MAX = 64 * 1024 * 1024,
	SMALL_BYTES_MAX = 1024 * 1024,
	MIRRORS_AGE_MAX_S = 7 * 24 * 60 * 60,
	NEXT_MIRROR_AFTER_S = 2
};

/* A channel that is being worked on. */
struct work {
	struct update *u;
	const char *channel;
	const char *name; /* as a file name */
	long long version;
	struct slice content, signature, sha512, sha256;
	struct slice mirrors; /* fetched just now; data NULL: none */
	update_file_vec files;
};

static void
channel_failed(const struct work *w, const char *reason)
{
	log_warn(w->u->log, NULL, "channel '%s': %s, channel failed", w->channel, reason);
	w->u->failed++;
}

static const char *
text_of(const struct work *w, struct slice text)
{
	const char *s = text.data == NULL ? NULL : arena_cstr(w->u->arena, text);

	return s == NULL ? "" : s;
}

/* ---- versions ---- */

static bool
ask_txt(const struct work *w, const char *prefix, slice_vec *texts_r)
{
	struct update *u = w->u;
	struct slice name = arena_printf(u->arena, "%s.%s", prefix, w->channel);
	const char *query = text_of(w, name);
	struct error error;

	if (update_dns_txt(u->arena, query, u->log, texts_r, &error) != STATUS_OK) {
		log_debug(u->log, "dns", "query failed: %s => %s", query, error.text);
		if (u->verbose > 1)
			printf("DNS TXT query %s failed: %s\n", query, error.text);
		return false;
	}
	if (u->verbose > 1)
		printf("DNS TXT query: %s ->", query);
	for (size_t i = 0; i < texts_r->count; i++) {
		struct slice shown = log_quote(u->arena, texts_r->items[i], 200);

		if (u->verbose > 1)
			printf("%s %.*s", i > 0 ? "," : "", SLICE_FMT(shown));
		log_debug(u->log, "dns", "%s => %.*s", query, SLICE_FMT(shown));
	}
	if (u->verbose > 1)
		puts("");
	return true;
}

static bool
leading_number(struct slice text, long long *number_r)
{
	unsigned long long number;

	if (!slice_to_u64(slice_sub(text, 0, slice_span(text, "0123456789", 0)), LLONG_MAX,
	                  &number))
		return false;
	*number_r = (long long)number;
	return true;
}

/* The last run of at least three digits in the file's name. */
static bool
version_of_file(const char *file, long long *number_r)
{
	size_t end = strlen(file);

	while (end > 0) {
		size_t begin = end;
		unsigned long long number;

		while (begin > 0 && byte_is_digit((unsigned char)file[begin - 1]))
			begin--;
		if (end - begin >= 3 &&
		    slice_to_u64(slice_of(file + begin, end - begin), LLONG_MAX, &number)) {
			*number_r = (long long)number;
			return true;
		}
		end = begin == end ? end - 1 : begin;
	}
	return false;
}

/* true: there is something to install. */
static bool
find_version(struct work *w)
{
	struct update *u = w->u;
	long long current = update_store_version(&u->store, w->name);
	slice_vec texts;

	/* versions of SpamAssassin have their labels turned round: 4.0.1 asks for 1.0.4 */
	if (!ask_txt(w, "1.0.4", &texts) || !leading_number(texts.items[0], &w->version)) {
		if (ask_txt(w, "mirrors", &texts))
			log_debug(u->log, "channel", "no updates available, skipping channel");
		else
			channel_failed(
				w, text_of(w, arena_printf(u->arena, "no 'mirrors.%s' record found",
			                                   w->channel)));
		return false;
	}
	if (current >= w->version) {
		log_debug(u->log, "channel",
		          "current version is %lld, new version is %lld, skipping channel", current,
		          w->version);
		return false;
	}
	if (u->verbose > 0)
		printf("Update available for channel %s: %lld -> %lld\n", w->channel, current,
		       w->version);
	if (!u->check_only)
		return true;
	log_debug(u->log, "channel", "%s: update available, not downloading in checkonly mode",
	          w->channel);
	u->updated++;
	return false;
}

/* ---- download ---- */

static bool
fetch(const struct work *w, const char *url, time_t since, size_t bytes_max, struct slice *body_r,
      bool *same_r)
{
	struct update *u = w->u;
	const struct update_fetch options = {url, u->family, since, bytes_max};
	struct error error;
	enum status status;

	if (u->verbose > 1)
		printf("fetching %s\n", url);
	log_debug(u->log, "http", "url: %s", url);
	status = update_fetch(u->arena, &options, body_r, &error);
	*same_r = status == STATUS_NONE;
	if (status == STATUS_OK || status == STATUS_NONE) {
		if (u->verbose > 0)
			printf("http: (curl) GET %s, success\n", url);
		return true;
	}
	log_debug(u->log, "http", "GET %s request failed: %s", url, error.text);
	if (u->verbose > 0)
		printf("http: (curl) GET %s, FAILED, status: %s\n", url, error.text);
	return false;
}

static double
random_share(void)
{
	unsigned value = 0;

	(void)!getrandom(&value, sizeof(value), 0);
	return (double)value / 4294967296.0;
}

/* A list of mirrors from one of the places that DNS names. */
static bool
fetch_mirrors(struct work *w, time_t since, bool *same_r)
{
	struct update *u = w->u;
	slice_vec urls;

	log_debug(u->log, "channel", "DNS lookup on mirrors.%s", w->channel);
	if (!ask_txt(w, "mirrors", &urls)) {
		log_warn(u->log, NULL, "error: no mirror data available for channel %s",
		         w->channel);
		return false;
	}
	while (urls.count > 0) {
		size_t i = (size_t)(random_share() * (double)urls.count);
		struct slice body = SLICE("");

		if (fetch(w, text_of(w, urls.items[i]), since, SMALL_BYTES_MAX, &body, same_r) &&
		    (*same_r || body.len > 0)) {
			if (!*same_r)
				w->mirrors = body;
			log_debug(u->log, "channel", "MIRRORED.BY file for channel %s retrieved",
			          w->channel);
			return true;
		}
		log_debug(u->log, "channel", "no mirror data available for channel %s from %.*s",
		          w->channel, SLICE_FMT(log_quote(u->arena, urls.items[i], 200)));
		urls.items[i] = urls.items[--urls.count];
	}
	return false;
}

/* The list that is there, when it is young enough, else a fresh one, else the old one. */
static bool
find_mirrors(struct work *w, struct slice *text_r)
{
	struct update *u = w->u;
	struct error error;
	time_t modified = 0;
	enum status status = update_store_mirrors(&u->store, w->name, text_r, &modified, &error);
	bool is_there = status == STATUS_OK, same = false;

	if (is_there && !u->refresh_mirrors && time(NULL) - modified <= MIRRORS_AGE_MAX_S)
		return true;
	log_debug(u->log, "channel", "%s",
	          !is_there ? "no mirror file, will fetch it" : "refreshing mirrors file");
	if (fetch_mirrors(w, 0, &same)) {
		*text_r = w->mirrors;
		if (update_store_set_mirrors(&u->store, w->name, w->mirrors, &error) != STATUS_OK)
			log_warn(u->log, "channel", "%s", error.text);
		return true;
	}
	if (is_there)
		log_warn(u->log, NULL,
		         "error: unable to refresh mirrors file for channel %s, using old file",
		         w->channel);
	else
		channel_failed(w, "MIRRORED.BY file contents were missing");
	return is_there;
}

/* The archive, and what it is checked by. */
static bool
fetch_from(struct work *w, const char *mirror)
{
	struct update *u = w->u;
	const char *base = text_of(w, arena_printf(u->arena, "%s/%lld.tar.gz", mirror, w->version));
	bool same;

	log_debug(u->log, "channel", "selected mirror %s", mirror);
	w->content = w->signature = w->sha512 = w->sha256 = SLICE("");
	if (!fetch(w, base, 0, CONTENT_BYTES_MAX, &w->content, &same) || w->content.len == 0) {
		log_debug(u->log, "channel", "failed to get %lld.tar.gz from mirror %s", w->version,
		          mirror);
		return false;
	}
	if (u->use_gpg) {
		if (fetch(w, text_of(w, arena_printf(u->arena, "%s.asc", base)), 0, SMALL_BYTES_MAX,
		          &w->signature, &same) &&
		    w->signature.len > 0)
			return true;
		log_debug(u->log, "channel", "No GPG/asc file available from %s", mirror);
		return false;
	}
	if ((fetch(w, text_of(w, arena_printf(u->arena, "%s.sha512", base)), 0, SMALL_BYTES_MAX,
	           &w->sha512, &same) &&
	     w->sha512.len > 0) ||
	    (fetch(w, text_of(w, arena_printf(u->arena, "%s.sha256", base)), 0, SMALL_BYTES_MAX,
	           &w->sha256, &same) &&
	     w->sha256.len > 0))
		return true;
	log_debug(u->log, "channel", "No sha512 or sha256 file available from %s", mirror);
	return false;
}

static bool
download(struct work *w)
{
	struct update *u = w->u;
	update_mirror_vec mirrors;
	struct slice text;
	const char *mirror;

	if (!find_mirrors(w, &text))
		return false;
	update_mirrors_parse(u->arena, text, u->log, &mirrors);
	if (u->force_mirror != NULL) {
		log_debug(u->log, "channel", "found mirror %s (forced)", u->force_mirror);
		mirrors.count = 0;
		(void)vec_push(u->arena, &mirrors, (struct update_mirror){u->force_mirror, 1});
	}
	if (mirrors.count == 0) {
		log_warn(u->log, NULL, "error: no mirrors available for channel %s", w->channel);
		channel_failed(w, "no mirrors available");
		return false;
	}
	while ((mirror = update_mirrors_take(&mirrors, random_share())) != NULL) {
		if (fetch_from(w, mirror))
			return true;
		if (mirrors.count > 0)
			(void)sleep(NEXT_MIRROR_AFTER_S);
	}
	channel_failed(w, "could not find working mirror");
	return false;
}

/* ---- --install FILE ---- */

static bool
read_beside(const struct work *w, const char *suffix, size_t bytes_max, struct slice *text_r,
            bool *fatal_r)
{
	const char *path = text_of(w, arena_printf(w->u->arena, "%s%s", w->u->install, suffix));
	struct error error;
	enum status status = file_read(w->u->arena, path, bytes_max, text_r, &error);

	*fatal_r = status != STATUS_OK || text_r->len == 0;
	if (status != STATUS_OK)
		log_warn(w->u->log, NULL, "cannot open %s", path);
	else if (*fatal_r)
		log_warn(w->u->log, NULL, "empty file %s", path);
	return !*fatal_r;
}

static bool
read_install(struct work *w, bool *fatal_r)
{
	struct update *u = w->u;
	const char *sha512 = text_of(w, arena_printf(u->arena, "%s.sha512", u->install));
	const char *sha256 = text_of(w, arena_printf(u->arena, "%s.sha256", u->install));

	log_debug(u->log, "channel", "using --install files %s{,.asc,.sha512,.sha256}", u->install);
	if (!read_beside(w, "", CONTENT_BYTES_MAX, &w->content, fatal_r) ||
	    (access(sha512, F_OK) == 0 &&
	     !read_beside(w, ".sha512", SMALL_BYTES_MAX, &w->sha512, fatal_r)) ||
	    (access(sha256, F_OK) == 0 &&
	     !read_beside(w, ".sha256", SMALL_BYTES_MAX, &w->sha256, fatal_r)) ||
	    (u->use_gpg && !read_beside(w, ".asc", SMALL_BYTES_MAX, &w->signature, fatal_r)))
		return false;
	if (u->use_gpg || w->sha512.len > 0 || w->sha256.len > 0)
		return true;
	channel_failed(
		w, text_of(w, arena_printf(u->arena, "missing checksum files %s{,.sha512,.sha256}",
	                                   u->install)));
	return false;
}

/* ---- checks ---- */

static bool
sum_is_good(const struct work *w, const char *label, const EVP_MD *kind, struct slice wanted)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	bool good;

	if (wanted.len == 0)
		return true;
	good = EVP_Digest(w->content.data, w->content.len, digest, &len, kind, NULL) == 1 &&
	       wanted.len >= 2 * (size_t)len &&
	       (wanted.len == 2 * (size_t)len || !byte_is_word(wanted.data[2 * len]));
	for (size_t i = 0; good && i < len; i++)
		good = byte_hex_value(wanted.data[2 * i]) == digest[i] >> 4 &&
		       byte_hex_value(wanted.data[2 * i + 1]) == (digest[i] & 15);
	log_debug(w->u->log, label, "verification %s", good ? "passed" : "failed");
	return good;
}

static const char no_trusted_key[] =
	"The update was downloaded, but no trusted GPG key has signed it.  It is signed by these\n"
	"keys, which are not in the keyring:\n\n    %s\n\n"
	"If they are those of the channel, import them; for example:\n\n"
	"    curl -O https://spamassassin.apache.org/updates/GPG.KEY\n"
	"    sa-update --import GPG.KEY\n\n";

static bool
signature_is_good(const struct work *w)
{
	struct update *u = w->u;
	struct update_file pair[] = {{SLICE("content"), w->content},
	                             {SLICE("signature"), w->signature}};
	const update_file_vec files = {pair, 2, 2};
	const char *content = text_of(w, arena_printf(u->arena, "%s/content", u->temporary));
	const char *signature = text_of(w, arena_printf(u->arena, "%s/signature", u->temporary));
	struct update_signature result = {0};
	struct error error;

	if (update_files_write(u->temporary, &files, &error) != STATUS_OK)
		log_warn(u->log, NULL, "fatal: %s", error.text);
	else
		update_gpg_verify(&u->gpg, signature, content, &result);
	(void)unlink(content);
	(void)unlink(signature);
	if (result.good)
		return true;
	log_warn(u->log, NULL, "error: GPG validation failed!");
	if (result.missing_keys.len > 0)
		fprintf(stderr, no_trusted_key, text_of(w, result.missing_keys));
	else
		fputs("The update was downloaded, but its GPG signature is not good.\n", stderr);
	return false;
}

static bool
is_genuine(struct work *w)
{
	if (!sum_is_good(w, "sha512", EVP_sha512(), w->sha512)) {
		channel_failed(w, "SHA512 verification failed");
		return false;
	}
	if (!sum_is_good(w, "sha256", EVP_sha256(), w->sha256)) {
		channel_failed(w, "SHA256 verification failed");
		return false;
	}
	if (w->signature.len > 0 && !signature_is_good(w)) {
		channel_failed(w, "GPG validation failed");
		return false;
	}
	log_debug(w->u->log, "channel", "file verification passed, testing update");
	return true;
}

/* ---- lint ---- */

static bool
make_temporary(struct update *u)
{
	const char *dir = getenv("TMPDIR");

	if (u->temporary[0] != '\0')
		return true;
	snprintf(u->temporary, sizeof(u->temporary), "%s/.spamassassinXXXXXX",
	         dir == NULL || dir[0] == '\0' || strlen(dir) > 200 ? "/tmp" : dir);
	if (mkdtemp(u->temporary) == NULL) {
		log_warn(u->log, NULL, "fatal: could not create temporary directory: %s",
		         strerror(errno));
		u->temporary[0] = '\0';
		return false;
	}
	log_debug(u->log, "channel", "created tmp directory %s", u->temporary);
	return true;
}

/* The site's .pre files, and these rules. */
static bool
is_good_configuration(struct work *w, const update_file_vec *files)
{
	struct update *u = w->u;
	const char *dir = text_of(w, arena_printf(u->arena, "%s/rules", u->temporary));
	struct filter_options options = {
		.rules_path = dir,
		/* a channel of scores alone is right, too */
		.post_text = "body __SA_UPDATE_LINT /sa-update lint/\n",
		.ignore_site = true,
		.local_tests_only = true,
		.lint = true,
		.no_learning = true,
		.log = u->log,
	};
	struct error error = {""};
	struct filter *filter = NULL;
	bool good = false;

	if (mkdir(dir, 0700) == 0 && update_files_write(dir, files, &error) == STATUS_OK)
		filter = filter_create(&options, &error);
	if (filter != NULL)
		good = filter->errors == 0;
	else
		log_warn(u->log, "channel", "%s", error.text);
	filter_destroy(&filter);
	update_dir_remove(dir);
	return good;
}

static bool
check_site(struct work *w)
{
	const update_file_vec none = {0};
	struct update *u = w->u;

	if (u->site_checked)
		return true;
	log_debug(u->log, "generic",
	          "lint checking site pre files once before attempting channel updates");
	u->site_checked = is_good_configuration(w, &none);
	if (u->site_checked)
		return true;
	log_debug(u->log, "generic", "lint of site pre files failed, cannot continue");
	if (u->verbose > 0)
		puts("Lint of site pre files failed, cannot continue");
	u->site_is_bad = true;
	return false;
}

/* ---- the whole ---- */

static bool
unpack(struct work *w)
{
	struct update *u = w->u;
	struct error error;

	log_debug(u->log, "channel", "extracting archive");
	if (update_tar_read(u->arena, w->content, &w->files, &error) != STATUS_OK) {
		log_warn(u->log, NULL, "error: the archive is not usable: %s", error.text);
		channel_failed(w, "archive extraction failed");
		return false;
	}
	for (size_t i = 0; i < w->files.count; i++) {
		struct update_file *file = &w->files.items[i];

		if (!update_is_config(file->name))
			continue;
		file->text = update_rewrite(u->arena, &u->rewrite, file->text);
		if (file->text.data == NULL) {
			channel_failed(w, "archive extraction failed");
			return false;
		}
	}
	return true;
}

static void
install(struct work *w)
{
	struct update *u = w->u;
	const struct update_install job = {w->name, w->version, &w->files, w->mirrors};
	struct error error;

	if (!unpack(w))
		return;
	if (!is_good_configuration(w, &w->files)) {
		channel_failed(w, "lint check of update failed");
		return;
	}
	log_debug(u->log, "channel", "lint check succeeded, installing into %s/%s", u->store.dir,
	          w->name);
	if (update_store_install(&u->store, &job, &error) != STATUS_OK) {
		log_warn(u->log, "channel", "%s; the channel is as it was", error.text);
		channel_failed(w, "installation failed");
		return;
	}
	u->updated++;
	log_debug(u->log, "channel", "update complete");
}

static const char *
file_name(struct arena *arena, const char *channel)
{
	char *name = arena_cstr(arena, slice_from_cstr(channel));
	size_t n = 0;

	/* runs of other bytes are one "_" */
	for (size_t i = 0; name != NULL && name[i] != '\0'; i++) {
		bool plain = byte_is_alnum((unsigned char)name[i]) || name[i] == '-';

		if (plain)
			name[n++] = name[i];
		else if (i == 0 || byte_is_alnum((unsigned char)channel[i - 1]) ||
		         channel[i - 1] == '-')
			name[n++] = '_';
	}
	if (name != NULL)
		name[n] = '\0';
	return name;
}

bool
update_channel(struct update *u, const char *channel)
{
	struct work w = {.u = u, .channel = channel, .name = file_name(u->arena, channel)};
	bool fatal = false;

	if (w.name == NULL)
		return false;
	log_debug(u->log, "channel", "attempting channel %s", channel);
	log_debug(u->log, "channel", "channel cf file %s/%s.cf", u->store.dir, w.name);
	log_debug(u->log, "channel", "channel pre file %s/%s.pre", u->store.dir, w.name);
	if (u->install == NULL) {
		if (!find_version(&w))
			return true;
	} else if (!version_of_file(u->install, &w.version)) {
		log_warn(u->log, "channel",
		         "%s: --install file %s does not contain a 3-digit version number!",
		         channel, u->install);
		return false;
	} else if (u->check_only) {
		log_debug(u->log, "channel",
		          "%s: --install and --checkonly, claiming update available", channel);
		u->updated++;
		return true;
	}
	if (!make_temporary(u) || !check_site(&w))
		return false;
	if ((u->install != NULL ? read_install(&w, &fatal) : download(&w)) && is_genuine(&w))
		install(&w);
	return !fatal;
}

void
update_clean(struct update *u)
{
	if (u->temporary[0] != '\0')
		update_dir_remove(u->temporary);
	u->temporary[0] = '\0';
}
