/*
 * jsonl.h - JSON values of test vectors
 *
 * Owns: struct json.  One line of a .jsonl file becomes a tree in an arena.  Strings are bytes: a
 * code point below 0x100 is the byte of the same number (as tools/stages.pl writes them), others
 * are UTF-8.  For tests only: an assertion-free reader that returns NULL on bad input.
 */
#ifndef WINNOW_T_VECTORS_JSONL_H
#define WINNOW_T_VECTORS_JSONL_H

#include "util/arena.h"
#include "util/slice.h"

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
	enum json_type type;
	double number; /* also of true (1) and false (0) */
	struct slice string;
	struct json *child; /* first element or member */
	struct json *next;
	struct slice key; /* of a member */
};

struct json *json_parse(struct arena *arena, struct slice text);
/* Member of an object, NULL when there is none. */
const struct json *json_get(const struct json *object, const char *key);
const struct json *json_at(const struct json *array, size_t index);
size_t json_count(const struct json *array);
/* Of a member: its string, or the null slice; its number, or `otherwise`. */
struct slice json_string(const struct json *object, const char *key);
double json_number(const struct json *object, const char *key, double otherwise);

/*
 * Reads path and calls row() for every line that parses; each row gets an arena of its own.
 * Returns the number of rows, or -1 when the file cannot be read or a line is no JSON.
 */
int jsonl_each(const char *path,
               void (*row)(struct arena *arena, const struct json *json, void *ctx), void *ctx);

#endif
