/*
 * lmdb_check.c - is that an LMDB file that can be read without harm?
 */
#include "store/lmdb_check.h"

#include <stdint.h>
#include <stdlib.h>

enum {
	PAGE_HEADER = 16,
	NODE_HEADER = 8,
	DB_BYTES = 48,
	META_BYTES = 16 + 24 + 2 * DB_BYTES + 16,
	DEPTH_MAX = 32,
	KIND_BRANCH = 0x01,
	KIND_LEAF = 0x02,
	KIND_OVERFLOW = 0x04,
	KIND_META = 0x08,
	NODE_BIG = 0x01,
	NODE_TREE = 0x02,
	/* A file may end before pages that were taken and given back at once. */
	PAGES_BEYOND = 65536
};
#define MAGIC UINT32_C(0xBEEFC0DE)
#define NO_PAGE UINT64_MAX

struct tree {
	uint64_t root;
	unsigned depth;
};

struct checker {
	struct slice file;
	size_t page_bytes;
	uint64_t last_page;
	unsigned char *used; /* by page: 1 reached, 2 free */
	const char *problem;
	struct tree trees[8]; /* named ones, found in the main tree */
	size_t tree_count;
};

static uint16_t
read16(const unsigned char *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t
read32(const unsigned char *p)
{
	return read16(p) | (uint32_t)read16(p + 2) << 16;
}

static uint64_t
read64(const unsigned char *p)
{
	return read32(p) | (uint64_t)read32(p + 4) << 32;
}

static bool
bad(struct checker *c, const char *problem)
{
	if (c->problem == NULL)
		c->problem = problem;
	return false;
}

static const unsigned char *
page_at(const struct checker *c, uint64_t number)
{
	return c->file.data + number * c->page_bytes;
}

static bool
claim(struct checker *c, uint64_t first, uint64_t count, unsigned char as)
{
	if (first < 2 || first > c->last_page || count > c->last_page - first + 1)
		return bad(c, "a page number is out of bounds");
	if (as == 1 && first + count > c->file.len / c->page_bytes)
		return bad(c, "the file is cut");
	for (uint64_t i = first; i < first + count; i++) {
		if (c->used[i] != 0)
			return bad(c, "a page is used twice");
		c->used[i] = as;
	}
	return true;
}

static bool
check_overflow(struct checker *c, uint64_t number, size_t bytes)
{
	const unsigned char *page;
	uint64_t pages;

	if (number < 2 || number > c->last_page || number >= c->file.len / c->page_bytes)
		return bad(c, "a page number is out of bounds");
	page = page_at(c, number);
	pages = read32(page + 12);
	if (read64(page) != number || !(read16(page + 10) & KIND_OVERFLOW) || pages == 0 ||
	    bytes + PAGE_HEADER > pages * c->page_bytes)
		return bad(c, "an overflow page is none");
	return claim(c, number, pages, 1);
}

/* Data of the free list's entries: a count and so many page numbers. */
static bool
check_free(struct checker *c, const unsigned char *data, size_t len)
{
	uint64_t count = len < 8 ? 0 : read64(data);

	if (len < 8 || count > len / 8 - 1)
		return bad(c, "the list of free pages is cut");
	for (uint64_t i = 1; i <= count; i++)
		if (!claim(c, read64(data + i * 8), 1, 2))
			return false;
	return true;
}

static bool
check_leaf_node(struct checker *c, const unsigned char *node, bool is_free_list)
{
	size_t key_len = read16(node + 6), len = read32(node);
	unsigned flags = read16(node + 4);
	const unsigned char *data = node + NODE_HEADER + key_len;

	if (flags & NODE_BIG) {
		uint64_t number = read64(data);

		if (!check_overflow(c, number, len))
			return false;
		data = page_at(c, number) + PAGE_HEADER;
	}
	if (is_free_list)
		return check_free(c, data, len);
	if (!(flags & NODE_TREE))
		return flags & ~(unsigned)NODE_BIG ? bad(c, "a node of an unknown kind") : true;
	if (len != DB_BYTES || c->tree_count == sizeof(c->trees) / sizeof(c->trees[0]))
		return bad(c, "a tree's record is of the wrong size");
	c->trees[c->tree_count++] = (struct tree){read64(data + 40), read16(data + 6)};
	return true;
}

/* Bounds of one node; its length including padding does not matter. */
static bool
check_node(struct checker *c, const unsigned char *page, size_t at, bool is_leaf)
{
	const unsigned char *node = page + at;
	size_t len, key_len;

	if (at + NODE_HEADER > c->page_bytes)
		return bad(c, "a node is out of its page");
	key_len = read16(node + 6);
	len = !is_leaf ? 0 : read16(node + 4) & NODE_BIG ? 8 : read32(node);
	if (key_len > c->page_bytes || len > c->page_bytes ||
	    at + NODE_HEADER + key_len + len > c->page_bytes)
		return bad(c, "a node is out of its page");
	return true;
}

static bool
check_page(struct checker *c, uint64_t number, bool is_leaf)
{
	const unsigned char *page;
	size_t lower, upper;

	if (!claim(c, number, 1, 1))
		return false;
	page = page_at(c, number);
	lower = read16(page + 12);
	upper = read16(page + 14);
	if (read64(page) != number)
		return bad(c, "a page has another's number");
	if ((read16(page + 10) & (KIND_BRANCH | KIND_LEAF | KIND_OVERFLOW | KIND_META | 0x20)) !=
	    (is_leaf ? KIND_LEAF : KIND_BRANCH))
		return bad(c, "a page is of the wrong kind");
	if (lower < PAGE_HEADER || lower > upper || upper > c->page_bytes || lower % 2 != 0)
		return bad(c, "a page's bounds are wrong");
	if (!is_leaf && lower < PAGE_HEADER + 4)
		return bad(c, "a branch has too few children");
	for (size_t i = PAGE_HEADER; i < lower; i += 2) {
		size_t at = read16(page + i);

		if (at < upper || !check_node(c, page, at, is_leaf))
			return bad(c, "a node is out of its page");
	}
	return true;
}

/* Depth first, without recursion: at most DEPTH_MAX levels. */
static bool
check_tree(struct checker *c, struct tree tree, bool is_free_list)
{
	struct {
		const unsigned char *page;
		size_t at, end;
	} stack[DEPTH_MAX];
	size_t level = 0;
	uint64_t next = tree.root;

	if (tree.root == NO_PAGE)
		return true;
	if (tree.depth == 0 || tree.depth > DEPTH_MAX)
		return bad(c, "a tree's depth is wrong");
	for (;;) {
		bool is_leaf = level + 1 == tree.depth;

		if (!check_page(c, next, is_leaf))
			return false;
		stack[level].page = page_at(c, next);
		stack[level].at = PAGE_HEADER;
		stack[level].end = read16(stack[level].page + 12);
		for (; is_leaf && stack[level].at < stack[level].end; stack[level].at += 2)
			if (!check_leaf_node(c,
			                     stack[level].page +
			                             read16(stack[level].page + stack[level].at),
			                     is_free_list))
				return false;
		while (stack[level].at == stack[level].end) {
			if (level-- == 0)
				return true;
		}
		const unsigned char *node =
			stack[level].page + read16(stack[level].page + stack[level].at);

		next = read32(node) | (uint64_t)read16(node + 4) << 32;
		stack[level].at += 2;
		level++;
	}
}

/* The younger of the two that are whole; NULL: neither is. */
static const unsigned char *
find_meta(struct slice file, size_t page_bytes)
{
	const unsigned char *best = NULL;

	for (size_t i = 0; i < 2; i++) {
		const unsigned char *meta = file.data + i * page_bytes + PAGE_HEADER;

		if (i * page_bytes + META_BYTES > file.len || read32(meta) != MAGIC ||
		    read32(meta + 4) != 1 || read32(meta + 24) != page_bytes)
			continue;
		if (best == NULL ||
		    read64(meta + 24 + 2 * DB_BYTES + 8) > read64(best + 24 + 2 * DB_BYTES + 8))
			best = meta;
	}
	return best;
}

enum status
lmdb_check(struct slice file, struct error *error)
{
	struct checker c = {.file = file};
	const unsigned char *meta;
	bool good;

	if (file.len < 2 * 512 || file.len < META_BYTES)
		return error_set(error, STATUS_BAD, "the file is too short");
	c.page_bytes = read32(file.data + PAGE_HEADER + 24);
	if (c.page_bytes < 512 || c.page_bytes > 65536 ||
	    (c.page_bytes & (c.page_bytes - 1)) != 0 ||
	    (meta = find_meta(file, c.page_bytes)) == NULL)
		return error_set(error, STATUS_BAD, "the head of the file is not that of a store");
	c.last_page = read64(meta + 24 + 2 * DB_BYTES);
	if (c.last_page >= file.len / c.page_bytes + PAGES_BEYOND)
		return error_set(error, STATUS_BAD, "the file is cut");
	c.used = calloc(1, c.last_page + 1);
	if (c.used == NULL)
		return error_set(error, STATUS_LIMIT, "no memory to check the file");
	meta += 24;
	good = check_tree(&c, (struct tree){read64(meta + 40), read16(meta + 6)}, true) &&
	       check_tree(&c,
	                  (struct tree){read64(meta + DB_BYTES + 40), read16(meta + DB_BYTES + 6)},
	                  false);
	for (size_t i = 0; good && i < c.tree_count; i++)
		good = check_tree(&c, c.trees[i], false);
	free(c.used);
	return good ? STATUS_OK : error_set(error, STATUS_BAD, "%s", c.problem);
}
