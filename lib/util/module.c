/*
 * module.c - code that is only loaded when the configuration asks for it
 */
#include "util/module.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

const void *
module_load(const char *file, const char *symbol, int version, struct error *error)
{
	const char *directory = secure_getenv("WINNOW_MODULES");
	char path[PATH_MAX];
	void *object;
	const int *table;

	snprintf(path, sizeof(path), "%s/%s", directory != NULL ? directory : PKGLIBDIR, file);
	/* Never unloaded: client libraries leave threads, handlers and TLS state behind. */
	object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (object == NULL) {
		(void)error_set(error, STATUS_BAD, "cannot load %s (%s)", path, dlerror());
		return NULL;
	}
	table = dlsym(object, symbol);
	if (table != NULL && *table == version)
		return table;
	(void)error_set(error, STATUS_BAD, "cannot use %s: it is of another version", path);
	return NULL;
}
