/*
 * bayes_expire.c - old tokens go
 */
#include "plugins/bayes_expire.h"

#include "util/clock.h"

enum {
	KEEP_MIN = 100000, /* tokens, whatever is configured */
	REDUCE_MIN = 1000, /* fewer are not worth the work */
	AGAIN_S = 43200,   /* not more often, and no younger tokens */
	EXPONENT_MAX = 9,  /* ages tried: AGAIN_S << 0 ... 9 */
	OLD_EXPIRY_S = 86400 * 30
};
static const double keep_share = 0.75;

bool
bayes_expiry_is_due(const struct core_settings *core, const struct store_variables *v,
                    int64_t now_s)
{
	return core->bayes_auto_expire && now_s - v->last_expire >= AGAIN_S &&
	       v->tokens > KEEP_MIN && (double)v->tokens >= core->bayes_expiry_max_db_size &&
	       v->newest_atime - v->oldest_atime >= AGAIN_S;
}

/* ---- which age ---- */

struct ages {
	int64_t newest;
	uint64_t older[EXPONENT_MAX + 1]; /* tokens older than AGAIN_S << i */
};

static bool
count_ages(void *data, const struct store_token *token)
{
	struct ages *ages = data;
	int64_t age = ages->newest - token->counts.atime;

	for (int i = 0; i <= EXPONENT_MAX && age >= (int64_t)AGAIN_S << i; i++)
		ages->older[i]++;
	return true;
}

/* The greatest age that removes enough, or the next greater if that would be too much. */
static int64_t
age_by_counting(struct store *store, int64_t newest, uint64_t goal, enum status *status_r,
                struct error *error)
{
	struct ages ages = {.newest = newest};
	int i;

	*status_r = store_each_token(store, count_ages, &ages, error);
	for (i = EXPONENT_MAX; i >= 0; i--)
		if (ages.older[i] > goal) {
			i++;
			break;
		}
	i = i < 0 ? 0 : i;
	return i > EXPONENT_MAX || ages.older[i] < REDUCE_MIN ? 0 : (int64_t)AGAIN_S << i;
}

/* What the last expiry did says how old they must be now; 0: it says nothing. */
static int64_t
age_by_history(const struct store_variables *v, uint64_t goal, int64_t now_s)
{
	double reduced = (double)v->last_expire_reduction, wanted = (double)goal, ratio;
	int64_t age;

	if (v->last_expire_reduction < REDUCE_MIN || now_s - v->last_expire > OLD_EXPIRY_S ||
	    v->last_expire_delta < AGAIN_S)
		return 0;
	age = (int64_t)((double)v->last_expire_delta * reduced / wanted);
	ratio = reduced > wanted ? reduced / wanted : wanted / reduced;
	return age < AGAIN_S || ratio > 1.5 ? 0 : age;
}

/* ---- what would be left ---- */

struct survivors {
	int64_t before;
	uint64_t kept, deleted, hapaxes, rare;
};

static bool
count_survivor(void *data, const struct store_token *token)
{
	struct survivors *s = data;
	const struct store_counts *c = &token->counts;

	if (c->atime < s->before) {
		s->deleted++;
		return true;
	}
	s->kept++;
	if ((uint64_t)c->spam + c->ham == 1)
		s->hapaxes++;
	else if (c->spam < 8 && c->ham < 8)
		s->rare++;
	return true;
}

static enum status
finish_without(struct store *store, struct store_variables *v, int64_t now_s, struct error *error)
{
	v->last_expire = now_s;
	return store_set_variables(store, v, error);
}

static enum status
remove_older(struct store *store, struct store_variables *v, int64_t age, int64_t now_s,
             const struct log *log, struct bayes_expiry *expiry, struct error *error)
{
	struct survivors s = {.before = v->newest_atime - age};
	enum status status = store_each_token(store, count_survivor, &s, error);

	if (status != STATUS_OK)
		return status;
	if (s.kept < KEEP_MIN) {
		log_debug(log, "bayes", "token expiration would expire too many tokens, aborting");
		expiry->kept = v->tokens;
		v->last_expire_reduction = v->last_expire_delta = 0;
		return finish_without(store, v, now_s, error);
	}
	status = store_expire(store, s.before < 0 ? 0 : (uint32_t)s.before,
	                      (uint32_t)v->newest_atime, error);
	if (status == STATUS_OK) {
		int64_t newest = v->newest_atime;

		status = store_variables(store, v, error);
		v->newest_atime = newest;
	}
	if (status != STATUS_OK)
		return status;
	v->last_expire_delta = age;
	v->last_expire_reduction = (int64_t)s.deleted;
	*expiry = (struct bayes_expiry){true, s.kept, s.deleted, s.hapaxes, s.rare, 0};
	return finish_without(store, v, now_s, error);
}

static enum status
expire(struct store *store, const struct core_settings *core, int64_t now_s, const struct log *log,
       struct bayes_expiry *expiry, struct error *error)
{
	double keep = core->bayes_expiry_max_db_size * keep_share;
	struct store_variables v;
	enum status status = store_variables(store, &v, error);
	int64_t goal, age;

	if (status != STATUS_OK)
		return status;
	if (v.newest_atime > now_s)
		v.newest_atime = now_s;
	goal = (int64_t)v.tokens - (keep < KEEP_MIN ? KEEP_MIN : (int64_t)keep);
	log_debug(log, "bayes", "token count: %llu, final goal reduction size: %lld",
	          (unsigned long long)v.tokens, (long long)goal);
	if (goal < REDUCE_MIN) {
		log_debug(log, "bayes",
		          "reduction goal of %lld is under 1,000 tokens, skipping expire",
		          (long long)goal);
		return finish_without(store, &v, now_s, error);
	}
	age = age_by_history(&v, (uint64_t)goal, now_s);
	if (age == 0)
		age = age_by_counting(store, v.newest_atime, (uint64_t)goal, &status, error);
	if (status != STATUS_OK)
		return status;
	if (age == 0) {
		log_debug(log, "bayes",
		          "couldn't find a good delta atime, need more token difference, "
		          "skipping expire");
		return finish_without(store, &v, now_s, error);
	}
	expiry->ran = true;
	return remove_older(store, &v, age, now_s, log, expiry, error);
}

enum status
bayes_expire(struct store *store, const struct core_settings *core, bool force, int64_t now_s,
             int64_t wait_ms, const struct log *log, struct bayes_expiry *expiry_r,
             struct error *error)
{
	struct store_variables v;
	enum status status;

	*expiry_r = (struct bayes_expiry){0};
	if (store->backend->expires_itself)
		return STATUS_OK;
	status = store_begin(store, wait_ms, error);
	if (status != STATUS_OK)
		return status;
	/* Another process may have been here first. */
	status = store_variables(store, &v, error);
	if (status == STATUS_OK && (force || bayes_expiry_is_due(core, &v, now_s)))
		status = expire(store, core, now_s, log, expiry_r, error);
	if (status == STATUS_OK)
		status = store_commit(store, error);
	else
		store_abort(store);
	if (status == STATUS_OK)
		log_debug(log, "bayes",
		          "expired old bayes database entries: %llu entries kept, %llu deleted",
		          (unsigned long long)expiry_r->kept,
		          (unsigned long long)expiry_r->deleted);
	expiry_r->seconds = clock_wall_s() - now_s;
	return status;
}
