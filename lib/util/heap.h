/*
 * heap.h - memory for a program that loads much, answers once and ends
 *
 * Owns: how malloc asks the system.  On the machines where mail is filtered (guests, mostly) taking
 * memory page by page costs as much as everything that a cold start does with it.
 */
#ifndef WINNOW_UTIL_HEAP_H
#define WINNOW_UTIL_HEAP_H

#include <stddef.h>

/*
 * The next `bytes` of malloc come from one region, in large pages where the system has them, and
 * nothing is given back before the end.  Before any thread; where it cannot be, nothing changes.
 */
void heap_prefer_large_pages(size_t bytes);

#endif
