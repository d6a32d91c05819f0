/*
 * module.h - code that is only loaded when the configuration asks for it
 *
 * A client library of a database server is not for everybody who scans mail, so what uses one sits
 * in a shared object of its own, in PKGLIBDIR (or in $WINNOW_MODULES, for tests of a build tree),
 * and exports one table, whose first member is an int: the version of its shape.
 */
#ifndef WINNOW_UTIL_MODULE_H
#define WINNOW_UTIL_MODULE_H

#include "util/status.h"

/*
 * The table named `symbol` of the module `file` ("store-pg.so").  It stays loaded as long as the
 * process.  NULL: not there, or of another version: the error says which file, and why.
 */
const void *module_load(const char *file, const char *symbol, int version, struct error *error);

#endif
