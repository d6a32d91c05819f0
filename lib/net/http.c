/*
 * http.c - the module that asks web servers
 */
#include "net/http.h"

#include "util/module.h"

const struct http_driver *
http_load(struct error *error)
{
	return module_load("http-curl.so", "winnow_http_driver", HTTP_VERSION, error);
}
