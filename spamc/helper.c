/*
 * helper.c - what is only loaded when it is asked for
 */
#include "spamc/helper.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "spamc/private.h"

/* Stays loaded: a library like OpenSSL cannot be unloaded safely. */
static const void *
load(int flags, const char *file, const char *symbol)
{
	const char *directory = secure_getenv("WINNOW_SPAMC_HELPERS");
	char path[PATH_MAX];
	void *object;
	const int *table;

	snprintf(path, sizeof(path), "%s/%s", directory != NULL ? directory : PKGLIBDIR, file);
	object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	table = object != NULL ? dlsym(object, symbol) : NULL;
	if (table != NULL && *table == SPAMC_HELPER_VERSION)
		return table;
	spamc_say(flags, LOG_ERR, "cannot use %s: %s", path,
	          table != NULL ? "it is of another version" : dlerror());
	return NULL;
}

const struct spamc_tls *
spamc_load_tls(int flags)
{
	return load(flags, "spamc-tls.so", "spamc_tls_table");
}

const struct spamc_deflate *
spamc_load_deflate(int flags)
{
	return load(flags, "spamc-deflate.so", "spamc_deflate_table");
}
